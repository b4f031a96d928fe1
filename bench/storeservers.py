"""The servers that the store's benchmark finds on this machine: PostgreSQL without TimescaleDB, and one that has it."""

from __future__ import annotations

import os
from pathlib import Path

from store.binaries import Binaries, candidates, look_at

_UNPACKED = "timescale-*/usr/lib/postgresql/*/bin"  # where bin/test keeps a TimescaleDB of its own


def found() -> tuple[Binaries, ...]:
    """The best PostgreSQL without and the best one with TimescaleDB, as far as they are here; the former first.

    Looked for where the embedded server is looked for, then where the tests unpack theirs (`LIFELINE_TEST_TOOLS`, or
    `.tools` beside the rooms).
    """
    home = Path(os.environ.get("LIFELINE_TEST_TOOLS") or Path(__file__).resolve().parents[1] / ".tools")
    newest_first = sorted(home.glob(_UNPACKED), key=lambda folder: -folder.stat().st_mtime)
    best = dict[bool, Binaries]()
    for one in [*candidates(), *filter(None, map(look_at, newest_first))]:
        best.setdefault(one.timescale, one)
    return tuple(best[kind] for kind in sorted(best))
