"""Readings, findings, alarms and incidents as CSV or Parquet, with a note beside them that says what the columns are.

Rows go from a server-side cursor to the file some at a time: an export of years needs no more memory than one of a day.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from city.errors import InputError, OutsideError
from store.connection import Connection, connect
from store.sheet import Column, Sheet, csv_sheet, parquet_sheet
from store.statements import statements

_SQL = statements("export")
KINDS = ("readings", "findings", "alarms", "incidents")
FORMATS = ("csv", "parquet")
NOTE = ".meta.json"
_ROWS = 20_000
_MOST = datetime(9999, 1, 1, tzinfo=UTC)
_LEAST = datetime(1, 1, 1, tzinfo=UTC)

Kind = Literal["readings", "findings", "alarms", "incidents"]
Format = Literal["csv", "parquet"]

# What the columns mean where their name does not say it all.
MEANING: Mapping[str, str] = {
    "time": "event time",
    "received_at": "arrival time",
    "value": "in the row's unit, calibrated",
    "unit": "of value, expected, low and high",
    "flag": "QARTOD: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing",
    "late": "came later than three intervals of its sensor, or was decided on late",
    "score": "as the detector defines it",
    "level": "highest now: none, blue, yellow, orange, red",
    "peak_level": "highest ever",
    "drill": "an exercise, or which one",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What to export: from `first` up to but not including `past`; all of it where None."""

    kind: Kind
    format: Format
    first: datetime | None = None
    past: datetime | None = None
    domain: str | None = None
    district: str | None = None
    sensors: tuple[str, ...] = ()


def export(
    dsn: str, wish: Wish, path: Path, *, at: datetime, progress: Callable[[int], None] = lambda _rows: None
) -> int:
    """Write what is wished to `path` and a note to `path.meta.json`; how many rows there were.

    Raises
    ------
    InputError
        When the file exists, a sensor, district or domain is unknown, or Parquet cannot be written here.
    OutsideError
        When database or disk refuse; nothing is left behind.
    """
    note, unfinished = path.with_name(path.name + NOTE), path.with_name(f".{path.name}.unfinished")
    if taken := [one for one in (path, note) if one.exists()]:
        raise InputError(f"{taken[0]}: exists already, try another name")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder, try one that exists")
    with connect(dsn, autocommit=True, application_name="lifeline export") as conn:
        conn.execute(_SQL["begin"])
        chosen = _chosen(conn, wish)
        columns = _columns(conn, wish, chosen)
        units = conn.execute(_SQL["units"]).fetchall()
        try:
            sheet = (csv_sheet if wish.format == "csv" else parquet_sheet)(unfinished, columns)
            rows = _write(sheet, _batches(conn, wish, chosen), progress)
            _keep(note, _said(wish, columns, units, rows, unfinished, at))
            unfinished.replace(path)
        except OSError as error:
            raise OutsideError(f"{path}: {error.strerror or error}; try a disk with more room") from error
        finally:
            unfinished.unlink(missing_ok=True)
            if not path.exists():
                note.unlink(missing_ok=True)
    return rows


def _write(sheet: Sheet, batches: Iterable[Sequence[tuple[Any, ...]]], progress: Callable[[int], None]) -> int:
    rows = 0
    with sheet:
        for batch in batches:
            sheet.write(batch)
            rows += len(batch)
            progress(rows)
    return rows


def _chosen(conn: Connection, wish: Wish) -> dict[str, Any]:
    """The wish as parameters (`sensors` None: all of them), once every name in it is known to exist."""
    known = conn.execute(_SQL["sensors"]).fetchall()
    _refuse_unknown("--sensor", wish.sensors, [sensor for sensor, _, _ in known])
    _refuse_unknown("--domain", [wish.domain] if wish.domain else [], {domain for _, domain, _ in known})
    districts = [district for (district,) in conn.execute(_SQL["districts"]).fetchall()]
    _refuse_unknown("--district", [wish.district] if wish.district else [], districts)
    chosen = [
        sensor
        for sensor, domain, district in known
        if wish.domain in (None, domain)
        and wish.district in (None, district)
        and (not wish.sensors or sensor in wish.sensors)
    ]
    everything = not (wish.sensors or wish.domain or wish.district)
    return {
        "sensors": None if everything else chosen, "named": bool(wish.sensors), "domain": wish.domain,
        "district": wish.district, "first": wish.first or _LEAST, "past": wish.past or _MOST,
    }  # fmt: skip


def _refuse_unknown(flag: str, named: Iterable[str], known: Iterable[str]) -> None:
    there = sorted(known)
    for name in named:
        if name not in there:
            near = difflib.get_close_matches(name, there, 1) or there[:5]
            raise InputError(f"{flag}: not known in this city, got {name!r}, try {', '.join(near) or 'another city'}")


def _columns(conn: Connection, wish: Wish, chosen: Mapping[str, Any]) -> list[Column]:
    nothing = {**chosen, "first": _MOST, "past": _MOST}
    described = conn.execute(_SQL[wish.kind], nothing).description or []
    return [Column(one.name, one.type_display, MEANING.get(one.name, "")) for one in described]


def _batches(conn: Connection, wish: Wish, chosen: Mapping[str, Any]) -> Iterator[list[tuple[Any, ...]]]:
    for first, past in _spans(conn, wish, chosen):
        with conn.cursor(f"lifeline_{wish.kind}", withhold=False) as cursor:
            cursor.execute(_SQL[wish.kind], {**chosen, "first": first, "past": past})
            while batch := cursor.fetchmany(_ROWS):
                yield batch


def _spans(conn: Connection, wish: Wish, chosen: Mapping[str, Any]) -> Iterator[tuple[datetime, datetime]]:
    """Readings a day at a time; the others are few."""
    first, past = chosen["first"], chosen["past"]
    if wish.kind != "readings":
        yield first, past
        return
    if wish.first is None or wish.past is None:
        row = conn.execute(_SQL["span"]).fetchone()
        if row is None or row[0] is None:
            return
        first, past = max(first, row[0]), min(past, row[1] + timedelta(microseconds=1))
    while first < past:
        following = (first + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        yield first, min(following, past)
        first = following


def _said(
    wish: Wish, columns: Sequence[Column], units: Sequence[tuple[str, str]], rows: int, file: Path, at: datetime
) -> dict[str, Any]:
    """The note: what the file is, what its columns mean, and a checksum."""
    with file.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    rules = {
        "times": "RFC 3339, UTC",
        "empty cell": "no value, or an empty text",
        "text": "a text that begins with = + - @ (also wide ones), a tab or a line end has a ' before it, so that no"
        " spreadsheet runs it; one that begins so behind ' marks has one more: take one away",
    }
    return {
        "kind": wish.kind, "format": wish.format, "made_at": at.isoformat(), "rows": rows, "sha256": digest,
        "from": wish.first.isoformat() if wish.first else None, "to": wish.past.isoformat() if wish.past else None,
        "domain": wish.domain, "district": wish.district, "sensors": list(wish.sensors),
        "columns": [{"name": c.name, "type": c.kind, "meaning": c.meaning} for c in columns],
        "units": [{"quantity": quantity, "unit": unit} for quantity, unit in units],
        **({"rules": rules} if wish.format == "csv" else {}),
    }  # fmt: skip


def _keep(path: Path, said: Mapping[str, Any]) -> None:
    with path.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(said)))
        file.flush()
        os.fsync(file.fileno())
