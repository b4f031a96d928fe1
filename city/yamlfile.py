"""YAML 1.2 that people write, read strictly and with positions.

Stricter than YAML itself, because a rule that silently means something else is worse than an error: one document, no
duplicate keys, no tabs, no aliases, no tags, no NaN or infinity, at most 1 MiB and 64 levels deep. Keys are always
text (`on:` is "on"), and a plain scalar is null, true/false, a number or text by the YAML 1.2 core schema (`NO`,
`22:30` and `2026-01-01` are text).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from city.errors import Fault, FaultyInput
from city.positions import Path, Positions, check_keys, nearest, show

if TYPE_CHECKING:
    from ruamel.yaml.error import StreamMark
    from ruamel.yaml.events import Event

__all__ = ["Positions", "check_keys", "nearest", "parse", "show"]

MAX_BYTES = 1 << 20
_MAX_DEPTH = 64
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def parse(text: str, file: str) -> tuple[object, Positions]:
    """The data of a YAML text (dicts, lists, text, int, float, bool, None) and where each value stands.

    Raises
    ------
    FaultyInput
        With every fault that can be found (a syntax error hides what follows it).
    """
    if (size := len(text.encode())) > MAX_BYTES:
        raise FaultyInput([Fault(file, 1, 1, "file is over 1 MiB", f"{size} bytes", "splitting it")])
    builder = _Builder(file)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except _TooMuch:
        pass
    except MarkedYAMLError as error:
        builder.faults.append(_syntax_fault(file, text, error))
    except (YAMLError, ValueError) as error:
        builder.faults.append(_reader_fault(file, text, error))
    if builder.faults:
        raise FaultyInput(builder.faults)
    return builder.data, Positions(file, (builder.values, builder.keys))


class _TooMuch(Exception):
    """Reading on makes no sense."""


@dataclass
class _Open:
    """A mapping or sequence being filled; `key` is the mapping's key that waits for its value.

    `is_key`: it stands where a key should (a fault); what it holds is read and dropped.
    """

    data: dict[str, object] | list[object]
    path: Path
    key: str | None = None
    is_key: bool = False


@dataclass
class _Builder:
    """Builds data from parser events, collecting faults; what is faulty is left out."""

    file: str
    data: object = None
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    documents: int = 0
    stack: list[_Open] = field(default_factory=list)

    def complain(self, mark: StreamMark, what: str, got: str = "", hint: str = "") -> None:
        self.faults.append(Fault(self.file, mark.line + 1, mark.column + 1, what, got, hint))

    def take(self, event: Event) -> None:
        """One event of the parser, in order."""
        mark = event.start_mark
        match event:
            case DocumentStartEvent():
                self.documents += 1
                if self.documents > 1:
                    self.complain(mark, "a second document in one file", hint="one file for each")
                    raise _TooMuch
            case AliasEvent():
                self.complain(mark, "aliases are refused", f"'*{event.anchor}'", "writing it out")
                if self._wants_key():
                    self.stack[-1].key = ""
                else:
                    self._place(None, mark)
            case MappingStartEvent() | SequenceStartEvent():
                self._check_tag(event, mark)
                self._open({} if isinstance(event, MappingStartEvent) else [], mark)
            case MappingEndEvent() | SequenceEndEvent():
                if self.stack.pop().is_key:
                    self.stack[-1].key = ""
            case ScalarEvent():
                self._check_tag(event, mark)
                if self._wants_key():
                    self._take_key(event.value, mark)
                else:
                    self._place(self._scalar(event), mark)
            case _:
                pass

    def _check_tag(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent, mark: StreamMark) -> None:
        if event.tag is not None and str(event.tag) != "!":
            self.complain(mark, "tags are refused", str(event.tag), "quotes around text")

    def _wants_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].data, dict) and self.stack[-1].key is None

    def _take_key(self, key: str, mark: StreamMark) -> None:
        top = self.stack[-1]
        path = (*top.path, key)
        if path in self.keys:
            line, column = self.keys[path]
            self.complain(mark, f"duplicate key {key!r}", f"it again after {line}:{column}", "removing one")
        elif key in ("", "<<"):
            what = "an empty key" if not key else "merge keys are refused"
            self.complain(mark, what, hint="a name" if not key else "writing it out")
        else:
            self.keys[path] = (mark.line + 1, mark.column + 1)
        top.key = key

    def _open(self, data: dict[str, object] | list[object], mark: StreamMark) -> None:
        if len(self.stack) >= _MAX_DEPTH:
            self.complain(mark, f"nested deeper than {_MAX_DEPTH} levels", hint="a flatter file")
            raise _TooMuch
        if self._wants_key():
            self.complain(mark, "a key must be text", show(data), "quotes around it")
            self.stack.append(_Open(data, (*self.stack[-1].path, ""), is_key=True))
        else:
            self.stack.append(_Open(data, self._place(data, mark)))

    def _place(self, value: object, mark: StreamMark) -> Path:
        """Put a value where it belongs; returns its path."""
        path: Path = ()
        if not self.stack:
            self.data = value
        else:
            top = self.stack[-1]
            if isinstance(top.data, list):
                path = (*top.path, len(top.data))
                top.data.append(value)
            else:
                path = (*top.path, top.key or "")
                top.data.setdefault(top.key or "", value)
                top.key = None
        self.values.setdefault(path, (mark.line + 1, mark.column + 1))
        return path

    def _scalar(self, event: ScalarEvent) -> object:
        text: str = event.value
        if event.style not in (None, "") or not event.implicit[0]:
            return text
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INT.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _NOT_FINITE.fullmatch(text):
            self.complain(event.start_mark, "not a finite number", text, "a number, or quotes around text")
            return None
        if _FLOAT.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                self.complain(event.start_mark, "not a finite number", text[:40], "a smaller one")
            return number
        return text


def _syntax_fault(file: str, text: str, error: MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.split("\n")
    at = lines[line - 1][column - 1 : column] if line <= len(lines) else ""
    if at == "\t" or (line <= len(lines) and lines[line - 1].lstrip(" ").startswith("\t")):
        return Fault(file, line, column, "a tab where spaces belong", hint="two spaces a level")
    what = f"not YAML: {error.problem or error.context or 'cannot be read'}"
    got = show(at) if at and " but " not in what else ""
    return Fault(file, line, column, what, got, "quotes around text, and matching indents")


def _reader_fault(file: str, text: str, error: Exception) -> Fault:
    for number, line in enumerate(text.split("\n"), 1):
        for column, character in enumerate(line, 1):
            if not character.isprintable() and not character.isspace():
                return Fault(file, number, column, "a control character", repr(character), "removing it")
    return Fault(file, 1, 1, f"not YAML: {str(error).splitlines()[0]}")
