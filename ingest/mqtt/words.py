"""Reason codes of MQTT in words, and the one error that a peer's bytes can cause."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Version(IntEnum):
    """The protocol levels we speak."""

    V311 = 4
    V5 = 5


MALFORMED: Final = 0x81
PROTOCOL_ERROR: Final = 0x82
UNSUPPORTED_VERSION: Final = 0x84
KEEP_ALIVE_TIMEOUT: Final = 0x8D
BAD_TOPIC: Final = 0x90
BAD_ALIAS: Final = 0x94
TOO_LARGE: Final = 0x95

_V5: Final = {
    0x00: "normal",
    0x04: "disconnect with will",
    0x80: "unspecified error",
    MALFORMED: "malformed packet",
    PROTOCOL_ERROR: "protocol error",
    0x83: "implementation specific error",
    UNSUPPORTED_VERSION: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    KEEP_ALIVE_TIMEOUT: "keep alive timeout",
    0x8E: "session taken over: somebody else uses this client id",
    0x8F: "topic filter invalid",
    BAD_TOPIC: "topic name invalid",
    0x91: "packet identifier in use",
    0x93: "receive maximum exceeded",
    BAD_ALIAS: "topic alias invalid",
    TOO_LARGE: "packet too large",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}
_V311_CONNACK: Final = {
    1: "unsupported protocol version",
    2: "client identifier not valid",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}


def said(code: int) -> str:
    """A reason code in words (of CONNACK in 3.1.1 too, whose codes are 1 to 5)."""
    return _V311_CONNACK.get(code) or _V5.get(code) or f"reason code 0x{code:02x}"


class ProtocolError(Exception):
    """The peer broke the protocol: `code` is what a version 5 peer is told before the connection closes."""

    def __init__(self, code: int, what: str) -> None:
        self.code = code
        super().__init__(f"{said(code)}: {what}")
