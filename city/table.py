"""CSV with a header row (RFC 4180, UTF-8), read strictly and with the position of every cell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from city.errors import Fault
from city.positions import nearest_or_all


@dataclass(frozen=True, slots=True)
class Row:
    """One row: stripped cells by column name; a cell that is not there is empty.

    `broken`: its cells cannot be told apart (a fault already told), so that what stands in them proves nothing.
    """

    file: str
    line: int
    cells: dict[str, str]
    _starts: Sequence[tuple[int, int]] | None
    _raw: str
    broken: bool = False

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def at(self, column: str) -> tuple[int, int]:
        """Line and column (one-based) of a cell; of the row's end when the cell is not there."""
        names = list(self.cells)
        starts = self._starts if self._starts is not None else _plain_starts(self._raw, self.line)
        place = names.index(column) if column in names else len(starts)
        return starts[place] if place < len(starts) else (self.line, len(self._raw) + 1)

    def fault(self, column: str, what: str, hint: str = "", *, got: str | None = None) -> Fault:
        """A fault at one cell, quoting what stands there."""
        shown = repr(self[column][:60]) if got is None and self[column] else (got or "")
        return Fault(self.file, *self.at(column), what, shown, hint)


def _plain_starts(raw: str, line: int) -> list[tuple[int, int]]:
    """Where the cells of a line without quotes begin, past their leading spaces."""
    starts, place = [], 0
    for cell in raw.split(","):
        starts.append((line, place + 1 + (len(cell) - len(cell.lstrip()) if cell.strip() else 0)))
        place += len(cell) + 1
    return starts


def read(
    text: str, file: str, required: Collection[str], optional: Collection[str], gone: Collection[str] = ()
) -> tuple[list[Row], list[Fault]]:
    """The rows of a table and the faults of its shape (header, quotes, cells too many).

    Blank lines are passed over, and so are the columns that are `gone`.
    """
    faults: list[Fault] = []
    records = _records(text, file, faults)
    header = next(records, None)
    if header is None:
        faults.append(Fault(file, 1, 1, "table without a header row", hint=",".join(required)))
        return [], faults
    line, names, starts, raw = header
    starts = starts if starts is not None else _plain_starts(raw, line)
    faults += _header_faults(file, names, starts, required, optional, gone)
    rows = []
    told = len(faults)
    for line, cells, starts_or_none, raw in records:
        broken = len(faults) > told  # reading this record appended to them
        if len(cells) > len(names) and not broken:
            broken = True
            row = Row(file, line, {str(place): "" for place in range(len(cells))}, starts_or_none, raw)
            where = row.at(str(len(names)))
            extra = cells[len(names)]
            faults.append(
                Fault(file, *where, "more cells than the header has", repr(extra[:60]), "quotes around commas")
            )
        filled = [*cells, *[""] * (len(names) - len(cells))]
        told = len(faults)
        rows.append(Row(file, line, dict(zip(names, filled, strict=False)), starts_or_none, raw, broken))
    return rows, faults


def _header_faults(
    file: str,
    names: Sequence[str],
    starts: Sequence[tuple[int, int]],
    required: Collection[str],
    optional: Collection[str],
    gone: Collection[str],
) -> list[Fault]:
    faults = []
    known = [*required, *optional]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t"):
        return [
            Fault(file, *starts[0], "cells must be separated by commas", hint="saving as 'CSV UTF-8 (comma delimited)'")
        ]
    for place, name in enumerate(names):
        if name not in (*known, *gone):
            left = [column for column in known if column not in names]
            faults.append(
                Fault(file, *starts[place], f"unknown column {name!r}", hint=nearest_or_all(name, left or known))
            )
        elif name in names[:place]:
            faults.append(Fault(file, *starts[place], f"duplicate column {name!r}", hint="removing one"))
    told = {fault.hint.strip("'") for fault in faults}
    for column in required:
        if column not in names and column not in told:
            faults.append(
                Fault(file, *starts[0], f"missing column {column!r}", hint=f"a header with {','.join(required)}")
            )
    return faults


Record = tuple[int, list[str], list[tuple[int, int]] | None, str]


def _records(text: str, file: str, faults: list[Fault]) -> Iterator[Record]:
    """Line, cells, cell starts (None for a line without quotes: found when asked) and raw text of each record."""
    lines = text.split("\n")
    place = 0
    while place < len(lines):
        first, raw = place + 1, lines[place].rstrip("\r")
        place += 1
        if not raw.strip(" ,\t"):
            continue
        if '"' not in raw:
            yield first, [cell.strip() for cell in raw.split(",")], None, raw
            continue
        more = 0
        while (found := _quoted(raw, first, file)) is None and more < _LONGEST_CELL and place + more < len(lines):
            raw += "\n" + lines[place + more].rstrip("\r")  # a quoted cell goes on in the next line
            more += 1
        if found is None:
            raw = lines[first - 1].rstrip("\r")
            column = raw.rindex('"') + 1
            faults.append(Fault(file, first, column, "a quote that never closes", hint="a closing quote, or none"))
            yield first, [cell.strip(' "') for cell in raw.split(",")], None, raw
            continue
        place += more
        cells, starts, own_faults = found
        faults += own_faults
        yield first, cells, starts, raw


_LONGEST_CELL = 100  # lines; beyond that a quote was forgotten
Cells = tuple[list[str], list[tuple[int, int]], list[Fault]]


def _quoted(raw: str, line: int, file: str) -> Cells | None:
    """Cells, their positions and faults of a record that has quotes; None when a quoted cell does not end in it."""
    faults: list[Fault] = []
    cells: list[str] = []
    starts: list[tuple[int, int]] = []
    place = 0
    while place <= len(raw):
        while raw[place : place + 1] == " ":
            place += 1
        before = raw[:place]
        where = (line + before.count("\n"), place - (before.rfind("\n") + 1) + 1)
        starts.append(where)
        if raw[place : place + 1] != '"':
            end = raw.find(",", place)
            end = len(raw) if end < 0 else end
            cells.append(raw[place:end].strip())
            if '"' in cells[-1]:
                faults.append(
                    Fault(
                        file, *where, "a quote within a cell", repr(cells[-1][:60]), "quotes around it, doubled inside"
                    )
                )
            place = end + 1
            continue
        end = place + 1
        while (end := raw.find('"', end)) >= 0 and raw[end + 1 : end + 2] == '"':
            end += 2
        if end < 0:
            return None
        cells.append(raw[place + 1 : end].replace('""', '"').strip())
        comma = raw.find(",", end)
        after = raw[end + 1 : comma if comma >= 0 else len(raw)].strip()
        if after:
            faults.append(Fault(file, *where, "text after a closing quote", repr(after[:60]), "a comma"))
        place = (comma if comma >= 0 else len(raw)) + 1
    return cells, starts, faults
