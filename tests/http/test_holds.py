"""Shelves, service and resets over the API: real server, real watcher, real database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from city.clock import ManualClock, from_us
from lifeline.http.app import AppSettings
from store import roles
from store.connection import connect
from tests.rules.small_city import FILES, T0_US, city_files
from tests.rules.test_watcher import handled, put, query, watching, write
from tests.running import eventually, serving

LATCHING = FILES["rules/depth.yaml"].replace("    clear_after: 10m", "    latch: true\n    clear_after: 10m")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(from_us(T0_US))


@contextmanager
def served(dsn: str, clock: ManualClock) -> Iterator[httpx.Client]:
    with (
        serving(AppSettings(dsn, b"0123456789abcdef", clock, "http://localhost")) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=60) as client,
    ):
        yield client


def say(client: httpx.Client, path: str, **said: Any) -> tuple[str, str]:  # noqa: ANN401 - JSON values
    answer = client.post(path, json={"actor": "Li", "note": "pump test", **said})
    assert answer.status_code == 202, answer.text
    body = answer.json()
    return body["state"], body["reason"]


def test_shelve_reset_and_service_from_the_api_to_the_tables(database: str, tmp_path: Path, clock: ManualClock) -> None:
    folder = write(tmp_path / "city", city_files(rules__depth=LATCHING))
    until = (clock.now() + timedelta(hours=1)).isoformat()
    with watching(database, folder, clock), served(database, clock) as client:
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        put(database, "wl-1", [20.0] * 4)
        ((alarm, incident),) = eventually(lambda: query(database, "SELECT alarm, incident FROM city.alarms"))
        path = f"/alarms/{alarm}/commands"
        assert say(client, path, kind="shelve")[0] == "refused"
        assert say(client, path, kind="shelve", until=until)[0] == "done"
        (shelf,) = client.get("/shelves").json()["items"]
        assert (shelf["key"], shelf["kind"], shelf["level"], shelf["by"], shelf["reason"]) == (
            "depth/wl-1", "shelved", "yellow", "Li", "pump test",
        )  # fmt: skip
        (row,) = client.get("/alarms", params={"open": True}).json()["items"]
        assert (row["state"], row["hold"]) == ("shelved", "shelved")
        assert "by Li: pump test" in row["hold_reason"]

        put(database, "wl-1", [50.0] * 2, start_s=240)
        eventually(lambda: query(database, "SELECT 1 FROM city.alarms WHERE level = 'red' AND hold = ''"))
        assert client.get("/shelves").json()["items"] == []
        assert query(database, "SELECT ended_why FROM lifeline.shelves") == [("broke through: red is above yellow",)]
        red = (clock.now() + timedelta(minutes=10)).isoformat()
        assert say(client, path, kind="shelve", until=red)[0] == "asked"
        assert say(client, path, kind="shelve", until=red, actor="Bo")[0] == "done"
        assert say(client, path, kind="unshelve", note="")[0] == "done"

        put(database, "wl-1", [0.0] * 12, start_s=360)
        eventually(lambda: query(database, "SELECT 1 FROM city.alarms WHERE state = 'latched'"))
        assert client.get("/alarms", params={"open": True}).json()["items"][0]["state"] == "latched"
        close = client.post(
            f"/incidents/{incident}/commands",
            json={"kind": "close", "actor": "Li", "note": "done"},
            headers={"If-Match": "*"},
        )
        assert close.json()["state"] == "refused"
        assert alarm in close.json()["reason"]
        assert say(client, path, kind="reset", note="")[0] == "refused"
        assert say(client, path, kind="reset", note="looked, dry")[0] == "done"
        assert query(database, "SELECT state FROM city.alarms") == [("normal",)]

        assert say(client, "/sensors/wl-2/commands", kind="out_of_service", until=until)[0] == "done"
        assert say(client, "/shelves/commands", kind="shelve", key="depth/wl-2", level="blue", until=until)[0] == "done"
        assert client.post("/sensors/none/commands", json={"kind": "in_service", "actor": "x"}).status_code == 404
        assert client.post(path, json={"kind": "close", "actor": "x"}).status_code == 422
        put(database, "wl-2", [50.0] * 2, start_s=1200)
        eventually(lambda: query(database, "SELECT 1 FROM city.alarms WHERE state = 'out_of_service'"))
    kinds = "SELECT kind FROM city.hold_events WHERE key = 'depth/wl-1' ORDER BY split_part(event, '.', 1)::int, event"
    assert [kind for (kind,) in query(database, kinds)] == [
        "refused_shelve", "shelve", "shelf_ended", "asked_shelve", "shelve", "unshelve",
    ]  # fmt: skip
    with watching(database, folder, clock):  # holds outlive the process, and end by time
        eventually(lambda: handled(database))
        clock.advance(3601)
        eventually(
            lambda: query(database, "SELECT 1 FROM city.alarms WHERE scope = 'wl-2' AND state = 'unacknowledged'")
        )
    assert query(database, "SELECT count(*) FROM city.shelves") == [(0,)]


def test_a_silent_gateway_shows_what_it_blinds(database: str, tmp_path: Path, clock: ManualClock) -> None:
    folder = write(tmp_path / "city", dict(FILES))
    with watching(database, folder, clock), served(database, clock) as client:
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        put(database, "wl-2", [50.0, 50.0])
        put(database, "wl-1", [0.0], start_s=360)
        eventually(lambda: handled(database))
        clock.advance(400)
        with connect(database) as conn:
            roles.beat(conn, "recorder", 1, clock.now(), {})
        eventually(lambda: query(database, "SELECT 1 FROM city.blind"))
        rows = client.get("/blind").json()["items"]
        assert [(row["sensor"], row["gateway"], row["district"]) for row in rows] == [
            ("rain-1", "g2", "north"), ("wl-2", "g2", "north"),
        ]  # fmt: skip
        assert {row["since"] for row in rows} == {from_us(T0_US + 360_000_000).isoformat().replace("+00:00", "Z")}
    (evidence,) = query(
        database, "SELECT evidence FROM city.alarm_events e JOIN city.alarms USING (alarm) WHERE scope = 'g2'"
    )[0]
    assert [seen["sensor"] for seen in evidence] == ["g2", "wl-2", "wl-2", "rain-1"]
