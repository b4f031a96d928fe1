"""What the ingest benchmark sends: a seeded city of 10,000 sensors, its messages in several shapes, a fast publisher.

A publisher must cost little beside what is measured: messages are made before they are sent, leave many in one write,
and acknowledgements are only counted.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import numpy as np

from bench.fleet import Fleet
from city.broker_address import BrokerAddress
from city.clock import SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from ingest.mqtt import encode, fields
from ingest.mqtt.client import Client, Wishes
from ingest.mqtt.packets import Ack, Connack
from ingest.mqtt.reader import Reader
from ingest.mqtt.words import Version

SENSORS_EACH = 100
BLOCK = 50  # values in a block: a second of a bridge
_PATIENCE_S = 60.0
_TOGETHER = 50  # messages in one write


class Shape(NamedTuple):
    """How readings lie in messages; `messages` is how many make a backlog."""

    name: str
    readings: int
    messages: int
    blocks: bool = False


SHAPES = (
    Shape("1 a message", 1, 100_000),
    Shape("20 a message", 20, 30_000),
    Shape("100 a message", 100, 8_000),
    Shape("1,000 a message", 1_000, 800),
    Shape("series blocks", 500, 1_600, blocks=True),
)


def city(gateways: int) -> dict[str, str]:
    """The city folder, without rules."""
    files = Fleet(gateways, SENSORS_EACH, 1).files()
    return {name: text for name, text in files.items() if not name.startswith("rules/")}


@dataclass
class Messages:
    """Messages of one shape: gateways in turn, their sensors in turn, a second (or a block) from one to the next."""

    shape: Shape
    gateways: int
    start_us: int
    seed: int = 7
    made: int = 0

    def __post_init__(self) -> None:
        fleet = Fleet(self.gateways, SENSORS_EACH, 1)
        self._names, self._cursor = fleet._names, [0] * self.gateways
        self._values = np.abs(np.round(np.random.default_rng(self.seed).normal(0.0, 1.0, 4096), 2)).tolist()

    def take(self, count: int, *, now_us: int | None = None) -> Iterator[tuple[str, bytes]]:
        """The next `count` messages (topic, payload); `now_us` takes the place of their readings' own times."""
        for _ in range(count):
            gateway, seq = self.made % self.gateways, self.made // self.gateways
            content = {"seq": seq, **(self._blocks(gateway) if self.shape.blocks else self._readings(gateway, now_us))}
            self.made += 1
            yield f"lifeline/v1/east/gw-{gateway:03d}/readings", msgspec.json.encode(content)

    def _readings(self, gateway: int, now_us: int | None) -> dict[str, object]:
        first = self._cursor[gateway]
        self._cursor[gateway] += self.shape.readings
        names, values, start_ms = self._names[gateway], self._values, self.start_us // 1000
        return {
            "readings": [
                {
                    "sensor": names[n % SENSORS_EACH],
                    "time": now_us // 1000 if now_us else start_ms + n // SENSORS_EACH * 1000,
                    "value": values[n & 4095],
                }
                for n in range(first, first + self.shape.readings)
            ]
        }

    def _blocks(self, gateway: int) -> dict[str, object]:
        first = self._cursor[gateway]
        count = self.shape.readings // BLOCK
        self._cursor[gateway] += count
        names, values, start_ms = self._names[gateway], self._values, self.start_us // 1000
        return {
            "series": [
                {
                    "sensor": names[n % SENSORS_EACH],
                    "start": start_ms + n // SENSORS_EACH * BLOCK * 20,
                    "step_ms": 20,
                    "values": values[(n * BLOCK) & 2047 : ((n * BLOCK) & 2047) + BLOCK],
                }
                for n in range(first, first + count)
            ]
        }


class Blaster:
    """One connection (3.1.1) to a broker on loopback: QoS 1, a bounded number of messages under way."""

    def __init__(self, url: str, window: int = 500) -> None:
        self._address = BrokerAddress.of(url)
        if self._address.encrypted or not _is_loopback(self._address.host):
            raise InputError(
                f"bench publishes to loopback brokers only, got {self._address}, try mqtt://127.0.0.1:1883"
            )
        self._window, self._under_way, self._number = window, 0, 0
        self._reader = Reader(Version.V311)

    def __enter__(self) -> Self:
        address = self._address
        self._sock = socket.create_connection((address.host, address.port), _PATIENCE_S)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wishes = Wishes("lifeline-bench", Version.V311, 600, username=address.username, password=address.password)
        self._sock.sendall(Client(wishes, 0.0).take_outgoing(0.0))
        while not (packets := self._reader.feed(self._receive())):
            pass
        if not isinstance(packets[0], Connack) or packets[0].code:
            raise OutsideError(f"broker {address} did not let us in")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    def publish(self, messages: Iterable[tuple[str, bytes]], until_s: float | None = None) -> int:
        """Publish all (or until `until_s` on the stopwatch), as fast as the broker acknowledges; how many."""
        sent, waiting = 0, iter(messages)
        while until_s is None or stopwatch_s() < until_s:
            while self._under_way > self._window - _TOGETHER:
                self._wait()
            packets = [self._packet(*message) for message in islice(waiting, _TOGETHER)]
            if not packets:
                break
            self._sock.sendall(b"".join(packets))
            sent += len(packets)
            self._under_way += len(packets)
        return sent

    def drain(self) -> None:
        """Wait until every message is acknowledged."""
        while self._under_way:
            self._wait()

    def _packet(self, topic: str, payload: bytes) -> bytes:
        self._number = self._number % 65_535 + 1
        return encode.publish(Version.V311, topic, payload, 1, self._number)

    def _wait(self) -> None:
        for packet in self._reader.feed(self._receive()):
            self._under_way -= isinstance(packet, Ack) and packet.kind == fields.PUBACK

    def _receive(self) -> bytes:
        chunk = self._sock.recv(1 << 16)
        if not chunk:
            raise OutsideError(f"broker {self._address} closed the connection")
        return chunk


def publish_evenly(url: str, messages: Messages, per_s: float, seconds: float, most: int) -> tuple[int, int]:
    """Publish so many messages a second, `most` at a time, with the time of each as its readings'.

    Returns
    -------
    tuple[int, int]
        When it began (µs), and how many were published; the broker has acknowledged all.
    """
    clock, sent = SystemClock(), 0
    with Blaster(url) as blaster:
        first_us, began_s = clock.now_us(), stopwatch_s()
        while (at_s := stopwatch_s() - began_s) < seconds:
            due = min(int(at_s * per_s) - sent, most)
            sent += blaster.publish(messages.take(due, now_us=clock.now_us())) if due > 0 else 0
            clock.pause_s(0.002)
        blaster.drain()
    return first_us, sent


def forget(url: str, client_id: str) -> None:
    """Let the broker forget a client's session and what waits in it: else it queues for it whatever comes later."""
    address = BrokerAddress.of(url)
    hello = encode.connect(
        Version.V311, client_id, 60, clean=True, username=address.username, password=address.password
    )
    with socket.create_connection((address.host, address.port), _PATIENCE_S) as sock:
        sock.sendall(hello)
        sock.recv(4)  # its answer: the old session is gone


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def scaled(shapes: Sequence[Shape], by: float) -> tuple[Shape, ...]:
    """The same shapes with backlogs so much smaller."""
    return tuple(shape._replace(messages=max(60, int(shape.messages * by))) for shape in shapes)
