"""What the engine is made of, as one digest: the same for every Python, whatever its comments say."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Final

_PACKAGE: Final = __name__.rpartition(".")[0]
# Everything that an answer depends on; who only carries it about (fleet, detector) is left out.
MODULES: Final = (
    "channels", "habits", "hours", "kernel", "layout", "natures", "neighbours", "statistics", "surprise", "tails",
    "together", "transforms",
)  # fmt: skip


@cache
def digest() -> str:
    """Sixty-four hexadecimal digits that change with any number, name or step of the engine."""
    told = hashlib.sha256()
    for name in MODULES:
        told.update(digest_of(_source(f"{_PACKAGE}.{name}")).encode())
    return told.hexdigest()


def digest_of(source: str) -> str:
    """Of one module's text: comments, docstrings and the length of its lines do not count."""
    return hashlib.sha256("\n".join(_words(ast.parse(source))).encode()).hexdigest()


def _source(name: str) -> str:
    spec = find_spec(name)
    text = spec.loader.get_source(name) if spec and spec.loader and hasattr(spec.loader, "get_source") else None
    if text is None:
        raise ImportError(f"{name}: its source is missing, and with it what configuration this is")
    return str(text)


def _words(node: ast.AST) -> Iterator[str]:
    """Kinds, names and constants, in order. What is empty is left out: later versions of Python know more fields."""
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                if not _is_docstring(part) and not isinstance(part, ast.expr_context):
                    yield from _words(part)
            elif part is not None and name not in ("kind", "type_comment"):
                yield f"{name}={part!r}"


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
