"""A sensor's page says in the reader's words what was found of it, and from when on early signs know it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
from psycopg.types.json import Jsonb

from city.folder import read_folder
from tests.http.conftest import World


def _heard(world: World, days: int) -> None:
    world.run(
        "INSERT INTO lifeline.rollup_1d (bucket, sensor_id, n, min, max, sum, last, last_time, worst_flag)"
        " SELECT date_trunc('day', %s - %s * interval '1 day', 'UTC'), sensor_id, 1, 1, 1, 1, 1, %s, 1"
        " FROM lifeline.sensors WHERE sensor = 'wl-017'",
        world.now, days, world.now,
    )  # fmt: skip


def test_what_a_finding_rests_on_is_said_in_words(client: httpx.Client, world: World) -> None:
    evidence = [["reaches_earliest_min", 4.0], ["reaches_latest_min", "not sure to"], ["peak_cm", 21.3]]
    world.run(
        "INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score, direction, reason, evidence)"
        " VALUES (%s, 'wl-017', 'flood_nowcast', 'forecast', 'abnormal', 1.4, 'up', %s, %s)",
        world.now, "water 4.2 cm, 15 cm in 4 min at the earliest", Jsonb(evidence),
    )  # fmt: skip
    page = client.get("/sensors/wl-017", params={"lang": "en"}).text
    assert "there at the earliest in 4 min · may not reach it · up to 21.3 cm" in page
    assert "forecast" in page
    assert "reaches_" not in page
    chinese = client.get("/sensors/wl-017", params={"lang": "zh"}).text
    assert "最早 4 分钟后到达 · 可能不会到达 · 最高 21.3 cm" in chinese


def test_a_young_sensor_says_since_when_and_until_about_when_it_is_learned(client: httpx.Client, world: World) -> None:
    def page(language: str = "en") -> str:
        return client.get("/sensors/wl-017", params={"lang": language}).text

    _heard(world, 3)
    assert "still learning" not in page(), "nobody watches it"
    world.run(
        "INSERT INTO lifeline.bands SELECT sensor_id, 1, %s, 3, 2, 4 FROM lifeline.sensors WHERE sensor = 'wl-017'",
        world.now,
    )
    since = (world.now - timedelta(days=3)).date()
    until = since + timedelta(days=42)
    gross = "only what is gross, or a value it hardly ever had, is called rare"
    assert f"still learning this sensor, since {since}, until about {until}: before that {gross}." in page()
    assert f"自 {since} 起，约至 {until}；此前仅对明显异常或几乎从未出现过的数值示警。" in page("zh")
    _heard(world, 40)
    assert "still learning" in page()
    _heard(world, 50)
    assert "still learning" not in page()


def test_how_long_it_is_learned_follows_from_who_stands_beside_it_and_from_its_kind(
    client: httpx.Client, world: World
) -> None:
    def page(sensor: str, language: str = "en") -> str:
        return client.get(f"/sensors/{sensor}", params={"lang": language}).text

    files = read_folder(Path(__file__).parents[2] / "city" / "example")
    world.run("INSERT INTO lifeline.bundles VALUES ('b2', %s, now())", Jsonb(files))
    world.run("UPDATE lifeline.current_bundle SET bundle = 'b2'")
    _heard(world, 20)
    world.run("INSERT INTO lifeline.bands SELECT sensor_id, 1, %s, 3, 2, 4 FROM lifeline.sensors", world.now)
    since = (world.now - timedelta(days=20)).date()

    world.run("UPDATE lifeline.sensors SET sensor = 'st-stone-1', quantity = 'strain' WHERE sensor = 'wl-017'")
    until = since + timedelta(days=28)
    assert f"until about {until}: before that only what is gross is called rare." in page("st-stone-1")
    assert f"约至 {until}；此前仅对明显异常示警。" in page("st-stone-1", "zh")

    world.run("UPDATE lifeline.sensors SET sensor = 'nobody', quantity = 'wind_speed' WHERE sensor = 'st-stone-1'")
    until = since + timedelta(days=84)
    told = f"until about {until}: before that only a value it hardly ever had, or standing still, is called rare."
    assert told in page("nobody")
    assert f"约至 {until}；此前仅对几乎从未出现过的数值或读数不变示警。" in page("nobody", "zh")
