"""Early signs while the engine is being compiled: nobody waits, and nothing is judged otherwise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from city.clock import ManualClock, from_us
from detectors.columns import CONTEXTS, Columns
from detectors.early import fleet as engine
from detectors.early.compiled import compiled
from detectors.early.fleet import Fleet
from detectors.early.settings import Settings
from detectors.subject import Subject
from rules.fleetmaker import FleetMaker
from store import roles
from store.connection import connect
from tests.rules.small_city import FILES, T0_US
from tests.rules.test_watcher import put, query, watching, write
from tests.running import PATIENCE_S, eventually

SUBJECTS = [Subject("a", "gas_pressure"), Subject("b", "methane")]


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A compiler that is done when it is told to be."""
    done = threading.Event()

    def slow(function: Callable[..., Any], kinds: str) -> Callable[..., Any]:
        assert done.wait(PATIENCE_S)
        return compiled(function, kinds)

    monkeypatch.setattr(engine, "compiled", slow)
    monkeypatch.setattr(engine, "available", lambda: True)
    yield done
    done.set()


def _columns(at: int, n: int) -> Columns:
    dice = np.random.default_rng(at)
    times = T0_US + np.repeat(np.arange(at, at + n), 2) * 60_000_000
    values = 20 + dice.normal(size=2 * n)
    rows = np.tile(np.arange(2), n)
    return Columns(rows, times, times, values, np.zeros(2 * n, np.uint8), np.full((2 * n, CONTEXTS), np.nan))


def test_a_fleet_that_is_compiled_in_the_midst_says_what_one_that_always_was_says(compiler: threading.Event) -> None:
    maker = FleetMaker()
    early = maker(SUBJECTS, Settings())
    before = early.update(_columns(0, 200))
    compiler.set()
    always = Fleet(SUBJECTS)
    eventually(lambda: early.compiled)
    after = early.update(_columns(200, 200))
    for mine, other in ((before, always.update(_columns(0, 200))), (after, always.update(_columns(200, 200)))):
        for one, two in zip(mine, other, strict=True):
            np.testing.assert_array_equal(one, two)
    assert early.snapshot() == always.snapshot()
    assert maker(SUBJECTS, Settings()).compiled


def test_alarms_are_raised_and_the_watcher_lives_while_the_engine_is_compiled(
    database: str, tmp_path: Path, compiler: threading.Event
) -> None:
    with watching(database, write(tmp_path / "city", dict(FILES)), ManualClock(from_us(T0_US))):
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        put(database, "wl-1", [0, 50, 50, 50])
        eventually(lambda: query(database, "SELECT 1 FROM city.alarms"))
        with connect(database, autocommit=True) as conn:
            first = eventually(lambda: roles.beats(conn).get("watcher"))
            eventually(lambda: roles.beats(conn)["watcher"].beat_at > first.beat_at)
        assert not compiler.is_set()


def test_an_engine_that_cannot_be_compiled_goes_on_plain_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(function: Callable[..., Any], kinds: str) -> Callable[..., Any]:
        raise RuntimeError("no memory left")

    monkeypatch.setattr(engine, "compiled", broken)
    monkeypatch.setattr(engine, "available", lambda: True)
    maker = FleetMaker()
    eventually(lambda: "engine_not_compiled" in caplog.text)
    fleet = maker(SUBJECTS, Settings())
    assert not fleet.compiled
    assert len(fleet.update(_columns(0, 5)).verdict) == 10
