"""Columns in PostgreSQL's binary formats, COPY and arrays: quick, because no row is ever a Python object."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg.postgres import types
from psycopg.types.string import BytesBinaryDumper

from city.reading import Readings
from store.connection import Connection

# PostgreSQL counts microseconds from 2000-01-01.
_EPOCH_2000_US = 946_684_800_000_000
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = -1


_FIELDS = [
    ("sensor_id", ">i4"),
    ("flag", ">i2"),
    ("time", ">i8"),
    ("value", ">f8"),
    ("received_at", ">i8"),
    ("raw", ">f8"),
]
_MARKED = [("tests", ">i2"), ("claimed_at", ">i8")]


@dataclass(frozen=True, slots=True)
class Marks:
    """What is kept beside readings that have it.

    Attributes
    ----------
    tests
        int16 (n,): tests of quality that said something of a reading, a bit each; 0 for none.
    claimed_us
        int64 (n,): the time that its gateway claimed, microseconds since 1970; its own time where that is it.
    """

    tests: NDArray[np.int16]
    claimed_us: NDArray[np.int64]

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Marks:
        """The rows that a mask or index array chooses."""
        return Marks(self.tests[which], self.claimed_us[which])

    def say_nothing(self, readings: Readings) -> bool:
        """Whether there is nothing to keep beside these readings."""
        return not self.tests.any() and np.array_equal(self.claimed_us, readings.time_us)


def copy_bytes(readings: Readings, rows: NDArray[np.int32] | None = None, marks: Marks | None = None) -> bytes:
    """The readings as one binary COPY of (sensor_id, flag, time, value, received_at, raw), in another order perhaps.

    `raw` becomes null where it equals the value (no calibration applied). With `marks` (tests, claimed_at) follow, null
    where there is nothing; `row` comes last when given.
    """
    columns: dict[str, NDArray[Any]] = {
        "sensor_id": readings.sensor_id,
        "flag": readings.flag,
        "time": readings.time_us - _EPOCH_2000_US,
        "value": readings.value,
        "received_at": readings.received_us - _EPOCH_2000_US,
        "raw": readings.raw,
    }
    fields, empty = list(_FIELDS), {"raw": readings.raw == readings.value}
    if marks is not None:
        columns |= {"tests": marks.tests, "claimed_at": marks.claimed_us - _EPOCH_2000_US}
        fields += _MARKED
        empty |= {"tests": marks.tests == 0, "claimed_at": marks.claimed_us == readings.time_us}
    if rows is not None:
        columns["row"] = rows
        fields.append(("row", ">i4"))
    if all(mask.all() or not mask.any() for mask in empty.values()):  # one kind of row, as mostly
        null = {name for name, mask in empty.items() if mask.all()}
        return b"".join((_HEADER, _block(columns, fields, null), _TRAILER))
    kinds = sum(mask.astype(np.uint8) << bit for bit, mask in enumerate(empty.values()))
    parts = [_HEADER]
    for kind in np.unique(kinds).tolist():
        these = np.flatnonzero(kinds == kind)
        null = {name for bit, name in enumerate(empty) if kind >> bit & 1}
        parts.append(_block({name: column[these] for name, column in columns.items()}, fields, null))
    return b"".join([*parts, _TRAILER])


def _block(columns: Mapping[str, NDArray[Any]], fields: list[tuple[str, str]], null: set[str]) -> bytes:
    spelled: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in fields:
        spelled.append((f"{name}_length", ">i4"))
        if name not in null:
            spelled.append((name, kind))
    block = np.empty(len(columns["flag"]), dtype=np.dtype(spelled))
    block["fields"] = len(fields)
    for name, kind in fields:
        if name in null:
            block[f"{name}_length"] = _NULL
        else:
            block[f"{name}_length"] = np.dtype(kind).itemsize
            block[name] = columns[name]
    return block.tobytes()


def literal(numbers: Iterable[object]) -> str:
    """Numbers as an array that PostgreSQL reads in text; psycopg takes five times as long for a list."""
    return "{" + ",".join(["NULL" if one is None else repr(one) for one in numbers]) + "}"


class Integers(bytes):
    """An array of `integer` as PostgreSQL reads it in binary: see `integers`."""


class Moments(bytes):
    """An array of `timestamptz` as PostgreSQL reads it in binary: see `moments`."""


class _IntegersDumper(BytesBinaryDumper):
    oid = types["int4"].array_oid


class _MomentsDumper(BytesBinaryDumper):
    oid = types["timestamptz"].array_oid


def integers(column: NDArray[Any]) -> Integers:
    """A column as a parameter; psycopg's lists take fifty times as long."""
    return Integers(_array_bytes(column, "int4", ">i4"))


def moments(time_us: NDArray[np.int64]) -> Moments:
    """Times (µs since 1970) as a parameter."""
    return Moments(_array_bytes(time_us - _EPOCH_2000_US, "timestamptz", ">i8"))


def understand(conn: Connection) -> None:
    """Let a connection take such columns as parameters."""
    conn.adapters.register_dumper(Integers, _IntegersDumper)
    conn.adapters.register_dumper(Moments, _MomentsDumper)


def _array_bytes(column: NDArray[Any], name: str, kind: str) -> bytes:
    elements = np.empty(len(column), dtype=[("length", ">i4"), ("value", kind)])
    elements["length"], elements["value"] = np.dtype(kind).itemsize, column
    return struct.pack("!5i", 1, 0, types[name].oid, len(column), 1) + elements.tobytes()


def array_of(sent: bytes | None, kind: str) -> NDArray[Any]:
    """A PostgreSQL array (binary, of one dimension, without nulls) as a NumPy one of `kind`, such as `>f8`."""
    elements = np.dtype([("length", ">i4"), ("value", kind)])
    header = 20 if sent and len(sent) > 12 else 12  # an empty one has no dimension
    return np.frombuffer(sent or bytes(12), dtype=elements, offset=header)["value"]
