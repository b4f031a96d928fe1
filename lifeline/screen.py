"""The demonstration's screen: a live one for a terminal, plain lines for everything else."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from city.clock import stopwatch_s
from city.words import say
from lifeline.glance import Glance, IncidentLine, Summary

LEVELS = ("red", "orange", "yellow", "blue")
STYLE = {"red": "bold white on red", "orange": "bold black on dark_orange", "yellow": "black on yellow",
         "blue": "white on blue", "none": "dim"}  # fmt: skip
PLAIN_EVERY_S = 10.0


@dataclass(frozen=True)
class Setting:
    """What stays the same during one run: where, how fast, in which language and time zone."""

    page: str
    folder: str
    speed: float
    language: str
    zone: ZoneInfo


def spoken(language: str | None) -> str:
    """The language asked for, or the one of LC_ALL / LC_MESSAGES / LANG (`zh…` is Chinese, all else English)."""
    named = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh" if (language or named).lower().startswith("zh") else "en"


@dataclass
class Rate:
    """Readings per wall second, smoothed over a few looks."""

    _last: tuple[float, int] | None = None
    per_s: float = 0.0

    def learn(self, now_s: float, stored: int) -> float:
        """Take in a count."""
        if self._last is not None and now_s > self._last[0]:
            fresh = (stored - self._last[1]) / (now_s - self._last[0])
            self.per_s = fresh if self.per_s == 0 else 0.6 * self.per_s + 0.4 * fresh
        self._last = (now_s, stored)
        return self.per_s


@dataclass
class Screen:
    """Shows a run; `update` about once a second. Use as a context manager."""

    console: Console
    setting: Setting
    plain: bool
    _live: Live | None = None
    _rate: Rate = field(default_factory=Rate)
    _said_s: float = -PLAIN_EVERY_S
    _known: set[str] = field(default_factory=set)

    def __enter__(self) -> Screen:
        if self.plain:
            for said in self._where():
                self.console.print(said, soft_wrap=True)
        else:
            self._live = Live(console=self.console, auto_refresh=False, screen=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, now: datetime, glance: Glance | None, restarts: int) -> None:
        """Show the city at city time `now`; without a glance, that the database is away."""
        if glance is not None:
            self._rate.learn(stopwatch_s(), glance.stored)
        if self._live is not None:
            self._live.update(self._picture(now, glance, restarts), refresh=True)
        else:
            self._lines(now, glance, restarts)

    def _say(self, key: str, **values: object) -> str:
        return say(f"demo.{key}", self.setting.language, **values)

    def _time(self, moment: datetime, form: str = "%H:%M:%S") -> str:
        return moment.astimezone(self.setting.zone).strftime(form)

    def _level(self, level: str) -> Text:
        if level == "none":
            return Text(self._say("over"), style="dim")
        return Text(f" {say(f'levels.{level}', self.setting.language)} ", style=STYLE[level])

    def _head(self, now: datetime) -> str:
        return "  ·  ".join(
            (
                self._say("city_time", time=self._time(now, "%Y-%m-%d %H:%M:%S")),
                self._say("speed", speed=f"{self.setting.speed:g}"),
                self._say("stop_hint"),
            )
        )

    def _flow(self, glance: Glance, restarts: int) -> str:
        parts = [
            self._say("rate", rate=f"{self._rate.per_s:,.0f}"),
            self._say("stored", count=f"{glance.stored:,}"),
            self._say("rejected", count=f"{glance.rejected:,}"),
        ]
        if glance.watcher_lag_s is not None:
            parts.append(self._say("lag", seconds=f"{glance.watcher_lag_s:,.1f}"))
        return "  ·  ".join([*parts, self._say("restarts", count=restarts)])

    def _picture(self, now: datetime, glance: Glance | None, restarts: int) -> RenderableType:
        rows: list[RenderableType] = [Text(self._head(now), style="bold")]
        if glance is None:
            rows.append(Text(self._say("waiting"), style="yellow"))
        else:
            rows += [self._districts(glance), self._incidents(glance), self._notices(glance)]
            rows.append(Text(self._flow(glance, restarts)))
        rows += self._where()
        return Panel(Group(*rows), title=self._say("title"), border_style="cyan")

    def _where(self) -> tuple[Text, Text]:
        """Where people and their tools find it: the page, the folder."""
        page, folder = self._say("page", url=self.setting.page), self._say("data", folder=self.setting.folder)
        return Text(page, style="bold cyan"), Text(folder, style="dim")

    def _table(self, title: str, *columns: str) -> Table:
        table = Table(title=title, title_justify="left", expand=True, box=None, header_style="dim")
        for column in columns:
            table.add_column(column and self._say(column), no_wrap=True, overflow="ellipsis")
        return table

    def _districts(self, glance: Glance) -> Table:
        table = self._table("", "district", "sensors", "alarms", "gateways")
        for line in glance.districts:
            counts = zip(LEVELS, (line.red, line.orange, line.yellow, line.blue), strict=True)
            alarms = Text(" ").join(Text(f" {n} ", style=STYLE[level]) for level, n in counts if n)
            online = self._say("gateways_online", online=line.online, all=line.gateways)
            table.add_row(
                line.name.get(self.setting.language) or line.district,
                str(line.sensors),
                alarms or Text("–", style="dim"),
                Text(online, style="" if line.online == line.gateways else "yellow"),
            )
        return table

    def _incidents(self, glance: Glance) -> Table:
        title = f"{self._say('incidents')}: {glance.open_incidents or self._say('no_incidents')}"
        table = self._table(title, "level", "what", "since", "stage", "acknowledged")
        for line in glance.incidents:
            table.add_row(
                self._level(line.level),
                self._what(line),
                self._time(line.opened_at),
                say(f"dashboard.stage_{line.stage}", self.setting.language),
                "✓" if line.acknowledged else "",
            )
        return table

    def _what(self, line: IncidentLine) -> str:
        return (line.title_zh or line.title) if self.setting.language == "zh" else line.title

    def _notices(self, glance: Glance) -> Table:
        table = self._table(self._say("notices"), "since", "level", "what", "to", "channel", "state")
        for line in glance.notices:
            table.add_row(
                self._time(line.created_at),
                self._level(line.level),
                line.subject or "",
                line.target,
                line.channel,
                self._say(f"state_{line.state}"),
            )
        return table

    def _lines(self, now: datetime, glance: Glance | None, restarts: int) -> None:
        for line in glance.incidents if glance else []:
            if line.incident not in self._known:
                self._known.add(line.incident)
                what = self._what(line)
                level = say(f"levels.{line.level}", self.setting.language)
                self.console.print(
                    f"{self._time(line.opened_at)}  [{level}] {what}", markup=False, highlight=False, soft_wrap=True
                )
        if stopwatch_s() - self._said_s < PLAIN_EVERY_S:
            return
        self._said_s = stopwatch_s()
        flow = self._flow(glance, restarts) if glance else self._say("waiting")
        open_ = f"{self._say('incidents')}: {glance.open_incidents}  ·  " if glance else ""
        self.console.print(f"{self._time(now)}  {open_}{flow}", markup=False, highlight=False, soft_wrap=True)


def summary_table(summary: Summary, played: str, restarts: int, language: str) -> Table:
    """The one-screen summary at the end."""

    def said(key: str) -> str:
        return say(f"demo.{key}", language)

    table = Table(title=said("summary"), title_justify="left", show_header=False)
    alarms = " / ".join(str(summary.alarms.get(level, 0)) for level in LEVELS)
    median = said("none_yet") if summary.acknowledge_s is None else f"{summary.acknowledge_s:.0f} s"
    for key, value in (
        ("sum_time", played),
        ("sum_readings", f"{summary.published:,} / {summary.stored:,} / {summary.rejected:,}"),
        ("sum_alarms", alarms),
        ("sum_incidents", f"{summary.incidents} / {summary.incidents_open}"),
        ("sum_notices", f"{summary.notices_sent} / {summary.notices}"),
        ("sum_acknowledged", f"{summary.acknowledged} / {summary.incidents}"),
        ("sum_acknowledge_time", median),
        ("sum_restarts", str(restarts)),
    ):
        table.add_row(said(key), value)
    return table
