"""The crew of the simulated city: receives webhooks as a city's own system would, and taps the link as a person would.

Every notice that arrives signed is remembered in `crew.jsonl` (one JSON object a line: `notice` or `tap`), once per
Idempotency-Key. `THINKING_S` city seconds later the crew opens the notice's page and sends its acknowledge form, until
that worked; after a restart it goes on where the file ends.
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
from lifeline.ports import LOOPBACK

log = logging.getLogger(__name__)

THINKING_S = 90.0  # city seconds between the notice and the tap
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
                for notice in book.due(clock.now_us()):
                    _tap(web, notice, book, clock)
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Book:
    """What the crew received and did; every entry is on disk before it counts."""

    path: Path
    _notices: dict[str, dict[str, Any]] = field(default_factory=dict)
    _tapped: set[str] = field(default_factory=set)
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
            known = self._tapped if entry["kind"] == "tap" else self._notices
            if entry["key"] in known:
                return False
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._learn(entry)
            return True

    def due(self, now_us: int) -> list[dict[str, Any]]:
        """The notices whose link is to be tapped now."""
        with self._lock:
            ripe_us = now_us - int(THINKING_S * 1e6)
            return [n for key, n in self._notices.items() if key not in self._tapped and n["received_us"] <= ripe_us]

    def _learn(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "tap":
            self._tapped.add(entry["key"])
        else:
            self._notices[entry["key"]] = entry


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
            entry = {name: notice.get(name) for name in ("incident", "link", "to", "subject", "level")}
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


def _tap(web: httpx.Client, notice: dict[str, Any], book: Book, clock: Clock) -> None:
    """Open the page behind the link and send its acknowledge form; a failure is tried again at the next look."""
    try:
        page = web.get(notice["link"])
        form = acknowledge_form(page.text) if page.is_success else None
        if page.is_server_error:
            return
        if form is None:  # already acknowledged by a colleague, or nothing to acknowledge any more
            book.add({"kind": "tap", "key": notice["key"], "at_us": clock.now_us(), "done": "nothing to acknowledge"})
            return
        action, fields = form
        # The header is what a browser sends with a form of the same site.
        answer = web.post(urljoin(str(page.url), action), data=fields, headers={"Origin": _origin(page.url)})
    except httpx.HTTPError as error:
        log.warning("tap failed: %s", error, extra={"action": "crew.tap"})
        return
    if answer.is_success:
        book.add({"kind": "tap", "key": notice["key"], "at_us": clock.now_us(), "done": "acknowledged"})
    else:
        log.warning("tap answered %s", answer.status_code, extra={"action": "crew.tap"})


def _origin(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.netloc.decode()}"


def acknowledge_form(page: str) -> tuple[str, dict[str, str]] | None:
    """Action and fields of the form on a page whose button acknowledges, None when there is none."""
    reader = _Forms()
    reader.feed(page)
    for action, fields, buttons in reader.forms:
        for name, value in [*fields.items(), *buttons]:
            if value == "acknowledge":
                return action, {**fields, name: value} if name else fields
        if action.rstrip("/").endswith("acknowledge"):
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
            elif "name" in of:
                fields[of["name"]] = of.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
