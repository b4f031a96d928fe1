"""A backtest of a span is the live alarm log of that span, exactly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from city.clock import from_us
from city.levels import Level
from lifeline.backtesting import Job, outcome
from lifeline.cli import run_command
from rules.check import load_files
from rules.inputs import BundleIn
from rules.trials.backtest import Outcome, as_it_was
from rules.trials.sources import DatabaseSource, Span
from store import bundle
from store.connection import connect
from store.testing import drop_database, fresh_database
from tests.rules.small_city import T0_US
from tests.trials.week import DAY_US, HOUR_US, STRICTER, Week

LIVE = """
SELECT alarm, rule, scope, rule_version, level, peak_level, condition, raised_at, cleared_at, late FROM lifeline.alarms
WHERE raised_at >= %s AND raised_at < %s ORDER BY raised_at, alarm
"""


def folders(dsn: str) -> Callable[[str], BundleIn]:
    def folder(name: str) -> BundleIn:
        with connect(dsn) as conn:
            files = bundle.get(conn, name)
        assert files is not None
        checked = load_files(files)
        return BundleIn(name, checked.book, checked.escalation)

    return folder


def live(dsn: str, span: Span) -> list[tuple[Any, ...]]:
    with connect(dsn) as conn:
        return conn.execute(LIVE.encode(), (from_us(span.from_us), from_us(span.to_us))).fetchall()


def told(outcome: Outcome) -> list[tuple[Any, ...]]:
    return sorted(
        (
            (
                o.id, o.rule, o.scope, o.rule_version, int(o.level), int(o.peak), o.condition, from_us(o.raised_us),
                None if o.cleared_us is None else from_us(o.cleared_us), o.late,
            )
            for o in (*outcome.occurrences, *outcome.retracted)
        ),
        key=lambda row: (row[7], row[0]),
    )  # fmt: skip


def backtest(dsn: str, span: Span) -> Outcome:
    with connect(dsn, autocommit=True) as conn:
        return as_it_was(DatabaseSource(conn, span), span, folders(dsn), lambda _: None)


@pytest.fixture(scope="module")
def week(postgres_dsn: str) -> Iterator[str]:
    """The DSN of a database that has lived through a week."""
    dsn = fresh_database(postgres_dsn)
    Week(dsn, seed=5).live(7)
    yield dsn
    drop_database(dsn)


SPAN = Span(T0_US, T0_US + 7 * DAY_US)


def test_a_week_decided_on_again_is_the_week_as_it_was(week: str) -> None:
    again, log = backtest(week, SPAN), live(week, SPAN)
    assert told(again) == log
    # The week had what makes it hard.
    assert {row[1] for row in log} == {"depth", "wet-without-rain", "gateway-silent", "sensor-silent"}
    assert {Level(row[5]) for row in log if row[1] == "depth"} == {Level.YELLOW, Level.ORANGE, Level.RED}
    assert any(row[9] for row in log)
    assert again.late_detected
    assert again.missing == 0
    assert again.retracted
    with connect(week) as conn:
        kept = conn.execute("SELECT (SELECT min(seq) FROM lifeline.journal), (SELECT min(seq) FROM lifeline.hearing)")
        journaled, heard = kept.fetchone() or (0, 0)
    assert journaled > heard


def test_a_part_of_a_week_warmed_up_is_that_part(week: str) -> None:
    part = Span(T0_US + 5 * DAY_US // 2, T0_US + 6 * DAY_US)
    assert told(backtest(week, part)) == live(week, part)


def test_other_rules_find_silence_that_was_not_looked_for_but_never_while_nobody_listened(week: str) -> None:
    platform = STRICTER["rules/platform.yaml"].replace("silent: 45m", "silent: 35m")
    shorter = outcome(Job("new", {**STRICTER, "rules/platform.yaml": platform}, SPAN, week), lambda *_: None)
    found = [o for o in shorter.occurrences if o.rule == "gateway-silent"]
    # The line that was cut at two days is told ten minutes earlier: nobody looked then, live.
    (was,) = [row for row in live(week, SPAN) if row[1] == "gateway-silent"]
    assert [(o.scope, from_us(o.raised_us)) for o in found] == [("g2", was[7] - timedelta(minutes=10))]
    # The recorder was down for two hours at five days.
    down = range(T0_US + 5 * DAY_US, T0_US + 5 * DAY_US + 2 * HOUR_US)
    assert [o for o in found if o.raised_us in down] == []


def test_the_command_sets_new_rules_beside_what_was(week: str, tmp_path: Path) -> None:
    rules, report = tmp_path / "depth.yaml", tmp_path / "report.json"
    rules.write_text(STRICTER["rules/depth.yaml"].replace("12 cm", "9 cm"), encoding="utf-8")
    words = [
        "rules",
        "backtest",
        "--rules",
        str(rules),
        "--database-url",
        week,
        "--format",
        "json",
        "--out",
        str(report),
    ]
    words += ["--from", from_us(SPAN.from_us).isoformat(), "--to", from_us(SPAN.to_us).isoformat()]
    assert run_command([*words, "--data", str(tmp_path)]) == 0
    found = json.loads(report.read_text(encoding="utf-8"))
    log = [row for row in live(week, SPAN) if row[6] != "retracted"]
    assert found["runs"]["old"]["alarms"] == len(log)
    yellow = next(row for row in found["rules"] if (row["rule"], row["level"]) == ("depth", "yellow"))
    assert yellow["new"]["alarms"] > yellow["old"]["alarms"] > 0
    assert {change["rule"] for change in found["changes"]} >= {"depth"}
