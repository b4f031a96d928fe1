"""Sparkplug B: births give aliases their meaning, gaps ask for rebirths, deaths count by their session; bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.decoders import Decoders
from ingest.decoders.protobuf import read_payload
from ingest.decoders.sparkplug import ASK_AGAIN_US, SparkplugHost
from ingest.message import Message, ReadingsMessage, Refusal, StatusMessage
from ingest.reasons import Reason
from tests.ingest.edge_node import BOOLEAN, FLOAT, INT8, INT32, INT64, STRING, birth, death, metric, payload

T_MS = 1_782_864_000_000
LEVEL = metric(16.5, "level", 1, at_ms=T_MS, properties={"engUnit": (STRING, "cm")})
BORN = birth(T_MS, 7, [LEVEL, metric(False, "Node Control/Rebirth", datatype=BOOLEAN)])


class Host:
    """A decoder with a clock of its own."""

    def __init__(self, host: SparkplugHost | None = None) -> None:
        self.decoders, self.now_us = Decoders(sparkplug=host), T_MS * 1000

    def hear(self, kind: str, content: bytes, device: str = "", node: str = "gw-1") -> Message:
        self.now_us += 1000
        topic = f"spBv1.0/north/{kind}/{node}" + (f"/{device}" if device else "")
        return self.decoders.decode(topic, content, self.now_us)

    def readings(self, kind: str, content: bytes, device: str = "", node: str = "gw-1") -> ReadingsMessage:
        message = self.hear(kind, content, device, node)
        assert isinstance(message, ReadingsMessage), message
        return message

    def data(self, seq: int, value: float = 1.0, alias: int = 1) -> ReadingsMessage:
        return self.readings("NDATA", payload(T_MS + seq, seq, [metric(value, alias=alias, datatype=None)]))

    def asked(self) -> list[str]:
        return [topic for topic, _ in self.decoders.sparkplug.take_requests()]


@pytest.fixture
def host() -> Host:
    host = Host()
    host.readings("NBIRTH", BORN)
    return host


def test_a_birth_is_readings_and_says_that_the_gateway_is_there() -> None:
    message = Host().readings("NBIRTH", BORN)
    assert (message.district, message.gateway) == ("north", "gw-1")
    assert (message.sensor, message.value, message.unit, message.time_us) == (["level"], [16.5], ["cm"], [T_MS * 1000])
    assert not message.refused
    assert message.beside is not None
    assert message.beside.online


def test_data_comes_by_alias_with_the_type_and_unit_of_the_birth() -> None:
    host = Host()
    kinds = [
        metric(-5, "a", 1, INT8),
        metric(-70_000, "b", 2, INT32),
        metric(-(2**40), "c", 3, INT64),
        metric(0.5, "d", 4, FLOAT),
    ]
    host.readings("NBIRTH", birth(T_MS, 0, kinds))
    sent = [metric(-6, alias=1, datatype=None), metric(-7, alias=2, datatype=None)]
    sent += [number_of_c(), metric(0.25, alias=4, datatype=FLOAT)]
    message = host.readings("NDATA", payload(T_MS + 1, 1, sent))
    assert dict(zip(message.sensor, message.value, strict=True)) == {"a": -6.0, "b": -7.0, "c": -8.0, "d": 0.25}


def number_of_c() -> bytes:
    return metric(-8, alias=3, datatype=INT64)


def test_devices_have_their_own_names_and_must_be_born(host: Host) -> None:
    host.readings("DBIRTH", payload(T_MS, 1, [metric(3.0, "tank/level", 9, at_ms=T_MS)]), "pump")
    message = host.readings("DDATA", payload(T_MS + 5, 2, [metric(4.0, alias=9, datatype=None)]), "pump")
    assert (message.sensor, message.value) == (["pump-tank-level"], [4.0])
    assert host.asked() == []
    other = host.readings("DDATA", payload(T_MS + 6, 3, [metric(4.0, alias=9, datatype=None)]), "valve")
    assert [refused.reason for refused in other.refused] == [Reason.UNKNOWN_ALIAS]
    assert host.asked() == ["spBv1.0/north/NCMD/gw-1"]


def test_a_device_that_died_must_be_born_again(host: Host) -> None:
    host.readings("DBIRTH", payload(T_MS, 1, [metric(3.0, "level", 9, at_ms=T_MS)]), "pump")
    host.readings("DDEATH", payload(T_MS, 2), "pump")
    assert host.asked() == []
    host.readings("DDATA", payload(T_MS, 3, [metric(4.0, alias=9, datatype=None)]), "pump")
    assert host.asked() == ["spBv1.0/north/NCMD/gw-1"]


def test_the_sequence_wraps_at_255(host: Host) -> None:
    for seq in [*range(1, 256), 0, 1]:
        assert host.data(seq).value == [1.0]
    assert host.asked() == []


def test_a_gap_asks_for_a_rebirth_once_and_guesses_no_alias(host: Host) -> None:
    host.data(1)
    lost = host.data(3)
    assert (lost.sensor, [refused.reason for refused in lost.refused]) == ([], [Reason.UNKNOWN_ALIAS])
    assert host.asked() == ["spBv1.0/north/NCMD/gw-1"]
    host.data(4)
    assert host.asked() == []
    host.now_us += ASK_AGAIN_US
    host.data(5)
    assert host.asked() == ["spBv1.0/north/NCMD/gw-1"]
    host.readings("NBIRTH", birth(T_MS + 10, 7, [LEVEL]))
    assert host.data(1).sensor == ["level"]
    assert host.asked() == []


def test_metrics_that_come_by_name_are_taken_through_a_gap(host: Host) -> None:
    message = host.readings("NDATA", payload(T_MS + 9, 9, [metric(2.0, "level", at_ms=T_MS + 9)]))
    assert (message.sensor, message.unit) == (["level"], ["cm"])
    assert host.asked() == ["spBv1.0/north/NCMD/gw-1"]


def test_the_request_is_a_rebirth_command(host: Host) -> None:
    host.data(5)
    ((topic, content),) = host.decoders.sparkplug.take_requests()
    request = read_payload(content)
    assert topic == "spBv1.0/north/NCMD/gw-1"
    assert [(one.name, one.value(BOOLEAN)) for one in request.metrics] == [("Node Control/Rebirth", True)]


def test_after_a_start_of_ours_nodes_are_asked_for_their_births() -> None:
    host = Host()
    assert [refused.reason for refused in host.data(200).refused] == [Reason.UNKNOWN_ALIAS]
    assert host.asked() == ["spBv1.0/north/NCMD/gw-1"]


def test_a_death_of_this_session_counts_and_an_older_one_does_not(host: Host) -> None:
    late = host.hear("NDEATH", death(6))
    assert isinstance(late, ReadingsMessage)
    assert host.data(1).sensor == ["level"]
    gone = host.hear("NDEATH", death(7))
    assert isinstance(gone, StatusMessage)
    assert not gone.online
    assert host.data(2).sensor == []  # of the dead session: nobody knows what the alias means now
    assert host.asked() == ["spBv1.0/north/NCMD/gw-1"]


def test_bdseq_wraps_and_the_older_death_is_still_older() -> None:
    host = Host()
    host.readings("NBIRTH", birth(T_MS, 255, [LEVEL]))
    host.readings("NBIRTH", birth(T_MS + 10, 0, [LEVEL]))
    assert isinstance(host.hear("NDEATH", death(255)), ReadingsMessage)
    assert isinstance(host.hear("NDEATH", death(0)), StatusMessage)


def test_a_birth_that_comes_late_changes_no_alias(host: Host) -> None:
    late = host.readings("NBIRTH", birth(T_MS - 50, 6, [metric(1.0, "other", 1, at_ms=T_MS - 50)]))
    assert (late.sensor, late.beside) == (["other"], None)
    assert host.data(1).sensor == ["level"]


def test_quality_becomes_a_flag_and_what_is_no_number_is_refused() -> None:
    sent = [
        metric(1.0, "good", properties={"Quality": (INT32, 192)}),
        metric(1.0, "stale", properties={"Quality": (INT32, 500)}),
        metric(1.0, "bad", properties={"Quality": (INT32, 0)}),
        metric(True, "door", datatype=BOOLEAN),
        metric("on", "state", datatype=STRING),
        metric(None, "gone"),
        metric(float("nan"), "nan"),
    ]
    message = Host().readings("NBIRTH", birth(T_MS, 0, sent))
    assert dict(zip(message.sensor, message.flag, strict=True)) == {"good": 2, "stale": 3, "bad": 4}
    assert [(one.sensor, one.reason) for one in message.refused] == [
        (name, Reason.BAD_VALUE) for name in ("door", "state", "gone", "nan")
    ]


def test_what_is_remembered_is_bounded_and_who_was_forgotten_is_asked_again() -> None:
    host = Host(SparkplugHost(max_nodes=3))
    for node in "abcd":
        host.readings("NBIRTH", BORN, node=node)
    host.readings("NDATA", payload(T_MS, 1, [metric(1.0, alias=1, datatype=None)]), node="d")
    assert host.asked() == []
    host.readings("NDATA", payload(T_MS, 1, [metric(1.0, alias=1, datatype=None)]), node="a")
    assert host.asked() == ["spBv1.0/north/NCMD/a"]
    small = Host(SparkplugHost(max_metrics=10))
    for node in "ab":
        small.readings("NBIRTH", birth(T_MS, 0, [metric(1.0, f"m{at}", at) for at in range(8)]), node=node)
    small.readings("NDATA", payload(T_MS, 1, [metric(1.0, alias=1, datatype=None)]), node="b")
    assert small.asked() == []
    small.readings("NDATA", payload(T_MS, 1, [metric(1.0, alias=1, datatype=None)]), node="a")
    assert small.asked() == ["spBv1.0/north/NCMD/a"]


@pytest.mark.parametrize(
    "content",
    [
        b"\x08",
        b"\x0a\x05ab",
        b"\x0b",
        b"\x00\x01",
        b"\x12\x02\x0a\x05",
        b"\x08" + b"\xff" * 11,
        b"\x12\x03\x0a\x01\xff",
        b"\x10\x01",
    ],
)
def test_what_is_no_payload_is_refused_whole(content: bytes) -> None:
    message = Host().hear("NDATA", content)
    assert isinstance(message, Refusal)
    assert (message.reason, message.gateway) == (Reason.BAD_PROTOBUF, "gw-1")


@pytest.mark.parametrize(
    "topic", ["spBv1.0/north/NDATA", "spBv1.0/north/NCMD/gw-1", "spBv1.0//NDATA/a", "spBv1.0/n/NDATA/a/b/c"]
)
def test_other_topics_are_none_of_a_host(topic: str) -> None:
    message = Decoders().decode(topic, b"")
    assert isinstance(message, Refusal)
    assert message.reason == Reason.BAD_TOPIC


KINDS = st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"])


def sound(host: Host, kind: str, content: bytes) -> None:
    message = host.hear(kind, content, "dev" if kind.startswith("D") else "")
    if isinstance(message, Refusal):
        assert message.reason != Reason.DECODER_FAULT, message.detail
    elif isinstance(message, ReadingsMessage):
        assert len({len(c) for c in (message.sensor, message.time_us, message.value, message.unit, message.flag)}) == 1
        assert all(abs(value) < float("inf") for value in message.value)


@given(st.lists(st.tuples(KINDS, st.binary()), max_size=5))
def test_random_bytes_never_raise(heard: list[tuple[str, bytes]]) -> None:
    host = Host()
    for kind, content in heard:
        sound(host, kind, content)


@given(st.data())
def test_damaged_payloads_never_raise(data: st.DataObject) -> None:
    host = Host()
    for seq in range(3):
        kind = data.draw(KINDS)
        whole = BORN if kind.endswith("BIRTH") else payload(T_MS, seq, [metric(1.5, alias=1, datatype=None), LEVEL])
        at = data.draw(st.integers(0, len(whole) - 1))
        sound(host, kind, whole[:at] + data.draw(st.binary(max_size=3)) + whole[at + data.draw(st.integers(0, 3)) :])
