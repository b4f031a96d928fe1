"""Hours without anybody are told before they come: in the health view, and soon before as an alarm of the platform."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from city.clock import ManualClock, from_us, to_us
from city.levels import Level
from rules.alarm.alarm import Alarm
from rules.alarm.platform import take_platform
from rules.check import load_files
from rules.desk.plan import Escalation
from rules.desk.rosterwatch import RosterWatch
from tests.rules.small_city import FILES, T0_US, city_files
from tests.rules.test_watcher import query, watching, write
from tests.running import eventually

HOUR_US = 3_600_000_000
SHIFT = '{person: li, days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00"}'
ALWAYS = '{person: li, days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}'


def escalation(shift: str = SHIFT, gaps: str = "reported") -> str:
    text = FILES["escalation.yaml"].replace(SHIFT, shift).replace("gaps: meant", f"gaps: {gaps}")
    return text + "platform: drainage\n"


def loaded(shift: str = SHIFT, gaps: str = "reported") -> Escalation:
    return load_files(city_files(escalation=escalation(shift, gaps))).escalation


def test_it_looks_once_an_hour_and_whenever_the_rosters_are_others() -> None:
    watch = RosterWatch()
    assert watch.look({}, T0_US) is None
    watch.use(loaded())
    seen = watch.look({}, T0_US)
    assert seen is not None
    assert seen.count == 10  # eight nights and two weekends
    assert "day Wed 2026-07-01 20:00 to Thu 2026-07-02 08:00; day" in seen.advice
    assert seen.advice.endswith(" and 5 more; fill them, or say gaps: meant")
    assert watch.look({}, T0_US + HOUR_US - 1) is None
    assert watch.look({}, T0_US + HOUR_US) is not None
    watch.use(loaded(gaps="meant"))
    seen = watch.look({}, T0_US + HOUR_US + 1)
    assert seen is not None
    assert (seen.count, seen.advice, seen.said) == (0, "", [])


def test_a_gap_within_a_day_is_an_alarm_that_rises_when_it_comes_and_ends_when_it_is_filled() -> None:
    watch, standing, details = RosterWatch(), dict[str, Alarm](), list[str]()
    begins = datetime.fromisoformat("2026-07-03T20:00:00+08:00")  # a Friday

    def levels(hours: float) -> list[tuple[str, Level]]:
        seen = watch.look(standing, to_us(begins + timedelta(hours=hours)))
        assert seen is not None
        for said in seen.said:
            take_platform(standing, said, "")
            details.append(said.detail)
        return [(said.state, said.level) for said in seen.said]

    watch.use(loaded('{person: li, days: [mon, tue, wed, thu, fri], from: "20:00", to: "20:00"}'))
    assert levels(-25) == []
    watch.use(loaded())
    assert levels(-12) == [("fault", Level.YELLOW)]
    assert details == ["2026-07-03 20:00 – 2026-07-06 08:00 (Asia/Shanghai)"]
    assert levels(-10) == []  # said already
    assert levels(0) == [("fault", Level.ORANGE)]
    watch.use(loaded(ALWAYS))
    assert levels(1) == [("ok", Level.ORANGE)]
    assert standing == {}


def test_a_roster_that_is_taken_out_has_no_alarm_left() -> None:
    watch, standing = RosterWatch(), dict[str, Alarm]()
    watch.use(loaded())
    seen = watch.look(standing, T0_US)
    assert seen is not None
    for said in seen.said:
        take_platform(standing, said, "")
    assert list(standing) == ["platform-roster-gap/day"]
    assert standing["platform-roster-gap/day"].title["zh"] == "即将无人值班：值班表 day"
    watch.use(replace(loaded(), rosters={}))
    seen = watch.look(standing, T0_US)
    assert seen is not None
    assert [(said.scope, said.state) for said in seen.said] == [("day", "ok")]


def test_the_watcher_shows_gaps_and_tells_of_the_next_until_it_is_filled(database: str, tmp_path: Path) -> None:
    folder = write(tmp_path / "city", city_files(escalation=escalation()))
    with watching(database, folder, ManualClock(from_us(T0_US))):
        found = eventually(
            lambda: query(database, "SELECT value, state, advice FROM city.health WHERE name = 'roster_gaps'")
        )
        assert found[0][:2] == (10.0, "warning")
        assert "day Wed 2026-07-01 20:00 to Thu 2026-07-02 08:00" in found[0][2]
        alarm = "SELECT level FROM city.alarms WHERE rule = 'platform-roster-gap' AND scope = 'day'"
        assert eventually(lambda: query(database, alarm))[0][0] == "yellow"
        write(folder, city_files(escalation=escalation(ALWAYS)))
        eventually(lambda: query(database, "SELECT 1 FROM city.health WHERE name = 'roster_gaps' AND state = 'ok'"))
        eventually(lambda: query(database, f"{alarm} AND cleared_at IS NOT NULL"))
