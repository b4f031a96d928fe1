"""The dead man, as it is meant: all of Lifeline is killed at once, and the sign of life that was due stays away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench.fleet import Fleet
from city.clock import SystemClock, stopwatch_s
from lifeline import endpoints
from lifeline.ports import kept_port
from store.ports import LOOPBACK
from tests.notify.wires import answering, web
from tests.running import eventually

pytestmark = pytest.mark.faults

WALL = SystemClock()
ROOT = Path(__file__).parents[2]
EVERY_S = 10.0  # the quickest that may be asked for


def test_whoever_listens_outside_misses_the_next_sign_of_life_when_everything_is_killed(data: Path) -> None:
    files = {
        **Fleet(4, 5, probes=1).files(),
        "escalation.yaml": f"heartbeat: {{url_env: BEAT_URL, every: {EVERY_S:g}s}}\n",
    }
    for name, text in files.items():
        (data / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (data / "city" / name).write_text(text)
    http = f"{LOOPBACK}:{kept_port(data / 'http.port')}"  # the usual one may be another test's
    words = ["run", "--data", str(data), "--city", str(data / "city"), "--http", http]
    with web(answering(200)) as outside, (data / "screen.log").open("wb") as screen:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "lifeline", *words], cwd=ROOT, stdout=screen, stderr=screen,
            env={**os.environ, "BEAT_URL": outside.url},
        )  # fmt: skip
        try:
            eventually(lambda: outside.seen or process.poll() is not None, lambda: "no sign of life")
            assert process.poll() is None, (data / "screen.log").read_text()
            heard_s = stopwatch_s()
            found = endpoints.read(data)
            assert found is not None
            assert {"recorder", "watcher", "notifier", "postgres", "broker"} <= set(found.pid)
        finally:
            process.send_signal(signal.SIGKILL)  # the kernel ends all that it started
            process.wait()
        eventually(lambda: not any(map(_lives, found.pid.values())), lambda: "something lives on")
        said = len(outside.seen)
        eventually(lambda: stopwatch_s() > heard_s + EVERY_S + 2, lambda: "the next one's time")
        assert len(outside.seen) == said == 1, "a dead house gave a sign of life"
    assert json.loads(outside.seen[0][1])["incidents_open"] == 0


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
