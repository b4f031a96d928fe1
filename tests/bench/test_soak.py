"""The soak in small: nothing leaks, nothing is missing, and a stop is clean at any moment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from bench.fleet import Fleet
from bench.processes import held
from bench.soak import run
from bench.soakreport import TELLS_FROM_S, trend
from city.clock import SystemClock, stopwatch_s
from city.errors import InputError
from lifeline.ports import kept_port
from lifeline.roles import CORE
from store.ports import LOOPBACK

PATIENCE_S = 120.0
WALL = SystemClock()
# When a whole system is stopped: once it has come so far, and up to so many seconds later.
MOMENTS: dict[str, tuple[Callable[[Path], bool], float]] = {
    "its first breath": (lambda place: True, 0.3),
    "its migration": (lambda place: b'"action": "migrated"' in (place / "said").read_bytes(), 0.3),
    "its engine, just compiled": (lambda place: any((place / "compiled").rglob("*.nbi")), 1.0),
    "its work": (lambda place: (place / "data" / "endpoints.json").exists(), 0.5),
}
LEFT_BY_RUNNING = ("endpoints.json", "postmaster.pid")


def test_a_small_soak_finds_nothing_that_grows_and_every_reading(tmp_path: Path) -> None:
    told: list[str] = []
    report = run(0.12, per_s=400, sensors=200, progress=told.append)
    assert report.counts.missing == 0
    assert report.counts.rows == report.counts.stored > 1000
    assert report.counts.rejected >= 1, "a stranger's reading is refused, and counted"
    assert report.counts.alarms >= 1
    assert report.counts.requests > 5
    assert report.counts.refused_requests == 0
    assert report.restarts == dict.fromkeys(report.restarts, 0)
    assert (report.left_running, report.not_drained) == ((), ())
    found = {(one.process, one.measure): one for one in report.trends}
    for role in (*CORE, "broker"):
        for measure in ("files", "threads", "sockets"):
            one = found[role, measure]
            assert one.last <= one.first + 1, one  # a snapshot or a request may be under way in a sample
        assert found[role, "memory_mib"].last < found[role, "memory_mib"].first + 40
    assert found["postgres", "sessions"].last <= found["postgres", "sessions"].first + 1
    for role in ("recorder", "watcher"):
        assert found[role, "lag_s"].last < 5  # a busy machine may stall in between
    assert report.held
    report.write(tmp_path)
    written = json.loads((tmp_path / "soak.json").read_text())
    assert len(written["samples"][0]) == len(written["columns"]) + 1
    assert (tmp_path / "soak.svg").read_text().count("<svg") == 1
    assert told[0] == "starting"
    assert told[-1] == "settling"


def test_what_leaks_is_told_from_what_only_trembles() -> None:
    at_s = list(range(0, 1200, 2))
    chance = np.random.default_rng(1)
    trembling = 100 + chance.normal(0, 2, len(at_s))
    leaking = trembling + np.asarray(at_s) * 30 / 3600  # MiB an hour
    assert not trend("recorder memory_mib", at_s, trembling.tolist()).grows
    found = trend("recorder memory_mib", at_s, leaking.tolist())
    assert found.grows
    assert found.low < 30 < found.high
    filling = 100 + 50 * (1 - np.exp(-np.asarray(at_s) / 60)) + chance.normal(0, 0.1, len(at_s))
    assert not trend("watcher memory_mib", at_s, filling.tolist()).grows, "what fills at the start"
    stepped = [100.0 if second < 700 else 110.0 for second in at_s]
    assert not trend("watcher memory_mib", at_s, stepped).grows, "more room, once"
    files = trend("api files", at_s, [12 + second // 120 for second in at_s])
    assert files.grows
    assert files.last == files.first + 4
    short = trend("api files", at_s[:100], [12 + second // 10 for second in at_s[:100]])
    assert short.over_s < TELLS_FROM_S
    assert not short.grows


def test_what_a_process_holds_is_what_the_system_says() -> None:
    mine, process = held(os.getpid()), psutil.Process()
    assert mine is not None
    assert abs(mine.files - process.num_fds()) <= 1
    assert mine.threads == process.num_threads()
    there = process.memory_info()  # what it shares counts in parts: a library that nobody else uses is its own
    assert 0.8 * (there.rss - there.shared) < mine.memory_mib * 2**20 < 1.05 * there.rss
    assert held(2**22 + 1) is None


def test_a_load_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="minutes and rate must be above 0"):
        run(0)


def test_a_stop_is_clean_at_any_moment(server_folder: Path) -> None:
    """Of `lifeline run` as people start it; nothing is left, and it starts again on what the last stop left."""
    place = server_folder / "soak-stops"
    for name, text in Fleet(4, 5, probes=1).files().items():
        (place / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "city" / name).write_text(text)
    http = f"{LOOPBACK}:{kept_port(place / 'http.port')}"  # the usual one may be another test's
    words = ["run", "--data", str(place / "data"), "--city", str(place / "city"), "--http", http]
    said, chance = place / "said", random.Random(20260701)
    for moment, (reached, more_s) in MOMENTS.items():
        compiled = {"NUMBA_CACHE_DIR": str(place / "compiled")} if "compiled" in moment else {}  # as on a new machine
        with said.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command line
                [sys.executable, "-m", "lifeline", *words], stdout=output, stderr=output, env={**os.environ, **compiled}
            )
        _await(moment, place, reached, process)
        WALL.pause_s(chance.uniform(0.0, more_s))
        assert process.poll() is None, said.read_text()
        signals = chance.choices((signal.SIGTERM, signal.SIGINT), k=chance.randint(1, 2))  # some press twice
        for one in signals:
            process.send_signal(one)
        code = process.wait(PATIENCE_S)
        told = f"{moment}: code {code} after {[one.name for one in signals]}: {said.read_text()[-2000:]}"
        # 0: a service's stop at full work. Killed by the signal: it had not begun.
        assert code in (0, 130) or (code == -signals[0] and not said.read_text()), told
        assert "Traceback" not in told
        assert _left(place) == [], told
        assert not [path for path in place.rglob("*") if path.is_socket() or path.name in LEFT_BY_RUNNING], told
        for log in (place / "data" / "log").glob("*.log"):
            assert "by an error" not in log.read_text(), told


def _await(moment: str, place: Path, reached: Callable[[Path], bool], process: subprocess.Popen[bytes]) -> None:
    end_s = stopwatch_s() + PATIENCE_S
    while process.poll() is None and not reached(place):
        assert stopwatch_s() < end_s, f"never came to: {moment}"
        WALL.pause_s(0.01)


def _left(place: Path) -> list[list[str]]:
    """Processes that still name the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
        if any(str(place) in word for word in line):
            found.append(line)
    return found
