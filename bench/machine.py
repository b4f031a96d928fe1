"""The machine a benchmark ran on, and what its processes cost. Reads /proc; where there is none the values are None."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from store.connection import connect

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Machine:
    """Hardware and versions; no host name."""

    cores: int
    cpu: str
    memory_gib: float | None
    system: str
    python: str
    postgres: str = ""
    timescaledb: str = ""
    broker: str = ""


def describe(dsn: str, *, embedded_broker: bool) -> Machine:
    """This machine, the database behind `dsn`, and the embedded broker's version."""
    with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
        version = conn.execute("SELECT current_setting('server_version')").fetchone()
        extension = conn.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    return replace(
        local(),
        postgres=str(version[0]) if version else "",
        timescaledb=str(extension[0]) if extension else "none",
        broker=_nats_version() if embedded_broker else "given",
    )


def local() -> Machine:
    """This machine alone, for what needs no servers."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        cpu=_cpu(),
        memory_gib=_memory_gib(),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
    )


def _cpu() -> str:
    for line in _lines(_PROC / "cpuinfo"):
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _memory_gib() -> float | None:
    for line in _lines(_PROC / "meminfo"):
        if line.startswith("MemTotal:"):
            return round(int(line.split()[1]) / 2**20, 1)
    return None


def _nats_version() -> str:
    from ingest.broker import find_nats_server

    command = [str(find_nats_server()), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own broker
    return done.stdout.strip() or "nats-server"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the processes started, and the sum of their peak resident memory in MiB."""

    cpu_s: float
    peak_mib: float


def usage(pid: int, *, children: bool = False) -> Usage | None:
    """What a process (and, if asked, the processes it started) has used so far; None when it cannot be told."""
    pids = [pid, *(_children(pid) if children else [])]
    found = [one for one in map(_usage, pids) if one is not None]
    if not found:
        return None
    ended_s = _ended_s(pid) if children else 0.0
    return Usage(sum(one.cpu_s for one in found) + ended_s, sum(one.peak_mib for one in found))


def _ended_s(pid: int) -> float:
    """CPU seconds of children that have ended: a server's workers come and go."""
    fields = _stat(pid)
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _usage(pid: int) -> Usage | None:
    fields = _stat(pid)
    if not fields:
        return None
    ticks = int(fields[11]) + int(fields[12])  # utime, stime: the 14th and 15th fields of the line
    peak_kib = next((int(line.split()[1]) for line in _lines(_PROC / str(pid) / "status") if "VmHWM" in line), 0)
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), peak_kib / 1024)


def _children(parent: int) -> list[int]:
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()] if _PROC.is_dir() else []
    return [pid for pid in pids if (fields := _stat(pid)) and int(fields[1]) == parent]


def _stat(pid: int) -> list[str]:
    """The fields after the command's name, which may hold spaces itself."""
    lines = _lines(_PROC / str(pid) / "stat")
    return lines[0].rpartition(")")[2].split() if lines else []


@contextmanager
def folder_for(given: Path | None) -> Iterator[Path]:
    """The folder of a private server while the block runs: `given`, which stays, or a temporary one."""
    folder = given or Path(tempfile.mkdtemp(prefix="lifeline-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # PostgreSQL's own account must be let through when we are root
    try:
        yield folder
    finally:
        if given is None:
            shutil.rmtree(folder, ignore_errors=True)
