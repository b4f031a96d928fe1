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
from rules.notify.policy import short_code
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


@pytest.mark.parametrize("language", ["en", "zh"])
def test_units_are_those_that_people_write(notice: Notice, language: str) -> None:
    facts = notice.content["facts"]
    seen = {**facts["evidence"][0], "value": 412.0, "unit": "um/m", "test": "above 400 um/m"}
    strain = {**facts, "value": 412.0, "unit": "um/m", "threshold": "above 400 um/m", "evidence": [seen]}
    told = words(notice, language, content={"facts": strain})
    assert "412 µε" in told
    assert "400 µε" in told
    assert "um/m" not in told


def test_the_place_stands_once_in_the_subject(notice: Notice) -> None:
    titles = {"en": "Water in Renmin Road underpass", "zh": "人民路下穿通道积水"}
    places = {"en": "Renmin Road underpass", "zh": "人民路下穿通道"}
    for language, title in titles.items():
        facts = {**notice.content["facts"], "what": title, "where": places[language]}
        first = words(notice, language, content={"facts": facts}).splitlines()[0]
        assert first.endswith(title), first
        other = words(notice, language, content={"facts": {**facts, "what": "Water"}}).splitlines()[0]
        assert other.endswith(("Water, Renmin Road underpass", "Water，人民路下穿通道")), other


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


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_notice_says_how_sure_it_is_who_was_told_and_how_far_people_are(notice: Notice, language: str) -> None:
    other = {**notice.content["facts"]["evidence"][0], "sensor": "wl-018", "flag": 3}
    facts = {
        **notice.content["facts"],
        "trend": "+2 cm in 10 min",
        "evidence": [*notice.content["facts"]["evidence"], other],
        "told": [{"name": "Wang", "at": "2026-07-01T08:00:00+00:00", "by": "sms", "via": "group/x"}, "Zhao"],
        "stage": "dispatched",
        "by": "Li",
        "clock": "on_site",
        "due_at": "2026-07-01T08:30:00+00:00",
        "reason": "traffic",
        "cannot": ["Sun"],
        "nobody": ["roster/night"],
        "address": "12 Renmin Road",
    }
    text = words(notice, language, kind="clock_missed", content={"facts": facts})
    expected = {
        "en": (
            "Not done in time, Red:", "Trend: +2 cm in 10 min", "How sure: 2 sensors agree, a value is suspect",
            "quality: suspect", "Also told: Wang (2026-07-01 16:00:00 +08:00, sms), Zhao",
            "Stage: somebody is on the way (Li)", "Was due: somebody on site (2026-07-01 16:30:00 +08:00)",
            "Reason: traffic", "Cannot go: Sun", "Nobody on duty behind: roster/night", "Address: 12 Renmin Road",
            "On the map: https://city.example/incidents/I-1#map",
        ),
        "zh": (
            "超时未处置，红色：", "趋势：+2 cm in 10 min", "可信程度：2个传感器相互印证，含可疑数据", "数据质量：可疑",
            "同时通知：Wang（2026-07-01 16:00:00 +08:00, sms）, Zhao", "阶段：已派出（Li）",
            "应在此前完成：人员到场（2026-07-01 16:30:00 +08:00）", "无法前往：Sun",
        ),
    }[language]  # fmt: skip
    assert [part for part in expected if part not in text] == []


def test_one_sensor_alone_is_said_to_be_unconfirmed_and_neighbours_count(notice: Notice) -> None:
    assert "How sure: one sensor, not confirmed by others" in words(notice, "en")
    facts = {**notice.content["facts"], "confirmed_by": 2}
    assert "How sure: 3 sensors agree" in words(notice, "en", content={"facts": facts})


@pytest.mark.parametrize(
    ("change", "head"),
    [
        ("level", "Now Red: Water"), ("joined", "More alarms, Red: Water"), ("closed", "Closed: Water"),
        ("false_alarm", "Found to be a false alarm: Water"), ("stage", "News, Red: Water"),
        ("new one", "Now Red: Water"),
    ],
)  # fmt: skip
def test_an_update_says_what_changed(notice: Notice, change: str, head: str) -> None:
    facts = {**notice.content["facts"], "change": change}
    assert words(notice, "en", kind="update", content={"facts": facts}).startswith(head)


@pytest.mark.parametrize("kind", ["digest", "flood_end"])
def test_what_was_gathered_keeps_every_line(notice: Notice, kind: str) -> None:
    lines = [f"[yellow] water, wl-{n:04d} (A-{n}, I-{n})" for n in range(2000)]
    content = {"subject": "[yellow] Flood of alarms: 2000", "words": lines, "facts": {"what": "x", "lines": []}}
    gathered = replace(notice, kind=kind, incident="", content={**content, "language": "en"}, level=Level.YELLOW)
    letter = render(gathered, Links(LINK), SHANGHAI)
    assert letter.subject == "[yellow] Flood of alarms: 2000"
    assert [line for line in lines if line not in letter.text] == []
    assert letter.text.count("\n") == 2000 + 2
    assert len(letter.short) <= 300
    assert LINK in letter.short


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("length", [10, 150, 230, 400])
def test_the_brief_form_fits_a_text_message_and_keeps_link_and_code(notice: Notice, language: str, length: int) -> None:
    facts = {**notice.content["facts"], "what": "Water standing in an underpass " * 9}
    content = {**notice.content, "facts": facts, "language": language}
    link = "https://city.example/n/".ljust(length, "x")
    letter = render(replace(notice, content=content), Links(link), SHANGHAI)
    assert len(letter.short) <= 300
    assert short_code("key-1") in letter.short
    assert (link in letter.short) == (length <= 230)
    assert len(letter.short.partition(short_code("key-1"))[0]) >= 55  # there is room for what it is about


def test_the_brief_form_says_value_threshold_time_and_what_to_do(notice: Notice) -> None:
    short = render(notice, LINKS, SHANGHAI).short
    for part in ("Red warning: Water", "42 cm (at or above 40 cm)", "since 15:58", "Close the road first.", LINK):
        assert part in short


def test_missing_facts_leave_out_their_line_and_odd_ones_hold_nothing_back(notice: Notice) -> None:
    assert LINK in words(notice, "en", content={"facts": None})
    odd = {"facts": {"what": 7, "since": "yesterday", "lon": "x", "evidence": ["seen", {"sensor": "s"}], "value": None}}
    text = words(notice, "en", content=odd)
    assert "Since: yesterday" in text
    assert "s: no value" in text


KINDS = (
    "raise", "update", "clear", "repeat", "no_duty", "clock_missed", "platform", "roster_gap", "digest", "flood_end",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_when_the_words_fail_the_facts_go_out_as_they_stand(
    notice: Notice, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **values: object) -> str:
        raise KeyError("no such sentence")

    monkeypatch.setattr("rules.notify.render.say", fail)
    letter = render(replace(notice, kind=kind), LINKS, SHANGHAI, b"picture")
    assert "RED" in letter.subject
    assert len(letter.short) <= 300
    assert not letter.picture
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
