"""SenML packs are resolved as RFC 8428 says; only numbers are readings; nothing raises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.units import parse
from ingest.decoders import decode
from ingest.decoders.senml import unit_of
from ingest.message import ReadingsMessage, Refusal
from ingest.reasons import Reason

TOPIC = "lifeline/v1/north/gw-1/senml"
NOW_US = 1_782_864_000_000_000
LABELS = {"bver": -1, "bn": -2, "bt": -3, "bu": -4, "bv": -5, "bs": -6} | {
    label: at for at, label in enumerate(("n", "u", "v", "vs", "vb", "s", "t", "ut", "vd"))
}


def pack_of(*records: object) -> ReadingsMessage:
    message = decode(TOPIC, json.dumps(records).encode(), NOW_US)
    assert isinstance(message, ReadingsMessage), message
    return message


def rows(message: ReadingsMessage) -> list[tuple[str, int, float, str | None]]:
    return list(zip(message.sensor, message.time_us, message.value, message.unit, strict=True))


def test_base_fields_hold_from_their_record_on() -> None:
    message = pack_of(
        {"bn": "wl-", "bt": 1_782_860_400, "bu": "cm", "bv": 10, "bver": 10, "n": "001", "v": 1},
        {"n": "002", "v": 2, "t": 1.5, "u": "mm"},
        {"bn": "t-", "n": "1"},  # a base value alone is the value
        {"bt": 1_782_860_500},
        {"n": "2", "v": 0},
    )
    at_us = 1_782_860_400_000_000
    assert rows(message) == [
        ("wl-001", at_us, 11.0, "cm"),
        ("wl-002", at_us + 1_500_000, 12.0, "mm"),
        ("t-1", at_us, 10.0, "cm"),
        ("t-2", at_us + 100_000_000, 10.0, "cm"),
    ]
    assert not message.refused
    assert (message.district, message.gateway) == ("north", "gw-1")


def test_small_times_are_relative_to_the_arrival() -> None:
    message = pack_of({"n": "a", "v": 1, "t": -5}, {"n": "a", "v": 2}, {"bt": -10, "n": "a", "v": 3, "t": 2.5})
    assert message.time_us == [NOW_US - 5_000_000, NOW_US, NOW_US - 7_500_000]


def test_the_edge_between_relative_and_absolute_times() -> None:
    message = pack_of({"n": "a", "v": 1, "t": 2**28}, {"n": "a", "v": 1, "t": 2**28 - 1})
    assert message.time_us == [2**28 * 1_000_000, NOW_US + (2**28 - 1) * 1_000_000]


def test_a_sum_is_a_reading_of_its_own() -> None:
    message = pack_of({"bn": "flow", "bt": 1_782_860_400, "bs": 100, "v": 2, "u": "m3/s", "s": 5}, {"s": 7, "u": "W"})
    assert [(name, value, unit) for name, _, value, unit in rows(message)] == [
        ("flow", 2.0, "m3/s"),
        ("flow-sum", 105.0, "m3"),
        ("flow-sum", 107.0, "W*s"),
    ]


def test_only_numbers_are_readings_and_each_refusal_says_what_it_was() -> None:
    message = pack_of(
        {"bn": "x", "bt": 1_782_860_400, "vs": "open"},
        {"vb": True},
        {"vd": "AQID"},
        {"v": "16.2"},
        {"v": None},
        {"v": True},
        {"v": float("nan")},
        {"n": "y"},
        {"v": 1, "u": 5},
        {"v": 1, "t": "now"},
        {"v": 1, "t": 1e18},
        "no record",
        {"n": 5, "v": 1},
        {"v": 4},
    )
    assert message.value == [4.0]
    assert [refused.reason for refused in message.refused] == [
        *[Reason.BAD_VALUE] * 8, Reason.BAD_UNIT, Reason.BAD_TIME, Reason.BAD_TIME,
        Reason.BAD_READING, Reason.BAD_READING,
    ]  # fmt: skip
    assert "text ('vs'), got open" in message.refused[0].detail
    assert [refused.sensor for refused in message.refused[:3]] == ["x", "x", "x"]


@pytest.mark.parametrize(
    ("record", "detail"),
    [
        ({"n": "a", "v": 1, "secret_": 1}, "must be understood, got secret_"),
        ({"bver": 11, "n": "a", "v": 1}, "unknown SenML version, got 11"),
        ({"bver": "x", "n": "a", "v": 1}, "unknown SenML version, got x"),
        ({"bver": 16, "n": "a", "v": 1}, "unknown SenML version, got 16"),
    ],
)
def test_what_must_be_understood_spoils_the_pack(record: dict[str, Any], detail: str) -> None:
    message = decode(TOPIC, json.dumps([{"n": "b", "v": 1}, record]).encode(), NOW_US)
    assert isinstance(message, Refusal)
    assert message.reason == Reason.BAD_MESSAGE
    assert detail in message.detail
    assert len(pack_of({"bver": 26, "n": "a", "v": 1, "u": "mm"}).sensor) == 1  # the secondary units are known


@pytest.mark.parametrize(
    ("sent", "means"),
    [("/", "1"), ("%RH", "%"), ("/100", "%"), ("beat/min", "1/min"), ("%LEL", "%LEL"), ("hPa", "hPa")],
)
def test_senml_units_mean_the_same_here(sent: str, means: str) -> None:
    unit = unit_of(sent)
    assert unit is not None
    assert parse(unit).scale == parse(means).scale


@pytest.mark.parametrize("sent", ["g", "ug/m3", "C", "S", "lm"])
def test_units_that_would_mean_something_else_here_never_convert(sent: str) -> None:
    from city.units import UnitError

    with pytest.raises(UnitError):
        parse(str(unit_of(sent)))


def cbor(records: Sequence[dict[str, Any]]) -> bytes:
    return cbor2.dumps([{LABELS.get(label, label): value for label, value in record.items()} for record in records])


def test_cbor_gives_the_same_as_json() -> None:
    records: list[dict[str, Any]] = [
        {"bn": "wl-", "bt": 1_782_860_400.25, "bu": "cm", "n": "1", "v": 20},
        {"n": "2", "t": -1, "v": 23.5},
        {"n": "3", "vs": "x"},
    ]
    spelled = decode(TOPIC, cbor(records), NOW_US)
    assert isinstance(spelled, ReadingsMessage)
    assert rows(spelled) == rows(pack_of(*records))
    assert [refused.reason for refused in spelled.refused] == [Reason.BAD_VALUE]


def test_cbor_decimal_fractions_are_numbers_and_other_tags_build_nothing() -> None:
    from decimal import Decimal

    content = cbor2.dumps(
        [
            {0: "a", 2: Decimal("16.25")},
            {0: "a", 2: cbor2.CBORTag(4, [10**9, 1])},  # would be a number of a billion digits
            {0: "a", 2: cbor2.CBORTag(35, "(a+)+$")},
            {0: "a", 2: cbor2.CBORTag(2, b"\xff" * 100)},
            {0: "a", 2: cbor2.CBORTag(30, [1, 0])},
        ]
    )
    message = decode(TOPIC, content, NOW_US)
    assert isinstance(message, ReadingsMessage)
    assert message.value == [16.25]
    assert [refused.reason for refused in message.refused] == [Reason.BAD_VALUE] * 4


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", Reason.BAD_JSON),
        (b"{}", Reason.BAD_MESSAGE),
        (b"\xff", Reason.BAD_CBOR),
        (b"\xa1\x00\x01", Reason.BAD_MESSAGE),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", Reason.BAD_CBOR),  # an array of 2**64 - 1
        (b"\x81" * 5000, Reason.BAD_CBOR),
        (b"[" * 100_000, Reason.TOO_DEEP),
    ],
)
def test_a_hopeless_pack_is_refused_whole(payload: bytes, reason: Reason) -> None:
    message = decode(TOPIC, payload, NOW_US)
    assert isinstance(message, Refusal), message
    assert message.reason == reason


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)
record = st.dictionaries(st.sampled_from([*LABELS, "x", "y_"]), anything, max_size=6)


def sound(payload: bytes) -> None:
    message = decode(TOPIC, payload, NOW_US)
    if isinstance(message, Refusal):
        assert message.reason != Reason.DECODER_FAULT, message.detail
    else:
        assert isinstance(message, ReadingsMessage)
        assert len({len(c) for c in (message.sensor, message.time_us, message.value, message.unit, message.flag)}) == 1
        assert all(abs(value) < float("inf") for value in message.value)


@given(st.binary())
def test_random_bytes_never_raise(payload: bytes) -> None:
    sound(payload)


@given(st.lists(record | anything, max_size=5))
def test_random_packs_never_raise(records: list[Any]) -> None:
    sound(json.dumps(records, default=bytes.hex).encode())
    sound(cbor([item for item in records if isinstance(item, dict)]))


@given(st.data())
def test_damaged_cbor_never_raises(data: st.DataObject) -> None:
    whole = cbor([{"bn": "wl-", "bt": 1_782_860_400.25, "n": "1", "v": 20.5}, {"n": "2", "t": -1, "v": 2}])
    at = data.draw(st.integers(0, len(whole) - 1))
    sound(whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 3)) :])
