"""A drill's engine beside the city's: neither sees the other, and what a drill leaves is marked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from city.levels import Flag, Level
from city.reading import Sample
from rules.drillplan import DrillPlan, DrillSaid
from rules.effects import (
    AlarmEvent,
    AlarmSet,
    ClockSet,
    DrillSet,
    Effect,
    EscalationSet,
    IncidentEvent,
    IncidentSet,
    NoticeQueued,
)
from rules.inputs import CommandKind, ExerciseIn, HoldKind, ReadingsIn
from tests.rules.small_city import FILES, T0_US, Desk, desk_of

HOUR = 3600.0


def plan(*sensors: str, people: tuple[str, ...] = (), until_s: float = HOUR) -> DrillPlan:
    until_us = T0_US + round(until_s * 1e6)
    return DrillPlan("drills/flood.yaml", "abc", {"en": "Flood"}, sensors, people, until_us)


def begin(desk: Desk, *sensors: str, name: str = "D-1", at_s: float = 0, people: tuple[str, ...] = ()) -> list[Effect]:
    return desk.step(DrillSaid(name, "chief", "", plan(*sensors, people=people, until_s=at_s + HOUR)), at_s)


def play(desk: Desk, rows: Iterable[tuple[str, float, float]], at_s: float, name: str = "D-1") -> list[Effect]:
    at_us = T0_US + round(at_s * 1e6)
    samples = [Sample(sensor, T0_US + round(time_s * 1e6), value, Flag.PASS, at_us) for sensor, time_s, value in rows]
    return desk.step(ExerciseIn(name, ReadingsIn(samples), at_us), at_s)


def flooded(desk: Desk, sensor: str = "wl-1", name: str = "D-1", start_s: float = 0) -> IncidentSet:
    """Water over 40 cm for two minutes: one red incident of the drill."""
    for minute in range(3):
        play(desk, [(sensor, start_s + minute * 60, 50.0)], start_s + minute * 60, name)
    return next(row for row in reversed(desk.incidents()) if row.drill == name)


def mark(effect: Effect) -> str:
    """The drill that an effect is of, by what it says of itself; empty for a real one."""
    match effect:
        case AlarmSet():
            return effect.alarm.drill
        case DrillSet():
            return effect.drill.id
        case AlarmEvent():
            return "D" if effect.alarm.startswith("AX-") else ""
        case IncidentEvent() | EscalationSet() | ClockSet():
            return "D" if effect.incident.startswith("IX-") else ""
        case _:
            return str(getattr(effect, "drill", ""))


# -- beside the real city ------------------------------------------------------------------------------------------

SENSORS = ("wl-1", "wl-2", "rain-1")
VALUES = st.sampled_from([0.0, 10.0, 20.0, 30.0, 50.0])
REAL = st.tuples(st.just("real"), st.sampled_from(SENSORS), VALUES)
DRILL = st.tuples(st.just("drill"), st.sampled_from(SENSORS), VALUES)
SAID = st.tuples(st.just("said"), st.sampled_from([CommandKind.ACKNOWLEDGE, CommandKind.DISPATCH]), st.just(0.0))
ROWS = st.lists(st.one_of(REAL, REAL, DRILL, DRILL, SAID), min_size=15, max_size=40)


def lived(rows: list[tuple[str, str, float]], *, with_drill: bool) -> tuple[Desk, list[tuple[int, Effect]]]:
    """A story, minute by minute, and its effects, each with its minute.

    Without the drill its rows are missing, but numbers and instants are the same.
    """
    desk = desk_of()
    found: list[tuple[int, Effect]] = []
    desk.seq += 1
    if with_drill:
        desk.seq -= 1
        found += [(1, e) for e in begin(desk, *SENSORS)]
    for minute, (who, what, value) in enumerate(rows):
        at_s, before = minute * 60.0, len(desk.effects)
        desk.seq += who == "drill" and not with_drill
        if who == "real":
            desk.feed([(what, at_s, value)])
        elif who == "drill" and with_drill:
            play(desk, [(what, at_s, value)], at_s)
        elif who == "said":
            for incident in sorted(desk.engine.state.incidents):
                desk.command(CommandKind(what), incident, at_s)
                break
            else:
                desk.seq += 1
        found += [(minute, effect) for effect in desk.effects[before:]]
        before = len(desk.effects)
        numbered = desk.seq
        desk.tick(at_s + 30, at_s + 30)
        desk.seq = numbered + 1  # a tick that only a drill needs takes a number, too
        found += [(minute, effect) for effect in desk.effects[before:]]
    return desk, found


@settings(max_examples=12, deadline=None)
@given(rows=ROWS)
def test_a_drill_changes_nothing_that_is_real(rows: list[tuple[str, str, float]]) -> None:
    alone, without = lived(rows, with_drill=False)
    beside, both = lived(rows, with_drill=True)
    assert [(at, effect) for at, effect in both if not mark(effect)] == without
    for part in ("folds", "incidents", "hearing", "holds", "verdicts", "floods"):
        assert getattr(beside.engine.state, part) == getattr(alone.engine.state, part), part
    assert not any(mark(effect) for _, effect in without)


@settings(max_examples=6, deadline=None)
@given(rows=ROWS)
def test_the_real_city_changes_nothing_of_a_drill(rows: list[tuple[str, str, float]]) -> None:
    only = [row if row[0] == "drill" else ("said", CommandKind.ACKNOWLEDGE, 0.0) for row in rows]
    _, alone = lived(only, with_drill=True)
    _, both = lived([row if row[0] != "said" else ("real", "wl-1", 50.0) for row in rows], with_drill=True)
    assert [e for _, e in both if mark(e)] == [e for _, e in alone if mark(e)]


def test_the_same_flood_at_the_same_time_is_two_incidents() -> None:
    desk = desk_of()
    begin(desk, "wl-1")
    for minute in range(3):
        at_s = minute * 60.0
        desk.feed([("wl-1", at_s, 50.0)])
        play(desk, [("wl-1", at_s, 50.0)], at_s)
    real, exercise = desk.incidents()
    assert (real.drill, exercise.drill) == ("", "D-1")
    assert (real.id[:2], exercise.id[:3]) == ("I-", "IX-")
    assert (real.level, exercise.level) == (Level.RED, Level.RED)
    raised = [alarm for alarm in desk.alarms() if alarm.level is Level.RED]
    assert raised[0].raised_us == raised[1].raised_us
    assert {alarm.incident for alarm in raised} == {real.id, exercise.id}
    assert {n.drill for n in desk.notices()} == {"", "D-1"}


def test_real_neighbours_do_not_answer_a_drill() -> None:
    near = (
        "red: {all: [{above: 40 cm}, {near: {quantity: water_depth, within: 10 km}, max: 10m, above: 30 cm}], for: 1m}"
    )
    rule = FILES["rules/depth.yaml"].replace("red: {above: 40 cm, for: 1m, deadband: 5 cm}", near)
    desk = desk_of({**FILES, "rules/depth.yaml": rule})
    begin(desk, "wl-1", "wl-2")
    for minute in range(3):
        desk.feed([("wl-2", minute * 60, 50.0)])
    for minute in range(3, 7):
        play(desk, [("wl-1", minute * 60, 50.0)], minute * 60)
    assert [alarm.level for alarm in desk.alarms() if alarm.drill] == [Level.ORANGE]
    play(desk, [("wl-2", 7 * 60, 50.0), ("wl-1", 7 * 60, 50.0), ("wl-1", 8 * 60, 50.0)], 8 * 60)
    assert Level.RED in [alarm.level for alarm in desk.alarms() if alarm.drill]


def test_what_happens_in_a_drill_is_told_to_who_takes_part_and_only_noted_for_the_others() -> None:
    desk = desk_of()
    begin(desk, "wl-1", people=("bo",))
    incident = flooded(desk)
    desk.tick(500)
    told = [effect for effect in desk.effects if isinstance(effect, NoticeQueued) and effect.drill]
    assert {notice.target for notice in told} == {"bo"}
    assert not any("Li Na" in notice.content["facts"]["told"] for notice in told)
    notes = [e.note for e in desk.effects if isinstance(e, IncidentEvent) and e.kind == "not_told"]
    assert notes == ["li (roster/day) by webhook: exercise for bo"]
    assert incident.chain == "drainage"


def test_people_work_through_a_drill_as_through_the_real_thing() -> None:
    desk = desk_of()
    begin(desk, "wl-1")
    incident = flooded(desk).id
    for kind, note in (("acknowledge", ""), ("dispatch", ""), ("on_site", ""), ("report", "shut")):
        desk.command(CommandKind(kind), incident, 200, note, person="li")
    for minute in range(4, 20):
        play(desk, [("wl-1", minute * 60, 0.0)], minute * 60)
    desk.command(CommandKind.CLOSE, incident, 1300, actor="Chief", person="bo")
    (row,) = desk.incidents()
    assert (row.stage, row.level, row.drill) == ("closed", Level.NONE, "D-1")
    desk.command(CommandKind.NOTE, incident, 1310, "late word")
    assert desk.said()[-1] == "refused_note"


def test_a_drill_that_latches_is_reset_by_its_alarms_name() -> None:
    rule = FILES["rules/depth.yaml"] + "    latch: true\n"
    desk = desk_of({**FILES, "rules/depth.yaml": rule})
    begin(desk, "wl-1")
    flooded(desk)
    for minute in range(4, 20):
        play(desk, [("wl-1", minute * 60, 0.0)], minute * 60)
    (alarm,) = desk.alarms()
    assert alarm.latched
    desk.hold(HoldKind.RESET, alarm.id, 1300)
    assert not desk.alarms()[0].latched
    desk.hold(HoldKind.SHELVE, alarm.id, 1310, until_s=1500, level=Level.RED)
    assert desk.held()[-1][0] == "refused_shelve"  # holds are the real city's


# -- the end -------------------------------------------------------------------------------------------------------


def ended(desk: Desk) -> DrillSet:
    return [effect for effect in desk.effects if isinstance(effect, DrillSet)][-1]


@pytest.mark.parametrize("how", ["time", "word"])
def test_at_its_end_nothing_of_a_drill_stands_and_everybody_hears_of_it_once(how: str) -> None:
    desk = desk_of()
    begin(desk, "wl-1", "wl-2")
    flooded(desk)
    desk.tick(500)  # the second step of the chain: bo is told as well
    before = len(desk.effects)
    if how == "time":
        desk.tick(HOUR - 1)
        assert not any(isinstance(effect, DrillSet) for effect in desk.effects[before:])
        desk.tick(HOUR)
    else:
        desk.step(DrillSaid("D-1", "chief", "enough seen"), 900)
    after = desk.effects[before:]
    assert ended(desk).state == "ended"
    assert ended(desk).why == ("its time was up" if how == "time" else "ended by chief: enough seen")
    over = [effect for effect in after if isinstance(effect, NoticeQueued) and effect.kind == "exercise_over"]
    assert sorted(notice.target for notice in over) == ["bo", "li"]
    assert all(notice.drill == "D-1" for notice in over)
    assert {row.stage for row in desk.incidents() if row.drill} == {"closed"}
    last = {e.alarm.id: e.alarm for e in after if isinstance(e, AlarmSet) and e.alarm.drill}
    assert [alarm.condition for alarm in last.values()] == ["retracted"]
    reasons = [e.reason for e in after if isinstance(e, AlarmEvent) and mark(e)]
    assert all(reason.startswith("the exercise is over: ") for reason in reasons)
    assert desk.engine.state.drills == {} == desk.engine.state.exercises
    assert play(desk, [("wl-1", HOUR + 60, 50.0)], HOUR + 60) == []  # what comes late is nobody's


def test_a_drill_whose_player_died_stands_still_and_plays_no_dead_city() -> None:
    desk = desk_of()
    begin(desk, "wl-1")
    flooded(desk)
    for minute in range(5, 59):
        desk.tick(minute * 60)
    assert {e.alarm.rule for e in desk.effects if isinstance(e, AlarmSet) and e.alarm.drill} == {"depth"}
    assert [e.kind for e in desk.events() if e.alarm.startswith("AX-")] == ["raised"]


def test_a_story_may_fall_silent_while_it_is_played() -> None:
    desk = desk_of()
    begin(desk, "wl-1")
    flooded(desk)
    for minute in range(4, 20):
        play(desk, [], minute * 60)  # the player is there, and says nothing
        desk.tick(minute * 60 + 30, minute * 60 + 30)
    told = [effect.alarm.rule for effect in desk.effects if isinstance(effect, AlarmSet) and effect.alarm.drill]
    assert "gateway-silent" in told
    assert "data_lost" in [event.kind for event in desk.events() if event.alarm.startswith("AX-")]


# -- the beginning -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sensors": ("nowhere",)}, "no sensor 'nowhere'"),
        ({"people": ("nobody",)}, "no person 'nobody'"),
        ({"sensors": ()}, "it has 0 sensors"),
        ({"until_us": T0_US + 5 * 3_600_000_000}, "at most 4 h from now"),
        ({"until_us": T0_US - 1}, "at most 4 h from now"),
    ],
)
def test_what_cannot_be_played_is_refused_with_its_reason(change: dict[str, object], why: str) -> None:
    desk = desk_of()
    (row,) = desk.step(DrillSaid("D-1", "chief", "", replace(plan("wl-1"), **change)), 0)  # type: ignore[arg-type]  # one field
    assert isinstance(row, DrillSet)
    assert row.state == "refused"
    assert why in row.why


def test_three_drills_run_at_a_time_each_for_itself() -> None:
    desk = desk_of()
    for number in range(3):
        begin(desk, "wl-1", name=f"D-{number}")
        assert ended(desk).state == "running"
    (refused,) = begin(desk, "wl-1", name="D-3")
    assert isinstance(refused, DrillSet)
    assert "3 drills run already" in refused.why
    one, other = flooded(desk, name="D-0"), flooded(desk, name="D-2")
    assert one.id != other.id
    assert {alarm.drill for alarm in desk.alarms()} == {"D-0", "D-2"}


# -- restarts ------------------------------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None)
@given(cut=st.integers(1, 30))
def test_a_restart_in_the_middle_changes_nothing(cut: int) -> None:
    stories = []
    for restarts in (False, True):
        desk = desk_of()
        begin(desk, "wl-1", "wl-2", people=("li",))
        for minute in range(30):
            if restarts and minute == cut:
                desk.restart()
            play(desk, [("wl-1", minute * 60, 50.0 if minute < 9 else 0.0), ("wl-2", minute * 60, 20.0)], minute * 60)
            desk.tick(minute * 60 + 30)
        desk.tick(HOUR)
        stories.append(desk.effects)
    assert stories[0] == stories[1]


def test_another_city_folder_is_in_force_for_what_runs_too() -> None:
    desk = desk_of()
    begin(desk, "wl-1")
    flooded(desk)
    desk.reload({**FILES, "rules/depth.yaml": FILES["rules/depth.yaml"].replace("40 cm", "60 cm")}, 200)
    changed = [event for event in desk.events() if event.kind == "rule_changed"]
    assert [event.alarm[:3] for event in changed] == ["AX-"]
    (row,) = desk.step(DrillSaid("D-1", "chief", ""), 300)[-1:]
    assert isinstance(row, DrillSet)
    assert row.state == "ended"
