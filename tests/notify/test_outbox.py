"""Claims, leases, messages that speak for others, and fallbacks, on a real database."""

from __future__ import annotations

from dataclasses import replace
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


def test_a_receipt_and_an_opened_link_say_delivered_once(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("n", state="sent", sent_at=t0)
    assert box.delivered(outbox.conn, "n", t0 + SECOND, "receipt")
    assert box.delivered(outbox.conn, "n", t0 + 9 * SECOND, "opened")
    row = outbox.conn.execute(
        "SELECT state, delivered_at, delivered_how, sent_at FROM city.notices WHERE notice = 'n'"
    ).fetchone()
    assert row == ("delivered", t0 + SECOND, "receipt", t0)
    assert not box.delivered(outbox.conn, "none such", t0, "receipt")


def test_whoever_opened_it_has_it_whatever_the_channel_said(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("n")
    found = take(outbox.conn, t0)
    assert found is not None
    assert box.delivered(outbox.conn, "n", t0, "opened")  # while the answer is still on its way
    box.finish(outbox.conn, found, after(Retry("line broke"), "n", Level.RED, t0, 1, t0), t0)
    assert outbox.state("n")[0] == "delivered"
    box.finish(outbox.conn, found, after(Sent("ok"), "n", Level.RED, t0, 1, t0), t0)
    assert outbox.state("n") == ("delivered", 1, "ok")
    assert take(outbox.conn, t0 + timedelta(hours=1)) is None
    outbox.notice("over", state="superseded", target="b")
    assert box.delivered(outbox.conn, "over", t0, "opened")
    assert outbox.state("over")[0] == "superseded"


def test_what_arrived_on_one_channel_need_not_go_out_on_another(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("n", attempts=2, content={"fallback": ["spare"]}, next_try_at=t0 + 90 * SECOND)
    assert box.help_slow_reds(outbox.conn, t0 + 60 * SECOND, t0) == ["n"]
    spare = fallback_key("n", "spare")
    outbox.notice("other", target="wang")
    assert box.delivered(outbox.conn, spare, t0 + 61 * SECOND, "opened")
    assert outbox.state("n")[0] == "superseded"
    assert "spare" in outbox.state("n")[2]
    assert outbox.state("other")[0] == "queued"
    row = outbox.conn.execute("SELECT fallback_of, root FROM city.notices WHERE notice = %s", (spare,)).fetchone()
    assert row == ("n", "n")


def test_level_comes_before_age_and_age_before_chance(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("b", level=Level.YELLOW, target="1", created_at=t0)
    outbox.notice("a", level=Level.YELLOW, target="2", created_at=t0 + SECOND, next_try_at=t0)
    outbox.notice("z", level=Level.RED, target="3", created_at=t0 + 2 * SECOND, next_try_at=t0)
    found = [take(outbox.conn, t0) for _ in range(3)]
    assert [one.notice for one in found if one] == ["z", "b", "a"]


def test_endpoints_are_told_apart_by_who_answers_there(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("a", content={"to": {"webhook": "https://u:p@crew.example:8443/li?x=1"}}, target="li")
    outbox.notice("b", content={"to": {"webhook": "http://other.example"}}, target="wang")
    outbox.notice("c", channel="email", target="wang")
    found = {one.notice: one.endpoint for _ in range(3) if (one := take(outbox.conn, t0))}
    assert found == {"a": "webhook crew.example:8443", "b": "webhook other.example", "c": "email"}
    room = Room(others=True, red_channels=[], red_endpoints=["webhook crew.example:8443"], channels=[], endpoints=[])
    later = t0 + timedelta(hours=1)
    taken = [one.notice for _ in range(3) if (one := box.claim(outbox.conn, room, later, later))]
    assert taken == ["b", "c"]


def test_when_only_reds_have_room_only_reds_are_taken(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("yellow", level=Level.YELLOW)
    room = Room(others=False, red_channels=[], red_endpoints=[], channels=[], endpoints=[])
    assert box.claim(outbox.conn, room, t0, t0) is None
    outbox.notice("red", target="b")
    found = box.claim(outbox.conn, room, t0, t0)
    assert found is not None
    assert found.notice == "red"


def test_what_belongs_to_no_incident_goes_out_each_by_itself(outbox: Outbox, t0: datetime) -> None:
    for n in range(2):
        outbox.notice(f"digest-{n}", kind="digest", incident=None, level=Level.YELLOW, created_at=t0 + n * SECOND)
    found = [take(outbox.conn, t0 + SECOND) for _ in range(2)]
    assert [(one.notice, one.incident) for one in found if one] == [("digest-0", ""), ("digest-1", "")]
    assert not any(box.over(one) for one in found if one)


def test_the_latest_update_is_enough_and_a_closing_word_still_goes_out(outbox: Outbox, t0: datetime) -> None:
    for n in range(3):
        outbox.notice(f"update-{n}", kind="update", created_at=t0 + n * SECOND, level=Level.YELLOW)
    found = take(outbox.conn, t0 + 5 * SECOND)
    assert found is not None
    assert found.notice == "update-2"
    assert outbox.state("update-0")[0] == "superseded"
    outbox.conn.execute("UPDATE lifeline.incidents SET stage = 'closed'")
    assert not box.over(replace(found, stage="closed"))
    for kind in ("raise", "repeat", "no_duty", "clock_missed"):
        outbox.notice(kind, kind=kind, target=kind)
        one = take(outbox.conn, t0 + 5 * SECOND)
        assert one is not None
        assert box.over(one), kind


def test_readers_of_one_district_see_its_digests_and_no_others(outbox: Outbox, t0: datetime) -> None:
    outbox.notice("east", kind="digest", incident=None, content={"district": "east"})
    outbox.notice("west", kind="digest", incident=None, content={"district": "west"})
    outbox.notice("platform", kind="platform", incident=None)
    outbox.conn.execute("CREATE ROLE test_reader_of_east IN ROLE city_reader")
    outbox.conn.execute("INSERT INTO lifeline.readers (reader, districts) VALUES ('test_reader_of_east', '{east}')")
    try:
        outbox.conn.execute("SET ROLE test_reader_of_east")
        seen = outbox.conn.execute("SELECT notice FROM city.notices").fetchall()
    finally:
        outbox.conn.execute("RESET ROLE")
        outbox.conn.execute("DROP ROLE test_reader_of_east")
    assert seen == [("east",)]
