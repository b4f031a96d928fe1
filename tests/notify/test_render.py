"""The words of a notice say what, where, since when, how much against what, and what to do, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from city.levels import Level
from rules.notify.outbox import Notice
from rules.notify.render import render
from rules.notify.wording import Links

SHANGHAI = ZoneInfo("Asia/Shanghai")
LINK = "https://city.example/n/abc"
LINKS = Links(LINK, "https://city.example/incidents/I-1#map")

if TYPE_CHECKING:
    from tests.notify.conftest import Outbox


@pytest.fixture
def notice(outbox: Outbox, t0: datetime) -> Notice:
    outbox.notice("key-1")
    content = {**outbox.content("key-1"), "to": {"email": "li@example.org", "webhook": None}}
    return Notice(
        "key-1", "I-1", "raise", 0, 0, "li", "v", "webhook", "webhook", Level.RED, content, t0, 1, False, False
    )


def words(notice: Notice, language: str, **changes: Any) -> str:  # noqa: ANN401 - any field of a notice
    content: Mapping[str, Any] = {**notice.content, "language": language, **changes.pop("content", {})}
    return render(replace(notice, content=content, **changes), LINKS, SHANGHAI).text


def test_everything_a_crew_needs_is_there_in_english(notice: Notice) -> None:
    text = words(notice, "en")
    for part in (
        "Red warning: Water standing in an underpass, Renmin Road underpass",
        "geo:38.91400,121.61470",
        "2026-07-01 15:58:00 +08:00",
        "Value: 42 cm",
        "Threshold: at or above 40 cm",
        "2 alarms",
        "District: East",
        "wl-017: 42 cm, 2026-07-01 15:58:00 +08:00, at or above 40 cm",
        "Close the road first.",
        "Wang",
        LINK,
    ):
        assert part in text
    assert "late" not in text


def test_and_in_chinese(notice: Notice) -> None:
    facts = {**notice.content["facts"], "what": "下穿通道积水", "where": "人民路下穿", "guidance": "先封闭道路。"}
    text = words(notice, "zh-CN", content={"facts": facts})
    parts = (
        "红色预警：下穿通道积水，人民路下穿",
        "阈值：达到或超过 40 cm",
        "先封闭道路。",
        "2026-07-01 15:58:00 +08:00",
    )
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"kind": "clear", "level": Level.NONE}, "Cleared: Water"),
        ({"kind": "clear", "level": Level.NONE}, "Highest level: Red"),
        ({"kind": "clear", "content": {"raised": {"value": 42, "unit": "cm"}}}, "Value when raised: 42 cm"),
        ({"kind": "update", "level": Level.ORANGE}, "Now Orange: Water"),
        ({"kind": "repeat"}, "Still waiting for action, Red"),
        ({"kind": "no_duty"}, "Nobody is on duty, Red"),
        ({"kind": "brand_new"}, "Red warning"),
        ({"drill": True}, "EXERCISE, EXERCISE: Red warning"),
        ({"late": True}, "This notice is delayed"),
    ],
)
def test_each_kind_says_what_it_is(notice: Notice, changes: dict[str, Any], part: str) -> None:
    assert part in words(notice, "en", **changes)


def test_missing_facts_leave_out_their_line_and_odd_ones_hold_nothing_back(notice: Notice) -> None:
    assert LINK in words(notice, "en", content={"facts": None})
    odd = {"facts": {"what": 7, "since": "yesterday", "lon": "x", "evidence": ["seen", {"sensor": "s"}], "value": None}}
    text = words(notice, "en", content=odd)
    assert "Since: yesterday" in text
    assert "s: no value" in text


def test_when_the_words_fail_the_facts_go_out_as_they_stand(notice: Notice, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **values: object) -> str:
        raise KeyError("no such sentence")

    monkeypatch.setattr("rules.notify.render.say", fail)
    letter = render(notice, LINKS, SHANGHAI)
    assert "RED" in letter.subject
    for part in ("42.0", "wl-017", LINK):
        assert part in letter.text


def test_the_body_is_the_same_on_every_attempt(notice: Notice) -> None:
    first, again = render(notice, LINKS, SHANGHAI), render(replace(notice, attempts=9), LINKS, SHANGHAI)
    assert first.body == again.body
    body = msgspec.json.decode(first.body)
    assert body["notice"] == "key-1"
    assert body["link"] == LINK
    assert body["facts"]["value"] == 42
    assert letters(first.to) == {"email"}


def letters(to: Mapping[str, str]) -> set[str]:
    return set(to)


def test_html_is_escaped(notice: Notice) -> None:
    facts = {**notice.content["facts"], "where": "<script>alert(1)</script>"}
    letter = render(replace(notice, content={**notice.content, "facts": facts}), LINKS, SHANGHAI)
    assert "<script>" not in letter.html
    assert f'href="{LINK}"' in letter.html
