"""Where a broker is, as people write it: `mqtt://user:password@host:port` or `mqtts://…`."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from city.errors import InputError

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """A broker's host and port, who we are there, and whether the line is encrypted."""

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    encrypted: bool

    @classmethod
    def of(cls, url: str) -> BrokerAddress:
        """The address written as `url` (InputError when it is not one; the message never shows the password)."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise InputError(f"broker address: {error}, try mqtt://host:1883") from error
        if parts.scheme not in _PORTS or not parts.hostname:
            got = f"{parts.scheme}://{parts.hostname or ''}"
            raise InputError(f"broker address: not an MQTT address, got {got!r}, try mqtt://user:password@host:1883")
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            encrypted=parts.scheme == "mqtts",
        )

    def __str__(self) -> str:
        """Neither user nor password."""
        return f"{'mqtts' if self.encrypted else 'mqtt'}://{self.host}:{self.port}"
