"""One embedded server for several commands on a data folder: the first starts it, later ones are its guests.

`data/lent` names the process that lends and, once its server answers, the address; guests hold a shared lock on
`data/guests`, and who lends stops the server only when it has that lock alone. A lender that is killed takes the server
along, and its word no longer counts: the folder's own lock then names another process, or is free.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from city.clock import SystemClock, stopwatch_s
from city.errors import OutsideError
from lifeline.files import DataLock, write_atomic
from store.embedded import START_TIMEOUT_S

_A_MOMENT_S = 1.0  # between taking the folder's lock and saying whose it is
_WALL = SystemClock()


@contextmanager
def lending(data: Path, tell: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Lend a server while the block runs, and on until its last guest has gone; call what it gives with the address.

    Parameters
    ----------
    data
        The data folder, whose lock this process holds.
    tell
        Takes a line for the person, when guests keep this command from ending.
    """
    _say(data, "")
    try:
        yield lambda dsn: _say(data, dsn)
    finally:
        (data / "lent").unlink(missing_ok=True)
        with _guests(data) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                tell("done; another command still uses this database, which stops when that one has ended")
                fcntl.flock(file, fcntl.LOCK_EX)


@contextmanager
def borrowed(data: Path) -> Iterator[str]:
    """The address of the server that another command lends; empty where none does.

    Raises
    ------
    OutsideError
        When its server does not come up.
    """
    began_s = stopwatch_s()
    while stopwatch_s() - began_s < START_TIMEOUT_S:
        with _guests(data) as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            said = _lent(data)
            if said:
                yield said
                return
        if said is None and stopwatch_s() - began_s > _A_MOMENT_S:
            yield ""
            return
        _WALL.pause_s(0.05)
    raise OutsideError(f"{data}: another command is starting the database here for long, try again")


def _guests(data: Path) -> IO[str]:
    return (data / "guests").open("a+", encoding="utf-8")


def _say(data: Path, dsn: str) -> None:
    write_atomic(data / "lent", json.dumps({"pid": os.getpid(), "database": dsn}))


def _lent(data: Path) -> str | None:
    """The address that is lent; empty when it will be in a moment, None when nobody lends."""
    with suppress(FileNotFoundError, ProcessLookupError):
        said = json.loads((data / "lent").read_text(encoding="utf-8"))
        os.kill(said["pid"], 0)
        if str(said["pid"]) == DataLock.holder(data):
            return str(said["database"])
    return None
