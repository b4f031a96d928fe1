"""Mappings of vendors' messages: checked whole with places; applied reading by reading; nothing vanishes or raises."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city.errors import FaultyInput
from city.mapping import Mapping, load_mapping, load_mappings
from city.topics import matches, overlap
from ingest.decoders import Decoders
from ingest.message import ReadingsMessage, Refusal
from ingest.reasons import Reason

VENDOR = """\
version: 1
topic: acme/+/data
gateway: gw-{topic.2}
district: north
each: $.data[*]
time: {path: "@.ts", format: "%Y-%m-%d %H:%M:%S", zone: Asia/Shanghai}
sensor: "{@.station}-{key}"
values:
  - {path: "@.level", unit: mm, scale: 0.1, offset: 5}
  - {path: "@['other things'].*", sensor: "{$.site}-{@.station}-{key}", unit: "{@.unit}"}
flag: {path: "@.ok", map: {"true": 1, bad: 4}}
names: {s1-level: wl-001}
ignore: [firmware]
numeric_text: true
"""
THINGSBOARD = "version: 1\ntopic: v1/gateway/telemetry\nformat: thingsboard\ngateway: gw-1\ndistrict: north\n"
CHIRPSTACK = """\
version: 1
topic: application/+/device/+/event/up
format: chirpstack
gateway: gw-1
ignore: [status]
names: {em300-level: wl-001}
"""


def mapping(text: str) -> Mapping:
    return load_mapping(text, "mappings/m.yaml")


def decode(text: str, topic: str, content: object) -> ReadingsMessage | Refusal:
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    message = Decoders([mapping(text)]).decode(topic, payload)
    assert isinstance(message, ReadingsMessage | Refusal)
    return message


def readings(text: str, topic: str, content: object) -> ReadingsMessage:
    message = decode(text, topic, content)
    assert isinstance(message, ReadingsMessage), message
    return message


def rows(message: ReadingsMessage) -> list[tuple[str, int, float, str | None, int]]:
    return list(zip(message.sensor, message.time_us, message.value, message.unit, message.flag, strict=True))


EIGHT_US = 1_782_864_000_000_000  # 2026-07-01 08:00 in Shanghai


def test_a_vendors_message_becomes_readings() -> None:
    item = {"ts": "2026-07-01 08:00:00", "station": "s1", "level": " 1620 ", "ok": True}
    other = {
        **item,
        "station": "s2",
        "level": 10,
        "ok": "bad",
        "unit": "V",
        "other things": {"bat": 3.6, "firmware": "x"},
    }
    message = readings(VENDOR, "acme/7/data", {"site": "hf", "data": [item, other]})
    assert (message.gateway, message.district) == ("gw-7", "north")
    assert rows(message) == [
        ("wl-001", EIGHT_US, 167.0, "mm", 1),
        ("s2-level", EIGHT_US, 6.0, "mm", 4),
        ("hf-s2-bat", EIGHT_US, 3.6, "V", 4),
    ]
    assert not message.refused


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"ts": "yesterday"}, Reason.BAD_TIME, "not a time: 'yesterday', try %Y-%m-%d"),
        ({"ts": None}, Reason.BAD_TIME, "no time at @.ts"),
        ({"level": "deep"}, Reason.BAD_VALUE, "not a finite number, got deep"),
        ({"level": float("nan")}, Reason.BAD_VALUE, "not a finite number, got nan"),
        ({"level": None}, Reason.BAD_VALUE, "not a finite number, got None"),
        ({"level": True}, Reason.BAD_VALUE, "not a finite number, got True"),
        ({"level": {"v": 1}}, Reason.BAD_VALUE, "not a finite number"),
        ({"station": None}, Reason.BAD_READING, "nothing for {@.station}"),
        ({"ok": "so-so"}, Reason.BAD_FLAG, "unknown quality mark, got so-so, try one of true, bad"),
    ],
)
def test_a_bad_value_is_refused_alone(changes: dict[str, Any], reason: Reason, detail: str) -> None:
    item = {"ts": "2026-07-01 08:00:00", "station": "s1", "level": 1}
    message = readings(VENDOR, "acme/7/data", {"data": [item, {**item, **changes}]})
    assert message.sensor == ["wl-001"]
    assert [refused.reason for refused in message.refused] == [reason]
    assert detail in message.refused[0].detail


def test_a_message_without_any_reading_is_no_silence() -> None:
    message = decode(VENDOR, "acme/7/data", {"data": [{"ts": "2026-07-01 08:00:00", "levl": 1}]})
    assert isinstance(message, Refusal)
    assert message.reason == Reason.BAD_MESSAGE
    assert "1 items at $.data[*] and nothing at @.level" in message.detail


def test_thingsboard_gateway_telemetry() -> None:
    content = {
        "pump 7": [{"ts": 1_782_864_000_000, "values": {"level": 16.2, "mode": "auto"}}, {"ts": 1, "values": 5}],
        "tank": {"level": 1},
    }
    message = readings(THINGSBOARD, "v1/gateway/telemetry", content)
    assert rows(message) == [("pump 7-level", EIGHT_US, 16.2, None, 2)]
    assert [(one.reason, one.sensor) for one in message.refused] == [
        (Reason.BAD_READING, ""), (Reason.BAD_READING, ""), (Reason.BAD_VALUE, "pump 7-mode"),
    ]  # fmt: skip


def test_chirpstack_uplinks() -> None:
    content = {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": "2026-07-01T00:00:00.775023242+00:00",
        "deviceInfo": {"deviceName": "em300", "devEui": "24e124136b502217", "applicationName": "drains"},
        "devAddr": "00189440", "fCnt": 4, "fPort": 85, "data": "AXVk",
        "object": {"level": 16.2, "battery": 92.0, "status": "normal"},
    }  # fmt: skip
    message = readings(CHIRPSTACK, "application/1/device/24e124136b502217/event/up", content)
    assert rows(message) == [
        ("wl-001", EIGHT_US + 775_023, 16.2, None, 2),
        ("em300-battery", EIGHT_US + 775_023, 92.0, None, 2),
    ]
    assert message.district == ""
    del content["object"]
    bare = decode(CHIRPSTACK, "application/1/device/24e124136b502217/event/up", content)
    assert isinstance(bare, Refusal)  # the device has no codec: that must show


def test_every_fault_is_told_with_its_place() -> None:
    text = """\
version: 2
topic: lifeline/v1/+/+/readings
format: jason
gateway: "{key}-{topic.0}"
distrikt: north
each: data[*]
time: {path: $.ts, format: epoch, zone: Mars/Olympus}
values:
  - {path: "$.a.*", sensor: one}
  - {path: "$.b..c", sensor: "{$.x", unit: furlongz, scale: 0}
  - {path: $.c}
flag: {path: $.q, map: {good: 7}}
"""
    with pytest.raises(FaultyInput) as caught:
        mapping(text)
    found = [str(fault) for fault in caught.value.faults]
    expected = [
        "1:10: unknown version of mappings, got 2",
        "2:8: topics of lifeline/# are read without a mapping",
        "3:9: unknown format, got 'jason', try 'json'",
        "4:10: unknown place, got '{key}', try {topic.2}, {$.name}",
        "4:10: unknown place, got '{topic.0}'",
        "5:1: unknown key 'distrikt', try 'district'",
        "6:7: a path begins with $ (the message) or @ (the item), got 'data[*]', try '$.data[*]'",
        "7:28: unknown format of times, got 'epoch'",
        "7:41: unknown time zone, got 'Mars/Olympus'",
        "9:5: several values need several names, got 'one', try \"one-{key}\"",
        "10:12: not a path, got '..c' in '$.b..c'",
        "10:30: a brace without its other",
        "10:44: unknown unit, got 'furlongz'",
        "10:61: scale: expected a number but 0",
        "11:5: a value without a name",
        "12:24: expected marks with their flags",
    ]
    for part in expected:
        assert any(part in fault for fault in found), (part, found)
    assert len(found) == len(expected), found


def test_two_mappings_never_fight_over_a_message() -> None:
    files = {"mappings/a.yaml": VENDOR, "mappings/b.yaml": VENDOR.replace("acme/+/data", "acme/#")}
    mappings, faults = load_mappings(files)
    assert [str(fault) for fault in faults] == [
        "mappings/b.yaml:2:8: its topics may be those of mappings/a.yaml, too, got 'acme/#', try one mapping for them"
    ]
    assert len(mappings) == 2
    recorded = "version: 1\nfiles: ['*.csv']\n"
    assert load_mappings({"mappings/c.yaml": recorded}) == ([], [])


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("a/+/c", "a/b/c", True), ("a/+/c", "a/b/d", False), ("a/#", "a", True), ("a/b", "a", False),
        ("#", "x/y", True),
        ("a/+", "a/b/c", False), ("+/b", "a/+", True), ("a/#", "b/#", False), ("a/+/#", "a", False),
        ("a/b/#", "a/+", True),
    ],
)  # fmt: skip
def test_topic_filters_overlap_where_a_topic_matches_both(one: str, other: str, both: bool) -> None:
    assert overlap(one, other) is both
    assert overlap(other, one) is both


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=4), st.data())
def test_a_filter_made_of_a_topic_matches_it(levels: list[str], data: st.DataObject) -> None:
    pattern = [data.draw(st.sampled_from([level, "+"])) for level in levels]
    cut = data.draw(st.integers(0, len(levels)))
    assert matches("/".join(pattern), "/".join(levels))
    assert matches("/".join([*pattern[:cut], "#"]), "/".join(levels))
    assert not matches("/".join([*pattern, "x"]), "/".join(levels))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "ts", "station", "level", "values", "object", "time", "ok", "x"]), inner
        )
    ),
    max_leaves=12,
)


def sound(text: str, topic: str, payload: bytes) -> None:
    message = decode(text, topic, payload)
    if isinstance(message, Refusal):
        assert message.reason != Reason.DECODER_FAULT, message.detail
    else:
        assert len({len(c) for c in (message.sensor, message.time_us, message.value, message.unit, message.flag)}) == 1
        assert all(abs(value) < float("inf") for value in message.value)


WAYS = st.sampled_from(
    [(VENDOR, "acme/7/data"), (THINGSBOARD, "v1/gateway/telemetry"), (CHIRPSTACK, "application/1/device/2/event/up")]
)


@given(WAYS, st.binary() | anything.map(lambda content: json.dumps(content).encode()))
def test_nothing_raises(way: tuple[str, str], payload: bytes) -> None:
    sound(*way, payload)


@given(WAYS, st.data())
def test_damaged_messages_never_raise(way: tuple[str, str], data: st.DataObject) -> None:
    whole = json.dumps(
        {
            "site": "x", "time": "2026-07-01T00:00:00Z", "deviceInfo": {"deviceName": "d"}, "object": {"level": 1},
            "data": [{"ts": 1, "station": "s", "level": 1, "values": {"level": 2}}],
        }
    ).encode()  # fmt: skip
    at = data.draw(st.integers(0, len(whole) - 1))
    sound(*way, whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 3)) :])


def test_paths_that_multiply_are_stopped() -> None:
    text = (
        'version: 1\ntopic: a\ngateway: g\neach: $[*]\ntime: {path: "$[0]", format: unix_s}\n'
        'values: [{path: "$[*]", sensor: "{key}"}]\n'
    )
    message = decode(text, "a", [1] * 20_000)
    assert isinstance(message, Refusal)
    assert message.reason == Reason.TOO_MANY
