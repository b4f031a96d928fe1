"""Who may come in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from city.clock import SystemClock
from city.errors import InputError, OutsideError
from lifeline.http.app import AppSettings, run_api
from lifeline.http.guard import is_loopback

if TYPE_CHECKING:
    from tests.http.conftest import World

Serve = Callable[..., Any]
FORM = {"kind": "confirm", "actor": "x"}


def settings(database: str, password: str | None = None) -> AppSettings:
    return AppSettings(database, b"0123456789abcdef", SystemClock(), "https://city.example", password)


def test_the_network_is_not_listened_to_without_a_password(database: str) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "city.example"):  # noqa: S104 - that it is refused
        with pytest.raises(InputError, match="LIFELINE_OPERATOR_PASSWORD"):
            run_api(settings(database), host, 0, threading.Event())
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "10.0.0.1")] == [True, True, True, False]


def test_a_taken_port_is_said_at_the_start(database: str) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OutsideError, match="LIFELINE_HTTP"):
        run_api(settings(database), "127.0.0.1", taken.getsockname()[1], threading.Event())


def test_a_password_protects_all_but_links_and_probes(world: World, serve: Serve) -> None:
    world.incident()
    world.notice()
    with serve("pässword") as client:
        for path in ("/", "/incidents/I-7", "/api/v1/incidents", "/metrics", "/gateways", "/api/v1/openapi.json"):
            answer = client.get(path)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic")
            assert "no-store" in answer.headers["cache-control"]
        for path in (f"/n/{world.token()}", "/healthz", "/readyz", "/static/lifeline.css"):
            assert client.get(path).status_code == 200
        for path in ("/n/../", "//", "/healthz/../api/v1/incidents", "/%6e/../metrics"):
            assert client.get(path).status_code in (401, 404)
        wrong, right = httpx.BasicAuth("zhao", "wrong"), httpx.BasicAuth("zhao", "pässword")
        assert client.get("/", auth=wrong).status_code == 401
        assert client.get("/", headers={"Authorization": "Basic !!"}).status_code == 401
        assert client.get("/", auth=right).status_code == 200
        assert 'value="zhao"' in client.get("/incidents/I-7", auth=right).text
        given = {"kind": "confirm", "actor": "somebody else"}
        answer = client.post("/api/v1/incidents/I-7/commands", json=given, auth=right)
        assert answer.status_code == 202
    assert world.commands()[0]["actor"] == "zhao"  # who signed in, not who they say


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "https://city.example"}, 303),
        ({}, 303),
    ],
)
def test_commands_come_from_our_own_pages(
    headers: dict[str, str], status: int, client: httpx.Client, world: World
) -> None:
    world.incident()
    assert client.post("/incidents/I-7/commands", data=FORM, headers=headers).status_code == status
    assert len(world.commands()) == (status == 303)


def test_a_foreign_name_that_points_here_is_not_answered(client: httpx.Client) -> None:
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
    assert client.get("/", headers={"Host": "city.example"}).status_code == 200


def test_bodies_are_bounded(client: httpx.Client, world: World) -> None:
    world.incident()
    assert client.post("/incidents/I-7/commands", content=b"x" * 70_000).status_code == 413
    assert client.post("/incidents/I-7/commands", content=iter([b"kind=confirm"])).status_code == 411
