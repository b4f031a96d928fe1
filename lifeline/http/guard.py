"""Who may come in, how long they may take, and what every answer carries.

Who asks is found out before anything else (`gate`), kept in `who.current` for the time of the request, and held against
what the route needs (`needs`). Open to everybody are only the crew pages (their link is the key), the page to sign in,
styles, the health probes and the outlines of districts. Without any account this machine alone is served
(`check_bind`, `Gate`).

Changing requests must come from our own pages: browsers say so in `Sec-Fetch-Site` or `Origin`; a request with neither
does not come from a browser. With a session, and from a browser in any case, they carry the session's secret word too.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from city.clock import stopwatch_s
from city.errors import InputError
from lifeline import logs
from lifeline.http import who
from lifeline.http.errors import DATABASE, Answers, for_programs
from lifeline.http.gate import Gate, Known, TooOftenError, is_loopback
from lifeline.http.needs import READING
from lifeline.http.photos import LONGEST_UPLOAD

OPEN_PATHS = ("/n/", "/static/", "/api/v1/problems/")
OPEN_EXACTLY = ("/healthz", "/readyz", "/login", "/districts.geojson")
LONGEST_BODY = 64 * 1024
BODY_S, BODY_BYTES_PER_S = 15.0, 8 * 1024  # a body may take so long, and longer at this pace
ANSWER_S = 60.0  # for the other side to take a piece of an answer

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
HSTS = "max-age=31536000"
_log = logging.getLogger(__name__)


def check_bind(host: str, accounts: bool) -> None:
    """Refuse to listen beyond this machine while there is no account (InputError)."""
    if not accounts and not is_loopback(host):
        raise InputError(
            f"http: listening on {host} opens the console to the network and there is no account, "
            "try `lifeline accounts add NAME --role admin`, or listen on 127.0.0.1"
        )


class Guard:
    """ASGI middleware: admission before, headers after."""

    def __init__(self, app: ASGIApp, gate: Gate, answers: Answers, base_url: str) -> None:
        self._app, self._gate, self._answers = app, gate, answers
        self._base = urlsplit(base_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, name = stopwatch_s(), secrets.token_hex(4)
        written = _Answer(scope, send, name, secure=self._secure(scope))
        state = scope.setdefault("state", {})
        state["request_id"] = name
        in_log, asks = logs.request.set(name), who.current.set(None)
        try:
            await self._admit(scope, receive, written)
        except Exception:
            _log.exception("request_failed", extra={"action": "request_failed"})
            if written.status:
                raise
            await self._answers(Request(scope), 500, f"request {name}")(scope, receive, written)
        finally:
            _told(scope, written.status, stopwatch_s() - began)
            who.current.reset(asks)
            logs.request.reset(in_log)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        try:
            refused = self._refuse(request) or await self._recognise(request)
        except TooOftenError as error:
            refused = self._answers(request, 429, f"{error}", headers={"Retry-After": str(error.wait_s)})
        except DATABASE as error:
            refused = self._answers.failed(request, error)
        await (refused or self._app)(scope, _Body(request, receive), send)

    def _refuse(self, request: Request) -> Response | None:
        """What is wrong with a request, whoever sent it."""
        headers = request.headers
        if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
            return self._answers(request, 422, "a zero byte is in no name")  # nor does the database take one
        if "transfer-encoding" in headers:  # where there is a length too, a proxy may take another end than we do
            return self._answers(request, 411, headers={"Connection": "close"})
        if request.method in READING:
            return None
        if "authorization" not in headers and not self._same_site(headers):
            return self._answers(request, 403, "commands are taken from Lifeline's own pages only")
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            return self._answers(request, 411)
        longest = _longest(request.url.path, headers)
        if len(length) > len(str(longest)) or int(length) > longest:
            return self._answers(request, 413, f"at most {longest} bytes", headers={"Connection": "close"})
        return None

    async def _recognise(self, request: Request) -> Response | None:
        """Find out who asks; an answer when they must sign in, or their form is not one of ours."""
        path = request.scope["path"]
        if path.startswith("/static/") or path in ("/healthz", "/readyz"):
            return None
        address = request.client.host if request.client else ""
        if path.startswith("/n/"):
            self._gate.paced(address)
            return None
        known = await run_in_threadpool(self._gate.known, request.headers, address, secure=request.state.secure)
        if known is not None:
            who.current.set(known.who)
            request.state.csrf, request.state.known = known.csrf, known
            return self._own_form(request, known)
        if path.startswith(OPEN_PATHS) or path in OPEN_EXACTLY:
            self._gate.paced(address)
            return None
        return await run_in_threadpool(self._sign_in_first, request)

    def _own_form(self, request: Request, known: Known) -> Response | None:
        headers = request.headers
        browser = "sec-fetch-site" in headers or "origin" in headers
        due = known.who.how == "session" or (known.who.how == "local" and browser)
        programs = request.url.path.startswith("/api/")
        request.state.csrf_due = due and not programs  # of a form it is looked for when the form was read
        if request.method in READING or not due or not programs:
            return None
        if hmac.compare_digest(headers.get("x-csrf-token", "").encode(), known.csrf.encode()):
            return None
        return self._answers(request, 403, "with a session the API needs X-CSRF-Token; programs use a token")

    def _sign_in_first(self, request: Request) -> Response:
        exist = self._gate.exist()
        how = "sign in at /login, or send a token" if exist else "there is no account yet: `lifeline accounts add`"
        if exist and request.method == "GET" and not for_programs(request.url.path):
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"/login?next={quote(asked[:500], safe='')}", status_code=303)
        return self._answers(request, 401, how, headers={"WWW-Authenticate": 'Bearer realm="Lifeline"'})

    def _secure(self, scope: Scope) -> bool:
        host = Headers(scope=scope).get("host", "")
        return scope.get("scheme") == "https" or (self._base.scheme == "https" and host == self._base.netloc)

    def _same_site(self, headers: Headers) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        return origin is None or urlsplit(origin).netloc in (headers.get("host"), self._base.netloc)


class _Answer:
    """The way back: adds headers, remembers the status, and does not wait for ever for the other side."""

    def __init__(self, scope: Scope, send: Send, name: str, *, secure: bool) -> None:
        self._send, self._name, self._secure, self.status = send, name, secure, 0
        scope.setdefault("state", {})["secure"] = secure

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers["X-Request-ID"] = self._name
            if self._secure:
                headers["Strict-Transport-Security"] = HSTS
        async with asyncio.timeout(ANSWER_S):
            await self._send(message)


class _Body:
    """The way in: a body that is no longer than it may be, and does not take for ever (413, 408)."""

    def __init__(self, request: Request, receive: Receive) -> None:
        self._receive, self._left = receive, _longest(request.url.path, request.headers)
        self._until = asyncio.get_running_loop().time() + BODY_S
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:  # what follows is only that the other side has gone
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(408, "the body took too long", {"Connection": "close"}) from error
        taken = len(message.get("body", b""))
        self._left -= taken
        self._until += taken / BODY_BYTES_PER_S
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        if self._left < 0:
            raise HTTPException(413, "longer than it said", {"Connection": "close"})
        return message


def _longest(path: str, headers: Headers) -> int:
    """How long a body may be: a crew's report with photos is the one thing that may be large."""
    photos = path.startswith("/n/") and headers.get("content-type", "").startswith("multipart/form-data")
    return LONGEST_UPLOAD if photos else LONGEST_BODY


def _told(scope: Scope, status: int, took_s: float) -> None:
    """One line a request; never a link's token, nor a query."""
    path = "/n/…" if scope["path"].startswith("/n/") else scope["path"][:200]
    quiet = status < 400 and scope["method"] in READING
    level = logging.DEBUG if quiet else logging.ERROR if status >= 500 else logging.INFO
    name = asks.name if (asks := who.current.get()) else "-"
    said = "request %s %r %d %.0f ms by %s"
    _log.log(level, said, scope["method"], path, status, took_s * 1000, name, extra={"action": "request"})
