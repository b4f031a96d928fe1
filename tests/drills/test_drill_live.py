"""A drill on a system that runs for real, whose recorder and watcher are killed in the middle of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from city.clock import FastClock, SystemClock
from lifeline import endpoints
from lifeline.ports import kept_port
from store import health, journal
from store.connection import connect
from tests.drills.drillcity import SPEED, Gateways, Phones, city, phones, query, times, write
from tests.running import PATIENCE_S, eventually

ROOT = Path(__file__).parents[2]
REAL = {"wl-1": ("g1", 1.0), "wl-2": ("g2", 2.0), "rain-1": ("g2", 0.0)}
DRILL = [sys.executable, "-m", "lifeline", "drill"]


@contextmanager
def running(data: Path, folder: Path, clock: FastClock) -> Iterator[endpoints.Endpoints]:
    """`lifeline run` on a fast clock."""
    kept_port(data / "http.port")  # one of its own: another test's system may begin at this moment
    command = [sys.executable, "-m", "lifeline", "run", "--data", str(data), "--city", str(folder)]
    surroundings = {**os.environ, "LIFELINE_CLOCK": clock.spell()}
    with (data / "run.log").open("w") as log, subprocess.Popen(  # noqa: S603 - our own program
        command, cwd=ROOT, env=surroundings, stdout=log, stderr=log
    ) as process:  # fmt: skip
        try:
            found = eventually(lambda: endpoints.read(data))
            with connect(found.database, autocommit=True) as conn:
                health.keep_clock(conn, clock)
            yield found
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


def kill(data: Path, role: str) -> None:
    found = endpoints.read(data)
    assert found is not None
    os.kill(found.pid[role], signal.SIGKILL)


def close(dsn: str, incident: str) -> None:
    """The officer, who did not go, closes it."""
    said = {"id": "c1", "incident": incident, "kind": "close", "actor": "officer", "note": "seen", "via": "console"}
    with connect(dsn) as conn:
        ((now,),) = conn.execute("SELECT city.now()").fetchall()
        journal.append(conn, "command", msgspec.json.encode(said), now)
        conn.commit()


def answer(crew: Phones, dsn: str) -> str:
    """Whoever is told first acknowledges, goes, is there and reports; the incident."""
    (first, *_) = eventually(lambda: [notice for notice in crew.notices if notice["exercise"]])
    for kind, note in (("acknowledge", ""), ("dispatch", ""), ("on_site", ""), ("report", "the gate is shut")):
        page = eventually(partial(crew.tap, first["link"], kind, note))
        assert "EXERCISE" in page
    return str(first["incident"])


def test_a_drill_goes_the_whole_road_beside_the_real_city_and_survives_kills(data: Path) -> None:
    now_us = SystemClock().now_us()
    clock = FastClock(now_us + 1_000_000, now_us, SPEED)  # ahead of the wall, or it would wait for it
    with phones() as crew, running(data, write(data / "city", city(crew.url)), clock) as system:
        with Gateways(system.mqtt, clock, REAL) as real:
            report = _played(data, system.database, crew)
        drill = report["drill"]
        _told(crew, report)
        _untouched(system.database, real)
        _shown_again(data, drill, report)
        _over(data, system.database, drill)


def _played(data: Path, dsn: str, crew: Phones) -> dict[str, Any]:
    """Play it with kills in the middle and a crew that answers; the report it wrote."""
    flags = ["--data", str(data), "--yes", "--report", str(data / "report.html"), "--json", str(data / "report.json")]
    with (data / "drill.log").open("w") as log, subprocess.Popen(  # noqa: S603 - our own program
        [*DRILL, "flood", *flags], cwd=ROOT, stdout=log, stderr=log
    ) as playing:  # fmt: skip
        try:
            eventually(lambda: query(dsn, "SELECT FROM city.drills WHERE state = 'running'"))
            kill(data, "recorder")
            kill(data, "watcher")
            incident = answer(crew, dsn)
            eventually(lambda: query(dsn, "SELECT FROM city.incidents WHERE drill AND level = 'none'"))
            close(dsn, incident)
            assert playing.wait(PATIENCE_S) == 1  # one of the expectations cannot be met
        finally:
            playing.kill()
    log_text = (data / "drill.log").read_text()
    assert "real readings go on untouched" in log_text
    assert re.search(r"acknowledge by bo", log_text)
    made: dict[str, Any] = json.loads((data / "report.json").read_text())
    return made


def _told(crew: Phones, report: dict[str, Any]) -> None:
    """Everybody reads EXERCISE, and the report has the times of all that people did."""
    ours = [notice for notice in crew.notices if notice["incident"].startswith("IX-")]
    assert {notice["kind"] for notice in ours} >= {"raise", "exercise_over"}
    assert all(notice["exercise"] and "EXERCISE" in notice["subject"] for notice in ours)
    assert report["exercise"] is True
    (incident,) = report["incidents"]
    steps = incident["steps"]
    order = [
        steps[what] for what in ("told", "delivered", "acknowledged", "dispatched", "on_site", "reported", "closed")
    ]
    assert order == sorted(order)
    verdicts = {wish["what"]: wish["met"] for wish in report["expectations"]}
    assert verdicts == {"alarm": True, "told": True, "acknowledged": True, "on_site": False}
    assert (
        report["ended_why"] == "ended by root: all its incidents are closed"
        or "all its incidents" in report["ended_why"]
    )
    (bo,) = [person for person in report["people"] if person["person"] == "bo"]
    assert (bo["answer"], bo["missed"]) == ("acknowledge", False)


def _untouched(dsn: str, real: Gateways) -> None:
    """What gateways sent is there, each once, and nothing else; nothing of the real city tells of a drill."""
    sent = times(real.sent)
    eventually(lambda: query(dsn, "SELECT count(*) FROM city.readings") == [(len(sent),)])
    assert set(query(dsn, "SELECT sensor, time, value FROM city.readings")) == sent
    assert set(query(dsn, "SELECT sensor, value, level FROM city.latest")) == {
        (sensor, value, "none") for sensor, (_, value) in REAL.items()
    }
    assert query(dsn, "SELECT rule, scope, peak_level, raised_at FROM city.alarms WHERE drill = ''") == []
    assert query(dsn, "SELECT incident, title FROM city.incidents WHERE NOT drill") == []
    assert query(dsn, "SELECT count(*) FROM city.rejections") == [(0,)]
    books = "SELECT sum(stored), sum(published) >= sum(stored) FROM city.gateways"  # posted a moment later
    eventually(lambda: query(dsn, books) == [(len(sent), True)])
    assert query(dsn, "SELECT count(*) FROM lifeline.findings") == [(0,)]


def _shown_again(data: Path, drill: str, report: dict[str, Any]) -> None:
    page = (data / "report.html").read_text()
    assert "EXERCISE: nothing here was real" in page
    assert "演习" in page
    assert report["incidents"][0]["incident"] in page
    assert "http" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)  # nothing is fetched from anywhere
    again = data / "again.json"
    done = subprocess.run(  # noqa: S603 - our own program
        [*DRILL, "report", drill, "--json", str(again), "--data", str(data)], cwd=ROOT, capture_output=True, check=True
    )
    assert b"EXERCISE" in done.stdout
    assert json.loads(again.read_text()) == report


def _over(data: Path, dsn: str, drill: str) -> None:
    """It is over, in every table, and in the audit log who began and ended it."""
    assert query(dsn, "SELECT state FROM city.drills WHERE drill = %s", drill) == [("ended",)]
    assert query(dsn, "SELECT DISTINCT condition FROM city.alarms") == [("normal",)]
    deeds = query(dsn, "SELECT action FROM lifeline.audit WHERE target = %s ORDER BY seq", drill)
    assert deeds == [("drill.begin",), ("drill.end",)]
    done = subprocess.run(  # noqa: S603 - our own program
        [*DRILL, "end", drill, "--data", str(data)], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, b"ended, try lifeline drill list" in done.stderr) == (1, True)
