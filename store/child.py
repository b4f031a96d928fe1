"""Children that must not outlive their parent: the private PostgreSQL, the private broker, the roles of one run."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """Make a `preexec_fn` by which the kernel sends the child `signal_number` when its parent ends, even by kill -9.

    The kernel watches the *thread* that starts the child: start children from a thread that lives as long as they
    should. Outside Linux the function does nothing; a private server left behind is then found by its lock.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork: a child may not load libraries
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != parent:  # the parent ended between the fork and the request
            os.kill(os.getpid(), signal_number)

    return ask
