"""People who try things at the real server: accounts, keys, signing in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from argon2 import PasswordHasher

from city.clock import SystemClock
from lifeline.http.gate import new_token
from store import accounts
from store.accounts import Rights
from store.audit import Deed

if TYPE_CHECKING:
    from tests.http.conftest import World

Serve = Callable[..., Any]
PASSWORD = "three dry pumps"  # noqa: S105 - a test's own
BY = Deed("root", "", how="cli")
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def account(world: World, name: str, role: str = "operator", *districts: str) -> None:
    """An account, after that of an administrator `root`."""
    now = SystemClock().now()
    if not accounts.exist(world.conn):
        accounts.add(world.conn, "root", CHEAP.hash(PASSWORD), Rights("admin"), BY, now)
    if name != "root":
        accounts.add(world.conn, name, CHEAP.hash(PASSWORD), Rights(role, districts or None), BY, now)


def token(world: World, name: str, role: str, *districts: str, days: float = 1) -> dict[str, str]:
    """The header of a key with a role; below 0 days it has ended."""
    shown, public, secret = new_token()
    now = SystemClock().now()
    if not accounts.exist(world.conn):
        account(world, "root")
    rights = Rights(role, districts or None)
    accounts.add_token(world.conn, public, name, secret, rights, now + timedelta(days=1), BY, now)
    if days != 1:
        world.run("UPDATE lifeline.tokens SET expires_at = %s WHERE token = %s", now + timedelta(days=days), public)
    return {"Authorization": f"Bearer {shown}"}


def sign_in(client: httpx.Client, name: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    """What the page to sign in answers."""
    return client.post("/login", data={"name": name, "password": password}, headers=headers)


def csrf(client: httpx.Client, path: str = "/account") -> str:
    """The word that the forms of a page carry."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


@contextmanager
def signed_in(serve: Serve, name: str) -> Iterator[httpx.Client]:
    """A server, and somebody who is signed in at it."""
    with serve() as client:
        assert sign_in(client, name).status_code == 303
        yield client
