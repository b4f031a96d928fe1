"""Silence: gateways and sensors that are no longer heard, judged by arrival time on proven ticks.

A gateway is silent when nothing of it was received for its rule's time, measured up to what the recorder proves to have
taken in (`TickIn.heard_us`) and not from before it began to listen (`TickIn.listening_us`), so that a stopped recorder
never looks like a dead city. A sensor is silent when its gateway has been heard all that time without it: one dead
gateway is one alarm, not one for each of its sensors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from city.levels import Level
from rules.alarm.alarm import Alarm, Condition, Move, Moved, alarm_id
from rules.alarm.track import Track
from rules.book import Book, Watch
from rules.conditions.truth import Evidence


@dataclass(slots=True)
class Hearing:
    """When each gateway was last heard (arrival time), since when we listen, and what stands, by watch key."""

    heard_us: dict[str, int] = field(default_factory=dict)
    listening_us: int = 0
    alarms: dict[str, Alarm] = field(default_factory=dict)


def silent_since_us(hearing: Hearing, watch: Watch, tracks: Mapping[str, Track], heard_us: int) -> int | None:
    """The arrival time since when a watched scope is silent, if it is by `heard_us`."""
    gateway_us = hearing.heard_us.get(watch.gateway.id, heard_us)
    if watch.sensor is None:
        since_us, until_us = gateway_us, heard_us
    elif (track := tracks.get(watch.sensor.id)) is not None:
        since_us, until_us = track.received_us, gateway_us
    else:
        return None
    since_us = max(since_us, hearing.listening_us)
    return since_us if until_us - since_us > watch.after_us else None


def newly_silent(
    hearing: Hearing, book: Book, tracks: Mapping[str, Track], heard_us: int
) -> Iterator[tuple[Watch, int]]:
    """Watches that turn silent by `heard_us`, and since when."""
    for watch in book.watches.values():
        if watch.key not in hearing.alarms:
            since_us = silent_since_us(hearing, watch, tracks, heard_us)
            if since_us is not None:
                yield watch, since_us


def raise_silence(hearing: Hearing, watch: Watch, since_us: int) -> Moved:
    """Raise the alarm of a silent scope at the instant its time was up."""
    at_us = since_us + watch.after_us
    alarm = watch.alarm(alarm_id(watch.rule.id, watch.scope, at_us), at_us)
    quantity = watch.sensor.quantity.id if watch.sensor else "messages"
    evidence = (Evidence(watch.scope, quantity, "", None, since_us, 0, watch.written, "true"),)
    alarm.evidence = evidence
    hearing.alarms[watch.key] = alarm
    reason = f"nothing received for {watch.after_us / 1e6:g} s"
    return Moved(alarm, Move.RAISED, at_us, Level.NONE, Condition.NORMAL, reason, evidence)


def heard_again(hearing: Hearing, book: Book, gateways: Mapping[str, int], sensors: Mapping[str, int]) -> list[Moved]:
    """Clear the silence alarms of scopes just heard (gateway and sensor id to arrival time)."""
    moves = []
    for key, alarm in list(hearing.alarms.items()):
        watch = book.watches.get(key)
        heard = sensors if watch is not None and watch.sensor is not None else gateways
        if watch is None or alarm.scope not in heard:
            continue
        at_us = max(heard[alarm.scope], alarm.raised_us)
        was, alarm.condition, alarm.cleared_us = alarm.condition, Condition.NORMAL, at_us
        del hearing.alarms[key]
        moves.append(Moved(alarm, Move.CLEARED, at_us, alarm.level, was, "heard again"))
    return moves
