"""The admission test: who may say what, in which unit, about which time, and how good it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from city.clock import to_us
from city.errors import OutsideError
from city.levels import Flag
from city.load import load_city
from city.model import City
from city.reading import Readings
from ingest.admit import Admission, Admitted
from ingest.decoders import decode
from ingest.message import Arrival, ReadingsMessage
from ingest.names import Names
from ingest.reasons import Reason
from ingest.sensortable import SensorTable

NOW = to_us(datetime(2026, 7, 1, tzinfo=UTC))


def reading(sensor: str = "wl-000", value: float = 16.2, time_us: int = NOW, **more: object) -> dict[str, object]:
    return {"sensor": sensor, "time": time_us // 1000, "value": value, **more}


def decoded(*readings: dict[str, object], district: str = "north", gateway: str = "gw-1") -> ReadingsMessage:
    payload = json.dumps({"readings": readings}).encode()
    message = decode(f"lifeline/v1/{district}/{gateway}/readings", payload)
    assert isinstance(message, ReadingsMessage)
    return message


@pytest.fixture
def admission(small_city: City) -> Admission:
    return Admission(SensorTable(small_city, {name: number for number, name in enumerate(small_city.sensors, 1)}))


@pytest.fixture
def admit(admission: Admission) -> Callable[..., Admitted]:
    def one(*readings: dict[str, object], **where: str) -> Admitted:
        return admission.admit(decoded(*readings, **where), NOW)

    return one


def test_a_plain_reading_is_admitted_as_it_is(admit: Callable[..., Admitted]) -> None:
    readings = admit(reading()).readings
    assert readings.value.tolist() == readings.raw.tolist() == [16.2]
    assert readings.time_us.tolist() == readings.received_us.tolist() == [NOW]
    assert readings.flag.tolist() == [Flag.PASS]


@pytest.mark.parametrize(
    ("sensor", "value", "unit", "expected"),
    [("wl-000", 150, "mm", 15.0), ("mm-1", 3, None, 0.3), ("wl-000", 10, "in", 25.4), ("t-1", 32, "°F", 0.0)],
)
def test_units_convert_to_the_last_digit(
    admit: Callable[..., Admitted], sensor: str, value: float, unit: str | None, expected: float
) -> None:
    where = {"district": "south", "gateway": "gw-2"} if sensor == "t-1" else {}
    sent = reading(sensor, value) | ({"unit": unit} if unit else {})
    assert admit(sent, **where).readings.value.tolist() == [expected]


def test_the_calibration_of_the_readings_own_time_applies(admit: Callable[..., Admitted]) -> None:
    times = [to_us(datetime(2025, 7, 1, tzinfo=UTC)), to_us(datetime(2026, 3, 1, tzinfo=UTC)), NOW]
    readings = admit(*(reading("wl-001", 10, time_us) for time_us in times)).readings
    assert readings.value.tolist() == [10, 20, 21]
    assert readings.raw.tolist() == [10, 10, 10]


@pytest.mark.parametrize(
    ("value", "sent", "flag"),
    [
        (50, 2, Flag.PASS),
        (50, 3, Flag.SUSPECT),
        (50, 4, Flag.FAIL),
        (50, 9, Flag.MISSING),
        (101, 1, Flag.SUSPECT),
        (-1, 2, Flag.SUSPECT),
        (1e6, 1, Flag.FAIL),
        (-1e6, 3, Flag.FAIL),
    ],
)
def test_the_gross_range_test_never_betters_a_flag(
    admit: Callable[..., Admitted], value: float, sent: int, flag: Flag
) -> None:
    assert admit(reading(value=value, flag=sent)).readings.flag.tolist() == [flag]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (reading("nobody"), Reason.UNKNOWN_SENSOR),
        (reading("t-1"), Reason.WRONG_GATEWAY),
        (reading(unit="kPa"), Reason.BAD_UNIT),
        (reading(unit="furlongs"), Reason.BAD_UNIT),
        (reading(time_us=0), Reason.TIME_OUT_OF_RANGE),
        (reading(time_us=NOW // 1_000_000 * 1000), Reason.TIME_OUT_OF_RANGE),
        (reading(time_us=NOW + 86_401_000_000), Reason.TIME_OUT_OF_RANGE),
        (reading("old-1"), Reason.OUT_OF_SERVICE),
        (reading("wl-001", 1.7e308), Reason.BAD_VALUE),
    ],
)
def test_one_stranger_among_good_readings_is_refused_alone(
    admit: Callable[..., Admitted], bad: dict[str, object], reason: Reason
) -> None:
    admitted = admit(reading(), bad, reading("wl-002"))
    assert len(admitted.readings) == 2
    assert [(refused.reason, refused.sensor) for refused in admitted.refused[0]] == [(reason, bad["sensor"])]
    assert admitted.refused[0][0].detail
    assert json.loads(admitted.refused[0][0].payload)["value"] == bad["value"]


def test_seconds_instead_of_milliseconds_are_recognised(admit: Callable[..., Admitted]) -> None:
    assert "seconds" in admit(reading(time_us=NOW // 1000)).refused[0][0].detail


def test_a_sensor_serves_to_the_end_of_its_last_day(admit: Callable[..., Admitted]) -> None:
    last = to_us(datetime(2021, 1, 1, 15, 59, tzinfo=UTC))  # 23:59 in Shanghai
    assert len(admit(reading("old-1", time_us=last), reading("old-1", time_us=last + 60_000_000)).readings) == 1


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ({"gateway": "gw-9"}, Reason.UNKNOWN_GATEWAY),
        ({"district": "south"}, Reason.WRONG_DISTRICT),
        ({"district": "nowhere"}, Reason.WRONG_DISTRICT),
    ],
)
def test_a_gateway_out_of_place_is_refused_whole(
    admit: Callable[..., Admitted], where: dict[str, str], reason: Reason
) -> None:
    admitted = admit(reading(), reading("wl-002"), **where)
    assert len(admitted.readings) == 0
    assert [(refused.reason, refused.count) for refused in admitted.refused[0]] == [(reason, 2)]


def test_readings_from_the_future_move_to_their_arrival_together(admit: Callable[..., Admitted]) -> None:
    ahead = NOW + 3600_000_000
    admitted = admit(
        reading(time_us=ahead), reading(time_us=ahead - 60_000_000), reading("wl-002", time_us=NOW + 119_000_000)
    )
    assert admitted.readings.time_us.tolist() == [NOW, NOW - 60_000_000, NOW + 119_000_000]
    assert admitted.readings.flag.tolist() == [Flag.SUSPECT, Flag.SUSPECT, Flag.PASS]
    assert admitted.claimed == {0: ahead, 1: ahead - 60_000_000}
    assert not admitted.refused[0]


def test_a_city_without_numbers_is_refused(small_city: City) -> None:
    with pytest.raises(OutsideError, match="23 in all"):
        SensorTable(small_city, {})


def test_a_city_without_sensors_admits_nothing(files: dict[str, str]) -> None:
    files |= {
        "sensors.csv": "sensor,gateway,site,quantity,unit,interval_s\n",
        "calibrations.csv": "sensor,from,scale,offset\n",
    }
    admitted = Admission(SensorTable(load_city(files), {})).admit(decoded(reading()), NOW)
    assert [refused.reason for refused in admitted.refused[0]] == [Reason.UNKNOWN_SENSOR]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.lists(
            st.builds(
                reading,
                st.sampled_from(["wl-000", "wl-001", "mm-1", "old-1", "t-1", "nobody"]),
                st.floats(allow_nan=False, allow_infinity=False),
                st.integers(0, NOW * 2).map(lambda us: us // 1000 * 1000),
            ),
            max_size=5,
        ),
        max_size=5,
    )
)
def test_a_batch_is_the_sum_of_its_messages(admission: Admission, messages: list[list[dict[str, object]]]) -> None:
    arrivals = [Arrival(decoded(*readings), NOW) for readings in messages]
    together = admission.admit_all(arrivals)
    singly = [admission.admit_all([arrival]) for arrival in arrivals]
    for at, (arrival, alone) in enumerate(zip(arrivals, singly, strict=True)):
        rows = together.readings.take(together.origin == at)
        assert len(rows) + len(together.refused[at]) == len(arrival.message.sensor)
        assert together.refused[at] == alone.refused[0]
        for column in ("sensor_id", "time_us", "value", "flag", "raw"):
            np.testing.assert_array_equal(getattr(rows, column), getattr(alone.readings, column))


block = st.fixed_dictionaries(
    {
        "sensor": st.sampled_from(["wl-000", "wl-001", "mm-1", "old-1", "t-1", "nobody", "a\0b", "\ud800"]),
        "start": st.integers(NOW - 3_000_000, NOW + 400_000_000).map(lambda us: us // 1000),
        "step_ms": st.sampled_from([20, 0.25, 1000 / 3]),
        "values": st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=6),
    },
    optional={"unit": st.sampled_from(["mm", "cm", "km/h", "?"]), "flag": st.sampled_from([1, 2, 3, 4, 9])},
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.lists(block, max_size=4), max_size=4))
def test_a_block_is_judged_as_its_readings_one_by_one(
    admission: Admission, messages: list[list[dict[str, object]]]
) -> None:
    def arrivals(*, spread: bool) -> list[Arrival]:
        found = []
        for blocks in messages:
            message = decode("lifeline/v1/north/gw-1/readings", json.dumps({"series": blocks}).encode())
            assert isinstance(message, ReadingsMessage)
            if spread:
                message.spread()
            found.append(Arrival(message, NOW))
        return found

    whole, one_by_one = (admission.admit_all(arrivals(spread=spread)) for spread in (False, True))
    assert whole.refused == one_by_one.refused
    assert whole.claimed == one_by_one.claimed
    for column in Readings.__slots__:
        np.testing.assert_array_equal(getattr(whole.readings, column), getattr(one_by_one.readings, column))
    np.testing.assert_array_equal(whole.place, one_by_one.place)
    np.testing.assert_array_equal(whole.origin, one_by_one.origin)


def test_any_name_is_found_again_and_no_other() -> None:
    names = [f"wl-{number:05d}" for number in range(3_000)] + ["水位-1", "a", "aa"]
    found = Names(names)
    assert [found.find(name) for name in names] == list(range(len(names)))
    assert [found[place] for place in range(len(found))] == names
    assert {found.find(name) for name in ("", "wl-", "wl-00001\0", "wl-03000", "\ud800", "水位")} == {-1}
    assert Names([]).find("a") == -1


def test_units_that_a_gateway_invents_are_forgotten_and_its_readings_still_known(
    admission: Admission, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.variants._CONVERSIONS", 50)
    assert admission.admit(decoded(*[reading(value=1.5, unit="m")] * 4), NOW).readings.value.tolist() == [150.0] * 4
    for number in range(200):
        message = decoded(*[reading(unit=f"u{number}")] * 4)
        assert admission.admit(message, NOW).refused[0][0].reason is Reason.BAD_UNIT
    assert admission.admit(decoded(*[reading(value=150, unit="mm")] * 4), NOW).readings.value.tolist() == [15.0] * 4
    assert len(admission._variants._conversions) < 60  # what it remembers is its own business, its size is ours
