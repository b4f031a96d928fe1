"""One connection with a broker, as a state machine: it is given bytes and times, and says what came and what to send.

Whoever drives it reads the network into `receive`, writes what `outgoing` gives, and calls `tick` now and then. After
a ProtocolError it still gives the farewell that tells a version 5 broker why; then the connection is to be closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.mqtt import encode, fields
from ingest.mqtt.encode import Will
from ingest.mqtt.packets import Ack, Connack, Packet, Pingresp, Publish, Suback
from ingest.mqtt.reader import WHOLE, Reader
from ingest.mqtt.words import KEEP_ALIVE_TIMEOUT, PROTOCOL_ERROR, ProtocolError, Version

ALIASES: Final = 1_000  # topics that a version 5 broker may say by number


@dataclass(frozen=True, slots=True)
class Wishes:
    """What we ask of a broker.

    Attributes
    ----------
    client_id
        Names the session that the broker keeps.
    keep_alive_s
        We say something at least this often; the broker is gone when it answers a ping no sooner than that.
    session_s
        How long a version 5 broker keeps the session while we are away; one of 3.1.1 decides itself.
    window
        Receive maximum: messages a version 5 broker may send ahead of our acknowledgements.
    """

    client_id: str
    version: Version = Version.V5
    keep_alive_s: int = 30
    session_s: int = 0
    window: int = 65_535
    username: str | None = None
    password: str | None = None
    will: Will | None = None
    whole: int = WHOLE


class Client:
    """One connection, from CONNECT on; make a new one for the next connection."""

    def __init__(self, wishes: Wishes, now_s: float) -> None:
        self._wishes, self._version = wishes, wishes.version
        self._reader = Reader(wishes.version, ALIASES, wishes.whole)
        self._out: list[bytes] = []
        self._asked: dict[int, int] = {}  # packet number → how many topics a SUBSCRIBE (or UNSUBSCRIBE) named
        self._under_way: set[int] = set()  # numbers of our own messages that are not acknowledged
        self._last_id = 0
        self._keep_alive_s = wishes.keep_alive_s
        self._said_s = self._heard_s = now_s
        self._pinged_s: float | None = None  # since when a ping waits for its answer
        self._most_qos, self._most_under_way, self._most_bytes, self._may_retain = 2, 65_535, fields.MAX_VARINT, True
        self.welcome: Connack | None = None
        said = {fields.RECEIVE_MAXIMUM: wishes.window, fields.ALIAS_MAXIMUM: ALIASES}
        self._send(
            encode.connect(
                wishes.version, wishes.client_id, wishes.keep_alive_s, username=wishes.username,
                password=wishes.password, will=wishes.will, wishes={fields.SESSION_EXPIRY: wishes.session_s, **said},
            )
        )  # fmt: skip

    @property
    def outgoing(self) -> bool:
        """Whether there is something to send."""
        return bool(self._out)

    def take_outgoing(self, now_s: float) -> bytes:
        """Take what is to be sent."""
        sent, self._out = b"".join(self._out), []
        if sent:
            self._said_s = now_s
        return sent

    def receive(self, chunk: bytes, now_s: float) -> list[Packet]:
        """Take in what came: messages, and answers to what was asked.

        Raises
        ------
        ProtocolError
            The peer broke the protocol; `take_outgoing` has the farewell.
        """
        self._heard_s, self._pinged_s = now_s, None
        try:
            packets = self._reader.feed(chunk)
            if self.welcome is None and packets and type(packets[0]) is not Connack:
                raise ProtocolError(PROTOCOL_ERROR, "something came before CONNACK")  # noqa: TRY301 - told the peer below
            return [packet for packet in packets if type(packet) is Publish or self._matters(packet)]
        except ProtocolError as error:
            self.leave(error.code)
            raise

    def _matters(self, packet: Packet) -> bool:
        """Follow a packet that is no message; whether the caller wants to know."""
        match packet:
            case Ack(fields.PUBREL, number):  # its PUBREC went out after the commit, so it is done
                self._send(encode.acks(fields.PUBCOMP, (number,)))
                return False
            case Ack(_, number):
                self._under_way.discard(number)
                return False
            case Pingresp():
                return False
            case Suback(kind, number, codes):
                asked = self._asked.pop(number, None)
                bare = kind == fields.UNSUBACK and self._version == Version.V311
                if asked is None or (asked != len(codes) and not bare):
                    raise ProtocolError(
                        PROTOCOL_ERROR, f"an answer about {len(codes)} topics to {asked or 'no'} asked for"
                    )
                return kind == fields.SUBACK
            case Connack():
                self._welcomed(packet)
        return True

    def _welcomed(self, packet: Connack) -> None:
        if self.welcome is not None:
            raise ProtocolError(PROTOCOL_ERROR, "a second CONNACK")
        self.welcome = packet

        def limit(name: int, default: int) -> int:
            value = packet.properties.get(name, default)
            return value if isinstance(value, int) else default

        self._keep_alive_s = limit(fields.SERVER_KEEP_ALIVE, self._keep_alive_s)
        self._most_qos = limit(fields.MAXIMUM_QOS, 2)
        self._most_under_way = limit(fields.RECEIVE_MAXIMUM, 65_535)
        self._most_bytes = limit(fields.MAXIMUM_PACKET, fields.MAX_VARINT)
        self._may_retain = bool(limit(fields.RETAIN_AVAILABLE, 1))

    def acknowledge(self, received: Iterable[Publish | tuple[int, int]]) -> None:
        """Acknowledge messages, by (packet number, QoS), in this order; those of QoS 0 need nothing."""
        pairs = [(one.packet_id, one.qos) if isinstance(one, Publish) else one for one in received]
        if all(qos == 1 for _, qos in pairs):
            self._send(encode.acks(fields.PUBACK, [number for number, _ in pairs]))
            return
        kinds = {1: fields.PUBACK, 2: fields.PUBREC}
        self._send(b"".join(encode.acks(kinds[qos], (number,)) for number, qos in pairs if qos))

    def publish(self, topic: str, payload: bytes, qos: int = 0, *, retain: bool = False) -> bool:
        """Send a message, with as much of QoS and retention as the broker allows; False when it has no room for it."""
        qos = min(qos, self._most_qos, 1)
        number = 0
        if qos:
            if len(self._under_way) >= self._most_under_way:
                return False
            number = self._next_id()
        packet = encode.publish(self._version, topic, payload, qos, number, retain=retain and self._may_retain)
        if len(packet) > self._most_bytes:
            return False
        if qos:
            self._under_way.add(number)
        self._send(packet)
        return True

    def subscribe(self, filters: Sequence[str]) -> int:
        """Ask for topics (at least one) at QoS 1; the number that the answer will carry."""
        number = self._next_id()
        self._asked[number] = len(filters)
        self._send(encode.subscribe(self._version, number, filters))
        return number

    def unsubscribe(self, filters: Sequence[str]) -> None:
        """Ask for topics (at least one) no longer."""
        number = self._next_id()
        self._asked[number] = len(filters)
        self._send(encode.unsubscribe(self._version, number, filters))

    def tick(self, now_s: float, *, listening: bool = True) -> None:
        """Say something when we have been silent for long (ProtocolError when the peer has, though asked).

        `listening` is false while the network is not read: then silence is no sign.
        """
        patience_s = self._keep_alive_s
        if not patience_s:
            return
        if not listening:
            self._heard_s = now_s
            self._pinged_s = now_s if self._pinged_s is not None else None
        elif self._pinged_s is not None and now_s - self._pinged_s > patience_s:
            self.leave(KEEP_ALIVE_TIMEOUT)
            raise ProtocolError(KEEP_ALIVE_TIMEOUT, f"nothing came for {now_s - self._heard_s:.0f} s, though asked")
        elif self._pinged_s is not None:
            return
        quiet_s = now_s - (self._said_s if self._pinged_s is not None else min(self._said_s, self._heard_s))
        if quiet_s > patience_s / 2:
            self._send(encode.PING)
            self._said_s = now_s
            self._pinged_s = self._pinged_s if self._pinged_s is not None else now_s

    def leave(self, code: int = 0) -> None:
        """Say goodbye: 0 is a normal end, and the broker forgets the will."""
        self._send(encode.disconnect(self._version, code))

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % 65_535 + 1
            if self._last_id not in self._under_way and self._last_id not in self._asked:
                return self._last_id

    def _send(self, packet: bytes) -> None:
        if packet:
            self._out.append(packet)
