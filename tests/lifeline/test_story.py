"""What a demonstration keeps: its story, its clock, its city folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from city.clock import FastClock, ManualClock, SystemClock
from city.errors import InputError
from lifeline.cityclock import ClockKeeper, resumed_us
from lifeline.cityfolder import read_checked
from lifeline.story import Story, forget, take_story, write_city


def test_a_folder_keeps_its_story_and_refuses_another(tmp_path: Path) -> None:
    assert take_story(tmp_path, None, None, Story(7, 100)) == Story(7, 100)
    assert take_story(tmp_path, 7, None, Story(7, 999)) == Story(7, 100)
    with pytest.raises(InputError, match=r"got --seed 8 but it has 7, try --fresh"):
        take_story(tmp_path, 8, None, Story(7, 100))


def test_only_a_demonstrations_folder_is_emptied(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(InputError, match="will not empty it"):
        forget(tmp_path)
    assert (tmp_path / "precious").exists()
    Story(7, 0).write(tmp_path)
    (tmp_path / "sub").mkdir()
    forget(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_city_folder_is_accepted_and_keeps_edits(tmp_path: Path) -> None:
    write_city(tmp_path, Story(7, 0), "http://127.0.0.1:1/crew")
    _, checked = read_checked(tmp_path / "city")
    assert (len(checked.city.districts), len(checked.city.gateways)) >= (4, 12)
    assert len(checked.city.sensors) >= 400
    rules = tmp_path / "city" / "rules" / "gas.yaml"
    rules.write_text(rules.read_text() + "# mine\n")
    write_city(tmp_path, Story(7, 0), "http://127.0.0.1:2/crew")
    assert rules.read_text().endswith("# mine\n")
    assert "http://127.0.0.1:2/crew/li" in (tmp_path / "city" / "escalation.yaml").read_text()


def test_city_time_never_runs_back_over_a_kill(tmp_path: Path) -> None:
    wall = ManualClock(SystemClock().now())
    clock = FastClock(1_000_000_000_000_000, wall.now_us(), 120, wall=wall)
    assert resumed_us(tmp_path, 5) == 5
    keeper = ClockKeeper(tmp_path, clock, 5)
    keeper.start()
    wall.advance(0.25)  # the longest a note is behind
    at_kill_us = clock.now_us()
    note = json.loads((tmp_path / "clock").read_text())
    assert set(note) == {"city_us", "wall_us", "speed", "start_us"}
    assert at_kill_us <= resumed_us(tmp_path, 5) <= at_kill_us + 120_000_000
    keeper.stop()
    keeper.stop()
