"""The store's benchmark in small: it measures what it says, on a real server, and judges by its goals."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench import store, storespace
from bench.storecity import Scale, minutes
from bench.storequeries import questions
from bench.storereport import StoreReport, TierReport
from bench.storeservers import found as servers_here
from city.errors import InputError
from store.binaries import Binaries
from store.migrate import Tier

TINY = Scale(sensors=200, minutes=20, days=3, runs=3)


@pytest.fixture(scope="module")
def report(postgres_dsn: str) -> StoreReport:
    """One server that is there, and one that is not."""
    return store.run(TINY, tiers=(), dsns=[postgres_dsn, "postgresql://x@127.0.0.1:1/x"])


def _tier(report: StoreReport) -> TierReport:
    assert [one.tier for one in report.tiers] == ["plain"]
    return report.tiers[0]


def test_a_tier_is_measured_whole(report: StoreReport) -> None:
    one = _tier(report)
    assert one.writing.rows == 200 * 20
    assert 0 < one.writing.kept_per_s <= one.writing.written_per_s
    assert one.writing.copied_per_s > 0
    assert one.polled.ratio > 0
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
    assert "not measured: tier community, not asked for" in seen.get()


def test_a_server_with_timescaledb_is_found_where_tests_unpack_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.storeservers.TOOLS", tmp_path)
    share = tmp_path / "timescale-1" / "usr" / "share" / "postgresql" / "17" / "extension"
    programs = tmp_path / "timescale-1" / "usr" / "lib" / "postgresql" / "17" / "bin"
    for folder in (share, programs):
        folder.mkdir(parents=True)
    (share / "timescaledb.control").touch()
    for name in ("initdb", "postgres"):
        (programs / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 17.6'\n")
        (programs / name).chmod(0o755)
    plain = Binaries(Path("/plain"), 18, timescale=False)
    monkeypatch.setattr("bench.storeservers.candidates", lambda: [plain])
    assert servers_here() == (plain, Binaries(programs, 17, timescale=True))
    better = Binaries(Path("/installed"), 17, timescale=True)
    monkeypatch.setattr("bench.storeservers.candidates", lambda: [better, plain])
    assert servers_here() == (plain, better)


def test_only_the_tiers_asked_for_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "servers_here", lambda: (Binaries(Path("/nowhere/at/all/bin"), 18, timescale=False),))
    said = store.run(TINY, tiers=(Tier.APACHE,)).missing
    assert not any("/nowhere/at/all" in each for each in said)
    assert any("tier apache, no server of it here, where bin/test unpacks one" in each for each in said)
    said = store.run(TINY, tiers=(Tier.PLAIN,)).missing
    assert any("/nowhere/at/all" in each for each in said), "a server that does not start does not end the measurement"


def test_what_readings_take_is_measured_in_one_empty_database(database: str) -> None:
    found = storespace.run(database, TINY)
    assert (found.tier, found.readings, found.sensors) == ("plain", 4000, 200)
    assert found.space.packed <= found.space.indexes
    assert found.space.compressed is None
    assert json.loads(found.json())["space"]["table"] > 50
    assert found.render().row_count == 3
    with pytest.raises(InputError, match="holds readings"):
        storespace.run(database, TINY)


def test_what_cannot_be_reached_is_said(report: StoreReport) -> None:
    assert any("127.0.0.1:1" in missing for missing in report.missing)


def test_the_day_is_every_sensor_every_minute_with_whole_seconds() -> None:
    batches = list(minutes(TINY, 0, 20))
    assert [len(batch) for batch in batches] == [200] * 20
    keys = {(int(s), int(t)) for batch in batches for s, t in zip(batch.sensor_id, batch.time_us, strict=True)}
    assert len(keys) == 4000
    assert all((batch.time_us % 1_000_000 == 0).all() for batch in batches)
