"""Alarms that another one explains; silent gateways; sensors lost while their alarm stands."""

from __future__ import annotations

import pytest

from city.levels import Level
from rules.inputs import CommandKind, HoldKind
from tests.rules.small_city import FILES, Desk, city_files, desk_of

RED = [50.0, 50.0]
RULES = FILES["rules/depth.yaml"].replace(
    "    clear_after: 10m",
    "    inhibited_by: [{rule: rain, same: SAME}]\n    clear_after: 10m",
) + """
  - id: rain
    title: {en: Heavy rain, zh: 大雨}
    watch: {quantity: rainfall}
    ladder: {blue: {above: 10 mm}}
"""  # fmt: skip


def rainy(same: str) -> Desk:
    return desk_of(city_files(rules__depth=RULES.replace("SAME", same)))


def reasons(desk: Desk, rule: str = "depth") -> list[tuple[str, str]]:
    own = {a.id for a in desk.alarms(rule)}
    return [(e.kind, e.reason) for e in desk.events() if e.alarm in own and e.kind in ("held", "released")]


def test_while_its_source_stands_an_alarm_is_held_and_says_by_which() -> None:
    desk = rainy("district")
    desk.feed([("rain-1", 0, 20.0)])
    desk.series("wl-1", RED)
    (rain,) = desk.alarms("rain")
    assert [(a.state, a.hold_reason) for a in desk.alarms()] == [("suppressed", f"inhibited by {rain.id}")]
    assert desk.notices() == []
    desk.restart()
    desk.feed([("wl-1", 120, 50.0)])
    assert desk.notices() == []  # what inhibits is known before anybody is told after a restart
    desk.feed([("rain-1", 240, 0.0)])
    assert [(n.kind, n.content["facts"]["was_held"]) for n in desk.notices()] == [("raise", "suppressed")]
    assert reasons(desk) == [
        ("held", f"inhibited by {rain.id}"), ("released", "no longer suppressed: what explained it is over"),
    ]  # fmt: skip


def test_raised_before_its_source_the_all_clear_is_still_sent() -> None:
    desk = rainy("district")
    desk.series("wl-1", RED)
    desk.feed([("rain-1", 100, 20.0)])
    assert desk.alarms()[0].state == "suppressed"
    desk.series("wl-1", [0.0] * 12, start_s=120)
    desk.feed([("rain-1", 840, 0.0)])  # in the same incident
    assert [n.kind for n in desk.notices()] == ["raise", "clear"]


@pytest.mark.parametrize(
    ("same", "state"),
    [("sensor", "unacknowledged"), ("site", "unacknowledged"), ("gateway", "unacknowledged"), ("city", "suppressed")],
)
def test_only_the_same_place_is_explained(same: str, state: str) -> None:
    desk = rainy(same)  # the rain gauge is at another site, behind another gateway, in the same city
    desk.feed([("rain-1", 0, 20.0)])
    desk.series("wl-1", RED)
    assert desk.alarms()[0].state == state


def test_a_missing_place_never_matches() -> None:
    files = city_files(rules__depth=RULES.replace("rule: rain, same: SAME", "rule: gateway-silent, same: site"))
    desk = desk_of(files)
    desk.feed([("wl-2", 0, 0.0)])
    for at in range(0, 600, 60):
        desk.feed([("wl-1", at, 50.0)])
        desk.tick(at)
    assert [a.scope for a in desk.alarms("gateway-silent")] == ["g2"]
    assert [a.state for a in desk.alarms()] == ["unacknowledged"]


def test_shelving_the_source_does_not_end_what_it_explains() -> None:
    desk = rainy("city")
    desk.feed([("rain-1", 0, 20.0)])
    desk.hold(HoldKind.SHELVE, "rain/rain-1", 10, until_s=3600)
    desk.series("wl-1", RED, start_s=60)
    assert [a.state for a in (*desk.alarms("rain"), *desk.alarms())] == ["shelved", "suppressed"]


def test_a_higher_level_breaks_through_an_inhibition() -> None:
    desk = rainy("city")
    desk.feed([("rain-1", 0, 20.0)])
    desk.series("wl-1", [20.0] * 4)
    assert desk.notices() == []
    desk.series("wl-1", RED, start_s=240)
    assert [(n.kind, n.level) for n in desk.notices()] == [("raise", Level.RED)]
    assert desk.alarms()[0].state == "unacknowledged"
    desk.series("wl-1", [20.0] * 12, start_s=360)  # back to yellow: explained again
    assert [(a.level, a.state) for a in desk.alarms()] == [(Level.YELLOW, "suppressed")]


def test_out_of_service_and_shelves_come_before_an_inhibition() -> None:
    desk = rainy("city")
    desk.feed([("rain-1", 0, 20.0)])
    desk.series("wl-1", [20.0] * 4)
    desk.hold(HoldKind.SHELVE, "depth/wl-1", 200, until_s=400)
    assert desk.alarms()[0].state == "shelved"
    desk.hold(HoldKind.OUT_OF_SERVICE, "wl-1", 210, until_s=300)
    assert desk.alarms()[0].state == "out_of_service"
    desk.tick(301, heard_s=0)
    assert desk.alarms()[0].state == "shelved"
    desk.tick(401, heard_s=0)
    assert (desk.alarms()[0].state, desk.notices()) == ("suppressed", [])


# -- silence ---------------------------------------------------------------------------------------------------------


def test_a_silent_gateway_lists_what_it_blinds_and_what_stands_there(desk: Desk) -> None:
    desk.feed([("rain-1", 0, 3.0), ("wl-1", 0, 0.0)])
    desk.series("wl-2", RED)
    for at in range(60, 660, 60):
        desk.feed([("wl-1", at, 0.0)])
        desk.tick(at)
    (silent,), (depth,) = desk.alarms("gateway-silent"), desk.alarms()
    assert silent.scope == "g2"
    raised = next(e for e in desk.events() if e.alarm == silent.id)
    assert raised.reason == f"nothing received for 300 s; it blinds 2 sensors, 1 alarms stand on them: {depth.id}"
    assert [(e["sensor"], e["value"], e["test"], e["truth"]) for e in raised.evidence[1:]] == [
        ("wl-2", 50.0, f"stands: depth red {depth.id}", "unknown"),
        ("wl-2", 50.0, "blind: g2 is silent", "unknown"),
        ("rain-1", 3.0, "blind: g2 is silent", "unknown"),
    ]
    assert (depth.condition, depth.level) == ("unknown", Level.RED)
    assert "lost_after" not in [e.kind for e in desk.events()]


def test_when_the_gateway_comes_back_only_the_sensor_that_stays_dead_is_told(desk: Desk) -> None:
    desk.feed([("wl-1", 0, 0.0), ("wl-2", 0, 0.0), ("rain-1", 0, 0.0)])
    for at in range(60, 1800, 60):
        desk.feed([("wl-1", at, 0.0)])
        desk.tick(at)
    for at in range(1800, 3600, 60):
        desk.feed([("wl-1", at, 0.0), ("rain-1", at, 0.0)])
        desk.tick(at)
        if at < 1800 + 600:  # it gets its whole time again
            assert desk.alarms("sensor-silent") == []
    assert desk.story("gateway-silent") == [("g2", Level.YELLOW, 300, 1800)]
    assert desk.story("sensor-silent") == [("wl-2", Level.BLUE, 2400, None)]


def test_a_sensor_already_silent_is_explained_by_its_gateway_from_then_on(desk: Desk) -> None:
    for at in range(0, 900, 60):
        desk.feed([("rain-1", at, 0.0), ("wl-1", at, 0.0)])
        desk.tick(at)
    assert [a.state for a in desk.alarms("sensor-silent")] == ["unacknowledged"]
    for at in range(900, 1800, 60):
        desk.feed([("wl-1", at, 0.0)])
        desk.tick(at)
    (gateway,) = desk.alarms("gateway-silent")
    assert [(a.state, a.hold_reason) for a in desk.alarms("sensor-silent")] == [
        ("suppressed", f"inhibited by {gateway.id}")
    ]


def lost(desk: Desk, values: list[float], until_s: float = 900) -> None:
    """wl-2 says `values` and falls silent; its gateway goes on through the rain gauge."""
    desk.series("wl-2", values)
    desk.feed([("wl-1", 0, 0.0)])
    at = len(values) * 60.0
    while at <= until_s:
        desk.feed([("rain-1", at, 0.0), ("wl-1", at, 0.0)])
        desk.tick(at)
        at += 60


def test_a_sensor_lost_while_its_alarm_stands_raises_it_by_one(desk: Desk) -> None:
    desk.series("wl-2", [20.0] * 4)
    desk.command(CommandKind.ACKNOWLEDGE, desk.incidents()[0].id, 200)
    for at in range(240, 660, 60):
        desk.feed([("rain-1", at, 0.0)])
        desk.tick(at)
    (alarm,) = desk.alarms()
    assert (alarm.level, alarm.peak_level, alarm.condition) == (Level.ORANGE, Level.ORANGE, "unknown")
    assert alarm.state == "unacknowledged"
    moves = [(e.kind, e.from_level, e.to_level) for e in desk.events() if e.alarm == alarm.id]
    assert moves[-2:] == [
        ("data_lost", Level.YELLOW, Level.YELLOW), ("lost_after", Level.YELLOW, Level.ORANGE),
    ]  # fmt: skip
    assert "lost after alarm" in desk.events()[-1].reason
    assert [(n.kind, n.level) for n in desk.notices()] == [("raise", Level.YELLOW), ("raise", Level.ORANGE)]
    desk.feed([("wl-2", 660, 20.0)])
    assert [(a.level, a.peak_level, a.condition) for a in desk.alarms()] == [(Level.YELLOW, Level.ORANGE, "active")]
    assert [e.kind for e in desk.events()][-2:] == ["data_back", "found"]
    desk.series("wl-2", [0.0] * 12, start_s=720)
    assert desk.story() == [("wl-2", Level.ORANGE, 180, 1320)]


def test_red_stays_red(desk: Desk) -> None:
    lost(desk, RED)
    (alarm,) = desk.alarms()
    assert (alarm.level, alarm.condition) == (Level.RED, "unknown")
    assert [e.kind for e in desk.events() if e.alarm == alarm.id] == ["raised", "data_lost", "lost_after"]


@pytest.mark.parametrize("restarts", [False, True])
def test_lost_after_alarm_holds_through_late_data_and_restarts(restarts: bool) -> None:
    def level(desk: Desk) -> tuple[Level, str, Level]:
        if restarts:
            desk.restart()
        (alarm,) = desk.alarms()
        return alarm.level, alarm.condition, alarm.peak_level

    desk = desk_of()
    lost(desk, [20.0] * 5, until_s=600)
    assert level(desk) == (Level.ORANGE, "unknown", Level.ORANGE)
    desk.feed([("wl-2", 90, 20.0)], at_s=610)  # late and of before the end: nothing new is known of now
    assert level(desk) == (Level.ORANGE, "unknown", Level.ORANGE)
    desk.feed([("wl-2", 30, 0.0)], at_s=620)  # late data move the raise: the same alarm, still lost
    assert level(desk) == (Level.ORANGE, "unknown", Level.ORANGE)
    desk.feed([("wl-2", 630, 20.0)], at_s=630)
    assert level(desk) == (Level.YELLOW, "active", Level.ORANGE)


def test_lost_to_the_gateway_first_and_by_itself_after_it_came_back(desk: Desk) -> None:
    desk.series("wl-2", [20.0] * 4)
    for at in range(240, 900, 60):  # its gateway is silent too
        desk.feed([("wl-1", at, 0.0)])
        desk.tick(at)
    assert [(a.level, a.condition) for a in desk.alarms()] == [(Level.YELLOW, "unknown")]
    for at in range(900, 1500, 60):
        desk.feed([("wl-1", at, 0.0), ("rain-1", at, 0.0)])
        desk.tick(at)
        assert desk.alarms()[0].level is (Level.YELLOW if at <= 1200 else Level.ORANGE), at
