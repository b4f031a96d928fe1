"""Four fields of an alarm, the state derived from them, the latch, and what every transition says."""

from __future__ import annotations

from itertools import product

import pytest

from city.levels import Level
from rules.alarm.alarm import Condition, Hold, state
from rules.inputs import CommandKind, HoldKind
from store.connection import connect
from tests.rules.small_city import FILES, Desk, city_files, desk_of

RED = [50.0, 50.0]
LATCHING = city_files(
    rules__depth=FILES["rules/depth.yaml"].replace("    clear_after: 10m", "    latch: true\n    clear_after: 10m")
)


@pytest.mark.parametrize(
    ("condition", "acknowledged", "hold", "latched", "word"),
    [
        ("active", False, "", False, "unacknowledged"),
        ("clearing", True, "", False, "acknowledged"),
        ("unknown", False, "shelved", False, "shelved"),
        ("active", True, "suppressed", False, "suppressed"),
        ("orphaned", False, "out_of_service", False, "out_of_service"),
        ("normal", True, "", True, "latched"),
        ("normal", False, "shelved", True, "latched"),
        ("normal", False, "", False, "returned_unacknowledged"),
        ("normal", True, "", False, "normal"),
        ("normal", False, "suppressed", False, "normal"),
        ("retracted", False, "", False, "normal"),
    ],
)
def test_the_state_is_derived_from_four_fields(
    condition: str, acknowledged: bool, hold: str, latched: bool, word: str
) -> None:
    assert state(condition, acknowledged, hold, latched) == word


def test_the_database_derives_the_same_state(database: str) -> None:
    cases = list(product(Condition, (True, False), Hold, (True, False)))
    with connect(database) as conn:
        for case in cases:
            (found,) = conn.execute("SELECT lifeline.alarm_state(%s, %s, %s, %s)", case).fetchone() or ("",)
            assert found == state(*case), case


def test_a_life_through_the_states(desk: Desk) -> None:
    def now() -> str:
        return desk.alarms()[-1].state

    desk.series("wl-1", RED)
    (incident,) = desk.incidents()
    assert now() == "unacknowledged"
    desk.command(CommandKind.ACKNOWLEDGE, incident.id, 70)
    assert now() == "acknowledged"
    desk.tick(70 + 900)  # it expires after 15 minutes at red
    assert now() == "unacknowledged"
    desk.series("wl-1", [0.0] * 12, start_s=960)
    assert now() == "returned_unacknowledged"
    desk.command(CommandKind.ACKNOWLEDGE, incident.id, 2000)
    assert now() == "normal"


def test_a_rise_takes_the_acknowledgement_back(desk: Desk) -> None:
    desk.series("wl-1", [20.0] * 4)
    desk.command(CommandKind.ACKNOWLEDGE, desk.incidents()[0].id, 200)
    desk.series("wl-1", RED, start_s=240)
    assert [(a.level, a.state) for a in desk.alarms()] == [(Level.RED, "unacknowledged")]


def test_a_latched_alarm_stays_listed_until_a_person_resets_it_with_a_note() -> None:
    desk = desk_of(LATCHING)
    desk.series("wl-1", RED)
    (incident,) = desk.incidents()
    name = desk.alarms()[0].id
    desk.hold(HoldKind.RESET, name, 100)
    assert desk.held()[-1] == ("refused_reset", "its condition is active, not normal; pump test")
    desk.series("wl-1", [0.0] * 12, start_s=120)
    assert [(a.condition, a.latched, a.state) for a in desk.alarms()] == [("normal", True, "latched")]
    desk.command(CommandKind.CLOSE, incident.id, 900, note="all done")
    assert desk.said()[-1] == "refused_close"
    desk.hold(HoldKind.RESET, name, 950, note=" ")
    assert desk.held()[-1] == ("refused_reset", "reset needs a note that says why")
    desk.restart()
    desk.hold(HoldKind.RESET, name, 960, note="pumped dry, grating free")
    assert [(a.latched, a.acknowledged, a.state) for a in desk.alarms()] == [(False, True, "normal")]
    assert "pumped dry" in desk.events()[-1].reason
    desk.hold(HoldKind.RESET, name, 970)
    assert desk.held()[-1][0] == "refused_reset"
    desk.command(CommandKind.CLOSE, incident.id, 980, note="all done")
    assert desk.incidents()[0].stage == "closed"


def test_a_new_raise_while_one_is_latched_is_a_new_occurrence() -> None:
    desk = desk_of(LATCHING)
    desk.series("wl-1", [*RED, *[0.0] * 12, *RED, *[0.0] * 12])
    assert [(a.latched, a.peak_level) for a in desk.alarms()] == [(True, Level.RED), (True, Level.RED)]
    first, second = (a.id for a in desk.alarms())
    desk.hold(HoldKind.RESET, first, 3000)
    assert [(a.id, a.latched) for a in desk.alarms()] == [(first, False), (second, True)]


def test_late_data_that_raise_again_take_the_latch_back_and_a_reset_holds() -> None:
    desk = desk_of(LATCHING)
    desk.series("wl-1", [*RED, *[0.0] * 11])
    (alarm,) = desk.alarms()
    assert alarm.latched
    desk.hold(HoldKind.RESET, alarm.id, 800)
    desk.feed([("wl-1", 150, 0.0)], at_s=810)  # refolds; the end stays where it was
    assert [a.latched for a in desk.alarms()] == [False]
    desk.feed([("wl-1", 570, 50.0)], at_s=820)  # it had not been over by then
    assert [(a.condition, a.latched, a.cleared_us) for a in desk.alarms()] == [("clearing", False, None)]
    desk.series("wl-1", [0.0] * 10, start_s=840)
    assert [a.latched for a in desk.alarms()] == [True]


def test_every_transition_says_what_was_seen_and_by_which_version(desk: Desk) -> None:
    desk.series("wl-1", [20.0] * 4)
    desk.hold(HoldKind.SHELVE, "depth/wl-1", 200, until_s=1000)
    desk.series("wl-1", RED, start_s=240)
    desk.tick(700)
    desk.series("wl-1", [0.0] * 12, start_s=720)
    version = desk.checked.book.instances["depth/wl-1"].rule.version
    events = [e for e in desk.events() if e.alarm == desk.alarms()[0].id]
    assert [e.kind for e in events] == ["raised", "held", "rose", "released", "data_lost", "data_back", "cleared"]
    for event in events:
        assert event.reason
        assert event.rule_version == version
        (seen,) = event.evidence
        assert (seen["sensor"], seen["unit"], seen["rule_version"]) == ("wl-1", "cm", version)
        assert seen["time_us"] > 0
        assert seen["flag"] == 1
        assert seen["test"].startswith("above")
    assert [(e.from_level, e.to_level) for e in events if e.from_level is not e.to_level] == [
        (Level.NONE, Level.YELLOW), (Level.YELLOW, Level.RED), (Level.RED, Level.NONE),
    ]  # fmt: skip


@pytest.mark.parametrize("noticed", ["by time", "by the next sample"])
def test_who_screams_and_dies_is_shown_with_the_scream(desk: Desk, noticed: str) -> None:
    desk.feed([("wl-1", 0, 50.0), ("rain-1", 0, 0.0)])
    if noticed == "by time":
        desk.tick(400)
    else:
        desk.feed([("wl-1", 400, 0.0)])
    raised = next(e for e in desk.events() if e.kind == "raised" and "gap counts" in e.reason)
    assert raised.at_us == desk.alarms()[0].raised_us
    assert [(e["value"], e["test"], e["truth"]) for e in raised.evidence] == [(50.0, "above 40 cm", "true")]


PASSING = [("wl-1", 60.0 * at, 20.0 if 1 <= at <= 5 else 0.0) for at in range(20)]


def test_below_red_and_over_before_it_was_known_it_waits_for_nobody(desk: Desk) -> None:
    desk.feed(PASSING, at_s=1_200)
    (alarm,) = desk.alarms()
    assert (alarm.state, alarm.acknowledged, alarm.late, alarm.incident) == ("normal", True, True, "")
    assert [(e.kind, e.reason) for e in desk.events()][-1] == ("passed", "over before it was known; nobody was told")
    assert [e.kind for e in desk.events()] == ["raised", "cleared", "passed"]
    assert not desk.notices()
    desk.feed([("wl-1", 340, 0.0)], at_s=1_210)  # late data that change its end say nothing of people
    assert [a.state for a in desk.alarms()] == ["normal"]
    assert [e.kind for e in desk.events()].count("passed") == 1


@pytest.mark.parametrize("latest", [20.0, 50.0])
def test_what_passed_unknown_is_told_when_late_data_show_that_it_stands(desk: Desk, latest: float) -> None:
    desk.feed(PASSING, at_s=1_200)
    desk.feed([("wl-1", at, latest) for at in (930, 990, 1_050, 1_110, 1_139, 1_141)], at_s=1_210)
    desk.feed([("wl-1", 1_150, latest)], at_s=1_220)
    standing = [a for a in desk.alarms() if a.stands]
    assert [(a.acknowledged, a.state) for a in standing] == [(False, "unacknowledged")]
    assert [n.kind for n in desk.notices()] == ["raise"]


def test_what_passed_unknown_and_was_red_after_all_is_told_with_its_end(desk: Desk) -> None:
    desk.feed([row for row in PASSING if not 300 < row[1] < 420], at_s=1_200)
    assert [(a.state, a.peak_level) for a in desk.alarms()] == [("normal", Level.YELLOW)]
    desk.feed([("wl-1", at, 50.0) for at in (330, 391)], at_s=1_210)
    (alarm,) = desk.alarms()
    assert (alarm.peak_level, alarm.stands, alarm.state) == (Level.RED, False, "returned_unacknowledged")
    assert [n.kind for n in desk.notices()] == ["raise", "clear"]
