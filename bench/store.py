"""`store`: what the store costs and how fast it answers, on each tier there is, with the same data.

One run on one server: a day of readings of ten thousand sensors, once a minute, through the recorder's own writer with
the keeper at work, and in turns by raw COPY into the same keyed table of a second database; then a month of roll-ups
and alarms, the queries that dashboards make, and writing while walls ask them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

from bench.machine import describe, folder_for
from bench.storecity import NOW, Scale, fill_alarms, fill_register, fill_rollups
from bench.storequeries import ask, ask_cold, polling
from bench.storereport import Space, StoreReport, TierReport
from bench.storewrite import measure, polled
from city.errors import LifelineError
from store.connection import Connection, connect
from store.connection import describe as place_of
from store.embedded import EmbeddedPostgres
from store.migrate import Tier, detect_tier
from store.packing import pack
from store.testing import drop_database, fresh_database, named

FULL = Scale()
QUICK = Scale(minutes=60, runs=30)
POLL_TURNS = 4
Progress = Callable[[str], None]

_SPACE = """
WITH RECURSIVE piece AS (
    SELECT 'lifeline.readings'::regclass::oid AS oid
    UNION ALL SELECT i.inhrelid FROM pg_inherits i JOIN piece p ON i.inhparent = p.oid
    WHERE i.inhrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p'))
)
SELECT sum(pg_table_size(oid)), sum(pg_indexes_size(oid)), (SELECT count(*) FROM lifeline.readings) FROM piece"""


def run(
    scale: Scale = FULL,
    *,
    embedded: bool = True,
    dsns: Sequence[str] = (),
    data: Path | None = None,
    progress: Progress = lambda _: None,
) -> StoreReport:
    """Run the benchmark on a server of its own and on every server of `dsns`, whose users may create databases.

    Parameters
    ----------
    scale
        How much; `QUICK` is an hour instead of a day: to see that it works, not to compare.
    embedded
        Whether to measure a server of its own, too.
    data
        Folder for that server; a temporary one when None.
    """
    tiers, missing = [], []
    with folder_for(data) as folder, ExitStack() as running:
        if embedded:
            server = EmbeddedPostgres(folder / "postgres")
            running.callback(server.stop)
            tiers.append(_one(server.start(), scale, progress, server))
    for dsn in dsns:
        try:
            tiers.append(_one(dsn, scale, progress, None))
        except LifelineError as error:
            missing.append(f"not measured: {place_of(dsn)}: {error}")
    seen = {one.tier for one in tiers}
    missing += [f"not measured: tier {tier}, no server given (--dsn)" for tier in Tier if tier not in seen]
    return StoreReport(tuple(tiers), tuple(missing))


def _one(server_dsn: str, scale: Scale, progress: Progress, server: EmbeddedPostgres | None) -> TierReport:
    dsn, other = fresh_database(server_dsn), fresh_database(server_dsn)
    try:
        with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
            tier = detect_tier(conn)
            say = partial(_say, progress, tier)
            fill_register(conn, scale)
            writing = measure(dsn, other, scale, say)
            say("filling a month")
            hours, fives = fill_rollups(conn, scale)
            fill_alarms(conn, scale)
            conn.execute("VACUUM ANALYZE")
            conn.execute("CHECKPOINT")
            space = _space(conn, tier)
        drop_database(other)
        cold, how = _cold(dsn, server, say)
        dsn = named(server.dsn, _name(dsn)) if server else dsn
        answers = ask(dsn, scale, cold, say)
        say("with walls polling")
        found = polled(dsn, scale, POLL_TURNS if scale is FULL else 1, partial(polling, dsn))
        notes = (
            f"roll-ups: the day's kept by the keeper; {hours:,} hourly rows of {scale.days} days before it copied from "
            f"them, and {fives:,} five-minute rows",
            f"cold: {how}",
            f"load of the machine when the queries had run: {_load()} (above the cores, their times are too long)",
            "raw COPY: the same batches in the same order, a transaction each, without triggers",
        )
        return TierReport(
            tier.value,
            describe(dsn, embedded_broker=False),
            scale.sensors,
            writing,
            space,
            tuple(answers),
            found,
            notes,
        )
    finally:
        for database in (dsn, other):
            drop_database(named(server.dsn, _name(database)) if server else database)


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _name(dsn: str) -> str:
    from psycopg import conninfo

    return str(conninfo.conninfo_to_dict(dsn)["dbname"])


def _say(progress: Progress, tier: Tier, what: str) -> None:
    progress(f"{tier.value}: {what}")


def _space(conn: Connection, tier: Tier) -> Space:
    table, indexes = _bytes(conn)
    if tier is not Tier.COMMUNITY:
        while pack(conn, NOW + timedelta(days=60)):
            pass
        return Space(table, indexes, _bytes(conn)[1], None)
    conn.execute("SELECT compress_chunk(chunk, true) FROM show_chunks('lifeline.readings') AS chunk")
    said = conn.execute("SELECT after_compression_total_bytes FROM hypertable_compression_stats('lifeline.readings')")
    (after,) = said.fetchone() or (0,)
    (rows,) = conn.execute("SELECT count(*) FROM lifeline.readings").fetchone() or (1,)
    return Space(table, indexes, None, float(after) / float(rows))


def _bytes(conn: Connection) -> tuple[float, float]:
    """Bytes of table and indexes for each reading."""
    table, indexes, rows = conn.execute(_SPACE).fetchone() or (0, 0, 1)
    return float(table) / float(rows), float(indexes) / float(rows)


def _cold(dsn: str, server: EmbeddedPostgres | None, progress: Progress) -> tuple[dict[str, float], str]:
    if server is None:
        return {}, "not measured: this server is not ours to restart"

    def restart() -> str:
        server.stop()
        return named(server.start(), _name(dsn))

    return ask_cold(restart, progress)
