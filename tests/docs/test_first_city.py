"""docs/first-city.md: every block is typed in its order, against the real program, and what the page says is so."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from city.folder import bundle_hash, read_folder
from lifeline import endpoints
from store import bundle
from store.connection import connect
from tests.docs.fenced import ROOT, Fence, fences
from tests.docs.walker import Terminal, missing, steps
from tests.running import eventually, free_port
from tests.servers import timescale

PAGE = "docs/first-city.md"
_BUTTON = re.compile(r'<button[^>]*name="kind" value="(\w+)"[^>]*>([^<*]+)')


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the embedded PostgreSQL's account can enter."""
    made = Path(tempfile.mkdtemp(prefix="first-city-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


class Reader:
    """Who follows the page: a terminal, files, a browser. The page's two ports become free ones."""

    def __init__(self, home: Path, programs: Path) -> None:
        self._ports = {"8080": str(free_port()), "8099": str(free_port())}
        self.web = f"http://127.0.0.1:{self._ports['8080']}"
        self.terminal = Terminal(home, programs, LIFELINE_HTTP=self.web.removeprefix("http://"))
        self.here = home / "first-city"
        self._browser = httpx.Client(timeout=60, follow_redirects=True, headers={"Origin": self.web})
        self._shown, self._block, self.pressed = "", "", list[str]()

    def close(self) -> None:
        self._browser.close()
        self.terminal.close()

    def mine(self, text: str) -> str:
        return re.sub(r"\b(8080|8099)\b", lambda port: self._ports[port[1]], text)

    def follow(self, step: str | Fence) -> None:
        """Do what one step of the page says."""
        if isinstance(step, str):
            self._read(self.mine(step))
            return
        kind, _, name = step.info.partition(" ")
        text = self.mine(step.text)
        if kind == "text":
            self._compare(text, name)
        elif kind != "sh":
            (self.here / name).write_text(text, encoding="utf-8")
        elif name.endswith("terminal"):
            given = {"LIFELINE_CITY": str(self.here / "city"), "LIFELINE_DATA": str(self.here / "data")}
            self.terminal.leave_running(name, text.strip(), self.here, **given)
            eventually(lambda: name != "second terminal" or "Lifeline runs: " in self.terminal.screen(name))
        elif name != "before":
            self._type(text)

    def _type(self, text: str) -> None:
        self._block = text
        if re.search(r"^say ", text, re.MULTILINE):
            eventually(self._folder_is_in_force)
        code, self._said = self.terminal.run(text)
        assert "Traceback" not in self._said
        assert code == ("unknown quantity" in self._said), self._said

    def _folder_is_in_force(self) -> bool:
        found = endpoints.read(self.here / "data")
        assert found is not None
        with connect(found.database) as conn:
            return bundle.current_hash(conn) == bundle_hash(read_folder(self.here / "city"))

    def _compare(self, expected: str, terminal: str) -> None:
        """What a terminal shows; the last block is typed again until it says so, for that may take a second."""

        def lacks() -> str:
            said = self.terminal.screen(terminal) if terminal else self._said
            if (line := missing(expected, said)) and not terminal:
                self._said = self.terminal.run(self._block)[1]
            return line

        eventually(lambda: not lacks(), lambda: f"no line {lacks()!r} in\n{self._said}")

    def _read(self, prose: str) -> None:
        """Open the addresses that prose names, press its bold buttons; other bold words are to be seen on the page."""
        for found in re.finditer(r"<(http://127[^>]+)>|\*\*(.+?)\*\*|Open the link", prose):
            if found[1]:
                self._shown = found[1]
                assert self._browser.get(self._shown).status_code == 200
            elif not found[2]:
                [self._shown] = re.findall(r"http://\S+/n/\S+", self.terminal.screen("third terminal"))
            elif not self._press(found[2]):
                eventually(lambda word=found[2]: word in self._plain(self._shown), lambda: self._plain(self._shown))  # type: ignore[misc]  # a lambda's default

    def _press(self, word: str) -> bool:
        if "/n/" not in self._shown:
            return False
        page = self._browser.get(self._shown).text
        if word not in {label.strip() for _, label in _BUTTON.findall(page)}:
            self._shown = self.web + re.findall(r'href="(/incidents/[^"?]+)"', self._browser.get(self.web).text)[0]
            eventually(lambda: "Close" in self._browser.get(self._shown).text)
            page = self._browser.get(self._shown).text
        kinds = {label.strip(): kind for kind, label in _BUTTON.findall(page)}
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
        where = re.findall(r'<form method="post" action="([^"]+)"', page)[-1]
        given = {**hidden, "kind": kinds[word], "actor": "Zhao Min", "note": "pumped out" if "report" in word else ""}
        address = self._shown if "/n/" in self._shown else self.web + where
        answer = self._browser.post(address, data=given)
        assert answer.status_code == 200, answer.text
        self.pressed.append(kinds[word])
        return True

    def _plain(self, address: str) -> str:
        return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", self._browser.get(address).text))


def test_a_reader_gets_from_an_empty_folder_to_a_closed_incident(folder: Path, mosquitto: Path) -> None:
    reader = Reader(folder, mosquitto.parents[1] / "bin")
    try:
        for step in steps(PAGE):
            reader.follow(step)
        incidents = httpx.get(f"{reader.web}/api/v1/incidents", timeout=60).json()["items"]
        assert sorted((one["stage"], one["level"]) for one in incidents) == [("closed", "none"), ("raised", "red")]
        assert reader.pressed == ["acknowledge", "dispatch", "on_site", "report", "close"]
        assert (reader.here / "wall" / "lifeline-wall.html").stat().st_size > 10_000
        assert reader.terminal.interrupt("second terminal") == 130
    finally:
        reader.close()


def test_what_a_reader_installs_before_is_what_the_test_has() -> None:
    [before] = [fence.text for fence in fences(PAGE) if fence.info == "sh before"]
    packages, path, first = before.splitlines()
    assert packages.split()[-1] in Path(timescale.__file__).read_text(encoding="utf-8")
    assert (path, first) == ('export PATH="$PWD/bin:$PATH"', "lifeline version")
    assert (ROOT / "bin" / "lifeline").is_file()
