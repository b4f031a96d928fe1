"""Who somebody is: by a session's cookie, by a token, or, while there is no account, by being on this machine."""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from city.clock import SystemClock
from lifeline.http import passwords
from lifeline.http.data import WAIT_S, Data
from lifeline.http.rates import Rates, Unknown
from lifeline.http.who import Role, Who
from store import accounts, audit
from store.accounts import Rights, Row
from store.audit import Deed

COOKIE, SECURE_COOKIE = "lifeline_session", "__Host-lifeline_session"
LIFETIME = timedelta(days=7)
_TOKEN = re.compile(r"lifeline_([A-Za-z0-9]{12})_([A-Za-z0-9_-]{43})")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")
_log = logging.getLogger(__name__)


class TooOftenError(Exception):
    """Somebody must wait so many seconds."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"wait {wait_s} s")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Known:
    """Who asks; `csrf` is what their forms carry, `session` the hash of their cookie (empty: none)."""

    who: Who
    csrf: str = ""
    session: bytes = b""


def new_token() -> tuple[str, str, bytes]:
    """A new token as it is shown once, its public half, and the hash of the other."""
    public = "".join(secrets.choice("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789") for _ in range(12))
    secret = secrets.token_urlsafe(32)
    return f"lifeline_{public}_{secret}", public, _hash(secret)


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    import ipaddress

    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


class Gate:
    """Tells who asks, signs people in and out."""

    def __init__(self, data: Data, secret: bytes, base_url: str) -> None:
        self._data = data
        self._base = urlsplit(base_url)
        self._local_csrf = hmac.digest(secret, b"lifeline local forms v1", "sha256").hex()[:32]
        self._exist = False
        self._wall = SystemClock()
        self._logins = Rates(per_s=1 / 6, burst=10)  # of one address
        self._bad_keys = Rates(per_s=1 / 3, burst=20)
        self._requests = Rates(per_s=100, burst=600)
        self._unknown = Unknown(accounts.PATIENCE, accounts.FIRST_WAIT_S, accounts.MOST_WAIT_S)

    def exist(self) -> bool:
        """Whether there are accounts; once there are, there always are."""
        if not self._exist:
            with self._data.connections.connection(timeout=WAIT_S) as conn:
                self._exist = accounts.exist(conn)
        return self._exist

    def known(self, headers: Headers, address: str, *, secure: bool = False) -> Known | None:
        """Who asks; None when nobody knows. `secure`: the request came over TLS.

        Raises
        ------
        TooOftenError
            When an address tries keys, or somebody asks, more often than people and programs do.
        """
        found = self._found(headers, address, secure)
        if found and (wait := self._requests.take(f"{found.who.how} {found.who.name} {address}")):
            raise TooOftenError(wait)
        return found

    def paced(self, address: str) -> None:
        """Let an address come for what is open (TooOftenError when it comes too often)."""
        if wait := self._requests.take(f"open {address}"):
            raise TooOftenError(wait)

    def _found(self, headers: Headers, address: str, secure: bool) -> Known | None:
        authorization = headers.get("authorization")
        if authorization is not None:
            return self._by_token(authorization, address)
        if cookie := session_cookie(headers, secure):
            return self._by_session(cookie, address)
        if self._is_local(headers, address) and not self.exist():
            return Known(Who("local", Role.ADMIN, address=address), self._local_csrf)
        return None

    def _by_token(self, authorization: str, address: str) -> Known | None:
        if wait := self._bad_keys.wait(address):
            raise TooOftenError(wait)
        scheme, _, given = authorization.partition(" ")
        match = _TOKEN.fullmatch(given.strip()) if scheme.lower() == "bearer" else None
        row = None
        if match:
            now = self._wall.now()
            with self._data.connections.connection(timeout=WAIT_S) as conn:
                row = accounts.token(conn, match[1], now)
                right = hmac.compare_digest(bytes(row["secret"]) if row else bytes(32), _hash(match[2]))
                if row and right:
                    accounts.used(conn, row, now)
                    return Known(_who(row["name"], row, "token", address))
        self._bad_keys.take(address)
        return None

    def _by_session(self, cookie: str, address: str) -> Known | None:
        key = _hash(cookie)
        with self._data.connections.connection(timeout=WAIT_S) as conn:
            row = accounts.session(conn, key, self._wall.now())
        return Known(_who(row["account"], row, "session", address), row["csrf"], key) if row else None

    def _is_local(self, headers: Headers, address: str) -> bool:
        """Whether a request was made on this machine, by a name of it, and was not passed on for somebody else."""
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        passed_on = any(name in headers for name in _FORWARDED) or not is_loopback(self._base.hostname or "")
        return is_loopback(address) and is_loopback(host) and not passed_on

    def sign_in(self, name: str, password: str, address: str, agent: str, old: str) -> str | None:
        """A new session's cookie, and the end of the old one's; None when name or password is wrong.

        Raises
        ------
        TooOftenError
            When this address or account must wait.
        """
        if wait := self._logins.take(address):
            raise TooOftenError(wait)
        name, now = name.strip().lower(), self._wall.now()
        with self._data.connections.connection(timeout=WAIT_S) as conn:
            row = accounts.account(conn, name)
        wait = self._unknown.wait(name) if row is None else _seconds(row["locked_until"], now)
        if wait:
            raise TooOftenError(wait)
        right = passwords.fits(row["password"] if row else None, password)
        if row is None or not right or row["disabled"]:
            self._failed(name, row, address)
            return None
        cookie = secrets.token_urlsafe(32)
        session = {
            "session": _hash(cookie), "account": name, "csrf": secrets.token_urlsafe(24),
            "expires_at": now + LIFETIME, "address": address, "agent": agent[:200],
        }  # fmt: skip
        by = Deed(name, "", role=row["role"], how="session", address=address)
        fresh = passwords.hashed(password) if passwords.outdated(row["password"]) else ""
        with self._data.connections.connection(timeout=WAIT_S) as conn, conn.transaction():
            if fresh:
                accounts.rehash(conn, name, fresh)
            if old:
                accounts.close_session(conn, _hash(old), by)
            accounts.open_session(conn, session, by, now)
        return cookie

    def _failed(self, name: str, row: Row | None, address: str) -> None:
        # What was typed for a name may be a password: only names that are accounts are kept.
        known = name if row else "(unknown)"
        _log.warning("login_failed %s from %s", known, address, extra={"action": "login_failed"})
        with self._data.connections.connection(timeout=WAIT_S) as conn, conn.transaction():
            if row is None:
                self._unknown.fail(name)
                until = None
            else:
                until = accounts.failed(conn, name, self._wall.now())
            detail: Mapping[str, str] = {"locked_until": until.isoformat()} if until else {}
            audit.append(conn, Deed(known, "login.failed", known, how="session", address=address, detail=detail))

    def is_password(self, known: Known, password: str) -> bool:
        """Whether somebody who is signed in knows their password (TooOftenError when they try too often)."""
        if wait := self._logins.take(f"{known.who.name} again"):
            raise TooOftenError(wait)
        with self._data.connections.connection(timeout=WAIT_S) as conn:
            row = accounts.account(conn, known.who.name)
        return passwords.fits(row["password"] if row else None, password)

    def sign_out(self, known: Known) -> None:
        """End a session."""
        with self._data.connections.connection(timeout=WAIT_S) as conn:
            accounts.close_session(conn, known.session, deed_of(known.who))


def session_cookie(headers: Headers, secure: bool) -> str:
    """The session's cookie of a request; empty when there is none.

    Over TLS only the one that no neighbouring host, and no page without TLS, can set for this one.
    """
    return cookie_parser(headers.get("cookie", "")).get(SECURE_COOKIE if secure else COOKIE, "")


def deed_of(who: Who) -> Deed:
    """Who does something, for the audit log; what it is is filled in."""
    return Deed(who.name, "", role=who.role.word, how=who.how, address=who.address)


def rights_of(row: Row) -> Rights:
    """What an account or token may do."""
    return Rights(row["role"], row["districts"], row.get("person", ""))


def _who(name: str, row: Row, how: str, address: str) -> Who:
    rights = rights_of(row)
    districts = None if rights.districts is None else frozenset(rights.districts)
    return Who(name, Role[rights.role.upper()], districts, rights.person, how, address)


def _seconds(until: datetime | None, now: datetime) -> int:
    return max(0, math.ceil((until - now).total_seconds())) if until else 0


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
