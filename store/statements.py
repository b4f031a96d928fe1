"""SQL lives in named, commented statements beside the code: `<room>/sql/<file>.sql`.

A file is a list of blocks; the comment after the name is the statement's purpose and is required::

    -- name: append
    -- Number one journal row; the caller holds the journal's lock.
    INSERT INTO lifeline.journal ...
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import LiteralString

_NAME = re.compile(r"^-- name: (\S+)[ \t]*$", re.MULTILINE)


@cache
def statements(file: str, package: str = "store") -> Mapping[str, LiteralString]:
    """The statements of `<package>/sql/<file>.sql` by name.

    Raises
    ------
    ValueError
        When the file has text before the first name, a name twice, or a block without a comment or a statement.
    """
    text = (files(package) / "sql" / f"{file}.sql").read_text(encoding="utf-8")
    return MappingProxyType(parse(text, f"{package}/sql/{file}.sql"))


def parse(text: str, where: str) -> dict[str, LiteralString]:
    """The statements in `text` by name; `where` names the file in errors."""
    head, *rest = _NAME.split(text)
    if head.strip():
        raise ValueError(f"{where}: text before the first '-- name:'")
    found: dict[str, LiteralString] = {}
    for name, block in zip(rest[::2], rest[1::2], strict=True):
        lines = block.strip().splitlines()
        statement = "\n".join(line for line in lines if not line.lstrip().startswith("--")).strip().rstrip(";")
        if name in found or not statement or not lines[0].startswith("-- "):
            raise ValueError(f"{where}: '{name}' needs one place, a comment and a statement")
        found[name] = statement  # literal in spirit: these files ship with the program
    return found
