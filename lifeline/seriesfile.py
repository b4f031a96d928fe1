"""Recorded series: CSV files of anybody's as rows in time, with everything that is wrong with them by line and column.

A file is read once, in chunks: ten million rows need no more memory than ten thousand. Each row of the file is one row
here, in the file's order, also when it cannot be used: `why` then says why.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Final, cast
from zoneinfo import ZoneInfo

from city.clock import EPOCH, to_us
from city.errors import Fault, FaultyInput, OutsideError
from city.levels import Flag
from city.quantity import QUANTITIES
from city.textlines import bounded_lines

MISSING: Final = frozenset({"", "nan", "null", "none", "na", "n/a", "-", "-9999", "-9999.0", "-99999", "-99999.0"})
TIMES: Final = ("time", "timestamp", "datetime", "date_time", "date time", "date", "ts", "epoch", "when")
NOT_NEWER: Final = "not newer than the row before"
_NO_OFFSET: Final = "a time without its offset"
_CHUNK = 16_384  # rows
_TOLD = 20  # places of each kind of mistake that are remembered
_NUMBER = re.compile(r"\d+(\.\d*)?")
_DAY = re.compile(r"(19|20)\d{6}")  # 20190131 is a day, not seconds since 1970
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Layout:
    """What the columns of a file are.

    Attributes
    ----------
    quantity
        Of the value; one nobody knows has no range.
    time_column, value_column
        Empty: found by their names.
    context
        Columns of neighbours.
    zone
        Of times written without an offset, and of the wall clock; None: such times are refused, the clock is theirs.
    scale, offset
        Canonical value = value * scale + offset.
    missing
        What stands for no value, in lower case.
    """

    quantity: str
    time_column: str = ""
    value_column: str = ""
    context: tuple[str, ...] = ()
    zone: ZoneInfo | None = None
    scale: float = 1.0
    offset: float = 0.0
    missing: frozenset[str] = MISSING


@dataclass(slots=True)
class Chunk:
    """Some rows; `time_us` is 0 and meaningless where `timed` is false (the row's time is no use)."""

    time_text: list[str] = field(default_factory=list)
    timed: list[bool] = field(default_factory=list)
    time_us: list[int] = field(default_factory=list)
    local_us: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    flag: list[int] = field(default_factory=list)
    context: list[tuple[float, ...]] = field(default_factory=list)
    why: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Troubles:
    """What was wrong with rows: how often each kind, and the first places of each."""

    counts: Counter[str] = field(default_factory=Counter)
    places: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Count a fault; keep it if it is among the first of its kind."""
        self.counts[fault.what] += 1
        if self.counts[fault.what] <= _TOLD:
            self.places.append(fault)


class _Unreadable(Exception):
    """A cell that cannot be read: what is wrong, and what to try."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


class SeriesFile:
    """One file, opened: iterate over `chunks`.

    Parameters
    ----------
    path
        CSV with a header line, also `.gz`; commas, semicolons or tabs.
    layout
        What its columns are.

    Raises
    ------
    FaultyInput
        Columns that are not there, all at once; or times without an offset and no zone for them.
    OutsideError
        The file cannot be opened, or breaks off.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path, self.layout = path, layout
        self.troubles = Troubles()
        self.bytes_read = 0
        self._last_us: int | None = None
        self._per_s: int | None = None  # units of an epoch number in a second, once the first was seen
        known = QUANTITIES.get(layout.quantity)
        self._range = (known.hard_min, known.hard_max) if known else (-math.inf, math.inf)

    def chunks(self) -> Iterator[Chunk]:
        """The rows of the file."""
        try:
            with ExitStack() as stack:
                raw = stack.enter_context(self.path.open("rb"))
                plain = stack.enter_context(gzip.open(raw)) if self.path.suffix == ".gz" else raw
                text = io.TextIOWrapper(cast(IO[bytes], plain), encoding="utf-8-sig", errors="replace", newline="")
                lines = bounded_lines(text, str(self.path))
                head = next(lines, "")
                reader = csv.reader(lines, delimiter=_delimiter(head))
                columns = self._columns(next(csv.reader([head], delimiter=_delimiter(head)), []))
                chunk = Chunk()
                for cells in reader:
                    if cells:
                        self._row(chunk, reader.line_num + 1, cells, columns)
                    if len(chunk.why) == _CHUNK:
                        self.bytes_read = raw.tell()
                        yield chunk
                        chunk = Chunk()
                self.bytes_read = raw.tell()
                yield chunk
        except (OSError, EOFError, zlib.error, csv.Error) as error:
            raise OutsideError(f"{self.path}: {error}, try copying the file again") from error

    def _columns(self, header: Sequence[str]) -> _Columns:
        names = [name.strip() for name in header]
        lower = [name.lower() for name in names]
        layout, faults = self.layout, list[Fault]()

        def place(named: str, what: str, flag: str) -> int:
            if named in names:
                return names.index(named)
            hint = f"{flag} with one of {', '.join(names)}" if names else "a file with a header line"
            faults.append(Fault(str(self.path), 1, 1, f"no column for {what}", repr(named) if named else "", hint))
            return -1

        found = next((names[lower.index(name)] for name in TIMES if name in lower), "")
        time = place(layout.time_column or found, "the time", "--time-column")
        around = tuple(place(name, "a neighbour", "--context") for name in layout.context)
        left = [name for at, name in enumerate(names) if at not in (time, *around)]
        usual = next((names[lower.index(name)] for name in (layout.quantity, "value") if name in lower), "")
        value = place(
            layout.value_column or usual or (left[0] if len(left) == 1 else ""), "the value", "--value-column"
        )
        if faults:
            raise FaultyInput(faults)
        return _Columns(len(names), time, value, around)

    def _row(self, chunk: Chunk, line: int, cells: Sequence[str], columns: _Columns) -> None:
        if len(cells) != columns.count:
            what = "a row with another number of cells than the header"
            self.troubles.add(Fault(str(self.path), line, 1, what, str(len(cells)), f"{columns.count} cells"))
            _append(chunk, cells[columns.time] if len(cells) > columns.time else "", None, what)
            return
        text = cells[columns.time].strip()
        try:
            moment = self._moment(text)
        except _Unreadable as error:
            fault = Fault(str(self.path), line, columns.time + 1, error.what, repr(text), error.hint)
            if error.what == _NO_OFFSET and self._last_us is None:
                raise FaultyInput([fault]) from None  # no use going on: the whole file is written so
            self.troubles.add(fault)
            _append(chunk, text, None, error.what)
            return
        if self._last_us is not None and moment[0] <= self._last_us:
            what = NOT_NEWER if moment[0] < self._last_us else "the same time as the row before"
            self.troubles.add(Fault(str(self.path), line, columns.time + 1, what, repr(text), "sorting the file"))
            _append(chunk, text, None, what)
            return
        self._last_us = moment[0]
        value, flag, why = self._value(line, columns.value, cells[columns.value])
        _append(chunk, text, moment, why, value, flag, tuple(self._number(cells[at]) for at in columns.context))

    def _value(self, line: int, column: int, text: str) -> tuple[float, Flag, str]:
        text = text.strip()
        if text.lower() in self.layout.missing:
            return math.nan, Flag.MISSING, "no value"
        value = self._number(text) * self.layout.scale + self.layout.offset
        if math.isfinite(value) and self._range[0] <= value <= self._range[1]:
            return value, Flag.PASS, ""
        what = "beyond what such a sensor can report" if math.isfinite(value) else "a value that is no number"
        hint = "the right --unit, or --missing" if math.isfinite(value) else "a decimal point, or --missing"
        self.troubles.add(Fault(str(self.path), line, column + 1, what, repr(text), hint))
        return value, Flag.FAIL, what

    def _number(self, text: str) -> float:
        try:
            return math.nan if text.strip().lower() in self.layout.missing else float(text)
        except ValueError:
            return math.nan

    def _moment(self, text: str) -> tuple[int, int]:
        """Microseconds since 1970, and the same as the wall clock shows it."""
        if _NUMBER.fullmatch(text) and not _DAY.fullmatch(text):
            return self._epoch(float(text))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise _Unreadable("a time that cannot be read", "2026-07-01T00:00:00Z, or seconds since 1970") from None
        zone = self.layout.zone
        if moment.tzinfo is None:
            if zone is None:
                raise _Unreadable(_NO_OFFSET, "--timezone Asia/Shanghai")
            moment = self._local(moment, zone)
        shown = moment if zone is None else moment.astimezone(zone)
        return to_us(moment), (shown.replace(tzinfo=None) - EPOCH.replace(tzinfo=None)) // _MICROSECOND

    def _local(self, moment: datetime, zone: ZoneInfo) -> datetime:
        first = moment.replace(tzinfo=zone)
        if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
            raise _Unreadable("a local time that does not exist", "UTC, or another --timezone")
        second = moment.replace(tzinfo=zone, fold=1)
        repeated = self._last_us is not None and to_us(first) <= self._last_us < to_us(second)
        return second if repeated else first  # the hour that comes twice: the second time once the first has passed

    def _epoch(self, number: float) -> tuple[int, int]:
        if self._per_s is None:
            self._per_s = 1_000_000 if number >= 1e14 else 1000 if number >= 1e11 else 1
        moment_us = round(number * (1_000_000 // self._per_s))
        if self.layout.zone is None:
            return moment_us, moment_us
        shift = (EPOCH + timedelta(microseconds=moment_us)).astimezone(self.layout.zone).utcoffset() or timedelta()
        return moment_us, moment_us + shift // _MICROSECOND


@dataclass(frozen=True, slots=True)
class _Columns:
    count: int
    time: int
    value: int
    context: tuple[int, ...]


def _append(
    chunk: Chunk,
    text: str,
    moment: tuple[int, int] | None,
    why: str,
    value: float = math.nan,
    flag: Flag = Flag.MISSING,
    context: tuple[float, ...] = (),
) -> None:
    chunk.time_text.append(text)
    chunk.timed.append(moment is not None)
    time_us, local_us = moment or (0, 0)
    chunk.time_us.append(time_us)
    chunk.local_us.append(local_us)
    chunk.value.append(value)
    chunk.flag.append(flag)
    chunk.context.append(context)
    chunk.why.append(why)


def _delimiter(head: str) -> str:
    return max(",;\t", key=head.count)
