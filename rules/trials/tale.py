"""What happened, in lines that an engineer can read: for failed tests and for explanations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from city import duration
from city.levels import Flag, Level
from rules.effects import AlarmEvent

Clock = Callable[[int], str]
"""Writes an instant (microseconds since 1970)."""


def since(start_us: int) -> Clock:
    """Instants as time since a start."""
    return lambda at_us: duration.write((at_us - start_us) / 1e6)


def number(value: float | None) -> str:
    """A value without a long tail of digits."""
    return "nothing" if value is None else f"{value:.6g}"


def flag_word(flag: int) -> str:
    """A quality flag in words; empty for pass and for none."""
    return Flag(flag).name.lower().replace("_", " ") if flag > Flag.PASS else ""


def evidence(facts: Iterable[Mapping[str, Any]], clock: Clock) -> str:
    """What was seen, in one line."""
    parts = []
    for fact in facts:
        when = f" at {clock(fact['time_us'])}" if fact["time_us"] else ""
        flag = f" ({flag_word(fact['flag'])})" if flag_word(fact["flag"]) else ""
        value = f"{number(fact['value'])} {fact['unit']}".strip()
        parts.append(f"{fact['sensor']} {value}{when}{flag} [{fact['test']}: {fact['truth']}]")
    return "; ".join(parts)


def event_line(told_us: int, event: AlarmEvent, clock: Clock) -> str:
    """One thing that happened to an alarm: when, what, why, and what was seen."""
    levels = (
        f"{event.from_level.word} to {event.to_level.word}"
        if event.from_level is not event.to_level
        else (event.to_level.word if event.to_level is not Level.NONE else "")
    )
    conditions = f"{event.from_condition} to {event.to_condition}" if event.from_condition != event.to_condition else ""
    told = f" (told at {clock(told_us)})" if told_us - event.at_us > 1_000_000 else ""
    what = ", ".join(part for part in (levels, conditions) if part)
    seen = evidence(event.evidence, clock)
    return f"{clock(event.at_us)}{told}  {event.kind}: {what}; {event.reason}" + (f"; {seen}" if seen else "")
