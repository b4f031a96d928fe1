"""The picture of `lifeline detectors explain`: value and band, neighbours, and each channel's return period."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from city.clock import from_us
from city.display import unit_name
from detectors.columns import ABNORMAL, BLIND, Longs
from detectors.early.channels import CHANNELS
from lifeline.hindsight import Answer, loudest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_IN, _DPI, _MOST_CHANNELS = (11.0, 7.5), 100, 6
_INK, _BAND, _SIGN, _BLIND = "#123a5c", "#c9d6e3", "#c00000", "#999999"
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")  # Okabe and Ito's, told apart by all
_DASHES = ("solid", (0, (6, 2)), (0, (2, 2)), (0, (6, 2, 2, 2)), (0, (1, 1)), (0, (9, 3)))
_LEAST_YEARS = 1 / 365.25
_TICKS = {_LEAST_YEARS: "a day", 7 * _LEAST_YEARS: "a week", 1 / 12: "a month", 1.0: "a year", 10.0: "10 years",
          100.0: "100 years", 1000.0: "1000 years"}  # fmt: skip


def draw(said: Answer, path: Path) -> None:
    """Write the picture as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_IN, dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    beside = bool(np.isfinite(said.past.columns.context[said.past.shown :]).any())
    grid = figure.subplots(2 + beside, 1, sharex=True, height_ratios=[3, 1, 2] if beside else [3, 2])
    _values(grid[0], said)
    if beside:
        _neighbours(grid[1], said)
    _channels(grid[-1], said)
    _dress(grid[-1], said)
    figure.savefig(path, format="png")


def _times(said: Answer, places: slice | Longs) -> list[Any]:  # matplotlib's stubs know no times on an axis
    return [from_us(int(at)) for at in said.past.columns.time_us[places]]


def _values(axes: Axes, said: Answer) -> None:
    past = said.past
    shown = slice(past.shown, None)
    times, values = _times(said, shown), past.columns.value[shown]
    expected, low, high, verdict = (
        column[shown] for column in (past.found.expected, past.found.low, past.found.high, past.found.verdict)
    )
    axes.fill_between(times, low, high, color=_BAND, linewidth=0, label="would be normal")
    axes.plot(times, expected, color=_INK, linewidth=0.8, linestyle=(0, (4, 2)), label="expected")
    axes.plot(times, values, color=_INK, linewidth=1.3, label="measured")
    for chosen, colour, marker, label in (
        (verdict == ABNORMAL, _SIGN, "v", "abnormal"), (verdict == BLIND, _BLIND, "x", "not to be judged"),
    ):  # fmt: skip
        at = np.flatnonzero(chosen)
        if len(at):
            axes.plot([times[i] for i in at], values[at], linestyle="", marker=marker, markersize=4, color=colour,
                      label=label)  # fmt: skip
    axes.set_ylabel(unit_name(said.unit, "en"))
    axes.set_title(f"{past.subject.sensor} ({past.subject.quantity}), {said.zone}", loc="left", parse_math=False)
    _legend(axes)


def _neighbours(axes: Axes, said: Answer) -> None:
    past, times = said.past, _times(said, slice(said.past.shown, None))
    for place, other in enumerate(past.subject.context[: past.columns.context.shape[1]]):
        values = past.columns.context[past.shown :, place]
        if np.isfinite(values).any():
            axes.plot(times, values, color=_LINES[place], linestyle=cast("Any", _DASHES[place]), linewidth=1,
                      label=f"{other.sensor} ({other.quantity})")  # fmt: skip
    axes.set_ylabel("beside it")
    _legend(axes)


def _channels(axes: Axes, said: Answer) -> None:
    past = said.past
    times = _times(said, past.places)
    for n, name in enumerate(loudest(past, _MOST_CHANNELS)):
        years = np.maximum(past.years[:, CHANNELS.index(name)], _LEAST_YEARS)
        axes.plot(times, years, color=_LINES[n], linestyle=cast("Any", _DASHES[n]), linewidth=1.2, marker=".",
                  markersize=3, label=name)  # fmt: skip
    axes.axhline(1 / said.budget, color=_SIGN, linewidth=1, linestyle=(0, (2, 2)), label="abnormal from here")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.8 * _LEAST_YEARS, top=max(axes.get_ylim()[1], 10.0))
    axes.set_yticks([], minor=True)
    shown = {years: words for years, words in _TICKS.items() if years <= axes.get_ylim()[1]}
    axes.set_yticks(list(shown), list(shown.values()))
    axes.set_ylabel("once in")
    _legend(axes)


def _legend(axes: Axes) -> None:
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _dress(axes: Axes, said: Answer) -> None:
    import matplotlib.dates

    dates: Any = matplotlib.dates  # it has no types
    locator = dates.AutoDateLocator(tz=said.zone, minticks=4, maxticks=10)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=said.zone))
