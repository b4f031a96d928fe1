"""PostgreSQL's own tools (`pg_dump`): which of those on this machine suits a server."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from psycopg import conninfo

from city.errors import InputError, OutsideError
from store.binaries import DEBIAN, wheel_folder
from store.connection import Connection

# What the tools read from their environment, by the name in a connection string.
_VARIABLES = {
    "host": "PGHOST", "hostaddr": "PGHOSTADDR", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER",
    "password": "PGPASSWORD", "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY", "passfile": "PGPASSFILE", "channel_binding": "PGCHANNELBINDING",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tool:
    """One program and its major version."""

    path: Path
    major: int


def environment(dsn: str) -> dict[str, str]:
    """The environment in which a tool finds the database; nothing secret stands on its command line."""
    given = conninfo.conninfo_to_dict(dsn)
    found = {variable: str(given[name]) for name, variable in _VARIABLES.items() if given.get(name)}
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    return {**kept, "LC_ALL": "C", "PGTZ": "UTC", "PGCONNECT_TIMEOUT": "10", **found}


def pg_dump_for(conn: Connection) -> Tool:
    """The pg_dump that can read the server of `conn`: at least as new, and able to speak TLS where it is spoken.

    Raises
    ------
    OutsideError
        When there is none; the message says which to install.
    """
    server = conn.info.server_version // 10000
    tls = bool(conn.pgconn.ssl_in_use)
    found = sorted(filter(None, map(_look_at, _places())), key=lambda tool: tool.major)
    new_enough = [tool for tool in found if tool.major >= server]
    for tool in new_enough:
        if not tls or _speaks_tls(tool):
            return tool
    if new_enough:
        raise OutsideError(
            f"{new_enough[0].path}: made without TLS, which this server speaks; "
            f"try your system's postgresql-client-{server}, or LIFELINE_PG_BIN=…/bin of another PostgreSQL {server}"
        )
    have = ", ".join(f"{tool.major} ({tool.path})" for tool in found) or "none"
    raise OutsideError(
        f"the server is PostgreSQL {server}, and a pg_dump at least as new is needed, got {have}; "
        f"try your system's postgresql-client-{server}, or LIFELINE_PG_BIN=…/bin of a PostgreSQL {server}"
    )


def _places() -> list[Path]:
    """Folders with programs: the one named, the system's, the wheel's, those on the PATH."""
    if named := os.environ.get("LIFELINE_PG_BIN"):
        if not (Path(named) / "pg_dump").is_file():
            raise InputError(f"LIFELINE_PG_BIN: no pg_dump there, got {named}, try …/bin of a whole PostgreSQL")
        return [Path(named)]
    wheel, on_path = wheel_folder(), shutil.which("pg_dump")
    places = [*sorted(DEBIAN.glob("*/bin")), *([wheel] if wheel else [])]
    return places + ([Path(on_path).parent] if on_path else [])


def _look_at(folder: Path) -> Tool | None:
    program = folder / "pg_dump"
    try:
        said = subprocess.run(  # noqa: S603 - a program found by name in a known folder
            [str(program), "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+)", said)
    return Tool(program, int(found[1])) if found else None


def _speaks_tls(tool: Tool) -> bool:
    """Ask for TLS where nobody listens: a program without it says so before it tries."""
    done = subprocess.run(  # noqa: S603 - the same program
        [str(tool.path), "host=127.0.0.1 port=1 sslmode=require"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    return "not compiled in" not in done.stderr
