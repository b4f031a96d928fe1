"""An alarm that stands acknowledged for too long calls people again, from the first step of its chain."""

from __future__ import annotations

from rules.check import check_files
from rules.inputs import CommandKind
from tests.rules.small_city import FILES, Desk, city_files, desk_of

RULES = FILES["rules/depth.yaml"] + "    realarm_after: {yellow: 30m, red: 5m}\n"


def waits(desk: Desk, from_s: int, to_s: int) -> None:
    """Water stands, and time goes on."""
    for at in range(from_s, to_s, 60):
        desk.feed([("wl-1", at, 20.0)])
        desk.tick(at)


def told(desk: Desk) -> list[str]:
    return [n.kind for n in desk.notices() if n.target == "li"]


def test_it_calls_again_whatever_was_done_until_it_is_over() -> None:
    desk = desk_of(city_files(rules__depth=RULES))
    waits(desk, 0, 240)
    (incident,) = desk.incidents()
    desk.command(CommandKind.ACKNOWLEDGE, incident.id, 240)
    desk.command(CommandKind.DISPATCH, incident.id, 250)
    waits(desk, 240, 250 + 1800)
    assert told(desk) == ["raise"]
    waits(desk, 2100, 2200)
    assert told(desk) == ["raise", "raise"]
    assert "realarmed" in desk.said()
    assert desk.alarms()[0].acknowledged is False
    desk.command(CommandKind.ACKNOWLEDGE, incident.id, 2200)
    desk.restart()
    desk.series("wl-1", [0.0] * 60, start_s=2220)
    desk.tick(6000)
    assert told(desk) == ["raise", "raise", "clear"]


def test_a_changed_rule_changes_it_for_what_stands_and_restarts_no_timer() -> None:
    desk = desk_of()
    waits(desk, 0, 240)
    (incident,) = desk.incidents()
    desk.command(CommandKind.ACKNOWLEDGE, incident.id, 240)
    desk.reload(city_files(rules__depth=RULES), 300)
    waits(desk, 300, 240 + 1800)
    assert told(desk) == ["raise"]
    waits(desk, 2040, 2100)
    assert told(desk) == ["raise", "raise"]
    assert not [e for e in desk.events() if e.kind == "rule_changed"]


def test_it_takes_levels_and_times() -> None:
    wrong = FILES["rules/depth.yaml"] + "    realarm_after: {yelow: 30m, red: soon, orange: 0s}\n"
    assert [str(fault).partition(",")[0] for fault in check_files(city_files(rules__depth=wrong))] == [
        "rules/depth.yaml:14:21: unknown key 'yelow'",
        "rules/depth.yaml:14:38: red: not a duration",
        "rules/depth.yaml:14:52: orange: expected a duration above 0",
    ]
