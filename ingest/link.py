"""The recorder's connection to the broker: one thread that reads, decodes and acknowledges; nobody else touches it.

It stops reading while too much is pending (a broker's in-flight window is not to be trusted with memory), and lets the
connection go when that lasts, since the broker keeps what was not acknowledged. Acknowledgements leave in order of
receipt, after the commit, and only over the connection that delivered the message.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import select
import socket
import ssl
import threading
from dataclasses import dataclass
from typing import Final

import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from city.broker_address import BrokerAddress
from city.clock import Clock, SystemClock, stopwatch_s
from city.errors import OutsideError
from ingest.decoders import EXERCISES, TOPICS, Decoders
from ingest.decoders.sparkplug import TOPICS as SPARKPLUG_TOPICS
from ingest.hostword import HostWord
from ingest.intake import Delivery, Intake
from ingest.message import ReadingsMessage

log = logging.getLogger(__name__)

PROBE_TOPIC: Final = "lifeline/v1/_/recorder/readings"  # matches the recorder's own subscription, and no gateway's name
PROBE_EVERY_S: Final = 0.5
SETTLE_S: Final = 4.0  # after this on one connection, what an earlier one left unacknowledged has come again
_PROBE_LOST_S: Final = 15.0
_KEEPALIVE_S: Final = 30
_PAUSED_S: Final = 10.0  # not reading for longer than this: let the connection go until there is room again
_SESSION_S: Final = 7 * 86_400  # how long a version 5 broker keeps the session of a recorder that is away
_WINDOW: Final = 2_000  # unacknowledged messages a version 5 broker may send
_BURST: Final = 200  # packets read before acknowledgements get their turn
_TICK_S: Final = 0.2
_BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How to reach the broker. `share` names a shared subscription (`$share/NAME/…`), empty for none.

    `sparkplug_host` is the name under which edge nodes know us, empty to hear none. It is not served together with
    `share`: what a node's messages mean hangs on all of them coming to one place, in order.
    """

    address: BrokerAddress
    client_id: str = "lifeline-recorder"
    share: str = ""
    ca_file: str | None = None
    sparkplug_host: str = ""


class _AnotherVersion(Exception):
    """The broker speaks another version of MQTT; the next connection uses it."""


class Link:
    """Keeps one session with the broker until told to stop; `run` is the body of its thread."""

    def __init__(self, settings: LinkSettings, clock: Clock, decoders: Decoders | None = None) -> None:
        self._settings, self._clock = settings, clock
        self._decoders = decoders if decoders is not None else Decoders()
        self._topics: tuple[str, ...] = ()  # subscribed to
        self._asked: list[str] = []  # in the last subscription
        host = settings.sparkplug_host if not settings.share else ""
        self._host_word = HostWord(host) if host else None
        self._reader, self._waker = socket.socketpair()
        for end in (self._reader, self._waker):
            end.setblocking(False)
        self._stopping = threading.Event()
        self._protocol = MQTTProtocolVersion.MQTTv5
        self._nonce = secrets.token_hex(8)  # a probe of another life is not ours
        self._session = 0
        self._in_flight: set[int] = set()
        self._refused: str | None = None
        self._lost = self._other_version = False
        self._subscribed_s: float | None = None
        self._probe_sent_s = self._probe_back_s = self._heard_s = 0.0
        self._probe_out = False
        self._read = 0
        self._intake: Intake | None = None
        self.connects = 0
        self.listening_us = 0  # city time at which the subscriptions were last made

    def wake(self) -> None:
        """Interrupt the wait for the network (any thread)."""
        with contextlib.suppress(BlockingIOError, OSError):  # full of wake-ups already, or the thread has ended
            self._waker.send(b"\0")

    @property
    def connected(self) -> bool:
        """Whether subscriptions stand."""
        return self._subscribed_s is not None

    def stop(self) -> None:
        """Read no more; acknowledge what is committed and leave once nothing is pending."""
        self._stopping.set()
        self.wake()

    def run(self, intake: Intake, give_up: threading.Event) -> None:
        """Connect, serve, and connect again until `stop` and drained (or `give_up` is set)."""
        self._intake = intake
        failures = 0
        while not (self._stopping.is_set() or give_up.is_set()):
            if intake.full:
                SystemClock().pause_s(_TICK_S, give_up)
                continue
            started_s = stopwatch_s()
            try:
                self._serve_one_connection(intake, give_up)
            except _AnotherVersion:
                log.info("broker does not speak MQTT 5, going on with 3.1.1", extra={"action": "broker_version"})
                continue
            except (OSError, OutsideError) as error:
                if failures in (0, 10) or failures % 100 == 99:
                    extra = {"action": "broker_lost", "try": failures + 1}
                    log.warning("broker connection lost: %s", error, extra=extra)
            failures = 0 if stopwatch_s() - started_s > 10 else failures + 1
            if failures:
                SystemClock().pause_s(_BACK_OFF_S[min(failures, len(_BACK_OFF_S)) - 1], self._stopping)

    def close(self) -> None:
        """Give the wake-up sockets back, after `run` has returned or was never called."""
        self._reader.close()
        self._waker.close()

    def heard_until_us(self) -> int | None:
        """City time of now when the broker, though it lets no probe through, has had nothing to say for a while.

        The fallback for brokers whose access rules forbid the probe; None while it does not apply.
        """
        now_s, subscribed_s, intake = stopwatch_s(), self._subscribed_s, self._intake
        if subscribed_s is None or intake is None:
            return None
        lost = now_s - max(self._probe_back_s, subscribed_s) > _PROBE_LOST_S
        return self._clock.now_us() if lost and now_s - self._heard_s > 2.0 and intake.idle else None

    def _serve_one_connection(self, intake: Intake, give_up: threading.Event) -> None:
        client = self._make_client()
        self._refused, self._lost, self._subscribed_s, self._probe_out = None, False, None, False
        self._other_version = False
        self._session += 1
        self._in_flight.clear()
        try:
            self._connect(client)
            self._serve(client, intake, give_up)
        finally:
            self._leave(client, intake)

    def _connect(self, client: Client) -> None:
        address = self._settings.address
        if self._protocol == MQTTProtocolVersion.MQTTv5:
            client.connect(address.host, address.port, _KEEPALIVE_S, clean_start=False, properties=_wishes())
        else:
            client.connect(address.host, address.port, _KEEPALIVE_S)

    def _leave(self, client: Client, intake: Intake) -> None:
        self._subscribed_s = None
        dropped = intake.drop_queued()
        intake.to_acknowledge()  # too late for that over this connection
        if self._host_word is not None and not self._lost:
            client.publish(self._host_word.topic, self._host_word.say(online=False), qos=1, retain=True)
        client.disconnect()
        client.loop_write()
        client.loop_misc()
        if dropped:
            log.info("left %d messages to the broker", dropped, extra={"action": "dropped_unread"})

    def _serve(self, client: Client, intake: Intake, give_up: threading.Event) -> None:
        connected_s, read_s = stopwatch_s(), stopwatch_s()
        while not give_up.is_set():
            if self._stopping.is_set() and intake.idle:
                return
            reading = not (intake.full or self._stopping.is_set())
            if reading:
                read_s = stopwatch_s()
            elif stopwatch_s() - read_s > _PAUSED_S and not self._stopping.is_set():
                raise OutsideError("the database keeps us waiting: back when there is room")
            self._turn(client, intake, reading=reading)
            if self._other_version:
                raise _AnotherVersion
            if self._refused is not None:
                raise OutsideError(f"broker {self._settings.address}: refused, got: {self._refused}")
            if self._lost or client.socket() is None:
                self._try_other_protocol()  # some servers just close on a version they do not speak
                raise OutsideError(f"broker {self._settings.address}: closed the connection")
            if self._subscribed_s is None and stopwatch_s() - connected_s > 10:
                raise OutsideError(f"broker {self._settings.address}: does not answer")
            self._probe(client)
            self._speak(client)

    def _speak(self, client: Client) -> None:
        """Follow the city's mappings with subscriptions; tell edge nodes what they should hear."""
        if self._subscribed_s is None:
            return
        if self._wanted() != self._topics:
            gone = [self._prefix + topic for topic in self._topics if topic not in self._wanted()]
            self._subscribe(client, [topic for topic in self._wanted() if topic not in self._topics])
            if gone:
                client.unsubscribe(gone)
        for topic, payload in self._decoders.sparkplug.take_requests():
            client.publish(topic, payload, qos=0)

    @property
    def _prefix(self) -> str:
        return f"$share/{self._settings.share}/" if self._settings.share else ""

    def _wanted(self) -> tuple[str, ...]:
        nodes = (*SPARKPLUG_TOPICS, self._host_word.topic) if self._host_word is not None else ()
        return (*nodes, *TOPICS, EXERCISES, *(mapping.topic for mapping in self._decoders.mappings))

    def _subscribe(self, client: Client, topics: list[str]) -> None:
        self._topics, self._asked = self._wanted(), topics
        if not topics:
            return
        if self._protocol == MQTTProtocolVersion.MQTTv5:
            client.subscribe([(self._prefix + topic, SubscribeOptions(qos=1)) for topic in topics])
        else:
            client.subscribe([(self._prefix + topic, 1) for topic in topics])

    def _turn(self, client: Client, intake: Intake, *, reading: bool) -> None:
        """One wait for the network, and what follows from it."""
        sock = client.socket()
        if sock is None:
            return
        waiting = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        listen = [sock, self._reader] if reading else [self._reader]
        ready, writable, _ = select.select(
            listen, [sock] if client.want_write() else [], [], 0 if reading and waiting else _TICK_S
        )
        if self._reader in ready:
            self._reader.recv(4096)
        for delivery in intake.to_acknowledge():
            if delivery.session == self._session and delivery.mid:  # what came with QoS 0 has no number
                self._in_flight.discard(delivery.mid)
                client.ack(delivery.mid, 1)
        if writable or client.want_write():
            client.loop_write()
        if reading and (waiting or sock in ready):
            self._read_burst(client, intake)
        client.loop_misc()

    def _read_burst(self, client: Client, intake: Intake) -> None:
        for _ in range(_BURST):
            before = self._read
            if client.loop_read() != MQTTErrorCode.MQTT_ERR_SUCCESS or self._read == before or intake.full:
                return

    def _make_client(self) -> Client:
        settings, address = self._settings, self._settings.address
        version_5 = self._protocol == MQTTProtocolVersion.MQTTv5
        client = Client(
            CallbackAPIVersion.VERSION2,
            settings.client_id,
            clean_session=None if version_5 else False,
            protocol=self._protocol,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if address.username is not None:
            client.username_pw_set(address.username, address.password)
        if address.encrypted:
            client.tls_set(settings.ca_file)
        if self._host_word is not None:  # the will carries the same time as the word that we are there
            self._host_word.begin(self._clock.now_us())
            client.will_set(self._host_word.topic, self._host_word.say(online=False), qos=1, retain=True)
        client.connect_timeout = 5.0
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        # With this set, acknowledgements gather until loop_write instead of leaving one by one.
        client.on_socket_register_write = lambda *_: None
        client.on_socket_unregister_write = lambda *_: None
        return client

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            if reason.getName() == "Unsupported protocol version" and self._protocol == MQTTProtocolVersion.MQTTv5:
                self._protocol, self._other_version = MQTTProtocolVersion.MQTTv311, True
                return
            self._refused = reason.getName()
            return
        self._subscribe(client, list(self._wanted()))

    def _try_other_protocol(self) -> None:
        if self.connects:
            return  # the one that worked stays
        version_5 = self._protocol == MQTTProtocolVersion.MQTTv5
        self._protocol = MQTTProtocolVersion.MQTTv311 if version_5 else MQTTProtocolVersion.MQTTv5

    def _on_subscribe(
        self, client: Client, _data: object, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        denied = {
            topic: reason.getName() for topic, reason in zip(self._asked, reasons, strict=False) if reason.is_failure
        }
        if own := [reason for topic, reason in denied.items() if topic in TOPICS]:
            self._refused = f"subscription refused ({own[0]}), try the broker's access rules"
            return
        if denied:  # nobody may speak these here; what is ours goes on
            log.warning("not allowed to hear %s", ", ".join(denied), extra={"action": "subscription_refused"})
        if self._subscribed_s is not None:  # to a mapping's topic, later
            return
        if self._host_word is not None:
            client.publish(self._host_word.topic, self._host_word.say(online=True), qos=1, retain=True)
        self._subscribed_s = self._heard_s = stopwatch_s()
        self.listening_us = self._clock.now_us()
        self.connects += 1
        version = 5 if self._protocol == MQTTProtocolVersion.MQTTv5 else "3.1.1"
        log.info("connected to broker", extra={"action": "broker_connected", "mqtt": version})

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._lost = True

    def _on_message(self, client: Client, _data: object, incoming: MQTTMessage) -> None:
        self._read += 1
        if self._intake is None or incoming.mid in self._in_flight:
            return  # sent again while its first copy is still on its way to the database
        if incoming.qos:
            self._in_flight.add(incoming.mid)
        topic, payload, now_us = incoming.topic, bytes(incoming.payload), self._clock.now_us()
        if topic == PROBE_TOPIC:
            self._intake.put(Delivery(None, now_us, b"", incoming.mid, self._session, probe_us=self._probe_us(payload)))
            return
        if self._host_word is not None and topic == self._host_word.topic:
            if self._host_word.contradicted(payload):  # the will of an earlier connection came late
                client.publish(topic, self._host_word.say(online=True), qos=1, retain=True)
            self._intake.put(Delivery(None, now_us, b"", incoming.mid, self._session))
            return
        self._heard_s = stopwatch_s()
        message = self._decoders.decode(topic, payload, now_us)
        rows = max(1, message.published) if isinstance(message, ReadingsMessage) else 1
        self._intake.put(Delivery(message, now_us, payload, incoming.mid, self._session, rows))

    def _probe(self, client: Client) -> None:
        """Send a message to ourselves: when it comes back, all that the broker had before it has come too."""
        now_s = stopwatch_s()
        if self._subscribed_s is None or self._stopping.is_set() or now_s - self._subscribed_s < SETTLE_S:
            return
        if now_s - self._probe_sent_s < (_PROBE_LOST_S if self._probe_out else PROBE_EVERY_S):
            return
        if self._probe_out:
            log.warning(
                "probe does not come back, try allowing this user to publish to %s",
                PROBE_TOPIC,
                extra={"action": "probe_lost"},
            )
        self._probe_sent_s, self._probe_out = now_s, True
        content = {"probe": self._nonce, "session": self._session, "us": self._clock.now_us()}
        client.publish(PROBE_TOPIC, msgspec.json.encode(content), qos=1)

    def _probe_us(self, payload: bytes) -> int:
        """City time that a probe of ours carries, 0 for any other."""
        try:
            content = msgspec.json.decode(payload, type=dict[str, str | int])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return 0
        if content.get("probe") != self._nonce or content.get("session") != self._session:
            return 0
        self._probe_out, self._probe_back_s = False, stopwatch_s()
        sent_us = content.get("us", 0)
        return sent_us if isinstance(sent_us, int) else 0


def _wishes() -> Properties:
    """What a version 5 broker is asked for: to keep the session, and a window."""
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho does not say
    properties.SessionExpiryInterval = _SESSION_S
    properties.ReceiveMaximum = _WINDOW
    return properties
