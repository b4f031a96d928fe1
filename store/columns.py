"""Readings as PostgreSQL's binary COPY format, built column by column: fast because no row is ever a Python object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from city.reading import Readings

# PostgreSQL counts microseconds from 2000-01-01.
_EPOCH_2000_US = 946_684_800_000_000
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = -1


def _row_type(fields: list[tuple[str, str]], null_raw: bool) -> np.dtype[np.void]:
    spelled: list[tuple[str, str]] = [("fields", ">i2")]
    for name, kind in fields:
        spelled.append((f"{name}_length", ">i4"))
        if not (name == "raw" and null_raw):
            spelled.append((name, kind))
    return np.dtype(spelled)


_FIELDS = [
    ("sensor_id", ">i4"),
    ("flag", ">i2"),
    ("time", ">i8"),
    ("value", ">f8"),
    ("received_at", ">i8"),
    ("raw", ">f8"),
]


def copy_bytes(readings: Readings, rows: NDArray[np.int32] | None = None) -> bytes:
    """The readings as one binary COPY of (sensor_id, flag, time, value, received_at, raw), plus `row` when given.

    `raw` becomes null where it equals the value (no calibration applied). Rows may come out in another order.
    """
    calibrated = readings.raw != readings.value
    parts = [_HEADER]
    for mask, null_raw in ((~calibrated, True), (calibrated, False)):
        if mask.any():
            parts.append(_block(readings.take(mask), None if rows is None else rows[mask], null_raw=null_raw))
    return b"".join([*parts, _TRAILER])


def _block(readings: Readings, rows: NDArray[np.int32] | None, *, null_raw: bool) -> bytes:
    columns: dict[str, NDArray[np.int32 | np.int64 | np.float64 | np.uint8]] = {
        "sensor_id": readings.sensor_id,
        "flag": readings.flag,
        "time": readings.time_us - _EPOCH_2000_US,
        "value": readings.value,
        "received_at": readings.received_us - _EPOCH_2000_US,
        "raw": readings.raw,
    }
    fields = _FIELDS
    if rows is not None:
        columns["row"], fields = rows, [*_FIELDS, ("row", ">i4")]
    block = np.empty(len(readings), dtype=_row_type(fields, null_raw))
    block["fields"] = len(fields)
    for name, kind in fields:
        if name == "raw" and null_raw:
            block["raw_length"] = _NULL
        else:
            block[f"{name}_length"] = np.dtype(kind).itemsize
            block[name] = columns[name]
    return block.tobytes()
