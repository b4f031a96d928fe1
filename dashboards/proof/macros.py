"""What Grafana's PostgreSQL data source does to a query before the database sees it."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from city.clock import to_us
from dashboards.proof.variables import VARIABLE, ProofError, Values, formatted

_MACRO = re.compile(r"\$([_a-zA-Z0-9]+)\(([^)]*)\)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|[smh])")
_CALENDAR = re.compile(r"(\d+)([dwMy])")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DAY_S = 86_400
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(\$(?:[A-Za-z_]\w*)?\$).*?\1|(--[^\n]*|/\*.*?\*/)", re.DOTALL)
# The browser's steps: below the first number of ms the interval is the second.
_STEPS: Final = (
    (10, 1), (15, 10), (35, 20), (75, 50), (150, 100), (350, 200), (750, 500), (1500, 1000), (3500, 2000),
    (7500, 5000), (12_500, 10_000), (17_500, 15_000), (25_000, 20_000), (45_000, 30_000), (90_000, 60_000),
    (210_000, 120_000), (450_000, 300_000), (750_000, 600_000), (1_050_000, 900_000), (1_500_000, 1_200_000),
    (2_700_000, 1_800_000), (5_400_000, 3_600_000), (9_000_000, 7_200_000), (16_200_000, 10_800_000),
    (32_400_000, 21_600_000), (86_400_000, 43_200_000), (604_800_000, 86_400_000), (1_814_400_000, 604_800_000),
    (3_628_800_000, 2_592_000_000),
)  # fmt: skip
_YEAR_MS = 31_536_000_000


@dataclass(frozen=True, slots=True)
class Range:
    """The dashboard's time range and the interval Grafana would choose for it (seconds, above 0)."""

    first: datetime
    last: datetime
    interval_s: float = 60

    @classmethod
    def of(cls, first: datetime, last: datetime, points: int = 1000, least_s: float = 10) -> Range:
        """The range with the browser's interval for a panel `points` wide, at least `least_s`."""
        span_ms = (last - first) / timedelta(milliseconds=1)
        return cls(first, last, max(rounded_ms(span_ms / points), least_s * 1000) / 1000)


@dataclass(frozen=True, slots=True)
class Fill:
    """What a macro asked to put into gaps of a time series, every `step_s`: `null`, `previous` or a number."""

    step_s: float
    value: float | str


@dataclass(frozen=True, slots=True)
class Sent:
    """The SQL that reaches the database, and what then fills the gaps."""

    sql: str
    fill: Fill | None = None


def expand(sql: str, span: Range, values: Values, *, timescaledb: bool = False) -> str:
    """The SQL that reaches the database; errors as `send`."""
    return send(sql, span, values, timescaledb=timescaledb).sql


def send(sql: str, span: Range, values: Values, *, timescaledb: bool = False) -> Sent:
    """What Grafana makes of a query.

    Raises
    ------
    ProofError
        For an unknown variable or macro, and for whatever means different things on different versions of Grafana.
    """
    sql = VARIABLE.sub(lambda match: _variable(match, span, values), sql)
    for name, value in (
        ("$__interval_ms", f"{span.interval_s * 1000:.0f}"),
        ("$__interval", interval_text(span.interval_s)),
        ("$__unixEpochFrom()", str(_epoch_s(span.first))),
        ("$__unixEpochTo()", str(_epoch_s(span.last))),
    ):
        sql = sql.replace(name, value)
    sql = without_comments(sql)
    fills: list[Fill] = []
    made = _MACRO.sub(lambda match: _macro(match, span, fills, timescaledb=timescaledb), sql)
    return Sent(made, fills[-1] if fills else None)


def without_comments(sql: str) -> str:
    """The SQL without its comments, as Grafana 13 does it (ProofError for a macro in one: older versions expand it)."""

    def replace(match: re.Match[str]) -> str:
        if match[2] is None:
            return match[0]
        if "$" in match[2]:
            raise ProofError(f"{match[2]}: older versions expand macros inside comments too")
        return ""

    return _QUOTED.sub(replace, sql)


def rounded_ms(interval_ms: float) -> int:
    """The browser's round number near an interval."""
    return next((step for below, step in _STEPS if interval_ms < below), _YEAR_MS)


def interval_text(interval_s: float) -> str:
    """`$__interval`: the largest unit that fits, truncated (90 s is `1m`)."""
    for unit, size in (("y", 365 * _DAY_S), ("d", _DAY_S), ("h", 3600), ("m", 60), ("s", 1), ("ms", 0.001)):
        if interval_s >= size:
            return f"{int(interval_s / size + 1e-9)}{unit}"
    return "1ms"


def interval_s(text: str, now: datetime | None = None) -> float:
    """Seconds of a Go duration such as `90s` or `'1h30m'`, or of days, weeks, months and years of the calendar.

    Months and years are counted from `now`. Raises ProofError when it is none.
    """
    bare = text.strip("'")
    if one := _CALENDAR.fullmatch(bare):
        return _calendar_s(int(one[1]), one[2], now)
    parts = _DURATION.findall(bare)
    if not parts or "".join(number + unit for number, unit in parts) != bare:
        raise ProofError(f"not an interval: {text}")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def _calendar_s(count: int, unit: str, now: datetime | None) -> float:
    if unit in "dw":
        return count * (_DAY_S if unit == "d" else 7 * _DAY_S)
    if now is None:
        raise ProofError(f"{count}{unit}: months and years have no length without a date")
    months = now.month - 1 + count * (12 if unit == "y" else 1)
    year, month = now.year + months // 12, months % 12 + 1
    over = max(0, now.day - calendar.monthrange(year, month)[1])  # 31 January and a month is 3 March
    later = now.replace(year=year, month=month, day=now.day - over) + timedelta(days=over)
    return (later - now).total_seconds()


def _variable(match: re.Match[str], span: Range, values: Values) -> str:
    name, path, spelled = match[1] or match[2] or match[4], match[5], match[3] or match[6] or ""
    if name in ("__from", "__to"):
        moment = span.first if name == "__from" else span.last
        return formatted(name, str(to_us(moment) // 1000), spelled or "raw")
    if name.startswith("__"):
        return match[0]  # the server's part
    if name not in values or path:
        raise ProofError(f"unknown variable {match[0]}")
    if spelled == "raw":
        return formatted(name, values[name], spelled)
    if spelled != "sqlstring":
        raise ProofError(f"{match[0]}: how it is quoted depends on Grafana's version, write ${{{name}:sqlstring}}")
    made = formatted(name, values[name], spelled)
    if '"' in made:
        raise ProofError(f'{match[0]}: newer versions turn " into \\", got {made}')
    return made


def _epoch_s(moment: datetime) -> int:
    return to_us(moment) // 1_000_000


def _rfc3339(moment: datetime) -> str:
    at = moment.astimezone(UTC)
    fraction = f".{at.microsecond:06d}".rstrip("0") if at.microsecond else ""
    return f"{at:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _go(number: float) -> str:
    """A number as Go's %v writes it: shortest, with an exponent from a million on."""
    exact = Decimal(repr(number)).normalize()
    if -4 <= exact.adjusted() < 6:
        return f"{exact:f}"
    return f"{exact.scaleb(-exact.adjusted()).normalize():f}e{exact.adjusted():+03d}"


def _macro(match: re.Match[str], span: Range, fills: list[Fill], *, timescaledb: bool) -> str:
    name, inside = match[1], match[2]
    args = [arg.strip(" ") for arg in inside.split(",")] if inside.strip() else []
    if any("(" in arg for arg in args):
        raise ProofError(f"${name}({inside}): Grafana ends the arguments at the first closing parenthesis")
    # Before Grafana 5.3 a group named its column "time" itself; a comma behind its first like still means that.
    first = match.string.index(match[0]) + len(match[0])
    if name == "__timeGroup" and match.string[first : first + 1] == ",":
        name = "__timeGroupAlias"
    if name in ("__timeGroup", "__timeGroupAlias", "__unixEpochGroup", "__unixEpochGroupAlias") and len(args) in (2, 3):
        step_s = interval_s(args[1], span.last)
        if len(args) == 3:
            fills.append(_fill(step_s, args[2]))
        made = _group(name, args[0], step_s, timescaledb=timescaledb)
        return made + ' AS "time"' if name.endswith("Alias") else made
    if (known := _MACROS.get((name, len(args)))) is None:
        raise ProofError(f"unknown macro or wrong number of arguments: ${name}({inside})")
    return known(args[0] if args else "", span)


_MACROS: dict[tuple[str, int], Callable[[str, Range], str]] = {
    ("__time", 1): lambda column, _: f'{column} AS "time"',
    ("__timeEpoch", 1): lambda column, _: f'extract(epoch from {column}) as "time"',
    ("__timeFilter", 1): lambda c, span: f"{c} BETWEEN '{_rfc3339(span.first)}' AND '{_rfc3339(span.last)}'",
    ("__timeFrom", 0): lambda _, span: f"'{_rfc3339(span.first)}'",
    ("__timeTo", 0): lambda _, span: f"'{_rfc3339(span.last)}'",
    ("__unixEpochFilter", 1): lambda c, span: f"{c} >= {_epoch_s(span.first)} AND {c} <= {_epoch_s(span.last)}",
    ("__unixEpochNanoFilter", 1): lambda c, s: f"{c} >= {to_us(s.first) * 1000} AND {c} <= {to_us(s.last) * 1000}",
    ("__unixEpochNanoFrom", 0): lambda _, span: str(to_us(span.first) * 1000),
    ("__unixEpochNanoTo", 0): lambda _, span: str(to_us(span.last) * 1000),
}


def _group(name: str, column: str, step_s: float, *, timescaledb: bool) -> str:
    if name.startswith("__unixEpoch"):
        return f"floor(({column})/{_go(step_s)})*{_go(step_s)}"
    if timescaledb:
        return f"time_bucket('{step_s:.3f}s',{column})"
    return f"floor(extract(epoch from {column})/{_go(step_s)})*{_go(step_s)}"


def _fill(step_s: float, written: str) -> Fill:
    if step_s < 1:
        raise ProofError("a fill with an interval below a second divides by zero")
    if written in ("NULL", "previous"):
        return Fill(step_s, written.lower())
    try:
        return Fill(step_s, float(written))
    except ValueError:
        raise ProofError(f"not a fill: {written}, try NULL, previous or a number") from None
