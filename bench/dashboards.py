"""`dashboards`: how long every question of every page takes on a large city, as its reader asks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from rich.console import Group
from rich.table import Table

from bench.dashcity import DAYS, fill
from bench.machine import Machine, describe, folder_for
from bench.storecity import NOW, Scale
from city.clock import stopwatch_s
from city.errors import OutsideError
from dashboards.files import build
from dashboards.proof import choose, questions, send
from store.connection import Connection, connect
from store.embedded import EmbeddedPostgres
from store.grants import dsn_of, grant_reader, revoke
from store.migrate import Tier, detect_tier
from store.testing import drop_database, fresh_database

FULL = Scale(minutes=360, days=DAYS, runs=5)
QUICK = Scale(sensors=500, minutes=20, days=DAYS, runs=2)
HOURS = (6, 24 * DAYS)
LIMIT_MS = 1000.0
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question over one range: rows, and milliseconds of the usual and of the slowest warm run."""

    page: str
    question: str
    hours: int
    rows: int
    p50_ms: float
    worst_ms: float


@dataclass(frozen=True, slots=True)
class DashboardsReport:
    """What one server did: how many sensors and rows of hourly roll-ups it held, and every question."""

    machine: Machine
    tier: str
    sensors: int
    hourly_rows: int
    asked: tuple[Asked, ...]

    @property
    def slow(self) -> tuple[Asked, ...]:
        """The questions that took longer than a second, each run counted."""
        return tuple(one for one in self.asked if one.worst_ms > LIMIT_MS)

    def json(self) -> str:
        """Every figure."""
        return json.dumps(asdict(self) | {"limit_ms": LIMIT_MS}, ensure_ascii=False, indent=2) + "\n"

    def render(self) -> Group:
        """The slowest question of each page, and every one above the limit."""
        table = Table(title=f"every question of every page, {self.tier}: {self.sensors:,} sensors, {DAYS} days")
        for heading in ("page", "questions", "range", "slowest", "rows", "p50 ms", "worst ms"):
            table.add_column(heading, justify="left" if heading in ("page", "range", "slowest") else "right")
        for page in dict.fromkeys(one.page for one in self.asked):
            for hours in HOURS:
                of_page = [one for one in self.asked if one.page == page and one.hours == hours]
                one = max(of_page, key=lambda asked: asked.worst_ms)
                shown = (one.question, str(one.rows), f"{one.p50_ms:.0f}", f"{one.worst_ms:.0f}")
                table.add_row(page, str(len(of_page)), f"{hours} h", *shown)
        told = [f"above {LIMIT_MS:.0f} ms: {one.page}: {one.question}, {one.hours} h" for one in self.slow]
        return Group(table, *(told or [f"all under {LIMIT_MS:.0f} ms, every run counted"]), self._ground())

    def _ground(self) -> str:
        made = self.machine
        return f"{self.hourly_rows:,} hourly roll-ups; {made.cores} cores, {made.cpu}; PostgreSQL {made.postgres}"


def run(
    scale: Scale = FULL, *, dsn: str | None = None, data: Path | None = None, progress: Progress = lambda _: None
) -> DashboardsReport:
    """Fill a database of its own and ask everything; on a private server, or on that of `dsn` (which may make some)."""
    if dsn is not None:
        return _on(dsn, scale, progress)
    with folder_for(data) as folder, EmbeddedPostgres(folder / "postgres") as server:
        return _on(server.dsn, scale, progress)


def _on(server: str, scale: Scale, progress: Progress) -> DashboardsReport:
    dsn = fresh_database(server)
    try:
        with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
            tier = detect_tier(conn)
            progress(f"{tier.value}: filling {scale.days} days of {scale.sensors:,} sensors")
            rows = fill(conn, scale)
            login = grant_reader(conn, "lifeline_bench_reader")
            try:
                with connect(dsn_of(dsn, login), autocommit=True, application_name="lifeline bench") as reader:
                    asked = list(_ask(reader, scale, progress, timescaledb=tier is not Tier.PLAIN))
            finally:
                revoke(conn, login.name)
        return DashboardsReport(describe(dsn, embedded_broker=False), tier.value, scale.sensors, rows, tuple(asked))
    finally:
        drop_database(dsn)


def _ask(conn: Connection, scale: Scale, progress: Progress, *, timescaledb: bool) -> Iterator[Asked]:
    """Every question of every page over both ranges, everything chosen; once cold, then `scale.runs` times."""
    for uid, board in build("en").items():
        for hours in HOURS:
            progress(f"{uid}, {hours} h")
            first = NOW - timedelta(hours=hours)
            asked = questions(board)
            values = choose(conn, board, asked[0].within(first, NOW), timescaledb=timescaledb)
            for question in asked:
                sent = send(question.sql, question.within(first, NOW), question.scoped(values), timescaledb=timescaledb)
                rows, took_ms = _measure(conn, sent.sql.encode(), scale.runs, question.name)
                yield Asked(uid, question.where, hours, rows, float(np.median(took_ms)), max(took_ms))


def _measure(conn: Connection, sql: bytes, runs: int, name: str) -> tuple[int, Sequence[float]]:
    """Rows, and milliseconds of each warm run until all rows are here, as the server sends them."""
    took_ms = []
    rows = 0
    for number in range(runs + 1):
        began_s = stopwatch_s()
        result = conn.pgconn.exec_(sql)
        if number:
            took_ms.append((stopwatch_s() - began_s) * 1000)
        if result.error_message:
            raise OutsideError(f"{name}: {result.error_message.decode(errors='replace')}")
        rows = result.ntuples
    return rows, took_ms
