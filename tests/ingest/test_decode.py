"""The decoder takes what the contract says, refuses the rest reading by reading, and never raises."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.clock import to_us
from ingest.decoders import MAX_PAYLOAD, MAX_READINGS, decode
from ingest.message import ReadingsMessage, Refusal, StatusMessage
from ingest.reasons import Reason

TOPIC = "lifeline/v1/north/gw-1/readings"
STATUS = "lifeline/v1/north/gw-1/status"
EIGHT = to_us(datetime.fromisoformat("2026-07-01T08:00:00+08:00"))


def reading(**changes: object) -> dict[str, object]:
    return {"sensor": "wl-017", "time": "2026-07-01T08:00:00+08:00", "value": 16.2, **changes}


def readings_of(*readings: object, **fields: object) -> ReadingsMessage:
    message = decode(TOPIC, json.dumps({"readings": readings, **fields}).encode())
    assert isinstance(message, ReadingsMessage)
    return message


def refusal_of(payload: bytes, topic: str = TOPIC) -> Refusal:
    message = decode(topic, payload)
    assert isinstance(message, Refusal)
    return message


def test_a_full_message_becomes_columns() -> None:
    message = readings_of(
        reading(unit="cm", flag=1),
        reading(sensor="wl-018", time=1_782_864_000_123, value=3),
        seq=17,
        sent_at="2026-07-01T08:00:05+08:00",
    )
    assert (message.district, message.gateway, message.seq) == ("north", "gw-1", 17)
    assert message.sent_us == EIGHT + 5_000_000
    assert message.sensor == ["wl-017", "wl-018"]
    assert message.time_us == [EIGHT, 1_782_864_000_123_000]
    assert message.value == [16.2, 3.0]
    assert message.unit == ["cm", None]
    assert message.flag == [1, 2]
    assert not message.refused


def test_a_series_spreads_its_values_over_its_steps() -> None:
    message = readings_of(series=[{"sensor": "st-003", "start": 1_000, "step_ms": 20, "values": [1, 2.5, 3]}])
    assert message.time_us == [1_000_000, 1_020_000, 1_040_000]
    assert message.value == [1.0, 2.5, 3.0]


def test_one_bad_value_in_a_series_costs_that_value_only() -> None:
    payload = b'{"series": [{"sensor": "st-003", "start": 1000, "step_ms": 20, "values": [1, NaN, null, 4]}]}'
    message = decode(TOPIC, payload)
    assert isinstance(message, ReadingsMessage)
    assert message.time_us == [1_000_000, 1_060_000]
    assert [(r.reason, r.sensor, r.time_us) for r in message.refused] == [
        (Reason.BAD_VALUE, "st-003", 1_020_000),
        (Reason.BAD_VALUE, "st-003", 1_040_000),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (reading(value=float("nan")), Reason.BAD_VALUE),
        (reading(value=float("-inf")), Reason.BAD_VALUE),
        (reading(value="16.2"), Reason.BAD_VALUE),
        (reading(value=None), Reason.BAD_VALUE),
        (reading(value=True), Reason.BAD_VALUE),
        ({"sensor": "wl-017", "time": 0}, Reason.BAD_VALUE),
        (reading(time="2026-07-01T08:00:00"), Reason.BAD_TIME),
        (reading(time="yesterday"), Reason.BAD_TIME),
        (reading(time=1.5), Reason.BAD_TIME),
        (reading(time=10**30), Reason.BAD_TIME),
        (reading(time=None), Reason.BAD_TIME),
        (reading(sensor=""), Reason.BAD_READING),
        (reading(sensor=7), Reason.BAD_READING),
        (reading(sensor="x" * 201), Reason.BAD_READING),
        (reading(unit=3), Reason.BAD_UNIT),
        (reading(flag=5), Reason.BAD_FLAG),
        (reading(flag=True), Reason.BAD_FLAG),
        ("16.2", Reason.BAD_READING),
        (None, Reason.BAD_READING),
        ([], Reason.BAD_READING),
    ],
)
def test_a_bad_reading_is_refused_alone(bad: object, reason: Reason) -> None:
    message = readings_of(reading(), bad, reading(sensor="wl-018"))
    assert message.sensor == ["wl-017", "wl-018"]
    assert [refused.reason for refused in message.refused] == [reason]
    assert message.published == 3


def test_numbers_too_large_for_a_float_are_refused_alone() -> None:
    payload = '{"readings": [{"sensor": "a", "time": 0, "value": %s}, {"sensor": "b", "time": 0, "value": 1}]}'
    for number in ("1e999", "9" * 5000):
        message = decode(TOPIC, (payload % number).encode())
        assert isinstance(message, ReadingsMessage)
        assert message.sensor == ["b"]


def test_a_bad_field_is_left_out_and_the_readings_stay() -> None:
    message = readings_of(reading(), seq="seventeen", sent_at="now")
    assert (message.seq, message.sent_us, message.sensor) == (None, None, ["wl-017"])
    assert [(r.reason, r.count) for r in message.refused] == [(Reason.BAD_FIELD, 0)] * 2


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.BAD_JSON),
        (b"\x00\xff\xfe", Reason.BAD_JSON),
        (b"[1, 2]", Reason.BAD_MESSAGE),
        (b"{}", Reason.BAD_MESSAGE),
        (b'{"readings": {"sensor": "a"}}', Reason.BAD_MESSAGE),
        (b'{"x": ' + b"[" * 100_000, Reason.TOO_DEEP),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b"x" * (2 << 20), Reason.TOO_BIG),
        (b'{"readings": [%s]}' % b",".join([b"1"] * 100_001), Reason.TOO_MANY),
    ],
)
def test_a_hopeless_message_is_refused_whole(payload: bytes, reason: Reason) -> None:
    assert refusal_of(payload).reason == reason


@pytest.mark.parametrize(
    "topic", ["", "lifeline/v2/a/b/readings", "lifeline/v1/a/readings", "lifeline/v1//b/readings", "lifeline/v1/a/b/c"]
)
def test_an_unknown_topic_is_refused(topic: str) -> None:
    assert refusal_of(b"{}", topic).reason == Reason.BAD_TOPIC


def test_a_status_is_read() -> None:
    payload = b'{"online": true, "time": "2026-07-01T08:00:00+08:00", "buffered": 12, "version": "1.2"}'
    assert decode(STATUS, payload) == StatusMessage(STATUS, "north", "gw-1", True, EIGHT, 12, "1.2")
    assert decode(STATUS, b'{"online": false}') == StatusMessage(STATUS, "north", "gw-1", False)
    assert refusal_of(b'{"online": "yes"}', STATUS).reason == Reason.BAD_MESSAGE


def test_a_storm_of_bad_readings_is_summed_up() -> None:
    message = readings_of(*([reading(value="x")] * 1000), reading())
    assert message.published == 1001
    assert len(message.refused) < 110


finite = st.floats(allow_nan=False, allow_infinity=False)
times = st.one_of(
    st.integers(-62_135_596_800_000, 253_402_300_799_999),
    st.builds(
        lambda moment, minutes: moment.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat(),
        st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 30)),  # noqa: DTZ001 - the offset is put on above
        st.integers(-1439, 1439),
    ),
)
names = st.text(min_size=1, max_size=20)
good = st.fixed_dictionaries(
    {"sensor": names, "time": times, "value": finite | st.integers(-(10**18), 10**18)},
    optional={"unit": names, "flag": st.sampled_from([1, 2, 3, 4, 9])},
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
spoilt = st.builds(
    lambda item, key, value: {**item, key: value},
    good,
    st.sampled_from(["sensor", "time", "value", "unit", "flag"]),
    anything,
)
series = st.fixed_dictionaries(
    {"sensor": names, "start": st.integers(0, 10**12), "step_ms": st.integers(1, 1000), "values": st.lists(finite)},
)


def sound(topic: str, payload: bytes) -> ReadingsMessage | StatusMessage | Refusal:
    """Decode, and check what must hold for any input."""
    message = decode(topic, payload)
    if isinstance(message, Refusal):
        assert message.reason != Reason.DECODER_FAULT, message.detail
        assert message.detail
    elif isinstance(message, ReadingsMessage):
        assert message.published <= MAX_READINGS
        message.spread()
        columns = (message.sensor, message.time_us, message.value, message.unit, message.flag)
        assert len({len(column) for column in columns}) == 1
        assert all(abs(value) < float("inf") for value in message.value)
        assert all(refused.detail for refused in message.refused)
    return message


@given(st.sampled_from([TOPIC, STATUS]) | st.text(), st.binary())
def test_random_bytes_never_raise(topic: str, payload: bytes) -> None:
    sound(topic, payload)


@given(st.sampled_from([TOPIC, STATUS]), anything)
def test_random_json_never_raises(topic: str, content: object) -> None:
    sound(topic, json.dumps(content).encode())


@given(st.lists(good | spoilt | anything, max_size=8), st.lists(series | anything, max_size=3), anything, anything)
def test_every_reading_is_decoded_or_refused(
    readings: list[object], blocks: list[object], seq: object, at: object
) -> None:
    message = sound(TOPIC, json.dumps({"readings": readings, "series": blocks, "seq": seq, "sent_at": at}).encode())
    assert isinstance(message, ReadingsMessage)
    values = [
        block["values"] if isinstance(block, dict) and isinstance(block.get("values"), list) else [0]
        for block in blocks
    ]
    assert message.published == len(readings) + sum(len(each) for each in values)


@given(st.lists(good, max_size=8), st.lists(series, max_size=3))
def test_the_quick_and_the_patient_way_agree(readings: list[object], blocks: list[object]) -> None:
    quick = sound(TOPIC, json.dumps({"readings": readings, "series": blocks}).encode())
    patient = sound(TOPIC, json.dumps({"readings": readings, "series": blocks, "seq": "bad"}).encode())
    assert isinstance(quick, ReadingsMessage)
    assert isinstance(patient, ReadingsMessage)
    assert not quick.refused
    for name in ("sensor", "time_us", "value", "unit", "flag"):
        assert getattr(quick, name) == getattr(patient, name)


@given(st.data())
def test_a_damaged_message_never_raises(data: st.DataObject) -> None:
    whole = json.dumps({"readings": [reading(), reading(sensor="b")], "seq": 1}).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    sound(TOPIC, whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 3)) :])


def test_the_limit_is_on_the_whole_payload() -> None:
    whole = json.dumps({"readings": [reading()]}).encode()
    assert isinstance(decode(TOPIC, whole.ljust(MAX_PAYLOAD)), ReadingsMessage)
    assert refusal_of(whole.ljust(MAX_PAYLOAD + 1)).reason == Reason.TOO_BIG
