"""The engine: one journal row in, effects out.

`Engine.step` is the single road: live, after a restart, and in tests. It reads no clock; `now_us` is the time at which
the row was recorded. A restart restores a snapshot and steps through the rows after it: same rows, same effects, with
the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import count

from city.geo import Place
from city.levels import Level
from detectors.protocol import Detector
from rules.alarm.alarm import Alarm, Condition, Move, Moved
from rules.alarm.fold import Fold
from rules.alarm.silence import heard_again, newly_silent, raise_silence
from rules.alarm.track import Track
from rules.book import REORDER_US, Book, Instance
from rules.desk.desk import Desk, Stamp
from rules.desk.roster import Escalation
from rules.effects import AlarmEvent, AlarmSet, Effect, FindingMade
from rules.inputs import BundleIn, CommandIn, Input, ReadingsIn, StatusIn, TickIn
from rules.intake import Intake
from rules.state import State


class Engine:
    """Alarms, incidents and notices of one city.

    Parameters
    ----------
    make_detector
        Builds a detector by its name in rule books (`detectors.registry.create`).
    state
        What a snapshot gave back; a new state otherwise.
    """

    def __init__(self, make_detector: Callable[[str], Detector], state: State | None = None) -> None:
        self.state = state or State()
        self.book: Book | None = None
        self._make = make_detector
        self._desk: Desk | None = None
        self._intake: Intake | None = None

    def step(self, seq: int, entry: Input, now_us: int) -> list[Effect]:
        """Handle journal row `seq`, recorded at `now_us`; returns what to record, in order."""
        state = self.state
        state.now_us = max(state.now_us, now_us)
        numbers = count()
        stamp = Stamp(state.now_us, lambda: f"{seq}.{next(numbers)}")
        if isinstance(entry, BundleIn):
            return self._effects(self._rebook(entry), [], stamp)
        if self.book is None or self._desk is None:
            return []
        match entry:
            case ReadingsIn(samples):
                moves, findings = self._intake.take(samples) if self._intake else ([], [])
                self._forget_incidents()
                return [*map(FindingMade, findings), *self._effects(moves, [], stamp)]
            case StatusIn(gateway, online, _, received):
                return self._effects(self._status(gateway, received) if online else [], [], stamp)
            case TickIn(now, heard, listening):
                state.hearing.listening_us = max(state.hearing.listening_us, listening)
                return self._effects(self._tick(min(now, heard)), self._desk.tick(stamp), stamp)
            case CommandIn():
                effects, moves = self._desk.command(entry, stamp)
                incident = state.incidents.get(entry.incident)
                rows = [AlarmSet(replace(alarm)) for alarm in incident.alarms.values()] if incident else []
                return [*self._effects(moves, effects, stamp), *rows]

    def due(self, tick: TickIn) -> bool:
        """Whether a tick would change anything but the time since when we listen."""
        if self.book is None or self._desk is None:
            return False
        desk_us = self._desk.due_us()
        if desk_us is not None and desk_us <= tick.now_us:
            return True
        until_us = min(tick.now_us, tick.heard_us)
        if tick.listening_us > self.state.hearing.listening_us:
            return until_us > tick.listening_us  # remember it before anything is called silent
        if next(self._silences(until_us), None) is not None:
            return True
        return next(newly_silent(self.state.hearing, self.book, self.state.tracks, until_us), None) is not None

    def use(self, bundle: BundleIn) -> None:
        """Go on with the book a restored snapshot was made under: nothing changes, nothing is told."""
        self._install(bundle.book, bundle.escalation)

    def _status(self, gateway: str, received_us: int) -> list[Moved]:
        """A gateway that says it is online has been heard, though its sensors have not."""
        hearing = self.state.hearing
        if gateway not in hearing.heard_us:
            return []
        hearing.heard_us[gateway] = max(hearing.heard_us[gateway], received_us)
        return heard_again(hearing, self._require(), {gateway: received_us}, {})

    def _forget_incidents(self) -> None:
        """Closed incidents stay in the database; the engine needs them only while their alarms stand."""
        closed = [i.id for i in self.state.incidents.values() if not i.open and i.standing() is Level.NONE]
        for name in closed:
            del self.state.incidents[name]

    # -- time ----------------------------------------------------------------------------------------------------

    def _silences(self, until_us: int) -> Iterator[str]:
        """Keys of folds that proven silence up to `until_us` would change."""
        state, book = self.state, self._require()
        for key, fold in state.folds.items():
            if fold.state.idle and fold.alarm is None:
                continue
            due_us = fold.silence_due_us(book.instances[key], self._last_us(book.instances[key]))
            if due_us is not None and due_us <= until_us:
                yield key

    def _last_us(self, instance: Instance) -> int:
        """From when on silence of an instance's sensor counts."""
        return max(self.state.tracks[instance.sensor.id].received_us, self.state.hearing.listening_us)

    def _tick(self, until_us: int) -> list[Moved]:
        state, book = self.state, self._require()
        moves: list[Moved] = []
        for key in list(self._silences(until_us)):
            instance = book.instances[key]
            moves += state.folds[key].silence(instance, self._last_us(instance), until_us, state.now_us)
        for watch, since_us in list(newly_silent(state.hearing, book, state.tracks, until_us)):
            moves.append(raise_silence(state.hearing, watch, since_us))
        return moves

    # -- the book ------------------------------------------------------------------------------------------------

    def _rebook(self, bundle: BundleIn) -> list[Moved]:
        """Swap the whole book: unchanged rules keep their state, changed ones what stands, removed ones orphan it."""
        state, old = self.state, self.book
        self._install(bundle.book, bundle.escalation)
        moves: list[Moved] = []
        if old is None:
            return moves
        for key, fold in list(state.folds.items()):
            instance, before = bundle.book.instances.get(key), old.instances.get(key)
            if instance is None:
                del state.folds[key]
                moves += self._orphan(fold.alarm)
            elif before is not None and before.rule.version != instance.rule.version:
                newest_us = state.tracks[instance.sensor.id].newest_us
                state.folds[key] = Fold.taking_over(fold.alarm, instance, newest_us) if fold.alarm else Fold()
        for key, alarm in list(state.hearing.alarms.items()):
            if key not in bundle.book.watches:
                del state.hearing.alarms[key]
                moves += self._orphan(alarm)
        for sensor in set(state.tracks) - set(bundle.book.city.sensors):
            del state.tracks[sensor]
        return moves

    def _orphan(self, alarm: Alarm | None) -> list[Moved]:
        if alarm is None:
            return []
        was, alarm.condition = alarm.condition, Condition.ORPHANED
        reason = "its rule or sensor left the city folder; a person closes it"
        return [Moved(alarm, Move.ORPHANED, self.state.now_us, alarm.level, was, reason)]

    def _install(self, book: Book, escalation: Escalation) -> None:
        state = self.state
        self.book = book
        detectors: dict[str, tuple[Detector, ...]] = {}
        made = {name: self._make(name) for name in sorted(book.detectors)}
        for sensor in book.city.sensors.values():
            reach_us = book.reach_us.get(sensor.id, 0)
            track = state.tracks.get(sensor.id)
            if track is None:
                quantity = sensor.quantity
                state.tracks[sensor.id] = track = Track(
                    sensor.id, quantity.id, quantity.unit, REORDER_US, REORDER_US + reach_us, state.now_us
                )
            track.keep_us = REORDER_US + reach_us
            own = tuple(d for d in made.values() if not d.quantities or sensor.quantity.id in d.quantities)
            track.rejoin(own)
            if own:
                detectors[sensor.id] = own
            state.hearing.heard_us.setdefault(sensor.gateway, state.now_us)
        for key in book.instances:
            state.folds.setdefault(key, Fold())
        self._desk = Desk(book.city, escalation, self._where, state.incidents)
        self._intake = Intake(state, book, detectors)

    def _where(self, alarm: Alarm) -> Place:
        city = self._require().city
        if alarm.sensor and alarm.sensor in city.sensors:
            return city.place_of(city.sensors[alarm.sensor])
        gateway = city.gateways.get(alarm.scope)
        if gateway is not None and gateway.place is not None:
            return gateway.place
        own = city.sensors_of.get(alarm.scope, ())
        return city.place_of(own[0]) if own else Place(0.0, 0.0)

    def _require(self) -> Book:
        if self.book is None:
            raise RuntimeError("the engine has no book yet: step a BundleIn first")
        return self.book

    # -- effects -------------------------------------------------------------------------------------------------

    def _effects(self, moves: list[Moved], desk: list[Effect], stamp: Stamp) -> list[Effect]:
        effects: list[Effect] = [*desk]
        if moves and self._desk is not None:
            effects += self._desk.take(moves, stamp)
        for alarm in {moved.alarm.id: moved.alarm for moved in moves}.values():
            effects.append(AlarmSet(replace(alarm)))
        effects += [_event(moved, stamp) for moved in moves]
        return effects


def _event(moved: Moved, stamp: Stamp) -> AlarmEvent:
    alarm = moved.alarm
    ended = moved.move in (Move.CLEARED, Move.RETRACTED, Move.CLOSED)
    return AlarmEvent(
        stamp.next_id(), alarm.id, moved.at_us, moved.move, moved.from_level, Level.NONE if ended else alarm.level,
        moved.from_condition, alarm.condition, moved.reason, tuple(asdict(e) for e in moved.evidence),
    )  # fmt: skip
