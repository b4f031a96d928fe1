"""When a channel counts as failing, and when as well again."""

from __future__ import annotations

import pytest

from rules.notify.letter import Answer, GiveUp, NoAddress, Retry, Sent
from rules.notify.outcomes import Outcomes, Turn

S = 1_000_000
R, G, OK = Retry("HTTP 500"), GiveUp("HTTP 404"), Sent("HTTP 200")
BROKEN, NOBODY = GiveUp("SECRET is not set", broken=True), NoAddress("has no phone")


def turns(*happens: tuple[int, Answer]) -> list[str]:
    """The states the channel turned to, and when (s)."""
    outcomes = Outcomes()
    found = []
    for at_s, answer in happens:
        turn = outcomes.note("sms", answer, at_s * S)
        found += [f"{turn.state} {at_s}"] if turn else []
    return found


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        ([(0, R), (30, R), (60, R)], ["fault 60"]),
        ([(0, R), (30, R), (59, R)], []),
        ([(0, R), (100, R)], []),
        ([(0, R), (1, R), (2, R), (3, R), (61, G), (62, R)], ["fault 61"]),
        ([(0, R), (30, OK), (60, R), (90, R), (119, R), (120, R)], ["fault 120"]),
        ([(0, BROKEN), (1, BROKEN)], ["fault 0"]),
        ([(0, BROKEN), (5, OK), (6, OK)], ["fault 0", "ok 5"]),
        ([(0, OK), (9, OK)], []),
        ([(0, NOBODY), (60, NOBODY), (120, NOBODY), (180, NOBODY)], []),
        ([(0, R), (30, NOBODY), (60, R)], []),
    ],
)
def test_the_table(happens: list[tuple[int, Answer]], expected: list[str]) -> None:
    assert turns(*happens) == expected


def test_a_channel_known_to_fail_is_told_well_at_its_first_success() -> None:
    outcomes = Outcomes()
    outcomes.remember("sms")
    assert outcomes.note("sms", R, 0) is None
    assert outcomes.note("sms", OK, S) == Turn("sms", "ok", "HTTP 200")


def test_a_channel_that_is_no_longer_there_fails_no_longer() -> None:
    outcomes = Outcomes()
    outcomes.note("sms", BROKEN, 0)
    outcomes.note("email", R, 0)
    assert [(turn.channel, turn.state) for turn in outcomes.forget({"webhook"})] == [("sms", "ok")]
    assert outcomes.forget({"webhook"}) == []
    assert outcomes.records["email"].in_a_row == 0
