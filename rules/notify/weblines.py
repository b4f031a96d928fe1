"""HTTP clients as the notifier uses them."""

from __future__ import annotations

import ssl

import httpx

_HERE = ("all://localhost", "all://127.0.0.1", "all://[::1]")


def web_client(connections: int = 1, timeout_s: float = 10.0, trusted: ssl.SSLContext | None = None) -> httpx.Client:
    """A client for up to `connections` at once; endpoints on this machine are never asked for through a proxy."""
    return httpx.Client(
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        mounts=dict.fromkeys(_HERE),
        headers={"User-Agent": "lifeline"},
        timeout=timeout_s,
        verify=trusted or True,
    )
