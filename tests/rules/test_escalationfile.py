"""Escalation files: every fault with its place; shifts over midnight and time zones."""

from __future__ import annotations

from datetime import UTC, datetime, time

import pytest

from city.levels import Level
from rules.check import check_files, load_files
from rules.desk.plan import Clocks, Grouping, Heartbeat
from rules.desk.roster import DAYS, Roster, Shift
from tests.rules.small_city import FILES, city_files

GOOD = FILES["escalation.yaml"]


def faults(old: str, new: str) -> list[str]:
    assert old in GOOD
    return [str(fault) for fault in check_files(city_files(escalation=GOOD.replace(old, new)))]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("roster/day", "roster/night", "no such roster, got 'night', try day"),
        ("group/ops, via", "group/opps, via", "no such group, got 'opps', try 'ops'"),
        ("person: li", "person: lo", "no such person, got 'lo'"),
        ("[bo]", "[boo]", "no such person, got 'boo', try 'bo'"),
        ("[bo]", "[]", "a group needs somebody"),
        ("via: [webhook]}", "via: [webhok]}", "no such channel, got 'webhok', try 'webhook'"),
        ('"08:00"', '"8:00"', """not a time of day, got '8:00', try "08:00\""""),
        ("mon, tue", "monday, tue", "not a day, got 'monday', try mon, tue"),
        ("Asia/Shanghai", "Asia/Shanghay", "no such time zone, got 'Asia/Shanghay'"),
        ("type: webhook", "type: webhok", "type: not one of webhook, smtp, mqtt, apprise, got 'webhok', try 'webhook'"),
        ("unless: acknowledged", "unless: acked", "unless: not one of acknowledged, confirmed, dispatched, on_site"),
        ("after: 3m", "after: 3 minutes", "after: not a duration"),
        ("every: 5m", "every: 0s", "repeats at most once a second"),
        ('webhook: "http://127.0.0.1:9/bo"', "phone: 12", "phone: expected text, got 12"),
        ("red: {ack", "rot: {ack", "not a level, got 'rot', try red"),
        ("rosters:", "roster:", "unknown key 'roster', try 'rosters'"),
    ],
)
def test_a_fault_is_told_with_its_place_and_what_to_try(old: str, new: str, message: str) -> None:
    found = faults(old, new)
    assert any(message in fault for fault in found), found
    assert all(fault.startswith("escalation.yaml:") for fault in found), found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_night_shift_lasts_over_midnight_in_its_own_time_zone() -> None:
    night = Roster("n", "Asia/Shanghai", (Shift("li", frozenset({"fri"}), time(20), time(8)),))
    assert night.on_duty(at("2026-07-03T20:00:00+08:00")) == ["li"]
    assert night.on_duty(at("2026-07-04T07:59:59+08:00")) == ["li"]
    assert night.on_duty(at("2026-07-04T08:00:00+08:00")) == []
    assert night.on_duty(at("2026-07-03T19:59:59+08:00")) == []
    assert night.on_duty(datetime(2026, 7, 3, 12, 0, tzinfo=UTC)) == ["li"]


def test_a_shift_of_the_same_hour_is_the_whole_day() -> None:
    whole = Roster("w", "Asia/Shanghai", (Shift("li", frozenset(DAYS), time(8), time(8)),))
    assert whole.on_duty(at("2026-07-03T03:00:00+08:00")) == ["li"]


def test_a_target_names_each_person_once() -> None:
    text = GOOD.replace("[bo]", "[bo, person/bo, roster/day]")
    escalation = load_files(city_files(escalation=text)).escalation
    assert [p.id for p in escalation.who("group/ops", at("2026-07-03T12:00:00+08:00"))] == ["bo", "li"]
    assert [p.id for p in escalation.who("group/ops", at("2026-07-03T22:00:00+08:00"))] == ["bo"]


def test_a_file_that_says_nothing_new_means_what_it_meant() -> None:
    """Incidents that are open keep a chain's version: it must not change under them."""
    escalation = load_files(city_files()).escalation
    assert escalation.chains["drainage"].version == "0a97f38c3141"
    assert (escalation.grouping, escalation.desks, escalation.platform) == (Grouping(), (), "")
    assert escalation.heartbeat is None
    assert escalation.clocks == {Level.RED: Clocks(expires_us=900_000_000)}


def test_all_that_is_new_is_read() -> None:
    text = GOOD.replace("repeat: {every: 5m, until: acknowledged}", "repeat: {every: 5m, until: on_site, times: 3}")
    text = text.replace(
        "acknowledgement_expires: 15m", "acknowledge: 3m, confirm: 5m, dispatch: 10m, on_site: 30m, close: 1d"
    )
    text += """
desks: {water: {name: Water, districts: [north], domains: [waterlogging], chains: [drainage]}, rest: {}}
incidents: {group_within: 0.5 km, group_window: 30m, falls_after: 0s}
platform: drainage
heartbeat: {url_env: BEAT, every: 30s}
"""
    found = load_files(city_files(escalation=text)).escalation
    step = found.chains["drainage"].steps[1]
    assert (step.repeat_us, step.until, step.times) == (300_000_000, "on_site", 3)
    minutes = {"acknowledge_us": 3, "confirm_us": 5, "dispatch_us": 10, "on_site_us": 30, "close_us": 1440}
    assert found.clocks[Level.RED] == Clocks(**{name: n * 60_000_000 for name, n in minutes.items()})
    assert found.grouping == Grouping(500.0, 1_800_000_000, 0)
    assert found.heartbeat == Heartbeat("BEAT", 30_000_000)
    assert found.platform == "drainage"
    assert [found.desk(*of).id for of in (("north", "waterlogging", "drainage"), ("north", "gas", "drainage"))] == [
        "water", "rest",
    ]  # fmt: skip
