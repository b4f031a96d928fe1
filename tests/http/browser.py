"""Debian's chromium, driven through a pipe (Chrome DevTools Protocol): pages are used as people use them."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from city.clock import SystemClock, stopwatch_s

FLAGS: tuple[str, ...] = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
)
FLAGS += ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions")
PATIENCE_S = 20.0
_KEYS = {
    "Tab": ("Tab", 9, ""),
    "Enter": ("Enter", 13, "\r"),
    "Escape": ("Escape", 27, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
}


class Browser:
    """One tab of one browser."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._number, self._rest, self._session = 0, b"", ""
        self.events: list[dict[str, Any]] = []
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._send(f"{domain}.enable")

    def close(self) -> None:
        """Let the browser end itself."""
        self._session = ""
        self._send("Browser.close")

    def size(self, width: int, height: int) -> None:
        """Make the window so large (CSS pixels)."""
        self._send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )

    def scripts(self, *, allowed: bool) -> None:
        """Whether pages loaded from now on may run scripts."""
        self._send("Emulation.setScriptExecutionDisabled", value=not allowed)

    def dark(self) -> None:
        """Prefer dark colours."""
        self._send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

    def cut(self, *, off: bool) -> None:
        """Take the network away, or give it back."""
        self._send(
            "Network.emulateNetworkConditions", offline=off, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    def open(self, url: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self.events.clear()
        self._send("Page.navigate", url=url)
        self._until_event("Page.loadEventFired")

    def loaded(self) -> None:
        """Wait until a page that a click or key asked for is loaded."""
        self._until_event("Page.loadEventFired")
        self.events.clear()

    def ask(self, expression: str) -> Any:  # noqa: ANN401 - whatever the page says
        """What an expression is, in the page."""
        said = self._send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def wait(self, expression: str) -> Any:  # noqa: ANN401 - whatever the page says
        """Wait until an expression is true in the page; what it is then."""
        wall, began = SystemClock(), stopwatch_s()
        while stopwatch_s() - began < PATIENCE_S:
            if found := self.ask(expression):
                return found
            wall.pause_s(0.05)
        raise AssertionError(f"never true: {expression}\n{self.text()[:2000]}")

    def text(self) -> str:
        """What is to be read on the page."""
        return str(self.ask("document.body.innerText"))

    def press(self, key: str) -> None:
        """Press and release a key: a character, or one of `_KEYS`."""
        name, code, text = _KEYS[key] if key in _KEYS else (key, ord(key.upper()), key)
        given = {"key": name, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.events.clear()
        self._send("Input.dispatchKeyEvent", type="keyDown", **given)
        self._send("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)

    def type(self, text: str) -> None:
        """Write into what has the focus."""
        self._send("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click what a selector finds first, where it is."""
        spot = self.ask(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();"
            " return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        self.events.clear()
        for kind in ("mousePressed", "mouseReleased"):
            self._send("Input.dispatchMouseEvent", type=kind, x=spot[0], y=spot[1], button="left", clickCount=1)

    def shot(self, file: Path) -> None:
        """A picture of the window."""
        file.write_bytes(b64decode(self._send("Page.captureScreenshot")["data"]))

    def _until_event(self, name: str) -> None:
        began = stopwatch_s()
        while not any(event["method"] == name for event in self.events):
            assert stopwatch_s() - began < PATIENCE_S, f"no {name}"
            self._read(1.0)

    def _send(self, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - as the protocol wants
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        began = stopwatch_s()
        while stopwatch_s() - began < PATIENCE_S:
            for answer in self._read(1.0):
                if answer.get("id") == self._number:
                    assert "error" not in answer, answer
                    result: dict[str, Any] = answer["result"]
                    return result
        raise AssertionError(f"no answer to {method}")

    def _read(self, wait_s: float) -> list[dict[str, Any]]:
        ready, _, _ = select.select([self._back], [], [], wait_s)
        if not ready:
            return []
        *whole, self._rest = (self._rest + os.read(self._back, 1 << 20)).split(b"\0")
        found = [json.loads(message) for message in whole]
        self.events += [message for message in found if "method" in message]
        return found


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with a fresh profile in `folder`; skips where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: apt-get install chromium fonts-noto-cjk")
    reads, to = os.pipe()
    back, writes = os.pipe()
    command = [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--remote-debugging-pipe"]
    # The protocol is spoken on file descriptors 3 and 4; a shell puts them there.
    shell = ["/bin/bash", "-c", f'exec "$@" 3<&{reads} 4>&{writes}', "bash", *command]
    process = subprocess.Popen(  # noqa: S603 - fixed words
        shell, pass_fds=(reads, writes), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(reads)
    os.close(writes)
    try:
        browser = Browser(to, back)
        yield browser
        browser.close()
    finally:
        os.close(to)
        os.close(back)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
