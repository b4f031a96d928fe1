"""`ingest`: how fast readings become durable rows, from the broker to the commit, beside raw COPY of the same rows.

One run, on one machine, one database server and one broker:

1. drained: a backlog of each shape of messages waits at the broker for a recorder that was away (and for two);
2. live: the same shape published as fast as the broker takes it, beside the recorder;
3. raw COPY of the very same rows, 10,000 a transaction, into the same keyed table of another database, without its
   triggers: right after every drain, so that both sides share the machine's mood;
4. the write path alone, turn by turn with raw COPY: fresh rows, and all of them again;
5. latency from publish to commit at a third and at half of the live rate (publisher and observer in two processes),
   and of raw COPY of as many rows a second, some every 5 ms;
6. memory: a backlog in which a large city's sensors all speak;
7. where the time goes: CPU of each stage, alone;
8. Node-RED on the same broker and server, turn by turn with the recorder, where a folder with it is named.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np

from bench import nodered
from bench.ingestload import SENSORS_EACH, SHAPES, Blaster, Messages, Shape, publish_evenly, scaled
from bench.ingestreport import Delay, Drain, IngestReport, Live, WritePath
from bench.ingeststages import BATCH as STAGE_BATCH
from bench.ingeststages import Stages, stages
from bench.ingestsystem import PATIENCE_S, Recorders, Servers, database, servers
from bench.machine import describe, folder_for
from bench.observer import Observer
from bench.storewrite import COPY, Writer, without_triggers
from city.clock import SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from city.reading import Readings
from store import journal
from store.columns import copy_bytes
from store.connection import Connection, connect
from store.testing import drop_database, fresh_database

BATCH = 10_000
EVENLY_S = 0.005  # from one small COPY to the next, beside the latencies
QUICK = 0.05
LARGE_GATEWAYS = 850  # of 100 sensors each
_BATCHES = """\
SELECT rows, extract(epoch FROM recorded_at) FROM lifeline.hearing WHERE kind = 'readings' AND seq > %s ORDER BY seq"""
Progress = Callable[[str], None]


def run(
    *,
    quick: bool = False,
    seed: int = 7,
    rounds: int = 1,
    mosquitto: Path | None = None,
    node_red: Path | None = None,
    data: Path | None = None,
    progress: Progress = lambda _: None,
) -> IngestReport:
    """Run the benchmark on servers of its own.

    Parameters
    ----------
    quick
        A twentieth of the readings and a tenth of the sensors: to see that it works, not to compare.
    rounds
        How often each drain (with its raw COPY) is measured; the median by ratio counts.
    mosquitto
        The broker's program; None for the one on the PATH, else the embedded nats-server.
    node_red
        A folder with Node-RED and `pg`; None to leave it out.
    data
        Folder for the servers; a temporary one when None.
    """
    if rounds < 1:
        raise InputError("bench ingest: --rounds must be above 0")
    modules = nodered.find(node_red)
    shapes = scaled(SHAPES, QUICK) if quick else SHAPES
    with folder_for(data) as folder, servers(folder, mosquitto) as running:
        bench = _Bench(running, folder, seed, 10 if quick else 100, progress)
        drains: list[Drain] = []
        for shape in shapes:
            drains.append(_median([bench.drain(shape, 1) for _ in range(rounds)]))
            if running.shares and shape.readings == 20:
                drains.append(_median([bench.drain(shape, 2) for _ in range(rounds)]))
        last = sorted(shapes, key=lambda shape: shape.readings == 20)  # right before the delays at a share of its rate
        found = {shape.name: bench.live(shape, 1.0 if quick else 6.0) for shape in last}
        lives, twenty = [found[shape.name] for shape in shapes], found["20 a message"]
        seconds = 3.0 if quick else 15.0
        delays = [bench.delay(share, twenty.per_s * share, seconds) for share in (1 / 3, 1 / 2)]
        writing = bench.write_path(200_000 if quick else 2_000_000)
        if not quick:
            drains.append(bench.large().drain(Shape("20 a message, 85,000 sensors", 20, 3 * LARGE_GATEWAYS * 5), 1))
        beside, turns = [one for one in shapes if one.readings in (20, 100)], 1 if quick else 3
        peers, failed = bench.node_red(modules, beside, turns) if modules else ([], [])
        staged = tuple(bench.stages(shape) for shape in shapes)
        machine = describe(running.dsn, embedded_broker=False)
    missing = [] if running.shares else ["not measured: two recorders (they share by MQTT 5; try --mosquitto PROGRAM)"]
    missing += failed
    if not modules:
        install = f"npm install {' '.join(nodered.PACKAGES)}"
        missing.append(f"not measured: Node-RED (try `{install}` in a folder, and --node-red FOLDER)")
    return IngestReport(machine, running.broker, seed, quick, tuple(drains), tuple(lives), tuple(delays), writing,
                        tuple(missing), _load(), staged, tuple(peers))  # fmt: skip


def _median(found: Sequence[Drain]) -> Drain:
    return sorted(found, key=lambda one: one.of_copy)[len(found) // 2]


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


@dataclass
class _Bench:
    running: Servers
    folder: Path
    seed: int
    gateways: int
    progress: Progress
    _sessions: int = 0

    def _recorders(self, dsn: str, count: int = 1) -> Recorders:
        self._sessions += 1
        return Recorders(dsn, self.running.mqtt_url, self.folder, f"bench-{self._sessions}", count)

    def drain(self, shape: Shape, count: int) -> Drain:
        """A backlog that waits for `count` recorders, then raw COPY of its rows."""
        drained, rows = self._drained(shape, count)
        self.progress(f"raw COPY, {shape.name}")
        return replace(drained, copied_per_s=_copied(self.running.dsn, rows))

    def _drained(self, shape: Shape, count: int) -> tuple[Drain, Readings]:
        """A backlog that waits for `count` recorders (without raw COPY's rate), and its rows."""
        self.progress(f"drained, {shape.name}, {count} recorder{'s' if count > 1 else ''}")
        with database(self.running.dsn, self.gateways) as dsn, connect(dsn, autocommit=True) as conn:
            recorders = self._recorders(dsn, count)
            recorders.start()
            recorders.await_connected()
            recorders.stop()  # the broker keeps their session
            total = shape.messages * shape.readings
            with Blaster(self.running.mqtt_url) as blaster:
                blaster.publish(self._messages(shape).take(shape.messages))
                blaster.drain()
            recorders.start()
            try:
                begun = self._await_rows(conn, 1)  # the city is read by then
                before = recorders.usages(self.running.pids)
                self._await_rows(conn, total)
                after = recorders.usages(self.running.pids)
            finally:
                recorders.leave()
            per_s, rows = _rate(conn, 0), self._rows(conn)
        both = before.keys() & after.keys() if begun < total else set[str]()
        spent = {name: (after[name].cpu_s - before[name].cpu_s) / (total - begun) * 1e6 for name in both}
        peak = after["recorder"].peak_mib if "recorder" in after else None
        return Drain(shape.name, count, shape.readings, len(rows), total - len(rows), per_s, 0.0, spent, peak), rows

    def node_red(self, modules: Path, shapes: Sequence[Shape], turns: int) -> tuple[list[nodered.Beside], list[str]]:
        """The same backlogs through each flow of Node-RED and a recorder, in turn: the middle ones, and failures."""
        done, failed = [], []
        for flow, shape in product(nodered.FLOWS, shapes):
            try:
                found = [self._turn(modules, flow, shape) for _ in range(turns if flow is nodered.USUAL else 1)]
            except OutsideError as error:  # a peer's trouble costs nobody else's figures
                failed.append(f"not measured: Node-RED, {flow.name} flow, {shape.name}: {error}")
                continue
            done.append(sorted(found, key=lambda one: one.times)[len(found) // 2])
        return done, failed

    def _turn(self, modules: Path, flow: nodered.Flow, shape: Shape) -> nodered.Beside:
        self.progress(f"Node-RED, {flow.name} flow, {shape.name}")
        dsn, url = self.running.dsn, self.running.mqtt_url
        theirs = nodered.drain(modules, dsn, url, self.folder, flow, shape, self._messages(shape))
        ours, _ = self._drained(shape, 1)
        return nodered.Beside(theirs, ours.per_s, ours.peak_mib)

    def live(self, shape: Shape, seconds: float) -> Live:
        """Publish for a while as fast as the broker takes it, the recorder at work."""
        self.progress(f"live, {shape.name}")
        with database(self.running.dsn, self.gateways) as dsn, connect(dsn, autocommit=True) as conn:
            recorders = self._recorders(dsn)
            recorders.start()
            recorders.await_connected()
            try:
                messages = self._messages(shape)
                with Blaster(self.running.mqtt_url) as blaster:
                    sent = blaster.publish(messages.take(1 << 40), stopwatch_s() + seconds)
                    blaster.drain()
                self._await_rows(conn, sent * shape.readings)
            finally:
                recorders.leave()
            return Live(shape.name, shape.readings, sent, _rate(conn, 0))

    def delay(self, share: float, per_s: float, seconds: float) -> Delay:
        """Publish evenly, 20 readings a message, once all sensors are known; see when another connection sees them.

        Then raw COPY of as many rows a second, for what the server and the machine alone would take.
        """
        self.progress(f"latency at {per_s:,.0f} readings/s")
        shape, clock = Shape("20 a message", 20, 0), SystemClock()
        with database(self.running.dsn, self.gateways) as dsn, Observer(dsn, clock) as observer:
            recorders = self._recorders(dsn)
            recorders.start()
            recorders.await_connected()
            messages, sent = self._messages(shape), 0
            try:
                # What a sensor's first reading costs is no matter of the rate.
                once = self.gateways * SENSORS_EACH // 20  # each sensor; no sensor speaks twice in an instant
                with Blaster(self.running.mqtt_url) as blaster:
                    sent = blaster.publish(messages.take(once, now_us=clock.now_us()))
                    blaster.drain()
                observer.wait_readings(sent * 20, PATIENCE_S)
                # In a process of its own: in ours the observer would wait for its turn at the interpreter's lock.
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                    evenly = pool.submit(publish_evenly, self.running.mqtt_url, messages, per_s / 20, seconds, once)
                    first_us, more = evenly.result()
                sent += more
                if not observer.wait_readings(sent * 20, PATIENCE_S):
                    raise OutsideError(f"only {observer.seen.readings} of {sent * 20} readings committed")
            finally:
                recorders.leave()
            late_us = observer.delays_us(first_us)
        self.progress(f"raw COPY at {per_s:,.0f} readings/s")
        rows = max(1, int(per_s * EVENLY_S))
        copied_s = _evenly_copied(self.running.dsn, list(self._batches(rows * int(seconds / EVENLY_S), rows)))
        p50, p99 = np.percentile(late_us, (50, 99)) / 1000
        copy_p50, copy_p99 = np.percentile(copied_s, (50, 99)) * 1000
        return Delay(share, per_s, float(p50), float(p99), len(late_us), float(copy_p50), float(copy_p99))

    def write_path(self, rows: int) -> WritePath:
        """The recorder's writer alone, turn by turn with raw COPY: fresh rows, then the same again.

        As in the recorder the newest values are written beside it.
        """
        batches = list(self._batches(rows))
        spent, copied = {"fresh": 0.0, "replay": 0.0}, {"fresh": 0.0, "replay": 0.0}
        plain = fresh_database(self.running.dsn)
        try:
            with (
                database(self.running.dsn, self.gateways) as dsn,
                connect(dsn, autocommit=True, application_name="lifeline bench") as conn,
                connect(plain, autocommit=True, application_name="lifeline bench") as other,
            ):
                _prepare(other, batches)
                for name in spent:
                    other.execute("TRUNCATE lifeline.readings")
                    writer = Writer(conn, dsn)
                    for number, batch in enumerate(batches):
                        self.progress(f"write path, {name}, batch {number} of {len(batches)}")
                        began_s = stopwatch_s()
                        writer.write(batch)
                        spent[name] += stopwatch_s() - began_s
                        copied[name] += _copy(other, batch)
                    writer.settle()
        finally:
            drop_database(plain)
        return WritePath(
            rows, rows / copied["fresh"], rows / spent["fresh"], rows / copied["replay"], rows / spent["replay"]
        )

    def large(self) -> _Bench:
        """The same with a large city."""
        return replace(self, gateways=LARGE_GATEWAYS)

    def stages(self, shape: Shape) -> Stages:
        """CPU of each stage for a tenth of a shape's messages."""
        self.progress(f"stages, {shape.name}")
        count = max(shape.messages // 10, 4 * STAGE_BATCH // shape.readings)
        with database(self.running.dsn, self.gateways) as dsn:
            return stages(dsn, shape, list(self._messages(shape).take(count)))

    def _messages(self, shape: Shape) -> Messages:
        return Messages(
            shape, self.gateways, SystemClock().now_us() // 86_400_000_000 * 86_400_000_000 - 86_400_000_000, self.seed
        )

    def _batches(self, rows: int, each: int = BATCH) -> Sequence[Readings]:
        """Batches as the recorder sees them: messages of 20 from gateways in turn, a second later each time round."""
        start_us = self._messages(SHAPES[1]).start_us
        random = np.random.default_rng(self.seed)
        found = []
        for first in range(0, rows, each):
            number = np.arange(first, first + each)
            message, place = number // 20, number % 20
            turn = message // self.gateways * 20 + place
            sensor_id = (message % self.gateways * 100 + turn % 100 + 1).astype(np.int32)
            time_us = start_us + turn // 100 * 1_000_000
            value = np.round(random.normal(0.0, 1.0, each), 2)
            received = np.full(each, start_us, np.int64)
            found.append(Readings(sensor_id, time_us, received, value, np.ones(each, np.uint8), value))
        return found

    def _await_rows(self, conn: Connection, total: int) -> int:
        clock, end_s = SystemClock(), stopwatch_s() + PATIENCE_S
        while (stored := _stored(conn)) < total:
            if stopwatch_s() > end_s:
                raise OutsideError(f"only {stored} of {total} readings committed within {PATIENCE_S:g} s")
            clock.pause_s(0.1)
        return stored

    def _rows(self, conn: Connection) -> Readings:
        entries = [entry for entry in journal.read(conn, 0, 1_000_000) if entry.kind == "readings"]
        return Readings.joined(journal.decode_readings(entry.payload) for entry in entries)


def _stored(conn: Connection) -> int:
    row = conn.execute("SELECT coalesce(sum(rows), 0) FROM lifeline.hearing WHERE kind = 'readings'").fetchone()
    return int(row[0]) if row else 0


def _rate(conn: Connection, after: int) -> float:
    """Readings/s from the first commit to the last; the first batch opens the window and is not counted."""
    found = conn.execute(_BATCHES, (after,)).fetchall()
    if len(found) < 2:
        raise OutsideError("everything came in one batch, try more messages")
    times = [float(at) for _, at in found]
    return float(sum(rows for rows, _ in found[1:])) / max(max(times) - times[0], 1e-3)


def _copied(server_dsn: str, rows: Readings) -> float:
    """Rows/s of raw COPY, the middle one of three."""
    batches = [rows.take(np.arange(first, min(first + BATCH, len(rows)))) for first in range(0, len(rows), BATCH)]
    dsn = fresh_database(server_dsn)
    try:
        with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
            _prepare(conn, batches)
            taken_s = []
            for _ in range(3):
                conn.execute("TRUNCATE lifeline.readings")
                taken_s.append(sum(_copy(conn, batch) for batch in batches))
    finally:
        drop_database(dsn)
    return len(rows) / sorted(taken_s)[1]


def _evenly_copied(server_dsn: str, batches: Sequence[Readings]) -> list[float]:
    """Raw COPY of a batch every `EVENLY_S`: seconds from when each was due to its commit."""
    dsn, clock, late_s = fresh_database(server_dsn), SystemClock(), list[float]()
    try:
        with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
            _prepare(conn, batches)
            began_s = stopwatch_s()
            for number, batch in enumerate(batches):
                due_s = began_s + number * EVENLY_S
                clock.pause_s(due_s - stopwatch_s())
                _copy(conn, batch)
                late_s.append(stopwatch_s() - due_s)
    finally:
        drop_database(dsn)
    return late_s


def _prepare(conn: Connection, batches: Sequence[Readings]) -> None:
    without_triggers(conn)
    first_us, last_us = min(int(b.time_us.min()) for b in batches), max(int(b.time_us.max()) for b in batches)
    conn.execute("SELECT lifeline.prepare_readings(lifeline.from_us(%s), lifeline.from_us(%s))", (first_us, last_us))


def _copy(conn: Connection, batch: Readings) -> float:
    """Seconds that one batch takes, from columns to commit."""
    began_s = stopwatch_s()
    with conn.transaction(), conn.cursor() as cursor, cursor.copy(COPY) as copy:
        copy.write(copy_bytes(batch))
    return stopwatch_s() - began_s
