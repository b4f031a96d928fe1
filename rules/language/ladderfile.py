"""Reads the levels of a rule: their conditions, delays and deadbands, what confirms them, which samples count."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from city.levels import Flag, Level
from city.model import Sensor
from city.nearby import Wanted
from city.positions import Path, nearest, show
from city.quantity import Quantity
from rules.alarm.ladder import CLEARING_FLAGS, Flags, Ladder, Rung
from rules.conditions.kinds import All, Any_, Compare, CountOf, Near, Only, Presumed, Window
from rules.conditions.moment import USABLE
from rules.language.calendarfile import read_only
from rules.language.conditionfile import read_condition
from rules.language.grammar import CONFIRM, FLAG_NAMES, FLAGS, LEVEL, LEVELS
from rules.language.reader import Plan, Reader

STALE_INTERVALS, STALE_AT_LEAST_US = 3, 300_000_000
CONFIRM_WINDOW_US = 300_000_000


@dataclass(frozen=True)
class _Level:
    """One level as it is written, for any sensor."""

    level: Level
    plan: Plan
    for_us: int
    deadband: float
    on_gap: str
    clear_after_us: int

    def rung(self, sensor: Sensor) -> Rung:
        return Rung(self.level, self.plan.make(sensor), self.for_us, self.deadband, self.on_gap, self.clear_after_us)


@dataclass(frozen=True)
class _Confirm:
    """What must confirm a level. `window_us` 0: by the sensor's interval."""

    need: int
    within_m: float
    window_us: int
    min_valid: int
    lower: bool
    written: str


@dataclass
class LadderPlan:
    """Makes the ladder of a rule for one sensor; sensors for which it reads the same share one."""

    reader: Reader
    levels: list[_Level]
    stale_us: int
    flags: Flags
    confirm: _Confirm | None
    made: dict[float, Ladder] = field(default_factory=dict)

    def make(self, sensor: Sensor) -> Ladder:
        """The ladder for a sensor."""
        shared = self.confirm is None and all(level.plan.shared for level in self.levels)
        if shared and (found := self.made.get(sensor.interval_s)) is not None:
            return found
        rungs = self.bare(sensor)
        if self.confirm is not None:
            rungs = self._confirmed(sensor, rungs, self.confirm)
        interval_us = round(STALE_INTERVALS * sensor.interval_s * 1e6)
        stale_us = max(self.stale_us, interval_us, 0 if self.stale_us else STALE_AT_LEAST_US)
        ladder = Ladder(rungs, stale_us, self.flags)
        if shared:
            self.made[sensor.interval_s] = ladder
        return ladder

    def bare(self, sensor: Sensor) -> tuple[Rung, ...]:
        """The levels as they are written, highest first."""
        return tuple(level.rung(sensor) for level in self.levels)

    def _confirmed(self, sensor: Sensor, rungs: tuple[Rung, ...], confirm: _Confirm) -> tuple[Rung, ...]:
        """The levels with what confirms them written into their conditions.

        A level of the lowest plain comparison or above asks its neighbours, too; what cannot be judged counts as
        confirmed. The next level down stands for an unconfirmed one, unless the rule says `else: nothing`.
        """
        lowest = _lowest(rungs)
        if lowest is None:
            return rungs
        from_level, compare = lowest
        window_us = confirm.window_us or max(CONFIRM_WINDOW_US, round(STALE_INTERVALS * sensor.interval_s * 1e6))
        wanted = Wanted(frozenset({sensor.quantity.id}), confirm.within_m)
        names = self.reader.neighbourhoods().sensors(sensor, wanted)
        said = f"{confirm.written}: {compare.written}"
        seen = Near(names, Window("extreme", window_us, compare, said), confirm.need, confirm.min_valid, said)
        changed, above = [], None
        for rung in rungs:
            condition = rung.condition
            if rung.level >= from_level:
                condition = All((condition, Presumed(seen)))
            if above is not None and confirm.lower:
                condition = Any_((condition, above))
            changed.append(Rung(rung.level, condition, rung.for_us, rung.deadband, rung.on_gap, rung.clear_after_us))
            above = rung.condition if rung.level >= from_level else None
        return tuple(changed)


def _plain(rung: Rung) -> Compare | None:
    """What a level compares the sensor's own value with, if that is all it asks."""
    condition = rung.condition.part if isinstance(rung.condition, Only) else rung.condition
    if isinstance(condition, CountOf):
        return condition.compare
    return condition if isinstance(condition, Compare) else None


def _lowest(rungs: Collection[Rung]) -> tuple[Level, Compare] | None:
    plain = [(rung.level, compare) for rung in rungs if (compare := _plain(rung)) is not None]
    return min(plain, key=lambda found: found[0], default=None)


def read_ladder(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> LadderPlan:
    """The levels of a rule; its faults are remembered. `data`: the whole rule, at `path`."""
    ladder = data["ladder"]
    clear_us = reader.duration_us(data, "clear_after", path)
    levels = []
    for colour, level in ladder.items() if isinstance(ladder, Mapping) else ():
        if colour in LEVELS:  # others are told already as unknown keys
            found = _level(reader, level, (*path, "ladder", colour), quantity, colour, clear_us)
            levels += [] if found is None else [found]
    levels.sort(key=lambda level: -level.level)
    if "only" in data:
        levels = _only(reader, data["only"], (*path, "only"), levels)
    stale_us = reader.duration_us(data, "stale_after", path)
    return LadderPlan(reader, levels, stale_us, _flags(reader, data, path), _confirm(reader, data, path))


def _level(reader: Reader, data: object, path: Path, quantity: Quantity, colour: str, clear_us: int) -> _Level | None:
    plan = read_condition(reader, data, path, quantity, LEVEL)
    if not isinstance(data, Mapping):
        return None
    level = Level.of(colour)
    deadband = 0.0
    if "deadband" in data:
        deadband = reader.measure(data["deadband"], quantity.unit, (*path, "deadband"), difference=True)
        if deadband < 0:
            reader.fault((*path, "deadband"), "a deadband is not negative", show(data["deadband"]), "3 cm")
    usual = "complete" if level >= Level.ORANGE else "hold"
    on_gap = reader.word(data, "on_gap", path, LEVEL["on_gap"].words, usual)
    for_us = reader.duration_us(data, "for", path)
    clear_us = reader.duration_us(data, "clear_after", path, clear_us)
    return None if plan is None else _Level(level, plan, for_us, deadband, on_gap, clear_us)


def _only(reader: Reader, data: object, path: Path, levels: list[_Level]) -> list[_Level]:
    """Every level inside the rule's calendar."""
    calendar = read_only(data, path, reader.positions, reader.faults, reader.calendars)
    if calendar is None:
        return levels

    def inside(plan: Plan) -> Plan:
        return Plan(lambda sensor: Only(calendar, plan.make(sensor), f"only {calendar.written}"), plan.shared)

    return [
        _Level(one.level, inside(one.plan), one.for_us, one.deadband, one.on_gap, one.clear_after_us) for one in levels
    ]


def _flags(reader: Reader, data: Mapping[str, object], path: Path) -> Flags:
    if "flags" not in data:
        return Flags()
    inside = (*path, "flags")
    flags = reader.check(data["flags"], FLAGS, inside)
    return Flags(
        _flag_set(reader, flags, "raise", inside, USABLE), _flag_set(reader, flags, "clear", inside, CLEARING_FLAGS)
    )


def _flag_set(
    reader: Reader, data: Mapping[str, object], key: str, path: Path, default: frozenset[Flag]
) -> frozenset[Flag]:
    if key not in data:
        return default
    value = data[key]
    if not isinstance(value, list) or not value:
        reader.fault((*path, key), f"{key}: expected a list of flags", show(value), "[pass, not_evaluated]")
        return default
    known = {name: Flag[name.upper()] for name in FLAG_NAMES}
    found = set()
    for at, item in enumerate(value):
        if isinstance(item, str) and item in known:
            found.add(known[item])
        elif isinstance(item, int) and not isinstance(item, bool) and item in Flag._value2member_map_:
            found.add(Flag(item))
        else:
            hint = repr(near) if (near := nearest(str(item), known)) else ", ".join(f"{f} ({known[f]})" for f in known)
            reader.fault((*path, key, at), "no such quality flag", show(item), hint)
    return frozenset(found)


def _confirm(reader: Reader, data: Mapping[str, object], path: Path) -> _Confirm | None:
    if "confirm" not in data:
        return None
    before, inside = len(reader.faults), (*path, "confirm")
    confirm = reader.check(data["confirm"], CONFIRM, inside)
    need = reader.count(confirm, "neighbours", inside, 1)
    within_m = reader.distance_m(confirm, "within", inside)
    window_us = reader.span_us(confirm, "window", inside)
    min_valid = reader.count(confirm, "min_valid", inside, 1)
    lower = reader.word(confirm, "else", inside, CONFIRM["else"].words, "one_level_lower") != "nothing"
    if len(reader.faults) > before or within_m is None:
        return None
    who = "a neighbour" if need == 1 else f"{need} neighbours"
    return _Confirm(need, within_m, window_us, min_valid, lower, f"seen by {who} within {confirm['within']}")


def check_ladder(reader: Reader, plan: LadderPlan, sensor: Sensor, path: Path) -> None:
    """Of plain thresholds, a higher level must be harder to reach, and no deadband may reach past the next one down."""
    rungs = plan.bare(sensor)
    plain = [(rung, rung.condition) for rung in rungs if isinstance(rung.condition, Compare)]
    for (upper, high), (lower, low) in pairwise(plain):
        at = (*path, "ladder", upper.level.word)
        for sign, mine, theirs in ((1, high.high, low.high), (-1, high.low, low.low)):
            if mine is None or theirs is None:
                continue
            if sign * (mine - theirs) <= 0:
                what = f"{upper.level.word} is no harder to reach than {lower.level.word}"
                reader.fault(at, what, f"{high.written} against {low.written}", "swapping the thresholds")
            elif upper.deadband >= sign * (mine - theirs) + lower.deadband and upper.deadband > 0:
                what = f"the deadband of {upper.level.word} reaches past {lower.level.word}"
                reader.fault(at, what, f"{upper.deadband:g} below {high.written}", "a smaller deadband")
    if plan.confirm is not None and _lowest(rungs) is None:
        what = "confirm needs a level that compares the sensor's own value"
        reader.fault((*path, "confirm"), what, hint="yellow: {above: 15 cm}")
