"""Shelves and sensors out of service: notices stop, everything else goes on, and what still stands is told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.levels import Level
from rules.inputs import CommandKind, HoldKind
from tests.rules.small_city import FILES, Desk, city_files, desk_of

RED = [50.0, 50.0]
YELLOW = [20.0] * 4
DRY = [0.0] * 12
KEY = "depth/wl-1"


def told(desk: Desk) -> list[tuple[str, str]]:
    return [(n.target, n.kind) for n in desk.notices()]


def test_a_shelved_alarm_tells_nobody_and_goes_on_being_evaluated(desk: Desk) -> None:
    desk.series("wl-1", YELLOW)
    desk.hold(HoldKind.SHELVE, KEY, 190, until_s=190 + 3600)
    assert (desk.alarms()[0].state, desk.incidents()[0].level) == ("shelved", Level.NONE)
    for at in range(240, 1200, 60):
        desk.feed([("wl-1", at, 20.0)])
        desk.tick(at)
    assert told(desk) == [("li", "raise")]
    assert desk.story() == [("wl-1", Level.YELLOW, 180, None)]
    assert desk.alarms()[0].hold_reason == "shelved until 2026-07-01T11:03:10+00:00 by Li: pump test"


def test_when_it_ends_people_are_told_what_still_stands(desk: Desk) -> None:
    desk.series("wl-1", YELLOW)
    (incident,) = desk.incidents()
    desk.command(CommandKind.ACKNOWLEDGE, incident.id, 185)
    desk.hold(HoldKind.SHELVE, KEY, 190, until_s=790)
    desk.series("wl-1", [20.0] * 9, start_s=240)
    desk.tick(780)
    assert told(desk) == [("li", "raise")]
    desk.tick(791)
    assert told(desk) == [("li", "raise"), ("li", "raise")]
    assert desk.notices()[-1].content["facts"]["was_held"] == "shelved"
    assert (desk.alarms()[0].state, desk.incidents()[0].acknowledged) == ("unacknowledged", False)
    assert desk.held()[-1] == ("shelf_ended", "its time is up")


def test_raised_before_and_cleared_during_it_the_all_clear_is_still_sent(desk: Desk) -> None:
    desk.series("wl-1", YELLOW)
    desk.hold(HoldKind.SHELVE, KEY, 190, until_s=190 + 3600)
    assert told(desk) == [("li", "raise")]  # that it is held is no all-clear
    desk.series("wl-1", DRY, start_s=240)
    assert told(desk) == [("li", "raise"), ("li", "clear")]
    assert desk.alarms()[0].state == "returned_unacknowledged"


def test_raised_and_cleared_during_it_nobody_hears_of_it_and_the_record_has_it(desk: Desk) -> None:
    desk.hold(HoldKind.SHELVE, KEY, 0, until_s=3600, level=Level.YELLOW)
    desk.series("wl-1", [*YELLOW, *DRY])
    assert (desk.notices(), desk.incidents()) == ([], [])
    assert [(a.state, a.hold, a.incident) for a in desk.alarms()] == [("normal", "shelved", "")]
    assert [e.kind for e in desk.events()] == ["raised", "held", "cleared"]


def test_a_higher_level_breaks_through_and_ends_the_shelf(desk: Desk) -> None:
    desk.series("wl-1", YELLOW)
    desk.hold(HoldKind.SHELVE, KEY, 190, until_s=190 + 3600)
    desk.series("wl-1", RED, start_s=240)
    assert [(n.kind, n.level, n.content["facts"]["was_held"]) for n in desk.notices()] == [
        ("raise", Level.YELLOW, ""), ("raise", Level.RED, "shelved"),
    ]  # fmt: skip
    assert desk.held()[-1] == ("shelf_ended", "broke through: red is above yellow")
    desk.hold(HoldKind.UNSHELVE, KEY, 400)
    assert desk.held()[-1][0] == "refused_unshelve"


def test_one_shot_ends_with_the_condition(desk: Desk) -> None:
    desk.series("wl-1", YELLOW)
    desk.hold(HoldKind.SHELVE, KEY, 190, one_shot=True)
    desk.series("wl-1", DRY, start_s=240)
    assert desk.held()[-1] == ("shelf_ended", "one-shot: the condition is normal")
    desk.series("wl-1", YELLOW, start_s=960)
    assert told(desk) == [("li", "raise"), ("li", "clear"), ("li", "raise")]


def test_beside_a_higher_alarm_what_was_released_is_named(desk: Desk) -> None:
    files = city_files(sensors=FILES["sensors.csv"] + "wl-3,g1,up-1,water_depth,cm,60\n")
    desk = desk_of(files)
    desk.series("wl-1", RED)
    desk.series("wl-3", YELLOW)
    desk.hold(HoldKind.SHELVE, "depth/wl-3", 190, until_s=400)
    desk.hold(HoldKind.UNSHELVE, "depth/wl-3", 200)
    facts = desk.notices()[-1].content["facts"]
    assert (facts["sensor"], facts["was_held"], facts["released"]) == ("wl-1", "", ["下穿积水, wl-3"])


def test_unshelved_by_a_person_it_is_told_at_once(desk: Desk) -> None:
    desk.series("wl-1", YELLOW)
    desk.hold(HoldKind.SHELVE, desk.alarms()[0].id, 190, until_s=3600)  # by its id
    desk.hold(HoldKind.UNSHELVE, KEY, 200, note="done early", actor="Bo")
    assert told(desk) == [("li", "raise"), ("li", "raise")]
    assert desk.events()[-1].reason == "no longer shelved: unshelve by Bo: done early"


@pytest.mark.parametrize(
    ("values", "how", "why"),
    [
        (YELLOW, {"until_s": 190 + 9 * 3600}, "yellow: at most 8 h, got 9 h"),
        ([30.0] * 4, {"until_s": 190 + 3601}, "orange: at most 1 h, got 1.00028 h"),
        (YELLOW, {}, "it needs an end: say until when"),
        (YELLOW, {"until_s": 190}, "its end 2026-07-01T10:03:10+00:00 is past"),
        (YELLOW, {"until_s": 900, "level": Level.BLUE}, "it stands at yellow: a shelf up to blue would not hold it"),
        ([0.0], {"until_s": 900}, "nothing stands there: say up to which level to shelve it"),
        ([0.0], {"one_shot": True, "level": Level.BLUE}, "a one-shot shelf would have nothing to end with"),
    ],
)
def test_a_shelf_is_refused_with_the_reason(desk: Desk, values: list[float], how: dict, why: str) -> None:  # type: ignore[type-arg]  # keywords of `hold`
    desk.series("wl-1", values)
    desk.hold(HoldKind.SHELVE, KEY, 190, **how)
    kind, note = desk.held()[-1]
    assert (kind, why in note) == ("refused_shelve", True), note
    assert not any(a.hold for a in desk.alarms())


def test_what_nobody_watches_and_what_has_no_reason_is_refused(desk: Desk) -> None:
    desk.hold(HoldKind.SHELVE, "depth/rain-1", 10, until_s=100, level=Level.BLUE)
    desk.hold(HoldKind.SHELVE, KEY, 10, note=" ", until_s=100, level=Level.BLUE)
    desk.hold(HoldKind.OUT_OF_SERVICE, "wl-9", 10, until_s=100)
    desk.hold(HoldKind.OUT_OF_SERVICE, "wl-1", 10)
    desk.hold(HoldKind.IN_SERVICE, "wl-1", 10, note="")
    assert desk.held() == [
        ("refused_shelve", "no rule watches 'depth/rain-1'; pump test"),
        ("refused_shelve", "shelve needs a note that says why"),
        ("refused_out_of_service", "no sensor 'wl-9'; pump test"),
        ("refused_out_of_service", "it needs an end: say until when; pump test"),
        ("refused_in_service", "it is not out of service"),
    ]


def test_red_takes_two_people_and_the_earlier_end(desk: Desk) -> None:
    desk.series("wl-1", RED)
    desk.hold(HoldKind.SHELVE, KEY, 70, until_s=70 + 901)
    desk.hold(HoldKind.SHELVE, KEY, 70, until_s=70 + 600)
    desk.hold(HoldKind.SHELVE, KEY, 80, until_s=70 + 900, actor=" li ")
    assert [kind for kind, _ in desk.held()] == ["refused_shelve", "asked_shelve", "refused_shelve"]
    assert desk.alarms()[0].hold == ""
    desk.restart()
    desk.hold(HoldKind.SHELVE, KEY, 90, until_s=70 + 900, actor="Bo")
    assert desk.alarms()[0].hold_reason == "shelved until 2026-07-01T10:11:10+00:00 by Li and Bo: pump test"


def test_a_second_person_who_comes_too_late_is_a_first_one(desk: Desk) -> None:
    desk.series("wl-1", RED)
    desk.hold(HoldKind.SHELVE, KEY, 70, until_s=900)
    desk.hold(HoldKind.SHELVE, KEY, 70 + 901, until_s=1500, actor="Bo")
    assert [kind for kind, _ in desk.held()] == ["asked_shelve", "asked_shelve"]


def test_a_sensor_out_of_service_holds_every_level_and_says_what_stands_after(desk: Desk) -> None:
    desk.hold(HoldKind.OUT_OF_SERVICE, "wl-1", 0, until_s=3600, note="calibration")
    desk.series("wl-1", RED)
    assert (desk.notices(), [a.state for a in desk.alarms()]) == ([], ["out_of_service"])
    desk.hold(HoldKind.IN_SERVICE, "wl-1", 200, note="")
    assert told(desk) == [("li", "raise")]
    assert desk.notices()[0].content["facts"]["was_held"] == "out_of_service"


def test_a_red_alarm_is_not_silenced_by_one_person_through_its_sensor(desk: Desk) -> None:
    desk.series("wl-1", RED)
    desk.hold(HoldKind.OUT_OF_SERVICE, "wl-1", 70, until_s=3600)
    assert (desk.held()[-1][0], desk.alarms()[0].hold) == ("asked_out_of_service", "")
    desk.hold(HoldKind.OUT_OF_SERVICE, "wl-1", 80, until_s=3600, actor="Bo")
    assert desk.alarms()[0].hold == "out_of_service"


def test_an_incident_with_something_held_is_not_closed_without_a_word(desk: Desk) -> None:
    desk.series("wl-1", YELLOW)
    desk.hold(HoldKind.SHELVE, KEY, 190, until_s=3600)
    (incident,) = desk.incidents()
    desk.command(CommandKind.CLOSE, incident.id, 200)
    assert desk.said()[-1] == "refused_close"
    desk.command(CommandKind.CLOSE, incident.id, 210, note="works until noon")
    desk.feed([("rain-1", 240, 0.0)])
    desk.tick(3601)
    (notice,) = desk.notices()  # of the incident that the alarm is in now
    assert (notice.kind, notice.incident) == ("raise", f"{incident.id}-2")
    assert [i.stage for i in desk.incidents() if i.id == incident.id] == ["closed"]


def test_holds_survive_a_restart_and_one_that_cannot_be_read_holds_nothing(desk: Desk) -> None:
    desk.series("wl-1", YELLOW)
    desk.hold(HoldKind.SHELVE, KEY, 190, until_s=3600)
    desk.restart()
    desk.feed([("wl-1", 240, 20.0)])
    assert (desk.alarms()[0].state, len(desk.notices())) == ("shelved", 1)
    desk.engine.state.holds.shelves[KEY] = "?"  # type: ignore[assignment]  # what a broken snapshot may hold
    desk.restart()
    desk.feed([("wl-1", 300, 20.0)])
    assert (desk.alarms()[0].state, len(desk.notices())) == ("unacknowledged", 2)
    assert desk.held()[-1] == ("shelf_ended", "it could not be read")


LEVELS = (0.0, 20.0, 30.0, 50.0)
PEOPLE = st.tuples(
    st.sampled_from([HoldKind.SHELVE, HoldKind.UNSHELVE, HoldKind.OUT_OF_SERVICE, HoldKind.IN_SERVICE]),
    st.sampled_from(["Li", "Bo"]), st.integers(1, 1200), st.booleans(), st.sampled_from([None, Level.BLUE, Level.RED]),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.sampled_from(LEVELS), min_size=10, max_size=50),
    people=st.dictionaries(st.integers(0, 49), PEOPLE, max_size=12),
    late=st.sets(st.integers(1, 49), max_size=6),
    restarts=st.sets(st.integers(0, 49), max_size=3),
)
def test_holds_never_change_what_alarms_do(
    values: list[float],
    people: dict[int, tuple[HoldKind, str, int, bool, Level | None]],
    late: set[int],
    restarts: set[int],
) -> None:
    def story(held: bool) -> tuple[list[object], Desk]:
        desk = desk_of()
        left: list[tuple[str, float, float]] = []
        for at, value in enumerate(values):
            left.append(("wl-1", at * 60, value))
            if at not in late:
                desk.feed(left, at_s=at * 60)
                left = []
            desk.tick(at * 60 + 1)
            if held and at in people:
                kind, actor, for_s, one_shot, level = people[at]
                target = KEY if kind in (HoldKind.SHELVE, HoldKind.UNSHELVE) else "wl-1"
                until_s = None if one_shot else at * 60 + for_s
                desk.hold(kind, target, at * 60 + 2, actor=actor, until_s=until_s, one_shot=one_shot, level=level)
            if held and at in restarts:
                desk.restart()
        desk.tick(len(values) * 60 + 86_400, heard_s=0)  # all holds end
        moves = ("held", "released")
        told = [(e.alarm, e.kind, e.at_us, e.to_level, e.to_condition) for e in desk.events() if e.kind not in moves]
        return [*desk.story(), *told], desk

    plain, _ = story(held=False)
    with_holds, desk = story(held=True)
    assert with_holds == plain
    assert not any(alarm.hold for alarm in desk.alarms() if alarm.stands)
    standing = [a for a in desk.alarms() if a.stands]
    levels = {i.id: i.level for i in desk.incidents()}
    assert all(levels[a.incident] >= a.level for a in standing)  # nothing that stands was forgotten
