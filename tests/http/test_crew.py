"""The crew page: one link, big buttons, and a clear answer to everything that can happen."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from psycopg.types.json import Jsonb

from lifeline.crew import form_of
from lifeline.http import commands, data

if TYPE_CHECKING:
    from tests.http.conftest import World

Watcher = Callable[[str, str], None]
_MARK = re.compile(r'name="mark" value="([^"]+)"')


@pytest.fixture(autouse=True)
def _impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no watcher runs nobody waits for one, and a database that hangs is soon given up."""
    if "watcher" not in request.fixturenames:
        monkeypatch.setattr(commands, "PATIENCE_S", 0.05)
    monkeypatch.setattr(data, "STATEMENT_TIMEOUT_MS", 1000)


@pytest.fixture
def link(world: World) -> str:
    world.incident()
    world.notice()
    return f"/n/{world.token()}"


def mark_of(client: httpx.Client, link: str) -> str:
    """The mark of the page's forms; of another page of the same kind when this one has no forms."""
    found = _MARK.search(client.get(link).text)
    return found[1] if found else "x"


def tap(
    client: httpx.Client, link: str, kind: str, note: str = "", language: str = "en", status: int = 200, **more: str
) -> str:
    """Open the page, send one of its forms, and read the answer."""
    given = {"kind": kind, "note": note, "mark": mark_of(client, link), **more}
    page = client.post(f"{link}?lang={language}", data=given, follow_redirects=True)
    assert page.status_code == status, page.text
    return unescape(page.text)


def test_the_page_says_all_a_crew_needs_in_the_persons_language(client: httpx.Client, link: str, world: World) -> None:
    world.run("UPDATE lifeline.notices SET content = jsonb_set(content, '{facts,confirmed_by}', '2')")
    seen = {"sensor": "wl-017", "unit": "cm", "value": 41.5, "test": "above 40 cm", "truth": "true", "flag": 3}
    world.run(
        "UPDATE lifeline.notices SET content = jsonb_set(content, '{facts,evidence}', %s)",
        Jsonb([seen | {"time": world.now.isoformat()}]),
    )
    world.notice("cc33", target="wang", state="failed")
    page = client.get(link)
    assert page.status_code == 200
    for part in (
        "红色", "▮▮▮▮", "人民路下穿通道", "geo:38.914,121.6147", "38.91400, 121.61470", "41.5 cm", "达到或超过 40 cm",
        "42.4 cm", "上升", "先封闭道路", "王伟", "未送达", "分钟前", "确认收到", "我已出发", "我已到场", "无法前往",
        "李娜", "可疑", "尚无人响应", "成立", "另有 2 个传感器",
    ):  # fmt: skip
        assert part in page.text, part
    assert 'value="report"' not in page.text  # one reports after going
    english = client.get(link, params={"lang": "en"})
    assert "Renmin Road underpass" in english.text  # not the name that the notice has in Chinese
    for part in ("I have seen it", "rising", "not reached", "Nobody has answered yet", "suspect"):
        assert part in english.text, part
    assert len(page.content) < 30_000


def test_an_incident_without_a_site_still_has_a_place(client: httpx.Client, link: str, world: World) -> None:
    world.run("UPDATE lifeline.incidents SET site = 'gw-2'")  # a gateway's own alarm
    assert "geo:38.914,121.6147" in client.get(link).text


def test_opening_the_link_commands_nothing(client: httpx.Client, link: str, world: World) -> None:
    for _ in range(3):
        assert client.get(link).status_code == 200
        assert client.head(link).status_code == 200
    assert world.commands() == []


def test_opening_the_link_says_that_the_notice_arrived(client: httpx.Client, link: str, world: World) -> None:
    def state() -> object:
        return world.conn.execute("SELECT state FROM lifeline.notices").fetchone()

    client.head(link)
    client.get(link, headers={"Sec-Purpose": "prefetch"})  # nobody has looked yet
    assert state() == ("sent",)
    client.get(link)
    assert state() == ("delivered",)


def test_what_was_said_at_the_console_is_known_here(client: httpx.Client, link: str, world: World) -> None:
    world.event("I-7", "acknowledge", "lina.account")
    world.run("UPDATE lifeline.incident_events SET person = 'li' WHERE kind = 'acknowledge'")
    world.run("UPDATE lifeline.incidents SET acknowledged = true")
    page = client.get(f"{link}?lang=en").text
    assert "You: seen" in page
    assert 'value="acknowledge"' not in page


def test_a_tap_is_recorded_as_that_person(client: httpx.Client, link: str, world: World, watcher: Watcher) -> None:
    watcher("", "by link")
    said = tap(client, link, "acknowledge")
    assert re.search(r"Recorded: I have seen it, \d\d:\d\d\.", said)
    assert "You: seen" in said
    assert "by link" not in said
    assert 'value="acknowledge"' not in said
    [command] = world.commands()
    assert [command[key] for key in ("actor", "person", "via", "kind")] == ["li", "li", "link", "acknowledge"]


def test_a_slow_watcher_loses_nothing(client: httpx.Client, link: str, world: World) -> None:
    said = tap(client, link, "dispatch")
    assert "Recorded, and waiting to be handled: I am on my way." in said
    assert "Look again" in said
    assert [command["kind"] for command in world.commands()] == ["dispatch"]


def test_the_same_form_twice_is_one_command(client: httpx.Client, link: str, world: World) -> None:
    form = {"kind": "dispatch", "mark": mark_of(client, link), "note": ""}
    first, second = (client.post(link, data=form) for _ in range(2))
    assert first.headers["location"] == second.headers["location"]
    assert len(world.commands()) == 1
    client.post(link, data=form | {"note": "something else"})
    assert len(world.commands()) == 2  # other words are another message


def test_a_form_from_elsewhere_is_not_taken(client: httpx.Client, link: str, world: World) -> None:
    world.notice("bb22", target="wang")
    others = mark_of(client, f"/n/{world.token('bb22', 'wang')}")
    for mark in (others, "x.y", "", "é"):
        page = client.post(f"{link}?lang=en", data={"kind": "cannot_go", "note": "flat tyre", "mark": mark})
        assert page.status_code == 403
        assert "Nothing was recorded" in page.text
        assert "flat tyre" in page.text
    assert world.commands() == []


@pytest.mark.parametrize(("language", "answer"), [("en", "You have said this already"), ("zh", "您已提交过")])
def test_a_second_tap_is_told_so_and_not_recorded(
    client: httpx.Client, link: str, world: World, language: str, answer: str
) -> None:
    mark = mark_of(client, link)
    world.event("I-7", "acknowledge", "li")
    world.run("UPDATE lifeline.incidents SET acknowledged = true")
    page = client.post(f"{link}?lang={language}", data={"kind": "acknowledge", "mark": mark}, follow_redirects=True)
    assert answer in page.text
    assert world.ago(1).astimezone(ZoneInfo("Asia/Shanghai")).strftime("%H:%M") in page.text
    assert world.commands() == []


def test_a_second_person_sees_who_was_first_and_may_speak_too(client: httpx.Client, link: str, world: World) -> None:
    world.notice("bb22", target="wang")
    world.event("I-7", "acknowledge", "li")
    world.run("UPDATE lifeline.incidents SET acknowledged = true")
    wang = f"/n/{world.token('bb22', 'wang')}"
    page = unescape(client.get(f"{wang}?lang=en").text)
    assert "李娜: seen, " in page
    assert "You may still say that you have seen it" in page
    tap(client, wang, "acknowledge")
    assert [command["actor"] for command in world.commands()] == ["wang"]  # his word counts beside hers
    mark = mark_of(client, wang)
    world.event("I-7", "dispatch", "li")
    world.event("I-7", "report", "li", "dry again")
    world.run("UPDATE lifeline.incidents SET stage = 'reported'")
    done = client.post(f"{wang}?lang=en", data={"kind": "report", "note": "x", "mark": mark}, follow_redirects=True)
    assert "A colleague was first: 李娜: reported" in unescape(done.text)
    assert len(world.commands()) == 1


def test_two_crews_may_go_and_each_says_so_once(client: httpx.Client, link: str, world: World) -> None:
    world.notice("bb22", target="wang")
    world.event("I-7", "dispatch", "li")
    world.run("UPDATE lifeline.incidents SET stage = 'dispatched', acknowledged = true")
    assert 'value="dispatch"' not in client.get(link).text
    again = tap(client, link, "dispatch")
    assert "You have said this already: I am on my way" in again
    assert "Next: tap “I am on site”" in again
    tap(client, f"/n/{world.token('bb22', 'wang')}", "dispatch")
    assert [command["actor"] for command in world.commands()] == ["wang"]
    world.event("I-7", "cannot_go", "li", "flat tyre", ago=0.5)
    assert 'value="dispatch"' in client.get(link).text  # she may set off after all


def test_an_expired_acknowledgement_can_be_given_again(client: httpx.Client, link: str, world: World) -> None:
    world.event("I-7", "acknowledge", "li", ago=30)
    world.event("I-7", "acknowledgement_expired", "", ago=5)
    assert 'value="acknowledge"' in client.get(link).text
    tap(client, link, "acknowledge")
    assert len(world.commands()) == 1


@pytest.mark.parametrize(
    ("stage", "english", "chinese"),
    [
        ("closed", "This incident is closed", "该事件已关闭"),
        ("false_alarm", "This was judged a false alarm", "该事件已判为误报"),
    ],
)
def test_ended_meanwhile(client: httpx.Client, link: str, world: World, stage: str, english: str, chinese: str) -> None:
    mark = mark_of(client, link)
    world.event("I-7", "false_alarm", "wang")
    closed_at = world.now if stage == "closed" else None
    world.run("UPDATE lifeline.incidents SET stage = %s, closed_at = %s, level = 0", stage, closed_at)
    for language, answer, go in (("en", english, "You need not go"), ("zh", chinese, "无需前往")):
        page = client.get(f"{link}?lang={language}")
        assert answer in page.text
        assert go in page.text
        assert "<button" not in page.text
        given = {"kind": "acknowledge", "mark": mark}
        tapped = client.post(f"{link}?lang={language}", data=given, follow_redirects=True).text
        assert answer in tapped
        assert ("Your tap was not recorded" if language == "en" else "本次操作未记录") in tapped
    assert world.commands() == []


def test_cleared_and_risen_meanwhile(client: httpx.Client, link: str, world: World) -> None:
    world.run("UPDATE lifeline.incidents SET level = 0")
    cleared = client.get(f"{link}?lang=en").text
    assert "Measured values are back to normal" in cleared
    assert 'value="dispatch"' in cleared  # it is still open
    assert "测值已恢复正常" in client.get(f"{link}?lang=zh").text
    world.run("UPDATE lifeline.incidents SET level = 4")
    world.run("UPDATE lifeline.notices SET level = 2")
    assert "The level has risen since this message: Yellow → Red" in client.get(f"{link}?lang=en").text
    assert "发出通知后级别已上升：黄色 → 红色" in client.get(f"{link}?lang=zh").text


def test_a_refusal_says_where_the_incident_stands(
    client: httpx.Client, link: str, world: World, watcher: Watcher
) -> None:
    watcher("refused_dispatch", "dispatch does not follow on_site")
    said = tap(client, link, "dispatch")
    assert "Not taken: I am on my way." in said
    assert "it is now: raised" in said


def test_a_report_needs_words_and_is_bounded(client: httpx.Client, link: str, world: World) -> None:
    world.run("UPDATE lifeline.incidents SET stage = 'on_site', acknowledged = true")
    assert 'value="report"' in client.get(link).text
    assert "Please write what you found" in tap(client, link, "report", "  ", status=422)
    long = tap(client, link, "report", "n" * 1001, status=422)
    assert "too long" in long
    assert "n" * 1001 in long  # what was typed is not lost
    assert world.commands() == []
    tap(client, link, "report", "水已抽干")
    assert world.commands()[0]["note"] == "水已抽干"


def test_who_cannot_go_says_why(client: httpx.Client, link: str, world: World) -> None:
    assert "Please write why you cannot go" in tap(client, link, "cannot_go", status=422)
    assert "waiting" in tap(client, link, "cannot_go", "flat tyre")
    [command] = world.commands()
    assert (command["kind"], command["note"], command["person"]) == ("cannot_go", "flat tyre", "li")
    world.event("I-7", "cannot_go", "li", "flat tyre (by link)")
    page = unescape(client.get(f"{link}?lang=en").text)
    assert "You: cannot go" in page
    assert "flat tyre" in page
    assert "(by link)" not in page


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
    mark = mark_of(client, link)
    for kind in ("close", "confirm", "false_alarm", "shelve", "nonsense"):
        assert client.post(link, data={"kind": kind, "note": "x", "mark": mark}).status_code == 403
    assert world.commands() == []


def test_a_link_reaches_its_own_incident_only(client: httpx.Client, link: str, world: World) -> None:
    world.incident("I-8")
    assert client.get(link, params={"incident": "I-8"}).status_code == 403
    given = {"kind": "acknowledge", "mark": mark_of(client, link), "incident": "I-8"}
    assert client.post(link, data=given).status_code == 403
    assert world.commands() == []


def test_forms_work_without_scripts_and_as_the_simulated_crew_reads_them(client: httpx.Client, link: str) -> None:
    page = client.get(link)
    assert "<script" not in page.text
    form = form_of(page.text, "acknowledge")
    assert form is not None
    action, fields = form
    assert action.startswith(link)
    assert fields["kind"] == "acknowledge"
    assert client.post(unescape(action), data=fields).status_code == 303


def test_a_drill_says_so(client: httpx.Client, link: str, world: World) -> None:
    world.run("UPDATE lifeline.notices SET drill = true")
    assert "演习" in client.get(link).text
    assert "EXERCISE" in client.get(f"{link}?lang=en").text


@pytest.fixture
def digest(world: World) -> str:
    """A notice that gathers two incidents of a flood."""
    for incident, level in (("I-7", 2), ("I-8", 3), ("I-9", 4)):
        world.incident(incident, level=level)
    lines = [{"incident": "I-7"}, {"incident": "I-8"}, {"incident": "I-7"}]  # an incident has one alarm or many
    content = {"subject": "内涝", "language": "zh", "facts": {"lines": lines}, "to": {"name": "李娜"}}
    world.run("ALTER TABLE lifeline.notices ALTER COLUMN incident DROP NOT NULL")  # as a later migration has it
    world.notice("d1d1", None, kind="digest", content=Jsonb(content))
    return f"/n/{world.token('d1d1', incident='')}"


def test_a_digest_lists_its_incidents_each_with_its_own_button(
    client: httpx.Client, digest: str, world: World, watcher: Watcher
) -> None:
    watcher("", "by link")
    page = client.get(f"{digest}?lang=en").text
    assert "Several incidents in one message: 2" in page
    assert page.count('value="acknowledge"') == 2
    assert page.index('value="I-8"') < page.index('value="I-7"')  # the graver first
    assert "I-9" not in page
    said = tap(client, digest, "acknowledge", incident="I-8")
    assert "Recorded: I have seen it." in said
    assert said.count('value="acknowledge"') == 1
    [command] = world.commands()
    assert command["incident"] == "I-8"
    for incident in ("I-9", ""):
        given = {"kind": "acknowledge", "mark": mark_of(client, digest), "incident": incident}
        assert client.post(digest, data=given).status_code == 403


def test_an_incident_of_a_digest_has_its_own_page(client: httpx.Client, digest: str, world: World) -> None:
    page = client.get(digest, params={"incident": "I-7", "lang": "en"})
    assert 'value="dispatch"' in page.text
    assert "Back to the list" in page.text
    mark = _MARK.search(page.text)
    assert mark is not None
    given = {"kind": "dispatch", "incident": "I-7", "mark": mark[1]}
    answer = client.post(f"{digest}?incident=I-7&lang=en", data=given)
    assert parse_qs(urlsplit(answer.headers["location"]).query)["incident"] == ["I-7"]
    assert [command["incident"] for command in world.commands()] == ["I-7"]


def test_without_the_database_the_page_says_so_and_keeps_what_was_typed(
    client: httpx.Client, link: str, world: World
) -> None:
    mark = mark_of(client, link)
    with world.conn.transaction():
        world.run("LOCK TABLE lifeline.notices")  # it answers no more
        for page in (
            client.get(link),
            client.post(link, data={"kind": "cannot_go", "note": "爆胎 <b>", "mark": mark}),
        ):
            assert page.status_code == 503
            assert page.headers["retry-after"] == "60"
            assert "系统暂时无法访问" in page.text
            assert "cannot be reached right now" in page.text
    assert "爆胎 &lt;b&gt;" in page.text
    action, kept = _kept_form(page.text)
    assert client.post(action, data=kept).status_code == 303  # the very same words, once it is back
    assert world.commands()[0]["note"] == "爆胎 <b>"


def _kept_form(page: str) -> tuple[str, dict[str, str]]:
    action, mark = re.search(r'action="([^"]+)"', page), _MARK.search(page)
    note, kind = re.search(r"<textarea[^>]*>([^<]*)<", page), re.search(r'name="kind" value="(\w+)"', page)
    assert action is not None
    assert mark is not None
    assert note is not None
    assert kind is not None
    return unescape(action[1]), {"mark": mark[1], "note": unescape(note[1]), "kind": kind[1]}
