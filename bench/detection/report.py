"""The report of the judge: sections of words, tables and plots, as Markdown, HTML and JSON.

A section is measured by a module of its own with one function, `section(options: Options) -> Section`; `SECTIONS` names
them. What could not be measured says why instead of vanishing.
"""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from importlib.metadata import version
from math import isfinite, isnan
from pathlib import Path
from typing import Final

from rich.console import Group
from rich.table import Table as RichTable

from bench.machine import Machine, local
from bench.report import rounded
from city.errors import InputError

# By the name that `--only` takes: the module whose `section` measures it.
SECTIONS: Final[Mapping[str, str]] = {
    "simulator": "bench.detection.judge",
    "calibration": "bench.detection.calibration",
    "nab": "bench.detection.nab",
    "recorded": "bench.detection.recorded",
}
_PARTS: Final = frozenset({"calibration"})  # of another section: only when asked for


@dataclass(frozen=True, slots=True)
class Options:
    """What a section is asked for.

    Attributes
    ----------
    quick
        Little data, about two minutes for everything: to steer by, not to quote.
    domains
        Simulated domains; empty: all.
    seeds
        `development`, `validation` or `heldout`.
    salt
        Of the held-out seeds.
    data
        Folder of the recorded sets (`LIFELINE_DATA_DIR`); None when there is none.
    only
        Names of `SECTIONS`; empty: all, each question once.
    sensor_years
        Fault-free ones to simulate in each domain; None: 5 when quick, else 100.
    jobs
        Domains simulated at once, each in a process of its own.
    progress
        Told what happens now, in a few words.
    """

    quick: bool = False
    domains: tuple[str, ...] = ()
    seeds: str = "development"
    salt: str = ""
    data: Path | None = None
    only: tuple[str, ...] = ()
    sensor_years: float | None = None
    jobs: int = 1
    progress: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text under a head; the first column is left-aligned, the others right-aligned.

    `detail` tables are for the written report: a terminal shows the others.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture: file name without suffix, what it shows, PNG."""

    name: str
    caption: str
    png: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report.

    Attributes
    ----------
    title, words
        Heading, and paragraphs: conditions first, then what was found.
    tables, plots
        In order.
    figures
        The same numbers as plain data, for JSON.
    """

    title: str
    words: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    figures: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DetectionReport:
    """One run: where, with which versions and configuration, and what was found."""

    machine: Machine
    facts: Mapping[str, str]
    sections: Mapping[str, Section]
    name: str = "detection"

    def json(self) -> str:
        """The figures of all sections as JSON."""
        data = {"facts": dict(self.facts), **{name: dict(one.figures) for name, one in self.sections.items()}}
        return json.dumps(rounded(_finite(data)), ensure_ascii=False, indent=2, allow_nan=False) + "\n"

    def markdown(self) -> str:
        """The report as Markdown; plots are files beside it (`PLOT.png`)."""
        parts = ["# bench detection", "", f"{self._where()}.", "", *(f"- {k}: {v}" for k, v in self.facts.items())]
        for one in self.sections.values():
            parts += ["", f"## {one.title}", *(line for paragraph in one.words for line in ("", paragraph))]
            for table in one.tables:
                parts += ["", f"### {table.title}", "", *_markdown_rows(table)]
                parts += ["", table.note] if table.note else []
            for plot in one.plots:
                parts += ["", f"![{plot.caption}]({plot.name}.png)", "", f"*{plot.caption}*"]
        return "\n".join(parts) + "\n"

    def html(self) -> str:
        """The report as one page with its plots inside."""
        body = [f"<h1>bench detection</h1><p>{escape(self._where())}.</p><ul>"]
        body += [f"<li>{escape(k)}: {escape(v)}</li>" for k, v in self.facts.items()] + ["</ul>"]
        for one in self.sections.values():
            body += [f"<h2>{escape(one.title)}</h2>", *(f"<p>{escape(words)}</p>" for words in one.words)]
            body += [_html_table(table) for table in one.tables]
            for plot in one.plots:
                picture = base64.b64encode(plot.png).decode()
                body.append(f'<figure><img alt="{escape(plot.caption)}" src="data:image/png;base64,{picture}">')
                body.append(f"<figcaption>{escape(plot.caption)}</figcaption></figure>")
        head = f'<meta charset="utf-8"><title>bench detection</title><style>{_STYLE}</style>'
        return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(body)}</body></html>\n'

    def render(self) -> Group:
        """The tables for a terminal."""
        parts: list[RichTable | str] = [f"{self._where()}.", *(f"{k}: {v}" for k, v in self.facts.items())]
        for one in self.sections.values():
            parts += [f"\n{one.title}", *one.words]
            for table in (each for each in one.tables if not each.detail):
                shown = RichTable(title=table.title, caption=table.note or None)
                for at, name in enumerate(table.head):
                    shown.add_column(name, justify="right" if at else "left")
                for row in table.rows:
                    shown.add_row(*row)
                parts.append(shown)
        return Group(*parts)

    def write(self, folder: Path) -> None:
        """Write `report.md`, `report.html`, `report.json` and the plots into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in (("md", self.markdown()), ("html", self.html()), ("json", self.json())):
            (folder / f"report.{name}").write_text(text, encoding="utf-8")
        for one in self.sections.values():
            for plot in one.plots:
                (folder / f"{plot.name}.png").write_bytes(plot.png)

    def _where(self) -> str:
        machine = self.machine
        memory = f"{machine.memory_gib} GiB, {machine.system}"
        return f"{machine.cores} cores, {machine.cpu}, {memory}, Python {machine.python}"


_STYLE: Final = (
    "body{font:15px/1.5 sans-serif;max-width:75em;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}caption{text-align:left;font-weight:bold;padding:.4em 0}"
    "img{max-width:100%}figcaption,.note{color:#555}"
)


def _finite(value: object) -> object:
    """JSON knows neither NaN nor infinity: null and words stand for them."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not isfinite(value):
        return None if isnan(value) else "never"
    return value


def _markdown_rows(table: Table) -> list[str]:
    lines = [table.head, ("---", *["---:"] * (len(table.head) - 1)), *table.rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines]


def _html_table(table: Table) -> str:
    def row(tag: str, cells: tuple[str, ...]) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

    rows = "".join(row("td", cells) for cells in table.rows)
    note = f'<p class="note">{escape(table.note)}</p>' if table.note else ""
    return f"<table><caption>{escape(table.title)}</caption>{row('th', table.head)}{rows}</table>{note}"


def run(options: Options) -> DetectionReport:
    """Measure what was asked for.

    Raises
    ------
    InputError
        An unknown section, domain or set of seeds.
    """
    from detectors.early.settings import Settings

    if unknown := [name for name in options.only if name not in SECTIONS]:
        raise InputError(f"bench detection: unknown section, got {unknown[0]!r}, try one of {', '.join(SECTIONS)}")
    versions = {name: version(name) for name in ("numpy", "numba", "river")}
    facts = {
        "configuration": f"{Settings().hash} (one, frozen, for everything)",
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
        "size": "quick: to steer by, not to quote" if options.quick else "full",
    }
    return DetectionReport(local(), facts, sections(options))


def sections(options: Options) -> dict[str, Section]:
    """Measure what was asked for, in the order of `SECTIONS`."""
    found = {}
    for name in options.only or [name for name in SECTIONS if name not in _PARTS]:
        options.progress(name)
        found[name] = importlib.import_module(SECTIONS[name]).section(options)
    return found
