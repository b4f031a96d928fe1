"""How early floods are announced: `flood_nowcast` and floors on simulated rain.

A crossing is the undisturbed water reaching 15 cm after an hour below 10 cm. An announcement is an ABNORMAL finding (or
a floor's alarm) after an hour without one; it is right when a crossing follows within two hours, and false otherwise.
Played is the time around rain (3 mm within 3 h: from 6 h before it to 12 h after); dry weather has nothing to nowcast.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bench.detection.metrics import poisson, wilson
from bench.detection.report import Options, Table
from bench.detection.runs import Neighbourhood
from bench.detection.tables import interval, number, percent
from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Verdict
from detectors.registry import create
from gateway.histories.history import History, Readings, simulate
from gateway.histories.water import LIMIT_CM, runoff
from gateway.noise import Floats, Ints

DAYS: Final = 365
WITHIN_MIN: Final = 120
_REARM_CM, _REARM_MIN = 10.0, 60
_RAIN_MM, _RAIN_MIN, _BEFORE_MIN, _AFTER_MIN = 3.0, 180, 360, 720
_LOOK_MIN = 30.0  # of the straight line
_SOON_CM = 5.0  # the static floor's early limit

# Takes a neighbourhood, a row and stretches of the grid; gives places on the grid where announcements begin.
Announcer = Callable[[Neighbourhood, int, list[tuple[int, int]]], list[int]]


@dataclass
class Tally:
    """Of one announcer: leads in minutes of the crossings announced, crossings, false announcements, sensor-years."""

    leads: list[float] = field(default_factory=list)
    crossings: int = 0
    false: int = 0
    years: float = 0.0


def crossings(history: History, which: int) -> Ints:
    """Places on the grid where the water itself reaches 15 cm."""
    water = runoff(history.climate, which)
    high, quiet = water >= LIMIT_CM, _REARM_MIN * 60 // history.step_s
    starts = np.flatnonzero(high[1:] & ~high[:-1]) + 1
    return np.array([at for at in starts.tolist() if water[max(0, at - quiet) : at].min() < _REARM_CM
                     and not high[max(0, at - quiet) : at].any()], np.int64)  # fmt: skip


def stretches(history: History) -> list[tuple[int, int]]:
    """Where there is rain, and around it."""
    rain, step = history.climate.rain_mm, history.step_s // 60
    total = np.concatenate([[0.0], np.cumsum(rain)])
    back = _RAIN_MIN // step
    wet = total[back:] - total[:-back] >= _RAIN_MM
    around = np.zeros(history.count + 1, np.int64)
    for at in np.flatnonzero(np.diff(wet.astype(np.int8), prepend=0) == 1).tolist():
        around[max(0, at - _BEFORE_MIN // step)] += 1
    ends = np.flatnonzero(np.diff(wet.astype(np.int8), append=0) == -1)
    for at in ends.tolist():
        around[min(history.count, at + back + _AFTER_MIN // step)] -= 1
    inside = np.cumsum(around)[:-1] > 0
    edges = np.flatnonzero(np.diff(inside.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def count(tally: Tally, announced: list[int], reached: Ints, step_s: int) -> None:
    """Pair announcements with crossings: the earliest within two hours before a crossing is its own."""
    within = WITHIN_MIN * 60 // step_s
    useful = set()
    for at in reached.tolist():
        tally.crossings += 1
        mine = [one for one in announced if at - within <= one < at]
        useful.update(mine)
        if mine:
            tally.leads.append((at - mine[0]) * step_s / 60.0)
    late = {one for one in announced for at in reached.tolist() if at <= one <= at + within}
    tally.false += len(set(announced) - useful - late)


class _Around:
    """What the neighbours sent before."""

    def __init__(self, sent: Mapping[str, Readings]) -> None:
        self._sent = {name: (one.time_us.tolist(), one.value.tolist()) for name, one in sent.items()}

    def before(self, sensor: str, time_us: int) -> tuple[int, float] | None:
        if sensor not in self._sent:
            return None
        times, values = self._sent[sensor]
        at = bisect_left(times, time_us) - 1
        return (times[at], values[at]) if at >= 0 else None


def nowcast(place: Neighbourhood, row: int, where: list[tuple[int, int]]) -> list[int]:
    """`flood_nowcast`, as a rule book would run it."""
    subject, sent = place.subjects[row], place.sent[place.rows[row]]
    detector = create("flood_nowcast")
    detector.watch({subject.sensor: subject})
    traces = place.history.traces
    around = _Around({traces[i].sensor: place.sent[i] for i in traces[place.rows[row]].context})
    abnormal: list[int] = []
    for first, last in where:
        a, b = np.searchsorted(sent.at, [first, last]).tolist()
        columns = zip(sent.time_us[a:b].tolist(), sent.value[a:b].tolist(), strict=True)
        batch = [Sample(subject.sensor, time_us, value, Flag.PASS, time_us) for time_us, value in columns]
        for at, finding in zip(sent.at[a:b].tolist(), detector.update(batch, around), strict=True):
            if finding.verdict is Verdict.ABNORMAL:
                abnormal.append(at)
    return _begins(np.array(abnormal, np.int64))


def _begins(places: Ints) -> list[int]:
    begins: list[int] = places[np.diff(places, prepend=-1000) > _REARM_MIN].tolist()
    return begins


def _runs(sent: Readings, where: list[tuple[int, int]], alarm: Callable[[Floats], Floats]) -> Iterator[int]:
    """Where a floor's alarms begin."""
    for first, last in where:
        a, b = np.searchsorted(sent.at, [first, last])
        yield from _begins(sent.at[a:b][alarm(sent.value[a:b]) > 0])


def straight(place: Neighbourhood, row: int, where: list[tuple[int, int]]) -> list[int]:
    """A straight line through the last five minutes, half an hour long."""

    def reaches(depth: Floats) -> Floats:
        smooth = np.convolve(depth, np.ones(3) / 3.0)[: len(depth)]
        rise = np.concatenate([np.zeros(5), smooth[5:] - smooth[:-5]]) / 5.0
        return np.where((smooth + _LOOK_MIN * rise >= LIMIT_CM) & (depth < LIMIT_CM), 1.0, 0.0)

    return list(_runs(place.sent[place.rows[row]], where, reaches))


def early_limit(place: Neighbourhood, row: int, where: list[tuple[int, int]]) -> list[int]:
    """A static limit at 5 cm."""
    return list(_runs(place.sent[place.rows[row]], where, lambda depth: np.where(depth >= _SOON_CM, 1.0, 0.0)))


def fallen(place: Neighbourhood, row: int, where: list[tuple[int, int]]) -> list[int]:
    """The bound: when what had fallen sufficed, to somebody who knows the place's true answer to rain, and no more."""
    history, which = place.history, place.rows[row]
    found = []
    for at in crossings(history, which).tolist():
        first = max(0, at - 1440)  # the day before decides
        rain = history.climate.rain_mm[first : at + 240]
        low, high = 0, at - first
        while high - low > 1:  # more rain never lowers the water
            middle = (low + high) // 2
            cut = np.where(np.arange(len(rain)) <= middle, rain, 0.0)
            low, high = (low, middle) if runoff(history.climate, which, cut).max() >= LIMIT_CM else (middle, high)
        found.append(first + high)
    return found


ANNOUNCERS: Final[Mapping[str, Announcer]] = {
    "Lifeline (flood_nowcast)": nowcast,
    "straight line, 30 min": straight,
    "static limit, 5 cm": early_limit,
    "(enough rain had fallen)": fallen,
}


def measure(options: Options, first: int, histories: int) -> dict[str, Tally]:
    """Every announcer on the water histories."""
    found = {name: Tally() for name in ANNOUNCERS}
    for seed in range(first, first + histories):
        options.progress(f"floods: history {seed - first + 1} of {histories}")
        place = Neighbourhood(simulate("water_depth", seed, DAYS, salt=options.salt))
        where = stretches(place.history)
        for row, which in enumerate(place.rows):
            reached = crossings(place.history, which)
            for name, announcer in ANNOUNCERS.items():
                count(found[name], announcer(place, row, where), reached, place.history.step_s)
                found[name].years += place.history.years
    return found


def table(found: Mapping[str, Tally]) -> Table:
    """The table of a measurement."""
    rows = []
    for name, tally in found.items():
        leads = sorted(tally.leads)
        quantiles = [number(float(np.quantile(leads, part))) if leads else "–" for part in (0.1, 0.5, 0.9)]
        share = percent(wilson(len(leads), tally.crossings).value)
        false = interval(poisson(tally.false, max(tally.years, 1e-9)))
        rows.append((name, f"{tally.years:.0f}", str(tally.crossings), share, *quantiles, false))
    head = ("announcer", "sensor-years", "crossings of 15 cm", "announced", "lead p10, min", "p50", "p90",
            "false a sensor-year")  # fmt: skip
    note = "Goal: median lead of 30 min at 0.5 false a sensor-year or fewer. Leads are of the crossings announced."
    return Table("Floods on simulated rain", head, tuple(rows), note)


def figures(found: Mapping[str, Tally]) -> dict[str, object]:
    """The same as plain data."""
    return {
        name: {
            "sensor_years": tally.years,
            "crossings": tally.crossings,
            "announced": len(tally.leads),
            "lead_p50_min": float(np.median(tally.leads)) if tally.leads else np.nan,
            "false_per_sensor_year": tally.false / max(tally.years, 1e-9),
        }
        for name, tally in found.items()
    }
