"""What leaves the house carries the trace of the readings that led to it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_string

import httpx

from city.clock import ManualClock
from city.levels import Level
from rules.notify import mail, mqtt
from rules.notify.channels import send
from rules.notify.letter import Letter, Sent, Tools
from tests.notify.wires import answering, web
from tests.running import PATIENCE_S

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
TRACE = "1c0ffee5ca1ab1e7000000000000002a"
LETTER = Letter("key-1", {"email": "li@example.org"}, "s", "t", "<p>t</p>", b"{}", "en", Level.RED, NOW, trace=TRACE)


def test_a_webhook_and_an_mqtt_message_have_a_traceparent_that_is_the_same_on_every_attempt() -> None:
    with httpx.Client() as http, web(answering(200)) as server:
        tools = Tools(http, ManualClock(NOW), {}, timeout_s=PATIENCE_S)
        for _ in range(2):
            assert send(replace(LETTER, to={"webhook": server.url}), {"type": "webhook"}, tools) == Sent("HTTP 200")
    first, second = (headers["traceparent"] for headers, _, _ in server.seen)
    assert first == second == LETTER.traceparent
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-01", first)
    more = mqtt.beside(LETTER)
    assert more is not None
    assert vars(more)["UserProperty"] == [("traceparent", first)]
    assert replace(LETTER, key="key-2").traceparent != first


def test_an_e_mail_has_it_in_a_header() -> None:
    message = message_from_string(mail.compose(LETTER, "lifeline@example.org", "li@example.org").as_string())
    assert message["Lifeline-Trace"] == TRACE


def test_what_was_decided_before_traces_has_none() -> None:
    old = replace(LETTER, trace="")
    assert old.traceparent == ""
    assert mqtt.beside(old) is None
    assert "Lifeline-Trace" not in mail.compose(old, "lifeline@example.org", "li@example.org")
