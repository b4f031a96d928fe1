"""A network that can be cut so that packets vanish: a namespace of its own for some processes, and a router between.

Nothing is closed and nothing is refused when the router stops forwarding: both ends believe in their connections, as
they do when a mast loses power. Needs root and `ip` (iproute2) on Linux. Servers on loopback are reached through doors:
forwarders that listen on this side's address.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from city.errors import OutsideError

_CHUNK: Final = 1 << 16


class NoNamespaces(OutsideError):
    """This machine or account has no network namespaces."""


class Network:
    """A far place: `command` makes a command line run there, `door` lets it reach a server of ours."""

    def __init__(self) -> None:
        mark, part = secrets.token_hex(2), secrets.randbelow(256)
        # of the range that RFC 2544 keeps for tests; several runs may stand beside each other
        self._here, self._near, self._far, self._there = (f"198.18.{part}.{last}" for last in (1, 2, 5, 6))
        self._beyond = f"198.18.{part}.4/30"
        self._place, self._router, self._link = f"lf-place-{mark}", f"lf-router-{mark}", f"lfv{mark}"
        self._doors: dict[int, _Door] = {}

    def __enter__(self) -> Self:
        if not sys.platform.startswith("linux") or os.geteuid() or shutil.which("ip") is None:
            raise NoNamespaces("network namespaces: need root and `ip` (iproute2) on Linux")
        try:
            self._make()
        except OutsideError:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for door in self._doors.values():
            door.close()
        self._remove()

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line that runs `words` in the far place."""
        return ["ip", "netns", "exec", self._place, *words]

    def door(self, port: int) -> str:
        """The address under which the far place reaches `port` of our loopback."""
        if port not in self._doors:
            self._doors[port] = _Door(self._here, port)
        return self._here

    def cut(self) -> None:
        """From now on packets vanish, both ways."""
        self._forward(on=False)

    def mend(self) -> None:
        """Packets arrive again."""
        self._forward(on=True)

    def _make(self) -> None:
        for place in (self._place, self._router):
            _ip("netns", "add", place)
            _ip("-n", place, "link", "set", "lo", "up")
        near, far = f"{self._link}a", f"{self._link}b"
        _ip("link", "add", near, "type", "veth", "peer", "name", "near", "netns", self._router)
        _ip("-n", self._router, "link", "add", "far", "type", "veth", "peer", "name", far, "netns", self._place)
        for place, link, address in (
            ("", near, self._here), (self._router, "near", self._near),
            (self._router, "far", self._far), (self._place, far, self._there),
        ):  # fmt: skip
            there = ("-n", place) if place else ()
            _ip(*there, "addr", "add", f"{address}/30", "dev", link)
            _ip(*there, "link", "set", link, "up")
        _ip("route", "add", self._beyond, "via", self._near)
        _ip("-n", self._place, "route", "add", "default", "via", self._far)
        self._forward(on=True)

    def _remove(self) -> None:
        for place in (self._place, self._router):  # their links go with them
            with contextlib.suppress(OutsideError):
                _ip("netns", "del", place)

    def _forward(self, *, on: bool) -> None:
        switch = f"echo {int(on)} > /proc/sys/net/ipv4/ip_forward"
        _ip("netns", "exec", self._router, "sh", "-c", switch)


class _Door:
    """Listens on an address and hands every connection on to a port of our loopback."""

    def __init__(self, address: str, port: int) -> None:
        self._port, self._open = port, set[socket.socket]()
        self._listener = socket.create_server((address, port))
        threading.Thread(target=self._listen, name="door", daemon=True).start()

    def close(self) -> None:
        for each in (self._listener, *self._open.copy()):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                outer, _ = self._listener.accept()
                try:
                    inner = socket.create_connection(("127.0.0.1", self._port))
                except OSError:
                    outer.close()
                    continue
                self._open |= {outer, inner}
                for one, other in ((outer, inner), (inner, outer)):
                    threading.Thread(target=self._carry, args=(one, other), name="door", daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := one.recv(_CHUNK):
                other.sendall(chunk)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
            self._open.discard(each)


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607 - our own words
    if done.returncode:
        raise NoNamespaces(f"network namespaces: `ip {' '.join(words)}` said: {done.stderr.strip()}")
    return done.stdout
