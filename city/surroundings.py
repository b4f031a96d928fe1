"""Which other sensors tell something about a sensor: what `sensors.csv` names, else what the register suggests.

Where `context` names nobody, neighbours are looked for by quantity: what shares its pipe first, then what stands near.
The search goes over grids on the sphere, all sensors at once, so that 100,000 sensors take about a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from city.geo import EARTH_RADIUS_M
from city.model import City, Sensor

MOST: Final = 4  # neighbours of a sensor
_LEAST_CELL_M, _CROWD = 20.0, 3  # cells are made smaller while more than so many stand in one
_PRIMES = np.array([73856093, 19349669, 83492791, 2654435761], dtype=np.uint64)  # spread cells over 64 bits
_STEPS = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(27, 3)
_AT_ONCE = 20_000

Ids = NDArray[np.intp]
Floats = NDArray[np.float64]


class Beside(NamedTuple):
    """A neighbour, and how far away it stands."""

    sensor: str
    away_m: float


class Ask(NamedTuple):
    """How many neighbours of a quantity, how far away at most, and whether on the same pipe or site only."""

    quantity: str
    many: int
    within_m: float
    pipe: bool = False


_PIPE_M = 20_000.0
DEFAULTS: Final[Mapping[str, tuple[Ask, ...]]] = {
    "gas_pressure": (
        Ask("gas_pressure", 2, _PIPE_M, pipe=True), Ask("gas_flow", 1, _PIPE_M, pipe=True),
        Ask("gas_pressure", 2, 3000), Ask("temperature", 1, 10_000),
    ),
    "gas_flow": (
        Ask("gas_pressure", 1, _PIPE_M, pipe=True), Ask("temperature", 1, 10_000),
        Ask("gas_flow", 2, _PIPE_M, pipe=True), Ask("gas_flow", 2, 3000),
    ),
    "methane": (
        Ask("methane", 2, 300), Ask("gas_pressure", 1, 500), Ask("rainfall", 1, 5000), Ask("temperature", 1, 10_000),
    ),
    "water_depth": (Ask("rainfall", 2, 5000), Ask("water_depth", 2, 1000), Ask("water_level", 1, 2000)),
    "water_level": (Ask("rainfall", 2, 5000), Ask("water_level", 2, 5000)),
    "rainfall": (Ask("rainfall", 3, 10_000),),
    "temperature": (Ask("temperature", 3, 10_000),),
    "settlement": (
        Ask("settlement", 2, 100), Ask("temperature", 1, 10_000), Ask("rainfall", 1, 5000),
        Ask("pore_pressure", 1, 200),
    ),
    "pore_pressure": (Ask("rainfall", 1, 5000), Ask("pore_pressure", 2, 200), Ask("water_level", 1, 500)),
    **{
        name: (Ask("temperature", 1, 300), Ask(name, 2, 300), Ask("temperature", 1, 10_000))
        for name in ("strain", "deflection", "tilt", "crack")
    },
    "acceleration": (Ask("acceleration", 2, 300),),
    "battery": (Ask("temperature", 1, 10_000),),
}  # fmt: skip
"""What is looked for where nothing is said, the most telling first; other quantities: `usual`."""


def usual(quantity: str) -> tuple[Ask, ...]:
    """What is looked for around a sensor of a quantity."""
    return DEFAULTS.get(quantity, (Ask(quantity, 2, 1000), Ask("temperature", 1, 10_000)))


def asks_for(quantity: str, context: Sequence[str]) -> tuple[Ask, ...]:
    """What is looked for when the city says which quantities count: in its order, near as usual, else within 5 km."""
    own = usual(quantity)
    return tuple(
        ask
        for other in dict.fromkeys(context)
        for ask in ([a for a in own if a.quantity == other] or [Ask(other, 1, 5000)])
    )


def surroundings(
    city: City, asks: Callable[[Sensor], Sequence[Ask]] = lambda sensor: usual(sensor.quantity.id)
) -> dict[str, tuple[Beside, ...]]:
    """The neighbours of every sensor that has any, at most `MOST`, the most telling first.

    Parameters
    ----------
    asks
        What to look for around a sensor whose `context` names nobody.
    """
    sensors = list(city.sensors.values())
    ground = _Ground(city, sensors)
    found: dict[int, list[tuple[int, float]]] = {}
    waiting: dict[tuple[Ask, ...], list[int]] = {}
    for at, sensor in enumerate(sensors):
        if sensor.context:
            named = [ground.number[name] for name in sensor.context if name in ground.number]
            found[at] = [(other, ground.away_m(at, other)) for other in named]
        elif wanted := tuple(asks(sensor)):
            waiting.setdefault(wanted, []).append(at)
    for wanted, asked in waiting.items():
        for ask in wanted:  # one after the other: the first is the most telling
            for at, other, away_m in ground.nearest(np.array(asked, dtype=np.intp), ask):
                found.setdefault(at, []).append((other, away_m))
    return {sensors[at].id: told for at, pairs in found.items() if (told := _told(pairs, sensors))}


def _told(pairs: Iterable[tuple[int, float]], sensors: Sequence[Sensor]) -> tuple[Beside, ...]:
    once = dict(reversed(list(pairs)))  # named twice: the nearer way of finding it
    order = dict.fromkeys(other for other, _ in pairs)
    return tuple(Beside(sensors[other].id, round(once[other], 1)) for other in list(order)[:MOST])


class _Ground:
    """Where all sensors stand, as points in space: distances are straight, and right near poles and date line too."""

    def __init__(self, city: City, sensors: Sequence[Sensor]) -> None:
        self.number = {sensor.id: at for at, sensor in enumerate(sensors)}
        places = [city.place_of(sensor) for sensor in sensors]
        lon, lat = np.radians(np.array([(p.lon, p.lat) for p in places], dtype=np.float64).reshape(-1, 2)).T
        flat = np.cos(lat)
        self._points = EARTH_RADIUS_M * np.column_stack((flat * np.cos(lon), flat * np.sin(lon), np.sin(lat)))
        pipes: dict[str, int] = {}
        sites = city.sites
        names = [sites[sensor.site].along or sensor.site for sensor in sensors]
        self._pipe = np.array([pipes.setdefault(name, len(pipes)) for name in names], dtype=np.int64)
        self._of: dict[str, list[int]] = {}
        for at, sensor in enumerate(sensors):
            self._of.setdefault(sensor.quantity.id, []).append(at)
        self._grids: dict[Ask, _Grid] = {}

    def away_m(self, one: int, other: int) -> float:
        """How far apart two sensors stand."""
        return float(np.linalg.norm(self._points[one] - self._points[other]))

    def nearest(self, asked: Ids, ask: Ask) -> list[tuple[int, int, float]]:
        """(who asks, neighbour, metres) for the nearest `ask.many` of each, nearest first."""
        if ask.quantity not in self._of:
            return []
        key = ask._replace(many=0)
        if key not in self._grids:
            there = np.array(self._of[ask.quantity], dtype=np.intp)
            group = self._pipe if ask.pipe else np.zeros_like(self._pipe)
            self._grids[key] = _Grid(self._points, group, there, ask.within_m)
        grid = self._grids[key]
        parts = [grid.nearest(asked[at : at + _AT_ONCE], ask.many) for at in range(0, len(asked), _AT_ONCE)]
        return [row for part in parts for row in part]


class _Grid:
    """The sensors that may be answers, in cells of several widths; only those of the same group count."""

    def __init__(self, points: Floats, group: NDArray[np.int64], there: Ids, within_m: float) -> None:
        self._points, self._group, self._there, self._within_m = points, group, there, within_m
        self._first_m = max(within_m, _LEAST_CELL_M)
        while self._first_m > 2 * _LEAST_CELL_M:
            cells = len(np.unique(self._keys(self._cells(there, self._first_m), there)))
            if len(there) <= _CROWD * cells:
                break
            self._first_m /= 2
        self._sorted: dict[float, tuple[NDArray[np.uint64], Ids]] = {}

    def nearest(self, asked: Ids, many: int) -> list[tuple[int, int, float]]:
        """The nearest `many` of each, nearest first: cells grow until they are found or are as wide as they may be."""
        result: list[tuple[int, int, float]] = []
        cell_m = self._first_m
        while len(asked):
            who, other, away_m = self._within(asked, cell_m, min(cell_m, self._within_m))
            order = np.lexsort((other, away_m, who))
            who, other, away_m = who[order], other[order], away_m[order]
            first = np.searchsorted(who, asked)
            found = np.searchsorted(who, asked, "right") - first
            done = found >= many if cell_m < self._within_m else np.ones(len(asked), bool)
            rank = np.arange(len(who)) - np.searchsorted(who, who)
            take = (rank < many) & np.isin(who, asked[done])
            result += zip(who[take].tolist(), other[take].tolist(), away_m[take].tolist(), strict=True)
            asked, cell_m = asked[~done], min(cell_m * 2, max(self._within_m, cell_m))
        return result

    def _within(self, asked: Ids, cell_m: float, within_m: float) -> tuple[Ids, Ids, Floats]:
        """All pairs no further apart than `within_m` (at most the width of a cell)."""
        keys, there = self._in_cells(cell_m)
        cells = self._cells(asked, cell_m)
        # Two neighbouring cells may share a key: each is looked up once, and pairs that are too far are dropped.
        around = np.sort(np.stack([self._keys(cells + step, asked) for step in _STEPS], axis=1), axis=1)
        again = np.zeros(around.shape, bool)
        again[:, 1:] = around[:, 1:] == around[:, :-1]
        begin = np.searchsorted(keys, around.ravel())
        many = np.where(again.ravel(), 0, np.searchsorted(keys, around.ravel(), "right") - begin)
        before = np.cumsum(many) - many
        other = there[np.arange(int(many.sum())) + np.repeat(begin - before, many)]
        who = np.repeat(np.repeat(asked, len(_STEPS)), many)
        away_m = np.linalg.norm(self._points[who] - self._points[other], axis=1)
        good = (away_m <= within_m) & (who != other) & (self._group[who] == self._group[other])
        return who[good], other[good], away_m[good]

    def _in_cells(self, cell_m: float) -> tuple[NDArray[np.uint64], Ids]:
        if cell_m not in self._sorted:
            keys = self._keys(self._cells(self._there, cell_m), self._there)
            order = np.argsort(keys, kind="stable")
            self._sorted[cell_m] = keys[order], self._there[order]
        return self._sorted[cell_m]

    def _cells(self, which: Ids, cell_m: float) -> NDArray[np.int64]:
        return np.floor(self._points[which] / cell_m).astype(np.int64)

    def _keys(self, cells: NDArray[np.int64], which: Ids) -> NDArray[np.uint64]:
        own = np.column_stack((cells, self._group[which])).astype(np.uint64)
        return np.asarray(np.bitwise_xor.reduce(own * _PRIMES, axis=1))
