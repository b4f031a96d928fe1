"""What packets are made of: whole numbers, text, version 5 properties. No length is believed unchecked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ingest.mqtt.words import MALFORMED, PROTOCOL_ERROR, ProtocolError

MAX_VARINT: Final = 268_435_455
Value = int | str | bytes | list[int] | list[tuple[str, str]]
Properties = dict[int, Value]

# Packet kinds, as in the high half of a packet's first byte; 0 stands for a CONNECT's will.
WILL, CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0, 1, 2, 3, 4, 5, 6, 7
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = 8, 9, 10, 11, 12, 13, 14, 15

SESSION_EXPIRY: Final = 0x11
SUBSCRIPTION_ID: Final = 0x0B
SERVER_KEEP_ALIVE: Final = 0x13
REASON_TEXT: Final = 0x1F
RECEIVE_MAXIMUM: Final = 0x21
ALIAS_MAXIMUM: Final = 0x22
ALIAS: Final = 0x23
MAXIMUM_QOS: Final = 0x24
RETAIN_AVAILABLE: Final = 0x25
USER: Final = 0x26
MAXIMUM_PACKET: Final = 0x27

_ACKS = (PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK)
# Property → how it is written (bytes of a number, or t text, b binary, v varint, p pair) and which packets may have it.
_KINDS: Final[Mapping[int, tuple[int | str, frozenset[int]]]] = {
    number: (kind, frozenset(packets))
    for number, kind, packets in (
        (0x01, 1, (PUBLISH, WILL)),
        (0x02, 4, (PUBLISH, WILL)),
        (0x03, "t", (PUBLISH, WILL)),
        (0x08, "t", (PUBLISH, WILL)),
        (0x09, "b", (PUBLISH, WILL)),
        (SUBSCRIPTION_ID, "v", (PUBLISH, SUBSCRIBE)),
        (SESSION_EXPIRY, 4, (CONNECT, CONNACK, DISCONNECT)),
        (0x12, "t", (CONNACK,)),
        (SERVER_KEEP_ALIVE, 2, (CONNACK,)),
        (0x15, "t", (CONNECT, CONNACK, AUTH)),
        (0x16, "b", (CONNECT, CONNACK, AUTH)),
        (0x17, 1, (CONNECT,)),
        (0x18, 4, (WILL,)),
        (0x19, 1, (CONNECT,)),
        (0x1A, "t", (CONNACK,)),
        (0x1C, "t", (CONNACK, DISCONNECT)),
        (REASON_TEXT, "t", (CONNACK, *_ACKS, DISCONNECT, AUTH)),
        (RECEIVE_MAXIMUM, 2, (CONNECT, CONNACK)),
        (ALIAS_MAXIMUM, 2, (CONNECT, CONNACK)),
        (ALIAS, 2, (PUBLISH,)),
        (MAXIMUM_QOS, 1, (CONNACK,)),
        (RETAIN_AVAILABLE, 1, (CONNACK,)),
        (USER, "p", (WILL, CONNECT, CONNACK, PUBLISH, *_ACKS, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH)),
        (MAXIMUM_PACKET, 4, (CONNECT, CONNACK)),
        (0x28, 1, (CONNACK,)),
        (0x29, 1, (CONNACK,)),
        (0x2A, 1, (CONNACK,)),
    )
}
_TRUTH: Final = frozenset((0x01, 0x17, 0x19, MAXIMUM_QOS, RETAIN_AVAILABLE, 0x28, 0x29, 0x2A))  # 0 or 1
_NOT_ZERO: Final = frozenset((SUBSCRIPTION_ID, RECEIVE_MAXIMUM, MAXIMUM_PACKET))


def read_number(data: bytes, at: int, end: int, size: int) -> tuple[int, int]:
    """A big-endian number of `size` bytes at `at`, before `end`: the number, and where it stops."""
    if at + size > end:
        raise ProtocolError(MALFORMED, "ends in the middle of a number")
    return int.from_bytes(data[at : at + size], "big"), at + size


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A variable byte integer."""
    number = shift = 0
    while at < end:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
        if shift == 28:
            raise ProtocolError(MALFORMED, "a length of more than four bytes")
    raise ProtocolError(MALFORMED, "ends in the middle of a length")


def read_binary(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Bytes after their length in two bytes."""
    length, at = read_number(data, at, end, 2)
    if at + length > end:
        raise ProtocolError(MALFORMED, "a field reaches beyond its packet")
    return data[at : at + length], at + length


def read_text(data: bytes, at: int, end: int) -> tuple[str, int]:
    """UTF-8 after its length in two bytes; without NUL."""
    raw, at = read_binary(data, at, end)
    return text_of(raw), at


def text_of(raw: bytes) -> str:
    """UTF-8 without NUL and lone surrogates as text."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise ProtocolError(MALFORMED, "text that is not UTF-8") from None
    if "\0" in text:
        raise ProtocolError(MALFORMED, "text with a NUL in it")
    return text


def read_properties(data: bytes, at: int, end: int, packet: int) -> tuple[Properties, int]:
    """The properties of a packet of kind `packet`, their length before them."""
    length, at = read_varint(data, at, end)
    stop = at + length
    if stop > end:
        raise ProtocolError(MALFORMED, "properties reach beyond their packet")
    found: Properties = {}
    while at < stop:
        number, at = read_varint(data, at, stop)
        kind, packets = _KINDS.get(number, ("", frozenset[int]()))
        if packet not in packets:
            raise ProtocolError(MALFORMED, f"property 0x{number:02x} has no place in this packet")
        at = _read_property(found, number, kind, data, at, stop)
    return found, at


def _read_property(found: Properties, number: int, kind: int | str, data: bytes, at: int, stop: int) -> int:
    if kind == "p":
        name, at = read_text(data, at, stop)
        value, at = read_text(data, at, stop)
        found.setdefault(number, []).append((name, value))  # type: ignore[union-attr, arg-type] # a list of pairs
        return at
    if kind == "v":
        given, at = read_varint(data, at, stop)
        if given == 0:
            raise ProtocolError(PROTOCOL_ERROR, f"property 0x{number:02x} is 0")
        found.setdefault(number, []).append(given)  # type: ignore[union-attr, arg-type] # a list of numbers
        return at
    if number in found:
        raise ProtocolError(PROTOCOL_ERROR, f"property 0x{number:02x} twice")
    if isinstance(kind, int):
        count, at = read_number(data, at, stop, kind)
        if (number in _TRUTH and count > 1) or (number in _NOT_ZERO and count == 0):
            raise ProtocolError(PROTOCOL_ERROR, f"property 0x{number:02x} is {count}")
        found[number] = count
        return at
    found[number], at = read_text(data, at, stop) if kind == "t" else read_binary(data, at, stop)
    return at


def varint(number: int) -> bytes:
    """A variable byte integer (ValueError beyond four bytes)."""
    if not 0 <= number <= MAX_VARINT:
        raise ValueError(f"MQTT counts to {MAX_VARINT}, got {number}")
    spelled = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        spelled.append(low | 0x80 if number else low)
        if not number:
            return bytes(spelled)


def binary(content: bytes) -> bytes:
    """Bytes with their length before them (ValueError beyond 65,535)."""
    if len(content) > 0xFFFF:
        raise ValueError(f"MQTT's fields hold 65535 bytes, got {len(content)}")
    return len(content).to_bytes(2, "big") + content


def text(content: str) -> bytes:
    """Text as UTF-8 with its length before it."""
    return binary(content.encode())


def properties(values: Mapping[int, Value]) -> bytes:
    """Properties with their length before them."""
    spelled = b"".join(_property(number, value) for number, value in values.items())
    return varint(len(spelled)) + spelled


def _property(number: int, value: Value) -> bytes:
    mark, kind = varint(number), _KINDS[number][0]
    match value:
        case list():
            return b"".join(
                mark + (varint(one) if isinstance(one, int) else text(one[0]) + text(one[1])) for one in value
            )
        case bytes():
            return mark + binary(value)
        case str():
            return mark + text(value)
        case _:
            return mark + (value.to_bytes(kind, "big") if isinstance(kind, int) else varint(value))
