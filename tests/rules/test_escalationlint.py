"""Every warning about an escalation, and many faults of one file at once, each with the whole message.

Each file in `escalations/` stands in for the small city's; its name is that of the warning, or begins with `fault-`.
What is told stands beside it in a `.txt`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from city.errors import FaultyInput
from city.example import example_files
from gateway.cityfolder import city_files as city_files_of_the_demo
from rules.check import load_files
from rules.desk.escalationlint import WARNINGS, lint_escalation
from tests.rules.small_city import FILES, T0_US, city_files

EXAMPLES = Path(__file__).parent / "escalations"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
CALENDAR = "BEGIN:VCALENDAR\nEND:VCALENDAR\n"


def warnings(files: dict[str, str], now_us: int = T0_US) -> list[str]:
    checked = load_files(files)
    return [str(one) for one in lint_escalation(files, checked.escalation, checked.book, now_us)]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_told_with_its_place_and_what_to_try(name: str) -> None:
    files = city_files(escalation=(EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    golden = EXAMPLES / f"{name}.txt"
    if name.startswith("fault-"):
        with pytest.raises(FaultyInput) as caught:
            load_files(files | {"rosters/nights.ics": CALENDAR})
        told = str(caught.value) + "\n"
    else:
        found = warnings(files)
        assert any(one.endswith(f"[{name}]") for one in found)
        told = "".join(f"{one}\n" for one in found)
    if os.environ.get("LIFELINE_TEST_GOLDEN") == "write":
        golden.write_text(told, encoding="utf-8")
    assert told == golden.read_text(encoding="utf-8")


def test_every_warning_has_an_example() -> None:
    assert {name for name in NAMES if not name.startswith("fault-")} == set(WARNINGS)


def test_a_calendar_that_no_roster_names_is_told() -> None:
    files = {**FILES, "rosters/nights.ics": CALENDAR}
    told = "rosters/nights.ics:1:1: no roster names this calendar, try - {ical: rosters/nights.ics} [unused]"
    assert told in warnings(files)


def test_a_gap_is_told_a_fortnight_before_and_not_earlier() -> None:
    roster = """
  day:
    timezone: Asia/Shanghai
    shifts: [{person: li, days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}]
    overrides: [{instead_of: li, from: 2026-10-01T08:00, to: 2026-10-01T20:00}]
"""
    head, rest = FILES["escalation.yaml"].split("rosters:\n")
    escalation = f"{head}rosters:{roster}groups:{rest.partition('groups:')[2]}"
    files = city_files(escalation=escalation)
    begins_us, day_us = 1_790_812_800_000_000, 86_400_000_000
    assert [one for one in warnings(files, begins_us - 14 * day_us - 1) if "roster-gap" in one] == []
    told = [one for one in warnings(files, begins_us - 14 * day_us + 1_000_000) if "roster-gap" in one]
    assert "nobody of day can be told on Thu 2026-10-01 08:00 to 08:00 or later" in told[0]
    told = [one for one in warnings(files, begins_us - 3 * day_us) if "roster-gap" in one]
    assert "on Thu 2026-10-01 08:00 to 20:00 (Asia/Shanghai), try a shift for it, or gaps: meant" in told[0]


@pytest.mark.parametrize(
    "files", [example_files(), city_files_of_the_demo(1, "http://127.0.0.1:9")], ids=["example", "demo"]
)
def test_what_is_shipped_has_nothing_to_warn_of_at_any_time_of_the_year(files: dict[str, str]) -> None:
    checked = load_files(files)
    for week in range(60):
        now_us = T0_US + week * 7 * 86_400_000_000
        assert [str(one) for one in lint_escalation(files, checked.escalation, checked.book, now_us)] == []
    assert checked.escalation.platform
    assert checked.escalation.desks
    assert all(clocks.acknowledge_us for clocks in checked.escalation.clocks.values())
