"""Two commands on one data folder that nobody runs: one server, which goes with the last of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from lifeline import custody, settings
from lifeline.files import DataLock

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
COMMAND = """
import sys
from pathlib import Path
from lifeline import custody, settings
with custody.database_of(settings.load(data=Path(sys.argv[1]))) as dsn:
    print(dsn, flush=True)
    sys.stdin.readline()
"""


class Command:
    """A command at work on the data folder, until it is told to end."""

    def __init__(self, data: Path, kept: ExitStack) -> None:
        words = [sys.executable, "-c", COMMAND, str(data)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)  # noqa: S603 - ours
        self.process = kept.enter_context(process)
        kept.callback(process.kill)
        assert process.stdout is not None  # a pipe was asked for
        self.dsn = process.stdout.readline().strip()
        assert self.dsn, process.communicate()

    def told_to_end(self) -> None:
        assert self.process.stdin is not None  # a pipe was asked for
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def ended(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A data folder with a database in it."""
    with tempfile.TemporaryDirectory(prefix="lifeline-data-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with custody.embedded(settings.load(data=folder)) as dsn, psycopg.connect(dsn) as conn:
            conn.execute("CREATE TABLE told (word text)")
        yield folder


@pytest.fixture
def kept() -> Iterator[ExitStack]:
    with ExitStack() as kept:
        yield kept


def test_the_second_uses_the_firsts_server_and_may_outlast_it(data: Path, kept: ExitStack) -> None:
    first, second = Command(data, kept), Command(data, kept)
    assert second.dsn == first.dsn
    first.told_to_end()
    assert first.process.stderr is not None  # a pipe was asked for
    assert "another command still uses this database" in first.process.stderr.readline()
    with psycopg.connect(second.dsn) as conn:
        conn.execute("INSERT INTO told VALUES ('still here')")
    second.told_to_end()
    assert second.ended() == (0, "")
    assert first.ended() == (0, "")
    assert not (data / "lent").exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first.dsn)
    third = Command(data, kept)
    with psycopg.connect(third.dsn) as conn:
        assert ("still here",) in conn.execute("SELECT word FROM told").fetchall()


def test_a_lender_that_is_killed_leaves_a_folder_that_the_next_can_use(data: Path, kept: ExitStack) -> None:
    first, second = Command(data, kept), Command(data, kept)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(PATIENCE_S)
    assert (data / "lent").exists()
    third = Command(data, kept)
    with psycopg.connect(third.dsn) as conn:
        conn.execute("INSERT INTO told VALUES ('again')")
    second.told_to_end()
    assert second.ended()[0] == 0
    third.told_to_end()
    assert third.ended() == (0, "")


def test_a_folder_that_is_held_for_something_else_is_not_shared(data: Path, kept: ExitStack) -> None:
    lock = DataLock(data)
    lock.take()
    with pytest.raises(AssertionError, match="already runs on this data folder"):
        Command(data, kept)
    lock.give_back()
