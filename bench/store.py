"""`store`: what the store costs and how fast it answers, on each tier there is, with the same data.

One run on each server: a day of readings of ten thousand sensors, once a minute, through the recorder's own writer with
the keeper at work, and in turns by raw COPY into the same keyed table of a second database; then a month of roll-ups
and alarms, the queries that dashboards make, and writing while walls ask them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from bench.machine import describe, folder_for
from bench.storecity import Scale, fill_alarms, fill_register, fill_rollups
from bench.storequeries import ask, ask_cold, polling
from bench.storereport import StoreReport, TierReport
from bench.storeservers import found as servers_here
from bench.storespace import space as measure_space
from bench.storewrite import measure, polled
from city.errors import LifelineError
from store.binaries import Binaries
from store.connection import connect
from store.connection import describe as place_of
from store.embedded import EmbeddedPostgres
from store.migrate import Tier, detect_tier
from store.testing import drop_database, fresh_database, named

FULL = Scale()
QUICK = Scale(minutes=60, runs=30)
POLL_TURNS = 4
Progress = Callable[[str], None]


def run(
    scale: Scale = FULL,
    *,
    tiers: Collection[Tier] = tuple(Tier),
    dsns: Sequence[str] = (),
    data: Path | None = None,
    progress: Progress = lambda _: None,
) -> StoreReport:
    """Run the benchmark on every server that is here and on those of `dsns`, whose users may create databases.

    Parameters
    ----------
    scale
        How much; `QUICK` is an hour instead of a day: to see that it works, not to compare.
    tiers
        Those to measure on servers of its own: what is here, in a private server each.
    data
        Folder for those servers; a temporary one when None.
    """
    done, missing, failed = [], [], set[bool]()
    with folder_for(data) as folder:
        for binaries in servers_here():
            if _may_be(binaries, tiers):
                try:
                    done += _private(folder, binaries, tiers, scale, progress)
                except LifelineError as error:
                    missing.append(f"not measured: {binaries.folder}: {error}")
                    failed.add(binaries.timescale)
    for dsn in dsns:
        try:
            done.append(_one(dsn, scale, progress, None))
        except LifelineError as error:
            missing.append(f"not measured: {place_of(dsn)}: {error}")
    seen = {one.tier for one in done}
    missing += [
        f"not measured: tier {tier}, {_how(tier, tiers)}"
        for tier in Tier
        if tier not in seen and not (tier in tiers and (tier is not Tier.PLAIN) in failed)
    ]
    return StoreReport(tuple(done), tuple(missing))


def _may_be(binaries: Binaries, tiers: Collection[Tier]) -> bool:
    return any((tier is not Tier.PLAIN) == binaries.timescale for tier in tiers)


def _how(tier: Tier, tiers: Collection[Tier]) -> str:
    if tier not in tiers:
        return "not asked for (--tier)"
    here = ", where bin/test unpacks one" if tier is Tier.APACHE else ""
    return f"no server of it here{here}, and none given (--dsn)"


def _private(
    folder: Path, binaries: Binaries, tiers: Collection[Tier], scale: Scale, progress: Progress
) -> list[TierReport]:
    """A server of its own with these programs, if it is of one of the tiers."""
    server = EmbeddedPostgres(folder / ("timescale" if binaries.timescale else "postgres"), binaries=binaries)
    try:
        dsn = server.start()
        with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
            if binaries.timescale:  # its licence cannot be asked before
                conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            if detect_tier(conn) not in tiers:
                return []
        return [_one(dsn, scale, progress, server)]
    finally:
        server.stop()


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
            space = measure_space(conn, tier)
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


def _cold(dsn: str, server: EmbeddedPostgres | None, progress: Progress) -> tuple[dict[str, float], str]:
    if server is None:
        return {}, "not measured: this server is not ours to restart"

    def restart() -> str:
        server.stop()
        return named(server.start(), _name(dsn))

    return ask_cold(restart, progress)
