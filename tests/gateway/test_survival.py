"""What an outbox and its agent live through: kills between steps, a log torn by a power cut, a day offline."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from city.errors import OutsideError
from gateway.envelope import body
from gateway.outbox import Outbox
from tests.gateway.edging import listening, write_config

START_US = 1_782_892_800_000_000


def message(n: int) -> tuple[bytes, int]:
    return body([("s", START_US + n * 1_000_000, float(n), "", 0)]), 1


def copied(source: Path, folder: Path) -> Path:
    """What a power cut leaves: the files as they are, without closing them."""
    folder.mkdir()
    for part in (source, source.with_name(source.name + "-wal")):
        if part.exists():
            shutil.copy(part, folder / part.name)
    return folder / source.name


@pytest.mark.parametrize("seed", range(3))
def test_a_log_torn_in_the_middle_of_a_write_keeps_a_whole_beginning(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with Outbox(tmp_path / "a.outbox") as outbox:
        for n in range(60):
            outbox.put([message(n)], now_us=0, notes={"until": str(n + 1)})
        for n in range(25):
            left = copied(outbox.path, tmp_path / f"cut-{n}")
            log = left.with_name(left.name + "-wal")
            raw = bytearray(log.read_bytes())
            cut = chance.randrange(len(raw))
            torn = raw[:cut] if n % 2 else raw[:cut] + chance.randbytes(min(4096, len(raw) - cut))  # garbage, or an end
            log.write_bytes(torn)
            try:
                after = Outbox(left)
            except OutsideError:  # so torn that there is no table yet: then nothing had been promised either
                pytest.fail("a torn log must not make an outbox unreadable")
            with after:
                kept = [each.seq for each in after.oldest(999)]
                assert kept == list(range(1, len(kept) + 1))
                assert (after.note("until") or "0") == str(len(kept))  # message and note, both or neither
                after.put([message(99)], now_us=0)
            with sqlite3.connect(left) as check:
                assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            check.close()


def test_what_put_returned_for_is_on_disk_before_it_returns(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox") as outbox:
        for n in range(300):  # over several turns of the log
            outbox.put([message(n)], now_us=0)
            if n % 37 == 0:
                outbox.remove([1 + n // 2])
                with Outbox(copied(outbox.path, tmp_path / f"cut-{n}")) as after:
                    assert after.messages == outbox.messages
                    assert after.newest == n + 1


_AGENT = """
import asyncio, os, signal, sys
from pathlib import Path
from city.clock import SystemClock
from gateway.agent import Agent, AgentSettings
from gateway.envelope import body
from gateway.outbox import Outbox

url, path, total, step, at = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], int(sys.argv[5])

class Mortal(Outbox):
    count = 0

    def _die(self, here):
        if here == step:
            self.count += 1
            if self.count == at:
                os.kill(os.getpid(), signal.SIGKILL)

    def put(self, *args, **kwargs):
        self._die("before_put")
        done = super().put(*args, **kwargs)
        self._die("after_put")
        return done

    def oldest(self, *args, **kwargs):
        found = super().oldest(*args, **kwargs)
        if found:
            self._die("before_publish")
        return found

    def remove(self, seqs):
        self._die("before_remove")
        super().remove(seqs)
        self._die("after_remove")

async def main():
    outbox = Mortal(Path(path))
    agent = Agent(url, "edge", "mortal", outbox, SystemClock(), AgentSettings(backlog_per_s=5000))
    stop = asyncio.Event()
    task = asyncio.create_task(agent.run(stop))
    for n in range(int(outbox.note("measured") or 0), total):
        row = ("s", 1_782_892_800_000_000 + n * 1_000_000, float(n), "", 0)
        outbox.put([(body([row]), 1)], now_us=0, notes={"measured": str(n + 1)})
        agent.wake()
        while outbox.messages > 6:  # so few a step that every step comes again and again, however slow the machine
            await SystemClock().sleep_s(0.001)
    while outbox.messages:  # a stop waits some seconds only
        await SystemClock().sleep_s(0.001)
    stop.set()
    await task
    outbox.close()

asyncio.run(main())
"""
STEPS = ("before_put", "after_put", "before_publish", "before_remove", "after_remove")


async def test_a_kill_between_any_two_steps_loses_nothing(broker: str, tmp_path: Path) -> None:
    total = 800  # more than 23 steps of 6 for each of the five
    command = [sys.executable, "-c", _AGENT, broker, str(tmp_path / "a.outbox"), str(total)]
    async with listening(broker, "mortal") as ear:
        for step in STEPS:
            process = subprocess.Popen([*command, step, "23"])  # noqa: S603, ASYNC220 - our own text; starting takes no time
            assert await ear.while_waiting(process) == -signal.SIGKILL
        process = subprocess.Popen([*command, "never", "0"])  # noqa: S603, ASYNC220 - as above
        assert await ear.while_waiting(process) == 0
        await ear.until(lambda: set(ear.values("s")) == set(range(total)))
    assert len(ear.seqs) - len(set(ear.seqs)) <= 8 * len(STEPS)  # repeats: at most what was under way at a kill
    numbers = {each["time"]: each["value"] for each in ear.readings}
    assert numbers == {(START_US + n * 1_000_000) // 1000: float(n) for n in range(total)}


async def test_a_killed_agent_takes_every_line_of_a_file_exactly_once(broker: str, tmp_path: Path) -> None:
    total = 6000
    source = "  - {id: f, type: file, path: f.jsonl, every: 10ms, time: {column: t, format: unix_s},"
    path = write_config(tmp_path, broker, source + " values: [{column: v, sensor: s}]}\n", "filed")
    command = [sys.executable, "-m", "lifeline", "gateway", "run", "--config", str(path)]
    by_seq: dict[int, list[float]] = {}
    async with listening(broker, "filed") as ear:
        for part in range(3):
            with (tmp_path / "f.jsonl").open("a") as out:
                lines = range(part * total // 3, (part + 1) * total // 3)
                out.writelines(f'{{"t": {1_782_892_800 + n}, "v": {n}}}\n' for n in lines)
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603, ASYNC220 - our own words
            await ear.until(lambda part=part: len(set(ear.values("s"))) > part * total // 3)
            process.kill()
            assert await ear.while_waiting(process) == -signal.SIGKILL
        ear.status = {}
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)  # noqa: S603, ASYNC220 - our own words
        await ear.until(lambda: len(set(ear.values("s"))) == total and ear.status.get("online") is True)
        process.terminate()
        assert await ear.while_waiting(process) == 0
        for seq, values in ear.messages:
            assert by_seq.setdefault(seq, values) == values  # what comes again is the same message
    assert sorted(value for values in by_seq.values() for value in values) == list(range(total))


class Watch:
    """A stopwatch moved by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_thirteen_hours_offline_fit_and_more_than_a_day_is_told(tmp_path: Path) -> None:
    watch, minutes = Watch(), 13 * 60
    with Outbox(
        tmp_path / "a.outbox", max_bytes=20_000_000, max_age_s=86_400, durable=False, stopwatch=watch
    ) as outbox:
        for minute in range(minutes):  # 100 sensors a minute
            rows = [(f"s-{n}", START_US + minute * 60_000_000, 1.0, "cm", 0) for n in range(100)]
            outbox.put([(body(rows), 100)], now_us=0)
            watch.now_s += 60
        assert (outbox.messages, outbox.readings, outbox.losses()) == (minutes, minutes * 100, [])
        assert outbox.bytes < 5_000_000
        watch.now_s += 12 * 3600
        assert outbox.expire(now_us=7) == 60
        assert outbox.readings == (minutes - 60) * 100
        told = outbox.losses()
        assert len(told) == 100
        assert {(loss.why, loss.readings) for loss in told} == {("age", 60)}
        assert (told[0].from_us, told[0].to_us) == (START_US, START_US + 59 * 60_000_000)
    with Outbox(tmp_path / "a.outbox", max_age_s=86_400, stopwatch=watch) as outbox:
        assert sum(loss.readings for loss in outbox.losses()) == 6000  # no restart forgets a loss
        assert outbox.expire(now_us=8) == 0


def test_low_priority_goes_first_then_the_oldest(tmp_path: Path) -> None:
    size = len(message(0)[0]) + 64
    with Outbox(tmp_path / "a.outbox", max_bytes=6 * size + 5) as outbox:
        outbox.put([(*message(n), priority) for n, priority in enumerate((1, 2, 0, 1, 0, 2))], now_us=0)
        for n, expected in ((6, {1, 2, 4, 5, 6, 7}), (7, {1, 2, 4, 6, 7, 8}), (8, {2, 4, 6, 7, 8, 9})):
            outbox.put([message(n)], now_us=n)
            assert {each.seq for each in outbox.oldest(99)} == expected
        assert sum(run.messages for run in outbox.dropped()) == 3
        assert [(loss.sensor, loss.readings, loss.from_us) for loss in outbox.losses()] == [("s", 3, START_US)]


def test_an_outbox_of_the_first_form_is_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.outbox") as old:
        old.executescript(
            "CREATE TABLE messages (seq INTEGER PRIMARY KEY AUTOINCREMENT, readings INTEGER NOT NULL,"
            " body BLOB NOT NULL); INSERT INTO messages (readings, body) VALUES (1, '{}'), (2, '{}');"
        )
    old.close()
    for _ in range(2):
        with Outbox(tmp_path / "a.outbox", max_age_s=1) as outbox:
            assert [(each.seq, each.readings) for each in outbox.oldest(9)] == [(1, 1), (2, 2)]
            assert outbox.expire(now_us=0) == 0
