"""The console as a duty officer uses it: in a real browser, with and without scripts, by keyboard, on a phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.http.browser import Browser, chromium

if TYPE_CHECKING:
    from tests.http.conftest import World

pytestmark = pytest.mark.browser
PAGES = (
    "/", "/incidents/I-7", "/shelves", "/maintenance", "/rosters", "/notices", "/floods", "/sensors", "/sensors/wl-017",
    "/gateways", "/gateways/gw-1", "/rejections", "/statistics", "/health",
)  # fmt: skip


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(tab: Browser) -> Iterator[Browser]:
    tab.size(1280, 900)
    tab.scripts(allowed=True)
    yield tab
    tab.cut(off=False)
    tab.open("about:blank")


def at(client: httpx.Client, path: str) -> str:
    return f"{client.base_url}{path}"


def test_an_incident_appears_and_changes_without_a_reload(browser: Browser, client: httpx.Client, world: World) -> None:
    browser.open(at(client, "/?lang=en"))
    assert "No incident is open" in browser.text()
    browser.ask("window.stayed = true")
    world.incident()
    browser.wait("document.querySelector('tr[data-red=\"I-7\"]') !== null")
    assert "red: Water standing" in browser.ask("document.getElementById('announce').textContent")
    assert browser.ask("document.title").startswith("(1)")
    world.run("UPDATE lifeline.incidents SET acknowledged = true, stage = 'dispatched' WHERE incident = 'I-7'")
    browser.wait("document.querySelector('#row-I-7').innerText.includes('crew on its way')")
    assert browser.ask("window.stayed") is True


def test_what_is_typed_and_where_one_is_survive_news(browser: Browser, client: httpx.Client, world: World) -> None:
    world.incident()
    world.notice()
    browser.open(at(client, "/incidents/I-7?lang=en"))
    browser.press("n")
    browser.type("valve 12 is open")
    world.event("I-7", "confirm", "Li Na", "seen from the bridge", ago=0)
    browser.wait("document.querySelector('.story').innerText.includes('seen from the bridge')")
    assert browser.ask("document.getElementById('note').value") == "valve 12 is open"
    assert browser.ask("document.activeElement.id") == "note"


def test_the_keyboard_is_enough_to_acknowledge(
    browser: Browser, client: httpx.Client, world: World, watcher: Callable[[str, str], None]
) -> None:
    world.incident()
    world.incident("I-8", level=2)
    watcher("", "")
    browser.open(at(client, "/?lang=en"))
    browser.press("Tab")
    assert browser.ask("document.activeElement.className") == "skip"
    browser.press("j")
    assert browser.ask("document.activeElement.getAttribute('href')") == "/incidents/I-7"
    browser.press("j")
    assert browser.ask("document.activeElement.getAttribute('href')") == "/incidents/I-8"
    browser.press("k")
    browser.press("Enter")
    browser.loaded()
    browser.ask("document.querySelector('input[name=actor]').select()")
    browser.type("Zhao Min")
    for _ in range(2):
        browser.press("Tab")
    assert browser.ask("document.activeElement.value") == "acknowledge"
    assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    browser.press("Enter")
    browser.loaded()
    assert "What you see is the new state" in browser.text()
    [command] = world.commands()
    assert (command["kind"], command["actor"], command["expected"]) == ("acknowledge", "Zhao Min", 1)
    browser.press("?")
    assert browser.ask("document.getElementById('help').open") is True


def test_a_stale_form_says_what_changed_and_keeps_the_note(
    browser: Browser, client: httpx.Client, world: World
) -> None:  # fmt: skip
    world.incident()
    browser.scripts(allowed=False)
    browser.open(at(client, "/incidents/I-7?lang=en"))
    browser.scripts(allowed=True)  # only to type and to look: the page's own script never ran
    browser.ask("document.querySelector('input[name=actor]').value = 'Zhao'")
    browser.ask("document.getElementById('note').value = 'pump is there'")
    world.run("UPDATE lifeline.incidents SET version = 2, stage = 'confirmed' WHERE incident = 'I-7'")
    world.event("I-7", "confirm", "Li Na", "camera shows water", ago=-1)
    browser.click("button[value=dispatch]")
    browser.loaded()
    said = browser.text()
    assert "Not recorded: Crew is on its way" in said
    assert "has changed since you opened" in said
    assert "camera shows water" in browser.ask("document.querySelector('.answer').innerText")
    assert browser.ask("document.getElementById('note').value") == "pump is there"
    assert browser.ask("document.querySelector('input[name=expected]').value") == "2"
    assert world.commands() == []


def test_everything_works_without_scripts(
    browser: Browser, client: httpx.Client, world: World, watcher: Callable[[str, str], None]
) -> None:
    world.incident()
    watcher("", "")
    browser.scripts(allowed=False)
    browser.open(at(client, "/?lang=en"))
    browser.click("#row-I-7 a")
    browser.loaded()
    browser.click("input[name=actor]")
    browser.type("Zhao")
    browser.click("button[value=acknowledge]")
    browser.loaded()
    browser.scripts(allowed=True)
    assert "What you see is the new state" in browser.text()
    assert browser.ask("document.getElementById('sound').hidden") is True


def test_a_lost_connection_is_said(browser: Browser, client: httpx.Client, world: World) -> None:
    browser.open(at(client, "/?lang=zh"))
    browser.cut(off=True)
    browser.wait("!document.getElementById('connection').hidden")
    assert "连接中断" in browser.text()
    browser.cut(off=False)
    browser.wait("document.getElementById('connection').hidden")


def test_no_page_is_wider_than_a_phone_or_fails_quietly(browser: Browser, client: httpx.Client, world: World) -> None:
    world.incident()
    world.notice()
    world.notice("f0", state="failed", answer="HTTP 404 " + "x" * 200)
    browser.size(360, 800)
    wide = "[...document.querySelectorAll('section')].filter(s => s.scrollWidth > s.clientWidth + 1).length"
    small = "[...document.querySelectorAll('main button')].filter(b => b.getBoundingClientRect().height < 24).length"
    for path in PAGES:
        browser.open(at(client, f"{path}?lang=zh"))
        assert browser.ask("document.documentElement.scrollWidth") <= 360, path
        assert browser.ask(wide) == 0, path
        assert browser.ask(small) == 0, path
        logged = [event for event in browser.events if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
        assert logged == [], path


def test_language_and_colours_are_remembered(browser: Browser, client: httpx.Client, world: World) -> None:
    browser.open(at(client, "/?lang=zh&theme=dark"))
    browser.open(at(client, "/gateways"))
    assert browser.ask("document.documentElement.lang") == "zh"
    assert browser.ask("getComputedStyle(document.body).backgroundColor") == "rgb(21, 25, 27)"
    browser.open(at(client, "/?lang=en&theme=auto"))


# ---- colours: WCAG 2.1 AA, computed from the style sheet


def palettes() -> dict[str, dict[str, str]]:
    style = (files("lifeline.http") / "static" / "lifeline.css").read_text(encoding="utf-8")
    blocks = re.findall(r"(:root[^{]*)\{([^}]*--back[^}]*)\}", style)
    return {name.strip(): dict(re.findall(r"--([\w-]+): (#\w+)", block)) for name, block in blocks}


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_and_marks_stand_out_in_light_and_dark() -> None:
    found = palettes()
    assert len(found) == 3
    light, dark, chosen = found.values()
    assert dark == chosen  # the browser's wish and the switch are the same colours
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    for colours in (light, dark):
        for ground in ("back", "panel"):
            for text in ("text", "quiet", "stale"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
            assert contrast(colours["line"], colours[ground]) >= 3
        assert contrast(colours["text"], colours["stale-back"]) >= 4.5
        for level, ink in (("red", "#ffffff"), ("orange", "#111111"), ("yellow", "#111111"), ("blue", "#ffffff")):
            assert contrast(colours[level], ink) >= 4.5, level


def test_pictures_can_be_taken(browser: Browser, client: httpx.Client, world: World, tmp_path: Path) -> None:
    world.incident()
    browser.open(at(client, "/incidents/I-7?lang=en"))
    browser.shot(tmp_path / "incident.png")
    assert (tmp_path / "incident.png").stat().st_size > 20_000
