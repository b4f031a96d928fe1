"""What we send, as bytes. ValueError for what MQTT has no room for: that is a fault of ours, not of the peer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.mqtt import fields
from ingest.mqtt.fields import Value, binary, properties, text, varint
from ingest.mqtt.words import Version

PING: Final = b"\xc0\x00"
_NONE: Final[Mapping[int, Value]] = {}


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker shall publish when we vanish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


def connect(
    version: Version,
    client_id: str,
    keep_alive_s: int,
    *,
    clean: bool = False,
    username: str | None = None,
    password: str | None = None,
    will: Will | None = None,
    wishes: Mapping[int, Value] = _NONE,
) -> bytes:
    """CONNECT; `wishes` are version 5 properties. A password needs a user name."""
    flags = 0x02 * clean
    content = [text(client_id)]
    if will is not None:
        flags |= 0x04 | will.qos << 3 | 0x20 * will.retain
        content += [properties({})] if version == Version.V5 else []
        content += [text(will.topic), binary(will.payload)]
    if username is not None:
        flags |= 0x80
        content.append(text(username))
        if password is not None:
            flags |= 0x40
            content.append(text(password))
    head = [text("MQTT"), bytes((version, flags)), keep_alive_s.to_bytes(2, "big")]
    head += [properties(wishes)] if version == Version.V5 else []
    return _packet(fields.CONNECT << 4, head + content)


def publish(
    version: Version, topic: str, payload: bytes, qos: int, packet_id: int, *, retain: bool = False,
    said: Mapping[int, Value] = _NONE,
) -> bytes:  # fmt: skip
    """PUBLISH; `packet_id` is left out with QoS 0."""
    content = [text(topic)]
    if qos:
        content.append(packet_id.to_bytes(2, "big"))
    if version == Version.V5:
        content.append(properties(said))
    return _packet(fields.PUBLISH << 4 | qos << 1 | retain, [*content, payload])


def acks(kind: int, packet_ids: Iterable[int]) -> bytes:
    """PUBACK, PUBREC or PUBCOMP for each number: all in one string."""
    head = bytes((kind << 4, 2))
    return b"".join([head + number.to_bytes(2, "big") for number in packet_ids])


def subscribe(version: Version, packet_id: int, filters: Sequence[str], qos: int = 1) -> bytes:
    """SUBSCRIBE to every filter at most at `qos`: what was published at a higher one arrives at this."""
    content = [packet_id.to_bytes(2, "big"), properties({}) if version == Version.V5 else b""]
    content += [text(one) + bytes((qos,)) for one in filters]
    return _packet(fields.SUBSCRIBE << 4 | 2, content)


def unsubscribe(version: Version, packet_id: int, filters: Sequence[str]) -> bytes:
    """UNSUBSCRIBE from every filter."""
    content = [packet_id.to_bytes(2, "big"), properties({}) if version == Version.V5 else b""]
    return _packet(fields.UNSUBSCRIBE << 4 | 2, content + [text(one) for one in filters])


def disconnect(version: Version, code: int = 0) -> bytes:
    """DISCONNECT; version 5 says why."""
    return bytes((fields.DISCONNECT << 4, 1, code)) if version == Version.V5 and code else b"\xe0\x00"


def _packet(first: int, content: Sequence[bytes]) -> bytes:
    length = sum(map(len, content))
    return b"".join((bytes((first,)), varint(length), *content))
