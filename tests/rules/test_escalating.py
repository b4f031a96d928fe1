"""Chains at work: who is called when somebody cannot go or nobody is there, and how long they go on."""

from __future__ import annotations

from rules.effects import NoticeQueued
from tests.rules.loop_world import (
    ESCALATION,
    ORANGE,
    RED,
    loop_city,
    red_desk,
    say,
    steps,
    told,
)
from tests.rules.small_city import desk_of

HOUR = 3600.0


# -- who cannot go -----------------------------------------------------------------------------------------------------


def test_whoever_cannot_go_makes_the_next_step_fire_now_and_is_not_told_again_in_the_round() -> None:
    desk, incident = red_desk()
    at = len(desk.effects)
    say(desk, "cannot_go", incident, 70, "li", "flat tyre")
    assert told(desk, at) == [("bo", "raise")]
    facts = next(e for e in desk.effects[at:] if isinstance(e, NoticeQueued)).content["facts"]
    assert facts["cannot"] == ["Li Na"]
    assert [one["name"] for one in facts["told"]] == ["Li Na"]
    at = len(desk.effects)
    say(desk, "cannot_go", incident, 80, "Bo", "too far")
    assert told(desk, at) == [("wu", "raise")]
    at = len(desk.effects)
    say(desk, "cannot_go", incident, 90, "Wu", "ill")
    assert {name for name, _ in told(desk, at)} == {"li", "bo", "wu"}  # nobody else is left
    assert desk.incidents()[0].stage == "raised"


def test_the_fallback_hears_of_no_empty_roster_when_somebody_was_there_and_cannot_go() -> None:
    desk, incident = red_desk(ESCALATION.replace("group/ops", "roster/day").replace("person/wu", "roster/day"))
    at = len(desk.effects)
    for _ in range(3):
        say(desk, "cannot_go", incident, 70, "Bo", "not mine")
    assert told(desk, at)[-1] == ("wu", "raise")


def test_the_one_who_acknowledged_and_then_cannot_go_leaves_it_unacknowledged() -> None:
    desk, incident = red_desk()
    say(desk, "dispatch", incident, 70, "li")
    say(desk, "cannot_go", incident, 80, "li", "flat tyre")
    assert not desk.incidents()[0].acknowledged
    assert told(desk)[-1] == ("bo", "raise")
    assert say(desk, "dispatch", incident, 90, "Bo") == "dispatch"
    assert desk.incidents()[0].acknowledged


def test_while_others_go_nobody_more_is_called() -> None:
    desk, incident = red_desk()
    say(desk, "dispatch", incident, 70, "Bo")
    at = len(desk.effects)
    say(desk, "cannot_go", incident, 80, "li", "off duty")
    assert told(desk, at) == []
    assert desk.incidents()[0].acknowledged


def test_nobody_on_duty_nor_behind_the_fallback_of_a_red_one_is_tried_again_for_ever() -> None:
    alone = ESCALATION.replace("mon, tue, wed, thu, fri", "sun").replace("ops: [bo], bosses: [wu]", "ops: [roster/day]")
    alone = alone.replace(
        "      - {after: 40m, unless: on_site, notify: person/wu, via: [webhook], levels: [red]}\n", ""
    )
    desk, _ = red_desk(alone.replace("group/bosses", "group/ops"))
    assert told(desk) == []
    assert "nobody_left" in desk.said()
    friday = alone.replace("[sun]", "[sun, wed]").replace("group/bosses", "group/ops")
    desk.reload(loop_city(friday), 70)
    desk.tick(60 + 301)
    assert told(desk) == [("li", "clock_missed")]


# -- chains ------------------------------------------------------------------------------------------------------------


def test_an_incident_goes_on_with_the_chain_it_opened_with_whatever_the_file_says_now() -> None:
    desk, _ = red_desk()
    version = desk.incidents()[0].chain_version
    changed = ESCALATION.replace(
        "notify: group/ops\n        via: [webhook, mail]", "notify: person/wu\n        via: [webhook]"
    )
    desk.reload(
        loop_city(
            changed.replace("  mail: {type: smtp, host: mail.example.org, from: desk@example.org}\n", "").replace(
                ", mail]", "]"
            )
        ),
        70,
    )
    desk.restart()
    desk.tick(60 + 240)
    assert ("bo", "clock_missed") in told(desk)
    assert desk.incidents()[0].chain_version == version
    assert [step["notify"] for step in desk.incidents()[0].chain_copy["steps"]][1] == "group/ops"


def test_a_capped_repeat_ends_but_not_while_red() -> None:
    orange = desk_of(
        loop_city(ESCALATION.replace("orange: {acknowledge: 5m, confirm: 10m, dispatch: 20m,", "orange: {"))
    )
    orange.series("wl-1", [ORANGE] * 3)
    red, _ = red_desk(
        ESCALATION.replace("confirm: 5m, dispatch: 10m, on_site: 30m, report: 2h,", "").replace("acknowledge: 3m, ", "")
    )
    for desk, level in ((orange, ORANGE), (red, RED)):
        for at in range(120, 3700, 60):
            desk.feed([("wl-1", at + 60, level)])
            desk.tick(at + 60)
    assert told(orange).count(("bo", "repeat")) == 2
    assert told(red).count(("bo", "repeat")) > 8


def test_an_incident_without_new_readings_for_a_day_is_listed_and_not_repeated_but_a_red_one_is() -> None:
    free = ESCALATION.replace(", times: 2", "").replace(
        "orange: {acknowledge: 5m, confirm: 10m, dispatch: 20m,", "orange: {"
    )
    for level, quiet in ((ORANGE, True), (RED, False)):
        desk = desk_of(loop_city(free))
        desk.series("wl-1", [level] * 3)
        for at in range(300, round(30 * HOUR), 300):
            desk.tick(at, heard_s=200)
        assert (desk.said().count("quiet") == 1) is quiet
        late = [e.target for e in desk.effects if isinstance(e, NoticeQueued)]
        repeats = [key for key, state in steps(desk).items() if key[1] == 1 and state == "fired"]
        assert late
        assert (len(repeats) < 290) is quiet
        assert desk.incidents()[0].closed_us is None
        at = len(desk.effects)
        desk.tick(40 * HOUR, heard_s=200)
        assert (told(desk, at) == []) is quiet


def test_readings_that_come_back_call_people_again_when_it_still_stands() -> None:
    free = ESCALATION.replace(", times: 2", "").replace(
        "orange: {acknowledge: 5m, confirm: 10m, dispatch: 20m,", "orange: {"
    )
    desk = desk_of(loop_city(free))
    desk.series("wl-1", [ORANGE] * 3)
    for at in range(300, round(26 * HOUR), 300):
        desk.tick(at)
    assert "quiet" in desk.said()
    at = len(desk.effects)
    desk.feed([("wl-1", 27 * HOUR, ORANGE)])
    assert "readings_back" in desk.said()
    assert told(desk, at) != []
