"""Where a recorder's time goes: CPU of each stage on the way of the same messages, one after the other, alone.

Stages run one by one in one thread, so that each can be told from the others; a running recorder lays them over each
other. The server is one backend; on machines that do not tell what it used it is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from bench.ingestload import Shape
from city.clock import SystemClock
from ingest.admit import Admission
from ingest.decoders import Decoders
from ingest.intake import Delivery
from ingest.memory import Memory
from ingest.message import Arrival, Message, ReadingsMessage
from ingest.mqtt import encode
from ingest.mqtt.packets import Publish
from ingest.mqtt.reader import Reader
from ingest.mqtt.words import Version
from ingest.newest import Newest
from ingest.posting import Posting
from ingest.register import read
from ingest.settle import judge
from ingest.writer import BatchWriter
from store import bundle
from store.connection import Connection, connect

BATCH = 24_000  # readings in a transaction, as in the recorder
_SOCKET_BYTES = 1 << 16  # that are read at once


@dataclass(frozen=True, slots=True)
class Stages:
    """CPU microseconds that a reading takes in each stage; `server` is absent where it cannot be told."""

    shape: str
    cpu_us: Mapping[str, float]


def stages(dsn: str, shape: Shape, messages: Sequence[tuple[str, bytes]]) -> Stages:
    """Take messages through each stage of a recorder, into a database in which their city is in force."""
    now_us = SystemClock().now_us()
    receive_s, packets = _spent(lambda: _received(messages))
    decoders = Decoders()
    decode_s, decoded = _spent(lambda: [decoders.decode(topic, payload, 1) for topic, payload in packets])
    per = max(1, BATCH // shape.readings)
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        judge_s = _judge_s(conn, [decoded[at : at + per] for at in range(0, len(decoded), per)], now_us)
        newest, posting = Newest(dsn), Posting(dsn)
        try:
            writer = BatchWriter(conn, SystemClock(), newest, posting=posting)
            deliveries = [
                Delivery(message, now_us, packet[1], 1, 1, shape.readings)
                for message, packet in zip(decoded, packets, strict=True)
            ]
            writer.commit(deliveries[:per])  # what a first batch does once
            before_s = _backend_s(conn)
            batches = [deliveries[at : at + per] for at in range(per, len(deliveries), per)]
            commit_s, _ = _spent(lambda: [*map(writer.commit, batches)])
            server_s = _backend_s(conn) - before_s
        finally:
            newest.close()
            posting.close()
    readings, written = len(decoded) * shape.readings, (len(decoded) - per) * shape.readings
    found = {"receive": receive_s / readings, "decode": decode_s / readings, "judge": judge_s / written}
    found |= {"write": max(0.0, commit_s - judge_s) / written}
    found |= {"server": server_s / written} if server_s else {}
    return Stages(shape.name, {name: taken_s * 1e6 for name, taken_s in found.items()})


_T = TypeVar("_T")


def _spent(work: Callable[[], _T]) -> tuple[float, _T]:
    """CPU seconds of this thread, and what came of it."""
    began_s = time.thread_time()
    done = work()
    return time.thread_time() - began_s, done


def _received(messages: Sequence[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    sent = [
        encode.publish(Version.V5, topic, payload, 1, at % 60_000 + 1) for at, (topic, payload) in enumerate(messages)
    ]
    stream, reader = b"".join(sent), Reader(Version.V5, len(messages) + 1)
    return [
        (packet.topic, packet.payload)
        for at in range(0, len(stream), _SOCKET_BYTES)
        for packet in reader.feed(stream[at : at + _SOCKET_BYTES])
        if isinstance(packet, Publish)
    ]


def _judge_s(conn: Connection, batches: Sequence[Sequence[Message]], now_us: int) -> float:
    """CPU seconds that judging and spelling take, but for the first batch, which meets the sensors."""
    admission, memory = Admission(read(conn, bundle.current_hash(conn) or "")), Memory()
    taken_s = []
    for batch in batches:
        arrivals = [Arrival(message, now_us, b"") for message in batch if isinstance(message, ReadingsMessage)]
        with conn.transaction():
            memory.begin(admission, conn)
            spent_s, _ = _spent(partial(judge, conn, admission, memory, arrivals))
        memory.committed()
        taken_s.append(spent_s)
    return sum(taken_s[1:])


def _backend_s(conn: Connection) -> float:
    """CPU seconds of the connection's server process; 0 where it cannot be told."""
    try:
        return int(Path(f"/proc/{conn.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
