"""The pipeline benchmark itself, in small: its figures are no test, but that nothing is lost is one."""

from __future__ import annotations

from bench.pipeline import run


def test_a_small_run_loses_nothing_and_measures_every_stretch_of_the_road() -> None:
    heard: list[str] = []
    report = run(1.0, gateways=4, sensors_each=20, max_messages=100, probes=5, progress=heard.append)
    assert (report.lost, report.missed) == (0, 0)
    assert report.load.full_readings == 100 * 20
    assert report.alarm.count == 5
    assert report.commit.count == report.load.steady_readings
    rates = report.throughput
    assert rates.published_per_s >= rates.committed_per_s >= rates.evaluated_per_s > 0
    assert 0 < report.commit.p50_ms <= report.commit.p99_ms
    assert {cost.name for cost in report.costs} >= {"postgres", "broker", "recorder", "watcher", "load generator"}
    assert heard == ["starting", "full speed", "steady", "raw COPY"]
