"""What happens in the simulated city: five acts and two bad sensors, in minutes from the start, and their truth.

An act changes what some sensors measure (`effects`), or cuts a gateway's power (`outages`). Everything depends on the
seed and the start alone; a seed shifts each act by up to 20 s and scales it by up to 3 %.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np

from city.clock import from_us
from gateway.noise import Floats, Ints, Keys, key, normal, uniform
from gateway.town import Point, Town, distance_m

# Takes (values in canonical units, minutes since the start) of one sensor, gives the values as the act leaves them.
Effect = Callable[[Floats, Floats], Floats]

STORM_SITE, GROUND_SITE, BRIDGE = "old-underpass-1", "riverside-ground-21", "gardens-bridge-1"
POWERLESS, STUCK, NOISY = "gw-harbour-drain", "st-harbour-05", "gp-gardens-04"
SUPPORT_AT, SUPPORT_STEP = 0.25, 34.0  # of the deck's length; um/m
_STORM_MM_MIN, _STORM_REACH_M = 1.5, 2500.0
_CREST_CM = 45.0
# The runoff bucket dh/dt = inflow * rain - drain * h - pump (cm, minutes), set so that the underpass passes 15 cm after
# 5 minutes of rain and 27 cm after 9, crests at 45 cm after 17 and is below 10 cm after 46.
_INFLOW, _DRAIN, _PUMP = 4.2, 0.035, 0.4
_RAIN_RISE, _RAIN_HOLD, _RAIN_FALL = 1.5, 15.0, 4.0
_GRID_MIN = 1 / 6


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that happens: what, at which site or gateway, seen by which sensors, from when to when (minutes)."""

    what: str
    where: str
    sensors: tuple[str, ...]
    from_min: float
    to_min: float
    note: str


def _rain(minutes: Floats) -> Floats:
    """Intensity of the cloudburst, 0 to 1, by minutes since its onset."""
    rising = np.clip(minutes / _RAIN_RISE, 0.0, 1.0)
    falling: Floats = np.clip(1.0 - (minutes - _RAIN_HOLD) / _RAIN_FALL, 0.0, 1.0)
    return rising * falling


def _bucket() -> tuple[Floats, Floats]:
    """Depth over the crest's depth, on a grid of minutes since the onset of rain."""
    grid = np.arange(0.0, 240.0, _GRID_MIN)
    depth, depths = 0.0, []
    for rain in _rain(grid).tolist():
        depth = max(0.0, depth + _GRID_MIN * (_INFLOW * rain - _DRAIN * depth - _PUMP))
        depths.append(depth)
    found = np.array(depths)
    return grid, found / found.max()


def _ramp(minutes: Floats, over_min: float) -> Floats:
    ramp: Floats = np.clip(minutes / over_min, 0.0, 1.0)
    return ramp


def _sinking(minutes: Floats) -> Floats:
    """Millimetres sunk since the ground began to move: speeding up for 80 minutes, then coming to rest."""
    moving = np.clip(minutes, 0.0, 80.0)
    resting = np.clip(minutes - 80.0, 0.0, None)
    sunk: Floats = 0.003 * moving**2 + 0.48 * 12.0 * (1.0 - np.exp(-resting / 12.0))
    return sunk


def _leaking(minutes: Floats) -> Floats:
    """%LEL above the background, by minutes since gas reached the manhole: 24 after 25, falling after 60."""
    rise = 24.0 * _ramp(minutes, 25.0) ** 1.2 + 3.0 * _ramp(minutes - 25.0, 35.0)
    leak: Floats = rise * np.exp(-np.clip(minutes - 60.0, 0.0, None) / 9.0)
    return leak


class Storyline:
    """The acts of one city.

    Parameters
    ----------
    town
        Whose seed and sensors.
    start_us
        Minute 0, microseconds since 1970.
    calm
        Leave everything out (for false-alarm measurements).

    Attributes
    ----------
    acts
        In order of time.
    effects
        By sensor.
    outages
        (gateway, from_us, to_us): no power, but a battery keeps it measuring.
    stuck
        By sensor, the minute at which it froze.
    """

    def __init__(self, town: Town, start_us: int, *, calm: bool = False) -> None:
        self.town, self.start_us = town, start_us
        self.acts: list[Act] = []
        self.effects: dict[str, list[Effect]] = {}
        self.outages: list[tuple[str, int, int]] = []
        self.stuck: dict[str, float] = {}
        if not calm:
            for act in (self._cloudburst, self._ground, self._methane, self._bridge, self._power, self._bad_sensors):
                act()
        self.acts.sort(key=lambda act: act.from_min)

    def truth(self) -> list[dict[str, object]]:
        """What happens, as plain data: what, where, sensors, from, to (RFC 3339), note."""
        return [
            {
                "what": act.what,
                "where": act.where,
                "sensors": list(act.sensors),
                "from": from_us(self._at_us(act.from_min)).isoformat(timespec="seconds"),
                "to": from_us(self._at_us(act.to_min)).isoformat(timespec="seconds"),
                "note": act.note,
            }
            for act in self.acts
        ]

    def truth_lines(self) -> bytes:
        """`truth` as JSON lines."""
        return b"".join(msgspec.json.encode(entry) + b"\n" for entry in self.truth())

    def powered(self, gateway: str, time_us: int) -> bool:
        """Whether a gateway has mains power."""
        return not any(name == gateway and from_ <= time_us < to for name, from_, to in self.outages)

    def _at_us(self, minute: float) -> int:
        return self.start_us + round(minute * 60.0) * 1_000_000

    def _draw(self, *what: object) -> float:
        """A number in [-1, 1) of the seed's own."""
        keys: Keys = np.array([key(self.town.seed, "story", *what)], dtype=np.uint64)
        return 2.0 * float(uniform(keys, np.zeros(1, dtype=np.int64))[0]) - 1.0

    def _shift_min(self, what: str) -> float:
        return self._draw(what, "when") / 3.0

    def _scale(self, what: str) -> float:
        return 1.0 + 0.03 * self._draw(what, "scale")

    def _add(self, sensor: str, change: Callable[[Floats], Floats]) -> None:
        self.effects.setdefault(sensor, []).append(lambda values, minutes: values + change(minutes))

    def _cloudburst(self) -> None:
        town, begin = self.town, 5.0 + self._shift_min("storm")
        centre, scale = town.sites[STORM_SITE].at, self._scale("storm")
        grid, shape = _bucket()

        def near(at: Point) -> float:
            return float(np.exp(-((distance_m(at, centre) / _STORM_REACH_M) ** 2)))

        def fill(crest: float, minutes: Floats) -> Floats:
            level: Floats = crest * np.interp(minutes - begin, grid, shape, left=0.0, right=0.0)
            return level

        def fall(mm_min: float, interval_min: float, minutes: Floats) -> Floats:
            return mm_min * interval_min * _rain(minutes - begin - interval_min / 2)

        for gauge in town.find("rainfall"):
            interval_min = town.sensors[gauge].interval_s / 60.0
            self._add(gauge, partial(fall, _STORM_MM_MIN * scale * near(town.at(gauge)), interval_min))
        for sensor in town.find("water_depth", "old"):
            site = town.sites[town.sensors[sensor].site]
            share = 1.0 if site.id == STORM_SITE else 0.18 if site.kind == "underpass" else 0.08
            self._add(sensor, partial(fill, _CREST_CM * scale * share))
        for sensor in town.find("water_level", "old"):
            self._add(sensor, partial(fill, 0.9 * scale * near(town.at(sensor))))
        wet = tuple(town.find("water_depth", site=STORM_SITE))
        gauges = tuple(town.find("rainfall", "old"))
        self.acts.append(Act("cloudburst", "old", gauges, begin, begin + 19.0, "about 27 mm of rain in 19 minutes"))
        note = f"depth passes 15 cm, then 27 cm, crests near {_CREST_CM * scale:.0f} cm"
        self.acts.append(Act("flooded underpass", STORM_SITE, wet, begin, begin + 58.0, note))
        others = [s for s in town.find("water_depth", "old") if town.sites[town.sensors[s].site].kind == "underpass"]
        damp = tuple(sensor for sensor in others if sensor not in wet)
        note = "the district's other underpasses fill to some 8 cm and drain again"
        self.acts.append(Act("rising water", "old", damp, begin, begin + 45.0, note))

    def _ground(self) -> None:
        town, begin, scale = self.town, 15.0 + self._shift_min("ground"), self._scale("ground")
        centre = town.sites[GROUND_SITE].at
        main = town.sites[GROUND_SITE].along
        points = [s for s in town.find("settlement", "riverside") if town.sites[town.sensors[s].site].along == main]
        for sensor in points:
            share = float(np.exp(-((distance_m(town.at(sensor), centre) / 50.0) ** 2)))
            self._add(sensor, lambda minutes, part=share * scale: -part * _sinking(minutes - begin))  # type: ignore[misc]  # the default binds the loop's value
        note = "the street over a gas main begins to sink, faster and faster"
        self.acts.append(Act("settlement", GROUND_SITE, tuple(points), begin, begin + 105.0, note))

    def _methane(self) -> None:
        town, begin, scale = self.town, 35.0 + self._shift_min("methane"), self._scale("methane")
        centre = town.sites[GROUND_SITE].at
        wells = town.nearest(centre, town.find("methane", "riverside"), 2)
        for sensor, share in zip(wells, (1.0, 0.8), strict=True):
            self._add(sensor, lambda minutes, part=share * scale: part * _leaking(minutes - begin))  # type: ignore[misc]  # as above
        note = "gas from the main under the sinking street reaches the two nearest manholes"
        self.acts.append(Act("methane", town.sensors[wells[0]].site, tuple(wells), begin, begin + 90.0, note))

    def _bridge(self) -> None:
        town, begin, scale = self.town, 50.0 + self._shift_min("bridge"), self._scale("bridge")
        deck = town.sites[BRIDGE].line
        support = deck[0][0] + SUPPORT_AT * (deck[-1][0] - deck[0][0])
        length = deck[-1][0] - deck[0][0]
        touched = []
        for sensor in town.find("strain", site=BRIDGE):
            away = abs(town.at(sensor)[0] - support) / length
            if away < 0.18:
                step = SUPPORT_STEP * scale * (1.0 if away < 0.12 else 0.6)
                self._add(sensor, lambda minutes, step=step: step * _ramp(minutes - begin, 0.2))  # type: ignore[misc]  # as above
                touched.append(sensor)
        (tilt,) = town.nearest(deck[1], town.find("tilt", site=BRIDGE), 1)
        self._add(tilt, lambda minutes: 0.9 * scale * _ramp(minutes - begin, 0.2))
        note = f"the support at a quarter of the deck drops: +{SUPPORT_STEP * scale:.0f} um/m near it, and it stays"
        self.acts.append(Act("support drop", BRIDGE, (*touched, tilt), begin, 24 * 60.0, note))

    def _power(self) -> None:
        shift = self._shift_min("power")
        begin, end = 60.0 + shift, 80.0 + shift
        self.outages.append((POWERLESS, self._at_us(begin), self._at_us(end)))
        silent = tuple(sensor.id for sensor in self.town.sensors_of[POWERLESS])
        note = "the cabinet loses power, measures on from its battery, and uploads when the power is back"
        self.acts.append(Act("power loss", POWERLESS, silent, begin, end, note))

    def _bad_sensors(self) -> None:
        frozen = 30.0 + self._shift_min("stuck")
        self.stuck[STUCK] = frozen
        site = self.town.sensors[STUCK].site
        self.acts.append(Act("stuck sensor", site, (STUCK,), frozen, 24 * 60.0, "the value no longer changes"))
        begin, end = 40.0 + self._shift_min("noisy"), 75.0
        keys: Keys = np.array([key(self.town.seed, "story", "noise")], dtype=np.uint64)

        def shake(values: Floats, minutes: Floats) -> Floats:
            counter: Ints = np.round(minutes * 60.0).astype(np.int64)
            inside = (minutes >= begin) & (minutes < end)
            return values + np.where(inside, 3.0 * normal(keys, counter), 0.0)

        self.effects.setdefault(NOISY, []).append(shake)
        site = self.town.sensors[NOISY].site
        self.acts.append(Act("noisy sensor", site, (NOISY,), begin, end, "ten times its usual noise, around the truth"))
