"""What this process uses: memory, processor time, open files, threads."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from city.clock import SystemClock

BORN_AT: Final = SystemClock().now()  # tells this process from the one before it, which may have had the same number
_OWN: Final = Path("/proc/self")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def figures() -> dict[str, float]:
    """`rss_bytes`, `cpu_s`, `fds`, `threads`; those of /proc only where there is one."""
    used = os.times()
    found: dict[str, float] = {"cpu_s": round(used.user + used.system, 2), "threads": threading.active_count()}
    with suppress(OSError):  # no Linux
        found["rss_bytes"] = int((_OWN / "statm").read_text(encoding="ascii").split()[1]) * _PAGE
        found["fds"] = sum(1 for _ in (_OWN / "fd").iterdir())
    return found
