"""Another book is put in force: what did not change goes on to the microsecond; what stands waits for its end."""

from __future__ import annotations

import pytest

from city.errors import FaultyInput
from city.levels import Level
from rules.inputs import CommandKind, HoldKind
from tests.rules.small_city import FILES, T0_US, Desk, city_files, desk_of

DEPTH = FILES["rules/depth.yaml"]
RED = [50.0, 50.0]


def changed(old: str, new: str, text: str = DEPTH) -> dict[str, str]:
    assert old in text
    return city_files(rules__depth=text.replace(old, new))


TEXT_ONLY = [
    ("title: {en: Water in an underpass, zh: 下穿积水}", "title: {en: Deep water, zh: 深水}"),
    ("    escalate: drainage", "    escalate: drainage\n    guidance: {en: close the road, zh: 封路}"),
    ("    escalate: drainage", "    escalate: drainage\n    source: {text: city standard, status: site}"),
    ("    escalate: drainage", "    latch: true"),
]


@pytest.mark.parametrize(("old", "new"), [("for: 1m", "for: 1m"), *TEXT_ONLY])
def test_timers_of_what_did_not_change_go_on_to_the_microsecond(old: str, new: str) -> None:
    """Another rule changes beside it, or only its words do: raise and clear come at the very instants."""
    platform = FILES["rules/platform.yaml"].replace("silent: 5m", "silent: 6m")
    files = changed(old, new) | {"rules/platform.yaml": platform}
    desk, plain = desk_of(), desk_of()
    start, false = 7_000_001, 130_000_003
    ups = [start, start + 59_999_999, start + 60_000_001]
    downs = [false, false + 250_000_000, false + 500_000_000, false + 599_999_999, false + 600_000_001]
    for at, at_us in enumerate([*ups, *downs]):
        for each in (desk, plain):
            each.feed([("wl-1", at_us / 1e6, 50.0 if at_us in ups else 0.0)])
        desk.reload(files if at % 2 == 0 else dict(FILES), at_us / 1e6)
    (alarm,), (same,) = desk.alarms(), plain.alarms()
    assert (alarm.raised_us, alarm.cleared_us) == (T0_US + start + 60_000_000, T0_US + false + 600_000_000)
    assert (alarm.raised_us, alarm.cleared_us, alarm.id) == (same.raised_us, same.cleared_us, same.id)


def test_a_changed_rule_starts_what_is_pending_over(desk: Desk) -> None:
    desk.series("wl-1", [50.0])
    desk.reload(changed("above: 40 cm, for: 1m", "above: 40 cm, for: 2m"), 30)
    desk.series("wl-1", [50.0] * 3, start_s=60)
    assert [(a.raised_us - T0_US) / 1e6 for a in desk.alarms()] == [60 + 120]


def test_what_stands_waits_for_the_new_clear_condition_and_says_so(desk: Desk) -> None:
    desk.series("wl-1", RED)
    old = desk.checked.book.instances["depth/wl-1"].rule.version
    desk.reload(
        changed("yellow: {above: 15 cm, for: 3m, deadband: 3 cm}", "yellow: {above: 6 cm, for: 3m, deadband: 1 cm}"), 70
    )
    new = desk.checked.book.instances["depth/wl-1"].rule.version
    event = desk.events()[-1]
    assert (event.kind, event.rule_version) == ("rule_changed", new)
    assert event.reason == f"its rule changed from {old} to {new}: only the new conditions clear it"
    desk.series("wl-1", [8.0] * 14, start_s=120)  # below the old yellow, above the new one
    assert [(a.level, a.cleared_us, a.rule_version) for a in desk.alarms()] == [(Level.YELLOW, None, new)]
    desk.series("wl-1", [0.0] * 12, start_s=960)
    assert desk.story() == [("wl-1", Level.RED, 60, 960 + 600)]


def test_a_change_of_words_is_told_by_the_version_alone(desk: Desk) -> None:
    desk.series("wl-1", [20.0] * 4)
    before = len(desk.events())
    desk.reload(changed(*TEXT_ONLY[0]), 200)
    assert len(desk.events()) == before
    desk.series("wl-1", RED, start_s=240)
    version = desk.checked.book.instances["depth/wl-1"].rule.version
    assert {e.rule_version for e in desk.events()[before:]} == {version}
    assert {seen["rule_version"] for e in desk.events()[before:] for seen in e.evidence} == {version}


def test_a_latch_that_comes_while_an_alarm_stands_holds_it(desk: Desk) -> None:
    desk.series("wl-1", RED)
    desk.reload(changed(*TEXT_ONLY[3]), 70)
    desk.series("wl-1", [0.0] * 12, start_s=120)
    assert [a.state for a in desk.alarms()] == ["latched"]


def test_a_silence_alarm_of_a_changed_rule_stands_until_it_is_heard(desk: Desk) -> None:
    desk.feed([("wl-1", 0, 0.0)])
    desk.tick(400)
    platform = FILES["rules/platform.yaml"].replace("silent: 5m", "silent: 20m")
    desk.reload(city_files(rules__platform=platform), 420)
    assert {e.kind for e in desk.events()[-2:]} == {"rule_changed"}
    desk.feed([("wl-1", 480, 0.0)])
    assert desk.story("gateway-silent") == [("g1", Level.YELLOW, 300, 480), ("g2", Level.YELLOW, 300, None)]


def test_a_rule_that_no_longer_watches_the_sensor_leaves_its_alarm_to_a_person(desk: Desk) -> None:
    desk.series("wl-1", RED)
    desk.reload(changed("watch: {quantity: water_depth}", "watch: {quantity: water_depth, sensors: [wl-2]}"), 100)
    assert [(a.condition, a.state) for a in desk.alarms()] == [("orphaned", "unacknowledged")]
    desk.series("wl-1", [0.0] * 12, start_s=120)
    assert desk.alarms()[0].cleared_us is None
    desk.command(CommandKind.CLOSE, desk.incidents()[0].id, 2000, note="rule moved")
    assert [(a.condition, a.state) for a in desk.alarms()] == [("normal", "normal")]


def test_acknowledgements_and_shelves_survive(desk: Desk) -> None:
    desk.series("wl-1", [20.0] * 4)
    desk.series("wl-2", [20.0] * 4)
    first, _ = desk.incidents()
    desk.command(CommandKind.ACKNOWLEDGE, first.id, 185)
    desk.hold(HoldKind.SHELVE, "depth/wl-2", 190, until_s=3600)
    notices = len(desk.notices())
    desk.reload(changed("clear_after: 10m", "clear_after: 12m"), 200)
    assert [(a.scope, a.state) for a in desk.alarms()] == [("wl-1", "acknowledged"), ("wl-2", "shelved")]
    assert len(desk.notices()) == notices


def test_what_is_lost_stays_lost_under_a_changed_rule(desk: Desk) -> None:
    desk.series("wl-2", [20.0] * 4)
    for at in range(240, 660, 60):
        desk.feed([("rain-1", at, 0.0)])
        desk.tick(at)
    desk.reload(changed("clear_after: 10m", "clear_after: 12m"), 660)
    assert [(a.level, a.condition) for a in desk.alarms()] == [(Level.ORANGE, "unknown")]
    desk.feed([("wl-2", 720, 20.0)])
    assert [(a.level, a.condition) for a in desk.alarms()] == [(Level.YELLOW, "active")]


def test_an_inhibition_that_is_taken_out_of_the_book_lets_go(desk: Desk) -> None:
    rain = "\n  - id: rain\n    watch: {quantity: rainfall}\n    ladder: {blue: {above: 10 mm}}\n"
    inhibited = DEPTH.replace("    clear_after", "    inhibited_by: [{rule: rain, same: city}]\n    clear_after") + rain
    desk.reload(city_files(rules__depth=inhibited), 0)
    desk.feed([("rain-1", 0, 20.0)])
    desk.series("wl-1", RED)
    assert (desk.alarms()[0].state, desk.notices()) == ("suppressed", [])
    desk.reload(city_files(rules__depth=DEPTH + rain), 70)
    assert desk.alarms()[0].state == "unacknowledged"
    assert [n.kind for n in desk.notices()] == ["raise"]


def test_a_book_with_a_fault_is_no_book_at_all(desk: Desk) -> None:
    desk.series("wl-1", [50.0])
    with pytest.raises(FaultyInput):
        desk.reload(changed("orange: {above: 27 cm", "orange: {abov: 27 cm"), 30)
    desk.series("wl-1", [50.0], start_s=60)
    assert desk.story() == [("wl-1", Level.RED, 60, None)]
