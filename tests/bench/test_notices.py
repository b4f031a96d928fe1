"""The notices benchmark: its storm is a city in force, its sinks take what real ones do, its report says what held."""

from __future__ import annotations

import json
import smtplib
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from rich.console import Console

from bench.machine import local
from bench.notices import NoticesReport, run
from bench.sinks import MailSink, WebSink
from bench.storm import Storm
from city.clock import SystemClock
from city.errors import InputError
from rules.check import load_files

REPORT = NoticesReport(
    local(), 7, 100, 12, 60.0, 12, 0.2, 9.9, 100, 100, {"raise sent": 30}, 12, 12, 50.0, 999.0, 400, 0, 130.0, 150.0,
    2000.0,
)  # fmt: skip


def test_the_storm_is_a_city_in_force_and_the_same_for_one_seed() -> None:
    storm = Storm(200, seed=3)
    checked = load_files(storm.files("http://127.0.0.1:9/", 25))
    assert len(checked.book.instances) == 200
    assert set(checked.escalation.chains["drainage"].steps[0].via) == {"webhook", "email"}
    assert len(storm.red) == 12
    assert sorted(storm.order) == list(range(200))
    assert not storm.red & set(storm.order[:20])  # it is a flood by then
    assert Storm(200, seed=3).order == storm.order != Storm(200, seed=4).order
    topic, payload = storm.message(150, 7, 55.0, 1_782_864_000_000_000)
    assert topic == "lifeline/v1/west/gw-003/readings"
    assert json.loads(payload)["readings"] == [
        {"sensor": "wl-0150", "time": 1_782_864_000_000, "value": 55.0, "unit": "cm"}
    ]


def test_the_sinks_take_notices_and_e_mails() -> None:
    body = {"notice": "n", "kind": "raise", "level": "red", "facts": {"sensor": "wl-1"}}
    with WebSink(SystemClock()) as web, MailSink() as mail:
        assert httpx.post(web.url, json=body, timeout=60).status_code == 204
        assert httpx.post(web.url, json={**body, "facts": None}, timeout=60).status_code == 204
        message = EmailMessage()
        message["From"] = message["To"] = "a@bench.invalid"
        message.set_content(".a line that begins with a dot")
        message.add_attachment(b"\x89PNG", "image", "png")
        with smtplib.SMTP("127.0.0.1", mail.port) as server:
            server.send_message(message)
            server.send_message(message)
    assert [(one.key, one.level, one.sensor) for one in web.arrivals.came] == [("n", "red", "wl-1"), ("n", "red", "")]
    assert (mail.taken, mail.pictures) == (2, 2)


@pytest.mark.parametrize(
    ("changed", "held"),
    [
        ({}, True),
        ({"red_last_s": 10.1}, False),
        ({"reds_out": 11}, False),
        ({"standing": 99}, False),
        ({"told": 99}, False),
        ({"api_p95_ms": 1000.0}, False),
        ({"api_failed": 1}, False),
    ],
)
def test_it_held_only_if_every_goal_was_met(changed: dict[str, Any], held: bool) -> None:
    assert replace(REPORT, **changed).held is held


def test_the_report_can_be_read() -> None:
    console = Console(record=True, width=150)
    console.print(REPORT.render())
    text = console.export_text()
    for part in ("12 of 12", "the last 9.90", "100 stand", "30 raise sent", "p95 999 ms", "150 notices/s", "2,000/s"):
        assert part in text
    assert json.loads(REPORT.json())["notices"] == {"raise sent": 30}


@pytest.mark.parametrize("given", [{"seed": -1}, {"alarms": 120}, {"alarms": 50}, {"over_s": 0.0}])
def test_what_cannot_be_measured_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="bench notices"):
        run(**given)
