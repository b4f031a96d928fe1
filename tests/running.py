"""What tests need of programs that run: a role for as long as a block lasts, a condition to wait for, a free port."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from city.clock import SystemClock, stopwatch_s
from lifeline.http.app import AppSettings, run_api
from store.ports import free_port as free_of

PATIENCE_S: Final = 180.0  # a bound for machines that are busy with other tests, not a time that is ever waited
_WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_OWN_PORTS: Final = range(10_000, 20_000)[_WORKER % 10 :: 10]  # of no other worker's tests
_given = list[int]()
_Found = TypeVar("_Found")
_Settings = TypeVar("_Settings")


def eventually(
    look: Callable[[], _Found | None], told: Callable[[], object] = lambda: "", within_s: float = PATIENCE_S
) -> _Found:
    """Wait until something is there (true); what it is. `told` says at the end what there was instead."""
    end_s = stopwatch_s() + within_s
    while not (found := look()):
        assert stopwatch_s() < end_s, f"not within {within_s:g} s, last {found!r} {told()}"
        SystemClock().pause_s(0.02)
    return found


@contextmanager
def running(role: Callable[[_Settings, threading.Event], object], settings: _Settings) -> Iterator[None]:
    """Run a role in a thread while the block does; what it fails with, the test fails with."""
    stop, failed = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            role(settings, stop)
        except BaseException as error:  # noqa: BLE001 - shown by the test's own thread
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert not failed, failed


@contextmanager
def serving(settings: AppSettings) -> Iterator[str]:
    """Run the API and its pages while the block does; their address."""
    ports = list[int]()
    with running(lambda given, stop: run_api(given, "127.0.0.1", 0, stop, ports.append), settings):
        eventually(lambda: ports)
        yield f"http://127.0.0.1:{ports[0]}"


def free_port() -> int:
    """A port that nobody listens on now nor is told of again. Whole systems keep one: `lifeline.ports.kept_port`."""
    _given.append(free_of(but=_given, among=_OWN_PORTS))
    return _given[-1]


def listens(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
