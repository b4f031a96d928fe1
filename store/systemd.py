"""What systemd is told of a role that it started (the protocol of sd_notify); without it nothing is said.

A role that hangs is started again: so that it goes round is told by the loop that works, never by a timer beside it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import Final

from city.clock import stopwatch_s

_EVERY_S: Final = 1.0  # a working loop may go round a thousand times a second
_lock = threading.Lock()
_told = {"ready": False, "turned_s": 0.0}


def ready() -> None:
    """Say once that the role works: it has reached what it needs."""
    with _lock:
        first, _told["ready"] = not _told["ready"], True
    if first:
        tell("READY=1")


def turned() -> None:
    """Say that the working loop has gone round, at most once a second; what does not for `WatchdogSec` is restarted."""
    with _lock:
        now_s = stopwatch_s()
        if now_s - _told["turned_s"] < _EVERY_S:
            return
        _told["turned_s"] = now_s
    tell("WATCHDOG=1")


def stopping() -> None:
    """Say that the role was told to stop and drains."""
    tell("STOPPING=1")


def tell(word: str) -> None:
    """Send one word to the socket that `NOTIFY_SOCKET` names; a manager that does not listen changes nothing for us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):  # an abstract name
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.sendto(word.encode(), address)
