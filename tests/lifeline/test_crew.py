"""The demonstration's crew: takes signed notices once, and taps the link once, like a person with a phone."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from city.clock import ManualClock, SystemClock, stopwatch_s
from lifeline import crew
from lifeline.ports import kept_port
from rules.notify.webhook import SIGNATURE, signature
from tests.running import PATIENCE_S

KEY = b"0123456789abcdef"
PAGE = """<form method="post" action="/n/t1/act"><input type="hidden" name="csrf" value="c">
<button name="kind" value="acknowledge">Acknowledge</button></form>"""


class Pages(http.server.BaseHTTPRequestHandler):
    posted: list[tuple[str, str]] = []  # noqa: RUF012 - one server a test, emptied by the fixture

    def do_GET(self) -> None:
        self._answer(PAGE.encode())

    def do_POST(self) -> None:
        self.posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"])).decode()))
        self._answer(b"thank you")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[str]:
    Pages.posted.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class WallPaced(ManualClock):
    """A manual clock whose pauses also let other threads run."""

    def pause_s(self, duration_s: float, until: threading.Event | None = None) -> bool:
        SystemClock().pause_s(0.01, until)
        return super().pause_s(duration_s, until)


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    monkeypatch.setenv(crew.SECRET_VARIABLE, KEY.decode())
    port = kept_port(tmp_path / "crew.port")
    stop = threading.Event()
    clock = WallPaced(datetime(2026, 7, 1, tzinfo=UTC))
    thread = threading.Thread(target=crew.run_crew, args=(tmp_path, clock, stop))
    thread.start()
    yield f"http://127.0.0.1:{port}/crew/li", tmp_path / "crew.jsonl"
    stop.set()
    thread.join()


def post(url: str, link: str, key: str = "n1", secret: bytes = KEY) -> int:
    body = json.dumps({"incident": "i1", "link": link, "to": "li", "subject": "red", "level": "red"}).encode()
    headers = {"Idempotency-Key": key, SIGNATURE: signature(secret, 1_800_000_000, body)}
    with httpx.Client(transport=httpx.HTTPTransport(retries=5), timeout=60) as web:
        return web.post(url, content=body, headers=headers).status_code


def entries(path: Path, kind: str) -> list[dict[str, object]]:
    lines = path.read_text().splitlines() if path.exists() else []
    return [entry for line in lines if (entry := json.loads(line))["kind"] == kind]


def test_a_notice_is_remembered_once_and_tapped_once(running: tuple[str, Path], pages: str) -> None:
    url, book = running
    assert post(url, f"{pages}/n/t1") == 204
    assert post(url, f"{pages}/n/t1") == 204, "a repeat is fine, and forgotten"
    deadline_s = stopwatch_s() + PATIENCE_S
    while not entries(book, "tap"):
        assert stopwatch_s() < deadline_s
        SystemClock().pause_s(0.02)
    assert len(entries(book, "notice")) == 1
    assert Pages.posted == [("/n/t1/act", "csrf=c&kind=acknowledge")]
    reread = crew.Book(book)
    said = [kind for _, kind in reread.due(2**62)]
    assert "acknowledge" not in said, "after a restart it is still known as tapped"


def notice(key: str, level: str = "red", incident: str = "i1") -> dict[str, object]:
    return {
        "kind": "notice",
        "key": key,
        "received_us": 0,
        "incident": incident,
        "level": level,
        "link": "",
        "to": "li",
    }


def test_all_acknowledge_and_the_first_one_told_goes_arrives_and_reports(tmp_path: Path) -> None:
    book = crew.Book(tmp_path / "crew.jsonl")
    for one in (notice("a"), notice("b"), notice("c", "yellow", "i2")):
        book.add(one)
    said: dict[str, list[str]] = {}
    for second in range(0, 3600, 30):
        for due, kind in book.due(second * 1_000_000):
            said.setdefault(str(due["key"]), []).append(kind)
            book.add({"kind": "tap", "key": due["key"], "said": kind, "at_us": second * 1_000_000})
    assert said == {"a": ["acknowledge", "dispatch", "on_site", "report"], "b": ["acknowledge"], "c": ["acknowledge"]}
    assert crew.Book(tmp_path / "crew.jsonl").due(2**62) == [], "and after a restart nothing is left to say"


def test_an_unsigned_or_forged_notice_is_refused(running: tuple[str, Path], pages: str) -> None:
    url, book = running
    assert post(url, f"{pages}/n/t1", secret=b"another key") == 401
    assert entries(book, "notice") == []


def test_a_line_cut_short_by_a_kill_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "crew.jsonl"
    path.write_text('{"kind": "notice", "key": "a", "received_us": 1}\n{"kind": "not')
    book = crew.Book(path)
    assert book.add({"kind": "notice", "key": "b", "received_us": 2})
    assert [told["key"] for told, _ in crew.Book(path).due(2**62)] == ["a", "b"]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (PAGE, ("/n/t1/act", {"csrf": "c", "kind": "acknowledge"})),
        ('<form action="/n/t/acknowledge"><input name="note" value=""></form>', ("/n/t/acknowledge", {"note": ""})),
        ('<form action="/x"><button name="kind" value="dispatch">Go</button></form>', None),
        ("<p>Already acknowledged</p>", None),
    ],
)
def test_the_form_is_found_on_the_page(page: str, expected: object) -> None:
    assert crew.form_of(page, "acknowledge") == expected
