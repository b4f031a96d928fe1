"""Runs a page's shell blocks with this tree's own `lifeline`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.fenced import ROOT


def shim(folder: Path) -> Path:
    """A folder for PATH whose `lifeline` is this tree's; it wants PYTHONPATH."""
    made = folder / ".bin"
    made.mkdir(exist_ok=True)
    (made / "lifeline").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lifeline "$@"\n', encoding="utf-8")
    (made / "lifeline").chmod(0o755)
    return made


def run_shell(text: str, folder: Path, **environment: str) -> str:
    """What the commands print; they must succeed, one after the other, in this folder."""
    known = {
        "PATH": f"{shim(folder)}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "200", "HOME": str(folder),
        "LIFELINE_DATA": str(folder / "data"), **environment,
    }  # fmt: skip
    done = subprocess.run(  # noqa: S603 - the page's own lines
        ["/bin/sh", "-ec", text], cwd=folder, env=known, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout
