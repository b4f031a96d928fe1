"""`lifeline detectors explain`: what the engine makes of a sensor at an instant, from the past that was recorded."""

from __future__ import annotations

import io
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from city.clock import to_us
from city.errors import InputError
from detectors.columns import ABNORMAL
from lifeline import hindsight
from lifeline.cli import run_command
from lifeline.past import Where

CITY = Path(__file__).parents[2] / "city" / "example"
START = datetime(2026, 5, 1, tzinfo=UTC)
SENSOR, THERMOMETER = "st-stone-1", "t-stone"
DAYS, STEP_MIN = 25, 5  # a step of 25 µm/m on the last day but one


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bridge's strain every five minutes, most of it made by temperature, and a lasting step."""
    dice = random.Random(3)
    lines, slow = ["sensor,time,value,unit"], 0.0
    for i in range(DAYS * 288):
        moment = START + timedelta(minutes=5 * i)
        warmth = 24 + 5 * math.cos(2 * math.pi * (i - 84) / 288) + dice.gauss(0, 0.05)
        slow = 0.9 * slow + dice.gauss(0, 0.3)
        strain = 10 + 5 * (warmth - 24) + slow + dice.gauss(0, 0.5) + 25 * (i >= (DAYS - 1) * 288)
        lines.append(f"{THERMOMETER},{moment.isoformat()},{warmth:.2f},Cel")
        lines.append(f"{SENSOR},{moment.isoformat()},{strain:.2f},um/m")
    path = tmp_path_factory.mktemp("recorded") / "readings.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def asked(recorded: Path, at: datetime) -> hindsight.Answer:
    day_us = 86_400_000_000
    return hindsight.answer(hindsight.Question(SENSOR, to_us(at), 60 * day_us, 2 * day_us, Where(recorded, CITY)))


def test_a_step_is_told_with_what_was_expected_and_who_stands_beside(recorded: Path) -> None:
    said = asked(recorded, START + timedelta(days=DAYS - 1, minutes=50))
    first, verdict, known, young, beside = list(hindsight.lines(said))
    assert young == "still being learned, for about 4 days more: before that only what is gross is called rare"
    assert first.startswith(f"{SENSOR} (strain), 2026-05-25T08:50:00+08:00")
    assert "for this sensor" in verdict
    assert "um/m" in verdict
    assert "known by 24." in known
    assert beside.startswith(f"beside it {THERMOMETER} (temperature")
    [(direction, loudest), *rest] = hindsight.heard(said)
    assert direction == "up"
    assert loudest.return_period_years * said.budget >= 1
    assert all(one.weight > 0 for _, one in rest)


def test_what_goes_on_while_it_is_suspicious_is_not_expected(recorded: Path) -> None:
    past = asked(recorded, START + timedelta(days=DAYS - 1, minutes=180)).past
    since = int(past.columns.time_us.searchsorted(to_us(START + timedelta(days=DAYS - 1, minutes=30))))
    assert (past.found.verdict[since:] == ABNORMAL).all()
    assert (past.columns.value[since:] > past.found.high[since:]).all()


def test_the_day_before_it_nothing_is_unusual(recorded: Path) -> None:
    said = asked(recorded, START + timedelta(days=DAYS - 1, minutes=-5))
    assert list(hindsight.lines(said))[1].startswith("nothing unusual: ")
    assert said.past.found.verdict[-1] != ABNORMAL


def test_what_is_shown_ends_with_the_sample_explained(recorded: Path) -> None:
    said = asked(recorded, START + timedelta(days=DAYS - 1, minutes=50))
    past = said.past
    assert past.places[0] == past.shown
    assert past.places[-1] == len(past.columns.time_us) - 1
    assert past.explanation.value == past.columns.value[-1]
    assert np.nanmax(past.years[-1]) == max(
        one.return_period_years for _, one in hindsight.heard(said) if not math.isnan(one.return_period_years)
    )


def test_the_command_prints_every_channel_and_draws(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "sign.png"
    at = (START + timedelta(days=DAYS - 1, minutes=50)).isoformat()
    options = ["--at", at, "--city", str(CITY), "--readings", str(recorded), "--plot", str(picture)]
    assert run_command(["detectors", "explain", SENSOR, *options]) == 0
    out = capsys.readouterr().out
    assert "context_level_16" in out
    assert "once in" in out
    assert "not believed" not in out
    drawn = Image.open(io.BytesIO(picture.read_bytes())).convert("RGB")
    assert drawn.size == (1100, 750)
    colours = {colour for _, colour in drawn.getcolors(maxcolors=1 << 20) or ()}
    assert {(0xC9, 0xD6, 0xE3), (0xC0, 0, 0)} <= colours  # the band, and what is abnormal


def test_what_is_not_believed_yet_is_not_told_as_a_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dice, readings = random.Random(3), tmp_path / "readings.csv"
    lines = ["sensor,time,value,unit"]
    for i in range(1000):  # a thermometer alone: of a kind the engine does not know, with a jump at its end
        moment = START + timedelta(minutes=5 * i)
        lines.append(f"{THERMOMETER},{moment.isoformat()},{24 + dice.gauss(0, 0.2) + 9 * (i == 999):.2f},Cel")
    readings.write_text("\n".join(lines) + "\n")
    options = ["--at", (START + timedelta(minutes=5000)).isoformat(), "--city", str(CITY), "--readings", str(readings)]
    assert run_command(["detectors", "explain", THERMOMETER, *options]) == 0
    out = capsys.readouterr().out
    values = "only a value it hardly ever had, or standing still, is called rare"
    assert f"still being learned, for about 81 days more: before that {values}" in out
    [spike] = [line for line in out.splitlines() if "│ spike" in line]
    assert "not believed yet" in spike
    assert "│ 0 years" not in out


def test_an_unknown_sensor_and_an_empty_span_are_told(recorded: Path) -> None:
    with pytest.raises(InputError, match="no such sensor, got 'st-stone-9', try 'st-stone-2'"):
        hindsight.answer(hindsight.Question("st-stone-9", to_us(START), 1, 1, Where(recorded, CITY)))
    with pytest.raises(InputError, match="no readings in that span"):
        hindsight.answer(hindsight.Question(SENSOR, to_us(START) - 1, 1000, 1, Where(recorded, CITY)))
