"""A private PostgreSQL in a folder, for whoever gives no database: on loopback, with a password, gone with its owner.

The folder holds `data` (the cluster), `password` (0600), `port`, `postgres.log`, and `software` where the programs had
to be copied to be readable. It survives `kill -9` of the owner (the kernel then tells the server to shut down) and of
the server (`start` waits for its orphaned backends and recovers). It never starts beside another owner.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import psycopg

from city.clock import SystemClock, stopwatch_s
from city.errors import OutsideError
from store.account import Account, account_for, check_reach
from store.binaries import Binaries, choose, copy_for_others
from store.ports import free_port
from store.remains import clear_remains

USER = "lifeline"
DATABASE = "lifeline"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
_LOG_LIMIT_BYTES = 10 << 20
_BUFFERS_MIB = (128, 1024)
_WALL = SystemClock()


class EmbeddedPostgres:
    """One private server.

    Parameters
    ----------
    folder
        Its own folder; made when missing. Where this process is root, the server runs as `nobody`, so every parent
        must let that account through.
    durable
        False for tests: no fsync, a crash of the machine may lose everything.
    binaries
        The PostgreSQL to run; found by `store.binaries.choose` when not given.

    Notes
    -----
    Start it from a thread that lives as long as the server shall: on Linux the server is told to stop when the thread
    that started it ends, however it ends.
    """

    def __init__(self, folder: Path, *, durable: bool = True, binaries: Binaries | None = None) -> None:
        self.folder, self.durable = folder.absolute(), durable
        self.data = self.folder / "data"
        self._given = binaries
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None
        self._port = 0

    @property
    def pid(self) -> int | None:
        """Process id of the running postmaster, None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def dsn(self) -> str:
        """URL of its database, with user and password; only meaningful after `start`."""
        return f"postgresql://{USER}:{self._password()}@127.0.0.1:{self._port}/{DATABASE}"

    def start(self) -> str:
        """Start, and return the DSN once the server answers; does nothing when it runs already.

        Raises
        ------
        InputError
            When the account that shall run the server cannot reach the folder.
        OutsideError
            When another process owns the folder, the data is of another major version, or PostgreSQL will not start.
        """
        if self.pid is not None:
            return self.dsn
        account = account_for(self.data)
        self._make_folder(account)
        self._take_lock()
        try:
            finish_upgrade(self.folder)
            binaries = self._given or choose(self.data)
            if account.other and not account.may("-x", binaries.folder / "postgres"):
                binaries = copy_for_others(binaries, self.folder / "software")
            clear_remains(self.data)
            if not self.data.exists():
                self._initdb(account, binaries)
            self._launch(account, binaries)
            self._make_database()
        except BaseException as error:
            self.stop()
            if isinstance(error, OSError):
                raise full(self.folder, str(error)) or _disk(self.folder, error) from error
            if isinstance(error, psycopg.Error):
                raise full(self.folder, str(error)) or OutsideError(
                    f"{self.folder}: PostgreSQL started and then failed, got: {error}"
                ) from error
            raise
        return self.dsn

    def stop(self) -> None:
        """Shut down fast and cleanly, then harder if that takes longer than 20 s; safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            for word, patience_s in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
                if process.poll() is None:
                    process.send_signal(word)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(patience_s)
                    break
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _make_folder(self, account: Account) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o711 if account.other else 0o700)
        except OSError as error:
            raise full(self.folder, str(error)) or _disk(self.folder, error) from error
        check_reach(account, self.folder)

    def _take_lock(self) -> None:
        if self._lock is not None or os.name != "posix":
            return
        import fcntl  # not on Windows

        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(lock, 20, 0).decode() or "unknown"
            os.close(lock)
            raise OutsideError(
                f"{self.folder}: in use by process {owner}; try stopping that lifeline, or another data folder"
            ) from error
        self._lock = lock
        with contextlib.suppress(OSError):  # a full disk: who holds the lock is a courtesy, the server says the rest
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)

    def _password(self) -> str:
        file = self.folder / "password"
        if not file.exists():
            unfinished = self.folder / "password.new"
            unfinished.unlink(missing_ok=True)
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(secrets.token_urlsafe(24))
            unfinished.rename(file)
        return file.read_text()

    def _initdb(self, account: Account, binaries: Binaries) -> None:
        unfinished = self.folder / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        account.own(unfinished)
        told = self.folder / "password.initdb"
        told.unlink(missing_ok=True)
        try:
            with os.fdopen(os.open(told, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
                out.write(self._password())
            account.own(told)
            command = [binaries.program("initdb"), "--pgdata", str(unfinished), "--username", USER]
            command += ["--auth=scram-sha-256", "--pwfile", str(told), "--encoding=UTF8", "--locale=C"]
            command += ["--data-checksums", *([] if self.durable else ["--no-sync"])]
            done = subprocess.run(  # noqa: S603 - our own command line
                account.command(*command), capture_output=True, text=True, check=False, cwd="/", env=_environment()
            )
        finally:
            told.unlink(missing_ok=True)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()[-2000:]
            raise full(self.folder, said) or OutsideError(f"{self.data}: initdb failed, got: {said}")
        unfinished.rename(self.data)

    def _launch(self, account: Account, binaries: Binaries) -> None:
        for port in self._ports():
            self._port = port
            log = self._open_log()
            begins = log.tell()
            with log:
                self._process = subprocess.Popen(  # noqa: S603 - our own command line
                    account.command(binaries.program("postgres"), *self._options(binaries), dies_with_us=True),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=_environment(),
                    start_new_session=True,  # Ctrl-C in the terminal is for the owner, who stops the server last
                )  # fmt: skip
            if self._wait():
                (self.folder / "port").write_text(str(port))
                return
            said = (self.folder / "postgres.log").read_bytes()[begins:].decode(errors="replace").strip()
            if "could not bind" not in said and "could not create any TCP/IP sockets" not in said:
                break
        raise full(self.folder, said) or OutsideError(
            f"{self.folder}: PostgreSQL {binaries.major} would not start, got: {said[-2000:] or 'nothing'}; "
            f"see {self.folder / 'postgres.log'}"
        )

    def _options(self, binaries: Binaries) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self._port),
            "unix_socket_directories": "",
            "max_connections": "100",
            "max_wal_size": "2GB",
            "wal_init_zero": "off",  # to fill each file first keeps a commit waiting for 15 ms
            "jit": "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "%m [%p] %a ",
        }
        if binaries.timescale:
            settings |= {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}
        if self.durable:
            settings |= {"shared_buffers": f"{_buffers_mib()}MB", "wal_buffers": "16MB"}
        else:
            settings |= {"fsync": "off", "full_page_writes": "off"}  # kill -9 still loses nothing
        return ["-D", str(self.data), *(word for key, value in settings.items() for word in ("-c", f"{key}={value}"))]

    def _ports(self) -> Iterator[int]:
        with contextlib.suppress(OSError, ValueError):
            yield int((self.folder / "port").read_text())
        for _ in range(5):
            yield free_port()

    def _open_log(self) -> BinaryIO:
        file = self.folder / "postgres.log"
        if file.exists() and file.stat().st_size > _LOG_LIMIT_BYTES:
            file.replace(self.folder / "postgres.log.1")
        return file.open("ab")

    def tidy(self) -> None:
        """Keep the log bounded while the server runs; call it now and then.

        What the server says between the copy and the cut is lost, and the log begins anew.
        """
        file = self.folder / "postgres.log"
        with contextlib.suppress(OSError):
            if file.stat().st_size > _LOG_LIMIT_BYTES:
                shutil.copyfile(file, self.folder / "postgres.log.1")
                os.truncate(file, 0)  # it appends, so that it goes on at the new end

    def _wait(self) -> bool:
        """Wait until the server answers (true) or has ended (false)."""
        began_s = stopwatch_s()
        while self.pid is not None:
            try:
                psycopg.connect(self._postgres_dsn(), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                if stopwatch_s() - began_s > START_TIMEOUT_S:
                    raise OutsideError(f"{self.folder}: PostgreSQL does not answer, got: {error}") from error
                _WALL.pause_s(0.02)
            else:
                return True
        return False

    def _postgres_dsn(self) -> str:
        return self.dsn.removesuffix(DATABASE) + "postgres"

    def _make_database(self) -> None:
        with psycopg.connect(self._postgres_dsn(), autocommit=True) as conn:
            if not conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone():
                conn.execute(f"CREATE DATABASE {DATABASE}")


def full(folder: Path, said: str) -> OutsideError | None:
    """The error to raise when what was said means a full disk; None when it means something else."""
    if "No space left on device" not in said and "Disk quota exceeded" not in said:
        return None
    place = next(path for path in (folder, *folder.parents) if path.exists())
    return OutsideError(
        f"{folder}: the disk is full ({shutil.disk_usage(place).free / 1e6:,.0f} MB free); nothing stored is harmed. "
        f"Try freeing a gigabyte on it (old backups and logs; never files in {folder / 'data'}), or moving the whole "
        "data folder to a larger disk while Lifeline is stopped; then start again"
    )


def finish_upgrade(folder: Path) -> None:
    """Put a finished upgrade's data in place, if it was interrupted between letting go of the old and taking the new.

    Only then is there no `data` and a whole `upgrade/data`: the old stands beside as `data-<major>`.
    """
    if not (folder / "data").exists() and any(folder.glob("data-*")) and (folder / "upgrade" / "data").is_dir():
        (folder / "upgrade" / "data").rename(folder / "data")


def _disk(folder: Path, error: OSError) -> OutsideError:
    return OutsideError(
        f"{folder}: {error.strerror or error}, got it at {error.filename or folder}; try whether this user owns "
        "the folder, whether the disk has room, or another data folder"
    )


def _buffers_mib() -> int:
    """What the server keeps of its tables itself: an eighth of the machine's memory, within bounds."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        memory = 0
    least, most = _BUFFERS_MIB
    return min(max(memory // 8 >> 20, least), most)


def _environment() -> dict[str, str]:
    """The environment for PostgreSQL's programs: none of the owner's PG* or locale settings."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
