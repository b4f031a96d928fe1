"""The recorder's connection to the broker: one thread that reads, decodes and acknowledges; nobody else touches it.

It stops reading while too much is pending (a broker's in-flight window is not to be trusted with memory), and lets the
connection go when that lasts, since the broker keeps what was not acknowledged. Acknowledgements leave in order of
receipt and together, after the commit, and only over the connection that delivered the message. What MQTT is, package
`mqtt` knows; what a socket is, `wire`.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from city.broker_address import BrokerAddress
from city.clock import Clock, SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from ingest import probe
from ingest.decoders import EXERCISES, MAX_PAYLOAD, TOPICS, Decoders, too_big
from ingest.decoders.sparkplug import TOPICS as SPARKPLUG_TOPICS
from ingest.hostword import HostWord
from ingest.intake import Delivery, Intake
from ingest.message import ReadingsMessage
from ingest.mqtt.client import Client, Wishes
from ingest.mqtt.encode import Will
from ingest.mqtt.fields import USER, Properties
from ingest.mqtt.packets import Connack, Disconnect, Packet, Publish, Suback
from ingest.mqtt.words import UNSUPPORTED_VERSION, ProtocolError, Version, said
from ingest.wire import NO_FILES, TlsFiles, Wire, tls_context
from store import traces

log = logging.getLogger(__name__)

SETTLE_S: Final = 4.0  # after this on one connection, what an earlier one left unacknowledged has come again
KEEPALIVE_S: Final = 30
_PAUSED_S: Final = 10.0  # not reading for longer than this: let the connection go until there is room again
_SESSION_S: Final = 7 * 86_400  # how long a version 5 broker keeps the session of a recorder that is away
WINDOW: Final = 2_000  # unacknowledged messages a version 5 broker may send
_WELCOME_S: Final = 10.0
_TICK_S: Final = 0.2
_CHUNK_US: Final = 100_000  # arrivals of one chunk lie within; a clock that was set back further begins anew
_BACK_OFF_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How to reach the broker. `share` names a shared subscription (`$share/NAME/…`), empty for none.

    `sparkplug_host` is the name under which edge nodes know us, empty to hear none. What a node's messages mean hangs
    on all of them coming to one place, in order: of recorders that share, the one told by `be_host` hears them.
    """

    address: BrokerAddress
    client_id: str = "lifeline-recorder"
    share: str = ""
    tls: TlsFiles = NO_FILES
    sparkplug_host: str = ""


class _AnotherVersion(Exception):
    """The broker speaks another version of MQTT; the next connection uses it."""


class _AnotherHost(Exception):
    """Who hears Sparkplug has changed; the next connection says so, and has the will for it."""


class Link:
    """Keeps one session with the broker until told to stop; `run` is the body of its thread.

    Raises
    ------
    InputError
        When the files for TLS cannot be used, or are given for a line that is not encrypted.
    """

    def __init__(self, settings: LinkSettings, clock: Clock, decoders: Decoders | None = None) -> None:
        self._settings, self._clock = settings, clock
        if settings.tls != NO_FILES and not settings.address.encrypted:
            raise InputError(
                f"mqtt_ca and mqtt_certificate need a line that is encrypted, got {settings.address}, try mqtts://"
            )
        self._tls = tls_context(settings.tls) if settings.address.encrypted else None
        self._decoders = decoders if decoders is not None else Decoders()
        self._topics: tuple[str, ...] = ()  # subscribed to
        self._asked: dict[int, list[str]] = {}  # topics of each subscription that is not answered
        self._own_word = HostWord(settings.sparkplug_host) if settings.sparkplug_host else None
        self._host_word = self._own_word if not settings.share else None
        self._is_host = not settings.share
        self._reader, self._waker = socket.socketpair()
        for end in (self._reader, self._waker):
            end.setblocking(False)
        self._stopping = threading.Event()
        self._version = Version.V5
        self._probe = probe.Probe()
        self._session = 0
        self._in_flight: set[int] = set()
        self._subscribed_s: float | None = None
        self._heard_s = 0.0
        self._arrived_us = 0  # when the next message may arrive at the earliest
        self._intake: Intake | None = None
        self.connects = 0
        self.turned_s = stopwatch_s()  # when its loop last went round
        self.session_kept = False  # whether the broker still knew our session, at the last connection
        self.listening_us = 0  # city time at which the subscriptions were last made

    def wake(self) -> None:
        """Interrupt the wait for the network (any thread)."""
        with contextlib.suppress(BlockingIOError, OSError):  # full of wake-ups already, or the thread has ended
            self._waker.send(b"\0")

    def be_host(self, host: bool) -> None:
        """Hear Sparkplug from now on, or leave it to another recorder (any thread; the connection is made anew)."""
        self._is_host = host

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
                self.turned_s = stopwatch_s()
                SystemClock().pause_s(_TICK_S, give_up)
                continue
            started_s = self.turned_s = stopwatch_s()
            try:
                self._serve_one_connection(intake, give_up)
            except _AnotherVersion:
                log.info("broker does not speak MQTT 5, going on with 3.1.1", extra={"action": "broker_version"})
                continue
            except _AnotherHost:
                continue
            except (OSError, OutsideError, ProtocolError) as error:
                if failures in (0, 10) or failures % 100 == 99:
                    extra = {"action": "broker_lost", "try": failures + 1}
                    log.warning("broker %s: connection lost: %s", self._settings.address, error, extra=extra)
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
        lost = now_s - max(self._probe.back_s, subscribed_s) > probe.LOST_S
        return self._clock.now_us() if lost and now_s - self._heard_s > 2.0 and intake.idle else None

    def _serve_one_connection(self, intake: Intake, give_up: threading.Event) -> None:
        self._host_word = self._own_word if self._is_host else None
        self._session += 1
        self._probe.begin(self._session)
        self._in_flight.clear()
        self._asked.clear()
        wire = Wire(self._settings.address, self._tls)
        client = Client(self._wishes(), stopwatch_s())
        try:
            self._serve(wire, client, intake, give_up)
        except OutsideError:
            if client.welcome is None and not self.connects:  # some servers just close on a version they do not speak
                self._version = Version.V311 if self._version == Version.V5 else Version.V5
            raise
        finally:
            self._leave(wire, client, intake)

    def _wishes(self) -> Wishes:
        settings, word = self._settings, self._host_word
        will = None
        if word is not None:  # the will carries the same time as the word that we are there
            word.begin(self._clock.now_us())
            will = Will(word.topic, word.say(online=False))
        return Wishes(
            settings.client_id, self._version, KEEPALIVE_S, _SESSION_S, WINDOW,
            settings.address.username, settings.address.password, will,
        )  # fmt: skip

    def _leave(self, wire: Wire, client: Client, intake: Intake) -> None:
        was_serving, self._subscribed_s = self.connected, None
        dropped = intake.drop_queued()
        intake.to_acknowledge()  # too late for that over this connection
        if was_serving and self._host_word is not None:
            client.publish(self._host_word.topic, self._host_word.say(online=False), 1, retain=True)
        client.leave()
        wire.close(client.take_outgoing(stopwatch_s()))
        if dropped:
            log.info("left %d messages to the broker", dropped, extra={"action": "dropped_unread"})

    def _serve(self, wire: Wire, client: Client, intake: Intake, give_up: threading.Event) -> None:
        connected_s = read_s = stopwatch_s()
        while not give_up.is_set():
            if self._stopping.is_set() and intake.idle:
                return
            now_s = self.turned_s = stopwatch_s()
            reading = not (intake.full or self._stopping.is_set())
            if reading:
                read_s = now_s
            elif now_s - read_s > _PAUSED_S and not self._stopping.is_set():
                raise OutsideError("the database keeps us waiting: back when there is room")
            self._turn(wire, client, intake, reading=reading)
            client.tick(stopwatch_s(), listening=reading)
            if self._subscribed_s is None and now_s - connected_s > _WELCOME_S:
                raise OutsideError("does not answer")
            self._speak(client)

    def _turn(self, wire: Wire, client: Client, intake: Intake, *, reading: bool) -> None:
        """One wait for the network, and what follows from it."""
        if client.outgoing:
            wire.write(client.take_outgoing(stopwatch_s()))
        readable = wire.wait(self._reader, _TICK_S, reading=reading)
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)
        done = [(one.mid, one.qos) for one in intake.to_acknowledge() if one.session == self._session and one.qos]
        if done:
            self._in_flight.difference_update(number for number, _ in done)
            client.acknowledge(done)
        wire.write(client.take_outgoing(stopwatch_s()) if client.outgoing else b"")
        if readable and (chunk := wire.read()):
            self._take(client, client.receive(chunk, stopwatch_s()), intake)

    def _take(self, client: Client, packets: Sequence[Packet], intake: Intake) -> None:
        """Queue the messages of one chunk together, and follow what else the broker says."""
        now_us, deliveries = self._clock.now_us(), []
        if 0 <= self._arrived_us - now_us < _CHUNK_US:
            now_us = self._arrived_us
        try:
            for packet in packets:
                if type(packet) is Publish:
                    if (delivery := self._delivery(client, packet, now_us)) is not None:
                        deliveries.append(delivery)
                        now_us += 1  # no two arrive at once: what claims the future is stored under its arrival
                elif isinstance(packet, Connack):
                    self._welcomed(client, packet)
                elif isinstance(packet, Suback):
                    self._subscribed(client, packet)
                elif isinstance(packet, Disconnect):
                    raise OutsideError(f"it let us go: {said(packet.code)}")
        finally:
            self._arrived_us = now_us
            if any(one.message is not None for one in deliveries):
                self._heard_s = stopwatch_s()
            intake.put(deliveries)

    def _welcomed(self, client: Client, packet: Connack) -> None:
        if packet.code == 0:
            self.session_kept = packet.session_present
            self._subscribe(client, list(self._wanted()))
            if self._own_word is not None and self._host_word is None and packet.session_present:
                client.unsubscribe([*SPARKPLUG_TOPICS, self._own_word.topic])  # of a time when we were the host
            return
        unsupported = packet.code == UNSUPPORTED_VERSION or (packet.code == 1 and self._version == Version.V5)
        if unsupported and self._version == Version.V5:
            self._version = Version.V311
            raise _AnotherVersion
        raise OutsideError(f"refused, got: {said(packet.code)}")

    def _subscribed(self, client: Client, packet: Suback) -> None:
        asked = self._asked.pop(packet.packet_id, [])
        denied = {topic: said(code) for topic, code in zip(asked, packet.codes, strict=True) if code >= 0x80}
        if own := [reason for topic, reason in denied.items() if topic in TOPICS]:
            raise OutsideError(f"subscription refused ({own[0]}), try the broker's access rules")
        if denied:  # nobody may speak these here; what is ours goes on
            log.warning("not allowed to hear %s", ", ".join(denied), extra={"action": "subscription_refused"})
        if self._subscribed_s is not None:  # to a mapping's topic, later
            return
        if self._host_word is not None:
            client.publish(self._host_word.topic, self._host_word.say(online=True), 1, retain=True)
        self._subscribed_s = self._heard_s = stopwatch_s()
        self.listening_us = self._clock.now_us()
        self.connects += 1
        version = "5" if self._version == Version.V5 else "3.1.1"
        log.info("connected to broker", extra={"action": "broker_connected", "mqtt": version})

    def _speak(self, client: Client) -> None:
        """Follow the city's mappings with subscriptions; tell edge nodes what they should hear; probe."""
        if self._subscribed_s is None:
            return
        if self._own_word is not None and self._is_host != (self._host_word is not None):
            raise _AnotherHost
        wanted = self._wanted()
        if wanted != self._topics:
            gone = [self._filter(topic) for topic in self._topics if topic not in wanted]
            self._subscribe(client, [topic for topic in wanted if topic not in self._topics])
            if gone:
                client.unsubscribe(gone)
        for topic, payload in self._decoders.sparkplug.take_requests():
            client.publish(topic, payload)
        now_s = stopwatch_s()
        if self._stopping.is_set() or now_s - self._subscribed_s < SETTLE_S or not self._probe.due(now_s):
            return
        if self._probe.lost:
            text = "probe does not come back, try allowing this user to publish to %s"
            log.warning(text, probe.TOPIC, extra={"action": "probe_lost"})
        client.publish(probe.TOPIC, self._probe.send(now_s, self._clock.now_us()), 1)

    def _filter(self, topic: str) -> str:
        """What is asked of the broker: Sparkplug is never shared."""
        shared = self._settings.share and not topic.startswith("spBv1.0/")
        return f"$share/{self._settings.share}/{topic}" if shared else topic

    def _wanted(self) -> tuple[str, ...]:
        nodes = (*SPARKPLUG_TOPICS, self._host_word.topic) if self._host_word is not None else ()
        return (*nodes, *TOPICS, EXERCISES, *(mapping.topic for mapping in self._decoders.mappings))

    def _subscribe(self, client: Client, topics: list[str]) -> None:
        self._topics = self._wanted()
        if topics:
            self._asked[client.subscribe([self._filter(topic) for topic in topics])] = topics

    def _delivery(self, client: Client, incoming: Publish, now_us: int) -> Delivery | None:
        topic, payload, number, qos = incoming.topic, incoming.payload, incoming.packet_id, incoming.qos
        if qos:
            if number in self._in_flight:
                return None  # sent again while its first copy is still on its way to the database
            self._in_flight.add(number)
        if topic == probe.TOPIC:
            probe_us = self._probe.came(payload, stopwatch_s())
            return Delivery(None, now_us, b"", number, self._session, probe_us=probe_us, qos=qos)
        if self._own_word is not None and topic == self._own_word.topic:  # also of a time when we were the host
            if self._host_word is not None and self._host_word.contradicted(payload):  # an earlier connection's will
                client.publish(topic, self._host_word.say(online=True), 1, retain=True)
            return Delivery(None, now_us, b"", number, self._session, qos=qos)
        if incoming.size > MAX_PAYLOAD:
            return Delivery(too_big(topic, incoming.size), now_us, payload, number, self._session, qos=qos)
        message = self._decoders.decode(topic, payload, now_us)
        rows = (message.published or 1) if type(message) is ReadingsMessage else 1
        trace = given_trace(incoming.properties) if incoming.properties else ""
        return Delivery(message, now_us, payload, number, self._session, rows, qos=qos, trace=trace)


def given_trace(properties: Properties | None) -> str:
    """The trace that the sender gave to a message (user property `traceparent`); empty when none, or not one."""
    pairs = (properties or {}).get(USER)
    if not isinstance(pairs, list):
        return ""
    said = (traces.parent(pair[1]) for pair in pairs if isinstance(pair, tuple) and pair[0] == "traceparent")
    return next(filter(None, said), "")
