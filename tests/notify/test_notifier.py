"""The role as a whole: rows in, deliveries out, against a real database and a real endpoint."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from city.clock import FastClock, SystemClock
from city.errors import InputError, OutsideError
from rules.notify import NotifierSettings, run_notifier
from rules.notify.links import Claims, verify
from rules.notify.policy import fallback_key
from store.roles import beats

if TYPE_CHECKING:
    from tests.notify.conftest import Endpoint, Outbox

SECRET = b"0123456789abcdef"


@contextmanager
def notifier(database: str, t0: datetime, speed: float = 1.0) -> Iterator[None]:
    origin_us = int(t0.timestamp() * 1e6)
    clock = FastClock(origin_us, SystemClock().now_us(), speed)
    stop = threading.Event()
    settings = NotifierSettings(database, "https://city.example/", SECRET, clock, timeout_s=1.0)
    thread = threading.Thread(target=run_notifier, args=(settings, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def until(true: Callable[[], bool], timeout_s: float = 20.0) -> None:
    for _ in range(round(timeout_s / 0.02)):
        if true():
            return
        SystemClock().pause_s(0.02)
    pytest.fail("it did not come true in time")


def test_a_notice_arrives_with_a_link_that_works(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    outbox.notice("n", content={"to": {"webhook": endpoint.url}})
    with notifier(database, t0):
        until(lambda: outbox.state("n")[0] == "sent")
        until(lambda: beats(outbox.conn).get("notifier") is not None)
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
        until(lambda: outbox.state("n")[0] == "sent")
    assert len(endpoint.seen) == 3
    assert len(set(endpoint.seen)) == 1
    assert outbox.state("n")[1] == 3


def test_a_refusal_goes_to_the_next_channel_at_once(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    endpoint.plan = [404, 200]
    outbox.notice("n", content={"to": {"webhook": endpoint.url}, "fallback": ["spare"]})
    with notifier(database, t0):
        until(lambda: outbox.state("n")[0] == "failed")
        until(lambda: outbox.state(fallback_key("n", "spare"))[0] == "sent")
    codes = {msgspec.json.decode(body)["code"] for _, body in endpoint.seen}
    assert len(codes) == 1


def test_a_red_that_is_not_delivered_for_a_minute_goes_out_beside_itself(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    endpoint.plan = [500]
    outbox.notice("n", content={"to": {"webhook": endpoint.url}, "fallback": ["spare"]})
    with notifier(database, t0, speed=60):
        until(lambda: ("spare", "raise", "queued") in outbox.rows() or ("spare", "raise", "sending") in outbox.rows())
        until(lambda: outbox.state("n")[1] > 2)
    assert outbox.state("n")[0] == "queued"


def test_nothing_is_asked_about_an_incident_that_people_have_closed(
    outbox: Outbox, endpoint: Endpoint, database: str, t0: datetime
) -> None:
    outbox.incident(stage="closed")
    outbox.notice("n", content={"to": {"webhook": endpoint.url}})
    outbox.notice("over", kind="clear", target="wang", content={"to": {"webhook": endpoint.url}})
    with notifier(database, t0):
        until(lambda: outbox.state("n")[0] == "superseded")
        until(lambda: outbox.state("over")[0] == "sent")
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
            until(lambda: outbox.state("n")[0] == "sent", 5)


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
        until(lambda: "wang" in advice())
    assert outbox.state("n")[0] == "failed"
    assert "NOT_SET" in outbox.state("n")[2]


def test_bad_settings_are_said_at_the_start(database: str) -> None:
    with pytest.raises(InputError, match="16 bytes"):
        run_notifier(NotifierSettings(database, "http://x", b"short", SystemClock()), threading.Event())
    nowhere = "postgresql://u:pw@127.0.0.1:1/x"
    with pytest.raises(OutsideError, match="cannot connect"):
        run_notifier(NotifierSettings(nowhere, "http://x", SECRET, SystemClock()), threading.Event())
