"""Moves a city's database to another server and tier: everything, ids kept, verified row by row.

The source is only read, and held against writers meanwhile. The target carries a mark (`lifeline.restoring`) until all
of it has arrived and been verified; whatever starts on it before that refuses. A move that was killed is begun again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from graphlib import TopologicalSorter
from importlib.resources import files

import psycopg
from psycopg import sql

from city.errors import InputError, OutsideError
from store.connection import Connection, connect, describe
from store.migrate import Tier, detect_tier, migrate, plan
from store.statements import statements
from store.tables import Table, emptied, plain_text, tables

_SQL = statements("upgrade")
_SHARED = statements("backup")
_NAME = "lifeline upgrade"

Progress = Callable[[int, int, str], None]
Sum = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Part:
    """What was moved and found equal at both ends: a table, or a day of a series (`day`, else None)."""

    table: str
    day: datetime | None
    rows: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A finished move: both tiers, and every part with its rows and checksum."""

    source: Tier
    target: Tier
    parts: tuple[Part, ...]

    @property
    def rows(self) -> int:
        """Rows moved, of all tables."""
        return sum(part.rows for part in self.parts)


def move(source_dsn: str, target_dsn: str, *, tier: Tier | None = None, progress: Progress = lambda *_: None) -> Moved:
    """Copy everything from a database into an empty one, migrated for the tier its server offers (or `tier`).

    Parameters
    ----------
    progress
        Told (steps done, steps in all, what comes next).

    Raises
    ------
    InputError
        Roles run on the source, it is not of this version, or the target is not empty.
    OutsideError
        A server refuses, or what arrived is not what left (the target keeps its mark; begin again).
    """
    with connect(source_dsn, autocommit=True, application_name=_NAME) as source:
        try:
            _check_source(source, source_dsn)
            with connect(target_dsn, autocommit=True, application_name=_NAME) as target:
                _check_target(target, source, target_dsn)
            migrate(target_dsn, tier=tier, folder=files("store") / "migrations")
            with connect(target_dsn, autocommit=True, application_name=_NAME) as target:
                return _Move(source, target, progress).run()
        except psycopg.errors.LockNotAvailable as error:
            raise InputError(
                f"database {describe(source_dsn)}: somebody writes there, try stopping every role first"
            ) from error
        except psycopg.Error as error:
            said = str(error).strip().splitlines()[0]
            raise OutsideError(f"move: a database failed, got: {said}; try the same command again") from error


def _check_source(conn: Connection, dsn: str) -> None:
    if roles := [row[0] for row in conn.execute(_SQL["busy"]).fetchall()]:
        raise InputError(f"database {describe(dsn)}: in use by {', '.join(roles)}, try stopping `lifeline run` first")
    try:
        left = plan(conn)
    except OutsideError as error:
        raise InputError(f"database {describe(dsn)}: {error}") from error
    if left:
        names = ", ".join(step.name for step in left)
        raise InputError(f"database {describe(dsn)}: not of this version, {names} not applied, try `lifeline migrate`")


def _check_target(conn: Connection, source: Connection, dsn: str) -> None:
    """Refuse the source itself and a database with anything of a city in it; clear what an unfinished move left."""
    same = "SELECT (SELECT system_identifier FROM pg_control_system())::text || current_database()"
    if conn.execute(same).fetchone() == source.execute(same).fetchone():
        raise InputError(f"--to {describe(dsn)}: that is the database to be moved, try another one")
    house = conn.execute(_SHARED["has_house"]).fetchone()
    if house and house[0] and not house[1]:
        raise InputError(
            f"--to {describe(dsn)}: not empty, and nothing is ever overwritten, try a new database (createdb)"
        )
    with conn.transaction():
        conn.execute(_SHARED["clear"])
        conn.execute(_SHARED["mark"])
        conn.execute(_SHARED["mark_file"], ("a move from another database",))


class _Move:
    def __init__(self, source: Connection, target: Connection, progress: Progress) -> None:
        self._source, self._target, self._progress = source, target, progress
        self._parts: list[Part] = []
        self._done = self._steps = 0

    def run(self) -> Moved:
        plain_text(self._source)
        plain_text(self._target)
        mine = tables(self._source)
        theirs = {table.name: table for table in tables(self._target)}
        _check_columns(mine, theirs)
        names = sql.SQL(", ").join(table.place for table in mine)
        self._source.execute(_SQL["picture"])
        self._source.execute(sql.SQL(_SQL["hold"]).format(tables=names))  # before the first look, which is the picture
        series = [table for table in mine if table.time]
        small = [table for table in mine if table not in series]
        days = {table.name: self._days(table) for table in series}
        self._steps = sum(map(len, days.values())) + len(small)
        for table in series:
            for first, past in days[table.name]:
                self._day(table, first, past)
        with self._target.transaction():
            self._small(small, self._source)
            self._target.execute(_SHARED["unname_marks"])
            self._target.execute(_SHARED["unmark"])
        self._source.execute("ROLLBACK")
        self._progress(self._steps, self._steps, "verified")
        return Moved(detect_tier(self._source), detect_tier(self._target), tuple(self._parts))

    def _days(self, table: Table) -> list[tuple[datetime, datetime]]:
        statement = sql.SQL(_SQL["days"]).format(
            name=sql.Literal(table.name), table=table.place, time=sql.Identifier(table.time)
        )
        return self._source.execute(statement).fetchall()

    def _day(self, table: Table, first: datetime, past: datetime) -> None:
        """One day in one transaction, verified before it is committed."""
        self._progress(self._done, self._steps, f"{table.name} {first:%Y-%m-%d}")
        span = sql.SQL(_SQL["span"]).format(
            time=sql.Identifier(table.time), first=sql.Literal(first), past=sql.Literal(past)
        )
        prepare = _SHARED["prepare_readings" if table.name == "readings" else "prepare_rollup"]
        last = past - timedelta(microseconds=1)
        with self._target.transaction():
            self._target.execute(prepare, {"table": table.name, "first": first, "last": last})
            self._copy(table, span, first)
        self._done += 1

    def _small(self, small: list[Table], source: Connection) -> None:
        """All other tables in one transaction, parents first; then where numbering stands."""
        # Migrations put rows there, and the series have marked what need not be computed anew.
        self._target.execute(sql.SQL("TRUNCATE {}").format(emptied(self._target, small)))
        order: TopologicalSorter[str] = TopologicalSorter({table.name: set[str]() for table in small})
        for child, parent in source.execute(_SQL["parents"]).fetchall():
            order.add(child, parent)
        by_name = {table.name: table for table in small}
        for name in order.static_order():
            if name in by_name:
                self._progress(self._done, self._steps, name)
                self._copy(by_name[name], sql.SQL(""), None)
                self._done += 1
        for name, value in source.execute(_SQL["sequences"]).fetchall():
            self._target.execute(_SQL["set_sequence"], (name, value))
        for key, value in source.execute(_SHARED["meta"]).fetchall():
            if key != "tier":
                self._target.execute(_SHARED["set_meta"], (key, value))

    def _copy(self, table: Table, span: sql.Composable, day: datetime | None) -> None:
        values = {"table": table.place, "columns": table.names, "span": span}
        out, back = (sql.SQL(_SQL[name]).format(**values) for name in ("copy_out", "copy_in"))
        with (
            self._source.cursor() as one,
            self._target.cursor() as two,
            one.copy(out) as source,
            two.copy(back) as target,
        ):
            for block in source:
                target.write(block)
        rows, checksum = self._sum(self._source, values)
        found = self._sum(self._target, values)
        if found != (rows, checksum):
            where = f"{table.name} of {day:%Y-%m-%d}" if day else table.name
            raise OutsideError(f"move: {where} did not arrive whole ({found[0]} rows for {rows}); try it again")
        self._parts.append(Part(table.name, day, rows, checksum))

    @staticmethod
    def _sum(conn: Connection, values: dict[str, sql.Composable]) -> Sum:
        row = conn.execute(sql.SQL(_SQL["sum"]).format(**values)).fetchone()
        return (int(row[0]), str(row[1])) if row else (0, "0")


def _check_columns(mine: list[Table], theirs: dict[str, Table]) -> None:
    for table in mine:
        there = theirs.get(table.name)
        if there is None or set(there.columns) != set(table.columns):
            raise OutsideError(f"move: table {table.name} is another one there; try the same version at both ends")
