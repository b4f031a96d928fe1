"""Conditions and detectors' reasons as people read them: engineers' shorthand becomes words of the catalogue."""

from __future__ import annotations

from city.words import say


def say_test(test: str, language: str) -> str:
    """A condition as a rule writes it, in the person's language where it is a plain comparison."""
    side, _, bound = test.partition(" ")
    return say(f"notice.test_{side}", language, bound=bound) if side in ("above", "below") and bound else test
