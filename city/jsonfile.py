"""JSON that people and GIS programs write, with positions (found only when a fault asks for one)."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import NoReturn

from city.errors import Fault, FaultyInput
from city.positions import Path, Positions, Table

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


class _Repeated(ValueError):
    """A key stands twice in one object."""


def parse(text: str, file: str) -> tuple[object, Positions]:
    """The data of a JSON text and where each value stands.

    Raises
    ------
    FaultyInput
        With the first syntax error, repeated key or number that is not finite.
    """
    positions = Positions(file, lambda: _positions(text))
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant), positions
    except json.JSONDecodeError as error:
        fault = Fault(file, error.lineno, error.colno, f"not JSON: {error.msg}")
    except RecursionError:
        fault = Fault(file, 1, 1, "nested too deep", hint="a flatter file")
    except _Repeated as error:
        fault = Fault(file, *_second(text, str(error)), f"duplicate key {str(error)!r}", hint="removing one")
    except ValueError as error:
        fault = Fault(file, 1, 1, f"not JSON: {error}")
    raise FaultyInput([fault])


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        times = Counter(key for key, _ in pairs)
        raise _Repeated(next(key for key, n in times.items() if n > 1))
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _tokens(text: str) -> Iterator[tuple[str, int, int]]:
    line, line_start, scanned = 1, 0, 0
    for match in _TOKEN.finditer(text):
        start = match.start()
        if newlines := text.count("\n", scanned, start):
            line += newlines
            line_start = text.rindex("\n", scanned, start) + 1
        scanned = start
        yield match[0], line, start - line_start + 1


def _positions(text: str) -> tuple[Table, Table]:
    """Positions of all values and keys of a text that is JSON."""
    values: dict[Path, tuple[int, int]] = {}
    keys: dict[Path, tuple[int, int]] = {}
    stack: list[tuple[bool, Path]] = []  # is it an object, its path
    last: str | int = 0  # key or index of the value to come
    path: Path = ()
    wants_key = False
    for mark, line, column in _tokens(text):
        if mark in "}]":
            _, path = stack.pop()
            wants_key, last = False, path[-1] if path else 0
        elif mark == ",":
            wants_key = stack[-1][0]
            last = last + 1 if isinstance(last, int) else last
        elif mark == ":":
            wants_key = False
        elif wants_key:
            last = json.loads(mark)
            keys.setdefault((*stack[-1][1], last), (line, column))
        else:
            path = (*stack[-1][1], last) if stack else ()
            values.setdefault(path, (line, column))
            if mark in "{[":
                stack.append((mark == "{", path))
                wants_key, last = mark == "{", 0
    return values, keys


def _second(text: str, key: str) -> tuple[int, int]:
    """Where `key` stands for the second time in one object."""
    seen: list[set[str]] = []
    previous = ("", 1, 1)
    for token in _tokens(text):
        if token[0] in "{[":
            seen.append(set())
        elif token[0] in "}]":
            seen.pop()
        elif token[0] == ":" and json.loads(previous[0]) == key:
            if key in seen[-1]:
                return previous[1:]
            seen[-1].add(key)
        previous = token
    return 1, 1
