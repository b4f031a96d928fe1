"""Replays recorded data through gateways: the same agents, the same MQTT, the same contract as live data.

The files are read whole and sorted by event time before the first message leaves, so that a mistake in the mapping
stops a replay before it began, and so that readings come in the order in which they were measured. Publishing is at
least once; the recorder knows repeated readings, so a replay can simply be run again.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from city.clock import Clock, SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from city.tls import NO_FILES, TlsFiles
from gateway.agent import Agent, AgentSettings
from gateway.envelope import Row, body
from gateway.mapping import Mapping
from gateway.outbox import Outbox
from gateway.recorded import BadRow, find_files, read_rows
from gateway.sorting import Sorter
from gateway.translate import Reading, Refused, Translator, Why
from gateway.waiting import follow

log = logging.getLogger(__name__)
_T = TypeVar("_T")

_MOST_READINGS = 500  # a message
_SPAN_S = 3600.0  # of event time in one message at full speed, where messages cost and readings do not
_MOST_WAITING = 200  # messages of all gateways waiting for the broker before reading on
_LOOK_S = 0.002
_EXAMPLES = 3  # of each reason, told in the summary


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """What to replay, and how.

    Parameters
    ----------
    mqtt_url, clock
        The broker; the clock of `sent_at`, of statuses and of `shift`.
    mapping, source
        How to read; a file, or the folder below which the mapping's files are.
    speed
        Seconds of recorded time a second, above 0; None for as fast as the broker takes it.
    from_us, to_us
        Replay only recorded times in [from_us, to_us).
    shift
        `none` keeps the recorded times; `first` moves all so that the first reading is now, `last` so that the last is.
    skip_gaps_s
        Recorded pauses longer than this are cut down to it when paced; the readings keep their times.
    line_s
        How long the broker may be away before the replay gives up.
    tls
        Files for mqtts.
    """

    mqtt_url: str
    clock: Clock
    mapping: Mapping
    source: Path
    speed: float | None = None
    from_us: int | None = None
    to_us: int | None = None
    shift: Literal["none", "first", "last"] = "none"
    skip_gaps_s: float | None = None
    line_s: float = 30.0
    tls: TlsFiles = NO_FILES


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay has come: readings confirmed by the broker, of how many, at which recorded time."""

    published: int
    total: int
    time_us: int


@dataclass
class Summary:
    """What a replay did. Times in microseconds since 1970 as published; `seconds` counts publishing alone."""

    files: int = 0
    rows: int = 0
    readings: int = 0
    missing: int = 0
    outside_window: int = 0
    ambiguous: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    sensors: int = 0
    gateways: int = 0
    published: int = 0
    from_us: int = 0
    to_us: int = 0
    seconds: float = 0.0
    stopped: bool = False

    @property
    def per_second(self) -> float:
        """Readings a second that the broker has confirmed."""
        return self.published / self.seconds if self.seconds > 0 else 0.0

    def refuse(self, where: str, refused: Refused) -> None:
        """Count something refused, and remember the first few of each reason."""
        self.refused[refused.why] += 1
        told = self.examples.setdefault(refused.why, [])
        if len(told) < _EXAMPLES:
            told.append(f"{where}: {refused.detail}")


def run_replay(
    settings: ReplaySettings, stop: threading.Event, progress: Callable[[Progress], None] | None = None
) -> Summary:
    """Replay until everything is confirmed by the broker, or `stop`.

    Raises
    ------
    InputError
        The mapping does not fit the files, there are no files, or the speed is not above 0.
    OutsideError
        A file cannot be read, or the broker stays away.
    """
    if settings.speed is not None and not settings.speed > 0:
        raise InputError(f"speed must be above 0, got {settings.speed:g}, try --speed 60")
    summary = Summary()
    with Sorter() as readings:
        _read(settings, summary, readings)
        if readings.count and not stop.is_set():
            asyncio.run(_Replay(settings, summary, readings, progress).run(stop))
    return summary


def _read(settings: ReplaySettings, summary: Summary, readings: Sorter) -> None:
    """All readings of all files into the sorter, everything else into the summary."""
    translator = Translator(settings.mapping)
    low = settings.from_us if settings.from_us is not None else -(1 << 62)
    high = settings.to_us if settings.to_us is not None else 1 << 62
    for path in find_files(settings.source, settings.mapping):
        summary.files += 1
        for row in read_rows(path, settings.mapping):
            summary.rows += 1
            where = f"{row.file}:{row.number}"
            if isinstance(row, BadRow):
                summary.refuse(where, Refused(Why.UNREADABLE_ROW, row.why))
                continue
            try:
                for found in translator.readings(row.cells):
                    if isinstance(found, Refused):
                        summary.refuse(where, found)
                    elif low <= found.time_us < high:
                        readings.add(found)
                    else:
                        summary.outside_window += 1
            except Refused as refused:
                summary.refuse(where, refused)
    summary.missing, summary.ambiguous = translator.missing, translator.ambiguous
    summary.readings, summary.sensors = readings.count, len({source.sensor for source in readings.sources})


class _Here(Executor):
    """Runs what it is given at once: these outboxes are not durable, and a thread would cost more than the disk."""

    def submit(self, fn: Callable[..., _T], /, *args: object, **kwargs: object) -> Future[_T]:
        done: Future[_T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future hands it on
            done.set_exception(error)
        return done


class _Replay:
    """The publishing half: slices of recorded time, through one agent for each gateway."""

    def __init__(
        self, settings: ReplaySettings, summary: Summary, readings: Sorter, progress: Callable[[Progress], None] | None
    ) -> None:
        self._settings, self._summary, self._readings, self._progress = settings, summary, readings, progress
        self._wall, self._agents = SystemClock(), dict[tuple[str, str], Agent]()
        self._played_us, self._began_s, self._line_s = 0, 0.0, stopwatch_s()
        shift = {"none": 0, "first": readings.first_us, "last": readings.last_us}[settings.shift]
        self._shift_us = settings.clock.now_us() - shift if shift else 0
        summary.from_us, summary.to_us = readings.first_us + self._shift_us, readings.last_us + self._shift_us

    async def run(self, stop: threading.Event) -> None:
        stopping = asyncio.Event()
        following = asyncio.create_task(follow(stop, stopping))
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lifeline-replay-")))
            self._start_agents(folder, stack)
            ended = asyncio.Event()
            lines = [asyncio.create_task(agent.run(ended)) for agent in self._agents.values()]
            try:
                await self._play(stopping)
            finally:
                ended.set()
                following.cancel()
                await asyncio.gather(*lines)
                self._summary.published, self._summary.stopped = self._published, stopping.is_set()

    def _start_agents(self, folder: Path, stack: ExitStack) -> None:
        for district, gateway in sorted({(source.district, source.gateway) for source in self._readings.sources}):
            path = folder / f"{len(self._agents)}.outbox"
            outbox = stack.enter_context(Outbox(path, max_readings=1 << 40, durable=False))
            line = AgentSettings(window=10, drain_s=1.0, tls=self._settings.tls)
            self._agents[district, gateway] = Agent(
                self._settings.mqtt_url, district, gateway, outbox, self._settings.clock, line, _Here()
            )
        self._summary.gateways = len(self._agents)

    @property
    def _published(self) -> int:
        return sum(agent.published_readings for agent in self._agents.values())

    @property
    def _waiting(self) -> int:
        return sum(agent.outbox.messages for agent in self._agents.values())

    async def _play(self, stopping: asyncio.Event) -> None:
        self._line_s = stopwatch_s()
        while not all(agent.connected for agent in self._agents.values()) and not stopping.is_set():
            await self._look()
        self._began_s, self._played_us = stopwatch_s(), self._readings.first_us
        for piece in self._slices():
            await self._due(piece[0].time_us, piece[-1].time_us, stopping)
            while self._waiting > _MOST_WAITING and not stopping.is_set():
                await self._look()
            if stopping.is_set():
                return
            self._put(piece)
            if self._progress:
                self._progress(Progress(self._published, self._readings.count, piece[-1].time_us + self._shift_us))
        while self._waiting and not stopping.is_set():
            await self._look()
        self._summary.seconds = stopwatch_s() - self._began_s
        if self._progress:
            self._progress(Progress(self._published, self._readings.count, self._summary.to_us))

    async def _look(self) -> None:
        """Wait a little for the broker; OutsideError when it has been away for too long."""
        if all(agent.connected for agent in self._agents.values()):
            self._line_s = stopwatch_s()
        elif stopwatch_s() - self._line_s > self._settings.line_s:
            agent = next(agent for agent in self._agents.values() if not agent.connected)
            raise OutsideError(
                f"replay: no answer from the broker at {agent.address} for {self._settings.line_s:g} s"
                f" ({agent.last_error or 'connecting'}), try again: what is there already will not count twice"
            )
        await self._wall.sleep_s(_LOOK_S)

    async def _due(self, first_us: int, last_us: int, stopping: asyncio.Event) -> None:
        """Wait until a slice has been played to its end."""
        speed = self._settings.speed
        if speed is None:
            return
        gap_s = self._settings.skip_gaps_s
        now_us = self._played_us + round((stopwatch_s() - self._began_s) * speed * 1e6)
        if gap_s is not None and first_us - now_us > gap_s * 1e6:
            self._played_us += first_us - now_us - round(gap_s * 1e6)
        while not stopping.is_set():
            now_us = self._played_us + round((stopwatch_s() - self._began_s) * speed * 1e6)
            if now_us >= last_us:
                return
            await self._wall.sleep_s(min(0.2, (last_us - now_us) / speed / 1e6))

    def _slices(self) -> Iterator[list[Reading]]:
        """Readings in order, in slices short in event time: at a pace, of one wall second or less."""
        speed = self._settings.speed
        span_us = round(1e6 * (_SPAN_S if speed is None else max(0.05, min(_SPAN_S, speed))))
        most = _MOST_READINGS * len(self._agents)
        piece: list[Reading] = []
        for reading in self._readings:
            if piece and (reading.time_us - piece[0].time_us > span_us or len(piece) >= most):
                yield piece
                piece = []
            piece.append(reading)
        if piece:
            yield piece

    def _put(self, piece: list[Reading]) -> None:
        rows: dict[tuple[str, str], list[Row]] = {}
        for time_us, source, value, flag in piece:
            row = (source.sensor, time_us + self._shift_us, value, source.unit, flag)
            rows.setdefault((source.district, source.gateway), []).append(row)
        now_us = self._settings.clock.now_us()
        for who, mine in rows.items():
            parts = [mine[start : start + _MOST_READINGS] for start in range(0, len(mine), _MOST_READINGS)]
            self._agents[who].outbox.put([(body(part), len(part)) for part in parts], now_us)
            self._agents[who].wake()
