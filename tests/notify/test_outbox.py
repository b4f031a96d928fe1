"""Claims, leases, messages that speak for others, and fallbacks, on a real database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from city.levels import Level
from rules.notify import outbox as box
from rules.notify.lanes import Room
from rules.notify.letter import GiveUp, Retry, Sent
from rules.notify.policy import after, fallback_key

if TYPE_CHECKING:
    from tests.notify.conftest import Outbox

Conn = psycopg.Connection[Any]
SECOND = timedelta(seconds=1)


def take(conn: Conn, now: datetime, *busy: str, wall: datetime | None = None) -> box.Notice | None:
    room = Room(others=True, red_channels=list(busy), red_endpoints=[], channels=list(busy), endpoints=[])
    return box.claim(conn, room, now, wall or now)


def test_the_most_urgent_comes_first_and_nobody_takes_it_twice(outbox: Outbox, other: Conn, t0: datetime) -> None:
    outbox.notice("blue", level=Level.BLUE, target="a")
    outbox.notice("red", level=Level.RED, target="b", created_at=t0 + SECOND, next_try_at=t0)
    first, second, third = take(outbox.conn, t0), take(other, t0), take(other, t0)
    assert first is not None
    assert first.notice == "red"
    assert second is not None
    assert second.notice == "blue"
    assert third is None


def test_what_is_not_due_and_what_has_no_room_is_left(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("later", next_try_at=t0 + SECOND)
    outbox.notice("mail", channel="email", target="b")
    assert take(outbox.conn, t0, "email") is None
    found = take(outbox.conn, t0 + SECOND, "email")
    assert found is not None
    assert found.notice == "later"


def test_a_dead_workers_notice_is_taken_again_when_its_lease_ends(outbox: Outbox, other: Conn, t0: datetime) -> None:
    outbox.notice("n")
    dead = take(outbox.conn, t0)
    assert dead is not None
    assert take(other, t0 + 59 * SECOND) is None
    alive = take(other, t0 + 60 * SECOND)
    assert alive is not None
    assert alive.attempts == 2
    # The dead one was only slow: its failure changes nothing any more, its success counts.
    box.finish(outbox.conn, dead, after(GiveUp("x"), "n", Level.RED, t0, 1, t0), t0)
    assert outbox.state("n")[0] == "sending"
    box.finish(outbox.conn, dead, after(Sent("ok"), "n", Level.RED, t0, 1, t0), t0)
    box.finish(other, alive, after(Retry("x"), "n", Level.RED, t0, 2, t0), t0)
    assert outbox.state("n") == ("sent", 2, "ok")


def test_the_lease_runs_on_the_real_clock_in_a_city_on_a_faster_one(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("n")
    wall = t0 + timedelta(days=100)
    assert take(outbox.conn, t0, wall=wall) is not None
    assert take(outbox.conn, t0 + timedelta(hours=1), wall=wall + SECOND) is None


def test_raise_and_clear_both_undelivered_are_one_message(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("raise", next_try_at=t0)
    outbox.notice("clear", kind="clear", level=Level.NONE, created_at=t0 + SECOND, content={"facts": {"value": 3}})
    found = take(outbox.conn, t0 + SECOND)
    assert found is not None
    assert found.notice == "clear"
    assert found.content["raised"]["value"] == 42
    assert outbox.content("clear")["raised"]["value"] == 42  # every attempt says the same
    assert outbox.state("raise")[0] == "superseded"
    assert "clear" in outbox.state("raise")[2]


def test_a_clear_waits_for_a_raise_on_its_way_and_goes_alone_after_it(
    outbox: Outbox, other: Conn, t0: datetime
) -> None:
    outbox.notice("raise")
    under_way = take(outbox.conn, t0)
    assert under_way is not None
    outbox.notice("clear", kind="clear", created_at=t0 + SECOND)
    assert take(other, t0 + SECOND) is None
    box.finish(outbox.conn, under_way, after(Sent(), "raise", Level.RED, t0, 1, t0), t0)
    found = take(other, t0 + SECOND)
    assert found is not None
    assert found.notice == "clear"
    assert "raised" not in found.content


def test_other_peoples_and_other_channels_notices_are_not_touched(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("raise-wang", target="wang")
    outbox.notice("raise-mail", channel="email")
    outbox.notice("clear", kind="clear", created_at=t0 + SECOND, level=Level.NONE)
    while take(outbox.conn, t0 + SECOND):
        pass
    assert [outbox.state(key)[0] for key in ("raise-wang", "raise-mail", "clear")] == ["sending"] * 3


def test_one_repeat_is_enough_after_an_outage(outbox: Outbox, t0: datetime) -> None:
    for n in range(4):
        outbox.notice(f"repeat-{n}", kind="repeat", created_at=t0 + n * SECOND, next_try_at=t0 + (4 - n) * SECOND)
    found = take(outbox.conn, t0 + SECOND)
    assert found is not None
    assert found.notice == "repeat-3"
    assert take(outbox.conn, t0 + timedelta(hours=1), wall=t0) is None


def test_giving_up_hands_on_to_the_next_channel_once(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("n", content={"fallback": ["spare", "sms"]})
    found = take(outbox.conn, t0)
    assert found is not None
    then = after(GiveUp("HTTP 404"), "n", Level.RED, t0, 1, t0)
    assert box.finish(outbox.conn, found, then, t0) == "spare"
    assert box.hand_on(outbox.conn, "n", t0) is None
    new = fallback_key("n", "spare")
    assert outbox.state("n") == ("failed", 1, "HTTP 404")
    assert outbox.content(new)["fallback"] == ["sms"]
    assert outbox.content(new)["root"] == "n"  # one short code for people, whatever the channel
    taken = take(outbox.conn, t0)
    assert taken is not None
    assert taken.settings == {"type": "webhook"}
    assert box.hand_on(outbox.conn, new, t0) == "sms"
    last = take(outbox.conn, t0)
    assert last is not None
    assert last.settings == {}  # nobody wrote any: the channel will say so


def test_a_red_without_success_for_a_minute_gets_its_fallback_beside_it(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("red", attempts=3, content={"fallback": ["email"]})
    outbox.notice("fresh", target="b", attempts=0, content={"fallback": ["email"]})
    outbox.notice("orange", target="c", level=Level.ORANGE, attempts=3, content={"fallback": ["email"]})
    outbox.notice("odd", target="d", attempts=3, content={"fallback": "email"})
    began = t0 + 30 * SECOND  # and from then on somebody was there to try
    assert box.help_slow_reds(outbox.conn, t0 + 59 * SECOND, began) == []
    assert box.help_slow_reds(outbox.conn, t0 + 60 * SECOND, began) == ["red"]
    assert box.help_slow_reds(outbox.conn, t0 + 60 * SECOND, began) == []
    assert box.help_slow_reds(outbox.conn, t0 + 90 * SECOND, began) == ["fresh"]
    assert outbox.state("red")[0] == "queued"
    assert outbox.state(fallback_key("red", "email"))[0] == "queued"


def test_who_was_not_reached_is_known(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("a", state="failed", content={})
    outbox.notice("b", state="failed", target="wang")
    outbox.notice("c", state="sent", target="wang", channel="email")
    assert [row[:2] for row in box.unreached(outbox.conn, t0 - SECOND)] == [("I-1", "li")]
    assert box.load(outbox.conn, t0) == box.Load(0, 0.0)
