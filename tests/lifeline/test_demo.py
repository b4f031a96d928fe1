"""`lifeline demo` as a person runs it: it starts, shows, stops cleanly, goes on where it stood, and is alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lifeline import endpoints
from lifeline.cli import run_command
from lifeline.ports import kept_port
from tests.running import PATIENCE_S, eventually

ROOT = Path(__file__).parents[2]


def demo(data: Path, *more: str) -> subprocess.Popen[str]:
    if not (data / "http.port").exists():
        kept_port(data / "http.port")  # one of its own: another test's system may begin at this moment
    words = ["demo", "--data", str(data), "--plain", "--lang", "en", "--speed", "120", *more]
    pipe = subprocess.PIPE
    return subprocess.Popen(  # noqa: S603 - our own command line
        [sys.executable, "-m", "lifeline", *words], cwd=ROOT, stdout=pipe, stderr=pipe, text=True
    )


def running(data: Path, process: subprocess.Popen[str]) -> endpoints.Endpoints:
    def begun() -> endpoints.Endpoints | None:
        assert process.poll() is None, process.communicate()
        return endpoints.read(data)

    return eventually(begun)


def test_a_demonstration_plays_stops_cleanly_and_goes_on(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = demo(data)
    found = running(data, first)
    roles = {"recorder", "watcher", "notifier", "api", "keeper", "simulator", "crew"}
    assert set(found.pid) == {"supervisor", "postgres", "broker", *roles}
    assert found.pid["supervisor"] == first.pid

    second = demo(data)
    _, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 1
    assert f"already runs on this data folder (process {first.pid})" in said

    assert run_command(["doctor", "--data", str(data)]) == 0, capsys.readouterr().out
    first.send_signal(signal.SIGINT)
    shown, said = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 130, said
    assert "What happened" in shown
    assert not (data / "endpoints.json").exists()
    assert [name for name, pid in found.pid.items() if psutil.pid_exists(pid) and pid != os.getpid()] == []

    stood_us = json.loads((data / "clock").read_text())["city_us"]
    start_us = json.loads((data / "demo.json").read_text())["start_us"]
    other = demo(data, "--seed", "8")
    _, said = other.communicate(timeout=PATIENCE_S)
    assert (other.returncode, "--fresh" in said) == (1, True)

    third = demo(data, "--for", "1s")
    again = running(data, third)
    assert (again.database, again.mqtt, again.http) == (found.database, found.mqtt, found.http)
    shown, said = third.communicate(timeout=PATIENCE_S)
    assert third.returncode == 0, said
    assert "What happened" in shown
    went_on_us = json.loads((data / "clock").read_text())["city_us"]
    # Ninety city minutes are a minute and a half of starting: a busy machine may need it.
    assert stood_us < went_on_us < stood_us + 90 * 60_000_000, "city time goes on where it stood"
    assert json.loads((data / "demo.json").read_text())["start_us"] == start_us
