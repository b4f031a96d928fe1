"""docs/detection.md: its figures are those of docs/detectors.md, its times those of the code, its names exist."""

from __future__ import annotations

import re

from detectors.early import kernel
from detectors.early.channels import BLIND_REASONS, CHANNELS
from detectors.registry import channels, names
from rules.signs.telling import retold, say_channel
from tests.docs.fenced import ROOT, fenced

TEXT = (ROOT / "docs/detection.md").read_text(encoding="utf-8")
SOURCE = " ".join((ROOT / "docs/detectors.md").read_text(encoding="utf-8").split())
SECTIONS = dict(part.split("\n", 1) for part in TEXT.split("\n## ")[1:])


def rows(section: str) -> list[list[str]]:
    lines = [line for line in SECTIONS[section].splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_figure_is_one_of_the_detectors_page() -> None:
    told = rows("Measured")
    assert len(told) >= 7
    for name, false_alarms, found in told:
        row = re.search(rf"\| {name.partition(',')[0]}[^|]*\|(.*?)(?=\| `|$)", SOURCE)
        assert row, name
        assert false_alarms in SOURCE, f"{name}: {false_alarms}"
        assert found in SOURCE, f"{name}: {found}"


def test_the_sentence_of_a_sign_is_the_one_explained() -> None:
    [block] = fenced("docs/detection.md", "text")
    english, chinese = block.text.splitlines()
    assert english in SOURCE
    assert (retold(english, "en"), retold(english, "zh")) == (english, chinese)
    assert f"*{say_channel('level_64', 'en')}*" in TEXT
    for channel in ("spike", "drift", "flat", "variance_down"):
        assert f"*{say_channel(channel, 'en')}*" in TEXT
    low, high = re.findall(r"\(([\d.]+) to ([\d.]+)\)", english)[0]
    assert f"*({low} to {high})*" in TEXT


def test_warm_up_is_that_of_the_engine() -> None:
    said = rows("Warm-up")
    assert said[0][1] == f"{kernel.WARM_UP} readings"
    assert said[1][1].startswith(f"{kernel.AFTER_PAUSE} readings")
    for reason in ("warming up", "warming up after a pause"):
        assert reason in BLIND_REASONS
        assert f"*{reason}*" in SECTIONS["Warm-up"]


def test_detectors_and_channels_named_are_there() -> None:
    known = {*names(), *CHANNELS, *(channel for name in names() for channel in channels(name))}
    known |= {"together", "level", "river"}
    named = {word for word in re.findall(r"`([a-z_]+)`", TEXT) if "_" in word or word in known}
    assert named - known == set()
    with_figures = {row[0].strip("`").partition("`")[0] for row in rows("Measured")}
    assert with_figures <= set(names())
