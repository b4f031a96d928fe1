"""What people decide about alarms and places: shelve, out of service, maintenance, reset; carried out or refused.

Every decision and every refusal is recorded with its reason. A hold needs a reason and an end, no later than its
level's longest (`LONGEST_US`). A red alarm is not held by one person alone: the first one asks, a second one who asks
for the same within `SECOND_WITHIN_US` makes it so, and the earlier of the two ends counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from city.clock import from_us
from city.levels import Level
from rules.alarm.alarm import Alarm, Hold, Move, Moved, happen
from rules.alarm.holds import Asked, Ended, Holds, Shelf
from rules.book import Book
from rules.desk.maintaining import unknown_place
from rules.desk.stamp import Stamp
from rules.effects import Effect, HoldEvent, ShelfEnded, ShelfSet
from rules.inputs import CommandIn, HoldKind

_HOUR_US = 3_600_000_000
LONGEST_US: Mapping[Level, int] = {
    Level.BLUE: 24 * _HOUR_US, Level.YELLOW: 8 * _HOUR_US, Level.ORANGE: _HOUR_US, Level.RED: _HOUR_US // 4,
}  # fmt: skip
LONGEST_OUT_US = 30 * 24 * _HOUR_US
SECOND_WITHIN_US = 15 * 60 * 1_000_000
NEEDS_REASON = frozenset({HoldKind.SHELVE, HoldKind.OUT_OF_SERVICE, HoldKind.MAINTAIN, HoldKind.RESET})


@dataclass(frozen=True)
class Decision:
    """What came of a command: what to record, what happened to alarms, and which holds to look at (with the words)."""

    effects: list[Effect]
    moves: list[Moved] = field(default_factory=list)
    touched: Mapping[str, str] = field(default_factory=dict)


def decide(holds: Holds, book: Book, command: CommandIn, stamp: Stamp) -> Decision:
    """Carry out (or refuse, with a reason) what a person said about an alarm or a sensor."""
    if command.kind in NEEDS_REASON and not command.note.strip():
        return _refused(command, stamp, f"{command.kind} needs a note that says why")
    match command.kind:
        case HoldKind.SHELVE:
            return _shelve(holds, book, replace(command, target=_key(holds, command.target)), stamp)
        case HoldKind.OUT_OF_SERVICE:
            return _out_of_service(holds, book, command, stamp)
        case HoldKind.UNSHELVE:
            return _end(holds.shelves, replace(command, target=_key(holds, command.target)), "it is not shelved", stamp)
        case HoldKind.IN_SERVICE:
            return _end(holds.out, command, "it is not out of service", stamp)
        case HoldKind.MAINTAIN:
            return _maintain(holds, book, command, stamp)
        case HoldKind.END_MAINTENANCE:
            return _end(holds.maintained, command, "it is not under maintenance", stamp)
        case HoldKind.RESET:
            return _reset(holds, command, stamp)
    raise ValueError(f"{command.kind} is said about an incident, not about {command.target!r}")


def endings(ended: list[Ended], stamp: Stamp) -> list[Effect]:
    """The record of holds that ended by themselves."""
    effects: list[Effect] = []
    for end in ended:
        effects.append(ShelfEnded(end.hold, end.target, stamp.now_us, end.why))
        effects.append(HoldEvent(stamp.next_id(), stamp.now_us, end.target, _ENDED[end.hold], "", end.why, ""))
    return effects


_ENDED: Mapping[Hold, str] = {
    Hold.SHELVED: "shelf_ended", Hold.OUT_OF_SERVICE: "service_resumed", Hold.MAINTENANCE: "maintenance_ended",
}  # fmt: skip


def _key(holds: Holds, target: str) -> str:
    """`rule/scope`, also for an alarm's id."""
    return holds.listed[target].key if target in holds.listed else target


def _shelve(holds: Holds, book: Book, command: CommandIn, stamp: Stamp) -> Decision:
    standing = [alarm for alarm in holds.standing() if alarm.key == command.target]
    level = command.level or max((alarm.level for alarm in standing), default=Level.NONE)
    why = _unfit(book, command, standing, level)
    until_us = command.until_us
    if until_us is None and command.one_shot and level:
        until_us = stamp.now_us + LONGEST_US[level]
    if not why:
        why = _bad_end(until_us, stamp.now_us, LONGEST_US[level], level.word)
    if why or until_us is None:
        return _refused(command, stamp, why)
    return _agreed(holds, command, Hold.SHELVED, level, until_us, stamp)


def _unfit(book: Book, command: CommandIn, standing: list[Alarm], level: Level) -> str:
    """Why a key cannot be shelved up to a level (empty: it can)."""
    if not standing and command.target not in book.instances and command.target not in book.watches:
        return f"no rule watches {command.target!r}"
    if level is Level.NONE:
        return "nothing stands there: say up to which level to shelve it"
    if command.one_shot and not standing:
        return "nothing stands there: a one-shot shelf would have nothing to end with"
    highest = max((alarm.level for alarm in standing), default=Level.NONE)
    if highest > level:
        return f"it stands at {highest.word}: a shelf up to {level.word} would not hold it"
    return ""


def _bad_end(until_us: int | None, now_us: int, longest_us: int, what: str) -> str:
    """Why the end of a hold cannot be (empty: it can)."""
    if until_us is None:
        return "it needs an end: say until when"
    if until_us <= now_us:
        return f"its end {from_us(until_us).isoformat()} is past"
    if until_us - now_us > longest_us:
        return f"{what}: at most {longest_us / _HOUR_US:g} h, got {(until_us - now_us) / _HOUR_US:g} h"
    return ""


def _out_of_service(holds: Holds, book: Book, command: CommandIn, stamp: Stamp) -> Decision:
    if command.target not in book.city.sensors:
        return _refused(command, stamp, f"no sensor {command.target!r}")
    why = _bad_end(command.until_us, stamp.now_us, LONGEST_OUT_US, "out of service")
    if why or command.until_us is None:
        return _refused(command, stamp, why)
    standing = (alarm.level for alarm in holds.standing() if alarm.sensor == command.target)
    return _agreed(holds, command, Hold.OUT_OF_SERVICE, max(standing, default=Level.NONE), command.until_us, stamp)


def _maintain(holds: Holds, book: Book, command: CommandIn, stamp: Stamp) -> Decision:
    level = command.level or Level.ORANGE
    why = unknown_place(book.city, command.target)
    why = why or _bad_end(command.until_us, stamp.now_us, LONGEST_OUT_US, "maintenance")
    if why or command.until_us is None:
        return _refused(command, stamp, why)
    return _agreed(holds, replace(command, one_shot=False), Hold.MAINTENANCE, level, command.until_us, stamp)


def _agreed(holds: Holds, command: CommandIn, hold: Hold, level: Level, until_us: int, stamp: Stamp) -> Decision:
    """Make a hold, or note that a second person must ask for the same when it would hold a red alarm."""
    by, question = command.actor, f"{hold}/{command.target}"
    if level is Level.RED:
        asked = holds.asked.get(question)
        if asked is None or stamp.now_us - asked.at_us > SECOND_WITHIN_US:
            holds.asked[question] = Asked(command.actor, stamp.now_us, until_us)
            why = f"red is not held by one person alone: a second one must ask for the same; {command.note}"
            return Decision([_event(command, stamp, f"asked_{command.kind}", why)])
        if _same_person(asked.by, command.actor):
            return _refused(command, stamp, f"red is not held by one person alone, and {asked.by} asked first")
        del holds.asked[question]
        by, until_us = f"{asked.by} and {command.actor}", min(until_us, asked.until_us)
        if until_us <= stamp.now_us:
            return _refused(command, stamp, f"the end that {asked.by} asked for is past")
    event = _event(command, stamp, command.kind, f"{command.note} (until {from_us(until_us).isoformat()}, by {by})")
    shelf = Shelf(
        f"H-{event.id}", hold, command.target, level, stamp.now_us, until_us, command.one_shot, by, command.note,
        command.via,
    )  # fmt: skip
    kept = holds.kept(hold)
    effects: list[Effect] = []
    if command.target in kept:
        effects.append(ShelfEnded(hold, command.target, stamp.now_us, f"renewed by {by}"))
    kept[command.target] = shelf
    return Decision([*effects, ShelfSet(shelf), event], touched={command.target: f"{hold} by {by}"})


def _same_person(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def _end(kept: dict[str, Shelf], command: CommandIn, otherwise: str, stamp: Stamp) -> Decision:
    shelf = kept.pop(command.target, None)
    if shelf is None:
        return _refused(command, stamp, otherwise)
    why = f"{command.kind} by {command.actor}" + (f": {command.note}" if command.note.strip() else "")
    ended = ShelfEnded(shelf.hold, shelf.target, stamp.now_us, why)
    return Decision([ended, _event(command, stamp, command.kind, command.note)], touched={command.target: why})


def _reset(holds: Holds, command: CommandIn, stamp: Stamp) -> Decision:
    alarm = holds.listed.get(command.target)
    if alarm is None:
        return _refused(command, stamp, f"no alarm {command.target!r} is latched")
    if alarm.stands:
        return _refused(command, stamp, f"its condition is {alarm.condition}, not normal")
    moved = happen(alarm, Move.RESET, stamp.now_us, f"reset by {command.actor}: {command.note} (by {command.via})")
    return Decision([_event(command, stamp, command.kind, command.note)], [moved])


def _refused(command: CommandIn, stamp: Stamp, why: str) -> Decision:
    note = f"{why}; {command.note}" if command.note.strip() else why
    return Decision([_event(command, stamp, f"refused_{command.kind}", note)])


def _event(command: CommandIn, stamp: Stamp, kind: str, note: str) -> HoldEvent:
    return HoldEvent(stamp.next_id(), stamp.now_us, command.target, kind, command.actor, note, command.via)
