"""Real street floods, replayed by gateways over MQTT into a fresh city: alarms exact in event time, at any speed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from city.clock import SystemClock, stopwatch_s, to_us
from city.levels import Level
from gateway.floodnet import write_floodnet_city
from lifeline import endpoints
from lifeline.ports import kept_port
from store.connection import connect
from tests.rules.reference import Ladder, Rung, occurrences
from tests.running import PATIENCE_S

pytestmark = pytest.mark.faults  # takes a minute

MINUTE_US = 60_000_000
STREET_DEPTH = Ladder(
    (
        Rung(Level.RED, 40.0, MINUTE_US, 5.0),
        Rung(Level.ORANGE, 27.0, 2 * MINUTE_US, 3.0),
        Rung(Level.YELLOW, 15.0, 3 * MINUTE_US, 3.0),
    ),
    clear_after=10 * MINUTE_US,
    stale_after=30 * MINUTE_US,
)
WALL = SystemClock()
_ROOT = Path(__file__).parents[2]
Alarms = list[tuple[str, str, int, int | None]]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "lifeline", *words]


@contextmanager
def running(data: Path, folder: Path) -> Iterator[None]:
    """`lifeline run` on its own servers, stopped at the end."""
    with (data / "screen.log").open("ab") as output:
        kept_port(data / "http.port")  # one of its own: another test's system may begin at this moment
        words = command("run", "--data", str(data), "--city", str(folder))
        process = subprocess.Popen(words, stdout=output, stderr=output, cwd=_ROOT)  # noqa: S603 - our own command line
    try:
        deadline_s = stopwatch_s() + PATIENCE_S
        while endpoints.read(data) is None:
            assert process.poll() is None, (data / "screen.log").read_text()
            assert stopwatch_s() < deadline_s
            WALL.pause_s(0.1)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)


def replay(data: Path, recorded: Path, *words: str) -> None:
    floods = str(recorded / "floodnet")
    done = subprocess.run(  # noqa: S603 - our own command line
        command("replay", "floodnet", floods, "--data", str(data), *words),
        capture_output=True, check=False, cwd=_ROOT, env={**os.environ, "COLUMNS": "120"}, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode() + done.stdout.decode()


def lived(data: Path) -> tuple[Alarms, Alarms]:
    """The alarms the database has once the watcher is through, and those the plain reference finds in its readings."""
    found = endpoints.read(data)
    assert found is not None
    with connect(found.database, autocommit=True) as conn:

        def one(sql: str) -> Any:  # noqa: ANN401 - one value of any type
            row = conn.execute(sql.encode()).fetchone()
            return row[0] if row else None

        deadline_s = stopwatch_s() + PATIENCE_S
        while not one(
            "SELECT (SELECT coalesce(max(seq), 0) FROM lifeline.journal) <= (SELECT seq FROM lifeline.followers)"
            " AND (SELECT sum(stored) + sum(repeated) + sum(rejected) = sum(published) FROM city.gateways)"
        ):
            assert stopwatch_s() < deadline_s
            WALL.pause_s(0.1)
        samples: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        for sensor, time, value in conn.execute("SELECT sensor, time, value FROM city.readings ORDER BY sensor, time"):
            samples[sensor].append((to_us(time), value))
        rows = conn.execute(
            "SELECT scope, peak_level, raised_at, cleared_at FROM city.alarms"
            " WHERE condition <> 'retracted' AND domain <> 'platform'"  # nobody is at home where the notices go
        ).fetchall()
    told = sorted((scope, level, to_us(up), to_us(down) if down else None) for scope, level, up, down in rows)
    expected = sorted(
        (sensor, level.word, up, down)
        for sensor, series in samples.items()
        for level, up, down in occurrences(series, STREET_DEPTH)
    )
    return told, expected


def played(base: Path, name: str, recorded: Path, *words: str) -> Alarms:
    data, folder = base / name, base / f"{name}-city"
    data.mkdir(mode=0o711)
    write_floodnet_city(recorded / "floodnet", folder)
    with running(data, folder):
        replay(data, recorded, *words)
        told, expected = lived(data)
    assert told == expected
    return told


def test_every_recorded_flood_raises_and_clears_exactly_by_the_rule(data: Path, recorded_data: Path) -> None:
    told = played(data, "all", recorded_data)
    assert Counter(level for _, level, _, _ in told) == {"yellow": 311, "orange": 119, "red": 67}


def test_a_paced_replay_gives_the_same_alarms_as_one_at_full_speed(data: Path, recorded_data: Path) -> None:
    storm = ("--from", "2023-09-29T11:00:00Z", "--to", "2023-09-29T14:00:00Z")
    fast = played(data, "fast", recorded_data, *storm)
    paced = played(data, "paced", recorded_data, *storm, "--speed", "360")
    assert fast
    assert paced == fast
