"""A Sparkplug B edge node that writes payloads by the schema's field numbers, apart from the decoder's own code."""

from __future__ import annotations

import struct
from collections.abc import Sequence

INT8, INT32, INT64, UINT64, FLOAT, DOUBLE, BOOLEAN, STRING = 1, 3, 4, 8, 9, 10, 11, 12


def varint(whole: int) -> bytes:
    content = b""
    while True:
        whole, low = whole >> 7, whole & 0x7F
        content += bytes([low | (0x80 if whole else 0)])
        if not whole:
            return content


def number(field: int, whole: int) -> bytes:
    return varint(field * 8) + varint(whole)


def content(field: int, inner: bytes) -> bytes:
    return varint(field * 8 + 2) + varint(len(inner)) + inner


def scalar(value: object, datatype: int, first: int) -> bytes:
    """The member of a oneof whose members begin at field `first`."""
    match value:
        case bool():
            return number(first + 4, int(value))
        case str():
            return content(first + 5, value.encode())
        case int() if datatype in (INT64, UINT64):
            return number(first + 1, value % 2**64)
        case int():
            return number(first, value % 2**32)
        case float() if datatype == FLOAT:
            return varint((first + 2) * 8 + 5) + struct.pack("<f", value)
        case float():
            return varint((first + 3) * 8 + 1) + struct.pack("<d", value)
        case _:
            return number(7, 1)  # null


def metric(
    value: object,
    name: str | None = None,
    alias: int | None = None,
    datatype: int | None = DOUBLE,
    at_ms: int | None = None,
    properties: dict[str, tuple[int, object]] | None = None,
) -> bytes:
    """One metric."""
    found = b"" if name is None else content(1, name.encode())
    found += b"" if alias is None else number(2, alias)
    found += b"" if at_ms is None else number(3, at_ms)
    found += b"" if datatype is None else number(4, datatype)
    if properties:
        keys = b"".join(content(1, key.encode()) for key in properties)
        values = [number(1, kind) + scalar(inner, kind, 3) for kind, inner in properties.values()]
        found += content(9, keys + b"".join(content(2, inner) for inner in values))
    return found + scalar(value, DOUBLE if datatype is None else datatype, 10)


def payload(at_ms: int | None, seq: int | None, metrics: Sequence[bytes] = ()) -> bytes:
    """One payload."""
    found = b"" if at_ms is None else number(1, at_ms)
    found += b"".join(content(2, one) for one in metrics)
    return found + (b"" if seq is None else number(3, seq))


def birth(at_ms: int, bd_seq: int, metrics: Sequence[bytes]) -> bytes:
    """A node's birth."""
    return payload(at_ms, 0, [metric(bd_seq, "bdSeq", datatype=INT64), *metrics])


def death(bd_seq: int) -> bytes:
    """A node's death."""
    return payload(None, None, [metric(bd_seq, "bdSeq", datatype=INT64)])
