"""Readings and records for explanations: from the database, or readings from a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from city.clock import from_us, to_us
from city.errors import Fault, FaultyInput, InputError, OutsideError
from city.levels import Flag
from city.model import City
from city.reading import Sample
from city.units import UnitError, convert
from store.connection import Connection
from store.statements import statements

_SQL = statements("explain", package="rules")
_COLUMNS = ("sensor", "time", "value")
_OPTIONAL = ("unit", "flag", "received_at")


def from_database(conn: Connection, sensors: Sequence[str], begin_us: int, at_us: int) -> list[Sample]:
    """What sensors measured in a span (event time, microseconds), in the order of arrival."""
    given = {"sensors": list(sensors), "from": from_us(begin_us), "to": from_us(at_us)}
    rows = conn.execute(_SQL["readings"], given).fetchall()
    return [Sample(str(s), to_us(at), float(value), Flag(flag), to_us(came)) for s, at, value, flag, came in rows]


def recorded_events(
    conn: Connection, rule: str, scope: str, begin_us: int, at_us: int
) -> tuple[Mapping[str, Any], ...]:
    """What the running system recorded about the alarms of a rule on a scope."""
    given = {"rule": rule, "scope": scope, "from": from_us(begin_us), "to": from_us(at_us)}
    cursor = conn.execute(_SQL["events"], given)
    names = [column.name for column in cursor.description or ()]
    return tuple(
        {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in cursor.fetchall()
    )


def from_csv(path: Path, city: City, wanted: Sequence[str]) -> list[Sample]:
    """The readings of some sensors in a CSV file: sensor, time (RFC 3339), value; optional unit, flag, received_at.

    Raises
    ------
    FaultyInput
        With every row that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8, got byte {error.start}, try saving it as 'CSV UTF-8'") from error
    except OSError as error:
        raise OutsideError(f"{path}: {error.strerror}, try its permissions") from error
    table = csv.DictReader(io.StringIO(text))
    head = table.fieldnames or []
    missing = [name for name in _COLUMNS if name not in head]
    strange = [name for name in head if name not in (*_COLUMNS, *_OPTIONAL)]
    if missing or strange:
        raise FaultyInput([Fault(str(path), 1, 1, "wrong columns", ",".join(head), ",".join((*_COLUMNS, *_OPTIONAL)))])
    faults: list[Fault] = []
    found: list[Sample] = []
    for row in table:
        if row["sensor"] in wanted:
            try:
                found.append(_sample(row, city))
            except (ValueError, KeyError, UnitError) as error:
                faults.append(
                    Fault(str(path), table.line_num, 1, f"not a reading: {error}", hint="wl-1,2026-07-01T08:00:00Z,15")
                )
    if faults:
        raise FaultyInput(faults)
    return found


def _sample(row: Mapping[str, str | None], city: City) -> Sample:
    sensor = city.sensors[row["sensor"] or ""]
    at_us = to_us(datetime.fromisoformat(row["time"] or ""))
    came = row.get("received_at")
    value = convert(float(row["value"] or ""), row.get("unit") or sensor.unit, sensor.quantity.unit)
    flag = Flag(int(row.get("flag") or Flag.PASS))
    return Sample(sensor.id, at_us, value, flag, to_us(datetime.fromisoformat(came)) if came else at_us)
