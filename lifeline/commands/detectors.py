"""`lifeline detectors`: which there are, and what they make of recorded data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lifeline.commands.options import City, Data, DatabaseUrl, length_us, moment_us

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from detectors.subject import Neighbour
    from lifeline.scoring import Summary
    from lifeline.seriesfile import Layout, SeriesFile, Troubles

app = typer.Typer(help="Detectors of early signs: which there are, and what they make of data.", no_args_is_help=True)

_File = Annotated[Path, typer.Argument(help="CSV with a header line; also .gz.", show_default=False)]
_Quantity = Annotated[str, typer.Option(help="What was measured; one nobody knows is taken as a series of any kind.")]
_TimeColumn = Annotated[str, typer.Option(help="Else found by its name (time, timestamp, …).", show_default=False)]
_ValueColumn = Annotated[str, typer.Option(help="Else the one named as the quantity, `value`, or the only one left.")]
_Context = Annotated[
    list[str] | None,
    typer.Option(help="Column of a neighbour, or COLUMN=QUANTITY (may be said again).", show_default=False),
]
_Timezone = Annotated[str, typer.Option(help="Of times without an offset, and of the wall clock: Asia/Shanghai.")]
_Unit = Annotated[str, typer.Option(help="Of the values; else the quantity's own.", show_default=False)]
_Missing = Annotated[
    list[str] | None,
    typer.Option(help="What stands for no value, instead of the usual (NaN, null, -9999, …).", show_default=False),
]
_WarmUp = Annotated[int, typer.Option(help="Rows at the start that are only learned from.", min=0)]
_Out = Annotated[Path | None, typer.Option(help="Write here instead.", dir_okay=False, show_default=False)]


@app.callback()
def detectors() -> None:
    """Detectors of early signs: which there are, and what they make of data."""


@app.command("list")
def list_() -> None:
    """Every detector: what it is for, and what it looks for."""
    from rich.console import Console
    from rich.table import Table

    from detectors.registry import create, names

    table = Table("detector", "quantities", "what it sees")
    for name in names():
        detector = create(name)
        about = (type(detector).__doc__ or "").strip().splitlines()[0]
        table.add_row(name, ", ".join(sorted(detector.quantities)) or "any", about)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


@app.command("score")
def score(
    file: _File,
    quantity: _Quantity,
    time_column: _TimeColumn = "",
    value_column: _ValueColumn = "",
    context: _Context = None,
    timezone: _Timezone = "",
    unit: _Unit = "",
    missing: _Missing = None,
    warm_up: _WarmUp = 0,
    out: _Out = None,
) -> None:
    """Run a recorded series through the engine that watches live: one line for each row of the file, in its order."""
    from contextlib import nullcontext

    from rich.console import Console

    from city.errors import InputError
    from lifeline import scoring
    from lifeline.seriesfile import SeriesFile

    if not file.is_file():
        raise InputError(f"{file}: no such file")
    if out is not None and out.resolve() == file.resolve():
        raise InputError(f"--out: {out} is the file that is read, try another name")
    neighbours = tuple(scoring.neighbour(text, quantity) for text in context or ())
    layout = _layout(quantity, time_column, value_column, neighbours, timezone, unit, missing)
    series = SeriesFile(file, layout)
    screen = Console(stderr=True)
    target = nullcontext(sys.stdout) if out is None else out.open("w", encoding="utf-8", newline="")
    with target as lines, _bar(screen) as bar:
        task = bar.add_task(file.name, total=file.stat().st_size)

        def show(done: int) -> None:
            bar.update(task, completed=done)

        summary = scoring.score(series, neighbours, lines, warm_up_rows=warm_up, progress=show)
    _tell(series, summary, screen)


@app.command("explain")
def explain(
    sensor: Annotated[str, typer.Argument(metavar="SENSOR", help="The sensor's id.", show_default=False)],
    at: Annotated[str, typer.Option(help="When: a time with its offset.", show_default=False)],
    since: Annotated[str, typer.Option(help="Learn from so long before.")] = "60d",
    show: Annotated[str, typer.Option(help="Look closely at so long before.")] = "2d",
    plot: Annotated[
        Path | None, typer.Option(help="Write a picture (PNG) here.", dir_okay=False, show_default=False)
    ] = None,
    readings: Annotated[
        Path | None,
        typer.Option(
            help="Take the readings from this CSV file (sensor,time,value[,unit,flag,received_at]).",
            dir_okay=False,
            exists=True,
            show_default=False,
        ),
    ] = None,
    city: City = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Say what the engine makes of a sensor at an instant, channel by channel, from its recorded past."""
    from rich.console import Console
    from rich.table import Table

    from lifeline import hindsight
    from lifeline.past import Where

    since_us, show_us = length_us("--since", since), length_us("--show", show)
    said = hindsight.answer(
        hindsight.Question(sensor, moment_us("--at", at), since_us, show_us, Where(readings, city, data, database_url))
    )
    if plot is not None:
        from lifeline.hindsightplot import draw

        draw(said, plot)
    screen = Console(width=None if sys.stdout.isatty() else 120)
    for line in hindsight.lines(said):
        screen.print(line, markup=False, highlight=False, soft_wrap=True)
    table = Table("channel", "statistic", "threshold", "mean excess", "direction", "once in", "part of budget")
    for direction, one in hindsight.heard(said):
        figures = (f"{one.statistic:.3g}", f"{one.threshold:.3g}", f"{one.scale:.3g}")
        table.add_row(one.channel, *figures, direction, hindsight.once_in(one), f"{one.weight:.2g}")
    screen.print(table)


def _layout(
    quantity: str,
    time_column: str,
    value_column: str,
    neighbours: tuple[Neighbour, ...],
    timezone: str,
    unit: str,
    missing: list[str] | None,
) -> Layout:
    from zoneinfo import ZoneInfo

    from city.errors import InputError
    from city.quantity import QUANTITIES
    from city.units import converter
    from detectors.columns import CONTEXTS
    from lifeline.seriesfile import MISSING, Layout

    known = QUANTITIES.get(quantity)
    if len(neighbours) > CONTEXTS:
        raise InputError(f"--context: at most {CONTEXTS}, got {len(neighbours)}, try the most telling ones")
    if unit and known is None:
        raise InputError(f"--unit: {quantity} has no unit of its own, try one of {', '.join(QUANTITIES)}")
    scale, offset = converter(unit, known.unit) if unit and known else (1.0, 0.0)
    try:
        zone = ZoneInfo(timezone) if timezone else None
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"--timezone: not one, got {timezone!r}, try Asia/Shanghai") from error
    words = MISSING if missing is None else frozenset({"", *(text.lower() for text in missing)})
    columns = tuple(one.sensor for one in neighbours)
    return Layout(quantity, time_column, value_column, columns, zone, scale, offset, words)


def _bar(screen: Console) -> Progress:
    """Shown on a terminal only."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


def _tell(series: SeriesFile, summary: Summary, screen: Console) -> None:
    """What was wrong with rows, all at once; then the summary."""
    for line in (*_told(series.troubles), *_summed(series, summary)):
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


def _told(troubles: Troubles) -> list[str]:
    lines = [str(fault) for fault in troubles.places]
    shown: dict[str, int] = {}
    for fault in troubles.places:
        shown[fault.what] = shown.get(fault.what, 0) + 1
    more = {what: count - shown[what] for what, count in troubles.counts.items() if count > shown[what]}
    return lines + [f"… and {count:,} more: {what}" for what, count in more.items()]


def _summed(series: SeriesFile, summary: Summary) -> list[str]:
    years = summary.years
    rate = f", {summary.alarms / years:.2g} a year" if years > 0 else ""
    lines = [
        f"{series.path.name}: {summary.rows:,} rows over {years:.2f} years, usually every {summary.interval_s:g} s",
        f"alarms: {summary.alarms:,} ({summary.abnormal:,} rows abnormal{rate})",
        f"blind: {summary.blind_share:.1%} of rows",
    ]
    lines += [f"  {count:,} {reason}" for reason, count in summary.blind.most_common()]
    if summary.channels:
        lines.append("spoke: " + ", ".join(f"{name} {count:,}" for name, count in summary.channels.most_common()))
    return lines
