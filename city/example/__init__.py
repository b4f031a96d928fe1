"""A small example city, to start a real one from: `write_example` copies it, `example_files` has its texts."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from city import schemas
from city.errors import InputError, OutsideError


def example_files() -> dict[str, str]:
    """The example's texts by relative path, as `city.folder.read_folder` would read them."""
    found: dict[str, str] = {}

    def collect(folder: Traversable, prefix: str) -> None:
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.is_dir():
                if not entry.name.startswith(("_", ".")):
                    collect(entry, f"{prefix}{entry.name}/")
            elif not entry.name.endswith((".py", ".pyc")):
                found[prefix + entry.name] = entry.read_text(encoding="utf-8")

    collect(files(__name__), "")
    return found


def write_example(directory: Path | str) -> list[Path]:
    """Write the example into a folder, which is made if it does not exist, and what editors check its files by.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        When the folder has anything in it, or is no folder.
    OutsideError
        When the disk refuses.
    """
    root = Path(directory)
    if root.exists() and not root.is_dir():
        raise InputError(f"example city: this is no folder, got {str(directory)!r}, try a new name")
    written = []
    try:
        if root.is_dir() and next(root.iterdir(), None) is not None:
            raise InputError(f"example city: the folder is not empty, got {str(directory)!r}, try a new one")
        for name, text in example_files().items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(schemas.hint(name) + text, encoding="utf-8")
            written.append(path)
        written += schemas.write(root)
    except OSError as error:
        raise OutsideError(f"example city: {error.strerror}, got {error.filename}, try another folder") from error
    return written
