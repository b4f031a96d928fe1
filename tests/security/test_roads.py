"""Every route of the application, walked: answers carry the headers, large bodies are refused, districts are kept."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx

from lifeline.http.guard import LONGEST_BODY, SECURITY_HEADERS
from lifeline.http.needs import READING
from lifeline.http.who import Role
from tests.http.people import Serve, account, csrf, sign_in, token
from tests.http.test_guard import routes
from tests.security.conftest import OURS, THEIRS

if TYPE_CHECKING:
    from tests.http.conftest import World

# What a path's place is filled with: `{0}` is a word of a district.
PLACES = {
    "incident": "i{0}", "alarm": "a{0}", "sensor": "{0}-s", "notice": "n{0}", "flood": "f{0}", "drill": "dr{0}",
    "identifier": "rel{0}", "gateway": "{0}-g", "roster": "{0}", "account": "root", "name": "lifeline.css",
}  # fmt: skip
FILTERS = {"district", "incident", "sensor", "site", "gateway", "desk"}
ENDLESS = ("/events",)


def filled(path: str, word: str) -> str:
    """A route's path with a district's ids in it."""
    photo = "a" * 63 + ("0" if word == OURS else "1")

    def place(found: re.Match[str]) -> str:
        return photo if found[1] == "attachment" else PLACES.get(found[1], "none").format(word)

    return re.sub(r"{(\w+)}", place, path)


def said(client: httpx.Client, method: str, address: str, key: dict[str, str], length: str) -> int:
    """What is answered to a request's head alone: none of its body needs to be sent."""
    url = client.base_url
    head = (
        f"{method} {address} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {key['Authorization']}\r\n{length}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 80), timeout=60) as line:
        line.sendall(head.encode())
        return int(line.recv(64).split()[1])


@dataclass(frozen=True)
class Road:
    """A method of a path, the role it needs (None: open), and the filters that it knows."""

    method: str
    path: str
    wanted: Role | None
    filters: frozenset[str]


def roads(database: str) -> list[Road]:
    """Every one there is, but those that do not end."""
    found = []
    for path, route, needs in routes(database):
        filters = frozenset(field.alias for field in route.dependant.query_params) & FILTERS
        for method in sorted((route.methods or set()) if path not in ENDLESS else ()):
            wanted = [role for need in needs if (role := need.of(method)) is not None]
            found.append(Road(method, path, max(wanted, default=None), filters))
    return found


def test_every_route_answers_with_the_headers_and_refuses_a_large_body(
    database: str, districts: World, serve: Serve
) -> None:
    key = token(districts, "boss", "admin")
    seen = 0
    with serve() as client:
        for road in roads(database):
            seen += 1
            method, path, address = road.method, road.path, filled(road.path, OURS)
            answer = client.request(method, address, headers=key)
            for name, value in SECURITY_HEADERS.items():
                kept = answer.headers.get(name)
                assert kept == value or (name == "Cache-Control" and kept), (method, path, name)
            assert answer.headers["X-Request-ID"], path
            if method not in READING:
                assert said(client, method, address, key, f"Content-Length: {LONGEST_BODY + 1}") == 413, (method, path)
                assert said(client, method, address, key, "Transfer-Encoding: chunked") == 411, (method, path)
    assert seen > 75


def test_below_its_role_nobody_comes_to_a_route(database: str, districts: World, serve: Serve) -> None:
    """Every route as nobody, with a forged key, and with each role that does not suffice; none leaves a trace."""
    words = ("viewer", "operator", "engineer")
    keys = {int(Role[word.upper()]): token(districts, f"as-{word}", word) for word in words}
    before = districts.conn.execute("SELECT count(*) FROM lifeline.audit").fetchone()
    refused = 0
    with serve() as client:
        for road in roads(database):
            if road.wanted is None:
                continue
            method, path, address = road.method, road.path, filled(road.path, OURS)
            answer = client.request(method, address)
            assert answer.status_code in (303, 401), (method, path, answer.status_code)
            if answer.status_code == 303:
                assert answer.headers["location"].startswith("/login?next="), path
            if key := keys.get(road.wanted - 1):  # the highest role that does not suffice
                answer = client.request(method, address, headers=key, json={"kind": "note", "note": "x"})
                assert answer.status_code == 403, (method, path, answer.status_code, answer.text)
                refused += 1
    assert refused >= 20
    assert districts.commands() == []
    assert districts.conn.execute("SELECT count(*) FROM lifeline.audit").fetchone() == before


def test_no_route_tells_one_district_of_another(database: str, districts: World, serve: Serve) -> None:
    """An operator of `eigen` opens every page and list, asks for all of `geheim` by name, and filters by it."""
    account(districts, "li", "operator", OURS)
    districts.run("UPDATE lifeline.bundles SET files = files || %s", '{"note.md": "x"}')
    own, asked = 0, 0
    every = [road for road in roads(database) if road.wanted is not None and road.wanted <= Role.OPERATOR]
    with serve() as client:
        assert sign_in(client, "li").status_code == 303
        for road in every:
            if road.method != "GET":
                continue
            path, asked = road.path, asked + 1
            answer = client.get(filled(path, OURS))
            assert answer.status_code in (200, 404), (path, answer.status_code)
            assert THEIRS not in answer.text, f"{path} tells of the other district"
            own += OURS in answer.text
            if "{" in path:
                theirs = client.get(filled(path, THEIRS))
                assert theirs.status_code == 404, (path, theirs.status_code)
                assert len(theirs.text) < 6000, path
            elif road.filters:
                filtered = client.get(path, params=dict.fromkeys(road.filters, THEIRS))
                assert filtered.status_code in (200, 404, 422), path
                asked_for = rf"[?&;]\w+={THEIRS}|value=\"{THEIRS}\"|<b>{THEIRS}</b>"
                assert THEIRS not in re.sub(asked_for, "", filtered.text), path
        word = csrf(client)
        for road in every:
            method, path = road.method, road.path
            if method in READING or "{" not in path:
                continue
            form = {"kind": "note", "note": "x", "csrf": word, "identifier": f"c{THEIRS}"}
            headers = {"X-CSRF-Token": word, "If-Match": "*"}
            body = {"json": {"kind": "note", "note": "x"}} if path.startswith("/api/") else {"data": form}
            answer = client.request(method, filled(path, THEIRS), headers=headers, **body)
            assert answer.status_code in (403, 404, 409, 422), (method, path, answer.status_code)
    assert own > 25, "what is one's own is shown, or nothing was tested"
    assert asked > 55
    assert districts.commands() == []


def test_nothing_leads_to_where_the_request_says_it_was_sent(districts: World, serve: Serve) -> None:
    key = token(districts, "boss", "admin")
    with serve() as client:
        for path in (
            "/login/",
            "/api/v1/health/",
            "//evil.example/health",
            "/%5cevil.example",
            "//login",
            "/none",
            "/health",
        ):
            for headers in ({}, key):
                answer = client.get(
                    path, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"} | headers
                )
                assert not re.search(r"//|\\|^/%5c", answer.headers.get("location", "")), (path, answer.headers)
                assert not re.search(r"(href|action|src)=\"[^\"]*//evil", answer.text), path


def test_a_path_is_a_path_and_nothing_else(districts: World, serve: Serve) -> None:
    """Dots, zero bytes, line ends, other encodings: each is somebody's mistake, none is the server's."""
    key = token(districts, "boss", "admin")
    odd = (
        "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2flifeline.css", "a%00b", "%0d%0aX-Evil:%201", "%ed%a0%80", "' OR 1=1",
        "%(x)s{0}",
    )  # fmt: skip
    with serve() as client:
        for path in ("/static/{}", "/attachments/{}", "/incidents/{}", "/sensors/{}", "/n/{}", "/n/{}/photos/{}",
                     "/api/v1/incidents/{}/events", "/api/v1/cap/{}.xml", "/api/v1/problems/{}"):  # fmt: skip
            for text in odd:
                address = path.replace("{}", text if "%" in text else quote(text, safe=""))
                answer = client.get(address, headers=key)
                assert 400 <= answer.status_code < 500, (address[:80], answer.status_code)
                assert "X-Evil" not in answer.headers
                assert "root:" not in answer.text
