"""What is kept in English, and said again on the console's pages in the reader's language."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from store import health
from tests.http.test_accounts import cheap
from tests.http.test_consolepages import text_of

if TYPE_CHECKING:
    from tests.http.conftest import World

__all__ = ["cheap"]  # a fixture that every test here uses


def refuse(world: World, reason: str, detail: str, payload: str = "") -> None:
    world.run(
        "INSERT INTO lifeline.rejections (received_at, gateway, sensor, reason, detail, payload)"
        " VALUES (now(), 'gw-1', 'wl-017', %s, %s, %s)",
        *(reason, detail, payload.encode()),
    )


def test_what_was_refused_is_said_in_the_readers_language(client: httpx.Client, world: World) -> None:
    refuse(world, "bad_unit", "unit does not convert to cm, got kPa, try cm", '{"sensor": "wl-017", "unit": "kPa"}')
    refuse(world, "decoder_fault", "KeyError: 'x'")
    for page in ("/rejections", "/gateways/gw-1", "/sensors/wl-017"):
        chinese = text_of(client.get(page, params={"lang": "zh"}))
        assert "单位无效 单位不能换算为 cm，所给为 kPa，应为 cm" in chinese
        assert "解码故障 原文：KeyError: 'x'" in chinese
        assert "does not convert" not in chinese
        assert "bad unit unit does not convert to cm, got kPa, try cm" in text_of(
            client.get(page, params={"lang": "en"})
        )
    shown = text_of(client.get("/rejections", params={"lang": "zh", "reason": "bad_unit"}))
    assert "单位无效 bad_unit 1" in shown
    assert "请发送该监测量的单位" in shown


def test_what_health_says_is_said_in_the_readers_language(client: httpx.Client, world: World) -> None:
    room = ("give the disk more room, or keep readings for less long", "9.1 GB free, full in 12 days")
    health.report(world.conn, "store_days_left", "warning", 12.0, "d", *room)
    chinese, english = (text_of(client.get("/health", params={"lang": language})) for language in ("zh", "en"))
    assert "剩余 9.1 GB，12 天后写满" in chinese
    assert chinese.count("请扩大磁盘，或缩短读数的保存时间") == 2, "among the faults, and in the list of all"
    assert not [text for text in room if text in chinese or text not in english]
