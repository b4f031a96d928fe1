"""What a broker can send, as values."""

from __future__ import annotations

from msgspec import Struct

from ingest.mqtt.fields import Properties


class Publish(Struct, gc=False):
    """A message. `packet_id` is 0 with QoS 0; `size` is the payload's, of which `payload` may hold the beginning."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int
    size: int
    retain: bool = False
    dup: bool = False
    properties: Properties | None = None


class Connack(Struct):
    """The answer to CONNECT; `code` 0 is a welcome."""

    session_present: bool
    code: int
    properties: Properties


class Ack(Struct):
    """PUBACK, PUBREC, PUBREL or PUBCOMP, as `kind` says."""

    kind: int
    packet_id: int
    code: int = 0
    properties: Properties | None = None


class Suback(Struct):
    """The answer to SUBSCRIBE or UNSUBSCRIBE, as `kind` says: a code for each topic (none from UNSUBACK in 3.1.1)."""

    kind: int
    packet_id: int
    codes: tuple[int, ...]
    properties: Properties | None = None


class Pingresp(Struct):
    """The answer to PINGREQ."""


class Disconnect(Struct):
    """The broker lets us go (version 5)."""

    code: int
    properties: Properties


Packet = Publish | Connack | Ack | Suback | Pingresp | Disconnect
