"""Brings a backup into an empty database: on the same tier or another, whole or recognisably not.

Order matters. A mark is set first (`lifeline.restoring`: everything that migrates refuses a database that carries it).
Series follow, then all other tables in the one transaction that also takes the mark away: until then a role that is
started by mistake finds no city and waits. A restore that was killed is simply begun again.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files as resources
from importlib.resources.abc import Traversable
from pathlib import Path

import psycopg
from psycopg import sql

from city.errors import InputError, OutsideError
from store.backup import SCRIPT, Manifest, Progress, member, opened
from store.connection import Connection, connect, describe
from store.migrate import Tier, detect_tier, migrate, steps
from store.script import play
from store.statements import statements
from store.tables import Table, counted, emptied, plain_text, tables

_SQL = statements("backup")
_BLOCK = 1 << 20
_LONGEST_LINE = 64 << 20

Place = Callable[[zipfile.ZipFile, Manifest], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back: the manifest, the tier it stands on now, and the tables this tier does not have, with rows."""

    manifest: Manifest
    tier: Tier
    left_out: dict[str, int]


class _Shipped:
    """The migrations that a backup had seen, as a folder for `migrate`."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def iterdir(self) -> Iterator[Traversable]:
        for file in (resources("store") / "migrations").iterdir():
            if file.name.split(".")[0] in self._names:
                yield file


def read(
    dsn: str,
    path: Path,
    *,
    tier: Tier | None = None,
    progress: Progress = lambda _: None,
    with_files: Place = lambda _archive, _manifest: None,
) -> Restored:
    """Restore the backup at `path` into the empty database behind `dsn`, verify it, and bring its schema up to date.

    Parameters
    ----------
    tier
        Instead of the best that the server offers.
    with_files
        Called when the series are there and before the rest: puts the backup's small files where they belong.

    Raises
    ------
    InputError
        When the file is no whole backup, comes from a newer version, or the database is not empty.
    OutsideError
        When the server refuses, or what arrived is not what left (the mark stays: the target counts as unfinished).
    """
    with opened(path) as (archive, manifest):
        _refuse_newer(path, manifest)
        try:
            with connect(dsn, autocommit=True, application_name="lifeline restore") as conn:
                _begin(conn, dsn, path)
            progress("schema")
            migrate(dsn, tier=tier, folder=_Shipped(set(manifest.migrations)))  # type: ignore[arg-type]  # all it uses
            with connect(dsn, autocommit=True, application_name="lifeline restore") as conn:
                here = _load(conn, archive, manifest, progress, with_files)
                found = detect_tier(conn)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise InputError(f"{path}: damaged ({error}), try another backup") from error
        except psycopg.Error as error:
            raise OutsideError(
                f"restore: the database failed, got: {str(error).strip()[:2000]}; try the same command again"
            ) from error
    progress("migrations")
    migrate(dsn)
    left = {table.name: table.rows for table in manifest.tables if table.name not in here and table.rows}
    return Restored(manifest, found, left)


def _load(
    conn: Connection, archive: zipfile.ZipFile, manifest: Manifest, progress: Progress, with_files: Place
) -> dict[str, Table]:
    """Bring in everything, series first; the tables that are here, by name."""
    plain_text(conn)
    here = {table.name: table for table in tables(conn)}
    _refuse_other_columns(manifest, here)
    for table in manifest.tables:
        if table.series and table.name in here:
            _series(conn, archive, table, progress)
    with_files(archive, manifest)
    progress("tables")
    _finish(conn, archive, manifest, here)
    return here


def _refuse_newer(path: Path, manifest: Manifest) -> None:
    known = {step.name for step in steps(Tier.PLAIN)}
    if unknown := sorted(set(manifest.migrations) - known):
        raise InputError(
            f"{path}: made by a newer Lifeline ({manifest.version}; it has {', '.join(unknown)}), try that version"
        )


def _begin(conn: Connection, dsn: str, path: Path) -> None:
    """Refuse a database with a city in it; clear what an earlier attempt left, and set the mark."""
    house = conn.execute(_SQL["has_house"]).fetchone()
    if house and house[0] and not house[1]:
        try:
            used = conn.execute(_SQL["is_used"]).fetchone()
        except psycopg.errors.UndefinedTable:
            used = (True,)  # a schema `lifeline` that is not of our making
        if used and used[0]:
            raise InputError(
                f"database {describe(dsn)}: not empty, and nothing is ever overwritten; try a new data folder "
                "(--data DIR), or a new database (createdb, then --database-url)"
            )
    with conn.transaction():
        conn.execute(_SQL["clear"])
        conn.execute(_SQL["mark"])
        conn.execute(_SQL["mark_file"], (path.name,))


def _refuse_other_columns(manifest: Manifest, here: dict[str, Table]) -> None:
    for table in manifest.tables:
        target = here.get(table.name)
        if target is not None and set(target.columns) != set(table.columns):
            raise OutsideError(
                f"restore: table {table.name} has other columns here, got {sorted(set(table.columns))} for "
                f"{sorted(set(target.columns))}; try the Lifeline {manifest.version} that made the backup"
            )


def _series(conn: Connection, archive: zipfile.ZipFile, table: Table, progress: Progress) -> None:
    """Load a series piece by piece, each a transaction: triggers hold a transaction's new rows in memory."""
    copy_in = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table.place, table.names)
    prepare = _SQL["prepare_readings" if table.name == "readings" else "prepare_rollup"]
    for number, (first, past) in enumerate(table.pieces):
        progress(f"{table.name} {first:.10}")
        last = datetime.fromisoformat(past) - timedelta(microseconds=1)
        with conn.transaction():
            conn.execute(prepare, {"table": table.name, "first": datetime.fromisoformat(first), "last": last})
            with archive.open(member(table, number)) as source, conn.cursor() as cursor, cursor.copy(copy_in) as copy:
                while block := source.read(_BLOCK):
                    copy.write(block)


def _finish(conn: Connection, archive: zipfile.ZipFile, manifest: Manifest, here: dict[str, Table]) -> None:
    series = {table.name for table in manifest.tables if table.series}
    small = [table for table in here.values() if table.name not in series]
    with conn.transaction():
        # Migrations may have put rows there, and series may have marked what must be computed anew: all as it was.
        conn.execute(sql.SQL("TRUNCATE {}").format(emptied(conn, small)))
        with archive.open(SCRIPT) as script:
            lines = iter(lambda: script.readline(_LONGEST_LINE), b"")  # a packed script may hold one of gigabytes
            play(conn, lines, {table.name for table in small}, _sequences(conn))
        for pair in manifest.meta.items():
            if pair[0] != "tier":
                conn.execute(_SQL["set_meta"], pair)
        _verify(conn, manifest, here)
        if "dirty_buckets" in here:
            conn.execute(_SQL["unname_marks"])
        conn.execute(_SQL["unmark"])


def _sequences(conn: Connection) -> set[str]:
    rows = conn.execute("SELECT sequencename FROM pg_sequences WHERE schemaname = 'lifeline'").fetchall()
    return {name for (name,) in rows}


def _verify(conn: Connection, manifest: Manifest, here: dict[str, Table]) -> None:
    """Compare every table that is here with what the manifest says of it."""
    wrong = []
    for table in manifest.tables:
        if table.name in here:
            # The columns in the manifest's order: the sum is over rows as text.
            found = counted(conn, table)
            if (found.rows, found.checksum) != (table.rows, table.checksum):
                wrong.append(f"{table.name} ({found.rows} rows for {table.rows})")
    if wrong:
        raise OutsideError(f"restore: not what was backed up, in {', '.join(wrong)}; try the same command again")
