"""Free ports of this machine for our own servers."""

from __future__ import annotations

import socket
from collections.abc import Collection
from random import SystemRandom
from typing import Final

from city.errors import OutsideError

LOOPBACK: Final = "127.0.0.1"
# Below those that systems give to outgoing connections (from 32768 or higher): one of these could take the port of a
# server that is down for a moment, and a client that calls a port of that kind while nobody listens can reach itself.
_OURS: Final = range(20_000, 30_000)
_TRIES: Final = 100


def free_port(wanted: int = 0, *, but: Collection[int] = (), among: range = _OURS) -> int:
    """Pick `wanted` if nobody listens there, else any port of `among` where nobody does (OutsideError without one)."""
    tried = [wanted] if wanted else []
    for port in tried + SystemRandom().sample(among, min(_TRIES, len(among))):
        if port not in but and _is_free(port):
            return port
    raise OutsideError(f"no free port from {among[0]} to {among[-1]} on loopback, try stopping other programs")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True
