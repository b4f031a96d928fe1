"""One trace from an MQTT message to the notice: in the journal, the views, the outbox, and on the command line."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from city.clock import ManualClock, from_us
from city.errors import InputError
from ingest.decoders import Decoders
from ingest.intake import Delivery
from ingest.link import given_trace
from ingest.mqtt.fields import USER
from ingest.mqtt.packets import Publish
from ingest.writer import BatchWriter
from lifeline import tracing
from lifeline.cli import run_command
from lifeline.commands.options import moment_us
from rules.notify import outbox
from rules.notify.lanes import Lanes
from rules.watcher import WatcherSettings, apply_folder, run_watcher
from store import traces
from store.connection import Connection, connect
from tests.rules.small_city import FILES, T0_US
from tests.rules.test_watcher import write
from tests.running import eventually, running

CHINA = ZoneInfo("Asia/Shanghai")
GIVEN = "4bf92f3577b34da6a3ce929d0e0e4736"
TOPIC = "lifeline/v1/{district}/{gateway}/readings"


def deliver(writer: BatchWriter, gateway: tuple[str, str], values: list[float], start_s: int, trace: str = "") -> None:
    """One message of readings, as it comes out of the link."""
    readings = [
        {"sensor": "wl-1", "time": from_us(T0_US + (start_s + 60 * at) * 1_000_000).isoformat(), "value": value}
        for at, value in enumerate(values)
    ]
    received_us = T0_US + (start_s + 60 * len(values)) * 1_000_000
    topic, payload = TOPIC.format(district=gateway[0], gateway=gateway[1]), msgspec.json.encode({"readings": readings})
    message = Decoders().decode(topic, payload, received_us)
    writer.commit([Delivery(message, received_us, payload, 1, 1, len(values), trace=trace)])


@pytest.fixture
def followed(database: str, tmp_path: Path) -> str:
    """A calm message, then one that alarms, whose sender gave it a trace; the watcher has decided on both."""
    clock = ManualClock(from_us(T0_US + 400_000_000))
    folder = write(tmp_path / "city", dict(FILES))
    with connect(database) as conn:
        apply_folder(conn, folder, clock)
        conn.commit()
    with connect(database, autocommit=True) as conn:
        gateway = conn.execute(
            "SELECT g.district, g.gateway FROM lifeline.gateways g JOIN lifeline.sensors USING (gateway)"
            " WHERE sensor = 'wl-1'"
        ).fetchone()
        assert gateway
        writer = BatchWriter(conn, clock)
        deliver(writer, gateway, [0.0, 0.0], 0)
        deliver(writer, gateway, [50.0, 50.0, 50.0], 120, trace=GIVEN)
        writer.catch_up()
    with running(run_watcher, WatcherSettings(database, clock, None)), connect(database, autocommit=True) as conn:
        eventually(lambda: conn.execute("SELECT 1 FROM city.notices").fetchall())
    return database


def one(conn: Connection, query: str) -> str:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])


def test_the_same_id_is_on_the_incident_its_events_the_alarm_and_the_notice(followed: str) -> None:
    with connect(followed) as conn:
        journalled = one(conn, "SELECT max(trace) FROM city.traces WHERE kind = 'readings'")
        for query in (
            "SELECT trace FROM city.alarms",
            "SELECT trace FROM city.alarm_events WHERE kind = 'raised'",
            "SELECT trace FROM city.incidents",
            "SELECT trace FROM city.incident_events WHERE kind = 'opened'",
            "SELECT trace FROM city.notices",
            "SELECT trace FROM city.given_traces",
        ):
            assert one(conn, query) == journalled, query
        assert len(journalled) == 32
        row = outbox.claim(conn, Lanes(4).room(), from_us(T0_US + 500_000_000), from_us(T0_US + 500_000_000))  # type: ignore[arg-type]  # there is room
        assert row is not None
        assert row.trace == journalled


def test_the_road_of_a_reading_has_every_station_with_its_time_and_lag(followed: str) -> None:
    with connect(followed) as conn:
        road = tracing.road(conn, CHINA, GIVEN)
        incident = one(conn, "SELECT incident FROM city.incidents")
        conn.execute(
            "INSERT INTO lifeline.incident_events (event, time, incident, kind, actor, note)"
            " VALUES ('9.0', %s, %s, 'acknowledged', 'li', 'on my way')",
            (from_us(T0_US + 900_000_000), incident),
        )
        conn.execute("UPDATE lifeline.notices SET sent_at = %s, state = 'sent'", (from_us(T0_US + 450_000_000),))
        whole = tracing.road(conn, CHINA, f"00-{GIVEN}-00f067aa0ba902b7-01")
        assert tracing.road(conn, CHINA, incident).traces == road.traces
        assert tracing.road(conn, CHINA, sensor="wl-1", at=from_us(T0_US + 180_000_000)).traces == road.traces
    said = [step.what for step in whole.steps]
    for what in (
        "arrived",
        "committed",
        "evaluated",
        "alarm raised",
        "incident opened",
        "notice queued",
        "notice sent",
    ):
        assert what in said, what
    assert said.index("arrived") < said.index("committed") < said.index("notice sent")
    lags = {step.what: step.lag_s for step in whole.steps}
    assert (lags["arrived"], lags["committed"], lags["notice sent"]) == (0.0, 100.0, 150.0)
    assert lags["incident acknowledged"] == 600.0
    assert not [step for step in whole.steps if "+00:00" in step.detail], "times of the road are the city's"
    assert "measured 2026-07-01T18:0" in next(step.detail for step in whole.steps if step.what == "arrived")
    assert road.given == (f"{GIVEN} (g1)",)


def test_the_command_prints_the_road_and_gives_it_to_programs(
    followed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--database-url", followed, "--data", str(tmp_path)]
    assert run_command(["trace", GIVEN, *options]) == 0
    assert "incident opened" in capsys.readouterr().out
    assert run_command(["trace", "--sensor", "wl-1", "--at", "2026-07-01T10:03:00Z", *options]) == 0
    assert "incident opened" in capsys.readouterr().out
    assert run_command(["trace", "--sensor", "wl-1", "--at", "2026-07-01T10:03:01Z", *options]) == 1
    beside = capsys.readouterr().err
    assert "no reading of exactly 2026-07-01T" in beside
    assert moment_us("at", beside.split(", try ")[1].split()[0]) == T0_US + 180_000_000
    assert run_command(["trace", "--sensor", "wl-1", "--at", "2026-08-01T10:03:01Z", *options]) == 1
    assert "it has none within one of that" in capsys.readouterr().err
    assert run_command(["trace", "--sensor", "wl-l", "--at", "2026-07-01T10:03:01Z", *options]) == 1
    assert "the id of a sensor of city.sensors" in capsys.readouterr().err
    assert run_command(["trace", GIVEN, "--json", *options]) == 0
    assert "arrived" in [step["what"] for step in json.loads(capsys.readouterr().out)["steps"]]
    assert run_command(["trace", "f" * 32, *options]) == 1
    assert "no gateway gave it" in capsys.readouterr().err
    assert run_command(["trace", *options]) == 1


def test_the_recorder_says_which_trace_a_batch_has(followed: str, caplog: pytest.LogCaptureFixture) -> None:
    with connect(followed, autocommit=True) as conn, caplog.at_level(logging.DEBUG, "ingest.writer"):
        writer = BatchWriter(conn, ManualClock(from_us(T0_US + 900_000_000)))
        gateway = conn.execute("SELECT district, gateway FROM city.gateways WHERE gateway = 'g1'").fetchone()
        assert gateway
        deliver(writer, gateway, [1.0], 600)
        newest = one(conn, "SELECT max(trace) FROM city.traces WHERE kind = 'readings'")
    said = [record for record in caplog.records if getattr(record, "action", "") == "batch"]
    assert [vars(record)["trace"] for record in said] == [newest]


@pytest.mark.parametrize(
    "text", ["", "x", GIVEN[:-1], "00-" + "0" * 32 + "-00f067aa0ba902b7-01", f"ff-{GIVEN}-00f067aa0ba902b7-01"]
)
def test_what_is_no_trace_is_refused(text: str) -> None:
    assert traces.parent(text) == ""


def test_an_unknown_trace_is_said(database: str) -> None:
    with connect(database) as conn, pytest.raises(InputError, match="not a trace"):
        traces.seqs(conn, "nonsense")


@pytest.mark.parametrize(
    ("pairs", "found"),
    [
        ([("traceparent", f"00-{GIVEN}-00f067aa0ba902b7-01")], GIVEN),
        ([("x", "y"), ("traceparent", "nonsense"), ("traceparent", f"00-{GIVEN}-00f067aa0ba902b7-00")], GIVEN),
        ([("tracestate", "a=b")], ""),
        ([], ""),
    ],
)
def test_a_message_may_bring_its_own_trace(pairs: list[tuple[str, str]], found: str) -> None:
    message = Publish("t", b"", 1, 1, 0, properties={USER: list(pairs)})
    assert given_trace(message.properties) == found
    assert given_trace(None) == ""
