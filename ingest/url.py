"""The broker's address as people write it: `mqtt://user:password@host:port`, `mqtts://…`."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from city.errors import InputError


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where a broker is and how to log in; `str()` shows neither user nor password."""

    host: str
    port: int
    tls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"

    @classmethod
    def of(cls, url: str) -> BrokerAddress:
        """Read a URL (InputError when it is not one; the message leaves the password out)."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in ("mqtt", "mqtts") or not host:
            shown = f"{parts.scheme or '?'}://{host or '?'}"
            raise InputError(f"broker URL: not understood, got {shown}…, try mqtt://user:password@host:1883")
        tls = parts.scheme == "mqtts"
        user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
        return cls(host, port or (8883 if tls else 1883), tls, user, password)
