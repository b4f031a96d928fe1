"""Markdown of the reference's pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MADE = (
    "<!-- Made from the program: LIFELINE_TEST_GOLDEN=write bin/test tests/docs/test_reference.py writes it anew. -->"
)


def page(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", _MADE, *(part.rstrip() for part in parts if part)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a column that is empty in every row is left out. Cells are Markdown."""
    kept = [tuple(row) for row in rows]
    full = [place for place in range(len(head)) if any(row[place] for row in kept)]
    lines = [[head[place] for place in full], ["---"] * len(full), *([row[place] for place in full] for row in kept)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(text: object) -> str:
    """Text as code."""
    return f"`{text}`"


def prose(text: str) -> str:
    """One line of plain text, in which only backticks and double stars mean something."""
    pieces = re.split(r"(`[^`]*`)", " ".join(text.split()))
    pieces[::2] = [re.sub(r"(?<!\*)\*(?!\*)|[<|\\]", r"\\\g<0>", plain) for plain in pieces[::2]]
    return "".join(pieces).replace("\\<", "&lt;")
