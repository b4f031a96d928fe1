"""Signed, expiring links: whoever holds one may act on one incident, as one person, until it expires.

A token is `base64url(payload) . base64url(mac)`: the payload is MessagePack `[1, notice, person, incident, expires_s]`,
the mac the first 16 bytes of HMAC-SHA256 under a key derived from the installation's secret. Nothing is stored, so a
link works on any API process, and it cannot be guessed, altered, or used for another incident.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from city.errors import InputError

LIFETIME_S = 7 * 24 * 3600
_LONGEST = 1024  # a token is some 150 characters; anything much longer is not ours
_MAC_BYTES = 16
_PAYLOAD = tuple[int, bytes, str, bytes, int]


class Refusal(StrEnum):
    """Why a token is not accepted."""

    FORGED = "forged"  # altered, mistyped, cut off, or signed by somebody else
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token says."""

    notice: str
    person: str
    incident: str
    expires_us: int


def check_secret(secret: bytes) -> bytes:
    """The secret, if it is long enough to sign with (InputError otherwise)."""
    if len(secret) < 16:
        raise InputError(f"secret: needs at least 16 bytes, got {len(secret)}, try 32 bytes from a random source")
    return secret


def sign(secret: bytes, notice_id: str, person: str, incident: str, expires_us: int) -> str:
    """Make a token; `expires_us` (microseconds since 1970) is kept to the second."""
    payload = msgspec.msgpack.encode([1, _pack(notice_id), person, _pack(incident), expires_us // 1_000_000])
    return f"{_encode(payload)}.{_encode(_mac(secret, payload))}"


def verify(secret: bytes, token: str, now_us: int) -> Claims | Refusal:
    """What a token says, or why it is refused. Never raises on any text."""
    if len(token) > _LONGEST or token.count(".") != 1:
        return Refusal.FORGED
    try:
        payload, mac = (_decode(part) for part in token.split("."))
    except ValueError:
        return Refusal.FORGED
    if not hmac.compare_digest(mac, _mac(secret, payload)):
        return Refusal.FORGED
    try:
        version, notice, person, incident, expires_s = msgspec.msgpack.decode(payload, type=_PAYLOAD)
    except msgspec.DecodeError:
        return Refusal.FORGED
    if version != 1:
        return Refusal.FORGED
    if now_us >= expires_s * 1_000_000:
        return Refusal.EXPIRED
    return Claims(_unpack(notice), person, _unpack(incident), expires_s * 1_000_000)


def _mac(secret: bytes, payload: bytes) -> bytes:
    key = hmac.digest(secret, b"lifeline link v1", "sha256")  # its own key: the secret signs other things too
    return hmac.digest(key, payload, "sha256")[:_MAC_BYTES]


def _pack(text: str) -> bytes:
    # Most ids are hashes: as bytes they take half the room, and links are read aloud and typed in the field.
    try:
        packed = bytes.fromhex(text)
    except ValueError:
        packed = b""
    return b"h" + packed if packed.hex() == text else b"t" + text.encode()


def _unpack(packed: bytes) -> str:
    return packed[1:].hex() if packed[:1] == b"h" else packed[1:].decode()


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    data = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _encode(data) != text:  # one token, one spelling: the decoder would pass over stray characters
        raise ValueError("not canonical base64url")
    return data
