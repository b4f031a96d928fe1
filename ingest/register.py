"""Reads the register that a recorder admits by; that of a large city in a process of its own.

To read a folder takes ten times the memory of what admission keeps of it, and a process that once took that much does
not give it back while it runs.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Final

from city.errors import OutsideError
from city.load import load_city
from ingest.sensortable import SensorTable
from store import bundle, register
from store.child import die_with_parent
from store.connection import Connection, connect

LARGE: Final = 5_000  # sensors: fewer are read sooner than a process starts
_DSN: Final = "LIFELINE_DATABASE_URL"


def read(conn: Connection, folder: str, dsn: str = "") -> SensorTable:
    """The register of a city folder that was applied once.

    Parameters
    ----------
    folder
        Its hash.
    dsn
        The same database, to read a large register in a process of its own; empty: not.

    Raises
    ------
    OutsideError
        There is no such folder, or that process failed (its log says why).
    """
    if dsn and register.size(conn) > LARGE:
        return _read_apart(folder, dsn)
    files = bundle.get(conn, folder)
    if files is None:
        raise OutsideError(f"database: no city folder {folder[:12]}, try applying it again")
    return SensorTable(load_city(files), register.ids(conn))


def _read_apart(folder: str, dsn: str) -> SensorTable:
    command = [sys.executable, "-m", "ingest.register", folder]
    process = subprocess.Popen(  # noqa: S603 - ourselves
        command, env={**os.environ, _DSN: dsn}, stdout=subprocess.PIPE, preexec_fn=die_with_parent()
    )
    with process:
        assert process.stdout is not None, "a pipe was asked for"  # noqa: S101 - for the type checker
        try:
            table = pickle.load(process.stdout)  # noqa: S301 - written by ourselves, below
        except (EOFError, pickle.UnpicklingError):
            table = None
    if not isinstance(table, SensorTable):
        raise OutsideError(f"register: reading it in a process of its own failed, exit {process.returncode}")
    return table


def _main(folder: str) -> None:
    with connect(os.environ[_DSN], autocommit=True, application_name="lifeline recorder register") as conn:
        pickle.dump(read(conn, folder), sys.stdout.buffer, protocol=5)


if __name__ == "__main__":
    _main(sys.argv[1])
