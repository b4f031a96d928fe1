"""The judge's findings as tables and plain figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Final

import numpy as np

from bench.detection.metrics import BUDGETS, Found, Interval, delay_quantile, paired_bootstrap, poisson, wilson
from bench.detection.report import Section, Table
from bench.detection.runs import Case, Played
from gateway.faults import KINDS, SEVERITIES

if TYPE_CHECKING:
    from bench.detection.judge import Domain

MAIN: Final = "Lifeline"
INCIPIENT: Final = frozenset({"leak", "methane_growth", "backup", "stiffness_loss", "creep"})
# The statistics that may rightly speak of a kind, by how their names begin.
RIGHT: Final[Mapping[str, tuple[str, ...]]] = {
    "spike": ("spike", "rate", "context_spike", "rarity"),
    "stuck": ("flat", "variance_down"),
    "noise": ("variance_up", "spike", "rate", "context_spike"),
    "drift": ("drift", "level", "context", "rarity"),
    "damping": ("daily_cycle", "variance_down", "level", "context", "drift"),
    "fouling": ("drift", "level", "context", "variance_down", "rarity"),
    "burst": ("spike", "rate", "level", "context", "rarity"),
    "intermittent": ("spike", "rate", "variance_up", "level", "context", "rarity"),
    "gain": ("spike", "rate", "level", "context", "rarity", "daily_cycle"),
}
_SLOW: Final = ("drift", "level", "context", "rarity")


def seen(cases: Iterable[Case]) -> list[Case]:
    """Cases that information allows to be found while they last, delivery faults left out."""
    return [c for c in cases if _of_value(c) and isfinite(c.found[1.0].anchor_h)]


def recall(cases: Sequence[Case], budget: float) -> Interval:
    """Share of cases found, with its interval."""
    return wilson(sum(case.found[budget].hit for case in cases), len(cases))


def false_alarms(played: Played, budget: float) -> Interval:
    """False alarms per sensor-year, with the Poisson interval."""
    return poisson(sum(q.alarms[budget] for q in played.quiet), sum(q.years for q in played.quiet))


def efficiency(cases: Sequence[Case], budget: float = 1.0) -> float:
    """Median lead efficiency of the incipient faults, misses as 0; NaN of none."""
    found = [case.found[budget].efficiency for case in cases if case.fault.kind in INCIPIENT]
    known = [one for one in found if isfinite(one)]
    return float(np.median(known)) if known else np.nan


def attribution(cases: Sequence[Case], channels: Sequence[str], budget: float = 1.0) -> float:
    """Share of found cases in which a right channel spoke; NaN of none, or when there are no channels."""
    hits = [case for case in cases if case.found[budget].hit]
    if not hits or not channels:
        return np.nan
    right = [channels[c.found[budget].channel].startswith(RIGHT.get(c.fault.kind, _SLOW)) for c in hits]
    return sum(right) / len(right)


def section(domains: Sequence[Domain], words: str) -> Section:
    """All tables of all domains."""
    from bench.detection import plots

    names = list(dict.fromkeys(name for domain in domains for name in domain.played))
    left_out = {d.name: len(_faults(d)) - len(seen(_faults(d))) for d in domains if MAIN in d.played}
    note = ", ".join(f"{name} {count}" for name, count in left_out.items() if count) or "none"
    return Section(
        "Simulated histories",
        (words, seeds(domains), _method(), f"Cases left out because even their anchor never comes: {note}."),
        (
            _summary(domains), calibration(domains), *(_recalls(domains, names, budget) for budget in BUDGETS),
            *(_faultwise(domain) for domain in domains), _paired(domains, names), spoke(domains), _delivery(domains),
            _costs(domains, names),
        ),
        plots.all_of(domains),
        figures(domains),
    )  # fmt: skip


def seeds(domains: Sequence[Domain]) -> str:
    """Which histories were judged."""
    used = ", ".join(f"{d.name} {d.seeds[0]} to {d.seeds[-1]}" for d in domains if d.seeds)
    samples, took_s = sum(d.samples for d in domains), sum(d.simulated_s for d in domains)
    speed = f"{samples / max(took_s, 1e-9) / 1e6:.1f} million a second, neighbours' values included"
    return f"Judged seeds: {used}. {samples:,} samples were simulated, {speed}."


def _method() -> str:
    return (
        "An alarm is an onset: the first score at its threshold after 6 h without one. A fault is found only by an "
        "alarm that begins while it lasts; nothing is adjusted to labels. Lifeline's thresholds are the budgets "
        "themselves (a return period of 1, 10 or 1/12 years), never fitted; sensors of one history share their "
        "weather, so intervals over sensor-years are somewhat too narrow."
    )


def _faults(domain: Domain) -> list[Case]:
    return [case for case in domain.played[MAIN].cases if _of_value(case)]


def _of_value(case: Case) -> bool:
    return KINDS[case.fault.kind].family != "delivery"


def _summary(domains: Sequence[Domain]) -> Table:
    head = ("domain", "sensor-years", "false alarms a year at 1", "ratio at 0.1", "recall at 0.1", "recall at 1",
            "recall at 12", "at 1, hidden ones too", "lead efficiency", "right channel", "blind", "µs")  # fmt: skip
    rows = []
    for d in domains:
        played, cases = d.played[MAIN], seen(d.played[MAIN].cases)
        years = sum(q.years for q in played.quiet)
        rows.append((
            d.name, f"{years:.1f}", interval(false_alarms(played, 1.0)), number(false_alarms(played, 0.1).value / 0.1),
            *(percent(recall(cases, b).value) for b in BUDGETS), percent(recall(_faults(d), 1.0).value),
            percent(efficiency(cases)), percent(attribution(cases, d.channels[MAIN])),
            f"{100 * played.blind / max(played.counted, 1):.2g} %",
            number(played.took_s / max(played.updates, 1) * 1e6),
        ))  # fmt: skip
    every = [case for d in domains for case in seen(d.played[MAIN].cases)]
    hidden_too = [case for d in domains for case in _faults(d)]
    rows.append((
        "all", "", "", "", *(percent(recall(every, b).value) for b in BUDGETS), percent(recall(hidden_too, 1.0).value),
        percent(efficiency(every)), "", "", "",
    ))  # fmt: skip
    note = (
        "Goals: ratio 0.67 to 1.5 at 1 and 0.1; recall at 1: 95 %; lead efficiency: 95 %, each domain 90 %. "
        "Hidden: faults whose anchor never comes; every other recall leaves them out. "
        "Blind: the part of all counted readings of which it could say nothing."
    )
    return Table(f"{MAIN} at its nominal budgets", head, tuple(rows), note)


def calibration(domains: Sequence[Domain]) -> Table:
    """Measured over nominal, by budget."""
    rows = []
    for d in domains:
        played = d.played[MAIN]
        cells = [f"{sum(q.years for q in played.quiet):.1f}"]
        for budget in BUDGETS:
            cells.append(str(sum(q.alarms[budget] for q in played.quiet)))
            cells.append(interval(Interval(*(v / budget for v in false_alarms(played, budget)))))
        rows.append((d.name, *cells))
    head = ("domain", "sensor-years", *(text for b in BUDGETS for text in (f"alarms at {b:g}", "measured / nominal")))
    return Table("Calibration: false alarms on undisturbed sensors, 95 % Poisson interval", head, tuple(rows))


def _recalls(domains: Sequence[Domain], names: Sequence[str], budget: float) -> Table:
    rows = []
    for name in names:
        cells = []
        for d in domains:
            played = d.played.get(name)
            cells.append(_recall_cell(played, budget) if played else "")
        every = [case for d in domains if name in d.played for case in seen(d.played[name].cases)]
        rows.append((name, *cells, percent(recall(every, budget).value)))
    note = "In brackets: false alarms per sensor-year that it made on the judged histories."
    title = f"Recall over all faults at {budget:g} false alarms per sensor-year"
    return Table(title, ("detector", *(d.name for d in domains), "all"), tuple(rows), note)


def _recall_cell(played: Played, budget: float) -> str:
    cases = seen(played.cases)
    return f"{percent(recall(cases, budget).value)} ({false_alarms(played, budget).value:.2g})"


def _faultwise(domain: Domain) -> Table:
    cases = domain.played[MAIN].cases
    rows = []
    for kind in dict.fromkeys(case.fault.kind for case in cases if _of_value(case)):
        for severity in SEVERITIES:
            cell = [c for c in cases if (c.fault.kind, c.fault.severity) == (kind, severity)]
            rows.append((f"{kind}, {severity}", *_cell(cell, domain.channels[MAIN])))
    head = ("fault", "cases", "recall at 0.1", "at 1", "at 12", "delay p50, h", "p90, h", "anchor p50, h",
            "static limit p50, h", "lead p50, h", "efficiency p50", "right channel")  # fmt: skip
    note = (
        "Delays at 1 false alarm per sensor-year, misses as endless. A lead counts to the static limit, or to the end."
    )
    return Table(f"{domain.name}: {MAIN} by fault and severity", head, tuple(rows), note)


def _cell(cases: Sequence[Case], channels: Sequence[str]) -> tuple[str, ...]:
    found: list[Found] = [case.found[1.0] for case in cases]

    def middle(of: Callable[[Found], float]) -> float:
        known = [value for value in map(of, found) if not np.isnan(value)]
        return float(np.median(known)) if known else np.nan

    return (
        str(len(cases)), *(percent(recall(cases, b).value) for b in BUDGETS), number(delay_quantile(found, 0.5)),
        number(delay_quantile(found, 0.9)), number(middle(lambda f: f.anchor_h)), number(middle(lambda f: f.static_h)),
        number(middle(lambda f: f.lead_h)), percent(middle(lambda f: f.efficiency)),
        percent(attribution(cases, channels)),
    )  # fmt: skip


def _paired(domains: Sequence[Domain], names: Sequence[str]) -> Table:
    rows = []
    for name in names:
        mine: list[float] = []
        theirs: list[float] = []
        owners: list[int] = []
        for number_of, d in enumerate(domains):
            if name == MAIN or name not in d.played:
                continue
            known = {(c.owner, c.fault): c for c in d.played[MAIN].cases}
            for case in seen(d.played[name].cases):
                if (own := known.get((case.owner, case.fault))) is not None:
                    mine.append(float(own.found[1.0].hit))
                    theirs.append(float(case.found[1.0].hit))
                    owners.append(number_of * 1_000_000 + case.owner)
        if mine:
            gain = paired_bootstrap(np.array(mine), np.array(theirs), np.array(owners))
            rows.append(
                (name, str(len(mine)), f"{100 * gain.value:+.0f} ({100 * gain.low:+.0f} to {100 * gain.high:+.0f})")
            )
    note = "Percentage points of recall at 1 false alarm per sensor-year, 95 % interval of a bootstrap over sensors."
    return Table(f"{MAIN} less each floor, on the same faults", ("floor", "faults", "points"), tuple(rows), note)


def spoke(domains: Sequence[Domain]) -> Table:
    """Which channels raised the false alarms."""
    channels = list(dict.fromkeys(name for d in domains for name in d.channels[MAIN]))
    rows = []
    for d in domains:
        played = d.played[MAIN]
        years = sum(q.years for q in played.quiet)
        counts = [sum(q.by_channel.get(name, 0) for q in played.quiet) for name in channels]
        rows.append((d.name, *(f"{count / years:.2g}" if count else "" for count in counts)))
    title = f"Which channels of {MAIN} cried wolf (per sensor-year, at 1)"
    return Table(title, ("domain", *channels), tuple(rows))


def _delivery(domains: Sequence[Domain]) -> Table:
    rows = []
    for d in domains:
        cases = [c for c in d.played[MAIN].cases if KINDS[c.fault.kind].family == "delivery"]
        cells = []
        for kind in ("dropout", "duplicate", "clock_jump"):
            mine = [case for case in cases if case.fault.kind == kind]
            cells.append(f"{sum(case.alarms[1.0] > 0 for case in mine)} of {len(mine)}")
        rows.append((d.name, *cells))
    note = "Readings that are late, lost or doubled say nothing about the city: nothing here should alarm for long."
    return Table(
        f"{MAIN}: delivery faults that raised an alarm",
        ("domain", "dropout", "duplicate", "clock jump"),
        tuple(rows),
        note,
    )


def _costs(domains: Sequence[Domain], names: Sequence[str]) -> Table:
    rows = []
    for name in names:
        known = [d.played[name] for d in domains if name in d.played]
        updates = sum(played.updates for played in known)
        took_us = sum(played.took_s for played in known) / max(updates, 1) * 1e6
        rows.append((name, f"{updates:,}", number(took_us)))
    note = "Wall time: what else the machine did counts too."
    return Table("Cost of an update, in this run's batches", ("detector", "updates", "µs"), tuple(rows), note)


def figures(domains: Sequence[Domain]) -> dict[str, object]:
    """The same as plain data."""
    found: dict[str, object] = {}
    for d in domains:
        for name, played in d.played.items():
            cases = seen(played.cases)
            found[f"{d.name}/{name}"] = {
                **_cried(played),
                "recall": {str(b): recall(cases, b)._asdict() for b in BUDGETS},
                "recall_hidden_too": recall([c for c in played.cases if _of_value(c)], 1.0)._asdict(),
                "lead_efficiency": efficiency(cases),
                "attribution": attribution(cases, d.channels[name]),
                "blind": played.blind / max(played.counted, 1),
                "cells": _cells(cases),
            }
    return found


def calibrated(domain: Domain) -> dict[str, object]:
    """The false alarms of a domain as plain data."""
    return {"seeds": domain.seeds, **_cried(domain.played[MAIN])}


def _cried(played: Played) -> dict[str, object]:
    return {
        "sensor_years": sum(q.years for q in played.quiet),
        "false_alarms_per_year": {str(b): false_alarms(played, b)._asdict() for b in BUDGETS},
    }


def _cells(cases: Sequence[Case]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key in dict.fromkeys((case.fault.kind, case.fault.severity) for case in cases):
        cell = [case for case in cases if (case.fault.kind, case.fault.severity) == key]
        ones = [case.found[1.0] for case in cell]
        found[" ".join(key)] = {
            "cases": len(cell),
            "recall": recall(cell, 1.0).value,
            "delay_p50_h": delay_quantile(ones, 0.5),
            "anchor_p50_h": float(np.median([one.anchor_h for one in ones])),
        }
    return found


def number(value: float) -> str:
    """Three digits; a dash for what does not exist."""
    if not isfinite(value):
        return "never" if value == np.inf else "–"
    return f"{value:.3g}"


def percent(value: float) -> str:
    """Whole per cent."""
    return f"{100 * value:.0f} %" if isfinite(value) else "–"


def interval(found: Interval) -> str:
    """A figure with its interval."""
    return f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
