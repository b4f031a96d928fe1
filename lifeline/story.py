"""The simulated city of a data folder: its story (seed and start), its city folder, its gateways as a role."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from city.errors import InputError
from lifeline.files import write_atomic

if TYPE_CHECKING:
    from gateway.mishaps import Mishap

FILE = "demo.json"
MISHAPS = "faults.json"
OURS_BEFORE = {"lock", "log"}  # made on the way here, also in a new folder


@dataclass(frozen=True)
class Story:
    """Which city and story a data folder plays, since when (microseconds since 1970)."""

    seed: int
    start_us: int

    @classmethod
    def read(cls, data: Path) -> Story | None:
        """The story noted in a data folder."""
        try:
            return cls(**json.loads((data / FILE).read_text()))
        except FileNotFoundError:
            return None

    def write(self, data: Path) -> None:
        """Note the story."""
        write_atomic(data / FILE, json.dumps(asdict(self)))


def take_story(data: Path, seed: int | None, start_us: int | None, default: Story) -> Story:
    """The folder's story, made from what was asked for (else `default`) when it has none yet.

    Raises
    ------
    InputError
        The folder plays another story than the one asked for.
    """
    kept = Story.read(data)
    if kept is None:
        kept = Story(default.seed if seed is None else seed, default.start_us if start_us is None else start_us)
        kept.write(data)
    for name, asked, has in (("--seed", seed, kept.seed), ("--start", start_us, kept.start_us)):
        if asked is not None and asked != has:
            raise InputError(f"{data}: already plays another story, got {name} {asked} but it has {has}, try --fresh")
    return kept


def mishaps_of(data: Path) -> tuple[Mishap, ...]:
    """The faults noted in a data folder; none when nobody asked for any."""
    from gateway.mishaps import undump

    path = data / MISHAPS
    return undump(path.read_text(encoding="utf-8")) if path.exists() else ()


def take_mishaps(data: Path, seed: int, asked: str) -> None:
    """Note the faults that were asked for: `random`, or a file.

    Raises
    ------
    FaultyInput
        The file has mistakes.
    InputError
        The folder already plays without them, or with others: what was measured cannot be measured anew.
    """
    from city.folder import read_text
    from gateway.mishaps import RANDOM, at_random, dump, load
    from gateway.town import plan

    path, town = Path(asked), plan(seed)
    text = dump(at_random(town) if asked == RANDOM else load(read_text(path, "faults"), path.name, town))
    kept, begun = data / MISHAPS, (data / "gateways").exists()
    if begun and (not kept.exists() or kept.read_text(encoding="utf-8") != text):
        raise InputError(
            f"{data}: its city already plays without these faults, got --faults {asked}, try another --data"
        )
    write_atomic(kept, text)


def write_city(data: Path, story: Story, crew_url: str) -> None:
    """Write the simulated city's folder once, so that edits in it stay; a changed crew address is renewed."""
    from gateway.cityfolder import city_files, write_files

    folder, unfinished = data / "city", data / "city.new"
    files = city_files(story.seed, crew_url)
    escalation = folder / "escalation.yaml"
    if not folder.exists():
        write_files(unfinished, files)
        unfinished.rename(folder)
    elif not escalation.exists() or crew_url not in escalation.read_text(encoding="utf-8"):
        write_files(folder, {escalation.name: files[escalation.name]})


def forget(data: Path) -> None:
    """Remove everything of an earlier demonstration (InputError when the folder is something else's)."""
    if not data.exists() or {entry.name for entry in data.iterdir()} <= OURS_BEFORE:
        return
    if not (data / FILE).exists():
        raise InputError(f"{data}: not a demonstration's folder, so --fresh will not empty it, try another --data")
    for entry in sorted(data.iterdir(), key=lambda entry: entry.name == FILE):  # the mark goes last
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != "lock":  # held by us
            entry.unlink()
