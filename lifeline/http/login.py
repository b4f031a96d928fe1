"""Signing in and out, and what people may change of their own account. Plain forms; nothing needs a script."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from city.clock import SystemClock
from city.errors import InputError
from lifeline.http import passwords
from lifeline.http.data import WAIT_S, Data
from lifeline.http.errors import Answers
from lifeline.http.gate import COOKIE, LIFETIME, SECURE_COOKIE, Gate, Known, TooOftenError, deed_of, session_cookie
from lifeline.http.look import Look
from lifeline.http.needs import needs
from lifeline.http.who import Role
from store import accounts

Text = Annotated[str, Form(max_length=500)]


def router(data: Data, look: Look, gate: Gate) -> APIRouter:
    """The open page `/login`."""
    routes = APIRouter(include_in_schema=False)

    def page(request: Request, status: int = 200, **values: object) -> Response:
        given: dict[str, Any] = {"next": _inside(request.query_params.get("next", "")), "why": "", "wait_s": 0}
        return look.page(request, "login.html", data.home(), status=status, **given | values)

    @routes.get("/login")
    def login(request: Request) -> Response:
        if getattr(request.state, "known", None):
            return RedirectResponse("/", status_code=303)
        return page(request, exist=gate.exist())

    @routes.post("/login")
    def sign_in(request: Request, name: Text = "", password: Text = "", next: Text = "") -> Response:
        address = request.client.host if request.client else ""
        agent = request.headers.get("user-agent", "")
        try:
            cookie = gate.sign_in(name, password, address, agent, session_cookie(request.headers, request.state.secure))
        except TooOftenError as error:
            answer = page(request, 429, next=_inside(next), why="wait", wait_s=error.wait_s, exist=True)
            answer.headers["Retry-After"] = str(error.wait_s)
            return answer
        if cookie is None:
            return page(request, 401, next=_inside(next), why="wrong", exist=gate.exist())
        return _with_cookie(request, RedirectResponse(_inside(next) or "/", status_code=303), cookie)

    return routes


def account_router(data: Data, look: Look, gate: Gate, answers: Answers) -> APIRouter:
    """`/logout`, `/account`: for whoever is signed in."""
    routes = APIRouter(include_in_schema=False, dependencies=[needs(Role.VIEWER)])
    wall = SystemClock()

    @routes.post("/logout")
    def sign_out(request: Request) -> Response:
        gate.sign_out(request.state.known)
        answer = RedirectResponse("/login", status_code=303)
        for name in (COOKIE, SECURE_COOKIE):
            answer.delete_cookie(name, secure=name == SECURE_COOKIE, httponly=True, samesite="strict")
        return answer

    def page(request: Request, status: int = 200, **values: object) -> Response:
        known: Known = request.state.known
        if known.who.how != "session":
            return answers(request, 404, "only who is signed in with a password has this page")
        with data.connections.connection(timeout=WAIT_S) as conn:
            found = accounts.sessions(conn, known.who.name, wall.now())
        given: dict[str, Any] = {
            "sessions": [row | {"mine": bytes(row["session"]) == known.session} for row in found],
            "shortest": passwords.SHORTEST,
            "fault": "",
            "done": request.query_params.get("done", ""),
        }
        return look.page(request, "account.html", data.home(), status=status, **given | values)

    @routes.get("/account")
    def account(request: Request) -> Response:
        return page(request)

    @routes.post("/account/password")
    def password(request: Request, old: Text = "", new: Text = "", again: Text = "") -> Response:
        known: Known = request.state.known
        if known.who.how != "session":
            return page(request)
        try:
            if not gate.is_password(known, old):
                return page(request, 403, fault="wrong_old")
            if new != again:
                return page(request, 422, fault="not_again")
            passwords.check(new, known.who.name)
        except TooOftenError as error:
            return answers(request, 429, str(error), headers={"Retry-After": str(error.wait_s)})
        except InputError:
            return page(request, 422, fault="easy")
        kept = passwords.hashed(new)
        with data.connections.connection(timeout=WAIT_S) as conn:
            accounts.set_password(conn, known.who.name, kept, deed_of(known.who), wall.now(), known.session)
        return RedirectResponse("/account?done=password", status_code=303)

    @routes.post("/account/sessions")
    def elsewhere(request: Request) -> Response:
        known: Known = request.state.known
        with data.connections.connection(timeout=WAIT_S) as conn:
            accounts.close_sessions(conn, known.who.name, deed_of(known.who), known.session)
        return RedirectResponse("/account?done=sessions", status_code=303)

    return routes


def _with_cookie(request: Request, answer: Response, cookie: str) -> Response:
    secure = bool(request.state.secure)
    answer.set_cookie(
        SECURE_COOKIE if secure else COOKIE, cookie, int(LIFETIME.total_seconds()), path="/", secure=secure,
        httponly=True, samesite="strict",
    )  # fmt: skip
    return answer


def _inside(path: str) -> str:
    """A path of ours to go on to; empty when it leads elsewhere."""
    fine = path.startswith("/") and not path.startswith(("//", "/\\", "/login", "/logout")) and path.isprintable()
    return path if fine and "\\" not in path else ""
