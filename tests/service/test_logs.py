"""What the embedded servers write about themselves cannot fill a disk, however long they run."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
import pytest

from lifeline import supervisor as supervising
from lifeline.settings import Settings
from lifeline.supervisor import Supervisor
from store.connection import connect
from tests.running import eventually
from tests.service.conftest import CITY

LIMIT = 20_000


@pytest.fixture
def system(server_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    """A supervisor on a folder of its own; small logs, looked at all the time."""
    monkeypatch.setattr("store.embedded._LOG_LIMIT_BYTES", LIMIT)
    monkeypatch.setattr(supervising, "TIDY_EVERY_S", 0.0)
    place = server_folder / "logs"
    shutil.rmtree(place, ignore_errors=True)
    for name, text in CITY.files().items():
        (place / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "city" / name).write_text(text)
    return Supervisor(Settings(data=place / "data", city=place / "city"), roles=())


def test_the_servers_logs_stay_bounded_while_they_run(system: Supervisor) -> None:
    system.open()
    try:
        folder = system.settings.data / "postgres"
        with connect(system.settings.database, autocommit=True) as conn:
            for number in range(1500):  # some hundred kilobytes of errors
                with pytest.raises(psycopg.errors.UndefinedTable):
                    conn.execute(f"SELECT {number} FROM nowhere_{number:0100d}")  # noqa: S608 - numbers
                if number % 100 == 0:
                    system.tick()
        system.tick()
        found = [file.stat().st_size for file in folder.glob("postgres.log*")]
        assert sum(found) < 20 * LIMIT
        with connect(system.settings.database, autocommit=True) as conn, pytest.raises(psycopg.errors.UndefinedTable):
            conn.execute("SELECT 1 FROM the_last_word")
        eventually(lambda: "the_last_word" in (folder / "postgres.log").read_text())
        assert "\0" not in (folder / "postgres.log").read_text(), "it goes on at the new end, not at the old one"
        broker = (system.settings.data / "broker" / "nats.conf").read_text()
        assert "logfile_size_limit: 10MB" in broker
        assert "logfile_max_num: 3" in broker
    finally:
        system.close()
