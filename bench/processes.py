"""What the processes of a running system hold: memory, open files, threads, sockets. Reads /proc."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_MIB_KIB = 1024


@dataclass(frozen=True, slots=True)
class Held:
    """What a process (with those it started, where asked) holds now.

    `memory_mib` is resident memory without shared buffers: PostgreSQL's processes all map the same ones.
    """

    memory_mib: float
    files: int
    threads: int
    sockets: int


MEASURES = ("memory_mib", "files", "threads", "sockets")


def held(pid: int, *, children: bool = False) -> Held | None:
    """What a process holds; None when it is gone or cannot be looked into."""
    pids = [pid, *(_children(pid) if children else ())]
    found = [one for one in map(_held, pids) if one is not None]
    if not found:
        return None
    return Held(*(sum(getattr(one, name) for one in found) for name in MEASURES))


def _held(pid: int) -> Held | None:
    try:
        status = _status(pid)
        links = list(_links(pid))
    except OSError:
        return None
    if "VmRSS" not in status:  # ended and not yet waited for
        return None
    memory_kib = status["VmRSS"] - status.get("RssShmem", 0)
    sockets = sum(link.startswith("socket:") for link in links)
    return Held(memory_kib / _MIB_KIB, len(links), status["Threads"], sockets)


def _status(pid: int) -> Mapping[str, int]:
    found = {}
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        word = value.split()[0] if value.split() else ""
        if word.isdigit():
            found[name] = int(word)
    return found


def _links(pid: int) -> Iterator[str]:
    for link in (_PROC / str(pid) / "fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            yield str(link.readlink())


def _children(parent: int) -> list[int]:
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields and int(fields[1]) == parent:
                found.append(int(entry.name))
    return found
