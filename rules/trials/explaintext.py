"""An explanation in lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from city import duration
from city.levels import Level
from rules.trials.explain import Explanation, Node, Rise
from rules.trials.tale import Clock, event_line, evidence, flag_word, number

EVENTS = 20


def lines(explanation: Explanation, whole: Clock) -> Iterator[str]:
    """What there is to say, from the verdict to the single readings behind it.

    `whole` writes instants in full; those of the same day are cut to their time.
    """
    e, now = explanation, whole(explanation.at_us)
    yield f"{e.rule} on {e.scope} at {now}: {e.verdict} (rule version {e.version})"

    def clock(at_us: int) -> str:
        text = whole(at_us)
        day, _, rest = text.partition("T")
        time, offset = rest[:8], now[-6:]
        if not text.endswith(offset):
            return text
        return time if now.startswith(day) else f"{day} {time}"

    yield from _data(e, clock)
    for rise in e.levels:
        yield from _level(rise, clock)
    if e.silence:
        yield f"  {e.silence}"
    yield from _alarm(e, clock)
    if e.events:
        yield "  what happened:"
        yield from (f"    {event_line(told, event, clock)}" for told, event in e.events[-EVENTS:])
    if e.recorded:
        yield "  what the running system recorded:"
        yield from (f"    {_row(row)}" for row in e.recorded[-EVENTS:])


def _data(e: Explanation, clock: Clock) -> Iterator[str]:
    if e.last is None and not e.silence:
        yield f"  no reading of {e.scope} had arrived since {clock(e.begin_us)}"
    elif e.last is not None:
        age = duration.write((e.at_us - e.last.time_us) / 1e6)
        flag = f", {flag_word(e.last.flag)}" if flag_word(e.last.flag) else ""
        yield f"  last reading: {number(e.last.value)} {e.unit} at {clock(e.last.time_us)} ({age} old{flag})"
    counts = ", ".join(f"{name} {count}" for name, count in e.readings.items())
    yield f"  readings since {clock(e.begin_us)}: {counts or 'none'}"
    if e.unknown_then:
        yield f"  {e.unknown_then} more were measured by then and arrived later: not known at that instant"
    if e.flags:
        yield "  quality flags: " + ", ".join(f"{name} {count}" for name, count in e.flags.items())
    for gap in e.gaps:
        length = duration.write((gap.to_us - gap.from_us) / 1e6)
        yield f"  gap of {length}: {clock(gap.from_us)} to {clock(gap.to_us)}"


def _level(rise: Rise, clock: Clock) -> Iterator[str]:
    since = f" since {clock(rise.since_us)}" if rise.since_us else ""
    yield f"  {rise.level.word}: {rise.phase}{since}"
    if rise.condition is not None:
        yield from _node(rise.condition, clock, "    ")
    when = f"at {clock(rise.due_us)} " if rise.due_us else ""
    yield f"    next: {when}{rise.next}"


def _node(node: Node, clock: Clock, indent: str) -> Iterator[str]:
    seen = evidence((asdict(fact) for fact in node.evidence), clock)
    yield f"{indent}{node.truth}: {node.says}" + (f"; {seen}" if seen else "")
    for part in node.parts:
        yield from _node(part, clock, indent + "  ")


def _alarm(e: Explanation, clock: Clock) -> Iterator[str]:
    alarm = e.alarm
    if alarm is None:
        yield f"  no alarm since {clock(e.begin_us)}"
        return
    parts = [f"raised {clock(alarm.raised_us)}", f"highest {alarm.peak_level.word}", str(alarm.condition)]
    if alarm.level is not Level.NONE:
        parts.insert(1, f"now {alarm.level.word}")
    if alarm.cleared_us is not None:
        parts.append(f"cleared {clock(alarm.cleared_us)}")
    parts += [word for word, so in (("late", alarm.late), ("latched", alarm.latched)) if so]
    if alarm.hold:
        parts.append(f"{alarm.hold}: {alarm.hold_reason}")
    yield f"  alarm {alarm.id}: " + ", ".join(parts)


def _row(row: object) -> str:
    return str(row) if not isinstance(row, dict) else "  ".join(str(value) for value in row.values() if value)
