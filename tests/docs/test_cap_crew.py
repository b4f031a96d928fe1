"""docs/cap.md and docs/crew.md are true."""

from __future__ import annotations

import re
from pathlib import Path

from city.example import example_files
from city.load import load_city
from lifeline.http import crewview, photos
from rules.cap import capfile
from rules.cap.capkeys import CAP
from rules.cap.message import CATEGORIES, SEVERITY
from rules.desk.escalationfile import load_escalation

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_section_is_read_and_names_every_key_but_one() -> None:
    text = (DOCS / "cap.md").read_text(encoding="utf-8")
    [section] = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    _, faults = load_escalation({"escalation.yaml": section}, load_city(example_files()))
    assert faults == []
    plan = capfile.cap_of({"escalation.yaml": section})
    assert plan is not None
    assert plan.geocodes == {"riverside": ("GB2260", "210202")}
    assert {key for key in CAP if f"\n  {key}:" not in section} == {"addresses"}  # those go with another scope


def test_the_tables_are_what_messages_say() -> None:
    text = (DOCS / "cap.md").read_text(encoding="utf-8")
    for domain, categories in CATEGORIES.items():
        assert f"{domain}: {', '.join(categories)}" in text
    for level, severity in SEVERITY.items():
        assert f"{level.word} {severity}" in text


def test_the_buttons_and_bounds_are_the_pages() -> None:
    text = (DOCS / "crew.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| [^|]+ \| `(\w+)` \|", text, re.MULTILINE)) == {kind.value for kind in crewview.KINDS}
    said = f"at most {photos.LONGEST_PHOTO >> 20} MiB and {photos.MOST_PIXELS // 10**6} megapixels each"
    assert said in text
    assert f"{photos.MOST_PHOTOS} with one report, {photos.MOST_OF_INCIDENT} of one incident" in text
    assert f"{photos.LONGEST_SIDE} pixels at most" in text
