"""The agent: carries a gateway's outbox over MQTT, and says whether the gateway is there.

Theory of operation. One connection at a time. On it, a small window of QoS 1 publishes is under way, chosen by the
lanes (see `gateway.lanes`); a message is removed only after its PUBACK. When the connection dies, what was under way is
sent again on the next one: at least once. The status topic is retained: `online` with the number of buffered readings
when a connection stands, again when a backlog has gone or something is to be told, and `offline` as the last will or,
on a clean stop, by hand (a clean DISCONNECT suppresses the will). What the outbox had to drop stands in every status.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TypeVar

import aiomqtt

from city.broker_address import BrokerAddress
from city.clock import Clock, SystemClock, stopwatch_s
from city.errors import OutsideError
from city.tls import NO_FILES, TlsFiles, tls_context
from gateway.envelope import rfc3339, seal, status, topic, will
from gateway.lanes import Lanes
from gateway.losses import Loss
from gateway.outbox import Message, Outbox
from gateway.waiting import first_of, unless_stopped

log = logging.getLogger(__name__)
_T = TypeVar("_T")
_MOST_LOSSES = 200  # sensors whose losses a status names; the others are summed up
_LOOK_AGAIN_S = 0.001
_MOST_INBOX = 16  # messages of subscribed topics that wait to be handled
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
    backlog_per_s
        Readings a second for what was in the outbox when the connection came up, beside live readings, which go first.
        None: one lane, strictly oldest first (replays and simulations, where order matters more than freshness).
    back_off_s
        First and longest pause before the next attempt to connect; each failure doubles it, a jitter of ±25 % spreads
        the gateways of a city after an outage.
    drain_s
        How long a stop waits for the outbox to empty; what is left stays on disk.
    tls
        Files for mqtts.
    """

    window: int = 8
    backlog_per_s: float | None = None
    back_off_s: tuple[float, float] = (0.25, 15.0)
    drain_s: float = 5.0
    keepalive_s: int = 20
    timeout_s: float = 10.0
    tls: TlsFiles = NO_FILES


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
        self._tls = tls_context(self.settings.tls) if self.address.encrypted else None
        self.connected = False
        self.connections = self.published = self.published_readings = 0
        self.last_error = ""
        self.extra: Callable[[], Mapping[str, object]] = dict  # what else a status says
        self._inbox: dict[str, Callable[[bytes], None]] = {}
        self._sent_us = 0
        self._confirmed: list[Message] = []  # by the broker; not removed while the disk refuses
        self._readings_topic, self._status_topic = (
            topic(district, gateway, "readings"),
            topic(district, gateway, "status"),
        )
        self._disk = disk
        self._wall = SystemClock()  # a broker's recovery takes wall seconds, whatever the city's clock does
        self._more, self._idle, self._tell = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._lit, self._dark = asyncio.Event(), asyncio.Event()
        self._lit.set()

    def wake(self) -> None:
        """There is something new in the outbox (call in the event loop's thread)."""
        self._idle.clear()
        self._more.set()

    def tell(self) -> None:
        """Say a status soon: there is something to report (call in the event loop's thread)."""
        self._tell.set()

    def listen(self, what: str, handler: Callable[[bytes], None]) -> None:
        """Hand every message on the gateway's topic `what` to `handler`; before `run`."""
        district = self._status_topic.split("/")[2]
        self._inbox[topic(district, self.gateway, what)] = handler

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
                for each in self._inbox:
                    await client.subscribe(each, qos=1)
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
            max_queued_incoming_messages=_MOST_INBOX,
            max_inflight_messages=settings.window,
            tls_context=self._tls,
        )

    def _status(self, *, online: bool) -> bytes:
        losses = self.outbox.losses()
        extra = {"dropped": _told(losses), **self.extra()} if losses else self.extra()
        return status(
            online=online,
            time_us=self.clock.now_us(),
            buffered=self.outbox.readings,
            version=_version(),
            extra=extra,
        )

    async def _say(self, client: aiomqtt.Client, *, online: bool) -> None:
        self._tell.clear()
        payload = await self._on_disk(partial(self._status, online=online))
        await client.publish(self._status_topic, payload, qos=1, retain=True)

    async def _tell_on(self, client: aiomqtt.Client) -> None:
        while True:
            await self._tell.wait()
            await self._say(client, online=True)

    async def _watch(self, client: aiomqtt.Client) -> None:
        """Hand on what comes; raises when the connection dies."""
        async for message in client.messages:
            handler = self._inbox.get(message.topic.value)
            if handler is not None and isinstance(message.payload, bytes):
                handler(message.payload)

    async def _carry(self, client: aiomqtt.Client, stopped: asyncio.Task[bool]) -> None:
        """Pump until the line breaks (raises), the power goes (drops the line), or `stopped` (after draining)."""
        pump = asyncio.create_task(self._pump(client))
        watch = asyncio.create_task(self._watch(client))
        teller = asyncio.create_task(self._tell_on(client))
        dark = asyncio.create_task(self._dark.wait())
        try:
            await first_of(pump, watch, teller, dark, stopped)
            if stopped.done() and not dark.done():
                idle = asyncio.create_task(self._idle.wait())
                await first_of(pump, watch, teller, dark, idle, timeout_s=self.settings.drain_s)
                idle.cancel()
            if dark.done():
                _drop(client)
                await first_of(watch, timeout_s=self.settings.timeout_s)
            for task in (watch, pump, teller):
                if task.done():
                    task.result()
        finally:
            tasks: tuple[asyncio.Task[object], ...] = (pump, watch, teller, dark)
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, client: aiomqtt.Client) -> None:
        under_way: dict[asyncio.Task[None], Message] = {}
        behind = self.outbox.messages > self.settings.window
        lanes = await self._on_disk(lambda: Lanes(self.outbox, self.settings.window, self.settings.backlog_per_s))
        try:
            while True:
                self._more.clear()
                if len(under_way) < self.settings.window:
                    for message in await self._on_disk(partial(self._next, lanes, under_way)):
                        under_way[asyncio.create_task(self._publish(client, message))] = message
                if not under_way and not lanes.left:
                    if behind:
                        behind = False
                        await self._say(client, online=True)
                    if not self._more.is_set():
                        self._idle.set()
                    await self._more.wait()
                    continue
                # With nothing under way the backlog waits for its rate; its time may be up by now: look again soon.
                pause_s = lanes.pause_s() if under_way else max(lanes.pause_s(), _LOOK_AGAIN_S)
                await self._confirm(await self._wait(under_way, pause_s))
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            self.outbox.let_go()

    def _next(self, lanes: Lanes, under_way: Mapping[asyncio.Task[None], Message]) -> list[Message]:
        return lanes.take([message.seq for message in under_way.values()], {message.seq for message in self._confirmed})

    async def _wait(self, under_way: dict[asyncio.Task[None], Message], pause_s: float) -> list[Message]:
        """What the broker has confirmed, as soon as anything is, or something new may leave."""
        more = asyncio.create_task(self._more.wait())
        waiting = {*under_way, more} if len(under_way) < self.settings.window else set(under_way)
        try:
            done, _ = await asyncio.wait(waiting, timeout=pause_s or None, return_when=asyncio.FIRST_COMPLETED)
        finally:
            more.cancel()
        tasks = [task for task in under_way if task in done]
        confirmed = [under_way.pop(task) for task in tasks if task.exception() is None]
        if failed := next((error for task in tasks if (error := task.exception()) is not None), None):
            await self._confirm(confirmed)
            raise failed
        return confirmed

    async def _publish(self, client: aiomqtt.Client, message: Message) -> None:
        self._sent_us = max(self._sent_us, self.clock.now_us())  # a clock set back never makes a later message older
        payload = seal(message.seq, self._sent_us, message.body)
        await client.publish(self._readings_topic, payload, qos=1)  # returns after the PUBACK

    async def _confirm(self, messages: list[Message]) -> None:
        self.published += len(messages)
        self.published_readings += sum(message.readings for message in messages)
        self._confirmed += messages
        if not self._confirmed:
            return
        try:
            await self._on_disk(partial(self.outbox.remove, [message.seq for message in self._confirmed]))
        except OutsideError as error:  # a full disk: they are not sent again, and go as soon as it lets them
            self._report(error)
        else:
            self._confirmed = []

    async def _on_disk(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)


def _told(losses: list[Loss]) -> dict[str, object]:
    """What the outbox had to drop since it was made, as a status tells it."""
    named, others = losses[:_MOST_LOSSES], losses[_MOST_LOSSES:]
    return {
        "readings": sum(loss.readings for loss in losses),
        "sensors": [
            {
                "sensor": loss.sensor,
                "why": loss.why,
                "readings": loss.readings,
                "from": None if loss.from_us is None else rfc3339(loss.from_us),
                "to": None if loss.to_us is None else rfc3339(loss.to_us),
            }
            for loss in named
        ],
        "others": sum(loss.readings for loss in others),
    }


def _drop(client: aiomqtt.Client) -> None:
    """Cut the line without a DISCONNECT, as a power failure does."""
    sock = client._client.socket()  # aiomqtt has no public way to be impolite
    if isinstance(sock, socket.socket):
        sock.shutdown(socket.SHUT_RDWR)
