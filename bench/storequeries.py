"""The queries that dashboards really make, and how long they take: warm, cold, and again and again."""

from __future__ import annotations

import multiprocessing
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np

from bench.storecity import DISTRICTS, NOW, Scale
from city.clock import stopwatch_s
from city.errors import OutsideError
from dashboards.proof import Range, expand
from dashboards.queries import wall
from store.connection import connect

WALLS, EVERY_S = 5, 5.0  # walls that are open while ingest is measured, and how often each asks everything
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_DISTRICTS = {"district": [f"d{n}" for n in range(DISTRICTS)]}


@dataclass(frozen=True, slots=True)
class Question:
    """One query; `limit_ms` is the goal for its p99. `{sensor}` in it is another sensor each time."""

    name: str
    place: str
    sql: str
    limit_ms: float


@dataclass(frozen=True, slots=True)
class Answer:
    """How long a question took: milliseconds warm, and the first time after a restart with empty caches (or None)."""

    name: str
    place: str
    limit_ms: float
    p50_ms: float
    p99_ms: float
    cold_ms: float | None
    rows: int


_SENSOR = """SELECT bucket AS time, mean, min, max FROM city.readings_{roll} WHERE sensor = '{{sensor}}'
AND bucket >= '{first}' AND bucket < '{last}' ORDER BY bucket"""
_MAX = """SELECT bucket AS time, domain AS metric, max(max) AS value FROM city.domains_{roll}
WHERE bucket >= '{first}' AND bucket < '{last}' GROUP BY 1, 2 ORDER BY 1, 2"""


def questions() -> list[Question]:
    """What the wall asks at every refresh, and what pages ask when they are opened."""
    day, month = Range(NOW - timedelta(days=1), NOW), Range(NOW - timedelta(days=30), NOW)
    refreshed = {
        "alarms standing": wall.counts(),
        "held back": wall.HELD_BACK,
        "unseen": wall.UNSEEN,
        "worst state per domain": wall.domains(),
        "platform": wall.PLATFORM,
        "map": wall.places("en", blind=False),
        "blind areas": wall.places("en", blind=True),
        "open incidents": wall.incidents("en"),
        "exercises and floods": wall.special("en"),
        "state timeline, 24 h": wall.timeline("en"),
        "alarm rate, 24 h": wall.RATE,
    }
    pages = {
        "sensor, 24 h at 5 min": _SENSOR.format(roll="5m", first=day.first, last=day.last),
        "sensor, 30 d at 1 h": _SENSOR.format(roll="1h", first=month.first, last=month.last),
        "hourly maximum by domain, 24 h": _MAX.format(roll="1h", first=day.first, last=day.last),
        "daily maximum by domain, 30 d": _MAX.format(roll="1d", first=month.first, last=month.last),
        "state timeline, 30 d": expand(wall.timeline("en"), month, _DISTRICTS),
        "alarm rate, 30 d": expand(wall.RATE, month, _DISTRICTS),
    }
    found = [Question("latest of all sensors", "latest", "SELECT * FROM city.latest", 10.0)]
    found += [Question(name, "wall", expand(sql, day, _DISTRICTS), 50.0) for name, sql in refreshed.items()]
    return found + [Question(name, "page", sql, 300.0) for name, sql in pages.items()]


def ask(dsn: str, scale: Scale, cold: Mapping[str, float], progress: Callable[[str], None]) -> list[Answer]:
    """Ask every question `scale.runs` times over one connection, as a data source keeps it open; result sets whole.

    As Grafana asks: by the simple protocol, which takes several statements at once and answers in text.
    """
    chance = np.random.default_rng(7)
    answers = []
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        for question in questions():
            progress(question.name)
            took_ms, rows, result = [], 0, None
            for number in range(scale.runs + 3):
                sql = question.sql.replace("{sensor}", f"x{chance.integers(scale.sensors)}").encode()
                result = None  # the answer before is let go here, in nobody's time
                began_s = stopwatch_s()
                result = conn.pgconn.exec_(sql)  # rows as the server sends them: what Python makes of them costs extra
                if number >= 3:
                    took_ms.append((stopwatch_s() - began_s) * 1000)
                if result.error_message:
                    raise OutsideError(f"{question.name}: {result.error_message.decode(errors='replace')}")
                rows = result.ntuples
            p50, p99 = np.percentile(took_ms, (50, 99))
            known = cold.get(question.name)
            of = (question.name, question.place, question.limit_ms)
            answers.append(Answer(*of, float(p50), float(p99), known, rows))
    return answers


def ask_cold(restart: Callable[[], str], progress: Callable[[str], None]) -> tuple[dict[str, float], str]:
    """The first answer to each question after a restart: milliseconds, and a word on which caches were empty."""
    took: dict[str, float] = {}
    dropped = True
    for question in questions():
        progress(f"{question.name}, cold")
        dsn = restart()
        dropped = _drop_caches() and dropped
        with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
            began_s = stopwatch_s()
            conn.pgconn.exec_(question.sql.replace("{sensor}", "x1").encode())
            took[question.name] = (stopwatch_s() - began_s) * 1000
    return took, "server restarted, the system's caches dropped" if dropped else "server restarted only"


def _drop_caches() -> bool:
    try:
        subprocess.run(["/bin/sync"], check=True)
        _DROP_CACHES.write_text("3")
    except (OSError, subprocess.SubprocessError):
        return False
    return True


@contextmanager
def polling(dsn: str) -> Iterator[None]:
    """Walls that refresh in a process of their own while the block runs."""
    spawn = multiprocessing.get_context("spawn")
    stop, ready = spawn.Event(), spawn.Event()
    wall = [question.sql for question in questions() if question.place != "page"]
    process = spawn.Process(target=_poll, args=(dsn, wall, stop, ready), daemon=True)
    process.start()
    try:
        if not ready.wait(60):
            raise OutsideError("the polling dashboards did not start, try again")
        yield
    finally:
        stop.set()
        process.join(30)
    if process.exitcode:
        raise OutsideError("the polling dashboards failed, try again")


def _poll(dsn: str, asked: list[str], stop: Event, ready: Event) -> None:
    with connect(dsn, autocommit=True, application_name="lifeline bench wall") as conn:
        ready.set()
        while not stop.is_set():
            began_s = stopwatch_s()
            for sql in asked * WALLS:
                if error := conn.pgconn.exec_(sql.encode()).error_message:
                    raise OutsideError(error.decode(errors="replace"))
                if stop.is_set():
                    return
            stop.wait(max(0.0, EVERY_S - (stopwatch_s() - began_s)))
