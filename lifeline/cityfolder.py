"""A city folder from disk, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from city.errors import FaultyInput
from city.model import City


def accepted_files(folder: Path) -> tuple[Mapping[str, str], City]:
    """The files of a city folder and the city they describe.

    Raises
    ------
    FaultyInput
        With every fault of every file, rules and escalation included.
    InputError
        The folder cannot be read.
    """
    from city.load import load_city
    from rules.check import check_files

    from city.folder import read_folder

    files = read_folder(folder)
    if faults := check_files(files):
        raise FaultyInput(faults)
    return files, load_city(files)
