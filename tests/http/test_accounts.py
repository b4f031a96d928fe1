"""Accounts, sessions and tokens at the real server: signing in and out, roles, districts, and those who try."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from argon2 import PasswordHasher
from psycopg.types.json import Jsonb

from city.clock import SystemClock
from lifeline.http import passwords
from store import accounts, audit
from tests.http.people import BY, CHEAP, PASSWORD, Serve, account, csrf, sign_in, signed_in, token

if TYPE_CHECKING:
    from tests.http.conftest import World


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost little."""
    monkeypatch.setattr(passwords, "_hasher", CHEAP)
    passwords._nobody.cache_clear()


def test_signing_in_gives_a_session_of_its_own_and_out_ends_it(world: World, serve: Serve) -> None:
    account(world, "li")
    with serve() as client:
        first = client.get("/gateways", params={"lang": "zh"})
        assert first.status_code == 303
        assert first.headers["location"] == "/login?next=%2Fgateways%3Flang%3Dzh"
        assert "登录" in client.get(first.headers["location"], headers={"Accept-Language": "zh"}).text
        client.cookies.set("lifeline_session", "chosen", domain="127.0.0.1")
        answer = client.post("/login", data={"name": " Li ", "password": PASSWORD, "next": "/gateways"})
        assert answer.headers["location"] == "/gateways"
        cookie = answer.headers["set-cookie"]
        assert "chosen" not in cookie
        for part in ("HttpOnly", "SameSite=strict", "Path=/"):
            assert part in cookie
        assert client.get("/api/v1/me").json() == {
            "name": "li", "role": "operator", "districts": None, "person": "", "how": "session",
        }  # fmt: skip
        kept = {"Cookie": f"lifeline_session={client.cookies['lifeline_session']}"}
        assert client.post("/logout").status_code == 403, "another site could do it"
        assert client.post("/logout", data={"csrf": csrf(client)}).status_code == 303
        assert client.get("/api/v1/me", headers=kept).status_code == 401
    done = [row["action"] for row in audit.listed(world.conn, actor="li")]
    assert done == ["logout", "login"]


def test_behind_tls_the_cookie_belongs_to_this_host_alone(world: World, serve: Serve) -> None:
    account(world, "li")
    with serve("https://city.example") as client:
        cookie = sign_in(client, "li", **{"X-Forwarded-Proto": "https"}).headers["set-cookie"]
    assert cookie.startswith("__Host-lifeline_session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    "next_", ["https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nX: y", "javascript:1"]
)
def test_signing_in_leads_nowhere_else(next_: str, world: World, serve: Serve) -> None:
    account(world, "li")
    with serve() as client:
        answer = client.post("/login", data={"name": "li", "password": PASSWORD, "next": next_})
        assert answer.headers["location"] == "/"
        assert "x" not in answer.headers


def test_wrong_passwords_make_an_account_wait_and_tell_nothing(world: World, serve: Serve) -> None:
    account(world, "li")
    account(world, "gone")
    accounts.set_disabled(world.conn, "gone", disabled=True, by=BY)
    with serve() as client:
        answers = {
            name: [sign_in(client, name, "wrong", **{"X-Forwarded-For": f"203.0.113.{n}"}) for n in range(7)]
            for name in ("li", "nobody", "gone")
        }
        seen = {name: [answer.status_code for answer in found] for name, found in answers.items()}
        assert seen["li"] == seen["nobody"] == seen["gone"] == [401] * 5 + [429] * 2
        texts = {re.sub(r"lang=\w+", "", answers[name][0].text) for name in answers}
        assert len(texts) == 1, "known, unknown and shut out look alike"
        assert int(answers["li"][6].headers["retry-after"]) > 10
        assert sign_in(client, "li", **{"X-Forwarded-For": "203.0.113.99"}).status_code == 429, (
            "the right one waits too"
        )
        accounts.unlock(world.conn, "li", BY)
        assert sign_in(client, "li", **{"X-Forwarded-For": "203.0.113.99"}).status_code == 303
        assert sign_in(client, "gone", **{"X-Forwarded-For": "203.0.113.98"}).status_code == 429
    rows = audit.listed(world.conn, action="login.failed")
    assert {row["actor"] for row in rows} == {"li", "gone", "(unknown)"}
    assert PASSWORD not in repr(rows)
    assert "nobody" not in repr(rows), "what is typed for a name may be a password"


def test_one_address_cannot_try_many_names(world: World, serve: Serve) -> None:
    account(world, "li")
    with serve() as client:
        tried = [sign_in(client, f"name{n}").status_code for n in range(12)]
        assert tried[:10] == [401] * 10
        assert tried[10:] == [429] * 2
        bad = {"Authorization": f"Bearer lifeline_{'A' * 12}_{'b' * 43}"}
        keys = [client.get("/api/v1/me", headers=bad).status_code for _ in range(22)]
        assert keys[0] == 401
        assert keys[-1] == 429


def test_a_session_ends_by_itself(world: World, serve: Serve) -> None:
    account(world, "li")
    with signed_in(serve, "li") as client:
        again = "UPDATE lifeline.sessions SET expires_at = now() + interval '1 d', seen_at = now()"
        for over in ("expires_at = now() - interval '1 s'", "seen_at = now() - interval '13 h'"):
            assert client.get("/api/v1/me").status_code == 200
            world.run(f"UPDATE lifeline.sessions SET {over}")  # noqa: S608 - the two above
            assert client.get("/api/v1/me").status_code == 401
            world.run(again)
        accounts.set_disabled(world.conn, "li", disabled=True, by=BY)
        assert client.get("/api/v1/me").status_code == 401


def test_a_new_password_signs_out_everywhere_else(world: World, serve: Serve) -> None:
    account(world, "li")
    with signed_in(serve, "li") as client, serve() as other:
        sign_in(other, "li")
        form = {"csrf": csrf(client), "old": PASSWORD, "new": "four wet boots!", "again": "four wet boots!"}
        assert "wrong" in client.post("/account/password", data=form | {"old": "x"}).text
        assert "not the same" in client.post("/account/password", data=form | {"again": "x"}).text
        short = client.post("/account/password", data=form | {"new": "lilililililili", "again": "lilililililili"})
        assert short.status_code == 422
        assert client.post("/account/password", data=form | {"csrf": ""}).status_code == 403
        assert client.post("/account/password", data=form).status_code == 303
        assert client.get("/api/v1/me").status_code == 200
        assert other.get("/api/v1/me").status_code == 401
        assert sign_in(other, "li").status_code == 401
        assert sign_in(other, "li", "four wet boots!").status_code == 303
        page = client.get("/account", params={"lang": "en"}).text
        assert page.count("127.0.0.1") == 2
        client.post("/account/sessions", data={"csrf": csrf(client)})
        assert other.get("/api/v1/me").status_code == 401


def test_roles_hold_for_tokens_and_sessions(world: World, serve: Serve) -> None:
    world.incident()
    account(world, "look", "viewer")
    given, match = {"kind": "note", "note": "x", "actor": "boss"}, {"If-Match": "*"}
    viewer, operator = token(world, "wall", "viewer"), token(world, "bot", "operator")
    with signed_in(serve, "look") as client:
        form = {"kind": "note", "note": "x", "actor": "x", "csrf": csrf(client)}
        assert client.post("/incidents/I-7/commands", data=form).status_code == 403
        header = {"X-CSRF-Token": form["csrf"]} | match
        assert client.post("/api/v1/incidents/I-7/commands", json=given, headers=header).status_code == 403
        client.cookies.clear()
        assert client.get("/metrics", headers=viewer).status_code == 200
        path = "/api/v1/incidents/I-7/commands"
        assert client.post(path, json=given, headers=viewer | match).status_code == 403
        assert client.post(path, json=given, headers=operator | match).status_code == 202
        for method, path in (("GET", "/api/v1/accounts"), ("POST", "/api/v1/tokens"), ("GET", "/api/v1/audit")):
            assert client.request(method, path, headers=operator).status_code == 403
        expired = token(world, "old", "admin", days=-1)
        assert client.get("/api/v1/me", headers=expired).status_code == 401
        accounts.revoke(world.conn, "bot", BY, SystemClock().now())
        assert client.get("/api/v1/me", headers=operator).status_code == 401
        changed = operator["Authorization"][:-1] + ("A" if operator["Authorization"][-1] != "A" else "B")
        assert client.get("/api/v1/me", headers={"Authorization": changed}).status_code == 401
    (command,) = world.commands()
    assert command["actor"] == "bot", "who signed in, not who they say they are"


def test_a_district_is_all_that_is_seen_and_commanded(world: World, serve: Serve) -> None:
    world.run("INSERT INTO lifeline.districts VALUES ('west', %s)", Jsonb({"en": "West"}))
    world.run("INSERT INTO lifeline.sites VALUES ('up-02', 'underpass', '{}', 'west', 121, 38)")
    world.run("INSERT INTO lifeline.gateways VALUES ('gw-9', 'west', '', 30)")
    world.run(
        "INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat)"
        " VALUES ('wl-900', 'gw-9', 'up-02', 'water_depth', 'waterlogging', 'cm', 30, 121, 38)"
    )
    world.incident()
    world.notice()
    account(world, "li", "operator", "west")
    with signed_in(serve, "li") as client:
        lists = (
            "incidents",
            "alarms",
            "notices",
            "sensors",
            "sites",
            "gateways",
            "clocks",
            "shelves",
            "findings",
            "blind",
        )
        shown = {name: client.get(f"/api/v1/{name}").text for name in lists}
        for name, text in shown.items():
            assert not re.search(r"east|I-7|wl-01|gw-1|gw-2|up-01", text), name
        assert "wl-900" in shown["sensors"]
        assert "gw-9" in shown["gateways"]
        header = {"X-CSRF-Token": csrf(client), "If-Match": "*"}
        until = (SystemClock().now() + timedelta(hours=1)).isoformat()
        for path, given in (
            ("incidents/I-7/commands", {"kind": "note", "note": "x"}),
            ("alarms/A-I-7/commands", {"kind": "unshelve"}),
            ("sensors/wl-017/commands", {"kind": "in_service"}),
            ("shelves/commands", {"kind": "shelve", "key": "underpass-depth/wl-017", "until": until}),
            ("maintenance/commands", {"kind": "maintain", "target": "site/up-01", "until": until, "note": "x"}),
            ("notices/a1b2c3d4/receipt", {}),
        ):
            answer = client.post(f"/api/v1/{path}", json=given, headers=header)
            assert answer.status_code == 404, (path, answer.text)
        for path in ("incidents/I-7", "sensors/wl-017", "sensors/wl-017/readings", "alarms/A-I-7", "notices/a1b2c3d4"):
            assert client.get(f"/api/v1/{path}").status_code == 404, path
        for path in ("/", "/gateways", "/sensors", "/rejections", "/metrics"):
            assert not re.search(r"I-7|wl-01|gw-1\b|gw-2", client.get(path).text), path
        for path in ("/incidents/I-7", "/sensors/wl-017"):
            assert client.get(path).status_code == 404, path
        form = {"kind": "note", "note": "x", "actor": "x", "csrf": header["X-CSRF-Token"]}
        assert client.post("/incidents/I-7/commands", data=form).status_code == 404
    assert world.commands() == []
    assert world.conn.execute("SELECT state FROM lifeline.notices").fetchall() == [("sent",)]


def test_administrators_make_accounts_and_keys_through_the_api(world: World, serve: Serve) -> None:
    account(world, "root")
    headers = token(world, "setup", "admin")
    with serve(headers=headers) as client:
        given = {"account": "li", "password": PASSWORD, "role": "operator", "districts": ["east"]}
        made = client.post("/api/v1/accounts", json=given)
        assert made.status_code == 201
        assert "password" not in made.json()
        assert client.post("/api/v1/accounts", json=given).status_code == 409
        assert client.post("/api/v1/accounts", json=given | {"account": "x", "districts": ["moon"]}).status_code == 409
        assert client.patch("/api/v1/accounts/li", json={"role": "admin"}).status_code == 409, (
            "an admin has no district"
        )
        assert client.patch("/api/v1/accounts/li", json={"role": "viewer"}).json()["districts"] == ["east"]
        assert client.patch("/api/v1/accounts/root", json={"disabled": True}).status_code == 409, "the last one"
        assert client.patch("/api/v1/accounts/none", json={"unlock": True}).status_code == 404
        key = client.post("/api/v1/tokens", json={"name": "wall", "role": "viewer"}).json()
        assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {key['key']}"}).json()["name"] == "wall"
        assert client.delete("/api/v1/tokens/wall").status_code == 204
        assert client.delete("/api/v1/tokens/wall").status_code == 404
        names = [row["action"] for row in client.get("/api/v1/audit", params={"actor": "setup"}).json()["items"]]
        assert names == ["token.revoke", "token.create", "account.role", "account.add"]
        assert client.get("/api/v1/audit/chain", params={"anchor": "nonsense"}).status_code == 422
        head = client.get("/api/v1/audit/chain").json()["head"]
        assert client.get("/api/v1/audit/chain", params={"anchor": head}).json()["fault"] == ""
        assert "$argon2" not in client.get("/api/v1/accounts").text


def test_a_password_kept_cheaply_is_kept_better_after_the_next_sign_in(
    world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    account(world, "li")
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    with signed_in(serve, "li"):
        row = accounts.account(world.conn, "li")
    assert row is not None
    assert "m=16,t=2" in row["password"]
