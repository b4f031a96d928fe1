"""Who may come in, and what every answer carries.

With an operator password everything but crew pages (their link is the key), their style sheet and the health probes
asks for it (HTTP Basic). Without one the server listens on this machine only (`check_bind`), and answers only to the
names of this machine, so that no foreign web page can reach it by a name that points here.

Changing requests must come from our own pages: browsers say so in `Sec-Fetch-Site` or `Origin`; a request with neither
does not come from a browser.
"""

from __future__ import annotations

import hmac
import ipaddress
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from city.errors import InputError
from lifeline.http.problem import problem

OPEN_PATHS = ("/n/", "/static/")
OPEN_EXACTLY = ("/healthz", "/readyz")
LONGEST_BODY = 64 * 1024

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine."""
    bare = host.strip("[]").lower()
    if bare == "localhost" or bare.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def check_bind(host: str, password: str | None) -> None:
    """Refuse to listen beyond this machine without a password (InputError)."""
    if not password and not is_loopback(host):
        raise InputError(
            f"http: listening on {host} opens the console to the network and no operator password is set, "
            "try LIFELINE_OPERATOR_PASSWORD=…, or listen on 127.0.0.1"
        )


class Guard:
    """ASGI middleware: admission before, headers after."""

    def __init__(self, app: ASGIApp, password: str | None, base_url: str) -> None:
        self._app, self._password = app, password
        self._base = urlsplit(base_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refused = self._refuse(scope, Headers(scope=scope))
        await (refused or self._app)(scope, receive, with_headers)

    def _refuse(self, scope: Scope, headers: Headers) -> Response | None:
        path = scope["path"]
        if not self._password and not self._known_host(headers.get("host", "")):
            return problem(421, "Not this server", "without a password only names of this machine are answered")
        is_open = path.startswith(OPEN_PATHS) or path in OPEN_EXACTLY
        if self._password and not is_open and user(headers, self._password) is None:
            answer = problem(401, "Who are you?", "give the operator password; the user name signs your commands")
            answer.headers["WWW-Authenticate"] = 'Basic realm="Lifeline", charset="UTF-8"'
            return answer
        if scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            if not self._same_site(headers):
                return problem(403, "From another site", "commands are taken from Lifeline's own pages only")
            length = headers.get("content-length", "" if "transfer-encoding" in headers else "0")
            if not length.isdecimal():
                return problem(411, "Length required", "send Content-Length")
            if int(length) > LONGEST_BODY:
                return problem(413, "Too long", f"at most {LONGEST_BODY} bytes")
        return None

    def _known_host(self, host: str) -> bool:
        name = urlsplit(f"//{host}").hostname or ""
        return is_loopback(name) or name == self._base.hostname

    def _same_site(self, headers: Headers) -> bool:
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        return origin is None or urlsplit(origin).netloc in (headers.get("host"), self._base.netloc)


def user(headers: Headers, password: str) -> str | None:
    """The user name of a request that carries the right password, else None."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, given = b64decode(token, validate=True).decode().partition(":")
    except (Base64Error, UnicodeDecodeError):
        return None
    return name if hmac.compare_digest(given.encode(), password.encode()) else None
