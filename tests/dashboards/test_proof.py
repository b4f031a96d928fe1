"""Grafana's own rules for macros, variables and frames."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dashboards.proof import ProofError, Range, expand, frame, interval_s, kind_of, to_wide

SPAN = Range(datetime(2026, 7, 1, 8, tzinfo=UTC), datetime(2026, 7, 1, 14, tzinfo=UTC), interval_s=60)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("$__time(at)", 'at AS "time"'),
        ("$__timeEpoch(at)", 'extract(epoch from at) as "time"'),
        ("$__timeFilter(at)", "at BETWEEN '2026-07-01T08:00:00Z' AND '2026-07-01T14:00:00Z'"),
        ("$__timeFrom()::timestamptz", "'2026-07-01T08:00:00Z'::timestamptz"),
        ("$__timeTo()", "'2026-07-01T14:00:00Z'"),
        ("$__timeGroup(at, 5m)", "floor(extract(epoch from at)/300)*300"),
        ("$__timeGroupAlias(at,'1h30m',NULL)", 'floor(extract(epoch from at)/5400)*5400 AS "time"'),
        ("$__timeGroupAlias(at, $__interval)", 'floor(extract(epoch from at)/60)*60 AS "time"'),
        ("$__interval_ms", "60000"),
        ("$__unixEpochFrom()", "1782892800"),
        ("x = ANY(ARRAY[${d:sqlstring}]::text[])", "x = ANY(ARRAY['a','b''c']::text[])"),
    ],
)
def test_macros_and_variables_expand_as_grafana_does(written: str, sent: str) -> None:
    assert expand(written, SPAN, {"d": ["a", "b'c"]}) == sent


def test_time_groups_become_buckets_on_timescaledb() -> None:
    assert expand("$__timeGroup(at, 5m)", SPAN, {}, timescaledb=True) == "time_bucket('300.000s',at)"


def test_choosing_nothing_is_an_empty_array() -> None:
    assert expand("ARRAY[${d:sqlstring}]::text[]", SPAN, {"d": []}) == "ARRAY[]::text[]"


@pytest.mark.parametrize(
    "broken",
    [
        "$__timeFilter(to_timestamp(at))",  # arguments end at the first closing parenthesis
        "$__timefilter(at)",
        "$__timeGroup(at)",
        "$__timeGroup(at, soon)",
        "$d",  # how it is quoted changed twice
        "${d}",
        "${d:singlequote}",
        "[[d]]",
        "${unheard:sqlstring}",
    ],
)
def test_what_would_break_in_grafana_breaks_here(broken: str) -> None:
    with pytest.raises(ProofError):
        expand(broken, SPAN, {"d": ["a"]})


def test_intervals() -> None:
    assert [interval_s(text) for text in ("90s", "1h30m", "20ms", "'5m'")] == [90, 5400, 0.02, 300]


def test_kinds_of_columns() -> None:
    assert [kind_of(name) for name in ("int8", "timestamptz", "bool", "jsonb", "interval", "uuid")] == [
        "number", "time", "boolean", "other", "text", "text",
    ]  # fmt: skip


T0, T1 = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 2, tzinfo=UTC)
SERIES = [("time", "timestamptz"), ("metric", "text"), ("value", "float8")]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ([("at", "timestamptz"), ("value", "int4")], []),
        ([("time", "text"), ("value", "int4")], []),
        ([("time", "timestamptz"), ("value", "jsonb")], []),
        ([("time", "timestamptz"), ("value", "text")], []),
        (SERIES, [(T1, "a", 1.0), (T0, "a", 1.0)]),
        (SERIES, [(None, "a", 1.0)]),
        ([*SERIES, ("time", "int4")], []),
    ],
)
def test_a_time_series_grafana_refuses(columns: list[tuple[str, str]], rows: list[tuple[object, ...]]) -> None:
    with pytest.raises(ProofError):
        frame(columns, rows, "time_series")


def test_series_become_wide_with_holes_where_only_another_has_a_row() -> None:
    made = frame(SERIES, [(T0, "a", 1.0), (T0, "b", 2.0), (T1, "a", 3.0)], "time_series")
    assert to_wide(made) == {"a": {T0: 1.0, T1: 3.0}, "b": {T0: 2.0, T1: None}}
