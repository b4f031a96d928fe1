"""Reads a city folder from disk: the only I/O of this room besides the clock."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from city.errors import Fault, FaultyInput, InputError, OutsideError

KNOWN_ENDINGS = frozenset({".yaml", ".yml", ".csv", ".geojson", ".json", ".ics", ".md"})
MAX_BYTES = 50_000_000


def read_folder(folder: Path | str) -> dict[str, str]:
    """The texts of a city folder by relative path with forward slashes, line ends as line feeds.

    Hidden files and folders and endings outside `KNOWN_ENDINGS` are passed over; folders behind links are not entered.

    Raises
    ------
    InputError
        When it is no folder or holds more than 50 MB.
    FaultyInput
        With every file that is not UTF-8 or holds a NUL.
    OutsideError
        When the disk refuses.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"city folder: no such folder, got {str(folder)!r}, try 'lifeline init {folder}'")
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    left = MAX_BYTES
    try:
        for path in _files(root):
            name = path.relative_to(root).as_posix()
            with path.open("rb") as file:
                content = file.read(left + 1)
            left -= len(content)
            if left < 0:
                raise InputError(f"city folder {root}: over 50 MB at {name}, try moving out what is not the city's")
            text = _decode(name, content, faults)
            if text is not None:
                texts[name] = text
    except OSError as error:
        raise OutsideError(
            f"city folder {root}: {error.strerror}, got {error.filename}, try its permissions"
        ) from error
    if faults:
        raise FaultyInput(faults)
    return texts


def read_text(path: Path, what: str) -> str:
    """One file that stands by itself. `what`: how messages call it.

    Raises
    ------
    InputError
        It is not there.
    OutsideError
        It cannot be read, or not as UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{what} {path}: no such file, try another path") from error
    except (OSError, UnicodeDecodeError) as error:
        raise OutsideError(f"{what} {path}: {error}, try another file") from error


def _files(root: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(root, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            if not name.startswith(".") and path.suffix.lower() in KNOWN_ENDINGS and path.is_file():
                yield path


def _decode(name: str, content: bytes, faults: list[Fault]) -> str | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, start = before.count(b"\n") + 1, before.rfind(b"\n") + 1
        column = len(before[start:].decode("utf-8", "replace")) + 1
        got = f"byte 0x{content[error.start]:02x}"
        faults.append(Fault(name, line, column, "not UTF-8", got, "saving it as UTF-8 ('CSV UTF-8' in a spreadsheet)"))
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        before_text = text[: text.index("\0")]
        column = len(before_text) - before_text.rfind("\n")
        faults.append(
            Fault(name, before_text.count("\n") + 1, column, "a NUL character", hint="saving it as UTF-8 text")
        )
        return None
    return text


def bundle_hash(files: Mapping[str, str]) -> str:
    """SHA-256 (hex) over names and contents: equal exactly when the folders are."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name].encode()):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()
