"""The parts of the pipeline benchmark: fleet, publisher, machine, COPY reference, report."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime

import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console

from bench.fleet import Fleet
from bench.machine import describe, usage
from bench.pipeline import copy_rate, run
from bench.publisher import Publisher
from bench.report import Cost, Latency, Load, Report, Throughput
from city.broker_address import BrokerAddress
from city.clock import to_us
from city.errors import InputError
from city.load import load_city
from city.reading import Readings
from ingest.decoders import decode
from ingest.message import ReadingsMessage
from rules.check import check_files
from store.connection import connect
from store.readings import ReadingWriter
from tests.running import PATIENCE_S

T0 = to_us(datetime(2026, 7, 1, 8, tzinfo=UTC))


def test_the_fleets_city_folder_is_a_faultless_one() -> None:
    fleet = Fleet(gateways=5, sensors_each=3, probes=4)
    files = fleet.files()
    assert check_files(files) == []
    city = load_city(files)
    assert (len(city.gateways), len(city.sensors)) == (6, 5 * 3 + 4)


def test_messages_are_the_contracts_and_the_same_for_the_same_seed() -> None:
    fleet, again, other = Fleet(seed=1), Fleet(seed=1), Fleet(seed=2)
    topic, payload = fleet.message(0, T0)
    assert (topic, payload) == again.message(0, T0)
    assert payload != other.message(0, T0)[1]
    decoded = decode(topic, payload)
    assert isinstance(decoded, ReadingsMessage)
    assert len(decoded.sensor) == fleet.sensors_each
    assert not decoded.refused


def test_a_sensor_never_has_two_values_of_one_instant() -> None:
    fleet = Fleet(gateways=2, sensors_each=1)
    times = [(n % 2, json.loads(fleet.message(n, T0)[1])["readings"][0]["time"]) for n in range(10)]
    assert len(set(times)) == 10


def test_the_publisher_delivers_everything(broker: str) -> None:
    received: list[bytes] = []
    subscribed, done = threading.Event(), threading.Event()
    url = BrokerAddress.of(broker)
    listener = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    listener.username_pw_set(url.username, url.password)

    def on_message(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        received.append(bytes(message.payload))
        if len(set(received)) == 300:
            done.set()

    listener.on_message = on_message
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.connect(url.host, url.port)
    listener.loop_start()
    listener.subscribe("bench-test/#", qos=1)
    assert subscribed.wait(PATIENCE_S)
    with Publisher(broker, window=16) as publisher:
        for number in range(300):
            publisher.publish("bench-test/x", b"%d" % number)
        publisher.drain()
    assert done.wait(PATIENCE_S)
    listener.disconnect()
    listener.loop_stop()
    assert list(dict.fromkeys(received)) == [
        b"%d" % number for number in range(300)
    ]  # some again, where a stall lost acks


@pytest.mark.parametrize("url", ["mqtt://broker.example.org", "mqtts://127.0.0.1", "mqtt://192.0.2.1:1883"])
def test_only_loopback_brokers_are_loaded(url: str) -> None:
    with pytest.raises(InputError, match="loopback"):
        Publisher(url)


def test_a_database_in_use_is_refused(database: str) -> None:
    with pytest.raises(InputError, match="an empty one"):
        run(1, database_url=database)


def test_the_machine_is_described(database: str) -> None:
    machine = describe(database, embedded_broker=True)
    assert machine.cores >= 1
    assert machine.postgres[0].isdigit()
    assert "nats" in machine.broker
    used = usage(os.getpid(), children=True)
    assert used is not None
    assert used.cpu_s > 0
    assert used.peak_mib > 10
    assert usage(2**22 + 1) is None


def test_copy_is_measured_on_the_same_rows_and_table(database: str) -> None:
    n = 5000
    sensor = np.arange(n, dtype=np.int32) % 50
    time_us = T0 + np.arange(n, dtype=np.int64) * 1_000_000
    columns = (sensor, time_us, time_us, np.ones(n), np.full(n, 2, np.uint8), np.ones(n))
    with connect(database) as conn:
        ReadingWriter(conn).write(Readings(*columns))
    rows, per_s = copy_rate(database)
    assert rows == n
    assert per_s > 1000


def test_a_report_reads_as_json_and_as_tables(database: str) -> None:
    report = Report(
        machine=describe(database, embedded_broker=False),
        load=Load(7, 20, 1000, 50, 1_000_000, 300_000, 12_345.6),
        throughput=Throughput(60_000.4, 41_000.2, 40_000.1, 200_000.9, 0.20512),
        commit=Latency(12.34567, 45.6, 300_000),
        alarm=Latency(20.1, 80.2, 200),
        costs=(Cost("recorder", 0.987654, 123.4), Cost("watcher", None, None)),
        redelivered=12,
        lost=0,
        missed=0,
    )
    found = json.loads(report.json())
    assert found["name"] == "pipeline"
    assert found["throughput"]["of_copy"] == 0.205
    assert found["commit"]["p50_ms"] == 12.346
    assert found["costs"][1]["cores"] is None
    console = Console(width=140, record=True, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - nothing is kept there
    console.print(report.render())
    assert "41,000" in console.export_text()
    console.file.close()
