"""Incidents, escalation, commands, silence and reload."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from city.geo import Place
from city.levels import Level
from rules.desk.grouping import Nearby, closest
from rules.desk.incidents import Incident
from rules.desk.plan import Grouping
from rules.inputs import BundleIn, CommandKind
from tests.rules.small_city import FILES, T0_US, Desk, city_files, desk_of

RED = [50.0, 50.0]


def test_a_raise_tells_whoever_is_on_duty_with_what_they_need(desk: Desk) -> None:
    desk.series("wl-1", RED)
    (notice,) = desk.notices()
    assert (notice.target, notice.via, notice.channel, notice.level) == ("li", "roster/day", "webhook", Level.RED)
    facts = notice.content["facts"]
    assert notice.content["subject"] == "[红色] 下穿积水 · 磨坊下穿"
    assert (facts["value"], facts["unit"], facts["threshold"], facts["lon"]) == (50.0, "cm", "above 40 cm", 117.2)


def test_unacknowledged_it_steps_up_and_repeats_without_end(desk: Desk) -> None:
    desk.series("wl-1", RED)
    for at in range(60, 60 + 180 + 3 * 300 + 1, 10):
        desk.feed([("wl-1", at, 50.0)], at_s=at)
        desk.tick(at)
    assert [(n.target, n.kind) for n in desk.notices()] == [
        ("li", "raise"), ("bo", "raise"), ("bo", "repeat"), ("bo", "repeat"), ("bo", "repeat"),
    ]  # fmt: skip
    assert len({n.id for n in desk.notices()}) == 5


def test_acknowledged_it_stops_stepping_up_until_the_acknowledgement_expires(desk: Desk) -> None:
    desk.series("wl-1", RED)
    (incident,) = desk.incidents()
    desk.command(CommandKind.ACKNOWLEDGE, incident.id, 100)
    desk.tick(400)
    assert [n.target for n in desk.notices()] == ["li"]
    desk.tick(100 + 900)
    assert "acknowledgement_expired" in desk.said()
    assert [n.target for n in desk.notices()] == ["li", "li"]


def test_overdue_steps_after_downtime_tell_each_person_once_marked_late(desk: Desk) -> None:
    desk.series("wl-1", RED)
    desk.tick(3600)
    assert [(n.target, n.late) for n in desk.notices()] == [("li", False), ("bo", True)]


def test_nobody_on_duty_fires_the_next_step_now() -> None:
    desk = desk_of(city_files(escalation=FILES["escalation.yaml"].replace("mon, tue, wed, thu, fri", "sat")))
    desk.series("wl-1", RED)
    assert [n.target for n in desk.notices()] == ["bo"]
    assert "nobody_on_duty" in desk.said()


def test_a_higher_level_begins_a_new_round_even_when_acknowledged(desk: Desk) -> None:
    desk.series("wl-1", [20] * 4)
    (incident,) = desk.incidents()
    desk.command(CommandKind.ACKNOWLEDGE, incident.id, 200)
    desk.series("wl-1", RED, start_s=240)
    assert [(n.round, n.level) for n in desk.notices()] == [(1, Level.YELLOW), (2, Level.RED)]
    assert not desk.incidents()[0].acknowledged


def test_all_clear_is_told_to_those_who_were_told(desk: Desk) -> None:
    desk.series("wl-1", [*RED, *[0.0] * 12])
    assert [(n.target, n.kind) for n in desk.notices()] == [("li", "raise"), ("li", "clear")]
    assert desk.incidents()[0].level is Level.NONE


def test_a_red_alarm_found_over_in_an_outages_buffer_is_told_with_its_end_and_a_yellow_one_only_kept() -> None:
    for value, kinds in ((50.0, ["raise", "clear"]), (20.0, [])):
        desk = desk_of()
        desk.feed([("wl-1", at * 60, value if at < 4 else 0.0) for at in range(16)], at_s=3600)
        assert [n.kind for n in desk.notices()] == kinds
        assert [(a.late, a.stands) for a in desk.alarms()] == [(True, False)]


def test_alarms_far_apart_are_two_incidents_and_at_one_site_one(desk: Desk) -> None:
    desk.series("wl-1", RED)
    desk.series("wl-2", RED, start_s=120)
    assert len(desk.incidents()) == 2
    desk.series("wl-1", [0.0] * 12 + RED, start_s=300)
    assert len(desk.incidents()) == 2
    assert desk.said().count("joined") == 1


def test_the_closed_loop_and_its_refusals(desk: Desk) -> None:
    desk.series("wl-1", RED)
    (incident,) = desk.incidents()
    desk.command(CommandKind.REPORT, incident.id, 61, note="pumped dry")
    desk.command(CommandKind.CONFIRM, incident.id, 62)
    desk.command(CommandKind.FALSE_ALARM, incident.id, 63)
    desk.command(CommandKind.DISPATCH, incident.id, 64)
    desk.command(CommandKind.ON_SITE, incident.id, 65)
    desk.command(CommandKind.CLOSE, incident.id, 66)
    desk.command(CommandKind.REPORT, incident.id, 67, note="pumped dry")
    desk.series("wl-1", [0.0] * 12, start_s=120)
    desk.command(CommandKind.CLOSE, incident.id, 1000)
    desk.command(CommandKind.CLOSE, incident.id, 1001, actor="Bo")
    commands = [kind for kind in desk.said() if kind not in ("opened", "level")]
    assert commands == [
        "refused_report", "confirm", "refused_false_alarm", "dispatch", "on_site", "refused_close", "report",
        "refused_close", "close",
    ]  # fmt: skip
    assert desk.incidents()[0].stage == "closed"


def test_a_dead_gateway_is_one_alarm_not_one_for_each_sensor(desk: Desk) -> None:
    desk.feed([("wl-1", 0, 0.0), ("wl-2", 0, 0.0), ("rain-1", 0, 0.0)])
    for at in range(60, 1200, 60):
        desk.feed([("wl-1", at, 0.0)])
        desk.tick(at)
    assert [(a.scope, a.diagnostic) for a in desk.alarms("gateway-silent")] == [("g2", True)]
    assert desk.alarms("sensor-silent") == []
    desk.feed([("wl-2", 1200, 0.0)])
    assert desk.story("gateway-silent") == [("g2", Level.YELLOW, 300, 1200)]


def test_one_silent_sensor_of_a_gateway_that_speaks_is_told_by_itself(desk: Desk) -> None:
    for at in range(0, 1200, 60):
        desk.feed([("rain-1", at, 0.0), ("wl-1", at, 0.0)])
        desk.tick(at)
    assert [a.scope for a in desk.alarms("sensor-silent")] == ["wl-2"]
    assert desk.alarms("gateway-silent") == []


def test_a_stopped_recorder_does_not_look_like_a_dead_city(desk: Desk) -> None:
    desk.feed([("wl-1", 0, 0.0), ("wl-2", 0, 0.0)])
    desk.tick(7200, heard_s=10)
    assert desk.alarms("gateway-silent") == []


def test_after_downtime_of_our_own_everybody_gets_their_time_to_be_heard_again(desk: Desk) -> None:
    desk.feed([("wl-1", 0, 0.0), ("wl-2", 0, 0.0), ("rain-1", 0, 0.0)])
    desk.tick(7200, listening_s=7190)
    desk.feed([("rain-1", 7200, 0.0)])  # its gateway is back; wl-2 has had no chance yet
    desk.tick(7250, listening_s=7190)
    assert desk.alarms("gateway-silent") == []
    assert desk.alarms("sensor-silent") == []
    desk.tick(7190 + 301, listening_s=7190)
    assert desk.story("gateway-silent") == [("g1", Level.YELLOW, 7190 + 300, None)]


def test_reload_keeps_timers_of_unchanged_rules_and_active_alarms_of_changed_ones(desk: Desk) -> None:
    desk.series("wl-1", RED)
    files = city_files(rules__depth=FILES["rules/depth.yaml"].replace("above: 40 cm", "above: 45 cm"))
    changed = desk_of(files).checked
    desk.step(BundleIn("c", changed.book, changed.escalation), 100)
    assert desk.story() == [("wl-1", Level.RED, 60, None)]
    desk.series("wl-1", [0.0] * 12, start_s=120)
    assert desk.story() == [("wl-1", Level.RED, 60, 120 + 600)]


def test_a_removed_rule_leaves_its_alarm_for_a_person(desk: Desk) -> None:
    desk.series("wl-1", RED)
    fewer = desk_of(city_files(rules__depth=None)).checked
    desk.step(BundleIn("c", fewer.book, fewer.escalation), 100)
    assert [a.condition for a in desk.alarms()] == ["orphaned"]
    desk.command(CommandKind.CLOSE, desk.incidents()[0].id, 200, note="rule withdrawn")
    assert [(a.condition, a.cleared_us is None) for a in desk.alarms()] == [("normal", False)]


def test_the_same_rows_give_the_same_effects_with_the_same_ids() -> None:
    def story(restarts: bool) -> list[object]:
        desk = desk_of()
        for at in range(30):
            desk.feed([("wl-1", at * 60, 50.0 if 3 < at < 9 else 0.0)])
            desk.tick(at * 60 + 5)
            if restarts:
                desk.restart()
        return list(desk.effects)

    assert story(restarts=True) == story(restarts=False)


@pytest.mark.parametrize("lat", [31.8, -0.0005, 84.9])
def test_an_alarm_joins_the_incident_that_looking_at_all_of_them_finds(lat: float) -> None:
    draw = random.Random(lat)
    incidents: dict[str, Incident] = {}
    nearby, joined = Nearby(incidents, Grouping()), 0
    desk = desk_of()
    desk.series("wl-1", [50, 50])
    alarm = desk.alarms()[0]
    for at in range(600):
        place = Place(lat + draw.uniform(-0.02, 0.02), 117.2 + draw.uniform(-0.02, 0.02))
        site, at_us = draw.choice(["", "up-1", "up-2"] + [f"far-{at}"] * 9), T0_US + at * 20_000_000
        new = replace(alarm, id=f"A-{at}", site=site, raised_us=at_us, diagnostic=draw.random() < 0.2)
        found = nearby.closest(new, place)
        assert found == closest(incidents.values(), new, place, Grouping())
        joined += found is not None
        if found is None or draw.random() < 0.5:
            incident = Incident(f"I-{at}", site, "north", place, {}, new.id, new.diagnostic, at_us, at_us, None)
            incidents[incident.id] = incident
            nearby.note(incident)
        if draw.random() < 0.3:
            gone = incidents[draw.choice(sorted(incidents))]
            gone.closed_us = at_us
            if draw.random() < 0.5:
                del incidents[gone.id]
                nearby.forget(gone)
    assert 100 < joined < 500
