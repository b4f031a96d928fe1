"""The engine: one journal row in, effects out.

`Engine.step` is the single road: live, after a restart, and in tests. It reads no clock; `now_us` is the time at which
the row was recorded. A restart restores a snapshot and steps through the rows after it: same rows, same effects, with
the same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import count

from city.geo import Place
from detectors.protocol import Detector
from rules.alarm.alarm import Alarm, Move, Moved, happen
from rules.alarm.fold import Fold, Heard
from rules.alarm.inhibition import Inhibition
from rules.alarm.platform import failing_channels, take_platform
from rules.alarm.silence import Vigil, heard_again, raise_silence
from rules.alarm.track import EARLY_SIGN
from rules.alarm.windows import Windows
from rules.book import REORDER_US, Book, Instance, Rule, Watch
from rules.desk.desk import Desk
from rules.desk.maintaining import turned_effects, whys
from rules.desk.plan import Escalation
from rules.desk.shelving import decide, endings
from rules.desk.sight import Sight, trend_of
from rules.desk.stamp import Stamp
from rules.desk.winding import wind_up
from rules.drillplan import DrillSaid
from rules.drills import Drills
from rules.effects import AlarmEvent, AlarmSet, BandDrawn, Effect, FindingMade
from rules.inputs import (
    BundleIn,
    CommandIn,
    ExerciseIn,
    HoldKind,
    Input,
    PlatformIn,
    ReadingsIn,
    StatusIn,
    TickIn,
)
from rules.intake import Intake
from rules.reasons import because
from rules.signs.handover import MakeFleet, make_fleet, watched
from rules.signs.watch import SignWatch
from rules.state import State


class Engine:
    """Alarms, incidents and notices of one city.

    Parameters
    ----------
    make_detector
        Builds a detector by its name in rule books (`detectors.registry.create`).
    state
        What a snapshot gave back; a new state otherwise.
    glance
        Whether to pass over readings that provably change nothing; without it all is the same, and slower.
    drill
        The drill that it plays; empty for the city's own. A drill looks for no early signs.
    make_fleet
        Builds the fleet engine that looks for early signs; None: nobody does.
    draws
        Whether it tells now and then what was expected of each sensor.
    """

    def __init__(
        self,
        make_detector: Callable[[str], Detector],
        state: State | None = None,
        *,
        glance: bool = True,
        drill: str = "",
        make_fleet: MakeFleet | None = make_fleet,
        draws: bool = False,
    ) -> None:
        self.state = state or State()
        self._glance, self._drill, self._draws = glance, drill, draws
        self._make_fleet = None if drill else make_fleet
        self._watch: SignWatch | None = None
        self._drills = Drills(self.state, lambda own, name: Engine(make_detector, own, glance=glance, drill=name))
        self._detectors: dict[str, tuple[Detector, ...]] = {}
        self.book: Book | None = None
        self._make = make_detector
        self._desk: Desk | None = None
        self._inhibition: Inhibition | None = None
        self._windows = Windows({}, None, {})
        self._look_at_all = False  # at every hold: after a restart or a reload
        self._new_book = False
        self._intake: Intake | None = None
        self._vigil: Vigil | None = None

    def step(self, seq: int, entry: Input, now_us: int) -> list[Effect]:
        """Handle journal row `seq`, recorded at `now_us`; returns what to record, in order."""
        state, stamp = self.state, self._stamp(seq, now_us)
        if isinstance(entry, BundleIn):
            return [*self._effects(self._rebook(entry), stamp), *self._drills.rebook(entry, seq, stamp.now_us)]
        if self.book is None or self._desk is None:
            return []
        match entry:
            case ReadingsIn():
                moves, findings = self._intake.take(entry) if self._intake else ([], [])
                if not self._drill:  # a drill's are needed to its end
                    self._desk.forget_closed()
                return [*map(FindingMade, findings), *self._drawn(), *self._effects(moves, stamp)]
            case StatusIn(gateway, online, _, received):
                return self._effects(self._status(gateway, received) if online else [], stamp)
            case PlatformIn():
                return self._effects(take_platform(state.platform, entry, self._desk.escalation.platform), stamp)
            case TickIn(now, heard, listening):
                state.hearing.listening_us = max(state.hearing.listening_us, listening)
                effects = self._effects(self._tick(min(now, heard)), stamp)
                effects += self._desk.tick(stamp)  # not before what inhibits is known
                return [*effects, *self._drills.tick(entry, seq, stamp.now_us)]
            case DrillSaid():
                return self._drills.said(entry, seq, stamp)
            case ExerciseIn():
                return self._drills.exercise(entry, seq, stamp.now_us)
            case CommandIn() if (drill := self._drills.owner(entry)) is not None:
                return self._drills.command(drill, entry, seq, stamp.now_us)
            case CommandIn(kind=HoldKind()):
                decision = decide(state.holds, self.book, entry, stamp)
                return [*decision.effects, *self._effects(decision.moves, stamp, decision.touched)]
            case CommandIn():
                said, moves = self._desk.command(entry, stamp)
                incident = state.incidents.get(entry.incident)
                rows = [AlarmSet(replace(alarm)) for alarm in incident.alarms.values()] if incident else []
                return [*said, *self._effects(moves, stamp), *rows]

    def due(self, tick: TickIn) -> bool:
        """Whether a tick would change anything but the time since when we listen."""
        if self.book is None or self._desk is None:
            return False
        if self._drills.due(tick):
            return True
        for due_us in (self._desk.due_us(), self.state.holds.due_us(), self._windows.due_us()):
            if due_us is not None and due_us <= tick.now_us:
                return True
        until_us = min(tick.now_us, tick.heard_us)
        if tick.listening_us > self.state.hearing.listening_us:
            return until_us > tick.listening_us  # remember it before anything is called silent
        if next(self.missing(until_us), None) is not None:
            return True
        return bool(self.newly_silent(until_us))

    def wind_up(self, seq: int, now_us: int, why: str) -> list[Effect]:
        """A drill is over: what stands is taken back, incidents are closed, and whoever was told hears of it once."""
        if self._desk is None:
            return []
        stamp = self._stamp(seq, now_us)
        effects = wind_up(self._desk, why, stamp)
        reason = because("exercise_over", why=why)
        moves = [happen(a, Move.RETRACTED, stamp.now_us, reason) for a in self.state.holds.standing()]
        return [*effects, *self._effects(moves, stamp), *self._desk.telling.finish(stamp)]

    def _stamp(self, seq: int, now_us: int) -> Stamp:
        """What is decided on row `seq` gets its numbers from it, a drill's with the drill's name before them."""
        self.state.now_us = max(self.state.now_us, now_us)
        numbers, own = count(), f"{self._drill}." if self._drill else ""
        return Stamp(self.state.now_us, lambda: f"{own}{seq}.{next(numbers)}")

    def use(self, bundle: BundleIn) -> None:
        """Go on with the book a restored snapshot was made under: nothing changes, nothing is told."""
        self._install(bundle.book, bundle.escalation)
        self._intake = Intake(self.state, bundle.book, self._detectors, self._watch, glance=self._glance)
        self._drills.use(bundle)

    def remember(self, entry: ReadingsIn) -> None:
        """Take in readings that were decided on before, in the order of event time (after `use`)."""
        if self._intake is not None:
            self._intake.remember(entry)
            self._drawn()

    def _drawn(self) -> list[Effect]:
        """The bands that are to be kept."""
        if self._watch is None or self._watch.band is None:
            return []
        band, self._watch.band = self._watch.band, None
        return [BandDrawn(band)] if self._draws else []

    def _status(self, gateway: str, received_us: int) -> list[Moved]:
        """A gateway that says it is online has been heard, though its sensors have not."""
        hearing = self.state.hearing
        if gateway not in hearing.heard_us:
            return []
        hearing.hear(self._require(), {gateway: received_us})
        return heard_again(hearing, self._require(), {gateway: received_us}, {})

    # -- time ----------------------------------------------------------------------------------------------------

    def newly_silent(self, until_us: int) -> list[tuple[Watch, int]]:
        """Watches that turn silent by `until_us` (arrival time), and since when."""
        return list(self._vigil.turned(until_us)) if self._vigil else []

    def missing(self, until_us: int) -> Iterator[str]:
        """Keys of folds that proven silence up to `until_us` would change."""
        folds, book = self.state.folds, self._require()
        for sensor in self._intake.unheard(until_us) if self._intake else ():
            for instance in book.of_sensor.get(sensor, ()):
                fold = folds.get(instance.key)
                if fold is None or (fold.state.idle and fold.alarm is None):
                    continue
                due_us = fold.silence_due_us(instance, self.heard(instance, until_us))
                if due_us is not None and due_us <= until_us:
                    yield instance.key

    def heard(self, instance: Instance, until_us: int) -> Heard:
        """What is known of the silence of an instance's sensor up to `until_us`."""
        hearing, sensor = self.state.hearing, instance.sensor
        received_us = self.state.tracks[sensor.id].received_us
        spoke_us = min(hearing.heard_us.get(sensor.gateway, 0), until_us)
        speaking_us = max(0, spoke_us - hearing.counts_from_us(sensor.gateway, received_us))
        return Heard(max(received_us, hearing.listening_us), until_us, speaking_us)

    def _tick(self, until_us: int) -> list[Moved]:
        state, book = self.state, self._require()
        moves: list[Moved] = []
        for key in list(self.missing(until_us)):
            instance = book.instances[key]
            heard = self.heard(instance, until_us)
            moves += state.folds[key].silence(instance, state.tracks, heard, state.now_us)
        silent = self.newly_silent(until_us)
        standing: dict[str, list[Alarm]] = {}
        for alarm in state.holds.standing() if silent else ():
            standing.setdefault(alarm.gateway, []).append(alarm)
        for watch, since_us in silent:
            behind = standing.get(watch.gateway.id, [])
            moves.append(raise_silence(state.hearing, watch, since_us, book, state.tracks, behind))
        return moves

    # -- the book ------------------------------------------------------------------------------------------------

    def _rebook(self, bundle: BundleIn) -> list[Moved]:
        """Swap the whole book: unchanged rules keep their state, changed ones what stands, removed ones orphan it."""
        old = self.book
        self._install(bundle.book, bundle.escalation)
        self._new_book = True
        moves = self._hand_over(old, bundle.book) if old is not None else []
        if self._desk is not None:
            self._desk.look_again()
        self._intake = Intake(self.state, bundle.book, self._detectors, self._watch, glance=self._glance)
        return moves

    def _hand_over(self, old: Book, new: Book) -> list[Moved]:
        """From one book to the next. What is new or changed begins with what comes; it does not decide on the past."""
        state, moves = self.state, []
        for key, fold in list(state.folds.items()):
            if key not in new.instances:
                del state.folds[key]
                moves += self._orphan(fold.alarm)
        for key, instance in new.instances.items():
            before, kept = old.instances.get(key), state.folds.get(key)
            newest_us = state.tracks[instance.sensor.id].newest_us
            if before is not None and before.rule.logic == instance.rule.logic:
                if kept is not None and kept.alarm is not None:
                    _under(kept.alarm, instance.rule)
                continue
            if kept is not None and kept.alarm is not None:
                moves += self._taken_over(kept, kept.alarm, instance)
            elif newest_us:
                state.folds[key] = Fold.beginning(newest_us)
        for key, alarm in list(state.hearing.alarms.items()):
            if key not in new.watches:
                del state.hearing.alarms[key]
                moves += self._orphan(alarm)
            elif key in old.watches and old.watches[key].rule.logic == new.watches[key].rule.logic:
                _under(alarm, new.watches[key].rule)
            else:
                moves.append(self._changed(alarm, new.watches[key].rule))
        for sensor in set(state.tracks) - set(new.city.sensors):
            state.tracks.drop(sensor)
        return moves

    def _taken_over(self, fold: Fold, alarm: Alarm, instance: Instance) -> list[Moved]:
        """A rule decides otherwise now: what stands waits for the new clear condition."""
        newest_us = self.state.tracks[instance.sensor.id].newest_us
        self.state.folds[instance.key] = Fold.taking_over(fold, alarm, instance, newest_us)
        return [self._changed(alarm, instance.rule)]

    def _changed(self, alarm: Alarm, rule: Rule) -> Moved:
        reason = because("rule_changed", old=alarm.rule_version, new=rule.version)
        _under(alarm, rule)
        return happen(alarm, Move.RULE_CHANGED, self.state.now_us, reason)

    def _orphan(self, alarm: Alarm | None) -> list[Moved]:
        return [] if alarm is None else [happen(alarm, Move.ORPHANED, self.state.now_us, because("orphaned"))]

    def _install(self, book: Book, escalation: Escalation) -> None:
        state = self.state
        made = {name: self._make(name) for name in sorted(book.detectors - {EARLY_SIGN})}  # first: it may fail
        for detector in made.values():
            detector.watch(book.subjects)
        self.book = book
        self._detectors = {}
        for sensor in book.city.sensors.values():
            if sensor.id not in state.tracks:
                state.tracks.add(sensor.id, sensor.quantity.id, sensor.quantity.unit, state.now_us)
            keep_us = REORDER_US + book.reach_us.get(sensor.id, 0)
            state.tracks.keep(sensor.id, keep_us, round(sensor.interval_s * 1e6))
            own = tuple(d for d in made.values() if not d.quantities or sensor.quantity.id in d.quantities)
            state.tracks[sensor.id].rejoin(own)
            if own:
                self._detectors[sensor.id] = own
            state.hearing.heard_us.setdefault(sensor.gateway, state.now_us)
        self._watch = watched(state, book, self._make_fleet) if self._make_fleet else None
        self._vigil = Vigil(state.hearing, book, state.tracks)
        self._desk = Desk(book.city, escalation, self._sight(), state.incidents, state.floods)
        for alarm in self._known():
            state.holds.note(alarm)
        self._inhibition = Inhibition(book, state.holds.standing())
        self._windows = Windows({} if self._drill else book.windows, book.city, state.holds.planned)
        self._look_at_all = True

    def _known(self) -> Iterator[Alarm]:
        """Every alarm that something remembers (a snapshot of an older version lists none)."""
        yield from (fold.alarm for fold in self.state.folds.values() if fold.alarm is not None)
        yield from self.state.hearing.alarms.values()
        yield from self.state.platform.values()
        for incident in self.state.incidents.values():
            yield from incident.alarms.values()

    def _sight(self) -> Sight:
        return Sight(self._where, self._heard_us, self._trend, lambda: failing_channels(self.state.platform.values()))

    def _heard_us(self, alarm: Alarm) -> int:
        """When something was last heard of a sensor or a gateway (arrival time)."""
        state = self.state
        if alarm.sensor and alarm.sensor in state.tracks:
            return max(alarm.raised_us, state.tracks[alarm.sensor].received_us)
        return max(alarm.raised_us, state.hearing.heard_us.get(alarm.gateway, 0))

    def _trend(self, alarm: Alarm) -> Mapping[str, float] | None:
        track = self.state.tracks.get(alarm.sensor or "")
        return trend_of(track) if track is not None and not alarm.diagnostic else None

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

    def _effects(self, moves: list[Moved], stamp: Stamp, touched: Mapping[str, str] | None = None) -> list[Effect]:
        """What happened to alarms, with the holds it begins and ends, as effects. `touched`: see `Holds.settle`."""
        if self._desk is None or self._inhibition is None:
            return []
        turned = self._windows.turn(stamp.now_us, all_=self._new_book)
        settled, ended = self.state.holds.settle(
            self._inhibition, self._windows, moves, stamp.now_us, {**(touched or {}), **whys(turned)},
            all_=self._look_at_all or bool(turned),
        )  # fmt: skip
        self._look_at_all = self._new_book = False
        moves = [*moves, *settled]
        effects: list[Effect] = [*turned_effects(turned, self._require().city, stamp), *endings(ended, stamp)]
        if moves:
            effects += self._desk.take(moves, stamp)
        alarms = {moved.alarm.id: moved.alarm for moved in moves}
        moves += [happen(a, Move.PASSED, stamp.now_us, because("passed")) for a in alarms.values() if a.passed]
        for alarm in alarms.values():
            effects.append(AlarmSet(replace(alarm)))
        effects += [_event(moved, stamp) for moved in moves]
        return effects


def _under(alarm: Alarm, rule: Rule) -> None:
    """The alarm goes on under this version of its rule."""
    alarm.rule_version, alarm.latching, alarm.realarm_us = rule.version, rule.latch, rule.realarm_us


def _event(moved: Moved, stamp: Stamp) -> AlarmEvent:
    evidence = tuple({**asdict(seen), "rule_version": moved.rule_version} for seen in moved.evidence)
    return AlarmEvent(
        stamp.next_id(), moved.alarm.id, moved.at_us, moved.move, moved.from_level, moved.to_level,
        moved.from_condition, moved.to_condition, moved.reason, evidence, moved.from_hold, moved.to_hold,
        moved.rule_version,
    )  # fmt: skip
