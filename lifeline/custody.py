"""Getting at a city's database from a command of its own, and what belongs to a backup besides the database."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

import typer

from city.errors import InputError, OutsideError
from lifeline import endpoints, lent
from lifeline.files import DataLock
from lifeline.settings import Settings, prepare_data
from store.backup import Manifest, whole

# In the data folder: keys of signed links and webhooks, and the names by which gateways know our broker.
_SECRETS = ("secret", "*.secret", "broker/access.json", "http.port")
_DATA, _CITY = "data/", "city/"


@contextmanager
def database_of(settings: Settings) -> Iterator[str]:
    """The database: given, or a running system's, or the data folder's own, started for as long as the block runs.

    Commands share the folder's own: the first starts it and stops it when the last has ended.

    Raises
    ------
    InputError
        When none is given, none runs, and the data folder holds none; or the folder is being restored or upgraded.
    """
    found = endpoints.with_running(settings)
    if found.database_url is not None:
        yield found.database_url
        return
    if not (settings.data / "postgres" / "data").is_dir():
        raise InputError(
            f"{settings.data}: no database there and none given, "
            "try --data DIR of a city that ran, or LIFELINE_DATABASE_URL=…"
        )
    with _shared(settings) as dsn:
        yield dsn


@contextmanager
def _shared(settings: Settings) -> Iterator[str]:
    from store.embedded import EmbeddedPostgres

    prepare_data(settings)
    lock, server = DataLock(settings.data), EmbeddedPostgres(settings.data / "postgres")
    try:
        lock.take()
    except InputError:
        with lent.borrowed(settings.data) as dsn:
            if dsn:
                yield dsn
                return
        lock.take()
    try:
        with lent.lending(settings.data, partial(typer.echo, err=True)) as say:
            dsn = server.start()
            say(dsn)
            yield dsn
    finally:
        server.stop()
        lock.give_back()


@contextmanager
def embedded(settings: Settings) -> Iterator[str]:
    """The data folder's own server, started for as long as the block runs."""
    from store.embedded import EmbeddedPostgres

    prepare_data(settings)
    with held(settings), EmbeddedPostgres(settings.data / "postgres") as server:
        yield server.dsn


@contextmanager
def held(settings: Settings) -> Iterator[None]:
    """Hold the data folder: nobody runs Lifeline on it while the block runs (InputError when somebody does)."""
    if not settings.data.is_dir():
        raise InputError(f"{settings.data}: no such data folder, try --data DIR of a city that ran")
    lock = DataLock(settings.data)
    lock.take()
    try:
        yield
    finally:
        lock.give_back()


def small_files(settings: Settings) -> dict[str, Path]:
    """The files of a backup: the data folder's secrets, and the city folder as it is edited."""
    found = {
        f"{_DATA}{path.relative_to(settings.data).as_posix()}": path
        for pattern in _SECRETS
        for path in settings.data.glob(pattern)
        if path.is_file()
    }
    if settings.city is not None and settings.city.is_dir():
        for folder, folders, names in os.walk(settings.city):
            folders[:] = [name for name in folders if not name.startswith(".")]
            paths = [Path(folder, name) for name in names if not name.startswith(".")]
            found |= {f"{_CITY}{path.relative_to(settings.city).as_posix()}": path for path in paths if path.is_file()}
    return found


def placer(data: Path, city: Path) -> tuple[Callable[[Manifest], None], Callable[[zipfile.ZipFile, Manifest], None]]:
    """Two steps of a restore: refuse to write over other files, then put the backup's files in their places.

    Both raise InputError; the first before anything was written.
    """

    def place_of(name: str) -> Path:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not name.startswith((_DATA, _CITY)):
            raise InputError(f"backup: names a file outside its folders, got {name!r}, try another backup")
        return (data if name.startswith(_DATA) else city).joinpath(*inside.parts[1:])

    def check(manifest: Manifest) -> None:
        from hashlib import sha256

        there = {name: place_of(name) for name in manifest.files if place_of(name).exists()}
        other = [path for name, path in there.items() if sha256(path.read_bytes()).hexdigest() != manifest.files[name]]
        if other:
            raise InputError(
                f"{other[0]}: is there already and says something else"
                f"{f' (and {len(other) - 1} more)' if other[1:] else ''}; nothing is ever overwritten, try a new folder"
            )

    def put(archive: zipfile.ZipFile, manifest: Manifest) -> None:
        for name in manifest.files:
            _write(place_of(name), whole(archive, f"files/{name}"), 0o600 if name.startswith(_DATA) else 0o644)

    return check, put


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if mode == 0o600 else 0o755)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise OutsideError(f"{path}: {error.strerror or error}; try a disk with more room") from error
