"""The ingest benchmark in small: its load is what it says, a backlog is drained and counted, goals are judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.ingest import _Bench
from bench.ingestload import BLOCK, SHAPES, Blaster, Messages, Shape, city
from bench.ingestreport import Delay, Drain, IngestReport, Live, WritePath
from bench.ingestsystem import Servers
from bench.machine import local
from bench.nodered import FLOWS, Beside, NodeRed, find
from city.errors import InputError
from city.load import load_city
from ingest.decoders import decode
from ingest.message import ReadingsMessage


@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_messages_hold_what_their_shape_says_and_no_reading_twice(shape: Shape) -> None:
    sensors, seen = load_city(city(4)).sensors, set[tuple[str, int]]()
    for topic, payload in Messages(shape, 4, 1_782_864_000_000_000).take(40):
        message = decode(topic, payload)
        assert isinstance(message, ReadingsMessage)
        assert not message.refused
        message.spread()
        assert len(message.sensor) == shape.readings
        assert {sensors[name].gateway for name in message.sensor} == {message.gateway}
        if shape.blocks:
            assert message.time_us[BLOCK - 1] - message.time_us[0] == (BLOCK - 1) * 20_000
        seen.update(zip(message.sensor, message.time_us, strict=True))
    assert len(seen) == 40 * shape.readings


def test_nobody_elses_broker_is_loaded() -> None:
    with pytest.raises(InputError, match="loopback brokers only"):
        Blaster("mqtt://192.0.2.1:1883")


@pytest.fixture
def bench(postgres_dsn: str, broker: str, tmp_path: Path) -> _Bench:
    return _Bench(Servers(postgres_dsn, broker, {}, "nats-server", shares=False), tmp_path, 7, 2, lambda _: None)


def test_a_backlog_is_drained_whole_beside_raw_copy(bench: _Bench) -> None:
    found = bench.drain(Shape("20 a message", 20, 1500), 1)
    assert (found.rows, found.lost) == (30_000, 0)
    assert found.per_s > 0
    assert found.copied_per_s > 0
    assert found.peak_mib is not None
    assert 20 < found.peak_mib < 300


def test_the_write_path_is_measured_fresh_and_again(bench: _Bench) -> None:
    found = bench.write_path(30_000)
    assert found.rows == 30_000
    assert min(found.copied_per_s, found.fresh_per_s, found.replay_per_s) > 0


def test_delays_are_those_of_all_that_is_published_evenly_and_of_raw_copy_beside(bench: _Bench) -> None:
    found = bench.delay(1 / 3, 2000.0, 1.0)
    assert 0 < found.readings <= 2000, "what was published before, so that sensors are known, does not count"
    assert found.readings % 20 == 0, "whole messages"
    assert 0 < found.p50_ms <= found.p99_ms
    assert 0 < found.copy_p50_ms <= found.copy_p99_ms


def test_goals_are_met_or_not_and_said() -> None:
    shapes = [(shape.name, shape.readings) for shape in SHAPES]
    drains = tuple(
        Drain(name, 1, n, 1000, 0, 20_000.0 * n, 20_000.0 * n, {"recorder": 1.0}, 90.0) for name, n in shapes
    )
    report = IngestReport(
        local(), "mosquitto", 7, True, drains, (Live("20 a message", 20, 10, 1e5),),
        (Delay(1 / 3, 1e5, 2.0, 9.0, 10, 1.0, 3.0), Delay(1 / 2, 1e5, 2.0, 9.0, 10, 1.0, 3.0)),
        WritePath(10, 100.0, 99.0, 110.0, 80.0),
        ("nothing",), "1",
    )  # fmt: skip
    assert {goal.met for goal in report.goals()} == {True}
    slow = replace(report, drains=tuple(replace(one, per_s=one.per_s / 2, peak_mib=200.0) for one in drains))
    assert [goal.met for goal in slow.goals()].count(False) == 5
    assert len(json.loads(report.json())["goals"]) == 8
    usual, _, tuned = (
        Beside(NodeRed(flow.name, "20 a message", "4.1", 90_000.0, 200.0, 0), 4e5, 90.0) for flow in FLOWS
    )
    beside = replace(report, peers=(usual, replace(tuned, per_s=160_000.0)))
    assert [goal.met for goal in beside.goals()] == [True] * 10, "only the usual flow is a goal's"
    assert json.loads(beside.json())["peers"][1]["theirs"]["flow"] == "tuned"
    other = replace(usual.theirs, shape="100 a message", per_s=6e5, peak_mib=150.0, lost=3)
    beside = replace(beside, peers=(Beside(other, 2e6, 90.0), tuned))
    assert [goal.met for goal in beside.goals()][8:] == [False, False]
    console = Console(width=160)
    with console.capture() as seen:
        console.print(beside.render())
    assert "tuned flow, 20 a message" in seen.get()
    assert "4.4 times as fast at 0.45 of its memory" in seen.get()
    assert "3 lost" in seen.get()
    assert "drained / raw COPY, series blocks" in seen.get()


def test_all_that_node_red_lacks_is_told_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(InputError, match=r"no node-red in .*, no pg in .*; try `npm install node-red pg \S+` in"):
        find(tmp_path)
    (tmp_path / "node_modules" / "node-red").mkdir(parents=True)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(InputError, match=r": no pg in .*, no program `node` .*; try installing Node.js, then `npm"):
        find(tmp_path)
    assert find(None) is None


def test_each_stage_has_its_share(bench: _Bench) -> None:
    found = bench.stages(SHAPES[2]._replace(messages=1000))
    assert {"receive", "decode", "judge", "write"} <= found.cpu_us.keys()
    assert 0 < found.cpu_us["receive"] < found.cpu_us["decode"], "the bytes of a message are taken as they are"
