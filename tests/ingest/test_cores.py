"""A recorder's threads keep to one core while little comes, and spread when much does."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import cores
from ingest.cores import Cores


@pytest.fixture
def beside() -> Iterator[int]:
    """Another thread of this process; all of them may run anywhere again afterwards."""
    may, over, threads = os.sched_getaffinity(0), threading.Event(), list[int]()
    begun = threading.Event()

    def run() -> None:
        threads.append(threading.get_native_id())
        begun.set()
        over.wait()

    thread = threading.Thread(target=run)
    thread.start()
    begun.wait()
    yield threads[0]
    over.set()
    thread.join()
    for name in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(name.name), may)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="NOT TESTED: this machine has one core")
def test_threads_keep_together_and_spread(beside: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr(cores, "stopwatch_s", lambda: now_s)
    may, kept = os.sched_getaffinity(0), Cores(2_000)

    def where(rows: int, at_s: float) -> set[int]:
        nonlocal now_s
        now_s = at_s
        kept.turn(rows)
        assert os.sched_getaffinity(beside) == os.sched_getaffinity(0)
        return os.sched_getaffinity(beside)

    assert where(100, 0.5) == may, "not at once"
    assert len(where(100, 1.0)) == 1
    assert len(where(0, 10.9)) == 1
    assert where(100, 11.0) == may, "to see where there is room"
    assert len(where(100, 11.1)) == 1
    assert where(2_000, 11.2) == may
    assert where(100, 12.1) == may
    assert len(where(100, 12.3)) == 1
