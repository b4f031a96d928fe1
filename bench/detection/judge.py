"""The judge's section on simulated histories: false alarms, what is found, how early, and what that costs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Final, TypeAlias

from bench.detection import flood, tables
from bench.detection.candidates import Candidate, FleetCandidate
from bench.detection.floors import quick_floors, river_floors
from bench.detection.metrics import BUDGETS, Heard, threshold_for
from bench.detection.report import Options, Section
from bench.detection.runs import Limits, Neighbourhood, Played, calibrate, judge, nominal_limits
from city.clock import stopwatch_s
from city.errors import InputError
from gateway.faults import FAMILIES
from gateway.histories.history import DEVELOPMENT, DOMAINS, VALIDATION, code_hash, simulate

DAYS: Final = 365
Measure: TypeAlias = "Callable[[str, Size, Options], Domain]"
_APART: Final = 500  # calibration of the floors uses the seeds from here on, the judge those below


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything: sensor-years judged a domain, histories for calibrating floors, points with faults."""

    sensor_years: float
    calibration_seeds: int
    forks: int
    river_days: int
    flood_histories: int


QUICK: Final = Size(5.0, 1, 2, 0, 1)
FULL: Final = Size(100.0, 8, 3, 150, 8)


@dataclass
class Domain:
    """What was measured in one domain: by candidate; which seeds, and how fast they were simulated."""

    name: str
    seeds: list[int] = field(default_factory=list)
    samples: int = 0
    simulated_s: float = 0.0
    played: dict[str, Played] = field(default_factory=dict)
    channels: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, candidates: Sequence[Candidate], runs: Sequence[Played]) -> None:
        """Take in one history."""
        for candidate, run in zip(candidates, runs, strict=True):
            known = self.played.setdefault(candidate.name, Played())
            self.channels[candidate.name] = candidate.channels
            known.quiet += run.quiet
            known.cases += run.cases
            known.updates += run.updates
            known.took_s += run.took_s
            known.counted += run.counted
            known.blind += run.blind


def first_seed(options: Options) -> int:
    """Where the seeds of a set begin; InputError for an unknown set, or a salt where none belongs."""
    firsts = {"development": DEVELOPMENT.start, "validation": VALIDATION.start, "heldout": 0}
    if options.seeds not in firsts:
        raise InputError(f"bench detection: unknown seeds, got {options.seeds!r}, try one of {', '.join(firsts)}")
    if (options.seeds == "heldout") != bool(options.salt):
        raise InputError("bench detection: held-out seeds and a salt belong together, try --seeds heldout --salt WORD")
    return firsts[options.seeds]


def limits_for(
    domain: str, candidates: Sequence[Candidate], seeds: Sequence[int], days: int, salt: str
) -> list[tuple[Candidate, Limits]]:
    """Each candidate with its thresholds; those that need it are calibrated on fault-free seeds of their own."""
    open_ones = [candidate for candidate in candidates if nominal_limits(candidate) is None]
    runs: dict[str, list[Heard]] = {candidate.name: [] for candidate in open_ones}
    years = 0.0
    for seed in seeds if open_ones else ():
        found = calibrate(Neighbourhood(simulate(domain, seed, days, salt=salt)), open_ones)
        years += found[0][1]
        for candidate, (more, _) in zip(open_ones, found, strict=True):
            runs[candidate.name] += more
    chosen = []
    for candidate in candidates:
        limits = nominal_limits(candidate)
        if limits is None:
            limits = Limits({b: threshold_for(runs[candidate.name], years, b) for b in BUDGETS})
        chosen.append((candidate, limits))
    return chosen


def histories(found: Domain, size: Size, options: Options, seeds: Iterable[int]) -> Iterator[Neighbourhood]:
    """A history of each seed until enough sensor-years are counted; `found` takes down seeds, samples and time."""
    years = 0.0
    for seed in seeds:
        if years >= size.sensor_years:
            return
        began_s = stopwatch_s()
        place = Neighbourhood(simulate(found.name, seed, DAYS, salt=options.salt))
        found.simulated_s += stopwatch_s() - began_s
        found.samples += sum(map(len, place.sent))
        found.seeds.append(seed)
        yield place
        years += sum(place.counted_years())
        options.progress(f"{found.name}: {years:.0f} of {size.sensor_years:.0f} sensor-years")


def measure(domain: str, size: Size, options: Options) -> Domain:
    """Everything of one domain."""
    first, found = first_seed(options), Domain(domain)
    families = FAMILIES if options.salt else FAMILIES[:3]
    fleet: list[Candidate] = [FleetCandidate(), *quick_floors()]
    apart = range(first + _APART, first + _APART + size.calibration_seeds)
    limits = limits_for(domain, fleet, apart, DAYS, options.salt)
    for place in histories(found, size, options, range(first, first + _APART)):
        found.add(fleet, judge(place, limits, forks=size.forks, families=families))
    if size.river_days:
        options.progress(f"{domain}: river")
        slow = river_floors()
        limits = limits_for(domain, slow, apart[:1], size.river_days, options.salt)
        place = Neighbourhood(simulate(domain, first, size.river_days, salt=options.salt))
        found.add(slow, judge(place, limits, forks=1, families=families))
    return found


def domains(options: Options, measured: Measure) -> Iterator[Domain]:
    """Each domain that was asked for, as `measured` does it."""
    for name in options.domains or tuple(DOMAINS):
        if name not in DOMAINS:
            raise InputError(f"bench detection: unknown domain, got {name!r}, try one of {', '.join(DOMAINS)}")
    names, size = options.domains or tuple(DOMAINS), size_of(options)
    if options.jobs == 1:
        yield from (measured(name, size, options) for name in names)
        return
    silent = replace(options, progress=_silent)
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for found in pool.map(measured, names, repeat(size), repeat(silent)):
            options.progress(f"{found.name} is done")
            yield found


def _silent(_: str) -> None:
    """Other processes do not report."""


def size_of(options: Options) -> Size:
    """How much was asked for."""
    size = QUICK if options.quick else FULL
    return size if options.sensor_years is None else replace(size, sensor_years=options.sensor_years)


def section(options: Options) -> Section:
    """Measure and write up."""
    first_seed(options)
    found = list(domains(options, measure))
    judged = tables.section(found, conditions(options))
    if "water_depth" not in (options.domains or DOMAINS):
        return judged
    floods = flood.measure(options, first_seed(options), size_of(options).flood_histories)
    figures = {**judged.figures, "floods": flood.figures(floods)}
    return replace(judged, tables=(judged.tables[0], flood.table(floods), *judged.tables[1:]), figures=figures)


def conditions(options: Options) -> str:
    """Under what the figures were measured."""
    first, size = first_seed(options), size_of(options)
    salted = ", salted: wider parameters and two more kinds of fault" if options.salt else ""
    slow = f"river on {size.river_days} days of one history" if size.river_days else "river is left out of quick runs"
    return (
        f"Simulated histories of {DAYS} days ({options.seeds} seeds from {first} on{salted}), simulator {code_hash()}; "
        f"the first 45 days of each are not counted. Floors without a scale of their own are calibrated on "
        f"{size.calibration_seeds} other fault-free histories (seeds from {first + _APART} on); {slow}."
    )
