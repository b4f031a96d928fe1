"""Two words to the compiler about memory: plain, they do nothing; compiled, `machine` says what they become."""

from __future__ import annotations

from typing import Any

LINE_BYTES = 64  # what a processor fetches at once


def lent(array: Any) -> Any:  # noqa: ANN401 - any array
    """The same array, to be used while its owner keeps it: compiled, no references to it are counted."""
    return array


def soon(array: Any, at: int, offset_bytes: int) -> None:  # noqa: ANN401 - any array
    """What lies so many bytes into `array[at]` is needed soon: compiled, the processor begins to fetch it."""
