"""The crew of the simulated city: receives webhooks as a city's own system would, and taps the link as a person would.

Every notice that arrives signed is remembered in `crew.jsonl` (one JSON object a line: `notice` or `tap`), once per
Idempotency-Key. Whoever was told acknowledges; the first one told of a red or orange incident then goes, arrives and
reports (`ROUTE`), each by the form on the notice's page, until that worked. After a restart all go on where the file
ends.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import re
import threading
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx

from city.clock import Clock
from city.words import languages, say
from store.ports import LOOPBACK

log = logging.getLogger(__name__)

ROUTE = (("acknowledge", 90.0), ("dispatch", 300.0), ("on_site", 1200.0), ("report", 2400.0))  # city s after the notice
GOES_FOR = ("red", "orange")
SECRET_VARIABLE = "LIFELINE_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable, not a secret
LOOK_EVERY_S = 15.0  # city seconds
_BODY_BYTES = 1 << 20


def run_crew(data: Path, clock: Clock, stop: threading.Event) -> None:
    """Receive and tap until `stop`; listens on the port that `crew.port` in the data folder names."""
    book = Book(data / "crew.jsonl")
    port = int((data / "crew.port").read_text())
    server = _Server((LOOPBACK, port), book, clock, os.environ.get(SECRET_VARIABLE, "").encode())
    threading.Thread(target=server.serve_forever, name="crew-http", daemon=True).start()
    try:
        with httpx.Client(timeout=10, follow_redirects=True) as web:
            while not clock.pause_s(LOOK_EVERY_S, stop):
                for notice, kind in book.due(clock.now_us()):
                    _tap(web, notice, kind, book, clock)
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Book:
    """What the crew received and did; every entry is on disk before it counts."""

    path: Path
    _notices: dict[str, dict[str, Any]] = field(default_factory=dict)
    _tapped: set[tuple[str, str]] = field(default_factory=set)
    _goes: dict[str, str] = field(default_factory=dict)  # incident -> the notice of whoever goes there
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []:
            try:
                self._learn(json.loads(line))
            except ValueError:  # the line a kill cut short; it comes again
                log.warning("skip a broken line in %s", self.path.name, extra={"action": "crew.line"})
                with self.path.open("a", encoding="utf-8") as file:
                    file.write("\n")

    def add(self, entry: dict[str, Any]) -> bool:
        """Remember an entry; false when this notice or tap was already known."""
        with self._lock:
            if _mark(entry) in self._tapped if entry["kind"] == "tap" else entry["key"] in self._notices:
                return False
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._learn(entry)
            return True

    def due(self, now_us: int) -> list[tuple[dict[str, Any], str]]:
        """The notices whose link is to be used now, and for what."""
        with self._lock:
            return [(notice, kind) for notice in self._notices.values() if (kind := self._next(notice, now_us))]

    def _next(self, notice: dict[str, Any], now_us: int) -> str:
        """The first of what the notice's person has not said; empty while it is not time for it, or all is said."""
        route = ROUTE if self._goes.get(notice.get("incident", "")) == notice["key"] else ROUTE[:1]
        for kind, after_s in route:
            if (notice["key"], kind) not in self._tapped:
                return kind if notice["received_us"] + int(after_s * 1e6) <= now_us else ""
        return ""

    def _learn(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "tap":
            self._tapped.add(_mark(entry))
            return
        self._notices[entry["key"]] = entry
        if entry.get("level") in GOES_FOR and entry.get("incident"):
            self._goes.setdefault(entry["incident"], entry["key"])


def _mark(tap: dict[str, Any]) -> tuple[str, str]:
    return tap["key"], tap.get("said", ROUTE[0][0])


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], book: Book, clock: Clock, secret: bytes) -> None:
        super().__init__(address, _Receiver)
        self.book, self.clock, self.secret = book, clock, secret


class _Receiver(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= _BODY_BYTES:
            return self._answer(413)
        body = self.rfile.read(length)
        if self.server.secret and not signed(self.headers.get("Lifeline-Signature", ""), body, self.server.secret):
            return self._answer(401)
        key = self.headers.get("Idempotency-Key", "")
        try:
            notice = json.loads(body)
            entry = {name: notice.get(name) for name in ("incident", "link", "to", "subject", "level", "language")}
        except (ValueError, AttributeError):
            return self._answer(400)
        if not key or not entry["link"]:
            return self._answer(400)
        self.server.book.add({"kind": "notice", "key": key, "received_us": self.server.clock.now_us(), **entry})
        return self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        log.debug("request %s", format % args, extra={"action": "crew.request"})


def signed(header: str, body: bytes, secret: bytes) -> bool:
    """Whether `t=<unix s>,v1=<hex>` is the HMAC-SHA256 of `<t>.<body>` under `secret`."""
    match = re.fullmatch(r"t=(\d{1,12}),v1=([0-9a-f]{64})", header)
    if match is None:
        return False
    expected = hmac.digest(secret, match[1].encode() + b"." + body, "sha256").hex()
    return hmac.compare_digest(expected, match[2])


def _tap(web: httpx.Client, notice: dict[str, Any], kind: str, book: Book, clock: Clock) -> None:
    """Open the page behind the link and send one of its forms; a failure is tried again at the next look."""
    tap = {"kind": "tap", "key": notice["key"], "said": kind}
    try:
        page = web.get(notice["link"])
        form = form_of(page.text, kind) if page.is_success else None
        if page.is_server_error:
            return
        if form is None:  # a colleague has said so already, or it is over
            book.add({**tap, "at_us": clock.now_us(), "done": f"nothing to {kind}"})
            return
        action, fields = form
        if "note" in fields:
            language = notice.get("language")
            fields = {**fields, "note": say("demo.crew_report", language if language in languages else "en")}
        # The header is what a browser sends with a form of the same site.
        answer = web.post(urljoin(str(page.url), action), data=fields, headers={"Origin": _origin(page.url)})
    except httpx.HTTPError as error:
        log.warning("tap failed: %s", error, extra={"action": "crew.tap"})
        return
    if answer.is_success:
        book.add({**tap, "at_us": clock.now_us(), "done": kind})
    else:
        log.warning("tap answered %s", answer.status_code, extra={"action": "crew.tap"})


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"


def form_of(page: str, kind: str) -> tuple[str, dict[str, str]] | None:
    """Action and fields of the form on a page whose button says `kind`, None when there is none."""
    reader = _Forms()
    reader.feed(page)
    for action, fields, buttons in reader.forms:
        for name, value in [*fields.items(), *buttons]:
            if value == kind:
                return action, {**fields, name: value} if name else fields
        if action.rstrip("/").endswith(kind):
            return action, fields
    return None


class _Forms(HTMLParser):
    """Collects (action, hidden and default fields, (name, value) of buttons) of every form."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str], list[tuple[str, str]]]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = True
            self.forms.append((of.get("action", ""), {}, []))
        elif self._inside and tag in ("input", "button", "textarea"):
            _, fields, buttons = self.forms[-1]
            if tag == "button" or of.get("type") == "submit":
                buttons.append((of.get("name", ""), of.get("value", "")))
            elif "name" in of and of.get("type") != "file":
                fields[of["name"]] = of.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
