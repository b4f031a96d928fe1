"""The recorder's message to itself: when it comes back, all that the broker had before it has come too."""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

TOPIC: Final = "lifeline/v1/_/recorder/readings"  # matches the recorder's own subscription, and no gateway's name
EVERY_S: Final = 0.5
LOST_S: Final = 15.0


class _Content(msgspec.Struct):
    probe: str
    session: int
    us: int


class Probe:
    """Probes of one recorder's life; those of other lives and connections are not ours. Times are wall seconds."""

    def __init__(self) -> None:
        self._nonce = secrets.token_hex(8)
        self._session = 0
        self._sent_s = self.back_s = 0.0
        self._out = False

    def begin(self, session: int) -> None:
        """Another connection begins: what is under way over the last one does not count."""
        self._session, self._out = session, False

    def due(self, now_s: float) -> bool:
        """Whether to send one: the last came back a while ago, or is lost."""
        return now_s - self._sent_s >= (LOST_S if self._out else EVERY_S)

    @property
    def lost(self) -> bool:
        """Whether the last one has not come back (asked when another is due)."""
        return self._out

    def send(self, now_s: float, now_us: int) -> bytes:
        """The payload of one that is sent now (city time in µs since 1970)."""
        self._sent_s, self._out = now_s, True
        return msgspec.json.encode(_Content(self._nonce, self._session, now_us))

    def came(self, payload: bytes, now_s: float) -> int:
        """City time that a probe of ours carries, 0 for any other."""
        try:
            content = msgspec.json.decode(payload, type=_Content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return 0
        if (content.probe, content.session) != (self._nonce, self._session):
            return 0
        self._out, self.back_s = False, now_s
        return content.us
