"""The JSON API of administrators: accounts, tokens and the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from city.clock import SystemClock
from city.errors import InputError
from lifeline.http import passwords
from lifeline.http.answers import AccountRow, Chain, Deed, NewToken, TokenRow
from lifeline.http.api import ALWAYS, NOT_FOUND, WRITING, problems
from lifeline.http.data import WAIT_S, Data
from lifeline.http.gate import deed_of, new_token
from lifeline.http.models import Page
from lifeline.http.paging import After, Limit, Plain, When, Word, cursor, part, place
from lifeline.http.who import current
from store import accounts, audit
from store.accounts import Rights
from store.connection import Connection

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,62}$")]
RoleWord = Annotated[str, Field(pattern="^(viewer|operator|engineer|admin)$")]
Districts = Annotated[list[Plain] | None, Field(min_length=1, max_length=200)]
Password = Annotated[str, Field(min_length=passwords.SHORTEST, max_length=passwords.LONGEST)]
Anchor = Annotated[str, Field(pattern="^[0-9]{1,18}:[0-9a-f]{64}$")]
CHANGING = {**WRITING, **problems(409)}
LONGEST_VERIFY = 200_000  # rows; a longer log is checked by the command


class NewAccount(BaseModel):
    """An account to be made."""

    model_config = ConfigDict(extra="forbid")

    account: Name
    password: Password
    role: RoleWord
    districts: Districts = None
    person: Plain = ""


class Changes(BaseModel):
    """What shall be other; what is left out stays. `unlock`: forget wrong passwords."""

    model_config = ConfigDict(extra="forbid")

    password: Password | None = None
    role: RoleWord | None = None
    districts: Districts = None
    person: Plain | None = None
    disabled: bool | None = None
    unlock: bool = False


class TokenWish(BaseModel):
    """A token to be made; it is good for a year unless told."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    role: RoleWord
    districts: Districts = None
    expires_at: AwareDatetime | None = None


def router(data: Data) -> APIRouter:
    """Routes below `/api/v1`, for administrators."""
    routes = APIRouter(responses=ALWAYS)
    _accounts(routes, data)
    _tokens(routes, data)
    _audit(routes, data)
    return routes


def _accounts(routes: APIRouter, data: Data) -> None:
    wall = SystemClock()

    def row(conn: Connection, name: str) -> AccountRow:
        found = accounts.account(conn, name)
        if found is None:
            raise HTTPException(404, "no such account")
        return AccountRow.model_validate({key: value for key, value in found.items() if key != "password"})

    @routes.get("/accounts", tags=["accounts"])
    def listed() -> Page[AccountRow]:
        """Every account, by name."""
        with data.connections.connection(timeout=WAIT_S) as conn:
            return Page[AccountRow].model_validate({"items": accounts.accounts(conn), "more": False})

    @routes.get("/accounts/{account}", responses=NOT_FOUND, tags=["accounts"])
    def one(account: Plain) -> AccountRow:
        """One account."""
        with data.connections.connection(timeout=WAIT_S) as conn:
            return row(conn, account)

    @routes.post("/accounts", status_code=201, responses=CHANGING, tags=["accounts"])
    def add(given: NewAccount) -> AccountRow:
        """Make an account; the first one must be an administrator, and from then on everybody signs in."""
        passwords.check(given.password, given.account)
        kept, rights = passwords.hashed(given.password), Rights(given.role, given.districts, given.person)
        with data.connections.connection(timeout=WAIT_S) as conn:
            accounts.add(conn, given.account, kept, rights, _by(), wall.now())
            return row(conn, given.account)

    @routes.patch("/accounts/{account}", responses=CHANGING, tags=["accounts"])
    def change(account: Plain, given: Changes) -> AccountRow:
        """Change an account; all of it, or nothing. A new password, or being disabled, signs it out everywhere."""
        if given.password is not None:
            passwords.check(given.password, account)
        kept = passwords.hashed(given.password) if given.password else None
        with data.connections.connection(timeout=WAIT_S) as conn, conn.transaction():
            was, now = row(conn, account), wall.now()
            if {"role", "districts", "person"} & given.model_fields_set:
                districts = given.districts if "districts" in given.model_fields_set else was.districts
                role, person = given.role or was.role, was.person if given.person is None else given.person
                accounts.set_rights(conn, account, Rights(role, districts, person), _by(), now)
            if kept:
                accounts.set_password(conn, account, kept, _by(), now)
            if given.disabled is not None and given.disabled != was.disabled:
                accounts.set_disabled(conn, account, given.disabled, _by())
            if given.unlock:
                accounts.unlock(conn, account, _by())
            return row(conn, account)


def _tokens(routes: APIRouter, data: Data) -> None:
    wall = SystemClock()

    @routes.get("/tokens", tags=["accounts"])
    def listed() -> Page[TokenRow]:
        """Every program's key, without the key."""
        with data.connections.connection(timeout=WAIT_S) as conn:
            return Page[TokenRow].model_validate({"items": accounts.tokens(conn), "more": False})

    @routes.post("/tokens", status_code=201, responses=CHANGING, tags=["accounts"])
    def create(given: TokenWish) -> NewToken:
        """Make a key for a program; it is shown this once."""
        shown, public, secret = new_token()
        now, rights = wall.now(), Rights(given.role, given.districts)
        with data.connections.connection(timeout=WAIT_S) as conn:
            ends = given.expires_at or now + timedelta(days=365)
            accounts.add_token(conn, public, given.name, secret, rights, ends, _by(), now)
        return NewToken(token=public, name=given.name, key=shown)

    @routes.delete("/tokens/{token}", status_code=204, responses=NOT_FOUND, tags=["accounts"])
    def revoke(token: Plain) -> None:
        """Make a key no longer good, at once; named by its name or its public half."""
        with data.connections.connection(timeout=WAIT_S) as conn:
            try:
                accounts.revoke(conn, token, _by(), wall.now())
            except InputError as error:
                raise HTTPException(404, "no such token") from error


def _audit(routes: APIRouter, data: Data) -> None:
    @routes.get("/audit", tags=["audit"])
    def listed(
        request: Request, response: Response, since: When = None, actor: Word = None, incident: Word = None,
        action: Word = None, limit: Limit = 100, after: After = None,
    ) -> Page[Deed]:  # fmt: skip
        """Who did what, newest first."""
        before = place("audit", after)
        if before is not None and not isinstance(before, int):
            raise HTTPException(422, "after: not a place in this list")
        given: dict[str, Any] = {"since": since, "actor": actor, "incident": incident, "action": action}
        with data.connections.connection(timeout=WAIT_S) as conn:
            rows = audit.listed(conn, **given, before=before, limit=limit + 1)
        for row in rows:
            row["hash"] = bytes(row["hash"]).hex()
        following = cursor("audit", rows[limit - 1]["seq"]) if len(rows) > limit else None
        return Page[Deed].model_validate(part(request, response, rows[:limit], following))

    @routes.get("/audit/chain", responses=problems(409), tags=["audit"])
    def chain(
        anchor: Annotated[list[Anchor], Query(max_length=20, description="`seq:hash` written down before")] = [],  # noqa: B006 - FastAPI copies it
    ) -> Chain:
        """Compute every hash of the log again. A very long log is checked by `lifeline audit verify`."""
        anchors = [audit.Head.of(text) for text in anchor]
        with data.connections.connection(timeout=WAIT_S) as conn, conn.transaction():
            if audit.head(conn).seq > LONGEST_VERIFY:
                raise HTTPException(409, "the log is long, try `lifeline audit verify`")
            found = audit.verify(conn, anchors)
        return Chain(rows=found.rows, head=str(found.head), fault=found.fault)


def _by() -> audit.Deed:
    asks = current.get()
    if asks is None:
        raise HTTPException(401)
    return deed_of(asks)
