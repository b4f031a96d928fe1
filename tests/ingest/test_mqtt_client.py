"""One MQTT connection as a state machine: what may follow what, numbers, limits, keep-alive; no network, no clock."""

from __future__ import annotations

import pytest

from ingest.mqtt import encode, fields
from ingest.mqtt.client import Client, Wishes
from ingest.mqtt.packets import Connack, Packet, Publish
from ingest.mqtt.words import KEEP_ALIVE_TIMEOUT, PROTOCOL_ERROR, ProtocolError, Version

V5, V311 = Version.V5, Version.V311


def welcomed(version: Version = V5, *, keep_alive_s: int = 30, **limits: int) -> Client:
    """A client whose broker said yes at 0 s; limits by the names of `fields`."""
    client = Client(Wishes("me", version, keep_alive_s), 0.0)
    client.take_outgoing(0.0)
    told = fields.properties({getattr(fields, name): value for name, value in limits.items()})
    client.receive(b"\x20\x02\x00\x00" if version == V311 else bytes((0x20, 2 + len(told), 0, 0)) + told, 0.0)
    return client


def test_the_first_packet_asks_for_the_session_the_window_and_the_will() -> None:
    wishes = Wishes("me", V5, 30, session_s=60, window=50, username="u", password="p", will=encode.Will("w", b"gone"))  # noqa: S106 - no secret
    client = Client(wishes, 0.0)
    assert client.outgoing
    said = {fields.SESSION_EXPIRY: 60, fields.RECEIVE_MAXIMUM: 50, fields.ALIAS_MAXIMUM: 1000}
    who = {"username": wishes.username, "password": wishes.password, "will": wishes.will}
    assert client.take_outgoing(0.0) == encode.connect(V5, "me", 30, **who, wishes=said)  # type: ignore[arg-type] # by name
    assert not client.outgoing


@pytest.mark.parametrize(
    "came",
    [
        encode.publish(V5, "a", b"x", 0, 0),  # before any welcome
        b"\xd0\x00",
        b"\x20\x03\x00\x00\x00" * 2,  # two welcomes
        b"\x20\x03\x00\x00\x00" + b"\x90\x04\x00\x09\x00\x01",  # an answer to nothing
        b"\x20\x03\x00\x00\x00" + encode.subscribe(V5, 1, ["a"]),  # what only clients say
    ],
)
def test_whoever_breaks_the_order_is_told_why_and_left(came: bytes) -> None:
    client = Client(Wishes("me"), 0.0)
    client.take_outgoing(0.0)
    with pytest.raises(ProtocolError) as caught:
        client.receive(came, 1.0)
    assert caught.value.code == PROTOCOL_ERROR
    assert client.take_outgoing(1.0) == bytes((0xE0, 1, PROTOCOL_ERROR))


def test_a_broker_of_311_is_left_without_a_reason() -> None:
    client = Client(Wishes("me", V311), 0.0)
    client.take_outgoing(0.0)
    with pytest.raises(ProtocolError):
        client.receive(b"\xd0\x00", 1.0)
    assert client.take_outgoing(1.0) == b"\xe0\x00"


def test_a_server_of_311_may_refuse_version_5_in_its_own_way() -> None:
    client = Client(Wishes("me", V5), 0.0)
    assert client.receive(b"\x20\x02\x00\x01", 0.0) == [Connack(False, 1, {})]


def test_acknowledgements_leave_in_order_and_together() -> None:
    client = welcomed()
    client.acknowledge([(3, 1), (1, 1), (2, 1)])
    assert client.take_outgoing(0.0) == b"\x40\x02\x00\x03\x40\x02\x00\x01\x40\x02\x00\x02"
    client.acknowledge([(0, 0), (7, 2), (8, 1)])
    assert client.take_outgoing(0.0) == b"\x50\x02\x00\x07\x40\x02\x00\x08"


def test_a_message_of_qos_2_from_an_older_session_is_brought_to_its_end() -> None:
    client = welcomed()
    [message] = client.receive(encode.publish(V5, "a", b"x", 2, 9), 0.0)
    assert isinstance(message, Publish)
    client.acknowledge([message])
    assert client.take_outgoing(0.0) == b"\x50\x02\x00\x09"
    assert client.receive(b"\x62\x02\x00\x09", 0.0) == []
    assert client.take_outgoing(0.0) == b"\x70\x02\x00\x09"


def test_topics_may_come_by_number() -> None:
    client = welcomed()
    named = encode.publish(V5, "a/b", b"1", 0, 0, said={fields.ALIAS: 1000})
    numbered = encode.publish(V5, "", b"2", 0, 0, said={fields.ALIAS: 1000})
    found = [packet for chunk in (named, numbered) for packet in client.receive(chunk, 0.0)]
    assert [(one.topic, one.payload) for one in found if isinstance(one, Publish)] == [("a/b", b"1"), ("a/b", b"2")]


def test_we_publish_within_the_brokers_limits() -> None:
    client = welcomed(MAXIMUM_QOS=0, RETAIN_AVAILABLE=0, MAXIMUM_PACKET=100)
    assert client.publish("a", b"x", 1, retain=True)
    assert client.take_outgoing(0.0) == encode.publish(V5, "a", b"x", 0, 0)
    assert not client.publish("a", bytes(200), 1)
    narrow = welcomed(RECEIVE_MAXIMUM=2)
    assert [narrow.publish("a", b"x", 1) for _ in range(3)] == [True, True, False]
    narrow.receive(b"\x40\x02\x00\x01", 0.0)
    assert narrow.publish("a", b"x", 1)
    assert narrow.publish("a", b"x", 0), "without an acknowledgement there is no limit"


def test_packet_numbers_go_round_and_leave_out_those_in_use() -> None:
    client = welcomed()
    first = client.subscribe(["kept"])
    for _ in range(65_534):
        client.publish("a", b"", 1)
    client.take_outgoing(0.0)
    client.receive(b"\x40\x02\x80\x00", 0.0)
    assert client.subscribe(["other"]) == 0x8000
    assert first == 1


def answers(client: Client, number: int, *codes: int) -> list[Packet]:
    return client.receive(bytes((0x90, 3 + len(codes))) + number.to_bytes(2, "big") + b"\0" + bytes(codes), 0.0)


def test_an_answer_must_fit_what_was_asked() -> None:
    client = welcomed()
    number = client.subscribe(["a", "b"])
    assert len(answers(client, number, 1, 0x87)) == 1
    number = client.subscribe(["a", "b"])
    with pytest.raises(ProtocolError, match="1 topics to 2"):
        answers(client, number, 1)
    for version, bare in ((V5, b"\xb0\x05\x00\x01\x00\x00\x11"), (V311, b"\xb0\x02\x00\x01")):
        client = welcomed(version)
        client.unsubscribe(["a", "b"])
        assert client.receive(bare, 0.0) == []


def test_it_pings_when_either_side_is_quiet_and_leaves_a_broker_that_does_not_answer() -> None:
    client = welcomed(keep_alive_s=10)
    client.tick(4.0)
    assert not client.outgoing
    client.tick(5.5)
    assert client.take_outgoing(5.5) == encode.PING
    client.tick(8.0)
    assert not client.outgoing, "one ping at a time"
    client.receive(b"\xd0\x00", 9.0)
    client.tick(14.5)
    assert client.take_outgoing(14.5) == encode.PING
    client.tick(24.0)
    with pytest.raises(ProtocolError, match="keep alive timeout") as caught:
        client.tick(24.6)
    assert caught.value.code == KEEP_ALIVE_TIMEOUT
    assert client.take_outgoing(24.6).endswith(bytes((0xE0, 1, KEEP_ALIVE_TIMEOUT)))


def test_it_pings_though_messages_come_all_the_time() -> None:
    client = welcomed(keep_alive_s=10)
    for second in range(6):
        client.receive(encode.publish(V5, "a", b"x", 0, 0), float(second))
        client.tick(float(second))
    client.tick(5.5)
    assert client.take_outgoing(5.5) == encode.PING


def test_silence_is_no_sign_while_nobody_reads() -> None:
    client = welcomed(keep_alive_s=10)
    client.tick(6.0)
    for second in range(7, 60):
        client.tick(float(second), listening=False)
    assert client.take_outgoing(59.0).count(encode.PING) > 5, "the broker must not think us gone meanwhile"
    client.tick(60.0)
    client.tick(69.0)
    with pytest.raises(ProtocolError):
        client.tick(70.0)


@pytest.mark.parametrize(("asked", "ordered"), [(30, 4), (0, 4), (4, 0)])
def test_the_brokers_own_keep_alive_counts(asked: int, ordered: int) -> None:
    client = welcomed(keep_alive_s=asked, SERVER_KEEP_ALIVE=ordered)
    client.tick(2.5)
    assert client.outgoing == (ordered > 0)
