"""Plain functions compiled by numba, where there is numba; the plain functions themselves are the reference.

Nothing is decorated: `compiled` copies a function and the functions of this package that it calls, compiles the copies
and leaves the originals as they are. numba is imported here and not before.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import CodeType, FunctionType
from typing import Any, Final, TypeVar, cast

LOG = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., Any])
_PACKAGE = __name__.rpartition(".")[0]
_ALSO = ("channels", "layout", "machine")  # what they are made from besides
_HOW: Final[dict[str, Any]] = {"error_model": "numpy", "nogil": True}
# Called by other compiled functions only, and in line: passing arrays on costs more than most of what is done to them.
_INNER: Final[dict[str, Any]] = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
SWITCH = "LIFELINE_NO_NUMBA"  # set in the environment: do without


def available() -> bool:
    """Whether there is a compiler, and nobody forbade it."""
    if os.environ.get(SWITCH):
        return False
    try:
        import numba
    except ImportError:
        return False
    return bool(numba.__version__)


def compiled(function: F, kinds: str) -> F:
    """`function` as machine code for arguments of these kinds (numba's words); others are a TypeError.

    The code is kept on disk beside the source or, where that cannot be written, in the user's cache. Where neither can
    be written it is compiled anew by every process.
    """
    return cast(F, _compiled(cast(FunctionType, function), kinds))


@cache
def _compiled(entry: FunctionType, kinds: str) -> Any:  # noqa: ANN401 - a numba dispatcher
    import numba

    from detectors.early.machine import words

    found = _called(entry)
    digest = _digest(found)
    built: dict[FunctionType, object] = dict(words())
    for one in found[:-1]:
        if one not in built:
            built[one] = numba.njit(_copy(one, built, digest), **_HOW, **_INNER)
    last = _copy(entry, built, digest)
    try:
        return numba.njit(kinds, cache=True, **_HOW)(last)
    except Exception as error:  # noqa: BLE001 - no place for it, a full disk, or a file cut short: whatever a disk does
        LOG.warning(
            "engine_not_kept: %s; compiled for this process alone, try an empty NUMBA_CACHE_DIR that can be written",
            error,
            extra={"action": "engine_not_kept"},
        )
        return numba.njit(kinds, **_HOW)(last)


def _digest(found: Sequence[FunctionType]) -> str:
    """What the code is made of, for the name it is kept under: numba looks at the age of one file only.

    Taken from what this process has loaded, not from files, which may be newer when an installation is being replaced.
    """
    told = hashlib.sha256()

    def tell(code: CodeType) -> None:
        told.update(code.co_code + repr(code.co_names).encode())
        for constant in code.co_consts:
            tell(constant) if isinstance(constant, CodeType) else told.update(repr(constant).encode())

    modules = {one.__module__ for one in found} | {f"{_PACKAGE}.{name}" for name in _ALSO}
    for name in sorted(modules):
        for key, value in sorted(vars(sys.modules[name]).items()):
            if isinstance(value, FunctionType) and value.__module__ == name:
                tell(value.__code__)
            elif isinstance(value, int | float | tuple):
                told.update(f"{key}={value!r}".encode())
    return told.hexdigest()[:16]


def _copy(one: FunctionType, built: Mapping[FunctionType, object], digest: str) -> FunctionType:
    """The function, calling what was built instead of what is plain."""
    names = {
        name: built.get(value, value) if isinstance(value, FunctionType) else value
        for name, value in one.__globals__.items()
    }
    copy = FunctionType(one.__code__, names, one.__name__, one.__defaults__, one.__closure__)
    copy.__qualname__, copy.__module__ = f"{one.__qualname__}_{digest}", one.__module__
    return copy


def _called(entry: FunctionType) -> list[FunctionType]:
    """The functions of this package that it calls, directly or not, callees first and itself last."""
    found: list[FunctionType] = []

    def visit(one: FunctionType) -> None:
        for name in one.__code__.co_names:
            other = one.__globals__.get(name)
            if isinstance(other, FunctionType) and other.__module__.startswith(_PACKAGE) and other not in found:
                visit(other)
        found.append(one)

    visit(entry)
    return found
