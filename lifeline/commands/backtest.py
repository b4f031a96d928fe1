"""`lifeline rules backtest`: what rules would have told, over the database or a file."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lifeline.commands.options import City, DatabaseUrl, length_us, moment_us

if TYPE_CHECKING:
    from rich.console import Console

    from lifeline.backtesting import Request
    from rules.trials.report import Report

_WIDTH = 120  # where there is no terminal to ask
_CHANGES = 40  # shown in the table; JSON and HTML have all

_Rules = Annotated[
    Path | None,
    typer.Option(help="New rules: a city folder, a folder of rules, or one file.", exists=True, show_default=False),
]
_Against = Annotated[
    Path | None, typer.Option(help="Old rules; without them what was in force.", exists=True, show_default=False)
]
_Recorded = Annotated[
    Path | None,
    typer.Option("--data", help="Recorded file or folder (with --mapping); else the running system's folder."),
]
_Mapping = Annotated[
    str | None, typer.Option(help="How to read it: a mapping (YAML), or `floodnet`.", show_default=False)
]
_Events = Annotated[
    Path | None, typer.Option(help="Labelled events (CSV: start,end,place,kind).", exists=True, show_default=False)
]
_Format = Annotated[Literal["table", "json", "html"], typer.Option("--format", help="Of the report.")]
_Out = Annotated[Path | None, typer.Option(help="Write the report here.", dir_okay=False, show_default=False)]


def backtest(
    from_: Annotated[str, typer.Option("--from", help="Alarms raised from this time on.", show_default=False)],
    to: Annotated[str, typer.Option(help="Alarms raised before this time.", show_default=False)],
    rules: _Rules = None,
    against: _Against = None,
    data: _Recorded = None,
    mapping: _Mapping = None,
    city: City = None,
    events: _Events = None,
    lead: Annotated[str, typer.Option(help="How long before an event an alarm still belongs to it.")] = "1h",
    format_: _Format = "table",
    out: _Out = None,
    language: Annotated[Literal["en", "zh"], typer.Option(help="Of the HTML report.")] = "en",
    warm_up: Annotated[str, typer.Option(help="Also run so much before, to warm up.")] = "1d",
    run_on: Annotated[str, typer.Option(help="Also run so much after, to see alarms clear.")] = "1d",
    database_url: DatabaseUrl = None,
) -> None:
    """Run rules over recorded readings with the live engine: what each raises, what changes, what it asks of people."""
    from rich.console import Console

    from lifeline import backtesting
    from rules.trials.sources import Span

    before_us, after_us = length_us("--warm-up", warm_up), length_us("--run-on", run_on)
    span = Span(moment_us("--from", from_), moment_us("--to", to), before_us, after_us)
    lead_us = length_us("--lead", lead)
    request = backtesting.Request(span, rules, against, data, mapping, city, events, lead_us, database_url)
    with tempfile.TemporaryDirectory(prefix="lifeline-backtest-") as scratch:
        report = _run(request, Path(scratch), Console(stderr=True))
    _show(report, format_, out, language)


def _run(request: Request, scratch: Path, screen: Console) -> Report:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from lifeline import backtesting

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=screen, transient=True) as bar:
        tasks: dict[str, int] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total or None)
            bar.update(tasks[name], completed=done, total=total or None)  # type: ignore[arg-type]  # an int by another name

        return backtesting.report(request, scratch, show)


def _show(report: Report, format_: str, out: Path | None, language: str) -> None:
    from rich.console import Console

    from lifeline import backtestpage

    if format_ == "table":
        with nullcontext(sys.stdout) if out is None else out.open("w", encoding="utf-8") as file:
            wide = None if out is None and sys.stdout.isatty() else _WIDTH
            Console(file=file, width=wide).print(*backtestpage.tables(report, _CHANGES), sep="\n")
        return
    text = backtestpage.page(report, language)
    if format_ == "json":
        text = json.dumps(report.shape(), ensure_ascii=False, indent=1) + "\n"
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text, encoding="utf-8")
