"""The JSON API, the probes and the metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.http.conftest import World


def test_lists_are_rows_of_the_views_and_say_whether_there_is_more(client: httpx.Client, world: World) -> None:
    for n in range(3):
        world.incident(f"I-{n}", level=n + 1)
    body = client.get("/api/v1/incidents", params={"limit": 2, "open": True}).json()
    assert [row["incident"] for row in body["items"]] == ["I-2", "I-1"]
    assert body["more"] is True
    rest = client.get("/api/v1/incidents", params={"limit": 2, "open": True, "after": body["next"]})
    assert [row["incident"] for row in rest.json()["items"]] == ["I-0"]
    assert rest.json()["next"] is None
    assert "Link" not in rest.headers
    assert client.get("/api/v1/incidents", params={"level": "blue"}).json()["items"][0]["incident"] == "I-0"
    assert client.get("/api/v1/alarms", params={"incident": "I-1"}).json()["items"][0]["sensor"] == "wl-017"


def test_sensors_and_readings(client: httpx.Client) -> None:
    first = client.get("/api/v1/sensors", params={"limit": 1}).json()
    assert first["items"][0]["sensor"] == "wl-017"
    assert first["items"][0]["age_s"] > 0
    rest = client.get("/api/v1/sensors", params={"after": first["next"]}).json()
    assert [row["sensor"] for row in rest["items"]] == ["wl-018"]
    assert client.get("/api/v1/sensors/wl-017").json()["unit"] == "cm"
    readings = client.get("/api/v1/sensors/wl-017/readings", params={"limit": 5}).json()
    assert len(readings["items"]) == 5
    assert readings["more"] is True
    assert client.get("/api/v1/sensors/wl-017/readings", params={"since": "2020-01-01T00:00:00"}).status_code == 422


@pytest.mark.parametrize("path", ["findings", "notices", "health"])
def test_other_lists_answer(path: str, client: httpx.Client, world: World) -> None:
    world.incident()
    world.notice()
    assert client.get(f"/api/v1/{path}").status_code == 200
    assert client.get("/api/v1/incidents/I-7").json()["notices"][0]["notice"] == "a1b2c3d4"


def test_errors_are_problem_documents(client: httpx.Client, world: World) -> None:
    world.incident()
    for answer, status in (
        (client.get("/api/v1/sensors/none"), 404),
        (client.get("/api/v1/nothing"), 404),
        (client.get("/api/v1/incidents", params={"limit": 0}), 422),
        (client.delete("/api/v1/incidents/I-7"), 405),
        (client.post("/api/v1/incidents/none/commands", json={"kind": "confirm"}, headers={"If-Match": "*"}), 404),
        (client.post("/api/v1/incidents/I-7/commands", json={"kind": "confirm"}), 428),
        (client.post("/api/v1/incidents/I-7/commands", json={"kind": "confirm"}, headers={"If-Match": '"v9"'}), 412),
        (client.get("/api/v1/alarms", params={"after": "bm9uZQ"}), 422),
        (client.post("/api/v1/incidents/I-7/commands", content=b"{", headers={"If-Match": "*"}), 422),
        (client.post("/api/v1/incidents/I-7/commands", json={"kind": "confirm", "actor": "x", "more": 1}), 422),
    ):
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status
        assert client.get(answer.json()["type"]).json()["status"] == status


def test_a_command_is_appended_and_answered(
    client: httpx.Client, world: World, watcher: Callable[[str, str], None]
) -> None:
    world.incident()
    watcher("", "by api")
    seen = client.get("/api/v1/incidents/I-7").headers["ETag"]
    given = {"kind": "acknowledge", "actor": "bot"}
    answer = client.post("/api/v1/incidents/I-7/commands", json=given, headers={"If-Match": seen})
    assert answer.status_code == 202
    assert answer.json()["state"] == "done"
    assert answer.json()["incident"]["acknowledged"] is True
    assert world.commands()[0]["via"] == "api"
    assert f'"v{world.commands()[0]["expected"]}"' == seen, "the engine decides by the version that was seen"
    (deed,) = client.get("/api/v1/audit", params={"incident": "I-7"}).json()["items"]
    assert (deed["actor"], deed["action"], deed["how"]) == ("bot", "command.acknowledge", "local")
    assert deed["address"] == "127.0.0.1"
    assert client.get("/api/v1/audit/chain").json() == {"rows": 1, "head": f"1:{deed['hash']}", "fault": ""}


def test_the_api_describes_itself(client: httpx.Client) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/incidents", "/api/v1/incidents/{incident}/commands"} <= set(paths)
    assert "/n/{token}" not in paths


def test_metrics_and_probes(client: httpx.Client, world: World) -> None:
    world.incident()
    world.beat("watcher", ago_s=2, lag_s=5.5, name="x")
    text = client.get("/metrics").text
    for line in (
        'lifeline_alarms_standing{level="red"} 1',
        'lifeline_gateways{district="east",state="silent"} 1',
        "lifeline_evaluation_lag_seconds 5.5",
        "lifeline_sensors_stale 1",
        'lifeline_readings_total{district="east",what="stored"} 200',
    ):
        assert line in text.splitlines(), line
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_without_the_database_it_says_so_and_looks_anything_but_calm(client: httpx.Client, world: World) -> None:
    world.run("ALTER SCHEMA city RENAME TO gone")
    world.run("ALTER TABLE lifeline.current_bundle RENAME TO gone")
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200
    assert client.get("/api/v1/incidents").status_code == 503
    page = client.get("/", params={"lang": "en"})
    assert page.status_code == 503
    assert "nothing shown does not mean nothing happens" in page.text
