"""A full disk: said plainly, with the folder and what to free; and nothing stored is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from city.errors import OutsideError
from store.embedded import EmbeddedPostgres

_SIZE_MB = 160


@pytest.fixture
def small_disk(server_folder: Path) -> Iterator[Path]:
    """A disk of its own with room for a server and little more; skips loudly where one cannot be mounted."""
    folder = server_folder / f"disk-{os.urandom(4).hex()}"
    folder.mkdir(mode=0o755)
    if said := _mount(f"size={_SIZE_MB}m,mode=755", folder):
        pytest.skip(f"NOT TESTED on a full disk: only root may mount a small one ({said})")
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=False)  # noqa: S603 - our own words


def _mount(options: str, folder: Path) -> str:
    """Mount a disk in memory; empty, or why it cannot be."""
    if sys.platform != "linux":
        return "not Linux"
    command = ["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()  # noqa: S603 - our own words


def _fill(file: Path) -> None:
    """Use up whatever room is left."""
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while True:
            out.write(bytes(64 << 10))


def test_a_disk_that_fills_loses_nothing_and_says_what_to_free(small_disk: Path) -> None:
    server = EmbeddedPostgres(small_disk / "pg")
    stored = 0
    try:
        dsn = server.start()
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("CREATE TABLE kept (n int PRIMARY KEY, text text)")
            with suppress(psycopg.errors.DiskFull, psycopg.OperationalError):  # refused, or the server ended over it
                while True:
                    conn.execute(
                        "INSERT INTO kept SELECT n, repeat('x', 1000) FROM generate_series(%s::int, %s) n",
                        (stored, stored + 999),
                    )
                    stored += 1000
        server.stop()
        _fill(small_disk / "ballast")
        with pytest.raises(OutsideError, match=rf"{small_disk}/pg: the disk is full .* Try freeing a gigabyte on it"):
            server.start()
        (small_disk / "ballast").unlink()
        _mount(f"remount,size={3 * _SIZE_MB}m", small_disk)  # recovery itself needs room for its log
        with psycopg.connect(server.start(), autocommit=True) as conn:
            found = conn.execute("SELECT count(*), max(n) + 1 FROM kept").fetchone()
            # All that was confirmed; the statement that met the full disk is there whole or not at all.
            assert found in ((stored, stored), (stored + 1000, stored + 1000))
            assert stored > 5000
    finally:
        server.stop()


def test_a_new_folder_on_a_full_disk_is_refused_plainly(small_disk: Path) -> None:
    _fill(small_disk / "ballast")
    with pytest.raises(OutsideError, match=r"the disk is full .* Try freeing"):
        EmbeddedPostgres(small_disk / "pg").start()
    (small_disk / "ballast").unlink()
    with EmbeddedPostgres(small_disk / "pg") as server, psycopg.connect(server.dsn) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)
