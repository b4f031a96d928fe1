"""The outbox: what is put stays until it is removed, whatever happens to the process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from city.errors import InputError, OutsideError
from gateway.outbox import Dropped, Outbox


def test_oldest_first_and_only_removed_by_hand(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox") as outbox:
        outbox.put([(b"{1}", 2), (b"{2}", 3)], now_us=0)
        outbox.put([(b"{3}", 4)], now_us=1, notes={"until": "17"})
        assert (outbox.messages, outbox.readings) == (3, 9)
        assert [(m.seq, m.body) for m in outbox.oldest(2)] == [(1, b"{1}"), (2, b"{2}")]
        assert [m.seq for m in outbox.oldest(9, after_seq=2)] == [3]
        outbox.remove([1, 3, 99])
        assert (outbox.messages, outbox.readings) == (1, 3)


def test_a_sequence_number_is_never_used_twice(tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        with Outbox(tmp_path / "a.outbox") as outbox:
            outbox.put([(b"{}", 1)], now_us=0)
            assert [m.seq for m in outbox.oldest(5)] == [expected]
            outbox.remove([expected])


def test_overflow_drops_the_oldest_and_says_so(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox", max_readings=10) as outbox:
        for at_us in range(6):
            outbox.put([(b"{}", 4)], now_us=at_us)
        assert outbox.readings == 8
        assert [m.seq for m in outbox.oldest(9)] == [5, 6]
        assert outbox.dropped() == [Dropped(at_us=5, first_seq=1, last_seq=4, messages=4, readings=16)]
        assert outbox.put([(b"{}", 50)], now_us=6) == 2  # the newest stays, however large
        assert [m.seq for m in outbox.oldest(9)] == [7]
    with Outbox(tmp_path / "a.outbox", max_readings=10) as outbox:
        assert (outbox.messages, outbox.readings) == (1, 50)
        assert outbox.dropped()[-1].last_seq == 6


def test_a_failed_put_keeps_neither_message_nor_note(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox") as outbox:
        outbox.put([(b"{}", 1)], now_us=0, notes={"until": "1"})
        with pytest.raises(OutsideError):
            outbox.put([(b"{}", 1), (b"{}", None)], now_us=0, notes={"until": "2"})  # type: ignore[list-item]  # on purpose
        assert (outbox.messages, outbox.readings, outbox.note("until")) == (1, 1, "1")


def test_a_second_process_or_a_damaged_file_is_refused_in_words(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox"), pytest.raises(OutsideError, match="stop the other process"):
        Outbox(tmp_path / "a.outbox")
    (tmp_path / "b.outbox").write_bytes(b"no database at all" * 100)
    with pytest.raises(OutsideError, match=r"b\.outbox.*damaged"):
        Outbox(tmp_path / "b.outbox")
    with pytest.raises(InputError, match="max_readings"):
        Outbox(tmp_path / "c.outbox", max_readings=0)


_WRITER = """
import sys
from pathlib import Path
from gateway.outbox import Outbox
outbox = Outbox(Path(sys.argv[1]))
for n in range(1, 1_000_000):
    outbox.put([(b"{}", 1)], now_us=n, notes={"until": str(n)})
    sys.stdout.write(f"{n}\\n"); sys.stdout.flush()
"""


def test_kill_9_keeps_everything_that_put_returned_for(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "a.outbox")]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603 - our own text
    assert writer.stdout is not None
    for _ in range(200):
        said = int(writer.stdout.readline())
    os.kill(writer.pid, signal.SIGKILL)
    said = max([said, *(int(line) for line in writer.stdout.read().split())])
    writer.wait()
    writer.stdout.close()
    with Outbox(tmp_path / "a.outbox") as outbox:
        kept = [m.seq for m in outbox.oldest(1_000_000)]
        assert kept == list(range(1, len(kept) + 1))
        assert len(kept) in (said, said + 1)
        assert outbox.note("until") == str(len(kept))  # message and note, both or neither
