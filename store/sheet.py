"""Rows into a file: CSV that no spreadsheet runs, or Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from city.errors import InputError

# A cell that begins so is a formula to a spreadsheet, the wide ones where people write Chinese or Japanese.
RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@dataclass(frozen=True, slots=True)
class Column:
    """A column's name, PostgreSQL type, and meaning (empty when the name says it)."""

    name: str
    kind: str
    meaning: str = ""


class Sheet(Protocol):
    """A file of rows, open for writing; whole on disk when the block ends."""

    def __enter__(self) -> Self:
        """The sheet itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file, flushed to the disk."""
        ...

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Append rows."""
        ...


def safe(cell: object) -> object:
    """A cell as CSV: RFC 3339 times, text no spreadsheet takes for a formula, true and false; numbers as they are."""
    if isinstance(cell, str):
        # One that has such a mark of its own gets another: taking one away always gives back what was there.
        return f"'{cell}" if cell.lstrip("'").startswith(RUN) else cell
    if isinstance(cell, datetime):
        return cell.isoformat().replace("+00:00", "Z")
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell


class _Csv:
    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")
        self._out = csv.writer(self._file, lineterminator="\r\n")
        self._out.writerow(column.name for column in columns)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        finally:
            self._file.close()

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._out.writerows([safe(cell) for cell in row] for row in rows)


class _Parquet:
    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise InputError(
                "--format parquet: needs pyarrow, try pip install 'urban-lifeline[parquet]', or --format csv"
            ) from error
        kinds = {
            "timestamptz": pa.timestamp("us", tz="UTC"), "float8": pa.float64(), "int2": pa.int16(),
            "int4": pa.int32(), "int8": pa.int64(), "bool": pa.bool_(),
        }  # fmt: skip
        fields = [
            pa.field(c.name, kinds.get(c.kind, pa.string()), metadata={"meaning": c.meaning} if c.meaning else None)
            for c in columns
        ]
        self._schema = pa.schema(fields)
        self._batch = pa.RecordBatch.from_arrays
        self._array = pa.array
        self._out = pq.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()

    def write(self, rows: Sequence[tuple[Any, ...]]) -> None:
        columns = zip(*rows, strict=True)
        arrays = [self._array(column, type=field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._out.write_batch(self._batch(arrays, schema=self._schema))


def csv_sheet(path: Path, columns: Sequence[Column]) -> Sheet:
    """A CSV file (RFC 4180, UTF-8) with a header row."""
    return _Csv(path, columns)


def parquet_sheet(path: Path, columns: Sequence[Column]) -> Sheet:
    """A Parquet file, compressed (InputError where pyarrow is not installed)."""
    return _Parquet(path, columns)
