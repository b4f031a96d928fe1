"""The register as a recorder reads it: a large city's in a process of its own, and the same."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from bench.fleet import Fleet
from city.errors import OutsideError
from city.load import load_city
from ingest import register
from ingest.admit import Admission
from ingest.decoders import decode
from ingest.message import ReadingsMessage
from ingest.sensortable import SensorTable
from store import bundle
from store.connection import connect

NOW = 1_782_864_000_000_000


def test_a_large_register_is_read_apart_and_is_the_same(city_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(register, "LARGE", 5)
    names = ["wl-000", "wl-001", "mm-1", "old-1", "t-1", "nobody"]
    readings = [{"sensor": name, "time": NOW // 1000, "value": 7.5} for name in names]
    message = decode("lifeline/v1/north/gw-1/readings", json.dumps({"readings": readings}).encode())
    assert isinstance(message, ReadingsMessage)
    with connect(city_database, autocommit=True) as conn:
        folder = bundle.current_hash(conn)
        assert folder is not None
        here, apart = register.read(conn, folder), register.read(conn, folder, city_database)
        own, other = (Admission(table).admit(message, NOW) for table in (here, apart))
        assert own.refused == other.refused
        np.testing.assert_array_equal(own.readings.sensor_id, other.readings.sensor_id)
        np.testing.assert_array_equal(own.readings.value, other.readings.value)
        assert apart.names_of(here.sensor_id) == [here.names[place] for place in range(len(here.names))]
        for name, column in vars(here.limits).items():
            np.testing.assert_array_equal(column, getattr(apart.limits, name))


def test_a_register_that_cannot_be_read_apart_says_so(
    city_database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(register, "LARGE", 5)
    with (
        connect(city_database, autocommit=True) as conn,
        pytest.raises(OutsideError, match=r"in a process of its own failed, exit 1"),
    ):
        register.read(conn, "no such folder", city_database)
    assert "no city folder no such fold, try applying it again" in capfd.readouterr().err


def test_a_sensor_takes_little_memory_in_the_register_of_admission() -> None:
    files = {name: text for name, text in Fleet(40, 100, 0).files().items() if not name.startswith("rules/")}
    city = load_city(files)
    table = SensorTable(city, {name: number for number, name in enumerate(city.sensors, 1)})
    assert len(pickle.dumps(table, protocol=5)) / len(city.sensors) < 200  # bytes; the city's own takes over a thousand


def test_mappings_are_read_without_the_rest_of_the_folder(city_database: str) -> None:
    with connect(city_database, autocommit=True) as conn:
        folder = bundle.current_hash(conn) or ""
        assert bundle.part(conn, folder, "mappings/") == {}
        assert bundle.part(conn, folder, "gateways") == {
            "gateways.csv": (bundle.get(conn, folder) or {})["gateways.csv"]
        }
