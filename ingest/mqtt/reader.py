"""A stream in chunks of any size, made into packets. Nothing of it is believed before it is checked.

A message longer than `whole` bytes is not gathered: its beginning is kept, the rest counted and let go, so that memory
stays bounded and the message can still be refused by name and acknowledged.
"""

from __future__ import annotations

from typing import Final

from ingest.mqtt import fields
from ingest.mqtt.fields import Properties, read_number, read_properties
from ingest.mqtt.packets import Ack, Connack, Disconnect, Packet, Pingresp, Publish, Suback
from ingest.mqtt.words import BAD_ALIAS, BAD_TOPIC, MALFORMED, PROTOCOL_ERROR, TOO_LARGE, ProtocolError, Version

WHOLE: Final = 4 << 20  # bytes of one packet
_TOPICS, _TOPIC_BYTES = 20_000, 500  # names remembered, and how long they may be: they must not fill the memory
_FROM_BROKER: Final = frozenset(
    (fields.CONNACK, fields.PUBACK, fields.PUBREC, fields.PUBREL, fields.PUBCOMP, fields.SUBACK, fields.UNSUBACK,
     fields.PINGRESP, fields.DISCONNECT)
)  # fmt: skip


class Reader:
    """Reads one connection's stream.

    Parameters
    ----------
    version
        Protocol in use.
    aliases
        Highest topic alias the peer was allowed.
    whole
        Longest packet (bytes after its length) that is gathered whole.
    """

    def __init__(self, version: Version, aliases: int = 0, whole: int = WHOLE) -> None:
        self._v5, self._most_aliases, self._whole = version == Version.V5, aliases, whole
        self._parts: list[bytes] = []
        self._have, self._need = 0, 2
        self._aliases: dict[int, str] = {}
        self._topics: dict[bytes, str] = {}
        self._cut: Publish | None = None  # a message of which `_skip` more bytes are let go
        self._skip = 0

    def feed(self, chunk: bytes) -> list[Packet]:
        """The packets that `chunk` completes (ProtocolError: read no further from this peer)."""
        packets: list[Packet] = []
        while chunk:
            chunk = self._let_go(chunk, packets) if self._cut is not None else self._gather(chunk, packets)
        return packets

    def _let_go(self, chunk: bytes, packets: list[Packet]) -> bytes:
        """Skip what is not kept of a message; what follows it in the chunk."""
        gone = min(self._skip, len(chunk))
        self._skip -= gone
        if not self._skip and self._cut is not None:
            packets.append(self._cut)
            self._cut, self._need = None, 2
        return chunk[gone:]

    def _gather(self, chunk: bytes, packets: list[Packet]) -> bytes:
        """Read what is complete and keep the rest; what follows a message's kept beginning is given back."""
        self._parts.append(chunk)
        self._have += len(chunk)
        if self._have < self._need:
            return b""
        data = chunk if len(self._parts) == 1 else b"".join(self._parts)
        at = self._take(data, packets)
        rest = data[at:]
        self._parts = [] if self._cut is not None or not rest else [rest]
        self._have = sum(map(len, self._parts))
        return rest if self._cut is not None else b""

    def _take(self, data: bytes, packets: list[Packet]) -> int:
        """Read all complete packets of `data`; where the first incomplete one begins, and what it needs, is kept."""
        at, end = 0, len(data)
        while True:
            self._need = end - at + 1
            if at + 2 > end:
                return at
            first, length, start = data[at], data[at + 1], at + 2
            if length > 127:
                if start < end and data[start] < 0x80:  # as nearly all messages
                    length, start = length & 0x7F | data[start] << 7, start + 1
                elif start := self._header(data, at, end):
                    length = fields.read_varint(data, at + 1, start)[0]
                else:
                    return at
                if length > self._whole:
                    return self._begin_cut(data, at, start, length)
            if start + length > end:
                self._need = start - at + length
                return at
            at = start + length
            if first >> 4 == fields.PUBLISH:
                packets.append(self._publish(first, data, start, at))
            else:
                packets.append(self._other(first, data[start:at]))

    @staticmethod
    def _header(data: bytes, at: int, end: int) -> int:
        """Where a fixed header stops whose length takes more than a byte; 0 when it is not all there."""
        for stop in range(at + 2, min(at + 5, end)):
            if data[stop] < 0x80:
                return stop + 1
        if end >= at + 5:
            raise ProtocolError(MALFORMED, "a length of more than four bytes")
        return 0

    def _begin_cut(self, data: bytes, at: int, start: int, length: int) -> int:
        """A packet too long to gather: wait for as much as is kept, then let the rest go."""
        if data[at] >> 4 != fields.PUBLISH:
            raise ProtocolError(TOO_LARGE, f"a packet of {length} bytes")
        kept = start + self._whole
        if kept > len(data):
            self._need = kept - at
            return at
        message = self._publish(data[at], data, start, kept)
        message.size += length - self._whole
        self._cut, self._skip = message, length - self._whole
        return kept

    def _publish(self, first: int, data: bytes, at: int, end: int) -> Publish:
        qos = first >> 1 & 3
        if qos == 3:
            raise ProtocolError(MALFORMED, "QoS 3")
        if at + 2 > end:
            raise ProtocolError(MALFORMED, "a message without a topic")
        stop = at + 2 + (data[at] << 8 | data[at + 1])
        if stop > end:
            raise ProtocolError(MALFORMED, "a topic reaches beyond its packet")
        raw = data[at + 2 : stop]
        topic = self._topics.get(raw)
        if topic is None:
            topic = self._new_topic(raw)
        number, at = 0, stop
        if qos:
            at += 2
            if at > end:
                raise ProtocolError(MALFORMED, "a message without its packet number")
            number = data[stop] << 8 | data[stop + 1]
            if number == 0:
                raise ProtocolError(MALFORMED, "a message with packet number 0")
        found = None
        if self._v5:
            if at < end and data[at] == 0:
                at += 1
            else:
                found, at = read_properties(data, at, end, fields.PUBLISH)
                topic = self._aliased(topic, found)
        if not topic:
            raise ProtocolError(PROTOCOL_ERROR if self._v5 else BAD_TOPIC, "a message without a topic")
        return Publish(topic, data[at:end], qos, number, end - at, bool(first & 1), bool(first & 8), found)

    def _new_topic(self, raw: bytes) -> str:
        topic = fields.text_of(raw)
        if "+" in topic or "#" in topic:
            raise ProtocolError(BAD_TOPIC, "a message to a filter")
        if len(self._topics) >= _TOPICS:
            self._topics.clear()
        if len(raw) <= _TOPIC_BYTES:
            self._topics[raw] = topic
        return topic

    def _aliased(self, topic: str, found: Properties) -> str:
        alias = found.get(fields.ALIAS)
        if not isinstance(alias, int):
            return topic
        if not 0 < alias <= self._most_aliases:
            raise ProtocolError(BAD_ALIAS, f"topic alias {alias}, allowed are 1 to {self._most_aliases}")
        if topic:
            self._aliases[alias] = topic
            return topic
        if alias not in self._aliases:
            raise ProtocolError(PROTOCOL_ERROR, f"topic alias {alias} was never said")
        return self._aliases[alias]

    def _other(self, first: int, body: bytes) -> Packet:
        kind, flags = first >> 4, first & 15
        if kind in _FROM_BROKER and flags != (2 if kind == fields.PUBREL else 0):
            raise ProtocolError(MALFORMED, f"flags {flags:04b} of packet kind {kind}")
        match kind:
            case fields.CONNACK:
                return self._connack(body)
            case fields.PUBACK | fields.PUBREC | fields.PUBREL | fields.PUBCOMP:
                return self._ack(kind, body)
            case fields.SUBACK | fields.UNSUBACK:
                return self._suback(kind, body)
            case fields.PINGRESP:
                if body:
                    raise ProtocolError(MALFORMED, "PINGRESP with content")
                return Pingresp()
            case fields.DISCONNECT if self._v5:
                code, at = read_number(body, 0, len(body), 1) if body else (0, 0)
                return Disconnect(code, self._rest(body, at, kind))
            case _:
                raise ProtocolError(PROTOCOL_ERROR, f"packet kind {kind} from a broker")

    def _connack(self, body: bytes) -> Connack:
        flags, at = read_number(body, 0, len(body), 1)
        code, at = read_number(body, at, len(body), 1)
        if flags > 1 or (code and flags):
            raise ProtocolError(MALFORMED, f"CONNACK flags {flags}")
        if not self._v5 or (code and at == len(body)):  # a server of 3.1.1 refuses version 5 in its own way
            self._end(body, at)
            return Connack(bool(flags), code, {})
        found, at = read_properties(body, at, len(body), fields.CONNACK)
        self._end(body, at)
        return Connack(bool(flags), code, found)

    def _ack(self, kind: int, body: bytes) -> Ack:
        number, at = _packet_id(body)
        if not self._v5:
            self._end(body, at)
        code, at = read_number(body, at, len(body), 1) if at < len(body) else (0, at)
        return Ack(kind, number, code, self._rest(body, at, kind) or None)

    def _suback(self, kind: int, body: bytes) -> Suback:
        number, at = _packet_id(body)
        found: Properties = {}
        if self._v5:
            found, at = read_properties(body, at, len(body), kind)
        elif kind == fields.UNSUBACK:
            self._end(body, at)
        codes = tuple(body[at:])
        if kind == fields.SUBACK and any(code > 2 and code < 0x80 for code in codes):
            raise ProtocolError(MALFORMED, "a subscription granted with an unknown QoS")
        return Suback(kind, number, codes, found or None)

    def _rest(self, body: bytes, at: int, kind: int) -> Properties:
        """Properties that may be left out together with their length; nothing may follow them."""
        if at == len(body):
            return {}
        found, at = read_properties(body, at, len(body), kind)
        self._end(body, at)
        return found

    @staticmethod
    def _end(body: bytes, at: int) -> None:
        if at != len(body):
            raise ProtocolError(MALFORMED, f"{len(body) - at} bytes too many")


def _packet_id(body: bytes) -> tuple[int, int]:
    number, at = read_number(body, 0, len(body), 2)
    if number == 0:
        raise ProtocolError(MALFORMED, "packet number 0")
    return number, at
