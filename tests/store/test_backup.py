"""What was backed up comes back equal, on this tier or another; half of it is recognised as half."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from psycopg import sql

from city.clock import to_us
from city.errors import InputError, OutsideError
from city.model import City
from city.reading import Readings
from store import backup, bundle, decimals, journal, migrate, restore
from store.connection import connect
from store.migrate import Tier
from store.readings import ReadingWriter
from store.tables import Table, counted, plain_text, tables
from store.testing import drop_database, named

AT = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
SEED = """
INSERT INTO lifeline.incidents (incident, site, district, level, peak_level, stage, opened_at, title, first_alarm,
                                chain, chain_version)
VALUES ('i-1', 'under', 'd1', 4, 4, 'raised', '2026-07-01 08:00Z', '{"zh": "水\\t深"}', 'a-1', 'drainage', 'v');
INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level, peak_level,
                             condition, raised_at, incident, title)
VALUES ('a-1', 'depth', 'v', 'wl-1', 'wl-1', 'under', 'd1', 'drainage', 4, 4,
        'active', '2026-07-01 08:00Z', 'i-1', '{}');
INSERT INTO lifeline.escalations (incident, round, step, repeat, due_at, state)
VALUES ('i-1', 1, 1, 0, '2026-07-01 08:03Z', 'due');
INSERT INTO lifeline.rejections (received_at, reason, detail, payload)
VALUES (now(), 'broken', E'a\\\\.\\n\\\\.\\n', '\\x00ff0a5c2e');
"""


@pytest.fixture
def empty(store_server: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases on each tier's server in turn."""
    made: list[str] = []

    def make() -> str:
        made.append(_create(store_server))
        return made[-1]

    yield make
    for dsn in made:
        drop_database(dsn)


def _create(server: str) -> str:
    name = f"test_{secrets.token_hex(6)}"
    with connect(server, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return named(server, name)


def _live(dsn: str, city: City, readings: int = 5000) -> None:
    """A city that has run: a bundle, readings over two months, a journal trimmed at its head, an open incident."""
    chance = np.random.default_rng(7)
    with connect(dsn) as conn:
        bundle.apply(conn, {"city.yaml": "name: x"}, city, AT)
        times = to_us(AT) + chance.choice(40 * 86_400, readings, replace=False) * 1_000_000
        rows = [
            (1 + n % 2, int(us), int(us) + 1, n / (7 if n % 2 else 8), 1 + n % 3, float(n) if n % 2 else n / 8)
            for n, us in enumerate(times)
        ]
        ReadingWriter(conn).write(Readings.of(rows))
        for piece, first, past in conn.execute("SELECT * FROM lifeline.pieces('readings')").fetchall():
            decimals.pack(conn, piece, (first, past), lambda _: True)
        for _ in range(3):
            seq = journal.append(conn, "readings", journal.encode_readings(Readings.of(rows[:100])), AT)
        conn.execute(SEED)
        journal.set_checkpoint(conn, "watcher", seq, AT)
        journal.save_snapshot(conn, "watcher", journal.Snapshot(seq, "b", bytes(range(256)) * 100), AT)
        conn.execute("DELETE FROM lifeline.journal")  # all behind the snapshot


def _sums(dsn: str) -> dict[str, tuple[int, str]]:
    """Rows and checksum of every table; of the marks on roll-ups, which are renamed, those of what is marked."""
    with connect(dsn, autocommit=True) as conn:
        plain_text(conn)
        found = [counted(conn, table) for table in tables(conn)]
        marks = Table("dirty_buckets", series=False, columns=[("minutes", ""), ("bucket", "")])
        return {
            table.name: (one.rows, one.checksum)
            for table in found
            for one in [counted(conn, marks) if table.name == marks.name else table]
        }


def _write(dsn: str, file: Path, files: dict[str, Path] | None = None) -> backup.Manifest:
    return backup.write(dsn, file, files or {}, version="1.2.3", at=AT)


@pytest.mark.sessions
def test_everything_comes_back_equal(
    store_database: str, empty: Callable[[], str], small_city: City, tmp_path: Path
) -> None:
    _live(store_database, small_city)
    before = _sums(store_database)
    secret = tmp_path / "secret"
    secret.write_text("k")
    manifest = _write(store_database, tmp_path / "b.zip", {"data/secret": secret})
    assert (tmp_path / "b.zip").stat().st_mode & 0o777 == 0o600
    assert [table.rows for table in manifest.tables] == [rows for rows, _ in before.values()]
    assert before["readings"][0] == 5000
    target, placed = empty(), dict[str, bytes]()
    done = restore.read(
        target,
        tmp_path / "b.zip",
        with_files=lambda archive, manifest: placed.update({n: archive.read(f"files/{n}") for n in manifest.files}),
    )
    assert placed == {"data/secret": b"k"}
    assert done.left_out == {}
    assert _sums(target) == before
    with connect(target) as conn:
        assert conn.execute("SELECT alarm, level, condition FROM city.alarms").fetchall() == [("a-1", "red", "active")]
        due = conn.execute("SELECT due_at FROM lifeline.escalations WHERE state = 'due'").fetchall()
        assert due == [(datetime(2026, 7, 1, 8, 3, tzinfo=UTC),)]
        assert conn.execute("SELECT title_zh FROM city.incidents").fetchall() == [("水\t深",)]
        assert conn.execute("SELECT sum(n) FROM city.readings_1d").fetchone() == (5000,)
        place = journal.checkpoint(conn, "watcher")
        assert journal.append(conn, "tick", b"{}", AT) > place, (
            "numbers go on where they stood, though the rows are gone"
        )
        number = conn.execute("INSERT INTO lifeline.rejections (received_at, reason) VALUES (now(), 'x') RETURNING 1")
        assert number.fetchone() == (1,)


@pytest.mark.sessions
def test_it_is_one_picture_while_the_system_writes_on(
    store_database: str, empty: Callable[[], str], small_city: City, tmp_path: Path
) -> None:
    _live(store_database, small_city, 200)
    before = _sums(store_database)

    def meanwhile(step: str) -> None:
        if step == "readings":
            with connect(store_database) as conn:
                conn.execute("UPDATE lifeline.alarms SET level = 1")
                later = to_us(AT) + 500 * 86_400_000_000
                ReadingWriter(conn).write(Readings.of([(1, later, later, 1.0, 1, 1.0)]))

    manifest = backup.write(store_database, tmp_path / "b.zip", {}, version="1", at=AT, progress=meanwhile)
    assert manifest.table("alarms").checksum == before["alarms"][1]
    assert _sums(store_database) != before
    target = empty()
    restore.read(target, tmp_path / "b.zip")
    assert _sums(target) == before


def test_from_plain_to_timescale_and_back(
    postgres_dsn: str, timescale_dsn: str, database: str, small_city: City, tmp_path: Path
) -> None:
    _live(database, small_city)
    _write(database, tmp_path / "plain.zip")
    over, back = _create(timescale_dsn), _create(postgres_dsn)
    try:
        assert restore.read(over, tmp_path / "plain.zip").tier is Tier.APACHE
        assert _sums(over)["readings"] == _sums(database)["readings"]
        with connect(over) as conn:
            assert conn.execute("SELECT count(*) > 35 FROM show_chunks('lifeline.readings')").fetchone() == (True,)
        _write(over, tmp_path / "timescale.zip")
        assert restore.read(back, tmp_path / "timescale.zip").tier is Tier.PLAIN
        assert _sums(back) == _sums(database)
    finally:
        drop_database(over)
        drop_database(back)


def test_only_into_an_empty_database(database: str, small_city: City, tmp_path: Path) -> None:
    _live(database, small_city, 10)
    _write(database, tmp_path / "b.zip")
    with pytest.raises(InputError, match=r"not empty, and nothing is ever overwritten; try"):
        restore.read(database, tmp_path / "b.zip")
    with pytest.raises(InputError, match="exists already"):
        _write(database, tmp_path / "b.zip")


def test_a_migrated_database_without_a_city_counts_as_empty(database: str, small_city: City, tmp_path: Path) -> None:
    _live(database, small_city, 10)
    _write(database, tmp_path / "b.zip")
    target = _create(database)
    try:
        migrate.migrate(target)
        restore.read(target, tmp_path / "b.zip")
        assert _sums(target) == _sums(database)
    finally:
        drop_database(target)


def test_killed_half_way_it_is_recognised_and_done_again(database: str, small_city: City, tmp_path: Path) -> None:
    _live(database, small_city)
    _write(database, tmp_path / "b.zip")
    target = _create(database)
    killed = """
import os, signal, sys
from pathlib import Path
from store import restore
def progress(step):
    if step == sys.argv[3]: os.kill(os.getpid(), signal.SIGKILL)
restore.read(sys.argv[1], Path(sys.argv[2]), progress=progress)
"""
    try:
        for step in ("schema", "tables"):
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
            command = [sys.executable, "-c", killed, target, str(tmp_path / "b.zip"), step]
            assert subprocess.run(command, check=False, env=environment).returncode == -9  # noqa: S603 - our own words
            with pytest.raises(OutsideError, match="half of a backup; try the same `lifeline restore`"):
                migrate.migrate(target)
            with connect(target) as conn:
                if step == "tables":  # everything that a role could act on comes last, at once
                    assert bundle.current_hash(conn) is None
                with pytest.raises(OutsideError, match="or half of one"):
                    _write(target, tmp_path / "half.zip")
        restore.read(target, tmp_path / "b.zip")
        assert _sums(target) == _sums(database)
        assert migrate.migrate(target) == []
    finally:
        drop_database(target)


def _altered(file: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    """A copy with one member changed, whole as an archive."""
    made = file.with_name(f"altered-{secrets.token_hex(3)}.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(made, "w") as new:
        for member in old.namelist():
            new.writestr(member, change(old.read(member)) if member == name else old.read(member))
    return made


def test_what_is_damaged_wrong_or_too_new_is_refused(database: str, small_city: City, tmp_path: Path) -> None:
    _live(database, small_city, 50)
    file = tmp_path / "b.zip"
    _write(database, file)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(file.read_bytes()[:-200])
    target = _create(database)
    try:
        with pytest.raises(InputError, match="not a whole backup"):
            restore.read(target, cut)
        with pytest.raises(InputError, match="No such file"):
            restore.read(target, tmp_path / "none.zip")
        newer = _altered(file, backup.MANIFEST, lambda text: text.replace(b'"0004_', b'"9999_'))
        with pytest.raises(InputError, match=r"made by a newer Lifeline \(1.2.3; it has 9999_"):
            restore.read(target, newer)
        other = _altered(file, backup.SCRIPT, lambda text: text.replace(b"\tdepth\t", b"\tdeptt\t"))
        with pytest.raises(OutsideError, match=r"not what was backed up, in alarms \(1 rows for 1\)"):
            restore.read(target, other)
        hostile = _altered(file, backup.SCRIPT, lambda text: text + b"DROP SCHEMA city CASCADE;\n")
        with pytest.raises(OutsideError, match="says what no backup says"):
            restore.read(target, hostile)
        with pytest.raises(OutsideError, match="half of a backup"):
            migrate.migrate(target)
        restore.read(target, file)
        assert _sums(target) == _sums(database)
    finally:
        drop_database(target)


def test_a_disk_that_is_full_leaves_nothing_behind(database: str, small_city: City, tmp_path: Path) -> None:
    _live(database, small_city, 10)
    with pytest.raises(InputError, match="no such folder"):
        _write(database, tmp_path / "nowhere" / "b.zip")
    code = """
import resource, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from city.errors import OutsideError
from store import backup
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    backup.write(sys.argv[1], Path(sys.argv[2]), {}, version="1", at=datetime(2026, 1, 1, tzinfo=UTC))
except OutsideError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    said = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code, database, str(tmp_path / "b.zip")],
        check=True, capture_output=True, text=True, env=environment,
    ).stdout  # fmt: skip
    assert "File too large; try a disk with more room" in said
    assert list(tmp_path.iterdir()) == []


def test_checksums_see_every_change(database: str) -> None:
    with connect(database, autocommit=True) as conn:
        plain_text(conn)
        conn.execute("CREATE TABLE lifeline.probe (a int, b text)")

        def checksum(rows: str) -> str:
            conn.execute("TRUNCATE lifeline.probe")
            conn.execute(f"INSERT INTO lifeline.probe VALUES {rows}".encode())  # noqa: S608 - rows of this test
            return counted(conn, Table("probe", series=False, columns=[("a", ""), ("b", "")])).checksum

        sums = [
            checksum(rows) for rows in ("(1,'x'),(2,'y')", "(2,'y'),(1,'x')", "(1,'y'),(2,'x')", "(1,'x')", "(1,'')")
        ]
        assert sums[0] == sums[1]
        assert len(set(sums)) == 4
        assert checksum("(1, NULL)") not in sums


def test_the_manifest_says_what_is_in_it(database: str, small_city: City, tmp_path: Path) -> None:
    _live(database, small_city, 10)
    _write(database, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        said = msgspec.json.decode(archive.read("manifest.json"))
    assert (said["tier"], said["version"], said["made_at"]) == ("plain", "1.2.3", AT.isoformat())
    assert said["postgres"].startswith(("1", "2"))
    assert "0001_house" in said["migrations"]
