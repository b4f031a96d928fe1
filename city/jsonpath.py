"""A small part of JSONPath: what it takes to point at values in other people's messages.

`$` is the whole message and `@` the item at hand; then `.name`, `['any name']`, `[2]`, `[-1]`, and `.*` or `[*]` for
everything in an object or list. No filters, no slices, no `..`: a path says where a thing stands, not how to find it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from city.errors import InputError

_STEP = re.compile(
    r"\.(?P<name>[^\W\d][\w-]*)|\.(?P<all>\*)|\[(?P<every>\*)\]|\[(?P<index>-?\d{1,9})\]"
    r"|\[(?P<quote>['\"])(?P<quoted>.+?)(?P=quote)\]"
)


@dataclass(frozen=True, slots=True)
class JsonPath:
    """A path; `root` is `$` or `@`, a step is a name, an index, or None for everything."""

    text: str
    root: str
    steps: tuple[str | int | None, ...]

    @property
    def single(self) -> bool:
        """Whether it points at one value at most."""
        return None not in self.steps

    def find(self, whole: object, item: object) -> Iterator[tuple[str, object]]:
        """What it points at: (last name or index on the way there, value)."""
        found: list[tuple[str, object]] = [("", whole if self.root == "$" else item)]
        for step in self.steps:
            found = [pair for _, value in found for pair in _step(step, value)]
        return iter(found)

    def one(self, whole: object, item: object) -> object:
        """The first value it points at, None when there is none."""
        return next((value for _, value in self.find(whole, item)), None)


def parse_path(text: str) -> JsonPath:
    """Read a path (InputError with the part that cannot be read)."""
    if text[:1] not in ("$", "@"):
        raise InputError(f"a path begins with $ (the message) or @ (the item), got {text[:60]!r}, try '$.{text[:40]}'")
    steps: list[str | int | None] = []
    at = 1
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise InputError(f"not a path, got {text[at:][:60]!r} in {text[:60]!r}, try .name, ['a name'], [0] or [*]")
        name = found["name"] or found["quoted"]
        steps.append(name if name else int(found["index"]) if found["index"] else None)
        at = found.end()
    return JsonPath(text, text[0], tuple(steps))


def _step(step: str | int | None, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        if step is None:
            yield from ((str(name), inner) for name, inner in value.items())
        elif isinstance(step, str) and step in value:
            yield step, value[step]
    elif isinstance(value, list):
        if step is None:
            yield from ((str(index), inner) for index, inner in enumerate(value))
        elif isinstance(step, int) and -len(value) <= step < len(value):
            yield str(step), value[step]
