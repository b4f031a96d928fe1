"""Why a rule did or did not raise on a sensor at an instant: the live engine over what had arrived by then.

The engine runs over the readings of the sensor and of every sensor its conditions look at, from long enough before;
what it then remembers is told level by level: where it stands, what each condition answers and on which evidence, what
is missing in the data, and what would change it next. Readings that were measured before the instant but arrived after
it were not known then: they are counted, and left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from city import duration
from city.errors import InputError
from city.levels import Flag, Level
from city.positions import nearest_or_all
from city.reading import Sample
from rules.alarm.alarm import Alarm
from rules.alarm.ladder import LadderState, Phase, Rung, RungState
from rules.book import Book, Instance, Watch
from rules.check import Checked
from rules.conditions import kinds
from rules.conditions.condition import Condition, Moment, holds
from rules.conditions.truth import Evidence
from rules.effects import AlarmEvent
from rules.inputs import BundleIn
from rules.trials.narrow import narrow
from rules.trials.run import Run
from rules.trials.story import Story

AT_LEAST_US = 24 * 3600 * 1_000_000  # how far back to begin, at least: what stands now usually began within a day
GAPS = 5


@dataclass(frozen=True)
class Node:
    """One condition: what it says, what it answers, on which evidence, and the conditions inside it."""

    says: str
    truth: str
    evidence: tuple[Evidence, ...] = ()
    parts: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Rise:
    """One level: its machine, its condition as it answers now (None: no reading yet), and what would change it next."""

    level: Level
    phase: str
    since_us: int | None
    for_us: int
    clear_after_us: int
    deadband: float
    on_gap: str
    condition: Node | None
    next: str
    due_us: int | None = None


@dataclass(frozen=True)
class Gap:
    """Event time without a reading: after `from_us`, until `to_us`."""

    from_us: int
    to_us: int


@dataclass(frozen=True)
class Explanation:
    """All there is to say of one rule on one scope at `at_us`.

    Attributes
    ----------
    begin_us
        From when on readings were run over.
    last
        The last reading of the sensor that had arrived; None when none had.
    readings
        How many of each sensor had arrived.
    unknown_then
        How many were measured by then and arrived later.
    flags
        Of the sensor: how many readings carried each flag but pass.
    gaps
        Of the sensor, longer than the rule's `stale_after`, newest last.
    alarm
        The one that stands, or else the last one; None when there was none.
    events
        What happened to its alarms, with the time at which it was told.
    """

    rule: str
    version: str
    title: Mapping[str, str]
    scope: str
    unit: str
    at_us: int
    begin_us: int
    levels: tuple[Rise, ...]
    last: Sample | None
    readings: Mapping[str, int]
    unknown_then: int
    flags: Mapping[str, int]
    gaps: tuple[Gap, ...]
    stale_after_us: int
    alarm: Alarm | None
    events: tuple[tuple[int, AlarmEvent], ...]
    silence: str = ""
    recorded: tuple[Mapping[str, Any], ...] = field(default=())

    @property
    def verdict(self) -> str:
        """In two words: `red stands`, `yellow pending`, `nothing stands`."""
        if self.alarm is not None and self.alarm.stands:
            return f"{self.alarm.level.word} stands"
        waiting = max((rise.level for rise in self.levels if rise.phase == "pending"), default=None)
        return f"{waiting.word} pending" if waiting else "nothing stands"


def find(book: Book, rule: str, scope: str) -> Instance | Watch:
    """A rule on a sensor or gateway (InputError with what there is, when there is no such thing)."""
    key = f"{rule}/{scope}"
    found = book.instances.get(key) or book.watches.get(key)
    if found is not None:
        return found
    scopes: dict[str, list[str]] = {}
    for each in [*book.instances, *book.watches]:
        name, _, own = each.partition("/")
        scopes.setdefault(name, []).append(own)
    if rule not in scopes:
        raise InputError(f"rule: no such rule, got {rule!r}, try {nearest_or_all(rule, scopes)}")
    watched = ", ".join(scopes[rule][:8]) + (", …" if len(scopes[rule]) > 8 else "")
    if scope in book.city.sensors or scope in book.city.gateways:
        others = sorted(name for name, own in scopes.items() if scope in own)
        told = f"; {scope} is watched by {', '.join(others)}" if others else f"; no rule watches {scope}"
        raise InputError(f"--sensor: {rule} does not watch it, got {scope!r}{told}, try one of {watched}")
    raise InputError(f"--sensor: no such sensor, got {scope!r}, try {nearest_or_all(scope, scopes[rule])}")


def looked_at(checked: Checked, found: Instance | Watch) -> list[str]:
    """The sensors whose readings decide about a rule on a scope."""
    if isinstance(found, Watch):
        return sorted(sensor.id for sensor in checked.city.sensors_of[found.gateway.id])
    return sorted({found.sensor.id, *(n for n in found.neighbours if n in checked.city.sensors)})


def begin_us(found: Instance | Watch, at_us: int) -> int:
    """From when on readings are needed: what the conditions look back, the delays, and a day for detectors to learn."""
    if isinstance(found, Watch):
        return at_us - max(AT_LEAST_US, 2 * found.after_us)
    rungs = found.ladder.rungs
    delays_us = max(rung.for_us + rung.clear_after_us for rung in rungs)
    return at_us - max(AT_LEAST_US, 2 * (found.reach_us + delays_us + found.ladder.stale_after_us))


def explain(
    checked: Checked, found: Instance | Watch, at_us: int, readings: Iterable[Sample], from_us: int | None = None
) -> Explanation:
    """Run the engine over readings up to an instant, and tell how the rule stands.

    Parameters
    ----------
    readings
        Of the sensors of `looked_at`, in any order.
    from_us
        From when on they are run over; `begin_us` unless given.
    """
    from_us = begin_us(found, at_us) if from_us is None else from_us
    mine = [s for s in readings if from_us <= s.time_us <= at_us]
    known = sorted((s for s in mine if s.received_us <= at_us), key=lambda s: (s.received_us, s.time_us))
    run, story = _run(checked, found, from_us, known, at_us)
    scope = found.scope if isinstance(found, Watch) else found.sensor.id
    own = [s for s in known if s.sensor == scope]
    own.sort(key=lambda s: s.time_us)
    fold = run.engine.state.folds.get(found.key)
    state = fold.state if fold is not None else LadderState()
    mine_alarms = story.of(found.rule.id, scope)
    alarm = next((a for a in mine_alarms if a.stands), mine_alarms[-1] if mine_alarms else None)
    if fold is not None and fold.alarm is not None:
        alarm = fold.alarm
    levels: tuple[Rise, ...] = ()
    silence = ""
    if isinstance(found, Watch):
        silence = _silence(found, known, at_us)
    else:
        levels = _levels(found, state, run, own)
    return Explanation(
        rule=found.rule.id, version=found.rule.version, title=found.rule.title, scope=scope,
        unit=found.sensor.quantity.unit if found.sensor else "", at_us=at_us, begin_us=from_us, levels=levels,
        last=own[-1] if own else None, readings=_counts(checked, found, known), unknown_then=len(mine) - len(known),
        flags=_flags(own), gaps=_gaps(own, found, at_us), stale_after_us=_stale_us(found), alarm=alarm,
        events=tuple((told, e) for told, e in story.events if e.alarm in {a.id for a in mine_alarms}), silence=silence,
    )  # fmt: skip


def _run(
    checked: Checked, found: Instance | Watch, from_us: int, known: Sequence[Sample], at_us: int
) -> tuple[Run, Story]:
    """The engine with this one rule on this one scope, and what may inhibit it, at the instant."""
    wanted = {found.rule.id, *(rule for rule, _ in found.rule.inhibited_by)}
    small = narrow(checked, set(looked_at(checked, found)), lambda rule: rule.id in wanted)
    story = Story()
    run = Run(
        BundleIn("explained", small.book, small.escalation), min([from_us, *(s.received_us for s in known)]), story.take
    )
    arriving: dict[int, list[Sample]] = {}
    for sample in known:
        arriving.setdefault(sample.received_us, []).append(sample)
    run.take_all(sorted(arriving.items()))
    run.pass_to(at_us + 1)
    return run, story


# -- levels ----------------------------------------------------------------------------------------------------------


def _levels(found: Instance, state: LadderState, run: Run, own: Sequence[Sample]) -> tuple[Rise, ...]:
    usable = found.ladder.flags.usable
    track = run.engine.state.tracks.get(found.sensor.id)
    last = next((s for s in reversed(own) if s.flag in usable), None)
    moment = None
    if last is not None and track is not None:
        moment = Moment(last, track, run.engine.state.tracks, usable, state.memory)
    return tuple(_level(found, rung, state.rungs.get(rung.level), moment) for rung in found.ladder.rungs)


def _level(found: Instance, rung: Rung, own: RungState | None, moment: Moment | None) -> Rise:
    phase = own.phase if own is not None else Phase.IDLE
    stands = phase in (Phase.STANDING, Phase.CLEARING)
    node = _node(rung.condition, moment, rung.deadband if stands else 0.0) if moment is not None else None
    says, due_us = _next(found, rung, own, node)
    since_us = own.since_us if own is not None and own.since_us else None
    return Rise(
        rung.level, phase.value, since_us, rung.for_us, rung.clear_after_us, rung.deadband, rung.on_gap, node, says,
        due_us,
    )  # fmt: skip


def _node(condition: Condition, moment: Moment, deadband: float) -> Node:
    """A condition's answer, and those of the conditions inside it."""
    parts = tuple(_node(part, moment, deadband) for part in kinds.inner(condition))
    seen: list[Evidence] = []
    truth = holds(condition, moment, deadband, seen)
    if parts:  # their evidence stands with them; a sequence has its own besides: when its first part held
        seen = seen[:1] if isinstance(condition, kinds.Sequence) else []
    return Node(_says(condition), truth.name.lower(), tuple(seen), parts)


def _says(condition: Condition) -> str:
    match condition:
        case kinds.All():
            return "all of"
        case kinds.Any_():
            return "any of"
        case kinds.Not():
            return "not"
        case kinds.Presumed():
            return "this, or it cannot be judged"
        case _:
            return str(getattr(condition, "written", type(condition).__name__))


def _next(found: Instance, rung: Rung, own: RungState | None, node: Node | None) -> tuple[str, int | None]:
    """What would change a level next, and when that would be if nothing else changes."""
    word = rung.level.word
    if own is None or own.phase is Phase.IDLE:
        return _waits(word, node), None
    if own.phase is Phase.PENDING:
        due_us = own.since_us + rung.for_us
        gaps = {
            "complete": "a gap counts",
            "hold": "a gap stops the watch",
            "reset": "a gap starts it over",
        }
        says = node.says if node is not None else "its condition"
        return f"{word} raises if this stays true: {says} ({gaps[rung.on_gap]})", due_us
    unit = found.sensor.quantity.unit
    band = f" (with {rung.deadband:g} {unit} of deadband)" if rung.deadband else ""
    if own.phase is Phase.CLEARING:
        return f"{word} ends if its condition stays untrue{band}", own.since_us + rung.clear_after_us
    after = duration.write(rung.clear_after_us / 1e6)
    return f"{word} ends {after} after the first reading at which its condition is untrue{band}, if it stays so", None


def _waits(word: str, node: Node | None) -> str:
    if node is None:
        return f"{word} waits for a first usable reading"
    blocking = [leaf for leaf in _leaves(node) if leaf.truth != "true"]
    if node.truth == "true" or not blocking:
        return f"{word} would be pending with the next reading"
    return f"{word} waits for: " + "; ".join(dict.fromkeys(_lacks(leaf) for leaf in blocking))


def _lacks(leaf: Node) -> str:
    seen = next((e for e in leaf.evidence if e.value is not None), None)
    if leaf.truth == "unknown":
        return f"{leaf.says} (cannot be judged)"
    return f"{leaf.says} (is {seen.value:.6g} {seen.unit})".replace(" )", ")") if seen is not None else leaf.says


def _leaves(node: Node) -> list[Node]:
    return [leaf for part in node.parts for leaf in _leaves(part)] if node.parts else [node]


# -- data ------------------------------------------------------------------------------------------------------------


def _stale_us(found: Instance | Watch) -> int:
    return found.after_us if isinstance(found, Watch) else found.ladder.stale_after_us


def _counts(checked: Checked, found: Instance | Watch, known: Sequence[Sample]) -> dict[str, int]:
    counts = dict.fromkeys(looked_at(checked, found), 0)
    for sample in known:
        if sample.sensor in counts:
            counts[sample.sensor] += 1
    return counts


def _flags(own: Sequence[Sample]) -> dict[str, int]:
    found: dict[str, int] = {}
    for sample in own:
        if sample.flag is not Flag.PASS:
            found[sample.flag.name.lower()] = found.get(sample.flag.name.lower(), 0) + 1
    return found


def _gaps(own: Sequence[Sample], found: Instance | Watch, at_us: int) -> tuple[Gap, ...]:
    times = [sample.time_us for sample in own]
    limit_us = _stale_us(found)
    pairs = pairwise([*times, at_us])
    return tuple(Gap(before, after) for before, after in pairs if after - before > limit_us)[-GAPS:]


def _silence(found: Watch, known: Sequence[Sample], at_us: int) -> str:
    """How a silence rule stands: when its scope was heard last, and when it would be called silent."""
    heard = [s.received_us for s in known if found.sensor is None or s.sensor == found.sensor.id]
    if not heard:
        return f"{found.scope} was not heard in this time"
    ago = f"{found.scope} was heard {(at_us - max(heard)) / 1e6:g} s ago"
    left_us = max(heard) + found.after_us - at_us
    if left_us > 0:
        return f"{ago}; it is called silent in {left_us / 1e6:g} s if nothing comes"
    return f"{ago}; it is called silent after {found.after_us / 1e6:g} s"


def document(explanation: Explanation, clock: Any) -> dict[str, Any]:  # noqa: ANN401 - any writer of instants
    """An explanation as plain values for JSON; `clock` writes instants."""
    raw = asdict(explanation)
    raw["verdict"] = explanation.verdict
    return {_name(key, value): _plain(value, key, clock) for key, value in raw.items()}


def _plain(value: Any, key: str, clock: Any) -> Any:  # noqa: ANN401 - as various as the fields are
    if isinstance(value, Level):
        return value.word
    if isinstance(value, int) and key.endswith("_us"):
        return clock(value) if value > _OLDEST_US else value / 1e6
    if isinstance(value, Sample):
        return _plain(value._asdict(), key, clock)
    if isinstance(value, Mapping):
        return {_name(str(k), v): _plain(v, str(k), clock) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, key, clock) for v in value]
    return value


_OLDEST_US = 10**14  # above it microseconds since 1970, below it a length of time


def _name(key: str, value: object) -> str:
    """`raised_us` as `raised`, and a length of time as `for_s`."""
    if not key.endswith("_us"):
        return key
    return key[:-3] + ("_s" if isinstance(value, int) and value <= _OLDEST_US else "")
