"""The MQTT codec: paho as the oracle, any chunking, any bytes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from ingest.mqtt import encode, fields
from ingest.mqtt.encode import Will
from ingest.mqtt.packets import Ack, Connack, Disconnect, Packet, Publish, Suback
from ingest.mqtt.reader import Reader
from ingest.mqtt.words import (
    BAD_ALIAS,
    BAD_TOPIC,
    MALFORMED,
    PROTOCOL_ERROR,
    TOO_LARGE,
    ProtocolError,
    Version,
)
from tests.ingest import paho_oracle as oracle

V5, V311 = Version.V5, Version.V311
versions = st.sampled_from(Version)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
topics = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1, max_size=20)
payloads = st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(bytes))
numbers = st.integers(1, 0xFFFF)
cuts = st.lists(st.integers(0, 1 << 17), max_size=8)


def chunks(content: bytes, at: Iterable[int]) -> Iterable[bytes]:
    """`content` cut at the given places (as far as it reaches)."""
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in at)})
    return [content[a:b] for a, b in pairwise(places)]


def outcome(reader: Reader, pieces: Iterable[bytes]) -> tuple[list[Packet], int]:
    """All packets until the end or the first fault, and the fault's code."""
    packets: list[Packet] = []
    try:
        for piece in pieces:
            packets += reader.feed(piece)
    except ProtocolError as error:
        return packets, error.code
    return packets, 0


@st.composite
def message_properties(draw: st.DrawFn) -> Properties:
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho does not say
    options = {
        "PayloadFormatIndicator": st.integers(0, 1), "MessageExpiryInterval": st.integers(0, 0xFFFFFFFF),
        "ContentType": words, "ResponseTopic": words, "CorrelationData": st.binary(max_size=40),
        "UserProperty": st.tuples(words, words), "SubscriptionIdentifier": st.integers(1, fields.MAX_VARINT),
    }  # fmt: skip
    for name in draw(st.lists(st.sampled_from(sorted(options)), unique=True)):
        setattr(made, name, draw(options[name]))
    return made


messages = st.tuples(topics, payloads, st.integers(0, 2), numbers, st.booleans())


@given(versions, st.lists(messages, min_size=1, max_size=4), st.data(), cuts)
@settings(max_examples=30, deadline=None)
def test_what_paho_publishes_is_read_as_it_was_sent_however_it_is_cut(
    version: Version, sent: list[tuple[str, bytes, int, int, bool]], data: st.DataObject, at: list[int]
) -> None:
    stream, expected = b"", []
    for topic, payload, qos, number, retain in sent:
        told = data.draw(message_properties()) if version == V5 else None
        stream += oracle.written(
            oracle.client(version),
            lambda paho, t=topic, p=payload, q=qos, n=number, r=retain, x=told: paho._send_publish(  # type: ignore[misc] # bound on purpose
                n, t.encode(), p, q, r, properties=x
            ),
        )
        expected.append((topic, payload, qos, number if qos else 0, len(payload), retain))
    found, code = outcome(Reader(version), chunks(stream, at))
    assert code == 0
    assert [
        (p.topic, p.payload, p.qos, p.packet_id, p.size, p.retain) for p in found if isinstance(p, Publish)
    ] == expected


@given(message_properties())
@settings(max_examples=30, deadline=None)
def test_properties_are_read_and_written_as_paho_does(made: Properties) -> None:
    packed = oracle.packed(made)
    found, at = fields.read_properties(packed, 0, len(packed), fields.PUBLISH)
    assert at == len(packed)
    again = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho does not say
    again.unpack(fields.properties(found))  # type: ignore[no-untyped-call] # paho does not say
    assert again.json() == made.json()  # type: ignore[no-untyped-call] # paho does not say


@given(versions, messages)
@settings(max_examples=30, deadline=None)
def test_paho_reads_what_we_publish(version: Version, sent: tuple[str, bytes, int, int, bool]) -> None:
    topic, payload, qos, number, retain = sent
    qos = min(qos, 1)
    [found] = oracle.read(version, encode.publish(version, topic, payload, qos, number, retain=retain))
    assert (found.topic, found.payload, found.qos, found.mid, found.retain) == (
        topic, payload, qos, number if qos else 0, retain,
    )  # fmt: skip


wills = st.tuples(topics, payloads, st.integers(0, 1), st.booleans())


@given(versions, words, st.integers(0, 0xFFFF), st.none() | words, st.none() | words, st.none() | wills)
@settings(max_examples=30, deadline=None)
def test_a_connect_is_paho_s_byte_for_byte(
    version: Version, name: str, keep_alive_s: int, username: str | None, password: str | None,
    will: tuple[str, bytes, int, bool] | None,
) -> None:  # fmt: skip
    paho = oracle.client(version, name or "x")
    if username is not None:
        paho.username_pw_set(username, password)
    if will is not None:
        will = (will[0], will[1][:0xFFFF], *will[2:])
        paho.will_set(will[0], will[1], will[2], will[3])
    wishes = {fields.SESSION_EXPIRY: 7, fields.RECEIVE_MAXIMUM: 2000, fields.ALIAS_MAXIMUM: 9}
    if version == V5:
        asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho does not say
        asked.SessionExpiryInterval, asked.ReceiveMaximum, asked.TopicAliasMaximum = 7, 2000, 9
        paho._clean_start, paho._connect_properties = False, asked
    ours = encode.connect(
        version, name or "x", keep_alive_s, username=username, password=password, wishes=wishes,
        will=None if will is None else Will(*will),
    )  # fmt: skip
    assert ours == oracle.written(paho, lambda client: client._send_connect(keep_alive_s))


@given(versions, numbers, st.lists(topics, min_size=1, max_size=5))
@settings(max_examples=20, deadline=None)
def test_subscriptions_and_acknowledgements_are_paho_s_byte_for_byte(
    version: Version, number: int, asked: list[str]
) -> None:
    paho = oracle.client(version)
    paho._last_mid = number - 1
    options = [(one.encode(), SubscribeOptions(qos=1) if version == V5 else 1) for one in asked]
    assert encode.subscribe(version, number, asked) == oracle.written(
        paho, lambda client: client._send_subscribe(0, options)
    )
    paho._last_mid = number - 1
    assert encode.unsubscribe(version, number, asked) == oracle.written(
        paho, lambda client: client._send_unsubscribe(0, [one.encode() for one in asked])
    )
    for kind, send in (
        (fields.PUBACK, "_send_puback"),
        (fields.PUBREC, "_send_pubrec"),
        (fields.PUBCOMP, "_send_pubcomp"),
    ):
        assert encode.acks(kind, [number]) == oracle.written(paho, lambda client, s=send: getattr(client, s)(number))  # type: ignore[misc] # bound on purpose
    assert oracle.written(paho, lambda client: client._send_pingreq()) == encode.PING


granted = st.lists(st.sampled_from((0, 1, 2, 0x80, 0x87)), max_size=5)


@given(st.integers(0, 1), st.integers(0, 255), st.integers(0, 0xFFFF), numbers, words, granted)
@settings(max_examples=20, deadline=None)
def test_answers_with_paho_s_properties_are_read(
    present: int, code: int, keep_alive: int, number: int, reason: str, codes: list[int]
) -> None:
    present *= code == 0
    told = Properties(PacketTypes.CONNACK)  # type: ignore[no-untyped-call] # paho does not say
    told.ServerKeepAlive, told.ReasonString, told.MaximumQoS = keep_alive, reason, 1
    why = Properties(PacketTypes.SUBACK)  # type: ignore[no-untyped-call] # paho does not say
    why.ReasonString = reason
    bodies = (
        (0x20, bytes((present, code)) + oracle.packed(told)),
        (0x90, number.to_bytes(2, "big") + oracle.packed(why) + bytes(codes)),
        (0x40, number.to_bytes(2, "big") + bytes((code,)) + oracle.packed(why)),
        (0xE0, bytes((code,)) + b"\0"),
    )
    stream = b"".join(bytes((first,)) + fields.varint(len(body)) + body for first, body in bodies)
    welcome: fields.Properties = {
        fields.SERVER_KEEP_ALIVE: keep_alive,
        fields.REASON_TEXT: reason,
        fields.MAXIMUM_QOS: 1,
    }
    assert Reader(V5).feed(stream) == [
        Connack(bool(present), code, welcome),
        Suback(fields.SUBACK, number, tuple(codes), {fields.REASON_TEXT: reason}),
        Ack(fields.PUBACK, number, code, {fields.REASON_TEXT: reason}),
        Disconnect(code, {}),
    ]  # fmt: skip


VALID = {
    V5: b"\x20\x03\x00\x00\x00" + b"\x90\x05\x00\x01\x00\x01\x87" + encode.publish(V5, "a/b", b"first", 1, 7)
    + encode.publish(V5, "a", b"x" * 200, 2, 8, said={fields.ALIAS: 3, fields.USER: [("k", "v")]})
    + encode.publish(V5, "", b"y", 0, 0, said={fields.ALIAS: 3}) + b"\xd0\x00\x62\x02\x00\x08\xe0\x02\x8b\x00",
    V311: b"\x20\x02\x01\x00\x90\x04\x00\x01\x01\x80" + encode.publish(V311, "a/b", b"first", 1, 7)
    + encode.publish(V311, "a", b"x" * 200, 0, 0, retain=True) + b"\xb0\x02\x00\x02\xd0\x00",
}  # fmt: skip


@given(versions, st.data(), cuts)
@settings(max_examples=150, deadline=None)
def test_damaged_streams_give_one_kind_of_error_and_the_same_however_they_are_cut(
    version: Version, data: st.DataObject, at: list[int]
) -> None:
    damaged = bytearray(VALID[version])
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(damaged) - 1), st.integers(0, 255)), max_size=4)
    ):
        damaged[place] = byte
    stream = bytes(damaged)[: data.draw(st.integers(0, len(damaged)))]
    whole, code = outcome(Reader(version, 10, whole=100), (stream[n : n + 1] for n in range(len(stream))))
    cut, code_cut = outcome(Reader(version, 10, whole=100), chunks(stream, at))
    assert code_cut == code
    assert (
        cut == whole[: len(cut)]
    )  # a fault costs what came in the same chunk: it comes again over the next connection
    assert code or cut == whole


@given(versions, st.binary(max_size=200), cuts)
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_packets_or_one_kind_of_error(version: Version, content: bytes, at: list[int]) -> None:
    for packet in outcome(Reader(version, 10), chunks(content, at))[0]:
        assert isinstance(packet, Packet)


@pytest.mark.parametrize(
    ("version", "content", "code"),
    [
        (V5, b"\x30\xff\xff\xff\xff\x01", MALFORMED),  # a length of five bytes
        (V5, b"\x36\x05\x00\x01a\x00\x01\x00", MALFORMED),  # QoS 3
        (V5, b"\x32\x06\x00\x01a\x00\x00\x00", MALFORMED),  # packet number 0
        (V5, b"\x30\x04\x00\x09a\x00", MALFORMED),  # a topic longer than its packet
        (V5, b"\x30\x04\x00\x01\xff\x00", MALFORMED),  # a topic that is not UTF-8
        (V5, b"\x30\x04\x00\x01\x00\x00", MALFORMED),  # NUL in a topic
        (V5, b"\x30\x04\x00\x01#\x00", BAD_TOPIC),
        (V311, b"\x30\x02\x00\x00", BAD_TOPIC),
        (V5, b"\x30\x03\x00\x00\x00", PROTOCOL_ERROR),  # neither topic nor alias
        (V5, b"\x30\x07\x00\x01a\x03\x23\x00\x0b", BAD_ALIAS),  # above what was allowed
        (V5, b"\x30\x06\x00\x00\x03\x23\x00\x01", PROTOCOL_ERROR),  # an alias that was never said
        (V5, b"\x30\x06\x00\x01a\x09\x01\x00", MALFORMED),  # properties longer than their packet
        (V5, b"\x30\x09\x00\x01a\x04\x01\x00\x01\x00x", PROTOCOL_ERROR),  # a property twice
        (V5, b"\x30\x06\x00\x01a\x02\x01\x02", PROTOCOL_ERROR),  # a truth value of 2
        (V5, b"\x30\x05\x00\x01a\x01\x7f", MALFORMED),  # an unknown property
        (V5, b"\x20\x09\x00\x00\x05\x11\x00\x00\x00\x01x", MALFORMED),  # something behind the properties
        (V5, b"\x20\x03\x02\x00\x00", MALFORMED),  # unknown flags
        (V5, b"\x90\x04\x00\x01\x00\x05", MALFORMED),  # an unknown QoS granted
        (V5, b"\x60\x02\x00\x01", MALFORMED),  # PUBREL without its flag
        (V5, b"\x40\x01\x00", MALFORMED),
        (V311, b"\x40\x03\x00\x01\x00", MALFORMED),
        (V5, b"\xd0\x01\x00", MALFORMED),
        (V5, b"\xf0\x00", PROTOCOL_ERROR),  # AUTH, though we never asked
        (V311, b"\xe0\x00", PROTOCOL_ERROR),  # no broker of 3.1.1 says goodbye
        (V5, b"\x10\x00", PROTOCOL_ERROR),  # what only clients send
        (V5, b"\x00\x00", PROTOCOL_ERROR),
        (V5, b"\x90\xff\xff\xff\x7f", TOO_LARGE),  # an answer of 256 MiB
    ],
)  # fmt: skip
def test_malformed_packets_are_refused_with_their_reason(version: Version, content: bytes, code: int) -> None:
    assert outcome(Reader(version, 10), [content]) == ([], code)
    assert outcome(Reader(version, 10), (content[n : n + 1] for n in range(len(content)))) == ([], code)


@given(versions, cuts, st.integers(0, 3000))
@settings(max_examples=30, deadline=None)
def test_of_a_message_that_is_too_long_the_beginning_is_kept_and_the_rest_counted(
    version: Version, at: list[int], more: int
) -> None:
    long, short = (
        encode.publish(version, "long", b"a" * 5000 + b"b" * more, 1, 3),
        encode.publish(version, "s", b"c", 1, 4),
    )
    reader = Reader(version, whole=1000)
    found, code = outcome(reader, chunks(short + long + short, at))
    assert code == 0
    first, cut, last = found
    assert isinstance(cut, Publish)
    assert (cut.topic, cut.size, cut.packet_id) == ("long", 5000 + more, 3)
    assert cut.payload == b"a" * len(cut.payload)
    assert 900 < len(cut.payload) <= 1000
    assert first == last == Publish("s", b"c", 1, 4, 1)


def test_memory_stays_bounded_by_what_is_kept_of_a_message() -> None:
    reader = Reader(V5, whole=1000)
    reader.feed(b"\x30" + fields.varint(fields.MAX_VARINT) + b"\x00\x01a\x00")
    for _ in range(1000):
        assert reader.feed(bytes(10_000)) == []
        assert sum(map(len, reader._parts)) <= 11_000


@pytest.mark.parametrize("number", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, fields.MAX_VARINT])
def test_lengths_survive(number: int) -> None:
    spelled = fields.varint(number)
    assert fields.read_varint(spelled, 0, len(spelled)) == (number, len(spelled))
    with pytest.raises(ProtocolError):
        fields.read_varint(spelled[:-1], 0, len(spelled) - 1)


def test_what_mqtt_has_no_room_for_is_our_own_fault() -> None:
    with pytest.raises(ValueError, match="65535"):
        encode.publish(V5, "x" * 70_000, b"", 0, 0)
    with pytest.raises(ValueError, match="268435455"):
        fields.varint(fields.MAX_VARINT + 1)
