"""Sparkplug B payloads on the wire: the few protobuf fields that readings need, read and written by hand.

Field numbers are those of the Sparkplug B schema. Fields that are not read here are passed over, as protobuf wants it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ingest.decoders.common import MAX_READINGS, Bad
from ingest.reasons import Reason

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
INTEGERS: Final = {1: 8, 2: 16, 3: 32, 4: 64}  # signed data types and their bits: sent as unsigned
FLOAT, DOUBLE, BOOLEAN, STRING = 9, 10, 11, 12
_MASK = (1 << 64) - 1

Scalar = float | str | bool | None


@dataclass(slots=True)
class Metric:
    """A metric as sent; what was not sent is None. `value` is None for a null, and text that says so for a compound."""

    name: str | None = None
    alias: int | None = None
    timestamp_ms: int | None = None
    datatype: int | None = None
    historical: bool = False
    null: bool = False
    bits: tuple[int, int | bytes] | None = None  # field number, and what stood there
    properties: dict[str, Scalar] = field(default_factory=dict)

    def value(self, datatype: int | None) -> Scalar:
        """The value, read as its data type says (a signed number is sent as an unsigned one)."""
        if self.null or self.bits is None:
            return None
        return _scalar(*self.bits, datatype, first=10)


@dataclass(slots=True)
class Payload:
    """A payload."""

    timestamp_ms: int | None = None
    seq: int | None = None
    metrics: list[Metric] = field(default_factory=list)


def read_payload(content: bytes) -> Payload:
    """Read a payload (Bad when it is none)."""
    payload = Payload()
    for number, value in _fields(content):
        if number == 1:
            payload.timestamp_ms = _integer(value)
        elif number == 2:
            payload.metrics.append(_metric(_content(value)))
            if len(payload.metrics) > MAX_READINGS:
                raise Bad(Reason.TOO_MANY, f"too many metrics, try at most {MAX_READINGS} a message")
        elif number == 3:
            payload.seq = _integer(value)
    return payload


def _metric(content: bytes) -> Metric:
    metric = Metric()
    for number, value in _fields(content):
        match number:
            case 1:
                metric.name = _text(value)
            case 2:
                metric.alias = _integer(value)
            case 3:
                metric.timestamp_ms = _integer(value)
            case 4:
                metric.datatype = _integer(value)
            case 5:
                metric.historical = bool(_integer(value))
            case 7:
                metric.null = bool(_integer(value))
            case 9:
                metric.properties = _properties(_content(value))
            case 10 | 11 | 12 | 13 | 14 | 15 | 16 | 17 | 18 | 19:
                metric.bits = number, value
            case _:
                pass
    return metric


def _properties(content: bytes) -> dict[str, Scalar]:
    keys: list[str] = []
    values: list[Scalar] = []
    for number, value in _fields(content):
        if number == 1:
            keys.append(_text(value))
        elif number == 2:
            values.append(_property(_content(value)))
    return dict(zip(keys, values, strict=False))


def _property(content: bytes) -> Scalar:
    datatype, bits = None, None
    for number, value in _fields(content):
        if number == 1:
            datatype = _integer(value)
        elif number == 2 and _integer(value):
            return None
        elif 3 <= number <= 8:
            bits = number, value
    return None if bits is None else _scalar(*bits, datatype, first=3)


def _scalar(number: int, raw: int | bytes, datatype: int | None, *, first: int) -> Scalar:
    """A value of a oneof whose members int, long, float, double, boolean, string begin at field `first`."""
    match number - first:
        case 0 | 1:
            whole, width = _integer(raw), INTEGERS.get(datatype or 0)
            if number == first:
                whole &= 0xFFFFFFFF
            if width is not None:
                whole &= (1 << width) - 1
                whole -= (whole >> (width - 1)) << width
            return whole
        case 2 | 3 as at:
            size, code = ((4, "<f"), (8, "<d"))[at - 2]
            content = _content(raw)
            if len(content) != size:
                raise Bad(Reason.BAD_PROTOBUF, "a number of the wrong size")
            return float(struct.unpack(code, content)[0])
        case 4:
            return bool(_integer(raw))
        case 5:
            return _text(raw)
        case _:
            return f"a compound value (field {number})"


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers with their values: whole numbers, or bytes (fixed sizes too)."""
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise Bad(Reason.BAD_PROTOBUF, f"a field without a number at byte {at}")
        if wire == VARINT:
            whole, at = _varint(content, at)
            yield number, whole
            continue
        if wire == BYTES:
            size, at = _varint(content, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise Bad(Reason.BAD_PROTOBUF, f"wire type {wire} at byte {at}")
        if size > end - at:
            raise Bad(Reason.BAD_PROTOBUF, f"ends within a field: {size} bytes wanted at byte {at}, {end - at} left")
        yield number, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    whole = shift = 0
    while True:
        if at >= len(content) or shift > 63:
            raise Bad(Reason.BAD_PROTOBUF, f"a number without an end at byte {at}")
        byte = content[at]
        at += 1
        whole |= (byte & 0x7F) << shift
        if byte < 0x80:
            return whole & _MASK, at
        shift += 7


def _integer(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise Bad(Reason.BAD_PROTOBUF, "bytes where a whole number belongs")
    return value


def _content(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise Bad(Reason.BAD_PROTOBUF, "a whole number where bytes belong")
    return value


def _text(value: int | bytes) -> str:
    try:
        return _content(value).decode()
    except UnicodeDecodeError:
        raise Bad(Reason.BAD_PROTOBUF, "text that is not UTF-8") from None


def rebirth(timestamp_ms: int) -> bytes:
    """The command that asks an edge node for its births again."""
    name = b"Node Control/Rebirth"
    metric = _bytes(1, name) + _number(3, timestamp_ms) + _number(4, BOOLEAN) + _number(14, 1)
    return _number(1, timestamp_ms) + _bytes(2, metric)


def _bytes(number: int, content: bytes) -> bytes:
    return _spelled(number << 3 | BYTES) + _spelled(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _spelled(number << 3 | VARINT) + _spelled(value)


def _spelled(whole: int) -> bytes:
    found = bytearray()
    while whole > 0x7F:
        found.append(whole & 0x7F | 0x80)
        whole >>= 7
    return bytes([*found, whole])
