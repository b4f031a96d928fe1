"""A backtest of a span is the live alarm log of that span, exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from city.clock import from_us
from city.levels import Level
from rules.check import load_files
from rules.inputs import BundleIn
from rules.trials.backtest import Outcome, as_it_was
from rules.trials.sources import DatabaseSource, Span
from store import bundle
from store.connection import connect
from tests.rules.small_city import T0_US
from tests.trials.week import DAY_US, Week

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


def test_a_week_decided_on_again_is_the_week_as_it_was(database: str) -> None:
    Week(database, seed=5).live(7)
    span = Span(T0_US, T0_US + 7 * DAY_US)
    outcome, log = backtest(database, span), live(database, span)
    assert told(outcome) == log
    # The week had what makes it hard.
    assert {row[1] for row in log} == {"depth", "wet-without-rain", "gateway-silent", "sensor-silent"}
    assert {Level(row[5]) for row in log if row[1] == "depth"} == {Level.YELLOW, Level.ORANGE, Level.RED}
    assert any(row[9] for row in log)
    assert outcome.late_detected
    assert outcome.missing == 0
    assert outcome.retracted
    with connect(database) as conn:
        trimmed = conn.execute(
            "SELECT (SELECT min(seq) FROM lifeline.journal) > (SELECT min(seq) FROM lifeline.hearing)"
        )
        assert trimmed.fetchone() == (True,)
    # A part of it, warmed up, is that part.
    part = Span(T0_US + 5 * DAY_US // 2, T0_US + 6 * DAY_US)
    assert told(backtest(database, part)) == live(database, part)
