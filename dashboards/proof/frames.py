"""What Grafana makes of the rows that came back."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

from city.clock import to_us
from dashboards.proof.macros import Fill, Range
from dashboards.proof.variables import ProofError

Kind = Literal["time", "number", "boolean", "other", "text"]
Wide = dict[str, dict[datetime, float | None]]

ROW_LIMIT = 1_000_000  # Grafana cuts there and says so
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("int2", "int4", "int8", "float4", "float8", "numeric"), "number"),
    **dict.fromkeys(("timestamp", "timestamptz", "date"), "time"),
    **dict.fromkeys(("json", "jsonb"), "other"),
    "bool": "boolean",
}


def kind_of(type_name: str) -> Kind:
    """What kind of field a column of this PostgreSQL type becomes; whatever Grafana does not know is text."""
    return _KINDS.get(type_name, "text")


@dataclass(frozen=True, slots=True)
class Frame:
    """A panel's data: column name to kind, and the rows."""

    kinds: Mapping[str, Kind]
    rows: Sequence[Sequence[Any]]

    def column(self, name: str) -> list[Any]:
        """One column's values."""
        place = list(self.kinds).index(name)
        return [row[place] for row in self.rows]

    def dicts(self) -> Iterator[dict[str, Any]]:
        """Each row by its columns' names."""
        return (dict(zip(self.kinds, row, strict=True)) for row in self.rows)


def frame(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], shape: str) -> Frame:
    """The frame of (column, type) and rows in format `table` or `time_series` (ProofError when Grafana refuses it)."""
    if shape not in ("table", "time_series"):
        raise ProofError(f"no format of a query: {shape!r}")
    if len(rows) > ROW_LIMIT:
        raise ProofError(f"Grafana cuts after {ROW_LIMIT} rows")
    kinds: dict[str, Kind] = {}
    for name, type_name in columns:
        if name in kinds:
            raise ProofError(f"two columns are called {name!r}")
        kinds[name] = kind_of(type_name)
    made = _with_times(Frame(kinds, rows), ("time",) if shape == "time_series" else ("time", "timeend"))
    if shape == "time_series":
        _check_series(made)
    return made


def _with_times(made: Frame, names: Sequence[str]) -> Frame:
    """The frame with numbers in columns that Grafana reads as times turned into times (ProofError for text there)."""
    kinds: dict[str, Kind] = dict(made.kinds)
    rows: Sequence[Sequence[Any]] = made.rows
    for place, (name, kind) in enumerate(made.kinds.items()):
        if name not in names or kind == "time":
            continue
        if kind != "number":
            raise ProofError(f"column {name} is {kind}: neither a time nor a number")
        kinds[name] = "time"
        rows = [[*row[:place], _moment(row[place]), *row[place + 1 :]] for row in rows]
    return Frame(kinds, rows)


def _moment(number: float | None) -> datetime | None:
    """A time that came as a number, read by its size: seconds, milliseconds or nanoseconds since 1970."""
    if number is None:
        return None
    exponent = len(str(abs(int(number)))) - 1
    unit_us = 1_000_000 if exponent <= 9 else 0.001 if exponent >= 18 else 1000
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=float(number) * unit_us)


def _check_series(made: Frame) -> None:
    if "time" not in made.kinds:
        raise ProofError(f"time_series needs a column named time, got {', '.join(made.kinds)}")
    others = [kind for name, kind in made.kinds.items() if name != "time"]
    if {"other", "time"} & set(others) or "number" not in others:
        raise ProofError("time_series needs a number beside time, no second time and no json")
    times = made.column("time")
    if any(moment is None for moment in times):
        raise ProofError("time is null in some rows")
    if any(later < earlier for earlier, later in pairwise(times)):
        raise ProofError("long series must be sorted ascending")


def to_wide(made: Frame, fill: Fill | None = None, span: Range | None = None) -> Wide:
    """Series of a `time_series` frame: name to time to value.

    NULL stands where another series has a row alone, unless `fill` says otherwise; of two rows of one series at one
    time the last wins. With `fill` and `span` every series has a value each `fill.step_s` of the range.
    """
    labels = [name for name, kind in made.kinds.items() if kind == "text"]
    numbers = [name for name, kind in made.kinds.items() if name != "time" and kind != "text"]
    times = sorted(set(made.column("time")))
    wide: Wide = {}
    for row in made.dicts():
        for column in numbers:
            name = _series_name(column, {label: row[label] or "" for label in labels}, len(made.kinds))
            value = row[column]
            wide.setdefault(name, {})[row["time"]] = None if value is None else float(value)
    if labels:
        wide = {name: _gaps(series, times, fill) for name, series in wide.items()}
    if fill is None or span is None:
        return wide
    return {name: _resampled(series, fill, span) for name, series in wide.items()}


def _series_name(column: str, labels: Mapping[str, str], columns: int) -> str:
    if not labels:
        return column
    if columns == 3 and "metric" in labels:
        return labels["metric"]
    if len(labels) == 1:
        return f"{column} {next(iter(labels.values()))}"
    each = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    return f"{column} {{{each}}}"


def _gaps(
    series: Mapping[datetime, float | None], times: Sequence[datetime], fill: Fill | None
) -> dict[datetime, float | None]:
    """One value for each time of all series."""
    found: dict[datetime, float | None] = {}
    before: float | None = None
    for at in times:
        before = found[at] = series[at] if at in series else _filling(fill, before)
    return found


def _filling(fill: Fill | None, before: float | None) -> float | None:
    if fill is None or fill.value == "null":
        return None
    return before if fill.value == "previous" else float(fill.value)


def _resampled(series: Mapping[datetime, float | None], fill: Fill, span: Range) -> dict[datetime, float | None]:
    """The newest value of each step that ends at its time; steps without any get the filling."""
    times = sorted(series)
    step = timedelta(seconds=fill.step_s)
    whole_s = int(fill.step_s)
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=to_us(span.first) // 1_000_000 // whole_s * whole_s)
    found: dict[datetime, float | None] = {}
    while at <= span.last:
        place = bisect_right(times, at) - 1
        newest = series[times[place]] if place >= 0 else None
        fresh = place >= 0 and times[place] > at - step
        found[at] = newest if fresh else _filling(fill, newest)
        at += step
    return found
