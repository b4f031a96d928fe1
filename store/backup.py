"""One file that holds a city: the database as one picture, and small files beside it (secrets, the city folder).

The file is a ZIP archive, complete only with its last bytes: `manifest.json` (versions, tier, rows and checksum of
each table), `tables.sql` (a data-only script of pg_dump, which psql reads too), `series/<table>/…` (binary COPY, a
format every tier reads, a span of time at a time) and `files/…`. It is one transaction's picture, so the system may
run meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from city.errors import InputError, OutsideError
from store.connection import Connection, connect
from store.migrate import detect_tier
from store.statements import statements
from store.tables import Table, counted, plain_text, tables
from store.tools import environment, pg_dump_for

_SQL = statements("backup")
FORMAT = 1
MOST_BYTES = 100_000_000  # of the manifest, and of each small file: a packed one of a few kB may hold gigabytes
MANIFEST, SCRIPT = "manifest.json", "tables.sql"
_BLOCK = 1 << 20
_LEVEL = 1  # of compression: five times as fast as the default, and nearly as small on columns of numbers

Progress = Callable[[str], None]


class Manifest(msgspec.Struct, frozen=True):
    """What a backup says about itself. `files` are sha256 by path below `files/`."""

    format: int
    made_at: str
    version: str
    postgres: str
    timescaledb: str
    tier: str
    meta: dict[str, str]
    migrations: list[str]
    tables: list[Table]
    files: dict[str, str]

    def table(self, name: str) -> Table:
        """One of its tables (KeyError when it has none of that name)."""
        return {table.name: table for table in self.tables}[name]


def member(table: Table, number: int) -> str:
    """Where piece `number` of a series lies in the archive."""
    return f"series/{table.name}/{number:06}.copy"


def write(
    dsn: str, path: Path, files: Mapping[str, Path], *, version: str, at: datetime, progress: Progress = lambda _: None
) -> Manifest:
    """Write a backup of the database behind `dsn` and of `files` (by their path in the archive) to `path`.

    Raises
    ------
    InputError
        When `path` exists already, or its folder does not.
    OutsideError
        When the database holds no city, no pg_dump fits its server, or the disk refuses; nothing is left behind.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    if path.exists():
        raise InputError(f"{path}: exists already, try another name")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder, try one that exists")
    try:
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)  # it will hold secrets
        with os.fdopen(descriptor, "w+b") as out:
            with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
                manifest = _fill(archive, dsn, files, version, at, progress)
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise OutsideError(f"{path}: {error.strerror or error}; try a disk with more room") from error
    except psycopg.Error as error:
        raise OutsideError(f"backup: the database failed, got: {str(error).strip()}; try again") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def _fill(
    archive: zipfile.ZipFile, dsn: str, files: Mapping[str, Path], version: str, at: datetime, progress: Progress
) -> Manifest:
    hashes = {name: _file(archive, name, path) for name, path in sorted(files.items())}
    with connect(dsn, autocommit=True, application_name="lifeline backup") as conn:
        plain_text(conn)
        conn.execute(_SQL["begin"])
        if (house := conn.execute(_SQL["has_house"]).fetchone()) is None or not house[0] or house[1]:
            raise OutsideError("backup: this database holds no city, or half of one; try the database of a running one")
        found = tables(conn)
        progress("tables")
        _dump(archive, conn, dsn, [table for table in found if not table.series])
        for number, table in enumerate(found):
            progress(table.name)
            table = counted(conn, table)
            found[number] = _series(archive, conn, table, progress) if table.series else table
        manifest = Manifest(
            format=FORMAT,
            made_at=at.isoformat(),
            version=version,
            postgres=_one(conn, "SELECT current_setting('server_version')"),
            timescaledb=_one(conn, "SELECT max(extversion) FROM pg_extension WHERE extname = 'timescaledb'"),
            tier=detect_tier(conn).value,
            meta=dict(conn.execute(_SQL["meta"]).fetchall()),
            migrations=[name for (name,) in conn.execute(_SQL["migrations"]).fetchall()],
            tables=found,
            files=hashes,
        )
    archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _one(conn: Connection, query: str) -> str:
    row = conn.execute(query.encode()).fetchone()
    return str(row[0]) if row and row[0] else ""


def _file(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    content = path.read_bytes()
    archive.writestr(f"files/{name}", content)
    return hashlib.sha256(content).hexdigest()


def _dump(archive: zipfile.ZipFile, conn: Connection, dsn: str, small: Sequence[Table]) -> None:
    """What pg_dump says of the small tables, in the picture of `conn`."""
    picture = _one(conn, str(_SQL["snapshot"]))
    command = [str(pg_dump_for(conn).path), "--data-only", "--encoding=UTF8", "--snapshot", picture, "--no-password"]
    command += [f'--table=lifeline."{table.name}"' for table in small]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=environment(dsn)
        )
        try:
            with archive.open(SCRIPT, "w", force_zip64=True) as out:
                while block := process.stdout.read(_BLOCK) if process.stdout else b"":
                    out.write(block)
        except BaseException:
            process.kill()
            raise
        finally:
            if process.stdout:
                process.stdout.close()
            code = process.wait()
        said.seek(0)
        if code != 0:
            raise OutsideError(f"{command[0]}: failed, got: {said.read().decode(errors='replace').strip()[-2000:]}")


def _series(archive: zipfile.ZipFile, conn: Connection, table: Table, progress: Progress) -> Table:
    """Write a series, a day or a week at a time: whoever reads it back need not hold all of it in one transaction."""
    query = sql.SQL("COPY (SELECT {} FROM {} WHERE {} >= {} AND {} < {}) TO STDOUT (FORMAT BINARY)")
    time, pieces = sql.Identifier(table.time), list[tuple[str, str]]()
    for first, past in _spans(table):
        progress(f"{table.name} {first:%Y-%m-%d}")
        bounds = (time, sql.Literal(first), time, sql.Literal(past))
        with conn.cursor() as cursor:
            with (
                archive.open(member(table, len(pieces)), "w", force_zip64=True) as out,
                cursor.copy(query.format(table.names, table.place, *bounds)) as copy,
            ):
                for block in copy:
                    out.write(block)
            pieces.append((first.isoformat(), past.isoformat()))
    return msgspec.structs.replace(table, pieces=pieces)


def _spans(table: Table) -> Iterator[tuple[datetime, datetime]]:
    """Days of readings, weeks of roll-ups, from the first that has any to the last."""
    if not table.first:
        return
    step = timedelta(days=1 if table.time == "time" else 7)
    at = datetime.fromisoformat(table.first).replace(hour=0, minute=0, second=0, microsecond=0)
    while at <= datetime.fromisoformat(table.last):
        yield at, at + step
        at += step


def whole(archive: zipfile.ZipFile, name: str) -> bytes:
    """A small member of a backup (InputError when it would not fit into memory, BadZipFile when it is damaged)."""
    if (size := archive.getinfo(name).file_size) > MOST_BYTES:
        raise InputError(f"backup: {name} has {size} bytes where {MOST_BYTES} are the most, try another backup")
    return archive.read(name)


@contextmanager
def opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, Manifest]]:
    """A backup and its manifest.

    Raises
    ------
    InputError
        When it is no backup, or not a whole one, or of a kind this version does not know.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}, try the path of a backup") from error
    except zipfile.BadZipFile as error:
        raise InputError(f"{path}: not a whole backup ({error}), try another file") from error
    with archive:
        try:
            manifest = msgspec.json.decode(whole(archive, MANIFEST), type=Manifest)
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, msgspec.DecodeError) as error:
            raise InputError(f"{path}: not a whole backup ({error}), try another file") from error
        if manifest.format != FORMAT:
            raise InputError(f"{path}: a backup of kind {manifest.format}, try Lifeline {manifest.version} or newer")
        yield archive, manifest
