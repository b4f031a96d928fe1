"""What Grafana does to a PostgreSQL query and to its rows, as pure functions.

With these, a test runs every query of every dashboard on a real database and knows what the panel would get, without a
Grafana. Rules as of Grafana 11.6 to 13: variables first (in the browser), then `$__interval`, then the macros.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

from city.clock import to_us

Kind = Literal["time", "number", "boolean", "other", "text"]

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]|\$(\w+)")
_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("int2", "int4", "int8", "float4", "float8", "numeric"), "number"),
    **dict.fromkeys(("timestamp", "timestamptz", "date"), "time"),
    **dict.fromkeys(("json", "jsonb"), "other"),
    "bool": "boolean",
}


class ProofError(Exception):
    """Grafana would show an error instead of the panel."""


@dataclass(frozen=True, slots=True)
class Range:
    """The dashboard's time range and the interval Grafana would choose for it (seconds, at least 1)."""

    first: datetime
    last: datetime
    interval_s: int = 60


def expand(sql: str, span: Range, variables: Mapping[str, Sequence[str]], *, timescaledb: bool = False) -> str:
    """The SQL that reaches the database (ProofError for an unknown variable, format or macro)."""
    sql = _VARIABLE.sub(lambda match: _variable(match, variables), sql)
    for name, value in (
        ("$__interval_ms", str(span.interval_s * 1000)),
        ("$__interval", f"{span.interval_s}s"),
        ("$__unixEpochFrom()", str(to_us(span.first) // 1_000_000)),
        ("$__unixEpochTo()", str(to_us(span.last) // 1_000_000)),
    ):
        sql = sql.replace(name, value)
    return _MACRO.sub(lambda match: _macro(match[1], match[2], span, timescaledb=timescaledb), sql)


def _variable(match: re.Match[str], variables: Mapping[str, Sequence[str]]) -> str:
    name, spelled = match[1] or match[3] or match[5], match[2] or match[4] or ""
    if name.startswith("__"):
        return match[0]
    if name not in variables:
        raise ProofError(f"unknown variable {match[0]}")
    if spelled == "sqlstring":
        return ",".join("'" + value.replace("'", "''") + "'" for value in variables[name])
    if spelled == "raw":
        return ",".join(variables[name])
    raise ProofError(f"{match[0]}: how it is quoted depends on Grafana's version, write ${{{name}:sqlstring}}")


def _macro(name: str, inside: str, span: Range, *, timescaledb: bool) -> str:
    args = [arg.strip() for arg in inside.split(",")] if inside.strip() else []
    if any("(" in arg for arg in args):
        raise ProofError(f"${name}({inside}): Grafana ends the arguments at the first closing parenthesis")
    first, last = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (span.first, span.last))
    match name, args:
        case "__time", [column]:
            return f'{column} AS "time"'
        case "__timeEpoch", [column]:
            return f'extract(epoch from {column}) as "time"'
        case "__timeFilter", [column]:
            return f"{column} BETWEEN '{first}' AND '{last}'"
        case "__timeFrom", []:
            return f"'{first}'"
        case "__timeTo", []:
            return f"'{last}'"
        case "__timeGroup", [column, every, *_]:
            return _group(column, every, timescaledb=timescaledb)
        case "__timeGroupAlias", [column, every, *_]:
            return _group(column, every, timescaledb=timescaledb) + ' AS "time"'
    raise ProofError(f"unknown macro or wrong number of arguments: ${name}({inside})")


def _group(column: str, every: str, *, timescaledb: bool) -> str:
    seconds = interval_s(every)
    if timescaledb:
        return f"time_bucket('{seconds:.3f}s',{column})"
    return f"floor(extract(epoch from {column})/{seconds:g})*{seconds:g}"


def interval_s(text: str) -> float:
    """Seconds of a Go duration such as `90s` or `'1h30m'` (ProofError when it is none)."""
    bare = text.strip("'\"")
    parts = _DURATION.findall(bare)
    if not parts or "".join(number + unit for number, unit in parts) != bare:
        raise ProofError(f"not an interval: {text}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


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


def frame(columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Any]], shape: str) -> Frame:
    """The frame of (column, type) and rows in format `table` or `time_series` (ProofError when Grafana refuses it)."""
    kinds: dict[str, Kind] = {}
    for name, type_name in columns:
        if name in kinds:
            raise ProofError(f"two columns are called {name!r}")
        kinds[name] = kind_of(type_name)
    made = Frame(kinds, rows)
    if shape == "time_series":
        _check_series(made)
    return made


def _check_series(made: Frame) -> None:
    kind = made.kinds.get("time")
    if kind not in ("time", "number"):
        raise ProofError(f"time_series needs a column named time, got {', '.join(made.kinds)}")
    if "other" in made.kinds.values() or "number" not in [k for n, k in made.kinds.items() if n != "time"]:
        raise ProofError("time_series needs a number beside time, and no json")
    times = made.column("time")
    if any(moment is None for moment in times):
        raise ProofError("time is null in some rows")
    if any(later < earlier for earlier, later in pairwise(times)):
        raise ProofError("long series must be sorted ascending")


def to_wide(made: Frame) -> dict[str, dict[Any, float | None]]:
    """Series of a `time, metric, value` frame: name to time to value; NULL where another series has a row alone."""
    times = sorted(set(made.column("time")))
    wide: dict[str, dict[Any, float | None]] = {}
    for at, metric, value in made.rows:
        wide.setdefault(metric, dict.fromkeys(times))[at] = value
    return wide
