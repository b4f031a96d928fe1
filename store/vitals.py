"""Measures the store: size and growth, room, jobs, lags, bloat; and keeps what it finds in `city.health`."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from store import audit, health, intakehealth
from store.connection import Connection
from store.health import Row, Vitals
from store.migrate import Tier, detect_tier
from store.statements import statements

log = logging.getLogger(__name__)

_SQL = statements("vitals")


def measure(conn: Connection) -> Vitals:
    """Measure now; takes some tens of milliseconds and no locks."""
    tier = detect_tier(conn)
    size, at = _row(conn, _SQL["size"])
    journal_age_s, journal_rows = _row(conn, _SQL["journal"])
    heard = conn.execute(_SQL["recorder"]).fetchone()
    waiting, oldest = _row(conn, _SQL["rollups"])
    worst = conn.execute(_SQL["bloat"]).fetchone() or ("", 0, 0)
    errors, error = _row(conn, _SQL["jobs"]) if tier is Tier.COMMUNITY else (None, "")
    return Vitals(
        tier=tier,
        server=_server(conn),
        at=at,
        size_bytes=size,
        sizes=conn.execute(_SQL["sizes"]).fetchall(),
        free_bytes=room(conn),
        speed=float(_row(conn, _SQL["speed"])[0]),
        journal_age_s=journal_age_s,
        journal_rows=journal_rows,
        recorder_lag_s=heard[0] if heard else None,
        rollups_waiting=waiting,
        rollups_oldest=oldest,
        worst_table=worst[0],
        dead_rows=worst[1],
        live_rows=worst[2],
        jobs=_row(conn, _SQL["job_count"])[0] if tier is Tier.COMMUNITY else 0,
        job_errors=errors,
        job_error=error or "",
    )


def refresh(conn: Connection) -> list[Row]:
    """Measure, remember the size, and bring `city.health` up to date, in the caller's transaction; what was found."""
    found = measure(conn)
    conn.execute(_SQL["remember_size"], (found.size_bytes,))
    conn.execute(_SQL["forget_sizes"])
    rows = [*health.judge(found), *intakehealth.measure(conn)]
    for row in rows:
        health.report_row(conn, row)
    head = audit.head(conn)  # where the log ended: an anchor for `lifeline audit verify`
    health.report(conn, "audit_log", "ok", float(head.seq), "rows", "", f"ends at {head}")
    return rows


def _row(conn: Connection, query: LiteralString) -> tuple[Any, ...]:
    row = conn.execute(query).fetchone()
    assert row is not None, "each of these always has a row"  # noqa: S101 - a fact of SQL, for the type checker
    return row


def _server(conn: Connection) -> str:
    version = conn.info.server_version
    extension = conn.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    said = f"PostgreSQL {version // 10000}.{version % 10000}"
    return f"{said}, TimescaleDB {extension[0]}" if extension else said


def has_room_beside(conn: Connection, piece: str, size_bytes: int) -> bool:
    """Whether a piece of so many bytes can be written anew beside itself; told in the log where not."""
    free_bytes = room(conn)
    if free_bytes is None or free_bytes >= 2 * size_bytes:
        return True
    log.warning("packing %s: no room beside it", piece, extra={"action": "packing_no_room", "piece": piece})
    return False


def room(conn: Connection) -> int | None:
    """Bytes free on the disk that holds the database; None where that is not this machine's, or we may not look."""
    try:
        folder, here = _row(conn, _SQL["data_directory"])
        return shutil.disk_usage(Path(folder)).free if here and folder else None
    except (OSError, psycopg.errors.InsufficientPrivilege):
        return None
