"""The closed loop: stages, clocks, levels that fall, closing, and what Lifeline says of itself."""

from __future__ import annotations

import pytest

from city.levels import Level
from rules.effects import AlarmSet, IncidentEvent, IncidentSet, NoticeQueued
from rules.inputs import CommandKind, HoldKind, PlatformIn, platform_row, said
from tests.rules.loop_world import (
    DRY,
    ESCALATION,
    ORANGE,
    RED,
    YELLOW,
    clocks,
    loop_city,
    notes,
    red_desk,
    say,
    steps,
    told,
)
from tests.rules.small_city import FILES, T0_US, Desk, city_files, desk_of

HOUR = 3600.0


# -- stages ------------------------------------------------------------------------------------------------------------


def test_every_stage_may_be_gone_through_or_skipped_forward_and_never_back() -> None:
    desk, incident = red_desk()
    road = ("confirm", "analyse", "dispatch", "on_site", "report")
    for at, kind in enumerate(road):
        assert say(desk, kind, incident, 70 + at, note="seen") == kind
        for earlier in road[: at + 1]:
            assert say(desk, earlier, incident, 70 + at, note="seen").startswith(f"refused_{earlier}")
    straight, incident = red_desk()
    assert say(straight, "on_site", incident, 70) == "on_site"
    assert straight.incidents()[0].stage == "on_site"


def test_a_second_crew_says_so_too_and_the_same_one_not_twice() -> None:
    desk, incident = red_desk()
    assert say(desk, "dispatch", incident, 70, "Li Na") == "dispatch"
    assert say(desk, "dispatch", incident, 71, "Bo") == "dispatch"
    assert say(desk, "dispatch", incident, 72, "  li  NA ") == "refused_dispatch:   li  NA  has said dispatch already"
    assert desk.incidents()[0].stage == "dispatched"


def test_a_note_changes_nothing_but_the_record_and_the_version() -> None:
    desk, incident = red_desk()
    before = desk.incidents()[0]
    assert say(desk, "note", incident, 70, note="police close the road") == "note"
    after = desk.incidents()[0]
    assert (after.stage, after.acknowledged, after.version) == (before.stage, False, before.version + 1)
    assert say(desk, "note", incident, 71).endswith("note needs a note")


def test_whoever_saw_an_older_version_is_refused_and_what_is_refused_changes_nothing() -> None:
    desk, incident = red_desk()
    seen = desk.incidents()[0].version
    desk.command(CommandKind.CONFIRM, incident, 70, expected=seen)
    assert desk.incidents()[0].stage == "confirmed"
    was = desk.engine.state.incidents[incident]
    before = (was.version, was.stage, was.acknowledged_us, list(was.due), list(was.clocks))
    refused = desk.command(CommandKind.DISPATCH, incident, 71, actor="Bo", expected=seen)
    assert [e.note for e in refused if isinstance(e, IncidentEvent)] == [
        f"it has moved on: version {seen + 1}, you saw {seen}"
    ]
    assert (was.version, was.stage, was.acknowledged_us, list(was.due), list(was.clocks)) == before


def test_false_alarm_ends_steps_and_clocks_and_tells_whoever_was_told_but_not_who_said_it() -> None:
    desk, incident = red_desk()
    desk.tick(60 + 180)
    at = len(desk.effects)
    say(desk, "false_alarm", incident, 310, "Bo", "a truck splashed it")
    notices = [e for e in desk.effects[at:] if isinstance(e, NoticeQueued)]
    assert [(n.target, n.kind) for n in notices] == [("li", "update")]
    facts = notices[0].content["facts"]
    assert (facts["change"], facts["stage"], facts["by"], facts["reason"]) == (
        "false_alarm", "false_alarm", "Bo", "a truck splashed it",
    )  # fmt: skip
    assert {state for state, _ in clocks(desk).values()} <= {"met", "missed", "cancelled"}
    assert "due" not in steps(desk).values()
    at = len(desk.effects)
    desk.tick(9 * HOUR)
    assert (told(desk, at), notes(desk, "clock_missed")) == ([], ["acknowledge: not within 3 min at red"])


def test_a_rise_after_a_false_alarm_begins_the_loop_again() -> None:
    desk = desk_of(loop_city())
    desk.series("wl-1", [YELLOW] * 4)
    (incident,) = desk.incidents()
    say(desk, "false_alarm", incident.id, 200, note="leaves")
    desk.series("wl-1", [RED, RED], start_s=240)
    (incident,) = desk.incidents()
    assert (incident.stage, incident.level, incident.acknowledged) == ("raised", Level.RED, False)
    assert "reopened" in desk.said()
    assert say(desk, "dispatch", incident.id, 310) == "dispatch"


# -- closing -----------------------------------------------------------------------------------------------------------


def test_closing_says_all_that_is_missing_at_once() -> None:
    desk, incident = red_desk()
    say(desk, "dispatch", incident, 70, "Li Na")
    why = say(desk, "close", incident, 80, "李娜")
    for part in ("not of the crew", "still stands", "nobody has reported"):
        assert part in why


@pytest.mark.parametrize("closer", ["li", "Li Na", "LI  NA", "李娜"])
def test_red_is_not_closed_by_whoever_went_under_any_name(closer: str) -> None:
    desk, incident = red_desk()
    desk.command(CommandKind.ON_SITE, incident, 70, actor="li", person="li")
    desk.command(CommandKind.REPORT, incident, 80, "pumped", actor="li", person="li")
    desk.series("wl-1", [DRY] * 12, start_s=120)
    assert "not of the crew" in say(desk, "close", incident, 1000, closer, "all done")
    assert say(desk, "close", incident, 1001, "Bo") == "close"


def test_yellow_is_closed_by_whoever_went() -> None:
    desk = desk_of(loop_city())
    desk.series("wl-1", [YELLOW] * 4)
    incident = desk.incidents()[0].id
    say(desk, "on_site", incident, 200)
    say(desk, "report", incident, 210, note="swept")
    desk.series("wl-1", [DRY] * 12, start_s=240)
    assert say(desk, "close", incident, 1000) == "close"
    assert {state for state, _ in clocks(desk).values()} <= {"met", "missed", "cancelled"}


# -- clocks ------------------------------------------------------------------------------------------------------------


def test_clocks_are_met_by_what_people_do_and_missed_ones_call_the_next_step() -> None:
    desk, incident = red_desk()
    assert clocks(desk)["on_site"] == ("running", 1800)
    say(desk, "acknowledge", incident, 100)
    assert clocks(desk)["acknowledge"][0] == "met"
    at = len(desk.effects)
    desk.tick(60 + 300)
    assert clocks(desk)["confirm"][0] == "missed"
    assert told(desk, at) == [("bo", "clock_missed")]  # `unless: acknowledged` does not stop a missed clock
    facts = next(e for e in desk.effects[at:] if isinstance(e, NoticeQueued)).content["facts"]
    assert (facts["clock"], facts["due_at"]) == ("confirm", "2026-07-01T10:06:00+00:00")
    at = len(desk.effects)
    desk.tick(60 + 600)  # dispatch is missed too; bo's repeat is due as well
    assert sorted(told(desk, at)) == [("bo", "repeat"), ("wu", "clock_missed")]
    assert notes(desk, "clock_missed") == ["confirm: not within 5 min at red", "dispatch: not within 10 min at red"]


def test_when_no_step_is_left_a_missed_clock_calls_the_fallback() -> None:
    desk = desk_of(loop_city())
    desk.series("wl-1", [YELLOW] * 4)
    incident = desk.incidents()[0].id
    say(desk, "acknowledge", incident, 200)
    desk.tick(180 + 3601)
    assert told(desk) == [("li", "raise"), ("bo", "clock_missed")]
    desk = desk_of(loop_city(ESCALATION.replace("dispatch: 60m", "dispatch: 60m, close: 61m")))
    desk.series("wl-1", [YELLOW] * 4)
    incident = desk.incidents()[0].id
    say(desk, "acknowledge", incident, 200)
    desk.tick(180 + 3601)
    say(desk, "dispatch", incident, 3800)
    desk.tick(180 + 3661)
    assert told(desk)[-1] == ("wu", "clock_missed")


def test_a_rise_begins_the_clocks_again_and_gives_nobody_more_time() -> None:
    desk = desk_of(loop_city(ESCALATION.replace("dispatch: 60m", "dispatch: 6m")))
    desk.series("wl-1", [YELLOW] * 4)  # since 180 s, to be gone to by 540 s
    desk.series("wl-1", [RED, RED], start_s=240)
    assert clocks(desk)["dispatch"] == ("running", 540 - 300)
    assert clocks(desk)["on_site"] == ("running", 1800)


def test_a_rise_asks_nobody_for_what_is_done() -> None:
    desk = desk_of(loop_city())
    desk.series("wl-1", [YELLOW] * 4)
    say(desk, "dispatch", desk.incidents()[0].id, 200)
    desk.series("wl-1", [RED, RED], start_s=240)
    running = {name for name, (state, _) in clocks(desk).items() if state == "running"}
    assert running == {"acknowledge", "on_site", "report", "close"}
    assert desk.incidents()[0].stage == "dispatched"


def test_a_fall_leaves_the_clocks_and_all_clear_ends_those_that_ask_to_go() -> None:
    desk, _ = red_desk()
    desk.series("wl-1", [YELLOW] * 17, start_s=120)
    for at in range(120, 1200, 60):
        desk.tick(at)
    assert desk.incidents()[0].level is Level.YELLOW
    assert clocks(desk)["on_site"] == ("running", 1800)
    assert clocks(desk)["dispatch"][0] == "missed"
    desk.series("wl-1", [DRY] * 12, start_s=1140)
    assert desk.incidents()[0].level is Level.NONE
    assert clocks(desk)["on_site"][0] == "cancelled"
    assert clocks(desk)["close"][0] == "running"
    at = len(desk.effects)
    desk.tick(60 + 4 * HOUR)
    assert told(desk, at) == [("wu", "clock_missed")]


def test_after_downtime_everything_overdue_is_one_notice_for_each_person_marked_late() -> None:
    desk, _ = red_desk()
    desk.tick(2 * HOUR)
    late = [e for e in desk.effects if isinstance(e, NoticeQueued)][1:]
    assert sorted(n.target for n in late) == ["bo", "wu"]
    assert all(n.late for n in late)


def test_steps_due_together_tell_a_person_by_each_channel_and_after_downtime_once() -> None:
    both = ESCALATION.replace(
        "- {notify: roster/day, via: [webhook]}",
        "- {notify: roster/day, via: [webhook]}\n"
        "      - {notify: person/bo, via: [mail]}\n"
        "      - {notify: person/bo, via: [webhook]}\n"
        "      - {notify: group/ops, via: [webhook, mail]}\n"
        "      - {after: 10m, notify: person/wu, via: [mail]}\n"
        "      - {after: 59m, notify: person/wu, via: [webhook]}",
    )
    desk, _ = red_desk(both)
    first = [(e.target, e.channel) for e in desk.effects if isinstance(e, NoticeQueued)]
    assert first == [("li", "webhook"), ("bo", "mail"), ("bo", "webhook")]
    facts = next(e for e in desk.effects if isinstance(e, NoticeQueued) and e.channel == "mail").content["facts"]
    assert [(one["name"], one["by"]) for one in facts["told"]] == [("Li Na", "webhook")]
    desk.tick(HOUR)
    late = [e.target for e in desk.effects if isinstance(e, NoticeQueued)][len(first) :]
    assert sorted(late) == ["bo", "wu"]


# -- levels ------------------------------------------------------------------------------------------------------------


def test_the_level_rises_at_once_and_falls_when_the_lower_one_has_held_and_then_tells_without_paging() -> None:
    desk, _ = red_desk()
    desk.series("wl-1", [YELLOW] * 11, start_s=120)  # 10 min below red's 35 cm: the alarm falls at 720 s
    assert desk.alarms()[0].level < Level.RED
    incident = desk.incidents()[0]
    assert (incident.level, incident.falls_us) == (Level.RED, T0_US + (720 + 300) * 1_000_000)
    at = len(desk.effects)
    desk.tick(1019)
    assert desk.incidents()[0].level is Level.RED
    desk.tick(1020)
    assert desk.incidents()[0].level is Level.YELLOW
    assert ("li", "update") in told(desk, at)
    assert "red to yellow, it held for 5 min" in notes(desk, "level")


def test_a_level_that_comes_back_before_it_held_does_not_fall() -> None:
    desk, _ = red_desk()
    desk.series("wl-1", [YELLOW] * 11, start_s=120)
    desk.series("wl-1", [RED, RED], start_s=780)
    desk.tick(2000)
    assert desk.incidents()[0].level is Level.RED
    assert not [note for note in notes(desk, "level") if note.startswith("red to")]


def test_it_falls_no_lower_than_anything_that_stood_meanwhile() -> None:
    desk, _ = red_desk()
    desk.series("wl-1", [YELLOW] * 11, start_s=120)  # yellow from 720 s on
    desk.series("wl-1", [ORANGE] * 3, start_s=780)  # orange at 900 s
    desk.tick(1019)
    desk.series("wl-1", [YELLOW], start_s=1020)
    desk.tick(1020)
    assert desk.incidents()[0].level is Level.ORANGE
    desk = desk_of(loop_city(ESCALATION.replace("falls_after: 5m", "falls_after: 20m")))
    desk.series("wl-1", [RED, RED, *[ORANGE] * 11])  # orange from 720 s on
    desk.series("wl-1", [YELLOW] * 20, start_s=780)  # yellow from 1380 s on
    assert desk.alarms()[0].level is Level.YELLOW
    desk.tick(720 + 1200)
    assert desk.incidents()[0].level is Level.ORANGE  # not yet down to the lowest
    desk.tick(720 + 2400)
    assert desk.incidents()[0].level is Level.YELLOW


def test_all_clear_is_told_at_once() -> None:
    desk, _ = red_desk()
    desk.series("wl-1", [DRY] * 12, start_s=120)
    assert ("li", "clear") in told(desk)
    assert desk.incidents()[0].level is Level.NONE


# -- facts -------------------------------------------------------------------------------------------------------------


def test_a_notice_says_how_the_value_moves_and_who_was_told_when_by_what() -> None:
    desk = desk_of(loop_city())
    desk.series("wl-1", [10, 20, 30, 42, 52])
    (notice,) = desk.notices()
    assert notice.content["facts"]["trend"]["per_hour"] == pytest.approx(630, rel=0.1)
    assert notice.content["facts"]["trend"]["zh"].startswith("上升，每小时 6")
    desk.tick(180 + 240 + 60)
    bo = desk.notices()[-1]
    assert bo.target == "bo"
    assert bo.content["facts"]["told"] == [
        {"name": "Li Na", "at": "2026-07-01T10:04:00+00:00", "by": "webhook", "via": "roster/day"}
    ]


def test_a_notice_says_the_sites_address_in_the_persons_language() -> None:
    sites = FILES["sites.geojson"].replace(
        '"zh": "磨坊下穿"}', '"zh": "磨坊下穿"}, "address": {"en": "Mill Road 3", "zh": "磨坊路3号"}'
    )
    desk = desk_of({**loop_city(), "sites.geojson": sites})
    desk.series("wl-1", [RED, RED])
    assert desk.notices()[0].content["facts"]["address"] == "磨坊路3号"


def test_held_alarms_end_the_clocks_and_releasing_them_begins_them_again() -> None:
    desk = desk_of(loop_city())
    desk.series("wl-1", [ORANGE] * 3)
    desk.hold(HoldKind.SHELVE, "depth/wl-1", 130, until_s=1800)
    assert clocks(desk)["dispatch"][0] == "cancelled"
    assert desk.incidents()[0].level is Level.NONE
    desk.tick(1801)
    assert clocks(desk)["dispatch"] == ("running", 1200)
    assert told(desk)[-1] == ("li", "raise")


# -- what Lifeline says of itself --------------------------------------------------------------------------------------


def platform(desk: Desk, scope: str, state: str, at_s: float, level: Level = Level.ORANGE) -> None:
    told_us = T0_US + round(at_s * 1e6)
    entry = said("platform", platform_row(PlatformIn("channel", scope, state, "no answer for 5 min", told_us, level)))
    desk.step(entry, at_s)


def test_a_failing_channel_is_an_incident_of_its_own_told_another_way_until_it_works() -> None:
    desk = desk_of(loop_city())
    platform(desk, "webhook", "fault", 10)
    platform(desk, "webhook", "fault", 20)
    (notice,) = [e for e in desk.effects if isinstance(e, NoticeQueued)]
    assert (notice.target, notice.channel, notice.level, notice.content["fallback"]) == ("bo", "mail", Level.ORANGE, [])
    assert "webhook" in notice.content["subject"]
    said = notice.content["facts"]
    assert (said["lon"], said["sensor"], said["evidence"], said["reason"]) == (None, "", [], "no answer for 5 min")
    platform(desk, "mail", "fault", 30)
    assert len(desk.incidents()) == 2
    assert [e.channel for e in desk.effects if isinstance(e, NoticeQueued)][-1] == "webhook"  # rather any than none
    platform(desk, "webhook", "ok", 60)
    desk.restart()
    assert told(desk)[-1] == ("bo", "clear")
    platform(desk, "webhook", "fault", 120)  # the same part again: the same incident
    assert len(desk.incidents()) == 2
    alarms = {e.alarm.id: e.alarm for e in desk.effects if isinstance(e, AlarmSet)}
    assert {(a.rule, a.scope, a.diagnostic, a.domain) for a in alarms.values()} == {
        ("platform-channel", "webhook", True, "platform"), ("platform-channel", "mail", True, "platform"),
    }  # fmt: skip


def test_what_lifeline_says_of_itself_outlives_a_reload() -> None:
    desk = desk_of(loop_city())
    platform(desk, "webhook", "fault", 10)
    desk.reload(city_files(escalation=ESCALATION, rules__depth=None), 20)
    assert [e.alarm.condition for e in desk.effects if isinstance(e, AlarmSet)][-1] == "active"
    platform(desk, "webhook", "ok", 60)
    assert [e for e in desk.effects if isinstance(e, IncidentSet)][-1].level is Level.NONE
