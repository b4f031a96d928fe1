"""The supervisor: whatever dies comes back, and a stop leaves nothing behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from city.clock import SystemClock, stopwatch_s
from city.errors import FaultyInput, InputError
from lifeline import endpoints
from lifeline.settings import Settings
from lifeline.story import Story, write_city
from lifeline.supervisor import Supervisor, Watched
from store.connection import connect
from tests.running import PATIENCE_S

WALL = SystemClock()


@pytest.fixture
def settings(data: Path) -> Settings:
    write_city(data, Story(7, 0), "http://127.0.0.1:1/crew")
    return Settings(data=data, city=data / "city")


@pytest.fixture
def supervisor(settings: Settings) -> Iterator[Supervisor]:
    made = Supervisor(settings, roles=("watcher",))
    yield made
    made.close()


def until(condition: Callable[[], bool], supervisor: Supervisor | None = None, patience_s: float = PATIENCE_S) -> None:
    deadline_s = stopwatch_s() + patience_s
    while not condition():
        assert stopwatch_s() < deadline_s, "waited in vain"
        if supervisor is not None:
            supervisor.tick()
        WALL.pause_s(0.02)


def kin(folder: Path) -> list[psutil.Process]:
    """Every process that names the folder on its command line or in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(process)
    return found


def test_whatever_is_killed_comes_back_and_a_stop_leaves_nothing(supervisor: Supervisor, data: Path) -> None:
    supervisor.open()
    first = supervisor.start_roles()
    assert set(first.pid) == {"supervisor", "postgres", "broker", "watcher"}
    assert endpoints.read(data) == first
    for name in ("watcher", "postgres", "broker"):
        os.kill(first.pid[name], signal.SIGKILL)
    until(lambda: all(n == 1 for n in supervisor.restarts.values()), supervisor)
    until(lambda: all((found := endpoints.read(data)) and found.pid[n] != first.pid[n] for n in supervisor.restarts))
    after = endpoints.read(data)
    assert after is not None
    assert (after.database, after.mqtt, after.http) == (first.database, first.mqtt, first.http)
    supervisor.close()
    supervisor.close()
    assert endpoints.read(data) is None
    assert not (data / "endpoints.json").exists()
    assert kin(data) == []


def test_a_second_one_on_the_same_folder_is_refused_and_harms_nothing(
    supervisor: Supervisor, settings: Settings
) -> None:
    supervisor.open()
    with pytest.raises(InputError, match="already runs on this data folder"):
        Supervisor(settings).open()
    assert all(watched.child.pid for watched in supervisor._servers)


def test_a_faulty_city_folder_refuses_the_start_with_every_fault(supervisor: Supervisor, data: Path) -> None:
    (data / "city" / "city.yaml").write_text("nam: x\n")
    with pytest.raises(FaultyInput, match=r"city.yaml:1:1"):
        supervisor.open()
    assert kin(data) == []


def test_without_any_city_folder_the_start_says_what_to_do(data: Path) -> None:
    with pytest.raises(InputError, match="lifeline init DIR"):
        Supervisor(Settings(data=data)).open()


class _Dying:
    """A child that never lives."""

    pid: int | None = None
    starts = 0

    def start(self) -> str:
        self.starts += 1
        return ""

    def stop(self) -> None:
        pass


def test_restarts_of_what_keeps_dying_are_counted_and_spaced_out() -> None:
    child = _Dying()
    watched = Watched("x", child)
    began_s = watched.started_s
    at_s = [began_s]
    for tick in range(3000):
        now_s = began_s + tick * 0.01
        if watched.keep_alive(now_s):
            at_s.append(now_s)
    pauses = [round(b - a, 1) for a, b in pairwise(at_s)]
    assert pauses[:6] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    assert max(pauses) == 5.0
    assert watched.restarts == child.starts == len(at_s) - 1


def test_what_something_hinders_is_not_started_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    child, why = _Dying(), ["too old"]
    watched = Watched("x", child, hindrance=lambda: why[0])
    began_s = watched.started_s
    for tick in range(1000):
        watched.keep_alive(began_s + tick * 0.1)
    assert (child.starts, watched.restarts) == (0, 0)
    assert caplog.text.count("x is not started: too old") == 1
    why[0] = ""
    for tick in range(1000, 1060):
        watched.keep_alive(began_s + tick * 0.1)
    assert child.starts > 0


def test_a_role_that_a_changed_program_does_not_let_start_is_told_once_and_comes_back_when_it_fits(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lifeline.supervisor.BACK_OFF_S", (0.1, 0.3))
    supervisor.open()
    first = supervisor.start_roles()
    with connect(first.database, autocommit=True) as conn:  # as if the files of the next version had come meanwhile
        newest = conn.execute(
            "DELETE FROM lifeline.migrations WHERE name = (SELECT max(name) FROM lifeline.migrations"
            " WHERE name ~ '^...._pre_') RETURNING *"
        ).fetchone()
        assert newest is not None
        os.kill(first.pid["watcher"], signal.SIGKILL)
        until(lambda: "watcher is not started: the program on disk is not the one" in caplog.text, supervisor)
        restarts = supervisor.restarts
        assert f"{newest[0]} and after not applied, try `lifeline migrate`" in caplog.text
        assert restarts["watcher"] == 1, "it ended by itself, and was not started again and again"
        conn.execute("INSERT INTO lifeline.migrations VALUES (%s, %s, %s, %s)", newest)
    until(lambda: supervisor.restarts["watcher"] == 2, supervisor)
    until(
        lambda: (found := endpoints.read(supervisor.settings.data)) is not None and "watcher" in found.pid, supervisor
    )
    assert caplog.text.count("watcher is not started") == 1


def test_a_run_ends_when_told(supervisor: Supervisor) -> None:
    stop = threading.Event()
    stop.set()
    supervisor.run(stop)
