"""The engine's promises told as plainly and slowly as possible: all is worked out anew from what was taken in.

No state is kept between questions but the readings themselves: no folding, no check points, no refolding. Times are
whole seconds from the start of a test, values in the sensor's unit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from city.levels import Level

REORDER_S = 900
FOREVER = 1 << 40
USABLE = (1, 2, 3)
SURE = (1, 2)

Rows = list[tuple[int, float]]
Truth = bool | None
Asked = Callable[["World", str, int, float], Truth]
"""(world, sensor, instant, deadband) -> true, false or None for unknown."""


@dataclass
class World:
    """All readings that count: by sensor, by time, value and flag."""

    readings: dict[str, dict[int, tuple[float, int]]] = field(default_factory=dict)
    heard: dict[str, int] = field(default_factory=dict)  # arrival time of each sensor's last reading

    def arrive(self, sensor: str, at: int, value: float, flag: int, now: int) -> None:
        """Take a reading in, unless its instant is known or it is too late to change a decision."""
        own = self.readings.setdefault(sensor, {})
        self.heard[sensor] = now
        if at >= max(own, default=at) - REORDER_S:
            own.setdefault(at, (value, flag))

    def usable(self, sensor: str, since: int, until: int) -> Rows:
        """The good readings with since <= time <= until, oldest first."""
        own = self.readings.get(sensor, {})
        return [(at, own[at][0]) for at in sorted(own) if since <= at <= until and own[at][1] in USABLE]

    def newest(self, sensor: str) -> int:
        """Time of the newest good reading (-1: none)."""
        return max((at for at, (_, flag) in self.readings.get(sensor, {}).items() if flag in USABLE), default=-1)

    def value(self, sensor: str, at: int) -> float:
        """The reading of an instant."""
        return self.readings[sensor][at][0]


@dataclass(frozen=True)
class Rung:
    """One level of a rule."""

    level: Level
    asks: Asked
    for_: int
    deadband: float
    on_gap: str


@dataclass(frozen=True)
class Rule:
    """A ladder for every sensor that it watches."""

    rungs: tuple[Rung, ...]
    clear_after: int
    stale_after: int


@dataclass(frozen=True)
class Beginning:
    """Where a version of a rule takes over: only readings after `after` count, and `level` stands already (or none)."""

    after: int = -1
    level: Level = Level.NONE
    raised: int = 0
    peak: Level = Level.NONE


Spell = tuple[Level, int, int | None]
"""Highest level, raised, cleared (None: it stands)."""
Silence = tuple[int, int]
"""Nothing came after the good reading of the first instant, proven up to the second one."""


def spans(
    world: World, sensor: str, rule: Rule, rung: Rung, begin: Beginning, silence: Silence
) -> list[tuple[int, int]]:
    """When one level stands: walk all good readings and remember what the rules of a ladder speak of."""
    found: list[tuple[int, int]] = []
    lowest = min(each.level for each in rule.rungs)
    stands = begin.level is not Level.NONE and rung.level <= max(begin.level, lowest)
    raised = begin.raised
    first_true: int | None = None
    first_false: int | None = None
    last: int | None = begin.after if stands else None
    for at, _ in world.usable(sensor, begin.after + 1, FOREVER):
        gap = at - last if last is not None and at - last > rule.stale_after else 0
        if gap and first_true is not None and rung.on_gap == "complete" and first_true + rung.for_ <= at:
            stands, raised, first_true = True, first_true + rung.for_, None
        truth = rung.asks(world, sensor, at, rung.deadband if stands else 0.0)
        if truth is None or (truth is False and world.readings[sensor][at][1] not in SURE):
            continue
        if gap and first_true is not None and rung.on_gap == "hold":
            first_true += gap
        if gap and first_true is not None and rung.on_gap == "reset":
            first_true = at
        last = at
        if not stands:
            first_true = None if not truth else at if first_true is None else first_true
            if first_true is not None and at - first_true >= rung.for_:
                stands, raised, first_true = True, first_true + rung.for_, None
        elif truth:
            first_false = None
        else:
            first_false = at if first_false is None or gap else first_false
            if at - first_false >= rule.clear_after:
                found.append((raised, first_false + rule.clear_after))
                stands, first_false = False, None
    proven = silence[1] if world.newest(sensor) <= silence[0] else 0  # a newer reading shows what was there
    pending = not stands and first_true is not None and rung.on_gap == "complete"
    if pending and last is not None and first_true is not None and proven - last > rule.stale_after:
        stands, raised = first_true + rung.for_ <= proven, first_true + rung.for_
    return [*found, (raised, FOREVER)] if stands else found


def occurrences(
    world: World, sensor: str, rule: Rule, silence: Silence = (0, 0), begin: Beginning | None = None
) -> list[Spell]:
    """Every alarm: the union of the levels' spans."""
    begin = begin or Beginning()
    found: list[tuple[int, int, Level]] = []
    every = [(*span, rung.level) for rung in rule.rungs for span in spans(world, sensor, rule, rung, begin, silence)]
    for start, end, level in sorted(every):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]), max(level, found[-1][2]))
        else:
            found.append((start, end, level))
    spells = [(level, start, None if end == FOREVER else end) for start, end, level in found]
    if begin.level is not Level.NONE:
        spells[0] = (max(begin.peak, spells[0][0]), *spells[0][1:])
    return spells


def level_now(world: World, sensor: str, rule: Rule, silence: Silence, begin: Beginning | None) -> Level:
    """The highest level that stands."""
    begin = begin or Beginning()
    every = [(spans(world, sensor, rule, rung, begin, silence), rung.level) for rung in rule.rungs]
    return max((level for own, level in every if own and own[-1][1] == FOREVER), default=Level.NONE)


# -- what rules ask ----------------------------------------------------------------------------------------------------


def above(limit: float) -> Asked:
    """The reading itself is at the limit or past it."""
    return lambda world, sensor, at, deadband: world.value(sensor, at) >= limit - deadband


def count_of(limit: float, need: int, of: int, window: int) -> Asked:
    """At least `need` of the last `of` good readings in the window are."""

    def asks(world: World, sensor: str, at: int, deadband: float) -> Truth:
        last = world.usable(sensor, at - window, at)[-of:]
        hits, missing = sum(value >= limit - deadband for _, value in last), of - len(last)
        if hits >= need:
            return True
        return None if len(last) < need or hits + missing >= need else False

    return asks


def sum_near(others: tuple[str, ...], window: int, limit: float) -> Asked:
    """The readings of any of the others add up to the limit within the window."""

    def asks(world: World, sensor: str, at: int, deadband: float) -> Truth:
        answers: list[Truth] = []
        for other in others:
            rows = world.usable(other, at - window, at)
            answers.append(sum(value for _, value in rows) >= limit if rows else None)
        return either(answers)

    return asks


def sum_own(window: int, limit: float) -> Asked:
    """The sensor's own readings add up to the limit within the window."""

    def asks(world: World, sensor: str, at: int, deadband: float) -> Truth:
        return sum(value for _, value in world.usable(sensor, at - window, at)) >= limit - deadband

    return asks


def rises(by: float, window: int) -> Asked:
    """The median of all slopes, times the time covered, never more than the range, is at least `by`."""

    def asks(world: World, sensor: str, at: int, deadband: float) -> Truth:
        rows = world.usable(sensor, at - window, at)
        if len(rows) < 3:
            return None
        slopes = sorted((b - a) / (t - s) for i, (s, a) in enumerate(rows) for t, b in rows[i + 1 :])
        half = len(slopes) // 2
        slope = slopes[half] if len(slopes) % 2 else (slopes[half - 1] + slopes[half]) / 2
        values = [value for _, value in rows]
        return min(slope * (rows[-1][0] - rows[0][0]), max(values) - min(values)) >= by

    return asks


def followed(first: Asked, then: Asked, window: int) -> Asked:
    """`first` held at a good reading, and `then` holds now, no more than the window later."""

    def asks(world: World, sensor: str, at: int, deadband: float) -> Truth:
        now = then(world, sensor, at, 0.0)
        if not now:
            return now
        before = [first(world, sensor, t, 0.0) for t, _ in world.usable(sensor, at - window, at)]
        return either(before)

    return asks


def both(*parts: Asked) -> Asked:
    """All parts hold: false wins, then unknown."""

    def asks(world: World, sensor: str, at: int, deadband: float) -> Truth:
        answers = [part(world, sensor, at, deadband) for part in parts]
        return False if False in answers else None if None in answers else True

    return asks


def either(answers: list[Truth]) -> Truth:
    """True wins, then unknown."""
    return True if True in answers else None if None in answers else False
