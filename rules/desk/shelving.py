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
from rules.reasons import also, because

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
        return _refused(command, stamp, because("needs_reason", kind=command.kind))
    match command.kind:
        case HoldKind.SHELVE:
            return _shelve(holds, book, replace(command, target=_key(holds, command.target)), stamp)
        case HoldKind.OUT_OF_SERVICE:
            return _out_of_service(holds, book, command, stamp)
        case HoldKind.UNSHELVE:
            return _end(
                holds.shelves, replace(command, target=_key(holds, command.target)), because("not_shelved"), stamp
            )
        case HoldKind.IN_SERVICE:
            return _end(holds.out, command, because("not_out"), stamp)
        case HoldKind.MAINTAIN:
            return _maintain(holds, book, command, stamp)
        case HoldKind.END_MAINTENANCE:
            return _end(holds.maintained, command, because("not_maintained"), stamp)
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
        return because("not_watched", quoted=repr(command.target))
    if level is Level.NONE:
        return because("say_level")
    if command.one_shot and not standing:
        return because("nothing_one_shot")
    highest = max((alarm.level for alarm in standing), default=Level.NONE)
    if highest > level:
        return because("stands_higher", level=highest.word, cap=level.word)
    return ""


def _bad_end(until_us: int | None, now_us: int, longest_us: int, what: str) -> str:
    """Why the end of a hold cannot be (empty: it can)."""
    if until_us is None:
        return because("say_end")
    if until_us <= now_us:
        return because("end_past", time=from_us(until_us).isoformat())
    if until_us - now_us > longest_us:
        most, hours = f"{longest_us / _HOUR_US:g}", f"{(until_us - now_us) / _HOUR_US:g}"
        return because("at_most", what=what, most=most, hours=hours)
    return ""


def _out_of_service(holds: Holds, book: Book, command: CommandIn, stamp: Stamp) -> Decision:
    if command.target not in book.city.sensors:
        return _refused(command, stamp, because("unknown_place", place="sensor", quoted=repr(command.target)))
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
            why = also(because("second_must_ask"), command.note)
            return Decision([_event(command, stamp, f"asked_{command.kind}", why)])
        if _same_person(asked.by, command.actor):
            return _refused(command, stamp, because("first_asked", actor=asked.by))
        del holds.asked[question]
        by, until_us = because("both", one=asked.by, other=command.actor), min(until_us, asked.until_us)
        if until_us <= stamp.now_us:
            return _refused(command, stamp, because("asked_end_past", actor=asked.by))
    note = because("held_until", note=command.note, time=from_us(until_us).isoformat(), by=by)
    event = _event(command, stamp, command.kind, note)
    shelf = Shelf(
        f"H-{event.id}", hold, command.target, level, stamp.now_us, until_us, command.one_shot, by, command.note,
        command.via,
    )  # fmt: skip
    kept = holds.kept(hold)
    effects: list[Effect] = []
    if command.target in kept:
        effects.append(ShelfEnded(hold, command.target, stamp.now_us, because("renewed", by=by)))
    kept[command.target] = shelf
    return Decision(
        [*effects, ShelfSet(shelf), event], touched={command.target: because("said_by", kind=hold, actor=by)}
    )


def _same_person(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def _end(kept: dict[str, Shelf], command: CommandIn, otherwise: str, stamp: Stamp) -> Decision:
    shelf = kept.pop(command.target, None)
    if shelf is None:
        return _refused(command, stamp, otherwise)
    key = "said_by_because" if command.note.strip() else "said_by"
    why = because(key, kind=command.kind, actor=command.actor, note=command.note)
    ended = ShelfEnded(shelf.hold, shelf.target, stamp.now_us, why)
    return Decision([ended, _event(command, stamp, command.kind, command.note)], touched={command.target: why})


def _reset(holds: Holds, command: CommandIn, stamp: Stamp) -> Decision:
    alarm = holds.listed.get(command.target)
    if alarm is None:
        return _refused(command, stamp, because("not_latched", quoted=repr(command.target)))
    if alarm.stands:
        return _refused(command, stamp, because("not_normal", condition=alarm.condition))
    why = because("reset_by", actor=command.actor, note=command.note, via=command.via)
    moved = happen(alarm, Move.RESET, stamp.now_us, why)
    return Decision([_event(command, stamp, command.kind, command.note)], [moved])


def _refused(command: CommandIn, stamp: Stamp, why: str) -> Decision:
    return Decision([_event(command, stamp, f"refused_{command.kind}", also(why, command.note))])


def _event(command: CommandIn, stamp: Stamp, kind: str, note: str) -> HoldEvent:
    return HoldEvent(stamp.next_id(), stamp.now_us, command.target, kind, command.actor, note, command.via)
