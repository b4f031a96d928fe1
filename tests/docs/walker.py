"""Walks a page as its reader does: types its blocks into terminals in their order, and looks at what comes back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.docs.fenced import ROOT, Fence, fences
from tests.docs.shell import shim
from tests.running import PATIENCE_S

_DONE = "walker: done"


def steps(page: str) -> Iterator[str | Fence]:
    """A page in its order: prose, up to a heading or a block, and blocks."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    at = 0
    for fence in fences(page):
        yield from re.split(r"(?m)^(?=## )", "\n".join(lines[at : fence.line - 1]))
        yield fence
        at = fence.line + fence.text.count("\n") + 1
    yield from re.split(r"(?m)^(?=## )", "\n".join(lines[at:]))


def missing(expected: str, said: str) -> str:
    """The first line of `expected` (where … stands for anything) that does not come in its turn; empty when all do."""
    rest = iter(said.splitlines())
    for line in expected.splitlines():
        pattern = re.compile(".*".join(map(re.escape, line.strip().split("…"))))
        if not any(pattern.fullmatch(one.strip()) for one in rest):
            return line
    return ""


def _heed_interrupts() -> None:
    """As in a terminal, also where the tests run in the background of a shell, which ignores Ctrl-C for its jobs."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A shell that keeps its variables and functions from block to block; and programs left running beside it."""

    def __init__(self, folder: Path, programs: Path, **environment: str) -> None:
        path = f"{shim(folder)}:{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "160", "HOME": str(folder)}
        self._environment |= {"LC_ALL": "C.UTF-8", **environment}
        self._running: dict[str, tuple[subprocess.Popen[bytes], Path]] = {}
        self._folder = folder
        self._shell = subprocess.Popen(
            ["bash"], cwd=folder, env=self._environment, text=True,  # noqa: S607 - the reader's shell
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, text: str) -> tuple[int, str]:
        """Type a block; the exit code of its last line, and all it said."""
        assert self._shell.stdin is not None  # pipes were asked for
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{text}\nprintf '\\n%s %s\\n' '{_DONE}' $?\n")
        self._shell.stdin.flush()
        said = list[str]()
        for line in self._shell.stdout:
            if line.startswith(_DONE):
                return int(line.split()[-1]), "".join(said).removesuffix("\n")
            said.append(line)
        raise AssertionError(f"the shell ended: {''.join(said)}")

    def leave_running(self, name: str, text: str, folder: Path, **environment: str) -> None:
        """Start a block's one command in another terminal."""
        log = self._folder / f"{name}.log"
        with log.open("wb") as screen:
            process = subprocess.Popen(  # noqa: S603 - the page's own line
                ["bash", "-c", f"exec {text}"], cwd=folder, env={**self._environment, **environment},  # noqa: S607
                stdin=subprocess.DEVNULL, stdout=screen, stderr=screen, start_new_session=True,
                preexec_fn=_heed_interrupts,
            )  # fmt: skip
        self._running[name] = process, log

    def screen(self, name: str) -> str:
        """What another terminal shows."""
        return self._running[name][1].read_text(encoding="utf-8")

    def interrupt(self, name: str) -> int:
        """Ctrl-C in another terminal; the exit code."""
        process, _ = self._running.pop(name)
        process.send_signal(signal.SIGINT)
        return process.wait(PATIENCE_S)

    def close(self) -> None:
        """End all that still runs."""
        for name in list(self._running):
            self.interrupt(name)
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        self._shell.wait(PATIENCE_S)
        if self._shell.stdout is not None:
            self._shell.stdout.close()
