"""The agent: carries a gateway's outbox over MQTT, and says whether the gateway is there.

Theory of operation. One connection at a time. On it, a small window of QoS 1 publishes is under way, always the oldest
messages of the outbox; a message is removed only after its PUBACK. When the connection dies, whatever was under way is
sent again on the next one: at least once, in order of age. The status topic is retained: `online` with the number of
buffered readings when a connection stands, again when a backlog has gone, and `offline` as the last will or, on a clean
stop, by hand (a clean DISCONNECT suppresses the will).
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import aiomqtt

from city.broker_address import BrokerAddress
from city.clock import Clock, SystemClock, stopwatch_s
from city.errors import OutsideError
from gateway.envelope import seal, status, topic, will
from gateway.outbox import Message, Outbox
from gateway.waiting import first_of, unless_stopped

log = logging.getLogger(__name__)
_T = TypeVar("_T")
_Failure = (aiomqtt.MqttError, OSError, TimeoutError, OutsideError)  # the line, or the disk under the outbox


def _version() -> str:
    try:
        return version("urban-lifeline")
    except PackageNotFoundError:  # run from a source tree
        return "0"


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How an agent behaves on the line. All times are wall seconds.

    Parameters
    ----------
    window
        Publishes under way at once, 1 to 10.
    back_off_s
        First and longest pause before the next attempt to connect; each failure doubles it, a jitter of ±25 % spreads
        the gateways of a city after an outage.
    drain_s
        How long a stop waits for the outbox to empty; what is left stays on disk.
    """

    window: int = 8
    back_off_s: tuple[float, float] = (0.25, 15.0)
    drain_s: float = 5.0
    keepalive_s: int = 20
    timeout_s: float = 10.0


class Agent:
    """One gateway's line to the broker.

    Parameters
    ----------
    url
        `mqtt://user:password@host:port` or `mqtts://…`.
    district, gateway
        Who it speaks for; the only topics it uses.
    outbox
        Where messages wait. Whoever puts something there calls `wake`.
    clock
        The city's clock: `sent_at` and status times.
    disk
        Where outbox calls run, so that a slow disk does not hold the event loop; the loop's default when None.
    """

    def __init__(
        self,
        url: str,
        district: str,
        gateway: str,
        outbox: Outbox,
        clock: Clock,
        settings: AgentSettings | None = None,
        disk: Executor | None = None,
    ) -> None:
        self.address = BrokerAddress.of(url)
        self.gateway, self.outbox, self.clock = gateway, outbox, clock
        self.settings = settings or AgentSettings()
        self.connected = False
        self.connections = self.published = self.published_readings = 0
        self.last_error = ""
        self._readings_topic, self._status_topic = (
            topic(district, gateway, "readings"),
            topic(district, gateway, "status"),
        )
        self._disk = disk
        self._wall = SystemClock()  # a broker's recovery takes wall seconds, whatever the city's clock does
        self._more, self._idle = asyncio.Event(), asyncio.Event()
        self._lit, self._dark = asyncio.Event(), asyncio.Event()
        self._lit.set()

    def wake(self) -> None:
        """There is something new in the outbox (call in the event loop's thread)."""
        self._idle.clear()
        self._more.set()

    def power(self, on: bool) -> None:
        """Cut the power or give it back: without power the connection drops and the broker publishes the will."""
        (self._lit if on else self._dark).set()
        (self._dark if on else self._lit).clear()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep a connection and publish until `stop`; then drain, say goodbye and return. Never raises for the line."""
        stopped = asyncio.create_task(stop.wait())
        pause_s = self.settings.back_off_s[0]
        try:
            while not stop.is_set():
                if not self._lit.is_set():
                    await unless_stopped(self._lit.wait(), stopped)
                    continue
                began_s = stopwatch_s()
                try:
                    await self._session(stopped)
                except _Failure as error:
                    self._report(error)
                if stopwatch_s() - began_s > self.settings.back_off_s[1]:
                    pause_s = self.settings.back_off_s[0]
                if not stop.is_set() and self._lit.is_set():
                    jitter = random.uniform(0.75, 1.25)  # noqa: S311 - spreads reconnects, guards no secret
                    await unless_stopped(self._wall.sleep_s(pause_s * jitter), stopped)
                    pause_s = min(pause_s * 2, self.settings.back_off_s[1])
        finally:
            stopped.cancel()

    def _report(self, error: BaseException) -> None:
        text = str(error) or type(error).__name__
        if text != self.last_error:  # once per kind of trouble, not once per attempt
            log.warning("agent.line_down %s at %s: %s", self.gateway, self.address, text, extra={"action": "line_down"})
        self.last_error = text

    async def _session(self, stopped: asyncio.Task[bool]) -> None:
        client = self._client()
        async with client:
            self.connected, self.connections, self.last_error = True, self.connections + 1, ""
            try:
                await self._say(client, online=True)
                await self._carry(client, stopped)
            finally:
                self.connected = False
            if stopped.done():
                await self._say(client, online=False)

    def _client(self) -> aiomqtt.Client:
        address, settings = self.address, self.settings
        return aiomqtt.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            identifier=f"lifeline-{self.gateway}",
            clean_session=True,  # the outbox is the session
            will=aiomqtt.Will(self._status_topic, will(_version()), qos=1, retain=True),
            timeout=settings.timeout_s,
            keepalive=settings.keepalive_s,
            max_queued_incoming_messages=1,  # nothing is subscribed to
            max_inflight_messages=settings.window,
            tls_context=ssl.create_default_context() if address.encrypted else None,
        )

    def _status(self, *, online: bool) -> bytes:
        buffered = self.outbox.readings
        return status(online=online, time_us=self.clock.now_us(), buffered=buffered, version=_version())

    async def _say(self, client: aiomqtt.Client, *, online: bool) -> None:
        await client.publish(self._status_topic, self._status(online=online), qos=1, retain=True)

    async def _carry(self, client: aiomqtt.Client, stopped: asyncio.Task[bool]) -> None:
        """Pump until the line breaks (raises), the power goes (drops the line), or `stopped` (after draining)."""
        pump = asyncio.create_task(self._pump(client))
        watch = asyncio.create_task(_watch(client))
        dark = asyncio.create_task(self._dark.wait())
        try:
            await first_of(pump, watch, dark, stopped)
            if stopped.done() and not dark.done():
                idle = asyncio.create_task(self._idle.wait())
                await first_of(pump, watch, dark, idle, timeout_s=self.settings.drain_s)
                idle.cancel()
            if dark.done():
                _drop(client)
                await first_of(watch, timeout_s=self.settings.timeout_s)
            for task in (watch, pump):
                if task.done():
                    task.result()
        finally:
            tasks: tuple[asyncio.Task[object], ...] = (pump, watch, dark)
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, client: aiomqtt.Client) -> None:
        under_way: dict[asyncio.Task[None], Message] = {}
        last, backlog = 0, self.outbox.messages > self.settings.window
        try:
            while True:
                self._more.clear()
                room = self.settings.window - len(under_way)
                for message in await self._on_disk(partial(self.outbox.oldest, room, last)):
                    under_way[asyncio.create_task(self._publish(client, message))] = message
                    last = message.seq
                if not under_way:
                    if backlog:
                        backlog = False
                        await self._say(client, online=True)
                    if not self._more.is_set():
                        self._idle.set()
                    await self._more.wait()
                    continue
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                confirmed = [under_way.pop(task) for task in done if task.exception() is None]
                await self._confirm(confirmed)
                for task in done:
                    task.result()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _publish(self, client: aiomqtt.Client, message: Message) -> None:
        payload = seal(message.seq, self.clock.now_us(), message.body)
        await client.publish(self._readings_topic, payload, qos=1)  # returns after the PUBACK

    async def _confirm(self, messages: list[Message]) -> None:
        seqs = [message.seq for message in messages]
        if seqs:
            await self._on_disk(partial(self.outbox.remove, seqs))
        self.published += len(messages)
        self.published_readings += sum(message.readings for message in messages)

    async def _on_disk(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)


async def _watch(client: aiomqtt.Client) -> None:
    """Raise when the connection dies: nothing is subscribed to, so no message ever comes."""
    async for _ in client.messages:
        pass


def _drop(client: aiomqtt.Client) -> None:
    """Cut the line without a DISCONNECT, as a power failure does."""
    sock = client._client.socket()  # aiomqtt has no public way to be impolite
    if isinstance(sock, socket.socket):
        sock.shutdown(socket.SHUT_RDWR)
