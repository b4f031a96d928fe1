"""The operations pages through the real server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

from city.words import catalogue
from lifeline.http import look

if TYPE_CHECKING:
    from tests.http.conftest import World


def text_of(page: httpx.Response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))


def test_the_city_at_a_glance(client: httpx.Client, world: World) -> None:
    world.incident()
    world.incident("I-8", level=2, acknowledged=True)
    for role in ("recorder", "watcher", "notifier"):
        world.beat(role, rate_per_s=120.5, lag_s=0.4)
    world.run("INSERT INTO lifeline.health VALUES ('disk', 91, '%%', 'warning', now(), 'free some space')")
    page = client.get("/", params={"lang": "en"})
    assert page.status_code == 200
    said = text_of(page)
    for part in (
        "Lakeside", "Water standing · Renmin Road", "Renmin Road underpass", "not acknowledged",
        "wl-018", "gw-2", "offline", "120.5 readings a second", "free some space", "▮▮▮▮ red",
    ):  # fmt: skip
        assert part in said, part
    assert re.search(r"1\d min ago", said)
    assert page.text.index("/incidents/I-7") < page.text.index("/incidents/I-8")
    assert "not current" not in said
    assert '<noscript><meta http-equiv="refresh" content="10"></noscript>' in page.text


def test_a_calm_screen_over_stale_data_says_so(client: httpx.Client, world: World) -> None:
    world.run("UPDATE lifeline.latest SET received_at = received_at - interval '1 hour'")
    world.beat("recorder", ago_s=60)
    said = text_of(client.get("/", params={"lang": "en"}))
    assert "What you see is not current." in said
    assert re.search(r"The newest reading arrived 6\d min ago", said)
    for role in ("Recorder", "Watcher", "Notifier"):
        assert f"{role} gives no sign of life" in said


def test_an_empty_database_is_not_calm_either(client: httpx.Client, world: World) -> None:
    world.run("DELETE FROM lifeline.latest")
    assert "No reading has arrived yet" in text_of(client.get("/", params={"lang": "en"}))


@pytest.mark.parametrize(
    "path", ["/", "/incidents/I-7", "/sensors/wl-017", "/sensors/wl-018", "/gateways", "/rejections"]
)
def test_every_page_speaks_both_languages_and_is_self_contained(path: str, client: httpx.Client, world: World) -> None:
    world.incident()
    world.notice()
    world.notice("f0", state="failed", answer="HTTP 404")
    world.run("INSERT INTO lifeline.escalations VALUES ('I-7', 1, 0, 0, now(), 'fired', 'told roster/x')")
    chinese = client.get(path, headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.1"})
    english = client.get(path, params={"lang": "en"}, headers={"Accept-Language": "zh"})
    assert chinese.status_code == english.status_code == 200
    assert '<html lang="zh"' in chinese.text
    assert "湖滨市" in chinese.text
    assert '<html lang="en"' in english.text
    for page in (chinese, english):
        assert re.fullmatch(r'src="/static/console\.js\?v=\w+" defer', *re.findall(r"<script ([^>]*)>", page.text))
        assert " style=" not in page.text
        assert not re.search(r"<[^>]* on[a-z]+=", page.text)
        assert not re.search(r'(src|href)="(https?:)?//', page.text)
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert page.headers["cache-control"] == "no-store"
    assert client.get("/static/lifeline.css").headers["content-type"].startswith("text/css")


def test_an_incident_shows_what_why_who_and_what_next(client: httpx.Client, world: World) -> None:
    world.incident()
    world.notice("f0", state="failed", answer="HTTP 404")
    world.run("INSERT INTO lifeline.escalations VALUES ('I-7', 1, 1, 0, now(), 'due', 'waits')")
    said = text_of(client.get("/incidents/I-7", params={"lang": "en"}))
    for part in (
        "above 40 cm for 1m",
        "wl-017: 41.5 cm · at or above 40 cm",
        "NOT delivered",
        "HTTP 404",
        "Step 2",
        "due now",
    ):
        assert part in said, part
    for button in ("Acknowledge", "Confirm", "False alarm *", "Crew is on its way", "Close *"):
        assert button in said
    assert "Report *" not in said  # nobody has gone yet
    assert "<svg" in client.get("/incidents/I-7").text


def test_a_command_is_recorded_and_its_effect_shown(
    client: httpx.Client, world: World, watcher: Callable[[str, str], None]
) -> None:
    world.incident()
    watcher("", "by console")
    form = {"kind": "acknowledge", "actor": "Zhao Min", "note": "looking", "mark": "m1"}
    page = client.post("/incidents/I-7/commands?lang=en", data=form, follow_redirects=True)
    assert page.status_code == 200
    said = text_of(page)
    assert "Recorded. What you see is the new state." in said
    assert "Acknowledged : yes" in said.replace("Acknowledged:", "Acknowledged :")
    [command] = world.commands()
    assert {key: command[key] for key in ("incident", "kind", "actor", "note", "via")} == {
        "incident": "I-7", "kind": "acknowledge", "actor": "Zhao Min", "note": "looking", "via": "console",
    }  # fmt: skip
    assert command["id"] == "console-acknowledge-m1"


def test_a_refused_command_says_why(client: httpx.Client, world: World, watcher: Callable[[str, str], None]) -> None:
    world.incident()
    watcher("refused_close", "something still stands")
    form = {"kind": "close", "actor": "Zhao", "note": "all is well"}
    said = text_of(client.post("/incidents/I-7/commands?lang=en", data=form, follow_redirects=True))
    assert "Not accepted: something still stands" in said


def test_without_a_watcher_it_says_recorded_and_no_more(client: httpx.Client, world: World) -> None:
    world.incident()
    form = {"kind": "confirm", "actor": "Zhao"}
    said = text_of(client.post("/incidents/I-7/commands?lang=en", data=form, follow_redirects=True))
    assert "has not handled it yet" in said


def test_bad_forms_and_unknown_things_are_answered_kindly(client: httpx.Client, world: World) -> None:
    world.incident()
    for form in (
        {"kind": "explode", "actor": "x"},
        {"kind": "confirm"},
        {"kind": "confirm", "actor": "x", "note": "n" * 1001},
    ):
        assert client.post("/incidents/I-7/commands", data=form).status_code == 422
    assert world.commands() == []
    assert client.post("/incidents/none/commands", data={"kind": "confirm", "actor": "x"}).status_code == 404
    for path in ("/incidents/none", "/sensors/none", "/nothing"):
        page = client.get(path, params={"lang": "en"})
        assert page.status_code == 404
        assert "There is no such page" in page.text


def test_what_people_and_gateways_write_cannot_run(client: httpx.Client, world: World) -> None:
    evil = '<script>alert(1)</script>"><img src=x>'
    world.incident()
    world.event("I-7", "confirm", evil, evil)
    world.run(
        "INSERT INTO lifeline.rejections (received_at, reason, detail, payload) VALUES (now(), 'x', %s, %s)",
        evil,
        evil.encode(),
    )
    for path in ("/incidents/I-7", "/rejections"):
        page = client.get(path)
        assert page.status_code == 200
        assert "<script>" not in page.text
        assert "<img" not in page.text
        assert "&lt;script&gt;" in page.text


def test_a_sensors_page_shows_thresholds_gaps_flags_and_late_data(client: httpx.Client, world: World) -> None:
    world.incident()
    page = client.get("/sensors/wl-017", params={"lang": "en"})
    assert page.text.count('class="line"') == 2  # one gap
    assert 'class="bound red"' in page.text
    assert 'class="suspect"' in page.text
    assert 'class="fail"' in page.text
    assert 'class="late"' in page.text
    assert "42.4 cm" in page.text
    assert 'class="stale"' in client.get("/sensors/wl-018").text


def test_a_unit_is_shown_as_people_write_it_and_served_as_files_do(client: httpx.Client, world: World) -> None:
    world.incident()
    world.run("UPDATE lifeline.sensors SET unit = 'um/m', quantity = 'strain'")
    for path in ("/sensors/wl-017", "/", "/incidents/I-7"):
        for language in ("en", "zh"):
            page = client.get(path, params={"lang": language}).text
            assert "µε" in page, path
            assert "um/m" not in page, path
    assert client.get("/api/v1/sensors/wl-017").json()["unit"] == "um/m"


def test_every_sentence_the_templates_name_is_in_the_catalogue() -> None:
    environment = look._environment
    assert environment.loader is not None
    known = catalogue()
    for name in environment.list_templates(extensions=["html"]):
        source = environment.loader.get_source(environment, name)[0]
        for key, more in re.findall(r"(?<![a-z_.])t\('([a-z_]+)'( ~)?", source):
            wanted = tuple(f"{topic}.{key}" for topic in look.TOPICS)
            keys = [k for k in known if (k.startswith(wanted) if more else k in wanted)]
            assert keys, f"{name}: {key}"
