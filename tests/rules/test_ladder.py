"""On-delay, deadband, off-delay and gaps, exact in event time."""

from __future__ import annotations

from city.levels import Flag, Level
from rules.effects import FindingMade
from tests.rules.small_city import T0_US, Desk

CALM = [0.0] * 12


def test_raise_is_first_true_plus_delay_and_clear_is_first_false_plus_delay(desk: Desk) -> None:
    desk.series("wl-1", [0, 20, 20, 20, 20, 20, *CALM])
    assert desk.story() == [("wl-1", Level.YELLOW, 60 + 180, 360 + 600)]


def test_one_good_false_sample_cancels_a_pending_level(desk: Desk) -> None:
    desk.series("wl-1", [0, 20, 20, 20, 10, 20, 20, 20, 0])
    assert desk.story() == []


def near_misses(desk: Desk) -> list[tuple[str, str, int, str]]:
    found = [effect.finding for effect in desk.effects if isinstance(effect, FindingMade)]
    return [
        (f.sensor, f.detector, (f.time_us - T0_US) // 1_000_000, f.reason) for f in found if f.channel == "near_miss"
    ]


def test_a_level_that_ends_within_its_delay_is_a_near_miss(desk: Desk) -> None:
    desk.series("wl-1", [0, 20, 20, 20, 10, 0])
    assert near_misses(desk) == [
        ("wl-1", "rule:depth", 60, "yellow of depth held for 180 s, less than its delay: nothing was raised")
    ]


def test_what_falls_back_while_a_lower_level_stands_is_none(desk: Desk) -> None:
    desk.series("wl-1", [20] * 6 + [30] + [20] * 3)
    assert len(desk.alarms()) == 1
    assert near_misses(desk) == []


def test_late_data_that_show_the_same_near_miss_name_it_alike(desk: Desk) -> None:
    desk.series("wl-1", [0, 20, 20, 10, 0])
    desk.feed([("wl-1", 90, 20.0)])
    told = near_misses(desk)
    assert told
    assert len({one[:3] for one in told}) == 1, "one row in the database"


def test_delay_completes_between_samples(desk: Desk) -> None:
    desk.series("wl-1", [50] * 4, every_s=40)
    assert desk.story() == [("wl-1", Level.RED, 60, None)]


def test_deadband_keeps_the_level_until_the_value_is_below_it(desk: Desk) -> None:
    desk.series("wl-1", [20, 20, 20, 20, *[12.5] * 20])
    assert desk.story() == [("wl-1", Level.YELLOW, 180, None)]
    desk.series("wl-1", [11.9] * 11, start_s=24 * 60)
    assert desk.story() == [("wl-1", Level.YELLOW, 180, 24 * 60 + 600)]


def test_levels_go_up_at_once_and_step_down_one_by_one(desk: Desk) -> None:
    desk.series("wl-1", [50, 50, 50, 50, *[30] * 12, *[20] * 12, *[0] * 12])
    steps = [(e.kind, e.to_level) for e in desk.events()]
    assert steps == [
        ("raised", Level.RED),
        ("fell", Level.ORANGE),
        ("fell", Level.YELLOW),
        ("cleared", Level.NONE),
    ]
    assert len(desk.alarms()) == 1


def test_rising_through_the_levels_is_one_alarm(desk: Desk) -> None:
    desk.series("wl-1", [0, 20, 20, 20, 20, 30, 30, 30, 45, 45, 45])
    assert [e.kind for e in desk.events()] == ["raised", "rose", "rose"]
    assert desk.story() == [("wl-1", Level.RED, 240, None)]


def test_chatter_during_the_off_delay_is_the_same_alarm(desk: Desk) -> None:
    desk.series("wl-1", [20] * 5 + [0, 0, 0] + [20] * 2 + [0] * 11)
    assert desk.story() == [("wl-1", Level.YELLOW, 180, 600 + 600)]


def test_a_gap_completes_a_pending_red_and_holds_a_pending_yellow(desk: Desk) -> None:
    desk.feed([("wl-1", 0, 50.0), ("wl-2", 0, 20.0)])
    desk.feed([("wl-1", 3600, 0.0), ("wl-2", 3600, 20.0)])
    assert desk.story() == [("wl-1", Level.RED, 60, None)]
    desk.series("wl-2", [20.0] * 3, start_s=3660)
    assert desk.story()[1] == ("wl-2", Level.YELLOW, 3600 + 180, None)


def test_silence_noticed_by_time_raises_at_the_same_instant_as_a_gap_noticed_by_a_sample(desk: Desk) -> None:
    desk.feed([("wl-1", 0, 50.0)])
    assert desk.tick(240) == []
    desk.tick(301)
    assert desk.story() == [("wl-1", Level.RED, 60, None)]
    assert [e.kind for e in desk.events() if e.alarm.startswith("A-")][:2] == ["raised", "data_lost"]


def test_silence_never_clears(desk: Desk) -> None:
    desk.series("wl-1", [50, 50, 0, 0])
    desk.tick(7200)
    assert [a.condition for a in desk.alarms()] == ["unknown"]
    desk.feed([("wl-1", 7200, 0.0)])
    desk.series("wl-1", [0.0] * 9, start_s=7260)
    assert desk.story()[0][3] is None
    desk.series("wl-1", [0.0] * 2, start_s=7200 + 600)
    assert desk.story() == [("wl-1", Level.RED, 60, 7200 + 600)]


def test_a_suspect_sample_raises_but_does_not_clear(desk: Desk) -> None:
    for at in range(3):
        desk.feed([("wl-1", at * 60, 50.0)], flag=Flag.SUSPECT)
    assert desk.story() == [("wl-1", Level.RED, 60, None)]
    for at in range(3, 30):
        desk.feed([("wl-1", at * 60, 0.0)], flag=Flag.SUSPECT)
    assert desk.story()[0][3] is None


def test_a_failed_sample_is_no_sample(desk: Desk) -> None:
    desk.feed([("wl-1", 0, 50.0)])
    desk.feed([("wl-1", 30, 0.0)], flag=Flag.FAIL)
    desk.feed([("wl-1", 60, 50.0)])
    assert desk.story() == [("wl-1", Level.RED, 60, None)]


def test_every_step_carries_its_evidence(desk: Desk) -> None:
    desk.series("wl-1", [50, 50])
    (event,) = desk.events()
    (seen,) = event.evidence
    assert (seen["sensor"], seen["value"], seen["unit"], seen["test"], seen["truth"]) == (
        "wl-1", 50.0, "cm", "above 40 cm", "true",
    )  # fmt: skip
