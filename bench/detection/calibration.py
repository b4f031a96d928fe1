"""How often the engine cries wolf and nothing else: fault-free histories, no floors, minutes instead of an hour."""

from __future__ import annotations

from typing import Final

from bench.detection import tables
from bench.detection.candidates import FleetCandidate
from bench.detection.judge import DAYS, Domain, Size, domains, first_seed
from bench.detection.metrics import BUDGETS
from bench.detection.report import Options, Section
from bench.detection.runs import WARM_DAYS, Limits, Neighbourhood, judge
from city.clock import stopwatch_s
from gateway.histories.history import code_hash, simulate

_MOST_SEEDS: Final = 500


def undisturbed(domain: str, size: Size, options: Options) -> Domain:
    """The engine on fault-free histories of one domain."""
    first, found, years = first_seed(options), Domain(domain), 0.0
    limits = Limits({budget: 1.0 / budget for budget in BUDGETS})
    for seed in range(first, first + _MOST_SEEDS):
        if years >= size.sensor_years:
            break
        began_s = stopwatch_s()
        place = Neighbourhood(simulate(domain, seed, DAYS, salt=options.salt))
        found.simulated_s += stopwatch_s() - began_s
        found.samples += sum(map(len, place.sent))
        found.seeds.append(seed)
        engine = FleetCandidate()
        found.add([engine], judge(place, [(engine, limits)], forks=0, families=()))
        years += sum(place.counted_years())
        options.progress(f"{domain}: {years:.0f} of {size.sensor_years:.0f} sensor-years")
    return found


def section(options: Options) -> Section:
    """Measure and write up."""
    found = list(domains(options, undisturbed))
    return Section(
        "Calibration on fault-free histories",
        (
            f"Simulated histories of {DAYS} days, simulator {code_hash()}; the first {WARM_DAYS} days of each are not "
            "counted. An alarm is the first score at its budget after 6 h without one.",
            tables.seeds(found),
        ),
        (tables.calibration(found), tables.spoke(found)),
        (),
        {one.name: tables.calibrated(one) for one in found},
    )
