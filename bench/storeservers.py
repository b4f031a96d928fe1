"""The servers that the store's benchmark finds on this machine: PostgreSQL without TimescaleDB, and one that has it."""

from __future__ import annotations

from pathlib import Path

from store.binaries import Binaries, candidates, look_at

TOOLS = Path(__file__).resolve().parents[1] / ".tools"  # where bin/test keeps a TimescaleDB of its own
_UNPACKED = "timescale-*/usr/lib/postgresql/*/bin"


def found() -> tuple[Binaries, ...]:
    """The best PostgreSQL without and the best one with TimescaleDB, as far as they are here; the former first.

    Looked for where the embedded server is looked for, then where the tests unpack theirs.
    """
    newest_first = sorted(TOOLS.glob(_UNPACKED), key=lambda folder: -folder.stat().st_mtime)
    best = dict[bool, Binaries]()
    for one in [*candidates(), *filter(None, map(look_at, newest_first))]:
        best.setdefault(one.timescale, one)
    return tuple(best[kind] for kind in sorted(best))
