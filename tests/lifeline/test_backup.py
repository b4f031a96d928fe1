"""A city taken out in one file and brought back: by command, beside a running system, and the watcher goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from city.clock import ManualClock, from_us
from lifeline.cli import run_command
from lifeline.settings import Settings
from lifeline.supervisor import Supervisor
from store import backup, restore
from store.connection import connect
from store.testing import drop_database, fresh_database
from tests.rules.small_city import FILES, T0_US
from tests.rules.test_watcher import handled, put, query, watching, write
from tests.running import eventually

AT = datetime(2026, 7, 1, tzinfo=UTC)
STORY = (
    "SELECT alarm, kind, to_level, to_condition, time, reason, evidence::text FROM city.alarm_events ORDER BY event",
    "SELECT incident, kind, time, note FROM city.incident_events ORDER BY event",
    "SELECT notice, step, target, created_at FROM city.notices ORDER BY notice",
    "SELECT incident, round, step, repeat, due_at, state FROM lifeline.escalations ORDER BY 1, 2, 3, 4",
)


@pytest.fixture
def empty(postgres_dsn: str) -> Iterator[str]:
    dsn = fresh_database(postgres_dsn)
    yield dsn
    drop_database(dsn)


def _go_on(dsn: str, clock: ManualClock) -> list[list[tuple[object, ...]]]:
    """What a watcher makes of the rest of the story: the water goes."""
    with watching(dsn, None, clock):
        put(dsn, "wl-1", [50.0, 0.0, *[0.0] * 12], start_s=240)
        eventually(lambda: handled(dsn))
    return [query(dsn, sql) for sql in STORY]


def test_the_watcher_goes_on_as_if_nothing_had_been(database: str, empty: str, tmp_path: Path) -> None:
    clock = ManualClock(from_us(T0_US))
    folder = write(tmp_path / "city", dict(FILES))
    with watching(database, folder, clock):
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        put(database, "wl-1", [0, 50, 50, 50])
        eventually(lambda: query(database, "SELECT 1 FROM city.notices"))
    put(database, "wl-1", [50.0], start_s=200)  # a row that nobody has taken in when the picture is made
    backup.write(database, tmp_path / "b.zip", {}, version="1", at=AT)
    before = [query(database, sql) for sql in STORY]
    restore.read(empty, tmp_path / "b.zip")
    assert [query(empty, sql) for sql in STORY] == before
    assert query(empty, "SELECT count(*) FROM lifeline.escalations WHERE state = 'due'")[0][0] > 0
    original, restored = _go_on(database, clock), _go_on(empty, ManualClock(from_us(T0_US)))
    assert restored == original
    assert [row[1] for row in restored[0]].count("raised") == 1
    assert "cleared" in [row[1] for row in restored[0]]


@pytest.fixture
def running(data: Path, tmp_path: Path) -> Iterator[Supervisor]:
    """A small system on its own database and broker, with one role."""
    city = write(tmp_path / "city", dict(FILES))
    supervisor = Supervisor(Settings(data=data, city=city), roles=("watcher",))
    supervisor.open()
    supervisor.start_roles()
    yield supervisor
    supervisor.close()


def test_commands_share_a_running_systems_database_and_a_stopped_ones(
    running: Supervisor, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIFELINE_DATA", str(data))
    monkeypatch.setenv("LIFELINE_CITY", str(tmp_path / "city"))
    put(running.settings.database, "wl-1", [1.0, 2.0])
    assert run_command(["export", "alarms", "--out", "a.csv"]) == 0
    assert run_command(["backup", "live.zip"]) == 0
    assert "It holds secrets" in capsys.readouterr().out
    assert run_command(["restore", "live.zip"]) == 1
    assert "already runs on this data folder" in capsys.readouterr().err
    running.close()
    assert run_command(["backup", "still.zip"]) == 0, "the folder's own server is started for it"
    monkeypatch.delenv("LIFELINE_CITY")
    _restored_beside(data, tmp_path, capsys)


def _restored_beside(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = data / "new"
    new.mkdir(mode=0o711)
    assert run_command(["restore", "still.zip", "--data", str(new)]) == 0
    said = capsys.readouterr().out
    assert "every table's checksum as it was" in said
    assert f"LIFELINE_DATA={new} lifeline run" in said
    for name in ("secret", "broker/access.json"):
        assert (new / name).read_bytes() == (data / name).read_bytes()
        assert (new / name).stat().st_mode & 0o777 == 0o600
    folder = {path.relative_to(new / "city") for path in (new / "city").rglob("*") if path.is_file()}
    assert folder == {Path(name) for name in FILES}
    assert run_command(["restore", "still.zip", "--data", str(new)]) == 1
    assert "not empty, and nothing is ever overwritten" in capsys.readouterr().err
    (new / "secret").write_text("another city's")
    assert run_command(["restore", "still.zip", "--data", str(new)]) == 1
    assert f"{new / 'secret'}: is there already and says something else" in capsys.readouterr().err
    (new / "secret").write_bytes((data / "secret").read_bytes())
    with closing(Supervisor(Settings(data=new), roles=("watcher",))) as again:
        again.open()  # without a city folder: the one in force came along
        with connect(again.settings.database) as conn:
            assert conn.execute("SELECT seq >= 3 FROM lifeline.followers").fetchone() == (True,)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["backup", "x.zip"], "no database there and none given"),
        (["restore", "none.zip"], "No such file"),
        (["export", "reading", "--out", "x"], "WHAT: not known, got 'reading', try readings"),
        (["export", "readings", "--format", "xls", "--out", "x"], "--format: not known"),
        (["export", "readings", "--from", "2026-07-01", "--out", "x"], "--from: not a time with its offset"),
        (["store", "upgrade-server"], "holds no data to upgrade"),
    ],
)
def test_wrong_input_is_refused(
    line: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIFELINE_DATA", str(tmp_path))
    assert run_command(line) == 1
    assert said in capsys.readouterr().err
