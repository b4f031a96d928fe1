"""Pictures of the judge's findings."""

from __future__ import annotations

import io
from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.detection import tables
from bench.detection.metrics import BUDGETS
from bench.detection.report import Plot

if TYPE_CHECKING:
    from bench.detection.judge import Domain


def all_of(domains: Sequence[Domain]) -> tuple[Plot, ...]:
    """Calibration, and delay beside the anchor."""
    return (_calibration(domains), _delays(domains))


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _png(figure: Any) -> bytes:  # noqa: ANN401 - of matplotlib
    body = io.BytesIO()
    figure.savefig(body, format="png", dpi=110)
    return body.getvalue()


def _calibration(domains: Sequence[Domain]) -> Plot:
    figure, axes = _figure(8, 4)
    axes.axhspan(1 / 1.5, 1.5, color="#dfeadf")
    for shift, budget in zip((-0.2, 0.0, 0.2), BUDGETS, strict=True):
        found = [tables.false_alarms(d.played[tables.MAIN], budget) for d in domains]
        middle = np.maximum([one.value / budget for one in found], 0.02)
        low = np.maximum([one.low / budget for one in found], 0.02)
        high = np.array([one.high / budget for one in found])
        places = np.arange(len(domains)) + shift
        axes.errorbar(places, middle, yerr=[middle - low, high - middle], fmt="o", label=f"{budget:g} a year")
    axes.set_yscale("log")
    axes.set_xticks(range(len(domains)), [d.name for d in domains])
    axes.set_ylabel("measured / nominal")
    axes.legend()
    return Plot(
        "calibration", "False alarms measured over nominal, with 95 % intervals; the band is the goal.", _png(figure)
    )


def _delays(domains: Sequence[Domain]) -> Plot:
    figure, axes = _figure(7, 6)
    for d in domains:
        cases = [c.found[1.0] for c in tables.seen(d.played[tables.MAIN].cases) if c.fault.kind in tables.INCIPIENT]
        hits = [one for one in cases if isfinite(one.detected_h)]
        axes.plot([one.anchor_h for one in hits], [one.detected_h for one in hits], "o", alpha=0.6, label=d.name)
    ends = np.array([0.02, 300.0])
    axes.plot(ends, ends, color="#888888")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("information anchor, h")
    axes.set_ylabel("found after, h")
    axes.legend()
    words = (
        "Incipient faults that were found: hours after the onset, beside the information anchor (on the line: ideal)."
    )
    return Plot("delays", words, _png(figure))
