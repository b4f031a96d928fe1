"""An upgrade without a pause, and back again: the code of before beside the schema of now, while readings flow."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import msgspec
import pytest

from bench.fleet import Fleet
from bench.publisher import Publisher
from city.clock import SystemClock
from city.errors import OutsideError
from ingest.broker import EmbeddedBroker
from lifeline.settings import Settings
from store.connection import connect
from store.migrate import Phase, check_fits, migrate, plan
from store.testing import drop_database, named
from tests.running import PATIENCE_S, eventually

ROOT = Path(__file__).parents[2]
WALL = SystemClock()
CITY = Fleet(4, 5, probes=1)
LISTENS = b"SELECT 1 FROM lifeline.roles WHERE role = 'recorder' AND (detail ->> 'connected')::boolean"
NEXT = "0005_alarm_states.sql"  # the first migration that the oldest version does not have: the longest way
APPLY = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from city.load import load_city
from store import bundle
from store.connection import connect
root = Path(sys.argv[2])
files = {str(p.relative_to(root)): p.read_text() for p in sorted(root.rglob("*")) if p.is_file()}
with connect(sys.argv[1], autocommit=True) as conn:
    bundle.apply(conn, files, load_city(files), datetime(2026, 1, 1, tzinfo=UTC))
"""


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The whole code of an earlier version, from the repository's history."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("NOT TESTED against the code of before: this is no clone of the repository")
    added = ["log", "--diff-filter=A", "--format=%H", "--", f"store/migrations/{NEXT}"]
    found = subprocess.run([git, *added], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()  # noqa: S603
    packed = subprocess.run(  # noqa: S603 - the repository's own
        [git, "archive", f"{found[-1]}~1"] if found else ["false"], cwd=ROOT, capture_output=True, check=False
    )
    if packed.returncode != 0:
        pytest.skip("NOT TESTED against the code of before: this clone has no history that reaches back so far")
    with tarfile.open(fileobj=BytesIO(packed.stdout)) as archive:  # early Pythons know no filters for `extractall`
        for member in archive:
            if (file := archive.extractfile(member) if member.isfile() else None) is not None:
                path = tmp_path / "before" / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.read())
    return tmp_path / "before"


def _run(code: Path, *words: str, **variables: str) -> None:
    done = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, *words],
        cwd=code,
        env=_surroundings(code, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _surroundings(code: Path, **variables: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1", **variables}


class Recorders:
    """One recorder at a time, of whichever code; all of them are one session at the broker."""

    def __init__(self, dsn: str, broker: str, place: Path) -> None:
        settings = Settings(data=place / "data", database_url=dsn, mqtt_url=broker, mqtt_client_id=f"up-{place.name}")
        self._variables = {key: value for key, value in settings.environment().items() if value}
        self._log = place / "recorder.log"
        self._process: subprocess.Popen[bytes] | None = None

    def change_to(self, code: Path) -> None:
        """Stop the one that runs, start that of `code`."""
        self.stop()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lifeline", "run", "--role", "recorder"],
                cwd=code, env=_surroundings(code, **self._variables), stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self) -> None:
        """Let it drain."""
        if self._process is not None:
            self._process.terminate()
            assert self._process.wait(PATIENCE_S) == 0, self.log()
            self._process = None

    def log(self) -> str:
        """What they said."""
        return self._log.read_text()[-4000:]


class Flow:
    """A reading of each sensor twenty times a second, from a thread."""

    def __init__(self, broker: str) -> None:
        self.sent: set[tuple[str, int]] = set()
        self._broker, self._stop = broker, threading.Event()
        self._thread = threading.Thread(target=self._publish)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Readings flow while the block runs; afterwards all of them are with the broker."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def _publish(self) -> None:
        with Publisher(self._broker) as publisher:
            for number in itertools.count():
                if WALL.pause_s(0.0125, self._stop):
                    break
                topic, payload = CITY.message(number, WALL.now_us())
                publisher.publish(topic, payload)
                content = msgspec.json.decode(payload)
                self.sent |= {(one["sensor"], one["time"] * 1000) for one in content["readings"]}
            publisher.drain()


@pytest.fixture
def own_broker(server_folder: Path) -> Iterator[str]:
    """A broker that nobody else has spoken to: the recorder listens to all, and must be told nothing but the flow."""
    server = EmbeddedBroker(server_folder / "upgrade-broker")
    yield server.start()
    server.stop()


@pytest.fixture
def dsn(postgres_dsn: str, before: Path, tmp_path: Path) -> Iterator[str]:
    """A database as the version of before made it, its city in force."""
    name = f"test_upgrade_{before.parent.name.replace('-', '_')}"[:60].lower()
    with connect(postgres_dsn, autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{name}"')
    dsn = named(postgres_dsn, name)
    for file, text in CITY.files().items():
        (tmp_path / "city" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "city" / file).write_text(text)
    try:
        _run(before, "-m", "lifeline", "migrate", LIFELINE_DATABASE_URL=dsn, LIFELINE_DATA=str(tmp_path / "data"))
        _run(before, "-c", APPLY, dsn, str(tmp_path / "city"))
        yield dsn
    finally:
        drop_database(dsn)


def test_code_refuses_a_schema_that_is_too_old_or_past_it(database: str) -> None:
    with connect(database, autocommit=True) as conn:
        check_fits(conn)
        add = "INSERT INTO lifeline.migrations (name, checksum, tier) VALUES (%s, '', 'plain')"
        conn.execute(add, ("9998_pre_of_a_newer_one",))
        check_fits(conn)  # rolled back, this code runs on
        conn.execute(add, ("9999_post_of_a_newer_one",))
        with pytest.raises(OutsideError, match="past this version, a newer one applied 9999_post_of_a_newer_one"):
            check_fits(conn)
        conn.execute("DELETE FROM lifeline.migrations WHERE name >= '0050'")
        with pytest.raises(OutsideError, match=r"too old for this version, 005\d_pre_\w+ and after not applied"):
            check_fits(conn)


def _stored(dsn: str) -> list[tuple[str, int]]:
    asked = "SELECT sensor, (extract(epoch FROM time) * 1000000)::bigint FROM city.readings"
    with connect(dsn, autocommit=True) as conn:
        return [(str(sensor), int(time_us)) for sensor, time_us in conn.execute(asked).fetchall()]


def test_nothing_is_lost_forward_and_back(before: Path, dsn: str, own_broker: str, tmp_path: Path) -> None:
    recorders, flow = Recorders(dsn, own_broker, tmp_path), Flow(own_broker)

    def some_more_are_stored() -> None:
        now_us = WALL.now_us()
        eventually(lambda: max((time_us for _, time_us in _stored(dsn)), default=0) > now_us, recorders.log)

    recorders.change_to(before)
    try:
        with connect(dsn, autocommit=True) as conn:
            eventually(lambda: bool(conn.execute(LISTENS).fetchone()), recorders.log)
        with flow.running():
            some_more_are_stored()
            assert migrate(dsn, phase=Phase.PRE), "readings flow meanwhile"
            some_more_are_stored()  # by the code of before
            recorders.change_to(ROOT)
            some_more_are_stored()
            recorders.change_to(before)  # rolled back
            some_more_are_stored()
            recorders.change_to(ROOT)
            migrate(dsn, phase=Phase.POST)
            some_more_are_stored()
        eventually(lambda: flow.sent <= set(_stored(dsn)), recorders.log)
    finally:
        recorders.stop()
    assert sorted(_stored(dsn)) == sorted(flow.sent), "each once"
    with connect(dsn, autocommit=True) as conn:
        assert plan(conn) == []
        assert conn.execute("SELECT count(*) FROM lifeline.rejections").fetchone() == (0,)
