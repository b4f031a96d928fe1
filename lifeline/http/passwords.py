"""Passwords: what is one, and how it is kept (argon2id with the costs of RFC 9106 for machines with little memory)."""

from __future__ import annotations

import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from city.errors import InputError

SHORTEST, LONGEST = 12, 200
_FEWEST_CHARACTERS = 5
_hasher = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=2)
_two_at_a_time = threading.BoundedSemaphore(2)  # each takes 64 MiB


def check(password: str, name: str = "") -> None:
    """Refuse what is easily guessed (InputError says why)."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"password: {SHORTEST} to {LONGEST} characters, got {len(password)}, try a few words")
    if len(set(password.lower())) < _FEWEST_CHARACTERS or (name and name.lower() in password.lower()):
        raise InputError("password: too easily guessed, try a few words that have nothing to do with the name")


def hashed(password: str) -> str:
    """A password as it is kept."""
    with _two_at_a_time:
        return _hasher.hash(password)


def fits(kept: str | None, password: str) -> bool:
    """Whether a password is the one kept. It takes as long when there is none (None)."""
    if len(password) > LONGEST:
        password, kept = "", None
    try:
        with _two_at_a_time:
            _hasher.verify(kept or _nobody(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return kept is not None


def outdated(kept: str) -> bool:
    """Whether it was kept at another cost than today's."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobody() -> str:
    """Something to compare with where there is nobody."""
    return _hasher.hash("nobody has this password")
