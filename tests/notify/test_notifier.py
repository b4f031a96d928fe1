"""The role as a whole: rows in, deliveries out, against a real database and a real endpoint."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import msgspec
import pytest

from city.clock import FastClock, SystemClock
from city.errors import InputError, OutsideError
from rules.notify import NotifierSettings, picture, run_notifier
from rules.notify.gallery import Gallery
from rules.notify.links import Claims, verify
from rules.notify.policy import fallback_key
from store.roles import beats
from tests.notify.conftest import FACTS
from tests.notify.test_mail import Box, server
from tests.notify.wires import answering, web
from tests.running import PATIENCE_S, eventually, running

if TYPE_CHECKING:
    from tests.notify.conftest import Endpoint, Outbox

SECRET = b"0123456789abcdef"


def notifier(
    database: str, t0: datetime, speed: float = 1.0, timeout_s: float = PATIENCE_S
) -> AbstractContextManager[None]:
    origin_us = int(t0.timestamp() * 1e6)
    clock = FastClock(origin_us, SystemClock().now_us(), speed)
    return running(
        run_notifier, NotifierSettings(database, "https://city.example/", SECRET, clock, timeout_s=timeout_s)
    )


def test_a_notice_arrives_with_a_link_that_works(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    outbox.notice("n", content={"to": {"webhook": endpoint.url}})
    with notifier(database, t0):
        eventually(lambda: outbox.state("n")[0] == "sent")
        eventually(lambda: beats(outbox.conn).get("notifier") is not None)
    [(key, body)] = endpoint.seen
    said = msgspec.json.decode(body)
    assert key == said["notice"] == "n"
    token = said["link"].removeprefix("https://city.example/n/")
    claims = verify(SECRET, token, int(t0.timestamp() * 1e6))
    assert isinstance(claims, Claims)
    assert (claims.notice, claims.person, claims.incident) == ("n", "li", "I-1")


def test_trouble_is_tried_again_with_the_same_key_and_body(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    endpoint.plan = [500, 503, 200]
    outbox.notice("n", content={"to": {"webhook": endpoint.url}})
    with notifier(database, t0, speed=10):
        eventually(lambda: outbox.state("n")[0] == "sent")
    assert len(endpoint.seen) == 3
    assert len(set(endpoint.seen)) == 1
    assert outbox.state("n")[1] == 3


def test_a_refusal_goes_to_the_next_channel_at_once(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    endpoint.plan = [404, 200]
    outbox.notice("n", content={"to": {"webhook": endpoint.url}, "fallback": ["spare"]})
    with notifier(database, t0):
        eventually(lambda: outbox.state("n")[0] == "failed")
        eventually(lambda: outbox.state(fallback_key("n", "spare"))[0] == "sent")
    codes = {msgspec.json.decode(body)["code"] for _, body in endpoint.seen}
    assert len(codes) == 1


def test_a_red_that_is_not_delivered_for_a_minute_goes_out_beside_itself(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    endpoint.plan = [500]
    outbox.notice("n", content={"to": {"webhook": endpoint.url}, "fallback": ["spare"]})
    with notifier(database, t0, speed=60):
        eventually(
            lambda: ("spare", "raise", "queued") in outbox.rows() or ("spare", "raise", "sending") in outbox.rows()
        )
        eventually(lambda: outbox.state("n")[1] > 2)
    assert outbox.state("n")[0] == "queued"


def test_nothing_is_asked_about_an_incident_that_people_have_closed(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    outbox.incident(stage="closed")
    outbox.notice("n", content={"to": {"webhook": endpoint.url}})
    outbox.notice("over", kind="clear", target="wang", content={"to": {"webhook": endpoint.url}})
    with notifier(database, t0):
        eventually(lambda: outbox.state("n")[0] == "superseded")
        eventually(lambda: outbox.state("over")[0] == "sent")
    assert [key for key, _ in endpoint.seen] == ["over"]


def test_an_endpoint_that_hangs_holds_up_no_other_channel(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        for n in range(20):
            outbox.notice(f"stuck-{n}", target=f"p{n}", content={"to": {"webhook": url}})
        outbox.notice("n", channel="other", level=1, content={"to": {"webhook": endpoint.url}})
        with notifier(database, t0):
            eventually(lambda: outbox.state("n")[0] == "sent")
            silent.close()  # whoever still waits there knows now


def test_nobody_reached_is_a_fault_people_can_see(outbox: Outbox, database: str, t0: datetime) -> None:
    outbox.notice(
        "n",
        content={"settings": {"webhook": {"type": "webhook", "secret_env": "NOT_SET"}}, "to": {"webhook": "http://x"}},
    )
    outbox.notice("old", state="failed", target="wang", created_at=t0 - timedelta(hours=1))

    def advice() -> str:
        row = outbox.conn.execute(
            "SELECT advice FROM lifeline.health WHERE name = 'notices_unreached' AND state = 'fault'"
        ).fetchone()
        return str(row[0]) if row else ""

    with notifier(database, t0):
        eventually(lambda: "wang" in advice())
    assert outbox.state("n")[0] == "failed"
    assert "NOT_SET" in outbox.state("n")[2]


def test_bad_settings_are_said_at_the_start(database: str) -> None:
    with pytest.raises(InputError, match="16 bytes"):
        run_notifier(NotifierSettings(database, "http://x", b"short", SystemClock()), threading.Event())
    nowhere = "postgresql://u:pw@127.0.0.1:1/x"
    with pytest.raises(OutsideError, match="cannot connect"):
        run_notifier(NotifierSettings(nowhere, "http://x", SECRET, SystemClock()), threading.Event())


def test_a_flood_on_a_slow_endpoint_does_not_hold_the_reds(outbox: Outbox, database: str) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        SystemClock().pause_s(0.5)
        answering(204)(handler)

    now = SystemClock().now()
    with web(slow) as end:
        for n in range(200):
            outbox.notice(f"yellow-{n}", target=f"p{n}", level=2, created_at=now, content={"to": {"webhook": end.url}})
        with notifier(database, now):
            eventually(lambda: len(end.seen) > 4)
            at = SystemClock().now()
            for n in range(12):
                outbox.notice(f"red-{n}", target=f"r{n}", level=4, created_at=at, content={"to": {"webhook": end.url}})
            query = "SELECT count(*) FROM lifeline.notices WHERE level = 4 AND state = 'sent'"
            eventually(lambda: outbox.conn.execute(query).fetchone() == (12,))
            outbox.conn.execute("DELETE FROM lifeline.notices WHERE state = 'queued'")
    reds = [headers["idempotency-key"] for headers, _, _ in end.seen if headers["idempotency-key"].startswith("red")]
    assert len(set(reds)) == 12
    assert len(end.seen) < 150  # the flood was still going on


def journaled(outbox: Outbox) -> list[tuple[str, str, str]]:
    """(scope, state, detail) of what the notifier told the engine of channels."""
    rows = outbox.conn.execute("SELECT payload FROM lifeline.journal WHERE kind = 'platform' ORDER BY seq").fetchall()
    said = [msgspec.json.decode(row[0]) for row in rows]
    return [(one["scope"], one["state"], one["detail"]) for one in said if one["name"] == "channel"]


def test_a_channel_that_fails_is_told_to_the_engine_and_when_it_is_well_again(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    def row() -> tuple[str, str]:
        found = outbox.conn.execute("SELECT state, text FROM city.health WHERE name = 'channel_webhook'").fetchone()
        return (str(found[0]), str(found[1])) if found else ("", "")

    endpoint.plan = [503]
    outbox.notice("n", content={"to": {"webhook": endpoint.url}})
    with notifier(database, t0, speed=60):
        eventually(lambda: [said[:2] for said in journaled(outbox)] == [("webhook", "fault")])
        assert row()[0] == "fault"
        assert "to be tried again" in row()[1]
    endpoint.plan = [200]
    with notifier(database, t0, speed=600):  # another process: it remembers
        eventually(lambda: len(journaled(outbox)) == 2)
    assert journaled(outbox)[1] == ("webhook", "ok", "HTTP 200")
    assert row()[0] == "ok"


def test_a_channel_without_its_secret_is_told_at_once(outbox: Outbox, database: str, t0: datetime) -> None:
    settings = {"sms": {"type": "apprise", "url_env": "NOT_SET"}}
    outbox.notice("n", channel="sms", content={"settings": settings})
    with notifier(database, t0):
        eventually(lambda: bool(journaled(outbox)))
    [(scope, state, detail)] = journaled(outbox)
    assert (scope, state) == ("sms", "fault")
    assert "NOT_SET" in detail


def test_an_e_mail_shows_the_last_day_and_goes_without_where_nothing_is_known(
    outbox: Outbox, database: str, t0: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture.warm()  # as the notifier does when the bundle has e-mail
    monkeypatch.setattr("rules.notify.notifier.Gallery", partial(Gallery, budget_s=PATIENCE_S))
    outbox.sensor("wl-017", [(t0 - timedelta(minutes=m), 10 + (30 - m if m < 30 else 0)) for m in range(600, 0, -1)])
    box = Box()
    with server(box) as port:
        mail = {"email": {"type": "smtp", "host": "127.0.0.1", "port": port, "from": "lifeline@city.example"}}
        to = {"email": "li@example.org"}
        outbox.notice("n", channel="email", content={"settings": mail, "to": to})
        facts = {**FACTS, "sensor": "nobody-knows-it", "value": 1.0}
        outbox.notice("other", channel="email", target="b", content={"settings": mail, "to": to, "facts": facts})
        outbox.notice("drill", channel="email", target="c", drill=True, content={"settings": mail, "to": to})
        with notifier(database, t0):
            eventually(lambda: len(box.messages) == 3)
    pictures = {
        str(message["Message-ID"])[1:].partition("@")[0]: [
            part.get_content() for part in message.walk() if part.get_content_type() == "image/png"
        ]
        for message in box.messages
    }
    assert [len(pictures[key]) for key in ("n", "other", "drill")] == [1, 0, 0]
    assert pictures["n"][0].startswith(b"\x89PNG")
    assert len(pictures["n"][0]) <= 60_000
