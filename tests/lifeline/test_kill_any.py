"""Kill -9 of anything, ten times in a run: nothing missing, nothing twice, the same alarms as an unbroken run.

Two runs of the same story on a clock of 120 city seconds a second, about a minute each. Compared is what both runs have
fully lived through; silence alarms are left out, because a killed system hears less than one that was not.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from city.clock import SystemClock, from_us, stopwatch_s, to_us
from city.errors import OutsideError
from gateway.outbox import Outbox
from gateway.simulate import Simulation
from lifeline import endpoints
from lifeline.ports import kept_port
from store.connection import Connection, connect
from store.embedded import EmbeddedPostgres
from tests.running import PATIENCE_S, eventually

pytestmark = pytest.mark.faults

SEED = 7
START = "2026-07-01T00:00:00+00:00"
START_US = to_us(datetime.fromisoformat(START))
SPEED = 120
COMPARED_MIN, PLAYED_MIN = 100, 103  # city minutes: every gateway measures beyond what is compared
KILLS = 10
VICTIMS = ("postgres", "broker", "recorder", "watcher", "notifier", "api", "keeper", "simulator", "supervisor")
COMPARED_US = START_US + COMPARED_MIN * 60_000_000
WALL = SystemClock()


class Demonstration:
    """`lifeline demo` as a person would start it, on one data folder."""

    def __init__(self, data: Path) -> None:
        self.data = data
        simulation = Simulation(SEED, START_US)
        sampled = (simulation.samples(one, START_US, COMPARED_US) for one in simulation.town.gateways)
        self.compared = {row[:2] for rows in sampled for row in rows if row[1] <= COMPARED_US}
        kept_port(data / "http.port")  # one of its own: another test's system may begin at this moment
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        words = ["demo", "--data", str(self.data), "--seed", str(SEED), "--start", START, "--speed", str(SPEED)]
        with (self.data / "screen.log").open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "lifeline", *words, "--plain"], stdout=output, stderr=output, cwd=_ROOT
            )

    def city_us(self) -> int:
        """City time, the start before the clock runs."""
        try:
            return int(json.loads((self.data / "clock").read_text())["city_us"])
        except FileNotFoundError:
            return START_US

    def wait_until(self, city_us: int) -> None:
        deadline_s = stopwatch_s() + 2 * PATIENCE_S
        while self.city_us() < city_us:
            assert self.process.poll() is None, self.screen()
            assert stopwatch_s() < deadline_s, self.screen()
            WALL.pause_s(0.01)

    def is_through(self) -> bool:
        """Whether all of the compared time is stored, and what was stored until now is judged."""
        found = endpoints.read(self.data)
        if found is None:
            return False
        with suppress(psycopg.Error, OutsideError), connect(found.database, autocommit=True) as conn:
            compared = "SELECT count(*) FROM city.readings WHERE time <= %s"
            (stored,) = conn.execute(compared, (from_us(COMPARED_US),)).fetchone() or (0,)
            if stored < len(self.compared):
                return False
            (seq,) = conn.execute("SELECT max(seq) FROM lifeline.journal").fetchone() or (0,)
            judged = "SELECT true FROM lifeline.followers WHERE follower = 'watcher' AND seq >= %s"
            return bool(eventually(lambda: conn.execute(judged, (seq,)).fetchone(), self.screen))
        return False

    def screen(self) -> str:
        return (self.data / "screen.log").read_text()[-4000:]

    def kill(self, name: str) -> None:
        """Kill -9 whoever has this name now, and start the demonstration again if that was the whole of it."""
        if name == "supervisor":
            self.process.kill()
            self.process.wait()
            self.process = self._start()
            return
        deadline_s = stopwatch_s() + PATIENCE_S
        while stopwatch_s() < deadline_s:
            found = endpoints.read(self.data)
            if found is not None and name in found.pid and psutil.pid_exists(found.pid[name]):
                os.kill(found.pid[name], signal.SIGKILL)
                return
            WALL.pause_s(0.02)
        raise AssertionError(f"{name} never came back\n{self.screen()}")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(PATIENCE_S) == 130, self.screen()


_ROOT = Path(__file__).parents[2]


def play(data: Path, kills: random.Random | None) -> list[str]:
    """Play the story, with ten kills if asked; what was killed when."""
    demonstration = Demonstration(data)
    done = []
    try:
        for city_us, name in _plan(kills) if kills else []:
            demonstration.wait_until(city_us)
            demonstration.kill(name)
            done.append(f"{name} at {from_us(city_us):%H:%M:%S}")
        demonstration.wait_until(START_US + PLAYED_MIN * 60_000_000)
        eventually(demonstration.is_through, demonstration.screen)
        demonstration.stop()
    finally:
        if demonstration.process.poll() is None:
            demonstration.process.kill()
            demonstration.process.wait()
    return done


def _plan(chance: random.Random) -> list[tuple[int, str]]:
    """Everybody is killed at least once, at moments spread over the story by chance."""
    names = [*VICTIMS, *chance.choices(VICTIMS, k=KILLS - len(VICTIMS))]
    chance.shuffle(names)
    moments = sorted(START_US + int(chance.uniform(2, COMPARED_MIN - 2) * 60e6) for _ in names)
    return list(zip(moments, names, strict=True))


@contextmanager
def stored(data: Path) -> Iterator[Connection]:
    """What a stopped demonstration left in its database."""
    with EmbeddedPostgres(data / "postgres") as server, connect(server.dsn) as conn:
        yield conn


def published(data: Path) -> Counter[tuple[str, int]]:
    """(sensor, time) of every reading that the simulator has measured, by its own truth; the last may still wait."""
    simulation = Simulation(SEED, START_US)
    truth: Counter[tuple[str, int]] = Counter()
    for gateway in simulation.town.gateways:
        with Outbox(data / "gateways" / f"{gateway}.outbox") as outbox:
            measured_us = int(outbox.note("measured_us") or 0)
        assert measured_us > COMPARED_US
        truth.update((row[0], row[1]) for row in simulation.samples(gateway, START_US, measured_us))
    return truth


def hazard_alarms(conn: Connection) -> list[tuple[Any, ...]]:
    """What the compared time knew of every alarm but the silence ones."""
    rows = conn.execute(
        """
        SELECT a.rule, a.scope, max(array_position(ARRAY['none', 'blue', 'yellow', 'orange', 'red'], e.to_level)),
               a.raised_at,
               CASE WHEN a.cleared_at <= %(until)s THEN a.cleared_at END AS cleared_at
        FROM city.alarms a JOIN city.alarm_events e USING (alarm)
        WHERE a.rule <> 'gateway-silent' AND a.raised_at <= %(until)s AND e.time <= %(until)s
        GROUP BY a.alarm, a.rule, a.scope, a.raised_at, a.cleared_at ORDER BY 1, 2, 4
        """,
        {"until": from_us(COMPARED_US)},
    )
    return rows.fetchall()


def test_ten_kills_change_nothing_but_add_delay(data: Path) -> None:
    unbroken, broken = data / "unbroken", data / "broken"
    for folder in (unbroken, broken):
        folder.mkdir(mode=0o711)
    play(unbroken, None)
    killed = play(broken, random.Random(20260701))

    for folder in (unbroken, broken):
        truth = published(folder)
        with stored(folder) as conn:
            rows = conn.execute("SELECT sensor, (extract(epoch FROM time) * 1000000)::bigint FROM city.readings")
            found = Counter((sensor, int(time_us)) for sensor, time_us in rows)
        missing, extra = {one for one in truth - found if one[1] <= COMPARED_US}, found - truth
        assert not missing, f"{len(missing)} of {len(truth)} readings missing in {folder.name} after {killed}"
        assert not extra, f"{len(extra)} readings twice or never sent in {folder.name} after {killed}"

    with stored(unbroken) as conn:
        expected = hazard_alarms(conn)
    with stored(broken) as conn:
        got = hazard_alarms(conn)
    assert expected, "the story raised nothing"
    assert {alarm[0] for alarm in expected} >= {"underpass-depth"}
    assert got == expected, f"after {killed}"
