"""Forward-only migrations: numbered SQL files, a variant per tier where needed, each applied once and never edited.

`migrations/0002_readings.sql` serves every tier; `0002_readings.<tier>.sql` serves one, and the most specific wins:
`plain`, `apache` and `community` before `timescale` (either licence) before no suffix. A file that was applied is
recorded with its checksum; if it has changed since, migrating refuses, because nobody could say what the schema is.

A step has a phase, named in its file: `0010_pre_x` (and files without a phase) fit the code that ran before and the new
code; `0015_post_x` only the new code. So an upgrade without a pause is: all `pre`, restart every role, all `post`.
A `pre` step never builds on a `post` step of its own release. Each step is a transaction of its own: killed in the
middle, the next run goes on where it was.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import LiteralString

import psycopg

from city.errors import OutsideError
from store import grants
from store.connection import Connection, connect, describe
from store.statements import statements

log = logging.getLogger(__name__)

_SQL = statements("migrate")
_FILE = re.compile(r"(\d{4}_\w+?)(?:\.(plain|timescale|apache|community))?\.sql")
_CHANGES = re.compile(
    r"^(?:ALTER TABLE|CREATE (?:UNIQUE )?INDEX \w+ ON|CREATE TRIGGER [^;]*?\bON|UPDATE|DELETE FROM)\s+(lifeline\.\w+)",
    re.MULTILINE,
)
_MAKES = re.compile(r"^CREATE TABLE (lifeline\.\w+)", re.MULTILINE)
_LOCK_KEY = 0x6C696665  # "life": one migrator at a time per database
_ATTEMPTS = 5


class Tier(StrEnum):
    """What the server offers: plain PostgreSQL, or TimescaleDB under one of its two licences."""

    PLAIN = "plain"
    APACHE = "apache"
    COMMUNITY = "community"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """File variants that serve this tier, most specific first."""
        return (self.value, "") if self is Tier.PLAIN else (self.value, "timescale", "")


class Phase(StrEnum):
    """When a step may be applied: with the code before it still running, or only once every role runs the new code."""

    PRE = "pre"
    POST = "post"


@dataclass(frozen=True, slots=True)
class Step:
    """One migration file: its name without variant, the variant (empty when it serves every tier), SQL and checksum."""

    name: str
    variant: str
    sql: str

    @property
    def checksum(self) -> str:
        """sha256 of the file's text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def phase(self) -> Phase:
        """When it may be applied."""
        return Phase.POST if self.name[5:].startswith("post_") else Phase.PRE

    @property
    def changes(self) -> tuple[str, ...]:
        """The tables it changes in place (`schema.name`), as far as its text says so: those it waits and locks for."""
        made = set(_MAKES.findall(self.sql))
        return tuple(table for table in dict.fromkeys(_CHANGES.findall(self.sql)) if table not in made)


def steps(tier: Tier, folder: Traversable | None = None) -> list[Step]:
    """Every migration for `tier`, in order; `folder` defaults to the ones that ship."""
    variants: dict[str, dict[str, Step]] = {}
    for file in (folder or files("store") / "migrations").iterdir():
        if found := _FILE.fullmatch(file.name):
            name, variant = found[1], found[2] or ""
            variants.setdefault(name, {})[variant] = Step(name, variant, file.read_text(encoding="utf-8"))
    chosen = []
    for name, by_variant in sorted(variants.items()):
        step = next((by_variant[suffix] for suffix in tier.suffixes if suffix in by_variant), None)
        if step is None:
            raise OutsideError(f"migration {name}: no variant for tier {tier}; the installation is incomplete")
        chosen.append(step)
    return chosen


def detect_tier(conn: Connection) -> Tier:
    """The tier a database was migrated for, else the one its server offers.

    A database made on plain PostgreSQL stays plain (there is no way from its partitions to a hypertable in place).
    Where TimescaleDB is preloaded but not yet created here, its licence cannot be asked: the answer is `apache`.
    """
    recorded = _recorded_tier(conn)
    if recorded is Tier.PLAIN:
        return recorded
    installed, preloaded, licence = _one(conn, _SQL["offers"])
    if installed:
        return Tier.COMMUNITY if licence == "timescale" else Tier.APACHE
    if recorded is not None:
        raise OutsideError(
            f"this database was migrated for TimescaleDB ({recorded}), but the extension is gone; "
            "try starting the server with shared_preload_libraries=timescaledb"
        )
    return Tier.APACHE if preloaded else Tier.PLAIN


def plan(conn: Connection, folder: Traversable | None = None) -> list[Step]:
    """The migrations still to apply.

    Raises
    ------
    OutsideError
        When a file that was applied has changed or vanished, the database is newer than this program, or a restore
        into it was not finished.
    """
    if folder is None and _exists(conn, "lifeline.restoring"):  # the restore itself says which files it wants
        raise OutsideError("this database holds half of a backup; try the same `lifeline restore` again")
    tier = detect_tier(conn)
    known = {step.name: step for step in steps(tier, folder)}
    applied = _applied(conn)
    for name, checksum in applied.items():
        if name not in known:
            raise OutsideError(
                f"migration {name} was applied to this database but this version of lifeline does not have it; "
                "try the newer version that applied it"
            )
        if known[name].checksum != checksum:
            raise OutsideError(
                f"migration {name} has changed since it was applied (now {known[name].checksum[:12]}, "
                f"then {checksum[:12]}); try restoring the shipped file and adding a new migration instead"
            )
    return [step for name, step in known.items() if name not in applied]


def check_fits(conn: Connection) -> None:
    """Refuse a schema that this code cannot run on: too old for it (`pre` steps left), or past it.

    `pre` steps of a newer version are no hindrance, so that its roll-back finds this code at work.

    Raises
    ------
    OutsideError
        With what to do.
    """
    known, applied = {step.name: step for step in steps(detect_tier(conn))}, _applied(conn)
    if left := [name for name, step in known.items() if step.phase is Phase.PRE and name not in applied]:
        raise OutsideError(
            f"database: too old for this version, {left[0]} and after not applied, try `lifeline migrate`"
        )
    if past := [name for name in applied if name not in known and name[5:].startswith("post_")]:
        raise OutsideError(
            f"database: past this version, a newer one applied {', '.join(past)}, try that version, "
            "or restore the backup that was taken before"
        )


def size_of(conn: Connection, step: Step) -> int:
    """Bytes of the tables that a step changes in place, as they are now: how much it may have to touch or wait for."""
    row = conn.execute(_SQL["size"], (list(step.changes),)).fetchone()
    return int(row[0]) if row else 0


def migrate(
    dsn: str, *, tier: Tier | None = None, folder: Traversable | None = None, phase: Phase | None = None
) -> list[Step]:
    """Bring a database up to date and return the steps applied; safe to run from several processes at once.

    Parameters
    ----------
    tier
        Fix the tier of a new database instead of taking the best the server offers.
    phase
        Apply only the steps of this phase; both, in order, when None.

    Raises
    ------
    OutsideError
        When the database cannot be reached, refuses, or its history does not fit (see `plan`), or `post` is asked for
        while `pre` steps are left.
    """
    with connect(dsn, autocommit=True, application_name="lifeline migrate") as conn, _alone(conn):
        if tier is None and _recorded_tier(conn) is not None and not _due(plan(conn, folder), phase):
            return []  # nothing to do asks for no more rights than reading
        _say(conn, _SQL["house"])
        if tier is not Tier.PLAIN and _recorded_tier(conn) is None:
            _create_extension(conn, dsn)
        if tier is not None:
            _record_tier(conn, tier)
        tier = detect_tier(conn)
        todo = _due(plan(conn, folder), phase)
        _record_tier(conn, tier)
        for step in todo:
            _apply(conn, step, tier)
            log.info("migrated %s", step.name, extra={"action": "migrated", "step": step.name, "variant": step.variant})
        grants.settle(conn)
        return todo


def _due(todo: list[Step], phase: Phase | None) -> list[Step]:
    if phase is Phase.POST and (before := [step.name for step in todo if step.phase is Phase.PRE]):
        raise OutsideError(
            f"post steps come after pre steps, got {', '.join(before)} not applied; try --phase pre first"
        )
    return [step for step in todo if phase in (None, step.phase)]


def _apply(conn: Connection, step: Step, tier: Tier) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with conn.transaction():
                _say(conn, _SQL["be_patient"])
                _say(conn, step.sql)
                conn.execute(_SQL["record"], (step.name, step.checksum, tier.value))
        except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable) as error:
            log.warning("migration_waits %s: %s", step.name, error, extra={"action": "migration_waits"})
            if attempt == _ATTEMPTS:
                raise OutsideError(
                    f"migration {step.name}: other sessions hold the tables, got: {error}; try again in a quiet minute"
                ) from error
        except psycopg.Error as error:
            raise OutsideError(f"migration {step.name}: the database refused it, got: {error}") from error
        else:
            return


def _create_extension(conn: Connection, dsn: str) -> None:
    installed, preloaded, _ = _one(conn, _SQL["offers"])
    if installed or not preloaded:
        return
    try:
        _say(conn, _SQL["create_extension"])
    except psycopg.errors.InsufficientPrivilege as error:
        raise OutsideError(
            f"database {describe(dsn)}: the server has TimescaleDB, but this user may not create it; "
            "try 'CREATE EXTENSION timescaledb' as an administrator, then migrate again"
        ) from error


@contextmanager
def _alone(conn: Connection) -> Iterator[None]:
    conn.execute(_SQL["lock"], (_LOCK_KEY,))
    try:
        yield
    finally:
        if not conn.closed:
            conn.execute(_SQL["unlock"], (_LOCK_KEY,))


def _say(conn: Connection, sql: str) -> None:
    # Without parameters psycopg sends the text whole, so a file may hold several statements.
    conn.execute(sql)


def _one(conn: Connection, sql: LiteralString) -> tuple[bool, bool, str]:
    row = conn.execute(sql).fetchone()
    assert row is not None, "a SELECT without FROM always has a row"  # noqa: S101 - a fact of SQL, for the type checker
    return row[0], row[1], row[2]


def _exists(conn: Connection, table: str) -> bool:
    row = conn.execute(_SQL["exists"], (table,)).fetchone()
    return bool(row and row[0])


def _recorded_tier(conn: Connection) -> Tier | None:
    if not _exists(conn, "lifeline.meta"):
        return None
    row = conn.execute(_SQL["recorded_tier"]).fetchone()
    return Tier(row[0]) if row else None


def _record_tier(conn: Connection, tier: Tier) -> None:
    conn.execute(_SQL["record_tier"], (tier.value,))


def _applied(conn: Connection) -> dict[str, str]:
    return dict(conn.execute(_SQL["applied"]).fetchall()) if _exists(conn, "lifeline.migrations") else {}
