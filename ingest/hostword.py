"""What a Sparkplug host says of itself: one retained word on `spBv1.0/STATE/{host}`, and the same as its will."""

from __future__ import annotations

from typing import Final

import msgspec

STATE: Final = "spBv1.0/STATE"


class _State(msgspec.Struct):
    online: bool
    timestamp: int


class HostWord:
    """The word of one host; `begin` a connection with it, so that the will and the birth carry the same time."""

    def __init__(self, host: str) -> None:
        self.topic = f"{STATE}/{host}"
        self._timestamp_ms = 0

    def begin(self, now_us: int) -> None:
        """A connection begins now (microseconds since 1970); never earlier than the one before."""
        self._timestamp_ms = max(self._timestamp_ms + 1, now_us // 1000)

    def say(self, *, online: bool) -> bytes:
        """The word itself."""
        return msgspec.json.encode(_State(online, self._timestamp_ms))

    def contradicted(self, payload: bytes) -> bool:
        """Whether somebody says we are away, who does not speak of a later connection than ours."""
        try:
            state = msgspec.json.decode(payload, type=_State)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return bool(payload)
        return not state.online and state.timestamp <= self._timestamp_ms
