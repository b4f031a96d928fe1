"""What is as it should be and what is not, one row per thing, each with what to do about it; shown in `city.health`.

The judging is pure: `judge` makes rows of numbers that `store.vitals` measures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from city.clock import Clock, FastClock, SystemClock, from_us, to_us
from store.connection import Connection
from store.migrate import Tier
from store.statements import statements

_SQL = statements("state")
State = Literal["ok", "warning", "fault"]

LACKS = {
    Tier.PLAIN: "no TimescaleDB: no compression",
    Tier.APACHE: "TimescaleDB without compression (its community edition has it)",
    Tier.COMMUNITY: "TimescaleDB, everything there is",
}
# From here on a warning, a fault (falling limits: below).
DAYS_LEFT = (30.0, 7.0)
RECORDER_LAG_S = (60.0, 300.0)
JOURNAL_AGE_S = (30.0, 300.0)
ROLLUPS_WAITING = 2000.0  # a week of five-minute buckets: late data of one outage stay below
DEAD_SHARE, DEAD_ROWS = (0.3, 0.6), 100_000
_KNOWN_AFTER_S = 3600.0  # a growth is told from an hour of sizes on
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """What was measured.

    Attributes
    ----------
    sizes
        Earlier sizes of the database in bytes, oldest first.
    free_bytes
        Room on the server's disk; None when it is another machine's.
    speed
        City seconds per second; lags are in city seconds.
    journal_age_s, recorder_lag_s
        None when nothing waits, or the recorder never ran.
    job_errors
        None where there are no background jobs.
    """

    tier: Tier
    server: str
    at: datetime
    size_bytes: int
    sizes: Sequence[tuple[datetime, int]]
    free_bytes: int | None
    speed: float
    journal_age_s: float | None
    journal_rows: int
    recorder_lag_s: float | None
    rollups_waiting: int
    rollups_oldest: datetime | None
    dead_rows: int
    live_rows: int
    worst_table: str
    jobs: int
    job_errors: int | None
    job_error: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of health: `text` says the value in words, `advice` what to do (empty when nothing)."""

    name: str
    state: State
    text: str
    value: float | None = None
    unit: str = ""
    advice: str = ""


def growth_per_day(vitals: Vitals) -> float | None:
    """Bytes a day over the sizes that are known; None before there is an hour of them."""
    if not vitals.sizes:
        return None
    first_at, first = vitals.sizes[0]
    span_s = (vitals.at - first_at).total_seconds()
    return (vitals.size_bytes - first) * _DAY_S / span_s if span_s >= _KNOWN_AFTER_S else None


def judge(vitals: Vitals) -> list[Row]:
    """Every row of the store's health."""
    return [
        Row("store_tier", "ok", f"{vitals.tier.value}: {LACKS[vitals.tier]}; {vitals.server}"),
        Row("store_size", "ok", human(vitals.size_bytes), float(vitals.size_bytes), "B"),
        *_room(vitals),
        *_jobs(vitals),
        *_lags(vitals),
        _bloat(vitals),
    ]


def _room(vitals: Vitals) -> Iterator[Row]:
    growth, free = growth_per_day(vitals), vitals.free_bytes
    said = "not known before an hour of sizes" if growth is None else f"{human(growth)} a day"
    yield Row("store_growth", "ok", said, growth, "B/d")
    if free is None:
        yield Row(
            "store_days_left", "ok", "the disk is another machine's", None, "d", "watch the disk of the database server"
        )
    elif growth is None or growth <= 0:
        yield Row("store_days_left", "ok", f"{human(free)} free, and it does not grow", None, "d")
    else:
        days = free / growth
        advice = "give the disk more room, or keep readings for less long"
        state = graded(days, DAYS_LEFT)
        yield Row(
            "store_days_left", state, f"{human(free)} free, full in {days:,.0f} days", days, "d",
            advice if state != "ok" else "",
        )  # fmt: skip


def _jobs(vitals: Vitals) -> Iterator[Row]:
    if vitals.job_errors is None:
        yield Row("store_jobs", "ok", "none: Lifeline keeps the roll-ups itself", 0.0, "errors")
        return
    state: State = "warning" if vitals.job_errors else "ok"
    last = f", last {vitals.job_error}" if state != "ok" else ""
    said = f"{vitals.jobs} jobs, {vitals.job_errors} errors in a day{last}"
    advice = (
        "see timescaledb_information.job_errors; if it says 'cannot drop portal', PostgreSQL 17.12 and 15.20 are known "
        "for it: take the release before or after"
    )
    yield Row("store_jobs", state, said[:1000], float(vitals.job_errors), "errors", advice if state != "ok" else "")


def _lags(vitals: Vitals) -> Iterator[Row]:
    pace = max(1.0, vitals.speed)
    lag_s = vitals.recorder_lag_s
    if lag_s is None:
        yield Row("recorder_lag", "ok", "the recorder has not run yet", None, "s")
    else:
        state = graded(lag_s / pace, RECORDER_LAG_S)
        advice = "see the recorder's log, and whether the broker answers" if state != "ok" else ""
        yield Row("recorder_lag", state, f"all is stored up to {lag_s:,.0f} s ago", lag_s, "s", advice)
    age_s = vitals.journal_age_s or 0.0
    state = graded(age_s / pace, JOURNAL_AGE_S)
    said = f"the oldest of {vitals.journal_rows:,} rows not taken in is {age_s:,.0f} s old"
    advice = "see the watcher's log: decisions are late by as much" if state != "ok" else ""
    yield Row("journal_oldest", state, said if vitals.journal_rows else "all taken in", age_s, "s", advice)
    waiting = vitals.rollups_waiting
    state = "warning" if waiting > ROLLUPS_WAITING else "ok"
    oldest = f", the oldest of {vitals.rollups_oldest:%Y-%m-%d %H:%M}Z" if vitals.rollups_oldest else ""
    advice = "pages with long ranges are slow meanwhile; see whether the keeper runs" if state != "ok" else ""
    yield Row("rollup_lag", state, f"{waiting:,} buckets to compute{oldest}", float(waiting), "buckets", advice)


def _bloat(vitals: Vitals) -> Row:
    dead, rows = vitals.dead_rows, vitals.dead_rows + vitals.live_rows
    share = dead / rows if rows else 0.0
    state = graded(share, DEAD_SHARE) if dead > DEAD_ROWS else "ok"
    said = f"{dead:,} dead rows of {rows:,} in {vitals.worst_table}" if dead else "none"
    advice = "see whether autovacuum runs, and whether a session holds an old transaction (pg_stat_activity)"
    return Row("store_bloat", state, said, share, "dead/all", advice if state != "ok" else "")


def graded(value: float, limits: tuple[float, float]) -> State:
    """Grade a value whose limits rise (warning, fault) or fall."""
    warning, fault = limits
    if fault >= warning:
        return "fault" if value >= fault else "warning" if value >= warning else "ok"
    return "fault" if value < fault else "warning" if value < warning else "ok"


def human(count_bytes: float) -> str:
    """Bytes in the unit that fits, such as 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count_bytes) < 1000:
            return f"{count_bytes:.0f} B" if unit == "B" else f"{count_bytes:.1f} {unit}"
        count_bytes /= 1000
    return f"{count_bytes:.1f} TB"


def report(
    conn: Connection,
    name: str,
    state: State,
    value: float | None = None,
    unit: str = "",
    advice: str = "",
    text: str = "",
) -> None:
    """Set the row of `name`; its `since` moves only when the state does. `text` says the value in words."""
    conn.execute(_SQL["report"], (name, value, unit, state, advice, text))


def report_row(conn: Connection, row: Row) -> None:
    """Set a row that was judged."""
    report(conn, row.name, row.state, row.value, row.unit, row.advice, row.text)


def keep_clock(conn: Connection, clock: FastClock | None) -> None:
    """Tell the views which clock the city runs on (None: the wall's), so that `city.now()` agrees with the roles."""
    if clock is None:
        conn.execute(_SQL["wall_clock"])
    else:
        conn.execute(_SQL["set_clock"], (from_us(clock.origin_us), from_us(clock.wall_us), clock.speed))


def city_clock(conn: Connection) -> Clock:
    """The clock that the city of this database runs on."""
    row = conn.execute(_SQL["clock"]).fetchone()
    return SystemClock() if row is None else FastClock(to_us(row[0]), to_us(row[1]), float(row[2]))
