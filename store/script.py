r"""Plays a data-only script of pg_dump over a connection: no program of PostgreSQL's is needed to read one back.

Such a script is a run of `COPY … FROM stdin` blocks, ended by `\.`, and of `setval` calls; anything else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator

from city.errors import OutsideError
from store.connection import Connection

_NAME = rb"(?:\"[^\";\\]+\"|\w+)"
_COPY = re.compile(rb"COPY lifeline\.(" + _NAME + rb") \(" + _NAME + rb"(?:, " + _NAME + rb")*\) FROM stdin;")
# Whole: behind the beginning of a statement there could be another.
_SETVAL = re.compile(rb"SELECT pg_catalog\.setval\('lifeline\.(" + _NAME + rb")', \d{1,19}, (?:true|false)\);")
_IDLE = (b"--", b"SET ", b"SELECT pg_catalog.set_config(", b"\\restrict ", b"\\unrestrict ")
_END = b"\\."
_PORTION = 1 << 20  # bytes handed to the server at a time


def play(conn: Connection, lines: Iterable[bytes], tables: Container[str], sequences: Container[str]) -> None:
    """Do what the script says, in the caller's transaction.

    Parameters
    ----------
    lines
        The script, line by line.
    tables, sequences
        What this database has; rows of other tables are passed over.

    Raises
    ------
    OutsideError
        When the script says anything that a data-only dump of schema `lifeline` does not, or ends within a table.
    """
    rest = iter(lines)
    for raw in rest:
        line = raw.rstrip(b"\r\n")
        if not line or line.startswith(_IDLE):
            continue
        if found := _COPY.fullmatch(line):
            _copy(conn, line, rest, wanted=found[1].decode().strip('"') in tables)
        elif found := _SETVAL.fullmatch(line):
            if found[1].decode().strip('"') in sequences:
                conn.execute(line)
        else:
            raise OutsideError(f"backup: its script says what no backup says, got {line[:80]!r}; try another backup")


def _copy(conn: Connection, statement: bytes, lines: Iterator[bytes], *, wanted: bool) -> None:
    if not wanted:
        for _ in _portions(lines):
            pass
        return
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for portion in _portions(lines):
            copy.write(portion)


def _portions(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The rows up to the end mark, some at a time."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        if line.rstrip(b"\r\n") == _END:
            yield b"".join(held)
            return
        held.append(line)
        size += len(line)
        if size >= _PORTION:
            yield b"".join(held)
            held, size = [], 0
    raise OutsideError("backup: its script ends within a table; try another backup")
