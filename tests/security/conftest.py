"""A city of two districts with something of each everywhere, behind the real server; and people who try things."""

from __future__ import annotations

import re

import pytest
from psycopg.types.json import Jsonb

from lifeline.http import commands, gate, passwords
from lifeline.http.rates import Rates
from tests.http.conftest import World, client, serve, world
from tests.http.people import CHEAP
from tests.store.test_grants import _OF_EACH_DISTRICT

__all__ = ["client", "serve", "world"]

OURS, THEIRS = "eigen", "geheim"  # a word in everything of one's own district, and of the other
SENTENCE = {"en": "Water stands", "zh": "积水"}


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost little, commands that wait for nobody, and no limits on how often somebody asks."""
    monkeypatch.setattr(passwords, "_hasher", CHEAP)
    passwords._nobody.cache_clear()
    monkeypatch.setattr(commands, "PATIENCE_S", 0.0)
    monkeypatch.setattr(gate, "Rates", lambda per_s, burst: Rates(1e6 * per_s, 1e6 * burst))


@pytest.fixture
def districts(world: World) -> World:
    """The city of `world`, and a district `eigen` and one `geheim`, with a row of each in every table."""
    for n, word in enumerate((OURS, THEIRS)):
        world.run("INSERT INTO lifeline.districts VALUES (%s, %s)", word, Jsonb({"en": word}))
        site = "INSERT INTO lifeline.sites VALUES (%s, 'underpass', %s, %s, 121, 38)"
        world.run(site, f"{word}-u", Jsonb({"en": f"Place {word}"}), word)
        world.run("INSERT INTO lifeline.gateways VALUES (%s, %s, '', 30)", f"{word}-g", word)
        world.run(
            "INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat)"
            " VALUES (%s, %s, %s, 'water_depth', 'waterlogging', 'cm', 30, 121, 38)",
            *(f"{word}-s", f"{word}-g", f"{word}-u"),
        )
        given = {"sensor": f"{word}-s", "site": f"{word}-u", "district": word, "gateway": f"{word}-g"}
        for statement in _OF_EACH_DISTRICT:
            fixed = re.sub(r"(repeat\('a', \d+\)) \|\| %\(n\)s", r"\1 || %(digit)s", statement)  # ids of a fixed length
            world.conn.execute(fixed, given | {"n": word, "digit": str(n)})
        world.run(
            "INSERT INTO lifeline.latest SELECT sensor_id, now(), 42.4, 1, now() FROM lifeline.sensors"
            " WHERE sensor = %s",
            f"{word}-s",
        )
        world.run("UPDATE lifeline.incidents SET title = %s, drill = false WHERE district = %s", Jsonb(SENTENCE), word)
        xml = f'<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><sender>{word}</sender></alert>'
        world.run(
            "UPDATE lifeline.cap_messages SET xml = %s, facts = %s WHERE incident = %s", xml, Jsonb({}), f"i{word}"
        )
        world.run(
            "INSERT INTO lifeline.cap_messages SELECT 'rel' || %s, incident, change || 'r', msg_type, status,"
            " 'released', level, made_at, now(), 'li', 'x', refers_to, facts, xml, changed_at"
            " FROM lifeline.cap_messages WHERE identifier = %s",
            *(word, f"c{word}"),
        )
    return world
