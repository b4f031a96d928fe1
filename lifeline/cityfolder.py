"""A city folder from disk, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from city.folder import read_folder
from rules.check import Checked, load_files


def read_checked(folder: Path) -> tuple[Mapping[str, str], Checked]:
    """The files of a city folder, and the city, rule book and escalation they describe.

    Raises
    ------
    FaultyInput
        With every fault of every file.
    InputError
        The folder cannot be read.
    """
    files = read_folder(folder)
    return files, load_files(files)
