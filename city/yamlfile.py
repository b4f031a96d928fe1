"""YAML 1.2 that people write, read strictly and with positions.

Stricter than YAML itself, because a rule that silently means something else is worse than an error: one document, no
duplicate keys, no tabs, no anchors or aliases, no tags or directives, no NaN or infinity, and no plain value that
another YAML reader would take differently (`22:30`, `NO`, `012`, `1e3`: see `city.yamlscalar`). Keys are always text
(`on:` is "on"), dates are text. At most 1 MiB, 20 000 values and 64 levels deep.

Every fault is told at once: what can be read goes to its reader as well, and what follows a syntax error is looked at
again without the part that has it.
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
from city.yamlscalar import doubt, resolve

if TYPE_CHECKING:
    from ruamel.yaml.error import StreamMark
    from ruamel.yaml.events import Event

__all__ = ["Positions", "Read", "check_keys", "nearest", "parse", "read", "show"]

MAX_BYTES = 1 << 20
MAX_VALUES = 20_000  # keys count too; reading that many takes about a second
MAX_FAULTS = 100
_MAX_DEPTH = 64
_SYNTAX_ROUNDS = 8
_TAB = re.compile(r"^ *(\t[\t ]*)", re.MULTILINE)
_ITEM = re.compile(r"( *)- ")
_TOP_KEY = re.compile(r"[^\s#\-]")


@dataclass(frozen=True, slots=True)
class Read:
    """What could be read of a YAML text.

    Attributes
    ----------
    data
        Dicts, lists, text, int, float, bool, None; what is faulty is left out or None.
    positions
        Where each value stands; `positions.fresh` drops what others say again about a value told in `faults`.
    faults
        Every fault of the text as YAML.
    whole
        Whether all of the text was understood; if not, what is missing in `data` may stand in the text.
    """

    data: object
    positions: Positions
    faults: list[Fault]
    whole: bool


def parse(text: str, file: str) -> tuple[object, Positions]:
    """The data of a YAML text (dicts, lists, text, int, float, bool, None) and where each value stands.

    Raises
    ------
    FaultyInput
        With every fault of the text as YAML.
    """
    found = read(text, file)
    if found.faults:
        raise FaultyInput(found.faults)
    return found.data, found.positions


def read(text: str, file: str) -> Read:
    """The same, with what could be read beside the faults; never raises."""
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_BYTES:
        fault = Fault(file, 1, 1, "file is over 1 MiB", f"{size} bytes", "splitting it")
        return Read(None, Positions(file, ({}, {})), [fault], whole=False)
    text, tabs = _without_tabs(text, file)
    builder = _Builder(file)
    error = builder.read(text)
    if tabs:  # how deep these lines belong is not known, so what else looks wrong in them may not be
        faults = [*tabs, *(fault for fault in builder.faults if fault is not builder.syntax)]
    else:
        faults = builder.faults
        if error is not None:
            faults = [*faults, *_beyond(text, file, error, builder.values_seen)]
    faults = sorted(set(faults))
    if len(faults) > MAX_FAULTS:
        at = faults[MAX_FAULTS]
        faults = [*faults[:MAX_FAULTS], Fault(file, at.line, at.column, f"more than {MAX_FAULTS} faults from here on")]
    positions = Positions(file, (builder.values, builder.keys), frozenset((f.line, f.column) for f in faults))
    return Read(builder.data, positions, faults, whole=not tabs and error is None and not builder.stopped)


def _without_tabs(text: str, file: str) -> tuple[str, list[Fault]]:
    """The text with indents of spaces only, and a fault for each line that had a tab in its indent."""
    faults: list[Fault] = []
    for match in _TAB.finditer(text) if "\t" in text else ():
        end = text.find("\n", match.end())
        if text[match.end() : end if end >= 0 else None].strip():  # a line of nothing else harms nobody
            line = text.count("\n", 0, match.start(1)) + 1 if len(faults) < MAX_FAULTS else 1
            column = match.start(1) - match.start() + 1
            faults.append(Fault(file, line, column, "a tab where spaces belong", hint="two spaces a level"))
    if not faults:
        return text, []
    return _TAB.sub(lambda match: match[0].replace("\t", "  "), text), faults[:MAX_FAULTS]


def _beyond(text: str, file: str, error: MarkedYAMLError, seen: int) -> list[Fault]:
    """The faults that a syntax error hides: read again without the list item or section that holds it."""
    lines = text.split("\n")
    found: list[Fault] = []
    for _ in range(_SYNTAX_ROUNDS):
        if not _blank_out(lines, error):
            break
        builder = _Builder(file, values_seen=seen)
        again = builder.read("\n".join(lines))
        found += builder.faults
        seen = builder.values_seen
        if again is None:
            break
        error = again
    return found


def _blank_out(lines: list[str], error: MarkedYAMLError) -> bool:
    """Empty the lines of the item or section that an error stands in; False when there is none."""
    mark = error.problem_mark or error.context_mark
    if error.context_mark is not None and _is_unclosed(error):
        mark = error.context_mark  # the problem shows far below
    start = at = min(mark.line, len(lines) - 1) if mark is not None else 0
    while start > 0 and not _ITEM.match(lines[start]) and not _TOP_KEY.match(lines[start]):
        start -= 1
    item, end = _ITEM.match(lines[start]), at + 1
    indent = len(item[1]) if item is not None else 0
    while end < len(lines) and (not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip(" ")) > indent):
        end += 1
    had = any(line.strip() for line in lines[start:end])
    lines[start:end] = [""] * (end - start)
    return had


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
    values_seen: int = 0
    stopped: bool = False
    syntax: Fault | None = None

    def read(self, text: str) -> MarkedYAMLError | None:
        """Read a text to its end, or to the syntax error that is returned; other ends leave `stopped` set."""
        try:
            for event in YAML(typ="safe", pure=True).parse(text):
                self.take(event)
        except _TooMuch:
            self.stopped = True
        except MarkedYAMLError as error:
            self.syntax = _syntax_fault(self.file, text, error)
            self.faults.append(self.syntax)
            return error
        except (YAMLError, ValueError) as error:
            self.stopped = True
            self.faults.append(_reader_fault(self.file, text, error))
        return None

    def complain(self, mark: StreamMark, what: str, got: str = "", hint: str = "") -> None:
        self.faults.append(Fault(self.file, mark.line + 1, mark.column + 1, what, got, hint))
        if len(self.faults) > MAX_FAULTS:
            raise _TooMuch

    def _count(self, mark: StreamMark) -> None:
        self.values_seen += 1
        if self.values_seen > MAX_VALUES:
            self.complain(mark, f"more than {MAX_VALUES} keys and values in one file", hint="splitting it")
            raise _TooMuch

    def take(self, event: Event) -> None:
        """One event of the parser, in order."""
        mark = event.start_mark
        match event:
            case DocumentStartEvent():
                self.documents += 1
                if event.version is not None or event.tags:
                    self.complain(mark, "a directive is refused", hint="removing the line above that begins with %")
                if self.documents > 1:
                    self.complain(mark, "a second document in one file", hint="one file for each")
                    raise _TooMuch
            case AliasEvent():
                self.complain(mark, "aliases are refused", f"'*{str(event.anchor)[:60]}'", "writing it out")
                if self._wants_key():
                    self.stack[-1].key = ""
                else:
                    self._place(None, mark)
            case MappingStartEvent() | SequenceStartEvent():
                self._count(mark)
                self._check_tag(event, mark)
                self._open({} if isinstance(event, MappingStartEvent) else [], mark)
            case MappingEndEvent() | SequenceEndEvent():
                if self.stack.pop().is_key:
                    self.stack[-1].key = ""
            case ScalarEvent():
                self._count(mark)
                self._check_tag(event, mark)
                if self._wants_key():
                    self._take_key(event.value, mark)
                else:
                    self._place(self._scalar(event), mark)
            case _:
                pass

    def _check_tag(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent, mark: StreamMark) -> None:
        if event.tag is not None and str(event.tag) != "!":
            self.complain(mark, "tags are refused", str(event.tag)[:60], "quotes around text")
        if event.anchor is not None:
            self.complain(mark, "anchors are refused", f"'&{str(event.anchor)[:60]}'", "removing it")

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
        if (found := doubt(text)) is not None:
            self.complain(event.start_mark, found.what, text[:60], found.hint)
        value = resolve(text)
        if isinstance(value, float) and not math.isfinite(value):
            hint = "a smaller one" if text[-1].isdigit() else "a number, or quotes around text"
            self.complain(event.start_mark, "not a finite number", text[:40], hint)
            return None
        return value


def _is_unclosed(error: MarkedYAMLError) -> bool:
    """Whether it is about a quote or bracket that was never closed; its context then says where it was opened."""
    return "scanning" in str(error.context) or "flow" in str(error.context)


def _syntax_fault(file: str, text: str, error: MarkedYAMLError) -> Fault:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.split("\n")
    at = lines[line - 1][column - 1 : column] if line <= len(lines) else ""
    if at == "\t":
        return Fault(file, line, column, "a tab where spaces belong", hint="two spaces a level")
    what = f"not YAML: {error.problem or error.context or 'cannot be read'}"
    got = show(at) if at and " but " not in what else ""
    if (begun := error.context_mark) is not None and _is_unclosed(error) and begun.line + 1 != line:
        what += f" (in what begins at {begun.line + 1}:{begun.column + 1})"
    return Fault(file, line, column, what, got, "quotes around text, and matching indents")


def _reader_fault(file: str, text: str, error: Exception) -> Fault:
    for number, line in enumerate(text.split("\n"), 1):
        for column, character in enumerate(line, 1):
            if not character.isprintable() and not character.isspace():
                return Fault(file, number, column, "a control character", repr(character), "removing it")
    return Fault(file, 1, 1, f"not YAML: {str(error).splitlines()[0]}")
