"""The book: it is built without network, nothing in it leads nowhere, and reading it asks nobody else."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from docs.book import GUESTS, turned
from tests.http.browser import chromium

ROOT = Path(__file__).resolve().parents[2]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}
OUTSIDE = re.compile(r"(?:[a-z]+:)?//")


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """`mkdocs build --strict`, with a proxy that is not there: what asks the network fails."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "-d", str(site)]
    return subprocess.run(  # noqa: S603 - our own words
        command, cwd=ROOT, env={**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built book."""
    site = tmp_path_factory.mktemp("book") / "site"
    done = build(ROOT / "mkdocs.yml", site)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "WARNING" not in done.stderr
    return site


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Loads(HTMLParser):
    """What a browser loads by itself to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        here = dict(attrs)
        if tag in LOADED and here.get("rel") not in ("next", "prev", "canonical"):
            self.found.append(here.get(LOADED[tag]) or "")


def loads(page: Path) -> Iterator[str]:
    parser = _Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    yield from (address for address in parser.found if address)


def test_every_page_is_in_the_book_and_loads_nothing_from_elsewhere(book: Path) -> None:
    pages = {page.relative_to(book).with_suffix(".md").as_posix(): page for page in book.rglob("*.html")}
    written = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    guests = {name.replace("README.md", "index.md") for name in GUESTS}
    assert written | guests <= set(pages)
    assert list(book.rglob("*.py*")) == []
    for name, page in pages.items():
        addresses = list(loads(page))
        assert addresses, name
        assert [one for one in addresses if OUTSIDE.match(one)] == [], name
    for sheet in book.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)]*", text) == [], sheet.name


def test_links_work_on_the_repositorys_web_view_too() -> None:
    for page in [*(ROOT / "docs").rglob("*.md"), *(ROOT / file for file in GUESTS.values())]:
        text = re.sub(
            r"^ *```.*?^ *```|`[^`\n]+`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text)]
        inside = [link for link in links if link and not re.match(r"[a-z]+:", link)]
        assert [link for link in inside if not (page.parent / link).exists()] == [], page.relative_to(ROOT)


@pytest.mark.browser
def test_a_reader_finds_words_in_both_languages_and_asks_nobody_else(book: Path, tmp_path: Path) -> None:
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(book))) as server,
        chromium(tmp_path) as browser,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        home = f"http://127.0.0.1:{server.server_port}/"
        browser.open(f"{home}index.html")
        asked = []
        for words in ("acknowledge", "积水"):
            browser.ask("document.querySelector('[data-md-component=search-query]').value = ''")
            browser.ask("document.querySelector('[data-md-component=search-query]').focus()")
            browser.type(words)
            browser.wait(
                f"[...document.querySelectorAll('.md-search-result mark')].some(e => '{words}'.includes(e.innerText))"
            )
            asked += [
                e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"
            ]
        server.shutdown()
    assert asked
    assert [url for url in asked if not url.startswith((home, "data:", "blob:"))] == []


def test_the_book_is_no_part_of_the_tree() -> None:
    ignored = subprocess.run(["git", "check-ignore", "site/index.html"], cwd=ROOT, capture_output=True, check=False)  # noqa: S607 - git
    if ignored.returncode == 128:
        pytest.skip("not a git checkout")
    assert ignored.returncode == 0


def test_a_page_left_out_and_a_link_that_leads_nowhere_are_errors(tmp_path: Path) -> None:
    for name in ("mkdocs.yml", *GUESTS.values()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "docs" / "stray.md").write_text("# Stray\n\n[a](rules.md#no-such-place) [b](no-such-page.md)\n")
    (tmp_path / "README.md").write_text("# Read me\n\n[c](docs/no-such-page.md)\n")
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert done.returncode != 0
    for told in ('not included in the "nav"', "#no-such-place", "link 'no-such-page.md'", "link '../no-such-page.md'"):
        assert told in done.stderr, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("uri", "written", "turned_to"),
    [
        ("rules.md", "[a](rule-tests.md#one)", "[a](rule-tests.md#one)"),
        ("rules.md", "[a](../deploy/RUNBOOK.md)", "[a](deploy/RUNBOOK.md)"),
        ("rules.md", "[`a`](../rules/engine.py) and [b](../gateway/)", "`a` and b"),
        ("deploy/backup.md", "[a](../docs/sight.md#logs)", "[a](../sight.md#logs)"),
        ("deploy/backup.md", "[a](RUNBOOK.md)", "[a](RUNBOOK.md)"),
        ("project/README.md", "![a `b`](docs/wall.png) [c](CHANGELOG.md)", "![a `b`](../wall.png) [c](CHANGELOG.md)"),
        ("project/README.md", "[a](https://example.org/x) [b](#here)", "[a](https://example.org/x) [b](#here)"),
        (
            "project/README.md",
            "`[a](docs/x.md)`\n```\n[b](LICENSE)\n```\n",
            "`[a](docs/x.md)`\n```\n[b](LICENSE)\n```\n",
        ),
    ],
)
def test_links_work_in_the_repository_and_in_the_book(uri: str, written: str, turned_to: str) -> None:
    assert turned(written, uri) == turned_to
