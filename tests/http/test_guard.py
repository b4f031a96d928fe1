"""Who may come in, and what they may do there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi.routing import APIRoute

from city.clock import SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from lifeline.http import guard
from lifeline.http.app import AppSettings, create_app, run_api
from lifeline.http.gate import is_loopback
from lifeline.http.needs import READING, Need
from lifeline.http.who import Role
from tests.running import serving

if TYPE_CHECKING:
    from tests.http.conftest import World

Serve = Callable[..., Any]
FORM = {"kind": "confirm", "actor": "x"}


def settings(database: str, base_url: str = "http://localhost") -> AppSettings:
    return AppSettings(database, b"0123456789abcdef", SystemClock(), base_url)


def test_the_network_is_not_listened_to_without_an_account(database: str) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "city.example"):  # noqa: S104 - that it is refused
        with pytest.raises(InputError, match="lifeline accounts add"):
            run_api(settings(database), host, 0, threading.Event())
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "10.0.0.1")] == [True, True, True, False]


def test_a_taken_port_is_said_at_the_start(database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OutsideError, match="LIFELINE_HTTP"):
        run_api(settings(database), "127.0.0.1", taken.getsockname()[1], threading.Event())


def test_an_answer_on_a_kept_connection_waits_for_no_acknowledgement(database: str) -> None:
    """With Nagle's algorithm each of them takes 40 ms or more, however idle the machine is: the quickest tells."""
    with serving(settings(database)) as address, httpx.Client(base_url=address, timeout=60) as person:
        took_s = []
        for _ in range(30):
            began_s = stopwatch_s()
            assert person.get("/healthz").status_code == 200
            took_s.append(stopwatch_s() - began_s)
    assert min(took_s) < 0.035


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic bGk6eA=="},
        {"Cookie": "lifeline_session=nonsense"},
    ],
)
def test_only_this_machine_is_served_before_there_is_an_account(headers: dict[str, str], client: httpx.Client) -> None:
    assert client.get("/api/v1/me").json()["how"] == "local"
    answer = client.get("/api/v1/me", headers=headers)
    assert answer.status_code == 401
    assert "lifeline accounts add" in answer.json()["detail"]
    assert client.get("/", headers=headers).status_code == 401


def test_a_public_address_needs_an_account_first(serve: Serve) -> None:
    with serve("https://city.example") as client:
        assert client.get("/api/v1/me").status_code == 401, "behind a proxy everybody would be this machine"
        assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Origin": "http://localhost"}, 303),
        ({}, 303),
    ],
)
def test_commands_come_from_our_own_pages(
    headers: dict[str, str], status: int, client: httpx.Client, world: World
) -> None:
    world.incident()
    form = FORM | {"csrf": csrf_of(client)}
    assert client.post("/incidents/I-7/commands", data=form, headers=headers).status_code == status
    assert len(world.commands()) == (status == 303)


def csrf_of(client: httpx.Client) -> str:
    """The word that the forms of a page carry."""
    import re

    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/incidents/I-7").text)
    return found[1] if found else ""


def test_a_browser_here_needs_the_word_of_our_forms_too(client: httpx.Client, world: World) -> None:
    world.incident()
    here = {"Sec-Fetch-Site": "same-origin"}
    assert csrf_of(client)
    assert client.post("/incidents/I-7/commands", data=FORM, headers=here).status_code == 403
    assert client.post("/incidents/I-7/commands", data=FORM | {"csrf": "x"}, headers=here).status_code == 403
    given = {"kind": "confirm"}
    answer = client.post("/api/v1/incidents/I-7/commands", json=given, headers=here | {"If-Match": "*"})
    assert answer.status_code == 403
    assert "X-CSRF-Token" in answer.json()["detail"]
    assert world.commands() == []


def test_every_answer_carries_the_headers(client: httpx.Client) -> None:
    for path in ("/", "/api/v1/health", "/none", "/n/forged", "/static/lifeline.css", "/login"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert "'unsafe-inline'" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert len(answer.headers["x-request-id"]) == 8
        assert "strict-transport-security" not in answer.headers
    through_tls = client.get("/healthz", headers={"X-Forwarded-Proto": "https"})
    assert through_tls.headers["strict-transport-security"].startswith("max-age=")


def test_bodies_are_bounded(client: httpx.Client, world: World) -> None:
    world.incident()
    assert client.post("/incidents/I-7/commands", content=b"x" * 70_000).status_code == 413
    assert client.post("/incidents/I-7/commands", content=iter([b"kind=confirm"])).status_code == 411
    with raw(client) as odd:
        odd.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n")
        assert b" 413 " in odd.recv(100)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that waits less long."""
    monkeypatch.setattr("lifeline.http.patience.HEADERS_S", 0.5)
    monkeypatch.setattr(guard, "BODY_S", 0.5)


def raw(client: httpx.Client) -> socket.socket:
    url = client.base_url
    return socket.create_connection((url.host, url.port or 80), timeout=60)


def all_of(connection: socket.socket) -> bytes:
    found = b""
    while part := connection.recv(65536):
        found += part
    return found


@pytest.mark.usefixtures("hasty", "world")
def test_slow_clients_are_cut(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as client:
        with raw(client) as silent, raw(client) as trickling, raw(client) as slow:
            trickling.sendall(b"GET / HT")
            start = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n"
            slow.sendall(start + b"Content-Type: application/x-www-form-urlencoded\r\n\r\nname=")
            assert all_of(silent) == b""
            assert all_of(trickling) == b""
            assert b" 408 " in all_of(slow).splitlines()[0]
        monkeypatch.undo()
        assert client.get("/healthz").status_code == 200


def routes(database: str) -> Iterator[tuple[str, APIRoute, list[Need]]]:
    """Every route of the application with the needs that stand before it."""
    app = create_app(settings(database))

    def walk(router: Any, prefix: str, needs: list[Need]) -> Iterator[tuple[str, APIRoute, list[Need]]]:  # noqa: ANN401 - FastAPI's own
        for route in router.routes:
            if isinstance(route, APIRoute):
                own = [one.dependency for one in route.dependencies if isinstance(one.dependency, Need)]
                yield prefix + route.path, route, needs + own
            else:  # a router within a router
                yield from walk(route.original_router, prefix + route.include_context.prefix, needs)

    try:
        for router, prefix, dependency in app.state.parts:
            yield from walk(router, prefix, [dependency.dependency])
    finally:
        app.state.data.close()


def test_every_route_says_what_it_needs_and_reading_rights_change_nothing(database: str) -> None:
    open_paths = set()
    seen = 0
    for path, route, needs in routes(database):
        seen += 1
        assert needs, path
        for method in route.methods or ():
            wanted = [need.of(method) for need in needs]
            if set(wanted) == {None}:
                open_paths.add(path)
                assert path.startswith(guard.OPEN_PATHS) or path in guard.OPEN_EXACTLY, path
            elif method not in READING and not path.startswith(("/account/", "/logout")):
                assert max(role for role in wanted if role) >= Role.OPERATOR, f"{method} {path}"
            if path.startswith(("/api/v1/accounts", "/api/v1/tokens", "/api/v1/audit")):
                assert max(role for role in wanted if role) is Role.ADMIN
    assert seen > 50
    assert {"/healthz", "/readyz", "/login", "/static/{name}", "/n/{token}"} <= open_paths
