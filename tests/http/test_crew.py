"""The crew page: one link, big buttons, and a clear answer to everything that can happen."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.http.conftest import World

Watcher = Callable[[str, str], None]


@pytest.fixture
def link(world: World) -> str:
    world.incident()
    world.notice()
    return f"/n/{world.token()}"


def tap(client: httpx.Client, link: str, kind: str, note: str = "", language: str = "en") -> str:
    page = client.post(f"{link}?lang={language}", data={"kind": kind, "note": note, "mark": "m"}, follow_redirects=True)
    assert page.status_code == 200
    return page.text


def test_the_page_says_all_a_crew_needs_in_the_persons_language(client: httpx.Client, link: str) -> None:
    page = client.get(link)
    assert page.status_code == 200
    for part in (
        "红色", "人民路下穿通道", "geo:38.914,121.6147", "41.5 cm", "达到或超过 40 cm", "42.4 cm", "先封闭道路", "王伟",
        "分钟前",         "确认收到", "我已出发", "我已到场", "李娜",
    ):  # fmt: skip
        assert part in page.text, part
    assert 'value="report"' not in page.text  # one reports after going
    english = client.get(link, params={"lang": "en"})
    assert "I have seen it" in english.text


def test_an_incident_without_a_site_still_has_a_place(client: httpx.Client, link: str, world: World) -> None:
    world.run("UPDATE lifeline.incidents SET site = 'gw-2'")  # a gateway's own alarm
    assert "geo:38.914,121.6147" in client.get(link).text


def test_opening_the_link_changes_nothing(client: httpx.Client, link: str, world: World) -> None:
    for _ in range(3):
        client.get(link)
        client.head(link)
    assert world.commands() == []


def test_a_tap_is_recorded_as_that_person(client: httpx.Client, link: str, world: World, watcher: Watcher) -> None:
    watcher("", "by link")
    said = tap(client, link, "acknowledge")
    assert "Recorded." in said
    assert "李娜 acknowledged" in said
    assert 'value="acknowledge"' not in said
    [command] = world.commands()
    assert (command["actor"], command["via"], command["kind"]) == ("li", "link", "acknowledge")


@pytest.mark.parametrize(("language", "answer"), [("en", "You have said this already"), ("zh", "您已提交过此操作")])
def test_a_second_tap_is_told_so_and_not_recorded(
    client: httpx.Client, link: str, world: World, language: str, answer: str
) -> None:
    world.event("I-7", "acknowledge", "li")
    world.run("UPDATE lifeline.incidents SET acknowledged = true")
    assert answer in tap(client, link, "acknowledge", language=language)
    assert world.commands() == []


def test_a_second_person_sees_who_was_first(client: httpx.Client, link: str, world: World) -> None:
    world.notice("bb22", target="wang")
    world.event("I-7", "acknowledge", "li")
    world.run("UPDATE lifeline.incidents SET acknowledged = true")
    wang = f"/n/{world.token('bb22', 'wang')}"
    assert "李娜 已确认" in client.get(wang).text
    tap(client, wang, "acknowledge")
    assert [command["actor"] for command in world.commands()] == ["wang"]  # his word counts beside hers
    world.event("I-7", "dispatch", "li")
    world.run("UPDATE lifeline.incidents SET stage = 'dispatched'")
    assert "A colleague has already done this" in tap(client, wang, "dispatch")
    assert len(world.commands()) == 1


def test_an_expired_acknowledgement_can_be_given_again(client: httpx.Client, link: str, world: World) -> None:
    world.event("I-7", "acknowledge", "li", ago=30)
    world.event("I-7", "acknowledgement_expired", "", ago=5)
    assert 'value="acknowledge"' in client.get(link).text
    tap(client, link, "acknowledge")
    assert len(world.commands()) == 1


@pytest.mark.parametrize(("language", "answer"), [("en", "This incident is closed"), ("zh", "该事件已关闭")])
def test_closed_meanwhile(client: httpx.Client, link: str, world: World, language: str, answer: str) -> None:
    world.run("UPDATE lifeline.incidents SET stage = 'closed', closed_at = now(), level = 0")
    page = client.get(f"{link}?lang={language}")
    assert answer in page.text
    assert "<button" not in page.text
    assert answer in tap(client, link, "acknowledge", language=language)
    assert world.commands() == []


def test_a_report_needs_words_and_is_bounded(client: httpx.Client, link: str, world: World) -> None:
    world.run("UPDATE lifeline.incidents SET stage = 'on_site', acknowledged = true")
    assert 'value="report"' in client.get(link).text
    assert "Please write what you found" in tap(client, link, "report", "  ")
    assert world.commands() == []
    tap(client, link, "report", "水已抽干")
    assert world.commands()[0]["note"] == "水已抽干"
    assert client.post(link, data={"kind": "report", "note": "n" * 1001}).status_code == 422


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_forged_and_expired_links_are_answered_in_both_languages(
    method: str, client: httpx.Client, link: str, world: World
) -> None:
    late = f"/n/{world.token(days=-1)}"
    for path, status, words in (
        (f"{link[:-2]}xx", 403, ("链接无效", "This link is not valid")),
        ("/n/nonsense", 403, ("链接无效", "This link is not valid")),
        (f"/n/{world.token(incident='I-none')}", 403, ("链接无效", "This link is not valid")),
        (late, 410, ("链接已过期", "This link has expired")),
    ):
        page = client.request(method, path, data={"kind": "acknowledge"} if method == "POST" else None)
        assert page.status_code == status
        for word in words:
            assert word in page.text
        assert "积水" not in page.text  # it gives nothing away
    assert world.commands() == []


def test_a_crew_cannot_close_or_confirm_by_hand_made_forms(client: httpx.Client, link: str, world: World) -> None:
    for kind in ("close", "confirm", "false_alarm"):
        assert client.post(link, data={"kind": kind, "note": "x"}).status_code == 403
    assert world.commands() == []


def test_forms_work_without_scripts_and_ask_for_nothing_else(client: httpx.Client, link: str) -> None:
    page = client.get(link)
    assert "<script" not in page.text
    assert re.search(
        r'<form method="post" action="/n/[^"]+"><input type="hidden" name="mark" value="[^"]+">', page.text
    )
