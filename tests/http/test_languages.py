"""One incident, two readers: reasons, names and times come in the language of the page."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import httpx
from psycopg.types.json import Jsonb

from rules.reasons import also, because
from tests.rules.small_city import city_files

if TYPE_CHECKING:
    from tests.http.conftest import World

PEOPLE = """
people:
  li: {name: {en: Li Na, zh: 李娜}, email: li@lake.example}
  wang: {name: {en: Wang Wei, zh: 王伟}, email: wang@lake.example}
"""


def text_of(page: httpx.Response) -> str:
    assert page.status_code == 200
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)))


def told_of_in_both(world: World) -> None:
    files = city_files(escalation=PEOPLE, rules__depth=None, rules__platform=None)
    world.run("INSERT INTO lifeline.bundles VALUES ('b2', %s, now())", Jsonb(files))
    world.run("UPDATE lifeline.current_bundle SET bundle = 'b2'")
    world.incident()
    world.notice("n1", target="li")
    world.notice("n2", target="wang", state="failed", answer=because("http", status=503))
    world.event("I-7", "joined", "", because("joined", alarm="A-2", why=because("near", metres="120", minutes="3")))
    world.event("I-7", "acknowledge", "wang", because("noted", note="the pump: is on; look", via="console"))
    refused = also(because("needs_note", kind="close"), "closing it")
    world.event("I-7", "refused_close", "wang", refused)
    held = because("shelved", until=because("until", time="2026-07-01T10:00:00+00:00", by="Li", note="pump test"))
    world.run("UPDATE lifeline.alarms SET hold = 'shelved', hold_reason = %s", held)


def test_the_incident_page_speaks_one_language(client: httpx.Client, world: World) -> None:
    told_of_in_both(world)
    chinese = text_of(client.get("/incidents/I-7", params={"lang": "zh"}))
    for said in (
        "A-2：相距 120 米，与其最新报警相隔 3 分钟", "the pump: is on; look（来自控制台）",
        "“关闭”须附说明；closing it",
        "已搁置，至 2026-07-01 18:00:00 +08:00，由Li决定：pump test", "→ 李娜", "→ 王伟", "对方答复 HTTP 503",
    ):  # fmt: skip
        assert said in chinese, said
    english = text_of(client.get("/incidents/I-7", params={"lang": "en"}))
    for said in (
        "A-2: 120 m away, 3 min after its newest alarm", "the pump: is on; look (by console)",
        "close needs a note; closing it", "→ Li Na", "→ Wang Wei", "Acknowledged Wang Wei",
    ):  # fmt: skip
        assert said in english, said
    assert "李娜" not in english


def test_lists_and_the_crew_s_page_name_people_in_the_reader_s_language(client: httpx.Client, world: World) -> None:
    told_of_in_both(world)
    for path in ("/", "/notices"):
        english, chinese = (text_of(client.get(path, params={"lang": language})) for language in ("en", "zh"))
        assert "Wang Wei" in english, path
        assert "王伟" not in english, path
        assert "王伟" in chinese, path
    page = client.get(f"/n/{world.token('n1')}", params={"lang": "en"})
    assert "Wang Wei" in text_of(page)
    assert "王伟" in text_of(client.get(f"/n/{world.token('n1')}", params={"lang": "zh"}))


def test_who_left_the_folder_keeps_the_name_their_notices_have(client: httpx.Client, world: World) -> None:
    world.incident()
    world.notice("n1", target="li")
    assert "→ 李娜" in text_of(client.get("/incidents/I-7", params={"lang": "en"}))
