"""Whatever happens to an engine, in whatever order, its alarms are those of the plain world."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from city.levels import Flag, Level
from city.reading import Sample
from rules.inputs import CommandKind, HoldKind, ReadingsIn
from tests.rules.plain_world import (
    Beginning,
    Rung,
    Silence,
    Spell,
    World,
    above,
    both,
    count_of,
    followed,
    level_now,
    occurrences,
    rises,
    sum_near,
    sum_own,
)
from tests.rules.plain_world import Rule as Plain
from tests.rules.small_city import T0_US, city_files, desk_of

BOOK = """
version: 1
rules:
  - id: depth
    watch: {quantity: water_depth}
    ladder:
      red: {above: 40 cm, for: 1m, deadband: 5 cm}
      orange: {above: 27 cm, for: 2m, deadband: 3 cm, on_gap: reset}
      yellow: {above: 15 cm, for: 3m, deadband: 3 cm}
    clear_after: 10m
    stale_after: 5m
    escalate: drainage
  - id: wet
    watch: {quantity: water_depth, sensors: [wl-1]}
    ladder:
      orange:
        all: [{above: 12 cm}, {near: {quantity: rainfall, within: 2 km}, sum: 10m, above: 6 mm}]
        for: 1m
    clear_after: 2m
    stale_after: 5m
  - id: twice
    watch: {quantity: water_depth}
    ladder: {yellow: {above: 27 cm, count: 2, of: 3, within: 10m}}
    latch: true
    clear_after: 0s
    stale_after: 5m
  - id: rising
    watch: {quantity: water_depth}
    ladder: {blue: {rising: 10 cm, within: 10m}}
    clear_after: 1m
    stale_after: 5m
  - id: after-rain
    watch: {quantity: water_depth, sensors: [wl-1]}
    ladder:
      yellow:
        sequence: [{near: {quantity: rainfall, within: 2 km}, sum: 10m, above: 30 mm}, {above: 24 cm}]
        within: 30m
        for: 1m
    clear_after: 2m
    stale_after: 5m
  - id: much
    watch: {quantity: water_depth, sensors: [wl-2]}
    ladder: {yellow: {sum: 10m, above: 90 cm, deadband: 20 cm, for: 1m, on_gap: reset}}
    clear_after: 2m
    stale_after: 5m
"""
OTHER_BOOK = (
    BOOK.replace("above: 40 cm, for: 1m", "above: 30 cm, for: 2m")  # depth decides otherwise
    .replace("clear_after: 10m", "clear_after: 3m")
    .replace("  - id: twice\n", "  - id: twice\n    title: Twice too high\n")  # only said otherwise
)
STALE = 300
PLAIN = {
    "depth": Plain(
        (
            Rung(Level.RED, above(40.0), 60, 5.0, "complete"),
            Rung(Level.ORANGE, above(27.0), 120, 3.0, "reset"),
            Rung(Level.YELLOW, above(15.0), 180, 3.0, "hold"),
        ),
        600,
        STALE,
    ),
    "wet": Plain(
        (Rung(Level.ORANGE, both(above(12.0), sum_near(("rain-1",), 600, 6.0)), 60, 0.0, "complete"),), 120, STALE
    ),
    "twice": Plain((Rung(Level.YELLOW, count_of(27.0, 2, 3, 600), 0, 0.0, "hold"),), 0, STALE),
    "rising": Plain((Rung(Level.BLUE, rises(10.0, 600), 0, 0.0, "hold"),), 60, STALE),
    "after-rain": Plain(
        (Rung(Level.YELLOW, followed(sum_near(("rain-1",), 600, 30.0), above(24.0), 1800), 60, 0.0, "hold"),),
        120,
        STALE,
    ),
    "much": Plain((Rung(Level.YELLOW, sum_own(600, 90.0), 60, 20.0, "reset"),), 120, STALE),
}
OTHER = {
    **PLAIN,
    "depth": Plain((Rung(Level.RED, above(30.0), 120, 5.0, "complete"), *PLAIN["depth"].rungs[1:]), 180, STALE),
}
BOTH = ("wl-1", "wl-2")
WATCHED = {
    "depth": BOTH, "wet": ("wl-1",), "twice": BOTH, "rising": BOTH, "after-rain": ("wl-1",), "much": ("wl-2",),
}  # fmt: skip
DEPTHS = [0.0, 11.9, 12.0, 14.9, 15.0, 24.0, 26.9, 27.0, 35.0, 39.9, 40.0, 60.0]
SENSORS = ["wl-1", "wl-2", "rain-1"]
SKEW = 300  # the sensors' times stay that close, so that each is inside the others' reorder window


class Story(RuleBasedStateMachine):
    """Readings in and out of order, gaps, repeats, flags, silence, commands, restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = desk_of(city_files(rules__depth=BOOK))
        self.world = World()
        self.now = 0
        self.accepted: list[tuple[str, int, float, int]] = []
        self.silences: dict[tuple[str, str], Silence] = {}
        self.law: dict[str, Plain] = PLAIN
        self.past: dict[tuple[str, str], list[Spell]] = {}  # decided by books that were
        self.begun: dict[tuple[str, str], Beginning] = {}
        self.resets: dict[str, int] = {}  # when a person reset an alarm

    @initialize()
    def begin(self) -> None:
        self._feed([(sensor, 0, 0.0, 1) for sensor in SENSORS])

    def _feed(self, rows: list[tuple[str, int, float, int]]) -> None:
        """One batch, received now; a batch is put in order by event time before it is decided on."""
        received_us = T0_US + self.now * 1_000_000
        samples = tuple(Sample(s, T0_US + at * 1_000_000, v, Flag(f), received_us) for s, at, v, f in rows)
        self.desk.step(ReadingsIn(samples), self.now)
        for sensor, at, value, flag in sorted(rows, key=lambda row: (row[1], row[0])):
            self.world.arrive(sensor, at, value, flag, self.now)
        self.accepted += rows

    def _true(self, name: str, sensor: str, silence: Silence | None = None) -> list[Spell]:
        silence = silence or self.silences.get((name, sensor), (0, 0))
        begin = self.begun.get((name, sensor), Beginning())
        past = self.past.get((name, sensor), [])
        return [*past, *occurrences(self.world, sensor, self.law[name], silence, begin)]

    def _newest(self, sensor: str) -> int:
        return max(self.world.readings.get(sensor, {0: (0.0, 1)}))

    @rule(
        steps=st.lists(
            st.tuples(
                st.sampled_from(SENSORS),
                st.sampled_from([1, 20, 60, 60, 60, 61, 120]),
                st.sampled_from(DEPTHS),
                st.sampled_from([1, 1, 1, 1, 2, 3, 3, 4]),
            ),
            min_size=1,
            max_size=20,
        ),
        chance=st.randoms(use_true_random=False),
    )
    def readings(self, steps: list[tuple[str, int, float, int]], chance: random.Random) -> None:
        """Time goes on; what was measured comes in batches, put out of order inside the reorder window."""
        rows = []
        newest = {sensor: max(self._newest(sensor), self.now - SKEW) for sensor in SENSORS}
        for sensor, after, value, flag in steps:
            newest[sensor] += after
            rows.append((sensor, newest[sensor], value, flag))
        rows.sort(key=lambda row: row[1] + chance.choice([0, 0, 100, 250]))
        while rows:
            size = chance.randint(1, 6)
            batch, rows = rows[:size], rows[size:]
            self.now = max(self.now, *(at for _, at, _, _ in batch))
            self._feed(batch)

    @rule(
        sensor=st.sampled_from(SENSORS),
        back=st.sampled_from([1, 30, 60, 90, 299, 300, 600, 899, 900, 901, 2000]),
        value=st.sampled_from(DEPTHS),
    )
    def late(self, sensor: str, back: int, value: float) -> None:
        """One reading from the past, up to too late (for its own sensor: another's is decided on to its own edge)."""
        at = max(0, self._newest(sensor) - back)
        if sensor == "rain-1":
            at = max(at, max(self._newest(other) for other in SENSORS) - 900)
        self._feed([(sensor, at, value, 1)])

    @rule(at=st.integers(0, 1_000), value=st.sampled_from([None, 0.0, 60.0]))
    def repeat(self, at: int, value: float | None) -> None:
        """A reading again, the same or with another value: the first one counts."""
        sensor, time, first, flag = self.accepted[at % len(self.accepted)]
        self._feed([(sensor, time, first if value is None else value, flag)])

    @rule(wait=st.sampled_from([30, 200, 301, 700, 3600]))
    def silence(self, wait: int) -> None:
        """Nothing comes, and the watcher sees it."""
        self.now += wait
        self.desk.tick(self.now)
        for key in [(name, sensor) for name, sensors in WATCHED.items() for sensor in sensors]:
            silence = (self.world.newest(key[1]), self.now)
            if self.now - self.world.heard[key[1]] > STALE and self._true(*key, silence) != self._true(*key):
                self.silences[key] = silence  # it told something: from now on it counts

    @rule()
    def restart(self) -> None:
        self.desk.restart()

    @rule()
    def reload(self) -> None:
        """Another book: its changed rule keeps what stands until its own clear condition, and begins anew."""
        for sensor in WATCHED["depth"]:
            key, true = ("depth", sensor), self._true("depth", sensor)
            after = max(self.world.readings[sensor])
            standing = true.pop() if true and true[-1][2] is None else None
            level = level_now(
                self.world, sensor, self.law["depth"], self.silences.get(key, (0, 0)), self.begun.get(key)
            )
            self.past[key] = true
            self.begun[key] = Beginning(after, level, standing[1], standing[0]) if standing else Beginning(after)
            self.silences.pop(key, None)
        self.law = OTHER if self.law is PLAIN else PLAIN
        self.desk.reload(city_files(rules__depth=BOOK if self.law is PLAIN else OTHER_BOOK), self.now)

    @rule(
        kind=st.sampled_from(list(HoldKind)),
        rule_of=st.sampled_from(sorted(WATCHED)),
        sensor=st.sampled_from(["wl-1", "wl-2"]),
        minutes=st.sampled_from([1, 10, 60]),
        one_shot=st.booleans(),
        actor=st.sampled_from(["Li", "Bo"]),
    )
    def hold(self, kind: HoldKind, rule_of: str, sensor: str, minutes: int, one_shot: bool, actor: str) -> None:
        """Shelved, out of service or neither: notices stop, evaluation goes on."""
        service = kind in (HoldKind.OUT_OF_SERVICE, HoldKind.IN_SERVICE)
        target = sensor if service else f"{rule_of}/{sensor}"
        until_s = self.now + 60 * minutes
        self.desk.hold(kind, target, self.now, actor=actor, until_s=until_s, one_shot=one_shot)

    @rule(kind=st.sampled_from(list(CommandKind)), at=st.integers(0, 100))
    def command(self, kind: CommandKind, at: int) -> None:
        """What people say changes no alarm's level or instants, not even closing its incident while it stands."""
        incidents = self.desk.incidents()
        if incidents:
            self.desk.command(kind, incidents[at % len(incidents)].id, self.now, note="seen")

    @rule(at=st.integers(0, 100))
    def reset(self, at: int) -> None:
        """A person lets an alarm go that is over and latched; while it stands, or was reset before, that is refused."""
        alarms = self.desk.alarms("twice")
        if alarms:
            alarm = alarms[at % len(alarms)]
            self.desk.hold(HoldKind.RESET, alarm.id, self.now)
            fits = not alarm.stands and alarm.latched
            assert self.desk.held()[-1][0] == ("reset" if fits else "refused_reset")
            if fits:
                self.resets[alarm.id] = self.now

    @invariant()
    def what_is_over_stays_latched_until_it_is_reset(self) -> None:
        for alarm in self.desk.alarms("twice"):
            over_s = _s(alarm.cleared_us)
            reset_s = self.resets.get(alarm.id)
            assert alarm.latched is (over_s is not None and (reset_s is None or over_s > reset_s)), alarm

    @invariant()
    def people_know_of_what_stands_and_can_end_what_is_over(self) -> None:
        last = {incident.id: incident for incident in self.desk.incidents()}
        for alarm in (alarm for name in WATCHED for alarm in self.desk.alarms(name)):
            if alarm.tells:
                assert alarm.incident in last, alarm
            if alarm.state == "returned_unacknowledged":
                assert last[alarm.incident].closed_us is None, alarm

    @invariant()
    def equals_the_plain_world(self) -> None:
        for name in WATCHED:
            for sensor in WATCHED[name]:
                told = [alarm for alarm in self.desk.alarms(name) if alarm.scope == sensor]
                true = self._true(name, sensor)
                spans = [(_s(alarm.raised_us), _s(alarm.cleared_us)) for alarm in told]
                assert spans == [(up, down) for _, up, down in true], (name, sensor)
                for alarm, (level, *_) in zip(told, true, strict=True):
                    # A sensor lost after its alarm stands one level higher: silence says that, not readings.
                    assert alarm.peak_level is max(level, alarm.lost_peak), (name, sensor)


def _s(time_us: int | None) -> int | None:
    return None if time_us is None else (time_us - T0_US) // 1_000_000


Story.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
test_story = Story.TestCase
