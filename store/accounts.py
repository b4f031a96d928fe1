"""Accounts, tokens and sessions as rows. Every change is written together with a row of the audit log.

What is secret comes here hashed: passwords by argon2 (`lifeline.http.passwords`), random keys by SHA-256. Times are
the wall's: people sign in by it, whatever clock the city lives on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import dict_row

from city.errors import InputError
from store import audit
from store.audit import Deed
from store.connection import Connection
from store.statements import statements

_SQL = statements("accounts")
ROLES = ("viewer", "operator", "engineer", "admin")
PATIENCE = 5  # wrong passwords before the account waits
FIRST_WAIT_S, MOST_WAIT_S = 15.0, 900.0
IDLE = timedelta(hours=12)  # a shift
MOST_SESSIONS = 10  # of one account
_SEEN_EVERY = timedelta(minutes=1)
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rights:
    """What an account or token may do: a role, in some districts (None: everywhere); `person` of escalation.yaml."""

    role: str
    districts: Sequence[str] | None = None
    person: str = ""


def exist(conn: Connection) -> bool:
    """Whether there is an account, be it disabled: from the first one on people sign in."""
    row = conn.execute(_SQL["exist"]).fetchone()
    return bool(row and row[0])


def account(conn: Connection, name: str) -> Row | None:
    """One account with its password's hash."""
    return _one(conn, "account", (name,))


def accounts(conn: Connection) -> list[Row]:
    """Every account, without passwords."""
    return _rows(conn, "accounts", {})


def add(conn: Connection, name: str, password: str, rights: Rights, by: Deed, at: datetime) -> None:
    """Make an account (InputError when its name, role or district is wrong, or it is there already).

    Parameters
    ----------
    password
        Hashed.
    by
        Who does it, as an unfinished `Deed`: action and target are filled in.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"account: not a name, got {name!r}, try small letters, digits and . _ @ -, such as li.na")
    with conn.transaction():
        conn.execute(_SQL["lock_accounts"])
        _check(conn, rights)
        others = conn.execute(_SQL["other_admins"], (name,)).fetchone()
        if rights.role != "admin" and not (others and others[0]):
            raise InputError(f"account {name}: the first one must be an administrator, try --role admin")
        values = _values(rights) | {"account": name, "password": password, "person": rights.person, "at": at}
        if conn.execute(_SQL["add"], values).rowcount == 0:
            raise InputError(f"account {name}: is there already, try `lifeline accounts role` or `enable`")
        _log(conn, by, "account.add", name, _said(rights))


def set_password(conn: Connection, name: str, password: str, by: Deed, at: datetime, but: bytes = b"") -> None:
    """Give a new password (hashed); every session but `but` ends (InputError when there is no such account)."""
    with conn.transaction():
        _changed(conn, "set_password", name, {"password": password, "at": at})
        conn.execute(_SQL["close_sessions"], {"account": name, "but": but})
        _log(conn, by, "account.password", name)


def rehash(conn: Connection, name: str, password: str) -> None:
    """Keep the same password at another cost."""
    conn.execute(_SQL["rehash"], {"account": name, "password": password})


def rights(conn: Connection, name: str) -> Rights:
    """What an account may do (InputError when there is none of that name)."""
    found = account(conn, name)
    if found is None:
        raise _none(name)
    return Rights(found["role"], found["districts"], found["person"])


def set_rights(conn: Connection, name: str, rights: Rights, by: Deed, at: datetime) -> None:
    """Change role, districts and person (InputError when one is wrong, or no administrator would be left)."""
    with conn.transaction():
        conn.execute(_SQL["lock_accounts"])
        _check(conn, rights)
        if rights.role != "admin":
            _keep_an_admin(conn, name)
        _changed(conn, "set_role", name, _values(rights) | {"person": rights.person, "at": at})
        _log(conn, by, "account.role", name, _said(rights))


def set_disabled(conn: Connection, name: str, disabled: bool, by: Deed) -> None:
    """Shut an account out with all its sessions, or let it in again (InputError when none, or it is the last admin)."""
    with conn.transaction():
        conn.execute(_SQL["lock_accounts"])
        if disabled:
            _keep_an_admin(conn, name)
        _changed(conn, "set_disabled", name, {"disabled": disabled})
        if disabled:
            conn.execute(_SQL["close_sessions"], {"account": name, "but": b""})
        _log(conn, by, "account.disable" if disabled else "account.enable", name)


def unlock(conn: Connection, name: str, by: Deed) -> None:
    """Forget wrong passwords (InputError when there is no such account)."""
    with conn.transaction():
        _changed(conn, "unlock", name, {})
        _log(conn, by, "account.unlock", name)


def failed(conn: Connection, name: str, at: datetime) -> datetime | None:
    """Count a wrong password; until when the account waits now, if it does."""
    given = {"account": name, "at": at, "patience": PATIENCE, "first_s": FIRST_WAIT_S, "most_s": MOST_WAIT_S}
    row = conn.execute(_SQL["fail"], given).fetchone()
    return row[1] if row else None


def open_session(conn: Connection, row: Row, by: Deed, at: datetime) -> None:
    """Sign in: `row` has session (sha256), account, csrf, expires_at, address and agent; too old ones go."""
    with conn.transaction():
        conn.execute(_SQL["unlock"], {"account": row["account"]})
        conn.execute(_SQL["open_session"], row | {"at": at})
        given = {"at": at, "idle_since": at - IDLE, "account": row["account"], "most": MOST_SESSIONS}
        conn.execute(_SQL["tidy_sessions"], given)
        _log(conn, by, "login", row["account"])


def session(conn: Connection, key: bytes, at: datetime) -> Row | None:
    """A session that is not over, with its account's rights; noted as in use."""
    row = _one(conn, "session", {"session": key, "at": at, "idle_since": at - IDLE})
    if row and at - row["seen_at"] > _SEEN_EVERY:
        conn.execute(_SQL["seen"], {"session": key, "at": at})
    return row


def sessions(conn: Connection, name: str, at: datetime) -> list[Row]:
    """Where an account is signed in, newest first."""
    return _rows(conn, "sessions", {"account": name, "at": at, "idle_since": at - IDLE})


def close_session(conn: Connection, key: bytes, by: Deed) -> None:
    """Sign out."""
    with conn.transaction():
        if conn.execute(_SQL["close_session"], (key,)).rowcount:
            _log(conn, by, "logout", by.actor)


def close_sessions(conn: Connection, name: str, by: Deed, but: bytes = b"") -> None:
    """Sign an account out everywhere but in session `but`."""
    with conn.transaction():
        conn.execute(_SQL["close_sessions"], {"account": name, "but": but})
        _log(conn, by, "logout.everywhere", name)


def add_token(
    conn: Connection, token: str, name: str, secret: bytes, rights: Rights, expires_at: datetime | None,
    by: Deed, at: datetime,
) -> None:  # fmt: skip
    """Keep a program's key: its public half and the SHA-256 of the other (InputError when the name is taken)."""
    if not _NAME.fullmatch(name):
        raise InputError(f"token: not a name, got {name!r}, try small letters, digits and . _ @ -, such as grafana")
    if expires_at is not None and expires_at <= at:
        raise InputError(f"token {name}: would be over already, got {expires_at.isoformat()}, try a later time")
    with conn.transaction():
        _check(conn, rights)
        values = _values(rights) | {"token": token, "name": name, "secret": secret, "at": at, "expires_at": expires_at}
        if conn.execute(_SQL["add_token"], values).rowcount == 0:
            raise InputError(f"token {name}: is there already, try `lifeline tokens revoke {name}` first")
        _log(conn, by, "token.create", name, _said(rights) | {"token": token})


def token(conn: Connection, public: str, at: datetime) -> Row | None:
    """A key that is still good, with the hash of its secret half; noted as in use by `used`."""
    return _one(conn, "token", {"token": public, "at": at})


def used(conn: Connection, found: Row, at: datetime) -> None:
    """Note that a key was used, to the minute."""
    if found["last_used"] is None or at - found["last_used"] > _SEEN_EVERY:
        conn.execute(_SQL["used"], {"token": found["token"], "at": at})


def tokens(conn: Connection) -> list[Row]:
    """Every key, without secrets."""
    return _rows(conn, "tokens", {})


def revoke(conn: Connection, which: str, by: Deed, at: datetime) -> None:
    """Make a key, named by its name or public half, no longer good (InputError when there is none)."""
    with conn.transaction():
        row = conn.execute(_SQL["revoke"], {"which": which, "at": at}).fetchone()
        if row is None:
            raise InputError(f"token {which}: there is none that is good, try `lifeline tokens list`")
        _log(conn, by, "token.revoke", which, {"token": row[0]})


def _check(conn: Connection, rights: Rights) -> None:
    if rights.role not in ROLES:
        raise InputError(f"role: not one, got {rights.role!r}, try {', '.join(ROLES)}")
    if rights.districts is None:
        return
    if rights.role == "admin":
        raise InputError("districts: an administrator sees the whole city, try another role or no district")
    known = [district for (district,) in conn.execute(_SQL["districts"]).fetchall()]
    if not rights.districts or (unknown := sorted(set(rights.districts) - set(known))):
        got = ", ".join(unknown) if rights.districts else "none"
        raise InputError(f"districts: not in the city, got {got}, try {', '.join(known) or 'a city with districts'}")


def _keep_an_admin(conn: Connection, name: str) -> None:
    there, others = account(conn, name), conn.execute(_SQL["other_admins"], (name,)).fetchone()
    if there and there["role"] == "admin" and not there["disabled"] and not (others and others[0]):
        raise InputError(f"account {name}: is the last administrator, try making another one first")


def _changed(conn: Connection, statement: str, name: str, values: Row) -> None:
    if conn.execute(_SQL[statement], values | {"account": name}).rowcount == 0:
        raise _none(name)


def _none(name: str) -> InputError:
    return InputError(f"account {name}: there is none of that name, try `lifeline accounts list`")


def _values(rights: Rights) -> Row:
    districts = None if rights.districts is None else sorted(set(rights.districts))
    return {"role": rights.role, "districts": districts}


def _said(rights: Rights) -> dict[str, audit.Detail]:
    said: dict[str, audit.Detail] = {**_values(rights)}
    return said | ({"person": rights.person} if rights.person else {})


def _log(conn: Connection, by: Deed, action: str, target: str, detail: dict[str, audit.Detail] | None = None) -> None:
    deed = Deed(by.actor, action, target, role=by.role, how=by.how, address=by.address, detail=detail or {})
    audit.append(conn, deed)


def _one(conn: Connection, statement: str, values: Row | tuple[object, ...]) -> Row | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[statement], values).fetchone()


def _rows(conn: Connection, statement: str, values: Row) -> list[Row]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[statement], values).fetchall()
