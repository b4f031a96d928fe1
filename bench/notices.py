"""How fast notices leave in a storm: `lifeline bench notices`.

2,000 alarms in a minute, 12 of them red, on the whole road: readings by MQTT, recorder, engine, database, notifier, and
on this machine a webhook and a mail server that take everything; the API is asked all the while. Then the outbox alone:
2,000 ordinary notices at once, each to somebody else, beside a bare loop that posts as many bodies to the same place.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
from rich.console import Group
from rich.table import Table

from bench.machine import Machine, describe, usage
from bench.pipeline import folder_for
from bench.publisher import Publisher
from bench.report import rounded
from bench.sinks import Arrival, MailSink, WebSink
from bench.storm import CALM_CM, RED_CM, YELLOW_CM, Storm
from city.clock import SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from lifeline.settings import Settings
from lifeline.supervisor import Supervisor
from store.connection import connect

ROLES = ("recorder", "watcher", "notifier", "api", "keeper")
GOAL_RED_S, GOAL_API_S = 10.0, 1.0
PATIENCE_S = 180.0
ASK_EVERY_S = 0.2
_ASKED = ("/api/v1/incidents?limit=100", "/api/v1/alarms?limit=100", "/api/v1/health")
_MANY = """\
INSERT INTO lifeline.notices (notice, incident, kind, round, step, target, via, channel, state, level, content,
                              created_at, next_try_at)
SELECT 'bench-' || g, incident, 'raise', 0, 0, 'bench-' || g, via, 'webhook', 'queued', 2, content, now(), now()
FROM (SELECT * FROM lifeline.notices WHERE channel = 'webhook' AND kind = 'raise' ORDER BY notice LIMIT 1) n,
     generate_series(1, %s) g"""

_TOLD = """\
SELECT count(DISTINCT a.alarm) FROM lifeline.alarms a JOIN (
    SELECT jsonb_array_elements_text(coalesce(content -> 'new', content -> 'alarms')) AS alarm FROM lifeline.notices
) told USING (alarm)"""


@dataclass(frozen=True, slots=True)
class NoticesReport:
    """One run.

    Attributes
    ----------
    alarms, reds, over_s, seed
        What the storm was.
    reds_out, red_first_s, red_last_s
        Reds whose notice came, and seconds from the reading's publishing to that: of the fastest and the slowest.
    standing, told
        Alarms that stand at the end, and those that some notice names, in a digest or by itself.
    notices
        Rows of the outbox by `kind state`.
    mails, pictures
        E-mails that came, and how many showed a picture.
    api_p50_ms, api_p95_ms, api_count, api_failed
        Answers of the API during the storm.
    notifier_mib
        Peak resident memory of the notifier.
    drained_per_s, loop_per_s
        Notices a second from a full outbox, and posts a second of the bare loop.
    """

    machine: Machine
    seed: int
    alarms: int
    reds: int
    over_s: float
    reds_out: int
    red_first_s: float
    red_last_s: float
    standing: int
    told: int
    notices: dict[str, int]
    mails: int
    pictures: int
    api_p50_ms: float
    api_p95_ms: float
    api_count: int
    api_failed: int
    notifier_mib: float | None
    drained_per_s: float
    loop_per_s: float
    name: str = "notices"

    @property
    def held(self) -> bool:
        """Whether every goal was met: reds within 10 s, the API's p95 below 1 s, every alarm standing."""
        return (
            self.reds_out == self.reds
            and self.red_last_s <= GOAL_RED_S
            and self.api_p95_ms < GOAL_API_S * 1000
            and not self.api_failed
            and self.standing == self.told == self.alarms
        )

    def json(self) -> str:
        """The report as JSON, numbers rounded to what they are worth."""
        return json.dumps(rounded(asdict(self)), ensure_ascii=False, indent=2) + "\n"

    def render(self) -> Group:
        """The report as a table for a terminal."""
        machine = self.machine
        table = Table(title=f"bench {self.name} (seed {self.seed})", show_header=False)
        table.add_row("machine", f"{machine.cores} cores, {machine.cpu}, {machine.memory_gib} GiB, {machine.system}")
        table.add_row("versions", f"Python {machine.python}, PostgreSQL {machine.postgres}, {machine.broker}")
        table.add_row("storm", f"{self.alarms:,} alarms in {self.over_s:.0f} s, {self.reds} of them red")
        reds = (
            f"{self.reds_out} of {self.reds}; the first after {self.red_first_s:.2f} s, the last {self.red_last_s:.2f}"
        )
        table.add_row("reds out", f"{reds} s from its reading (goal {GOAL_RED_S:.0f} s)")
        table.add_row("alarms", f"{self.standing:,} stand, {self.told:,} are named in notices")
        table.add_row("outbox", ", ".join(f"{n:,} {what}" for what, n in sorted(self.notices.items())))
        table.add_row("e-mails", f"{self.mails:,}, {self.pictures:,} with a picture")
        api = f"p50 {self.api_p50_ms:,.0f} ms, p95 {self.api_p95_ms:,.0f} ms of {self.api_count:,} answers"
        table.add_row("API meanwhile", f"{api}, {self.api_failed} failed (goal p95 {GOAL_API_S * 1000:,.0f} ms)")
        memory = "?" if self.notifier_mib is None else f"{self.notifier_mib:,.0f} MiB"
        table.add_row("notifier's memory", memory)
        table.add_row(
            "full outbox", f"{self.drained_per_s:,.0f} notices/s (bare loop of posts: {self.loop_per_s:,.0f}/s)"
        )
        return Group(table)


def run(
    *,
    seed: int = 7,
    alarms: int = 2000,
    over_s: float = 60.0,
    data: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> NoticesReport:
    """Run the benchmark.

    Parameters
    ----------
    seed
        Which sensors rise when.
    alarms
        How many, a multiple of 50, at least 100.
    over_s
        Within how many wall seconds.
    data
        Folder for the embedded servers; a temporary one when None.
    progress
        Told what happens now, in a few words.

    Raises
    ------
    InputError
        A parameter that cannot be used.
    OutsideError
        The storm did not reach the database.
    """
    if seed < 0 or alarms < 100 or alarms % 50 or over_s <= 0:
        raise InputError("bench notices: needs a seed of 0 or more, alarms in fifties from 100 on, and a time above 0")
    storm, clock = Storm(alarms, seed=seed), SystemClock()
    with folder_for(data) as folder, WebSink(clock) as web, MailSink() as mail:
        with _system(folder, storm.files(web.url, mail.port), progress) as supervisor, Asking(supervisor) as asking:
            progress("the storm")
            risen = _play(storm, supervisor.settings.mqtt or "", clock, over_s)
            progress("waiting for the reds")
            reds = _await_reds(storm, web, risen)
            standing = _await_standing(supervisor.settings.database, alarms)
            answers = asking.stop()
            progress("waiting for the digests")
            told = _await_told(supervisor.settings.database, alarms)
            notices = _outbox(supervisor.settings.database)
            progress("a full outbox")
            drained_per_s = _drain(supervisor.settings.database, web, alarms)
            endpoints = supervisor.endpoints
            used = usage(endpoints.pid["notifier"]) if endpoints else None
            machine = describe(supervisor.settings.database, embedded_broker=True)
        progress("a bare loop")
        loop_per_s = _bare_loop(web, alarms)
        times_ms = np.array(answers.took_s or [float("nan")]) * 1000
        return NoticesReport(
            machine, seed, alarms, storm.reds, over_s, len(reds), min(reds, default=float("nan")),
            max(reds, default=float("nan")), standing, told, notices, mail.taken, mail.pictures,
            float(np.percentile(times_ms, 50)), float(np.percentile(times_ms, 95)), len(answers.took_s), answers.failed,
            used.peak_mib if used else None, drained_per_s, loop_per_s,
        )  # fmt: skip


@contextmanager
def _system(folder: Path, files: dict[str, str], progress: Callable[[str], None]) -> Iterator[Supervisor]:
    city = folder / "city"
    for name, text in files.items():
        path = city / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    progress("starting")
    with closing(Supervisor(Settings(data=folder / "data", city=city), roles=ROLES)) as supervisor:
        supervisor.open()
        supervisor.start_roles()
        yield supervisor


def _play(storm: Storm, mqtt_url: str, clock: SystemClock, over_s: float) -> dict[str, int]:
    """Publish: every sensor calm, then each above its threshold when its turn comes; when that was, by sensor (µs)."""
    risen: dict[str, int] = {}
    seqs: Counter[int] = Counter()

    def say(publisher: Publisher, n: int, value: float) -> int:
        gateway, now_us = n // 50, clock.now_us()
        publisher.publish(*storm.message(n, seqs[gateway], value, now_us))
        seqs[gateway] += 1
        return now_us

    with Publisher(mqtt_url) as publisher:
        for n in range(storm.sensors):
            say(publisher, n, CALM_CM)
        publisher.drain()
        clock.pause_s(1.0)  # a later reading of the same sensor has a later time
        began_s = stopwatch_s()
        for at, n in enumerate(storm.order):
            clock.pause_s(began_s + at * over_s / storm.sensors - stopwatch_s())
            risen[storm.names[n]] = say(publisher, n, RED_CM if n in storm.red else YELLOW_CM)
        publisher.drain()
    return risen


def _await_reds(storm: Storm, web: WebSink, risen: dict[str, int]) -> list[float]:
    """Seconds from reading to notice of each red that came."""
    names = {storm.names[n] for n in storm.red}

    def came() -> dict[str, Arrival]:
        found: dict[str, Arrival] = {}
        for one in web.arrivals.came:
            if one.level == "red" and one.sensor in names:
                found.setdefault(one.sensor, one)
        return found

    with web.arrivals.news:
        web.arrivals.news.wait_for(lambda: len(came()) == len(names), PATIENCE_S)
        return [(one.at_us - risen[sensor]) / 1e6 for sensor, one in came().items()]


def _await_standing(dsn: str, alarms: int) -> int:
    """How many alarms stand, once as many do or nothing more comes."""
    end_s, standing = stopwatch_s() + PATIENCE_S, 0
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        while standing < alarms and stopwatch_s() < end_s:
            row = conn.execute("SELECT count(*) FROM city.alarms WHERE cleared_at IS NULL").fetchone()
            standing = int(row[0]) if row else 0
            SystemClock().pause_s(0.2)
    if not standing:
        raise OutsideError("no alarm reached the database, try the watcher's log")
    return standing


def _await_told(dsn: str, alarms: int) -> int:
    """How many alarms some notice names, in a digest or by itself, once all are or nothing more comes."""
    end_s, told = stopwatch_s() + PATIENCE_S, 0
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        while told < alarms and stopwatch_s() < end_s:
            row = conn.execute(_TOLD).fetchone()
            told = int(row[0]) if row else 0
            SystemClock().pause_s(0.5)
    return told


def _outbox(dsn: str) -> dict[str, int]:
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        rows = conn.execute("SELECT kind || ' ' || state, count(*) FROM lifeline.notices GROUP BY 1").fetchall()
    return {str(what): int(n) for what, n in rows}


def _drain(dsn: str, web: WebSink, many: int) -> float:
    """Notices a second from an outbox that holds `many` more of them at once."""
    before = {one.key for one in web.arrivals.came}
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        conn.execute(_MANY, (many,))
    began_s = stopwatch_s()

    def new() -> int:
        return len({one.key for one in web.arrivals.came if one.key.startswith("bench-")} - before)

    with web.arrivals.news:
        web.arrivals.news.wait_for(lambda: new() >= many, PATIENCE_S)
        return new() / (stopwatch_s() - began_s)


def _bare_loop(web: WebSink, many: int) -> float:
    """Posts a second of the least that a program can do: one body after the other on one connection."""
    body = json.dumps({"notice": "loop", "kind": "raise", "level": "yellow", "text": "x" * 2000}).encode()
    with httpx.Client() as http:
        began_s = stopwatch_s()
        for _ in range(many):
            http.post(web.url, content=body)
        return many / (stopwatch_s() - began_s)


class Asking:
    """A thread that asks the API again and again; a context manager."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._base = supervisor.endpoints.http if supervisor.endpoints else ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, name="asking")
        self.took_s: list[float] = []
        self.failed = 0

    def __enter__(self) -> Asking:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> Asking:
        """Ask no more."""
        self._stop.set()
        self._thread.join()
        return self

    def _ask(self) -> None:
        with httpx.Client(base_url=self._base, timeout=30.0) as http:
            while not self._stop.is_set():
                for path in _ASKED:
                    began_s = stopwatch_s()
                    try:
                        self.failed += not http.get(path).is_success
                    except httpx.HTTPError:
                        self.failed += 1
                    self.took_s.append(stopwatch_s() - began_s)
                SystemClock().pause_s(ASK_EVERY_S, self._stop)
