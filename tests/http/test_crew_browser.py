"""The crew page in a real browser, as a phone of 360 by 640 without JavaScript shows it, in the sun and at night."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from psycopg.types.json import Jsonb

from lifeline.http import commands
from tests.http.browser import Browser, chromium

if TYPE_CHECKING:
    from tests.http.conftest import World

pytestmark = pytest.mark.browser
LEAST_CONTRAST, LEAST_TAP_PX = 7.0, 48

# The lowest contrast of any text on the page with what lies behind it (WCAG 2), and whose it is.
CONTRAST = """(() => {
  const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = c => { const f = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * f[0] + .7152 * f[1] + .0722 * f[2]; };
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length === 3 || c[3] > 0) return c; } return [255, 255, 255]; };
  let worst = [99, ''];
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const found = (a + .05) / (b + .05);
    if (found < worst[0]) worst = [found, e.outerHTML.slice(0, 120)];
  }
  return worst; })()"""
# Whatever is tapped and is too small.
SMALL = f"""[...document.querySelectorAll('a, button, summary, textarea, input:not([type=hidden])')]
  .filter(e => e.getClientRects().length)
  .map(e => [e.getBoundingClientRect(), e.outerHTML.slice(0, 120)])
  .filter(([r]) => r.height < {LEAST_TAP_PX} || r.width < {LEAST_TAP_PX})
  .map(([r, html]) => [r.width, r.height, html])"""
WIDTH = "document.documentElement.scrollWidth"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def phone(tab: Browser, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    monkeypatch.setattr(commands, "PATIENCE_S", 0.05)
    tab.size(360, 640)
    tab.scripts(allowed=False)
    yield tab
    tab.open("about:blank")


@pytest.fixture
def pages(client: httpx.Client, world: World) -> dict[str, str]:
    """What a crew may come to see, by name."""
    long = {
        "en": "Methane near a leaking gas main under a very long street name · Renmin Road",
        "zh": "燃气管线泄漏 · 人民路",
    }
    world.incident(level=3, title=Jsonb(long))
    world.notice(level=2)
    world.event("I-7", "acknowledge", "wang", ago=5)
    world.run("UPDATE lifeline.incidents SET acknowledged = true")
    for number, stage in enumerate(("on_site", "reported", "closed", "false_alarm")):
        name = f"I-{stage}"
        ended = {"closed_at": world.now} if stage == "closed" else {}
        world.incident(name, level=4 - number, stage=stage, acknowledged=True, **ended)
        world.notice(f"c{number}", name)
        world.event(name, stage if stage == "false_alarm" else "on_site", "li", ago=3)
    lines = [{"incident": name} for name in ("I-7", "I-on_site", "I-closed")]
    content = {"subject": "x", "language": "zh", "facts": {"lines": lines}, "to": {"name": "李娜"}}
    world.run("ALTER TABLE lifeline.notices ALTER COLUMN incident DROP NOT NULL")
    world.notice("dd", None, kind="digest", content=Jsonb(content), drill=True)
    return {
        "raised": f"/n/{world.token()}",
        "on site": f"/n/{world.token('c0', incident='I-on_site')}",
        "reported": f"/n/{world.token('c1', incident='I-reported')}",
        "closed": f"/n/{world.token('c2', incident='I-closed')}",
        "false alarm": f"/n/{world.token('c3', incident='I-false_alarm')}",
        "digest": f"/n/{world.token('dd', incident='')}",
        "forged": "/n/nonsense",
        "expired": f"/n/{world.token(days=-1)}",
    }


@pytest.mark.parametrize("dark", [False, True])
def test_every_page_fits_a_phone_is_legible_and_can_be_tapped(
    dark: bool, phone: Browser, client: httpx.Client, pages: dict[str, str], tmp_path: Path
) -> None:
    phone._send(  # the tab is shared: the scheme is set either way
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    )
    for name, path in pages.items():
        for language in ("zh", "en"):
            phone.open(f"{client.base_url}{path}?lang={language}")
            assert phone.ask(WIDTH) <= 360, name
            found: list[Any] = phone.ask(CONTRAST)
            assert found[0] >= LEAST_CONTRAST, (name, found)
            assert phone.ask(SMALL) == [], name
            phone.shot(tmp_path / f"{name.replace(' ', '-')}-{language}-{'dark' if dark else 'light'}.png")
    back = phone.ask("getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(0, 0, 0)" if dark else "rgb(255, 255, 255)")


def test_the_first_button_is_seen_without_scrolling_and_works_without_scripts(
    phone: Browser, client: httpx.Client, pages: dict[str, str], world: World
) -> None:
    for name in ("raised", "digest"):
        phone.open(f"{client.base_url}{pages[name]}?lang=zh")
        assert phone.ask("document.querySelector('button').getBoundingClientRect().bottom") <= 640, name
    phone.open(f"{client.base_url}{pages['raised']}?lang=en")
    assert "Orange" in phone.text()
    phone.click("button[value=dispatch]")
    phone.loaded()
    assert "Recorded, and waiting to be handled: I am on my way." in phone.text()
    assert [command["kind"] for command in world.commands()] == ["dispatch"]


def test_a_reason_is_asked_for_where_it_is_given(
    phone: Browser, client: httpx.Client, pages: dict[str, str], world: World
) -> None:
    phone.open(f"{client.base_url}{pages['raised']}?lang=zh")
    phone.click("summary")
    phone.click("#cannot_go")
    phone.type("车辆故障")
    phone.click("button[value=cannot_go]")
    phone.loaded()
    assert "已记录" in phone.text()
    assert world.commands()[0]["note"] == "车辆故障"


def test_the_page_is_small(client: httpx.Client, pages: dict[str, str]) -> None:
    style = len(client.get("/static/crew.css").content)
    for path in pages.values():
        page = client.get(path)
        assert len(page.content) + style < 30_000
        assert "@import" not in page.text
        assert "<script" not in page.text
        assert "<img" not in page.text
