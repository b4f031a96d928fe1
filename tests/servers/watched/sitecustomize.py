"""Imported by every Python that a stage starts: notes each file that it opens to write, makes, moves or removes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_NOTE = os.open(os.environ["STAGE_WRITES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_CHANGES = {"os.mkdir": (0,), "os.rename": (0, 1), "os.remove": (0,), "os.symlink": (1,), "os.link": (1,)}


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND):
            return
        changed = [path]
    else:
        changed = [arguments[at] for at in _CHANGES.get(event, ())]
    for one in changed:
        if isinstance(one, str | bytes | os.PathLike):
            os.write(_NOTE, bytes(Path(os.fsdecode(one)).absolute()) + b"\n")


sys.addaudithook(_note)
