"""The store's benchmark in small: it measures what it says, on a real server, and judges by its goals."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.console import Console

from bench import store
from bench.storecity import Scale, minutes
from bench.storequeries import questions
from bench.storereport import StoreReport, TierReport

TINY = Scale(sensors=200, minutes=20, days=3, runs=3)


@pytest.fixture(scope="module")
def report(postgres_dsn: str) -> StoreReport:
    """One server that is there, and one that is not."""
    return store.run(TINY, embedded=False, dsns=[postgres_dsn, "postgresql://x@127.0.0.1:1/x"])


def _tier(report: StoreReport) -> TierReport:
    assert [one.tier for one in report.tiers] == ["plain"]
    return report.tiers[0]


def test_a_tier_is_measured_whole(report: StoreReport) -> None:
    one = _tier(report)
    assert one.writing.rows == 200 * 20
    assert 0 < one.writing.kept_per_s <= one.writing.written_per_s
    assert one.writing.copied_per_s > 0
    assert one.polled.ratio > 0
    assert one.space.packed is not None
    assert one.space.packed <= one.space.indexes
    assert {answer.name for answer in one.answers} == {question.name for question in questions()}
    rows = {answer.name: answer.rows for answer in one.answers}
    assert rows["latest of all sensors"] == 200
    assert rows["sensor, 24 h at 5 min"] == 4
    assert rows["daily maximum by domain, 30 d"] == 4 * 4
    assert rows["open incidents"] == 50
    assert all(answer.p50_ms <= answer.p99_ms for answer in one.answers)


def test_goals_are_met_or_not_and_said(report: StoreReport) -> None:
    one = _tier(report)
    slow = replace(one, answers=tuple(replace(a, p99_ms=a.limit_ms + 0.1) for a in one.answers))
    assert {goal.met for goal in slow.goals() if "p99" in goal.what} == {False}
    quick = replace(one, answers=tuple(replace(a, p99_ms=a.limit_ms) for a in one.answers))
    assert {goal.met for goal in quick.goals() if "p99" in goal.what} == {True}
    said = json.loads(report.json())
    assert len(said["tiers"][0]["goals"]) == 6
    console = Console(width=120)
    with console.capture() as seen:
        console.print(report.render())
    assert "durable insert with upkeep / raw COPY" in seen.get()
    assert "not measured: tier community, no server given" in seen.get()


def test_what_cannot_be_reached_is_said(report: StoreReport) -> None:
    assert any("127.0.0.1:1" in missing for missing in report.missing)


def test_the_day_is_every_sensor_every_minute_with_whole_seconds() -> None:
    batches = list(minutes(TINY, 0, 20))
    assert [len(batch) for batch in batches] == [200] * 20
    keys = {(int(s), int(t)) for batch in batches for s, t in zip(batch.sensor_id, batch.time_us, strict=True)}
    assert len(keys) == 4000
    assert all((batch.time_us % 1_000_000 == 0).all() for batch in batches)
