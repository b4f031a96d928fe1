"""Recorded files as rows: CSV (also .gz and .zip), JSON lines, Parquet. Streams; a bad row is told and passed over."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from collections.abc import Mapping as AnyMapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

from city.errors import InputError, OutsideError
from city.textlines import bounded_lines
from gateway.mapping import Mapping

_LONGEST = 64 << 20  # a flood's whole profile stands in one cell
csv.field_size_limit(_LONGEST)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file: its number (a line for text, 1-based) and its cells by column."""

    file: str
    number: int
    cells: AnyMapping[str, object]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that could not be read, and why."""

    file: str
    number: int
    why: str


def find_files(source: Path, mapping: Mapping) -> list[Path]:
    """The files a mapping names below `source`, or `source` itself if it is a file (InputError if there are none)."""
    if source.is_file():
        return [source]
    found = sorted({path for pattern in mapping.files for path in source.glob(pattern) if path.is_file()})
    if not found:
        raise InputError(f"replay {source}: no file matches {', '.join(mapping.files)}, try another folder")
    return found


def read_rows(path: Path, mapping: Mapping) -> Iterator[Row | BadRow]:
    """The rows of one file, in its order.

    Raises
    ------
    InputError
        The file's kind is unknown, or Parquet cannot be read here.
    OutsideError
        The file cannot be opened, or breaks off.
    """
    kind = mapping.format or _kind(path)
    try:
        if kind == "parquet":
            yield from _parquet(path)
            return
        with ExitStack() as stack:
            text = io.TextIOWrapper(_open(path, stack), encoding=mapping.encoding, errors="replace", newline="")
            lines = bounded_lines(text, f"replay {path}", _LONGEST)
            for _ in range(mapping.skip_lines):
                next(lines, None)
            yield from (_json_lines if kind == "jsonl" else _csv)(path, lines, mapping)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, csv.Error, LookupError) as error:
        raise OutsideError(f"replay {path}: {error}, try copying the file again") from error


def _kind(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in (".gz", ".zip")]
    kinds = {".csv": "csv", ".txt": "csv", ".tsv": "csv", ".dat": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
    kind = {**kinds, ".parquet": "parquet"}.get(suffixes[-1] if suffixes else "", "")
    if not kind:
        raise InputError(f"replay {path}: cannot tell the file's kind from its name, try format: csv in the mapping")
    return kind


def _open(path: Path, stack: ExitStack) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], stack.enter_context(gzip.open(path)))
    if path.suffix == ".zip":
        archive = stack.enter_context(zipfile.ZipFile(path))
        names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(names) != 1:
            raise InputError(f"replay {path}: expected one file inside, got {len(names)}, try unpacking it")
        return stack.enter_context(archive.open(names[0]))
    return stack.enter_context(path.open("rb"))


def _csv(path: Path, text: Iterable[str], mapping: Mapping) -> Iterator[Row | BadRow]:
    first = mapping.skip_lines
    if mapping.delimiter == "whitespace":
        lines: Iterator[list[str]] = (line.split() for line in text)
        counted: Iterator[tuple[int, list[str]]] = enumerate(lines, first + 1)
    else:
        reader = csv.reader(text, delimiter=mapping.delimiter)
        counted = ((first + reader.line_num, cells) for cells in reader)
    header: list[str] | None = None
    for number, cells in counted:
        if header is None:
            header = [name.strip().lstrip("\ufeff") for name in cells]
            if len(set(header)) < len(header):
                raise InputError(f"replay {path}:{number}: two columns have the same name, try renaming one")
        elif len(cells) == len(header):
            yield Row(path.name, number, dict(zip(header, cells, strict=True)))
        elif cells:
            yield BadRow(path.name, number, f"{len(cells)} cells under {len(header)} columns")


def _json_lines(path: Path, text: Iterable[str], mapping: Mapping) -> Iterator[Row | BadRow]:
    for number, line in enumerate(text, mapping.skip_lines + 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield BadRow(path.name, number, f"not JSON: {error}")
            continue
        if isinstance(row, dict):
            yield Row(path.name, number, row)
        else:
            yield BadRow(path.name, number, "not a JSON object")


def _parquet(path: Path) -> Iterator[Row]:
    if find_spec("pyarrow") is None:
        raise InputError(f"replay {path}: reading Parquet needs pyarrow, try installing urban-lifeline[parquet]")
    from pyarrow import ArrowException, parquet

    try:
        with parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=10_000):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(path.name, number, cells)
    except ArrowException as error:
        raise OutsideError(f"replay {path}: {error}, try copying the file again") from error
