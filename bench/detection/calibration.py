"""How often the engine cries wolf and nothing else: fault-free histories, no floors, minutes instead of an hour."""

from __future__ import annotations

from typing import Final

from bench.detection import tables
from bench.detection.candidates import FleetCandidate
from bench.detection.judge import DAYS, Domain, Size, domains, first_seed, histories
from bench.detection.metrics import BUDGETS
from bench.detection.report import Options, Section
from bench.detection.runs import WARM_DAYS, Limits, judge
from gateway.histories.history import code_hash

_MOST_SEEDS: Final = 500


def undisturbed(domain: str, size: Size, options: Options) -> Domain:
    """The engine on fault-free histories of one domain."""
    first, found = first_seed(options), Domain(domain)
    limits = Limits({budget: 1.0 / budget for budget in BUDGETS})
    for place in histories(found, size, options, range(first, first + _MOST_SEEDS)):
        engine = FleetCandidate()
        found.add([engine], judge(place, [(engine, limits)], forks=0, families=()))
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
