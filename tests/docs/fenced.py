"""The fenced blocks of the documents. Which test takes which blocks stands in test_blocks.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>```+|~~~+)(?P<info>.*)$")


@dataclass(frozen=True)
class Fence:
    """A block: the page's path from the root, the number of its first line, its info string, its text."""

    page: str
    line: int
    info: str
    text: str

    @property
    def file(self) -> str:
        """The name that a first line like `# rules/depth.yaml` gives it; else empty."""
        found = re.match(r"# (\S+\.\w+)", self.text)
        return found[1] if found else ""


def fences(page: str) -> list[Fence]:
    """All blocks of a page, in order; one that nothing closes is an error."""
    found, start, marks, indent, body = [], 0, "", "", list[str]()
    info = ""
    for number, line in enumerate((ROOT / page).read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if not marks and fence:
            start, marks, indent, info, body = number, fence["marks"], fence["indent"], fence["info"].strip(), []
        elif marks and fence and fence["marks"].startswith(marks) and not fence["info"].strip():
            found.append(Fence(page, start, info, "".join(f"{one.removeprefix(indent)}\n" for one in body)))
            marks = ""
        elif marks:
            body.append(line)
    assert not marks, f"{page}:{start}: nothing closes this block"
    return found


def fenced(page: str, info: str) -> list[Fence]:
    """The blocks of a page with this info string, at least one."""
    found = [fence for fence in fences(page) if fence.info == info]
    assert found, f"{page}: no block ```{info}"
    return found
