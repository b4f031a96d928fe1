"""Ports of our own servers: free, and none that the system gives to an outgoing connection."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from city.errors import OutsideError
from store.ports import LOOPBACK, free_port


def test_a_port_is_kept_while_it_is_free_and_else_another_is_found() -> None:
    with socket.create_server((LOOPBACK, free_port())) as taken:
        port = taken.getsockname()[1]
        other = free_port(port)
        assert other != port
        assert free_port(other) == other
        assert free_port(other, but=(other,)) != other
        with pytest.raises(OutsideError, match=f"no free port from {port} to {port} on loopback"):
            free_port(among=range(port, port + 1))


def test_no_outgoing_connection_takes_the_port_of_a_server_that_is_down() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_port() for _ in range(50)) < lowest
