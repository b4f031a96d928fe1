"""TimescaleDB under its community licence for tests: compiled to WebAssembly, run by Node, on a port of this machine.

It is the real extension with all its code, in one process with one session: clients take turns, whole connections at a
time. Tests that need two sessions at once cannot run against it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from store.connection import connect
from store.migrate import migrate
from tests.running import PATIENCE_S
from tests.servers.debian import NotHere

_ROOT = Path(__file__).resolve().parents[2]
TOOLS = _ROOT / ".tools" / "community"  # bin/test puts the packages there


@contextmanager
def community_server() -> Iterator[str]:
    """A server while the block runs; its DSN. Raises NotHere where it cannot be had."""
    node = shutil.which("node")
    if node is None or not (TOOLS / "node_modules").is_dir():
        raise NotHere("node, or the packages of tests/servers/community_node, which bin/test installs with npm")
    # What it says of trouble is a page of compiled code; a client that went away is told by its own error.
    command = [node, str(Path(__file__).parent / "community_node" / "serve.mjs"), str(TOOLS)]
    with subprocess.Popen(  # noqa: S603 - our own program and arguments
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdin is not None  # pipes were asked for
        assert server.stdout is not None
        try:
            word, _, port = server.stdout.readline().partition(" ")
            if word != "listening":
                raise NotHere(f"the server in {TOOLS} does not start")
            yield f"host=127.0.0.1 port={port.strip()} user=postgres password=none dbname=postgres sslmode=disable"
        finally:
            server.stdin.close()
            server.wait(PATIENCE_S)


def as_new(dsn: str) -> None:
    """Empty its database, and migrate it."""
    emptied(dsn)
    migrate(dsn)


def emptied(dsn: str) -> None:
    """Empty its database."""
    with connect(dsn, autocommit=True) as conn:
        for schema in ("lifeline", "city"):
            conn.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
