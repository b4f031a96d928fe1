"""Sessions, cookies, keys and links: they end, they cannot be made up, and nobody is given somebody else's."""

from __future__ import annotations

import hmac
import json
import re
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import msgspec
import pytest

from city.clock import SystemClock, to_us
from lifeline.http import crew, gate, guard, needs, passwords
from lifeline.http.live import TOPICS
from rules.notify import links
from rules.notify.links import Claims, Refusal, sign, verify
from store import accounts
from tests.http.people import BY, PASSWORD, Serve, account, csrf, sign_in, signed_in, token

if TYPE_CHECKING:
    from tests.http.conftest import World

SECRET, OTHER = b"0123456789abcdef", b"fedcba9876543210"
TLS = {"X-Forwarded-Proto": "https"}


def cookies_of(answer: httpx.Response) -> dict[str, str]:
    """The cookies an answer sets, each with its attributes in lower case."""
    return {said.partition("=")[0]: said.lower() for said in answer.headers.get_list("set-cookie")}


def carrying(cookie: str, name: str = gate.COOKIE) -> dict[str, str]:
    """The header of a request with a session's cookie."""
    return {"Cookie": f"{name}={cookie}"}


def test_every_cookie_is_closed_to_scripts_and_to_other_sites(world: World, serve: Serve) -> None:
    world.incident()
    with serve() as client:
        told = client.post("/incidents/I-7/commands", data={"kind": "note", "note": "x", "actor": "li"})
        chosen = client.get("/login?lang=zh&theme=dark", headers=TLS)
        account(world, "li")
        plain, secure = sign_in(client, "li"), sign_in(client, "li", **TLS)
        client.cookies.clear()
    every = [cookies_of(answer) for answer in (told, chosen, plain, secure)]
    assert [set(one) for one in every] == [
        {"actor"}, {"lang", "theme"}, {gate.COOKIE}, {gate.SECURE_COOKIE}
    ]  # fmt: skip
    for one in every:
        for said in one.values():
            assert "httponly" in said
            assert "samesite=lax" in said or "samesite=strict" in said
            assert "domain=" not in said
    for one in (every[1], every[3]):
        assert all("; secure" in said for said in one.values()), "what came over TLS goes back over TLS only"
    session = every[3][gate.SECURE_COOKIE]
    assert gate.SECURE_COOKIE.startswith("__Host-")
    assert "path=/;" in session
    assert "samesite=strict" in session


def test_a_cookie_that_was_planted_opens_nothing_and_is_not_kept(world: World, serve: Serve) -> None:
    """Session fixation: whoever sets a cookie beforehand does not know the one that signing in gives."""
    account(world, "li")
    with serve() as client:
        planted = "A" * 43
        client.cookies.set(gate.COOKIE, planted)
        assert client.get("/api/v1/me").status_code == 401
        answer = sign_in(client, "li")
        given = SimpleCookie(answer.headers["set-cookie"])[gate.COOKIE].value
        assert given != planted
        assert len(urlsafe_b64decode(given + "=")) == 32
        client.cookies.clear()
        assert client.get("/api/v1/me", headers=carrying(planted)).status_code == 401
        assert client.get("/api/v1/me", headers=carrying(given)).status_code == 200
        again = SimpleCookie(sign_in(client, "li", Cookie=f"{gate.COOKIE}={given}").headers["set-cookie"])
        client.cookies.clear()
        assert client.get("/api/v1/me", headers=carrying(given)).status_code == 401, "the one before is over"
        assert client.get("/api/v1/me", headers=carrying(again[gate.COOKIE].value)).status_code == 200


def test_over_tls_only_a_cookie_of_this_host_is_taken(world: World, serve: Serve) -> None:
    """A neighbour (`x.city.example`) or a page without TLS can set a plain name for us, but none with `__Host-`."""
    account(world, "mallory")
    with serve() as client:
        theirs = SimpleCookie(sign_in(client, "mallory").headers["set-cookie"])[gate.COOKIE].value
        client.cookies.clear()
        assert client.get("/api/v1/me", headers={"Cookie": f"{gate.COOKIE}={theirs}"}).status_code == 200
        tossed = {"Cookie": f"{gate.COOKIE}={theirs}"} | TLS
        assert client.get("/api/v1/me", headers=tossed).status_code == 401
        home = {"Cookie": f"{gate.SECURE_COOKIE}={theirs}"}
        assert client.get("/api/v1/me", headers=home | TLS).status_code == 200
        assert client.get("/api/v1/me", headers=home).status_code == 401, "it was promised to TLS alone"


def test_a_session_that_has_ended_cannot_be_played_again(world: World, serve: Serve) -> None:
    world.incident()
    account(world, "li")

    def aged(column: str) -> None:
        world.run(f"UPDATE lifeline.sessions SET {column} = now() - interval '12 h 1 s'")  # noqa: S608 - two words

    ends: dict[str, Callable[[httpx.Client, str], object]] = {
        "signed out": lambda client, word: client.post("/logout", data={"csrf": word}),
        "a new password": lambda *_: accounts.set_password(
            world.conn, "li", passwords.hashed(PASSWORD), BY, SystemClock().now()
        ),
        "signed out elsewhere": lambda *_: accounts.close_sessions(world.conn, "li", BY),
        "a shift without use": lambda *_: aged("seen_at"),
        "seven days": lambda *_: aged("expires_at"),
        "shut out": lambda *_: accounts.set_disabled(world.conn, "li", True, BY),
    }
    with serve() as client:
        for how, end in ends.items():
            assert sign_in(client, "li").status_code == 303
            kept, word = carrying(client.cookies[gate.COOKIE]), csrf(client)
            end(client, word)
            client.cookies.clear()
            assert client.get("/api/v1/me", headers=kept).status_code == 401, how
            form = {"kind": "note", "note": "x", "csrf": word}
            assert client.post("/incidents/I-7/commands", data=form, headers=kept).status_code == 401, how
        assert sign_in(client, "li").status_code == 401, "shut out is shut out"
    assert world.commands() == []


def test_the_word_of_one_session_is_of_no_use_in_another(world: World, serve: Serve) -> None:
    world.incident()
    account(world, "li")
    account(world, "wang")
    with signed_in(serve, "wang") as client:
        words = [csrf(client)]
        client.cookies.clear()
        sign_in(client, "li")
        words += ["", "x", words[0][:-1], "None", "null", "\u2603"]
        for word in words:
            form = {"kind": "note", "note": "x", "csrf": word}
            assert client.post("/incidents/I-7/commands", data=form).status_code == 403, word
            header = {b"X-CSRF-Token": word.encode(), b"If-Match": b"*"}
            answer = client.post("/api/v1/incidents/I-7/commands", json={"kind": "note", "note": "x"}, headers=header)
            assert answer.status_code == 403, word
        for path in ("/logout", "/account/password", "/account/sessions", "/holds", "/incidents/I-7/cap"):
            assert client.post(path, data={"csrf": words[0]}).status_code == 403, path
        assert client.get("/api/v1/me").status_code == 200, "nobody else signs one out"
    assert world.commands() == []


def test_a_key_is_whole_or_it_is_none(world: World, serve: Serve) -> None:
    key = token(world, "wall", "viewer")["Authorization"].removeprefix("Bearer ")
    other = token(world, "bot", "admin")["Authorization"].split("_")[1]
    _, public, secret = key.split("_", 2)
    attempts = (
        "Bearer", "Bearer null", f"bearer {public}", f"Basic {key}", key, f"Bearer {key}{key}", f"Bearer {key}=",
        f"Bearer {key.upper()}", f"Bearer {key[:-1]}", f"Bearer lifeline_{public}_", f"Bearer {key}\t{key}",
        f"Bearer lifeline_{public}_{'A' * 43}", f"Bearer lifeline_%_{secret}", f"Bearer lifeline_{other}_{secret}",
        "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer ' OR 1=1 --", f"Bearer {key}, Bearer {key}",
        f"Bearer {key}\u00e9", f"Bearer {secret}",
    )  # fmt: skip
    with serve() as client:
        assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        for given in attempts:
            answer = client.get("/api/v1/me", headers={"Authorization": given.encode()})
            assert answer.status_code == 401, given
            assert secret not in answer.text


def forged(payload: object, secret: bytes = SECRET, label: bytes = b"lifeline link v1", length: int = 16) -> str:
    """A link's token as somebody else would make it."""
    packed = msgspec.msgpack.encode(payload)
    mac = hmac.digest(hmac.digest(secret, label, "sha256"), packed, "sha256")[:length]
    return ".".join(urlsafe_b64encode(part).rstrip(b"=").decode() for part in (packed, mac))


def test_a_link_is_signed_by_this_house_for_this_purpose_in_this_form() -> None:
    now_us = to_us(SystemClock().now())
    claims = [1, b"tN-1", "li", b"tI-7", now_us // 1_000_000 + 60]
    assert forged(claims) == sign(SECRET, "N-1", "li", "I-7", now_us + 60_000_000)
    assert isinstance(verify(SECRET, forged(claims), now_us), Claims)
    header = urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    body, _, mac = forged(claims).partition(".")
    attempts = {
        "another secret": forged(claims, OTHER),
        "no secret": forged(claims, b""),
        "another purpose": forged(claims, label=b"lifeline local forms v1"),
        "a short mac": forged(claims, length=8),
        "no mac": f"{body}.",
        "a long mac": forged(claims, length=32),
        "no algorithm": f"{header}.{body}.",
        "another version": forged([2, *claims[1:]]),
        "a text for a number": forged([*claims[:4], str(claims[4])]),
        "more than there is": forged([*claims, "admin"]),
        "a link within": f"{forged(claims)}.{forged(claims)}",
        "another's body": forged([1, b"tN-1", "root", b"tI-7", claims[4]], OTHER),
        "another's mac": f"{forged([1, b'tN-2', 'li', b'tI-8', claims[4]]).partition('.')[0]}.{mac}",
    }
    for name, attempt in attempts.items():
        assert verify(SECRET, attempt, now_us) is Refusal.FORGED, name


def test_a_link_ends_when_it_says_whatever_the_clock_did_before() -> None:
    at = 1_800_000_000_000_000
    link = sign(SECRET, "a1", "li", "I-7", at)
    for later_us, fits in ((-links.LIFETIME_S * 1_000_000, True), (-1, True), (0, False), (1, False), (10**15, False)):
        assert isinstance(verify(SECRET, link, at + later_us), Claims) is fits, later_us


def test_a_link_is_of_one_person_and_one_incident_and_ends_with_the_secret(world: World, serve: Serve) -> None:
    world.incident()
    world.incident("I-8")
    world.notice()
    good = world.token()
    payload, mac = good.split(".")
    elsewhere = [
        sign(OTHER, "a1b2c3d4", "li", "I-7", to_us(world.now + timedelta(days=1))),  # of before the secret changed
        good[:-1] + ("A" if good[-1] != "A" else "B"), f"{payload}.{mac}=", f"{mac}.{payload}", good[:40], good + "A",
        sign(SECRET, "ffff", "li", "I-7", to_us(world.now + timedelta(days=1))),  # a notice that never was
    ]  # fmt: skip
    with serve() as client:
        page = client.get(f"/n/{good}")
        assert page.status_code == 200
        form = dict(re.findall(r'name="(mark|kind)" value="([^"]+)"', page.text))
        for link in elsewhere:
            assert client.get(f"/n/{link}").status_code in (403, 404), link
            assert client.post(f"/n/{link}", data=form).status_code in (403, 404), link
        expired = world.token(days=-0.001)
        assert client.get(f"/n/{expired}").status_code == 410
        assert client.post(f"/n/{expired}", data=form).status_code == 410
        assert client.post(f"/n/{good}", data=form | {"incident": "I-8"}).status_code != 200
        for path in ("/", "/incidents/I-7", "/api/v1/incidents/I-7", "/events"):  # nor is it a key to anything else
            account(world, f"a{len(path)}") if not accounts.exist(world.conn) else None
            for header in ({"Authorization": f"Bearer {good}"}, {"Cookie": f"{gate.COOKIE}={good}"}):
                assert client.get(path, headers=header).status_code in (303, 401), path
    assert {command["incident"] for command in world.commands()} <= {"I-7"}


def test_a_link_whose_incident_is_closed_commands_nothing(world: World, serve: Serve) -> None:
    world.incident()
    world.notice()
    with serve() as client:
        page = client.get(f"/n/{world.token()}").text
        form = dict(re.findall(r'name="(mark|kind)" value="([^"]+)"', page))
        world.run("UPDATE lifeline.incidents SET closed_at = now(), stage = 'closed'")
        answer = client.post(f"/n/{world.token()}", data=form | {"kind": "dispatch"})
        assert answer.status_code in (303, 403)
    assert world.commands() == []


def test_what_is_secret_is_compared_in_constant_time() -> None:
    """No `==` between something secret and what somebody sent, in the files where that happens."""
    for module in (gate, guard, needs, crew, links):
        source = Path(module.__file__ or "").read_text()
        assert "compare_digest" in source, module.__name__
        odd = re.findall(r".*(?:mac|csrf|secret|mark|cookie|token)\w* (?:==|!=|in) .*", source)
        assert not [line for line in odd if "compare_digest" not in line and '"""' not in line], odd
    assert "argon2" in Path(passwords.__file__).read_text()


def test_passwords_are_kept_as_the_standard_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    kept = passwords.hashed("three dry pumps")
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=2$"), "RFC 9106, second choice: 64 MiB, 3 passes"
    salt, digest = (urlsafe_b64decode(part + "==") for part in kept.replace("+", "-").replace("/", "_").split("$")[-2:])
    assert (len(salt), len(digest)) == (16, 32)
    assert passwords.hashed("three dry pumps") != kept
    assert PASSWORD not in kept


def test_whoever_may_notify_can_put_no_words_into_pages(world: World, serve: Serve) -> None:
    """Anybody with a log-in at the database may notify; only words of ours are passed on."""
    heard = bytearray()
    with serve() as client, client.stream("GET", "/events") as stream:
        done = threading.Event()

        def tell() -> None:
            while not done.wait(0.1):
                for text in ("x\n\nevent: evil\ndata: <script>", "secret-of-geheim", "incidents"):
                    world.run("SELECT pg_notify('lifeline_console', %s)", text)

        teller = threading.Thread(target=tell)
        teller.start()
        for part in stream.iter_bytes():
            heard += part
            if b"incidents" in heard:
                break
        done.set()
        teller.join()
    assert b"evil" not in heard
    assert b"geheim" not in heard
    triggers = world.conn.execute("SELECT tgargs FROM pg_trigger WHERE tgargs <> ''").fetchall()
    said = {bytes(args).rstrip(b"\0").decode() for (args,) in triggers}
    assert said & TOPICS
