"""Grafana's own rules for macros, variables and frames."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboards.proof import Fill, ProofError, Range, expand, frame, interpolate, interval_s, kind_of, send, to_wide
from dashboards.proof.macros import interval_text, rounded_ms, without_comments

FIRST, LAST = datetime(2026, 7, 1, 8, tzinfo=UTC), datetime(2026, 7, 1, 14, tzinfo=UTC)
SPAN = Range(FIRST, LAST, interval_s=60)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("$__time(at)", 'at AS "time"'),
        ("$__timeEpoch(at)", 'extract(epoch from at) as "time"'),
        ("$__timeFilter(at)", "at BETWEEN '2026-07-01T08:00:00Z' AND '2026-07-01T14:00:00Z'"),
        ("$__timeFrom()::timestamptz", "'2026-07-01T08:00:00Z'::timestamptz"),
        ("$__timeTo()", "'2026-07-01T14:00:00Z'"),
        ("$__timeGroup(at, 5m)", "floor(extract(epoch from at)/300)*300"),
        ("$__timeGroup(at, 5m) AS t", "floor(extract(epoch from at)/300)*300 AS t"),
        ("$__timeGroup(at,5m), x", 'floor(extract(epoch from at)/300)*300 AS "time", x'),  # as before 5.3
        ("$__timeGroupAlias(at,'1h30m',NULL)", 'floor(extract(epoch from at)/5400)*5400 AS "time"'),
        ("$__timeGroupAlias(at, $__interval)", 'floor(extract(epoch from at)/60)*60 AS "time"'),
        ("$__timeGroupAlias(at,20ms)", 'floor(extract(epoch from at)/0.02)*0.02 AS "time"'),
        ("$__timeGroupAlias(at,30d)", 'floor(extract(epoch from at)/2.592e+06)*2.592e+06 AS "time"'),
        ("$__unixEpochFilter(t)", "t >= 1782892800 AND t <= 1782914400"),
        ("$__unixEpochFrom()", "1782892800"),
        ("$__unixEpochTo()", "1782914400"),
        ("$__unixEpochNanoFilter(t)", "t >= 1782892800000000000 AND t <= 1782914400000000000"),
        ("$__unixEpochNanoFrom()", "1782892800000000000"),
        ("$__unixEpochNanoTo()", "1782914400000000000"),
        ("$__unixEpochGroup(t,5m)", "floor((t)/300)*300"),
        ("$__unixEpochGroupAlias(t,'5m',0)", 'floor((t)/300)*300 AS "time"'),
        ("$__interval_ms $__interval", "60000 1m"),
        ("$__from ${__to} ${__from:date:seconds}", "1782892800000 1782914400000 1782892800"),
        ("${__from:date:iso} ${__to:date}", "2026-07-01T08:00:00.000Z 2026-07-01T14:00:00.000Z"),
        ("x = ANY(ARRAY[${d:sqlstring}]::text[])", "x = ANY(ARRAY['a','b''c']::text[])"),
        ("x = ANY(ARRAY[[[d:sqlstring]]]::text[])", "x = ANY(ARRAY['a','b''c']::text[])"),
        ("'${one:raw}'", "'x'"),
    ],
)
def test_macros_and_variables_expand_as_grafana_does(written: str, sent: str) -> None:
    assert expand(written, SPAN, {"d": ["a", "b'c"], "one": "x"}) == sent


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("$__timeGroup(at, 5m)", "time_bucket('300.000s',at)"),
        ("$__timeGroupAlias(at, 20ms)", "time_bucket('0.020s',at) AS \"time\""),
        ("$__timeGroup(at, 1w), x", "time_bucket('604800.000s',at) AS \"time\", x"),
        ("$__unixEpochGroup(t, 5m)", "floor((t)/300)*300"),  # numbers know no buckets
        ("$__timeFilter(at)", "at BETWEEN '2026-07-01T08:00:00Z' AND '2026-07-01T14:00:00Z'"),
    ],
)
def test_time_groups_become_buckets_on_timescaledb(written: str, sent: str) -> None:
    assert expand(written, SPAN, {}, timescaledb=True) == sent


def test_a_moment_has_a_fraction_only_when_there_is_one() -> None:
    span = Range(FIRST + timedelta(milliseconds=120), LAST + timedelta(microseconds=1))
    assert expand("$__timeFrom() $__timeTo()", span, {}) == "'2026-07-01T08:00:00.12Z' '2026-07-01T14:00:00.000001Z'"


def test_an_alias_is_meant_by_the_first_like_group_alone() -> None:
    twice = "SELECT $__timeGroup(at,1m) AS x, max(v) GROUP BY $__timeGroup(at,1m), y"
    assert '"time"' not in expand(twice, SPAN, {})


def test_choosing_nothing_is_an_empty_array() -> None:
    assert expand("ARRAY[${d:sqlstring}]::text[]", SPAN, {"d": []}) == "ARRAY[]::text[]"


@pytest.mark.parametrize(
    "broken",
    [
        "$__timeFilter(to_timestamp(at))",  # arguments end at the first closing parenthesis
        "$__timefilter(at)",
        "$__timeFilter()",
        "$__timeGroup(at)",
        "$__timeGroup(at, soon)",
        '$__timeGroup(at, "5m")',  # only single quotes may stand around it
        "$__timeGroup(at, 5m, PREVIOUS)",
        "$__timeGroup(at, 5m, nothing)",
        "$__timeGroup(at, 20ms, 0)",  # divides by zero
        "SELECT $cash(1)",
        "$d",  # how it is quoted changed twice
        "${d}",
        "${d:singlequote}",
        "[[d]]",
        "${d.path:sqlstring}",
        "${unheard:sqlstring}",
        "${quoted:sqlstring}",
        "SELECT 1 -- $__timeFilter(at)",
        "/* $__timeFrom() */ SELECT 1",
    ],
)
def test_what_would_break_in_grafana_breaks_here(broken: str) -> None:
    with pytest.raises(ProofError):
        expand(broken, SPAN, {"d": ["a"], "quoted": 'a "b"'})


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("SELECT 1 -- one\nFROM x", "SELECT 1 \nFROM x"),
        ("SELECT /* two\n lines */ 2", "SELECT  2"),
        ("SELECT '-- no''t one' || \"/* nor this */\"", "SELECT '-- no''t one' || \"/* nor this */\""),
        ("SELECT $x$ -- text $x$, $$ /* text */ $$ -- end", "SELECT $x$ -- text $x$, $$ /* text */ $$ "),
    ],
)
def test_comments_go_and_what_only_looks_like_one_stays(written: str, left: str) -> None:
    assert without_comments(written) == left


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("${d:csv}", "a b,c'd"),
        ("${d:raw}", "a b,c'd"),
        ("${d:pipe}", "a b|c'd"),
        ("${d:text}", "a b + c'd"),
        ("${d}", "{a b,c'd}"),
        ("$one", "x.y"),
        ("${d:json}", '["a b","c\'d"]'),
        ("${one:json}", '"x.y"'),
        ("${one:regex}", r"x\.y"),
        ("${d:regex}", "(a b|c'd)"),
        ("${d:singlequote}", r"'a b','c\'d'"),
        ("${d:doublequote}", '"a b","c\'d"'),
        ("${d:queryparam}", "var-d=a%20b&var-d=c%27d"),
        ("${one:percentencode}", "x.y"),
        ("/d/x?${none:queryparam}", "/d/x?"),
        ("${unheard:csv} ${__data.fields.x} $5", "${unheard:csv} ${__data.fields.x} $5"),
    ],
)
def test_formats_of_variables_in_titles_and_links(written: str, shown: str) -> None:
    assert interpolate(written, {"d": ["a b", "c'd"], "one": "x.y", "none": []}) == shown


def test_an_unknown_format_is_an_error() -> None:
    with pytest.raises(ProofError, match="sqlstrin"):
        interpolate("${d:sqlstrin}", {"d": "a"})


def test_intervals() -> None:
    found = [interval_s(text, FIRST) for text in ("90s", "1h30m", "20ms", "'5m'", "1.5h", "2d", "1w", "1M", "1y")]
    day = 86_400
    assert found == [90, 5400, 0.02, 300, 5400, 2 * day, 7 * day, 31 * day, 365 * day]
    assert interval_s("1M", datetime(2026, 1, 31, tzinfo=UTC)) == 31 * day  # 31 January and a month: 3 March
    for none in ("", "5", "m", "1 h", "-5m", "1h2d"):
        with pytest.raises(ProofError):
            interval_s(none)


def test_the_interval_of_a_panel_is_round_and_never_below_its_least() -> None:
    assert Range.of(FIRST, LAST, points=1000).interval_s == 20
    assert Range.of(FIRST, FIRST + timedelta(minutes=5)).interval_s == 10
    assert Range.of(FIRST, FIRST + timedelta(days=30), points=500).interval_s == 3600
    assert [rounded_ms(ms) for ms in (1, 12, 89_999, 90_000, 4e9)] == [1, 10, 60_000, 120_000, 31_536_000_000]
    texts = [interval_text(s) for s in (90, 20, 7200, 5400, 0.25, 86_400, 90_000, 40e6)]
    assert texts == ["1m", "20s", "2h", "1h", "250ms", "1d", "1d", "1y"]


def test_kinds_of_columns() -> None:
    names = ("int8", "numeric", "timestamptz", "date", "bool", "jsonb", "interval", "uuid", "_text", "time")
    assert [kind_of(name) for name in names] == [
        "number", "number", "time", "time", "boolean", "other", "text", "text", "text", "text",
    ]  # fmt: skip


T0, T1, T2 = (datetime(2026, 7, 1, 8, minute, tzinfo=UTC) for minute in (0, 1, 4))
SERIES = [("time", "timestamptz"), ("metric", "text"), ("value", "float8")]


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ([("at", "timestamptz"), ("value", "int4")], []),
        ([("Time", "timestamptz"), ("value", "int4")], []),
        ([("time", "text"), ("value", "int4")], []),
        ([("time", "timestamptz"), ("value", "jsonb")], []),
        ([("time", "timestamptz"), ("value", "text")], []),
        ([*SERIES, ("until", "timestamptz")], []),
        (SERIES, [(T1, "a", 1.0), (T0, "a", 1.0)]),
        (SERIES, [(None, "a", 1.0)]),
        ([*SERIES, ("time", "int4")], []),
    ],
)
def test_a_time_series_grafana_refuses(columns: list[tuple[str, str]], rows: list[tuple[object, ...]]) -> None:
    with pytest.raises(ProofError):
        frame(columns, rows, "time_series")


def test_a_table_has_no_text_for_a_time() -> None:
    with pytest.raises(ProofError, match="timeend"):
        frame([("time", "timestamptz"), ("timeend", "text")], [], "table")


@pytest.mark.parametrize("number", [1782892800, 1782892800_000, 1782892800_000_000_000])
def test_a_time_as_a_number_is_read_by_its_size(number: int) -> None:
    made = frame([("time", "int8"), ("value", "int4")], [(number, 1)], "time_series")
    assert made.kinds["time"] == "time"
    assert made.column("time") == [FIRST]


def wide(rows: list[tuple[Any, ...]], columns: list[tuple[str, str]] | None = None, **more: Any) -> Any:  # noqa: ANN401 - test helper
    return to_wide(frame(columns or SERIES, rows, "time_series"), **more)


def test_series_become_wide_with_holes_where_only_another_has_a_row() -> None:
    assert wide([(T0, "a", 1.0), (T0, "b", 2.0), (T1, "a", 3.0)]) == {"a": {T0: 1.0, T1: 3.0}, "b": {T0: 2.0, T1: None}}


def test_of_two_rows_of_a_series_at_one_time_the_last_wins() -> None:
    assert wide([(T0, "a", 1.0), (T0, "a", 2.0)]) == {"a": {T0: 2.0}}


def test_series_are_named_by_metric_alone_only_in_three_columns() -> None:
    four = [*SERIES, ("limit", "int4")]
    assert list(wide([(T0, "a", 1.0, 5)], four)) == ["value a", "limit a"]
    assert list(wide([(T0, "a", 1.0)], [("time", "timestamptz"), ("sensor", "text"), ("value", "float8")])) == [
        "value a"
    ]
    two = [("time", "timestamptz"), ("site", "text"), ("sensor", "text"), ("value", "int4")]
    assert list(wide([(T0, "s", "a", 1)], two)) == ['value {sensor="a", site="s"}']
    assert list(wide([(T0, 1, 2)], [("time", "timestamptz"), ("a", "int4"), ("b", "int4")])) == ["a", "b"]


@pytest.mark.parametrize(
    ("fill", "a", "b"),
    [
        ("NULL", [1, 3, None, None, None, None], [None, None, None, None, 2, None]),
        ("previous", [1, 3, 3, 3, 3, 3], [None, None, None, None, 2, 2]),
        ("7", [1, 3, 7, 7, 7, 7], [7, 7, 7, 7, 2, 7]),
    ],
)
def test_a_fill_gives_every_series_a_value_at_every_step(fill: str, a: list[float], b: list[float]) -> None:
    sent = send(f"$__timeGroupAlias(at,1m,{fill})", SPAN, {})
    span = Range(T0 + timedelta(seconds=20), T0 + timedelta(minutes=5, seconds=20))
    made = wide([(T0, "a", 1.0), (T1, "a", 3.0), (T2, "b", 2.0)], fill=sent.fill, span=span)
    minutes = [T0 + timedelta(minutes=minute) for minute in range(6)]
    assert made == {"a": dict(zip(minutes, a, strict=True)), "b": dict(zip(minutes, b, strict=True))}


def test_resampling_takes_the_newest_of_a_step_and_begins_on_a_whole_one() -> None:
    at = [T0 + timedelta(seconds=second) for second in (50, 70, 80)]
    span = Range(T0 + timedelta(seconds=30), T0 + timedelta(minutes=3))
    made = wide([(at[0], "a", 1.0), (at[1], "a", 2.0), (at[2], "a", 3.0)], fill=Fill(60, "null"), span=span)
    assert list(made["a"].values()) == [None, 1, 3, None]


def test_a_fill_without_a_range_fills_only_the_gaps_between_series() -> None:
    rows = [(T0, "a", 1.0), (T1, "b", 2.0), (T2, "a", 3.0)]
    assert wide(rows, fill=Fill(60, "previous")) == {"a": {T0: 1, T1: 1, T2: 3}, "b": {T0: None, T1: 2, T2: 2}}


def test_more_rows_than_grafana_takes_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.proof.frames.ROW_LIMIT", 1)
    with pytest.raises(ProofError, match="cuts after 1"):
        frame([("a", "int4")], [(1,), (2,)], "table")


def test_an_unknown_format_of_a_query_is_an_error() -> None:
    with pytest.raises(ProofError, match="''"):
        frame([("a", "int4")], [], "")
