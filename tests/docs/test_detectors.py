"""docs/detectors.md is true: its settings load, its condition is one, and it names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from city.quantity import QUANTITIES
from city.words import catalogue
from detectors.early.channels import BLIND_REASONS, CHANNELS
from detectors.registry import create
from rules.check import check_files
from rules.signs.detectionfile import DETECTION, QUANTITY, TAG
from rules.signs.telling import say_channel
from tests.rules.small_city import city_files

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "detectors.md").read_text(encoding="utf-8")
SENSORS = """sensor,gateway,site,quantity,unit,interval_s,tags
gp-1,g1,up-1,gas_pressure,kPa,60,critical
"""
BOOK = """version: 1
rules:
  - id: r
    watch: {quantity: %s}
    ladder: {blue: %s}
"""


CONDITIONS = [
    line for block in re.findall(r"```yaml condition\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines() if line
]


def test_its_settings_load() -> None:
    [settings] = re.findall(r"```yaml detection\.yaml\n(.*?)```", TEXT, re.DOTALL)
    files = city_files(sensors=SENSORS, rules__depth=None, rules__platform=None)
    files["rules/none.yaml"] = "version: 1\nrules: []\n"
    assert [str(fault) for fault in check_files({**files, "detection.yaml": settings})] == []


@pytest.mark.parametrize("condition", CONDITIONS)
def test_its_conditions_load(condition: str) -> None:
    name = re.findall(r"detector: (\w+)", condition)[0]
    quantity = min(create(name).quantities or {"gas_pressure"})
    sensors = SENSORS.replace("gas_pressure,kPa", f"{quantity},{QUANTITIES[quantity].unit}")
    files = city_files(sensors=sensors, rules__depth=BOOK % (quantity, condition), rules__platform=None)
    assert [str(fault) for fault in check_files(files)] == []


def test_it_names_every_key() -> None:
    for key in (*DETECTION, *QUANTITY, *TAG):
        assert f"`{key}`" in TEXT or f"`{key}: " in TEXT, key


def test_every_channel_and_every_blindness_has_words_in_every_language() -> None:
    for channel in CHANNELS:
        assert f"signs.channel_{channel}" in catalogue()
        assert f"`{channel}`" in TEXT or channel.startswith(("level_", "context_"))
    words = catalogue()
    assert [words[f"signs.why_{at}"]["en"] for at in range(1, len(BLIND_REASONS))] == list(BLIND_REASONS[1:])


def test_every_word_of_a_channel_is_its_own() -> None:
    for language in ("en", "zh"):
        assert len({say_channel(channel, language) for channel in CHANNELS}) == len(CHANNELS)
