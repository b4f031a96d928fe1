"""The agent as a whole: configurations, full and failing disks, clocks that jump."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from city.clock import ManualClock, SystemClock
from gateway.edge import PUSHED
from gateway.envelope import body
from gateway.outbox import Outbox
from gateway.setaside import open_outbox
from tests.gateway.edging import connected, listening, running, write_config

SOURCE = "  - {{id: {name}, type: file, path: {name}.jsonl, every: 10ms, values: [{{column: v, sensor: {sensor}}}]}}\n"


def source(name: str, sensor: str) -> str:
    return SOURCE.format(name=name, sensor=sensor)


def add(folder: Path, name: str, *values: float) -> None:
    with (folder / f"{name}.jsonl").open("a") as out:
        out.writelines(f'{{"v": {value}}}\n' for value in values)


async def test_a_changed_file_swaps_sources_whole_or_not_at_all(broker: str, tmp_path: Path) -> None:
    add(tmp_path, "a", 1)
    add(tmp_path, "b", 1)
    path = write_config(tmp_path, broker, source("a", "s-a") + source("b", "s-b"), "swap")
    async with listening(broker, "swap") as ear, running(path) as edge:
        await ear.until(lambda: ear.values("s-a") == [1] and ear.values("s-b") == [1])
        kept = edge.keepers["a"]
        write_config(tmp_path, broker, source("a", "s-a") + source("b", "s-c").replace("every", "evry"), "swap")
        await ear.until(lambda: ear.status.get("config", {}).get("state") == "refused")
        assert "unknown key 'evry', try 'every'" in ear.status["config"]["faults"][0]
        add(tmp_path, "b", 2)
        await ear.until(lambda: ear.values("s-b") == [1, 2])  # as before
        write_config(tmp_path, broker, source("a", "s-a") + source("b", "s-c"), "other")
        await ear.until(lambda: "restarting" in str(ear.status.get("config", {}).get("faults")))
        write_config(tmp_path, broker, source("a", "s-a") + source("b", "s-c"), "swap")
        await ear.until(lambda: ear.status.get("config", {}).get("state") == "from_file")
        add(tmp_path, "b", 3)
        await ear.until(lambda: ear.values("s-c") == [3])  # goes on where the old one had come to
        assert edge.keepers["a"] is kept  # unchanged: not even restarted
        assert [each["id"] for each in ear.status["sources"]] == ["a", "b"]


async def test_a_pushed_configuration_counts_only_where_it_is_allowed(broker: str, tmp_path: Path) -> None:
    add(tmp_path, "a", 1)
    head = "accept_push: true\n"
    path = write_config(tmp_path, broker, source("a", "s-a"), "push", head)
    pushed = path.read_text().replace("s-a", "s-x").encode()
    topic = "lifeline/v1/edge/push/config"
    async with listening(broker, "push") as ear:
        async with connected(broker) as client, running(path) as edge:
            await ear.until(lambda: ear.values("s-a") == [1])
            await client.publish(topic, b"version: 2\n", qos=1, retain=True)
            await ear.until(lambda: ear.status.get("config", {}).get("state") == "refused")
            await client.publish(topic, pushed, qos=1, retain=True)
            await ear.until(lambda: ear.status.get("config", {}).get("state") == "pushed")
            add(tmp_path, "a", 2)
            await ear.until(lambda: ear.values("s-x") == [2])
            await client.publish(topic, b"", qos=1, retain=True)
            assert edge.config.folder.joinpath(PUSHED).read_bytes() == pushed
        add(tmp_path, "a", 3)
        async with running(path):  # it is kept beside the outbox
            await ear.until(lambda: ear.values("s-x") == [2, 3])
        write_config(tmp_path, broker, source("a", "s-a"), "push")
        async with connected(broker) as client, running(path) as edge:
            add(tmp_path, "a", 4)
            await ear.until(lambda: ear.values("s-a") == [1, 4])
            await client.publish(topic, pushed, qos=1)
            add(tmp_path, "a", 5)
            await ear.until(lambda: ear.values("s-a") == [1, 4, 5])
            assert edge.report()["config"] == {"state": "from_file"}


async def test_a_new_configuration_leaves_alone_what_waits_in_the_outbox(broker: str, tmp_path: Path) -> None:
    head = "accept_push: true\n"
    path = write_config(tmp_path, broker, source("a", "s-a"), "wait", head)
    other = path.read_text().replace("s-a", "s-x")
    async with listening(broker, "wait") as ear, running(path) as edge:
        add(tmp_path, "a", 0)
        await ear.until(lambda: ear.values("s-a") == [0])
        await _until(lambda: edge.outbox.readings == 0)  # acknowledged, not only heard
        edge.agent.power(False)
        for value in range(1, 6):
            add(tmp_path, "a", value)
            await _until(lambda want=value: edge.outbox.readings == want)
        waiting = edge.outbox.oldest(99)
        edge._take_push(other.encode())
        await _until(lambda: edge.report()["config"] == {"state": "pushed"})
        path.write_text(path.read_text().replace("every: 10ms", "every: 11ms"))
        await _until(lambda: edge.report()["config"] == {"state": "from_file"})
        edge._take_push(b"version: nonsense")
        await _until(lambda: edge.report()["config"].get("state") == "refused")  # type: ignore[attr-defined] # a mapping
        assert edge.outbox.oldest(99) == waiting
        assert edge.outbox.losses() == []
        edge.agent.power(True)
        await ear.until(lambda: len(ear.values("s-a")) == 6)
    assert ear.values("s-a") == [0, 1, 2, 3, 4, 5]


async def test_clocks_that_jump_change_neither_times_nor_numbers(broker: str, tmp_path: Path) -> None:
    text = source("a", "s").replace("values:", "time: {column: t, format: unix_s}, values:")
    path = write_config(tmp_path, broker, text, "jump", "status_every: 20ms\n")
    path.write_text(path.read_text().replace("{folder: box}", "{folder: box, age: 1d}"))
    clock = _Jumping(datetime(2026, 7, 1, tzinfo=UTC))

    def write(n: int) -> None:
        with (tmp_path / "a.jsonl").open("a") as out:
            out.write(f'{{"t": {1_782_892_800 + n}, "v": {n}}}\n')

    write(0)
    async with listening(broker, "jump") as ear, running(path, clock) as edge:
        sent: list[int] = []
        for n, jump_s in enumerate((0, 86400 * 400, -86400 * 800, 3600)):
            clock.advance(jump_s)
            if n:
                write(n)
            await ear.until(lambda n=n: len(ear.values("s")) == n + 1)
            sent.append(edge.agent._sent_us)
        assert sent == sorted(sent)
        assert edge.outbox.losses() == []  # nothing was made old by a clock
    assert [each["time"] for each in ear.readings] == [(1_782_892_800 + n) * 1000 for n in range(4)]
    assert ear.seqs == sorted(set(ear.seqs))


class _Jumping(ManualClock):
    """Stands still between jumps; waiting takes wall time."""

    async def sleep_s(self, duration_s: float) -> None:
        await SystemClock().sleep_s(duration_s)


async def test_what_is_dropped_is_told_in_the_status(broker: str, tmp_path: Path) -> None:
    low = source("a", "s-low").replace("type:", "priority: low, type:")
    path = write_config(tmp_path, "mqtt://127.0.0.1:1", low + source("b", "s-high"), "drop")
    text = path.read_text().replace("{folder: box}", "{folder: box, size_mb: 0.05}")
    path.write_text(text)
    async with running(path) as edge:
        for n in range(40):
            add(tmp_path, "a", *range(n * 50, n * 50 + 50))
            await _until(lambda n=n: edge.keepers and edge.keepers["a"].readings == n * 50 + 50)
        add(tmp_path, "b", *range(5))
        await _until(lambda: edge.keepers["b"].readings == 5)
        await edge.intake.flush()
        lost = sum(loss.readings for loss in edge.outbox.losses())
        assert lost + edge.outbox.readings == 2005
        assert {loss.sensor for loss in edge.outbox.losses()} == {"s-low"}
    path.write_text(text.replace("mqtt://127.0.0.1:1\n", f"{broker}\n"))
    async with listening(broker, "drop") as ear, running(path):
        await ear.until(lambda: len(ear.readings) == 2005 - lost and "dropped" in ear.status)
        assert ear.status["dropped"]["readings"] == lost
        [told] = ear.status["dropped"]["sensors"]
        assert (told["sensor"], told["why"], told["readings"]) == ("s-low", "room", lost)
        assert told["from"] <= told["to"]
        assert len(ear.values("s-high")) == 5
        assert ear.values("s-low")[-1] == 1999  # the newest stayed


async def _until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(60):
        while not condition():
            await SystemClock().sleep_s(0.005)


async def test_an_outbox_that_is_full_holds_its_sources_when_told_to(broker: str, tmp_path: Path) -> None:
    add(tmp_path, "a", *range(3000))
    path = write_config(tmp_path, "mqtt://127.0.0.1:1", source("a", "s"), "hold")
    text = path.read_text().replace("{folder: box}", "{folder: box, size_mb: 0.05, when_full: hold}")
    path.write_text(text)
    async with running(path) as edge:
        await _until(lambda: edge.intake.state == "full")
        assert edge.report()["outbox"] == {"state": "full", "error": "the outbox is full: sources wait"}
        assert edge.outbox.losses() == []
    path.write_text(text.replace("mqtt://127.0.0.1:1\n", f"{broker}\n"))
    async with listening(broker, "hold") as ear, running(path):
        await ear.until(lambda: len(ear.values("s")) == 3000)
    assert sorted(ear.values("s")) == list(range(3000))


async def test_a_damaged_outbox_is_set_aside_and_its_numbers_never_come_again(broker: str, tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box" / "torn.outbox").write_bytes(b"not a database at all" * 500)
    add(tmp_path, "a", 1)
    path = write_config(tmp_path, broker, source("a", "s"), "torn")
    async with listening(broker, "torn") as ear, running(path):
        await ear.until(lambda: ear.values("s") == [1] and "set_aside" in ear.status)
        assert ear.seqs[0] > 1_700_000_000_000
        assert (tmp_path / "box" / ear.status["set_aside"]).read_bytes().startswith(b"not a database")
    outbox, aside = open_outbox(tmp_path / "box" / "torn.outbox", None, None, 0)
    outbox.close()
    assert aside == ""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of eight megabytes; skips loudly where one cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    said = "not Linux"
    if sys.platform == "linux":
        command = ["/bin/mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stderr.strip()  # noqa: S603 - our own words
    if said:
        pytest.skip(f"NOT TESTED on a full disk: only root may mount a small one ({said})")
    yield folder
    subprocess.run(["/bin/umount", "--lazy", str(folder)], check=False)  # noqa: S603 - our own words


async def test_a_full_disk_is_told_loses_nothing_and_goes_on_when_there_is_room(
    broker: str, tmp_path: Path, small_disk: Path
) -> None:
    path = write_config(tmp_path, broker, source("a", "s"), "disk")
    path.write_text(path.read_text().replace("{folder: box}", f"{{folder: {small_disk}}}"))
    add(tmp_path, "a", *range(10))
    async with listening(broker, "disk") as ear, running(path) as edge:
        await ear.until(lambda: len(ear.values("s")) == 10)
        edge.agent.power(False)  # so that the outbox grows
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as out, suppress(OSError):
            while True:
                out.write(bytes(4096))
        add(tmp_path, "a", *range(10, 20_000))
        await _until(lambda: edge.intake.state == "disk_refuses")
        edge.agent.power(True)
        await ear.until(lambda: "full" in str(ear.status.get("outbox", {}).get("error")))
        os.truncate(ballast, 0)
        await ear.until(lambda: len(ear.values("s")) >= 20_000)
        assert "outbox" not in edge.report()
    assert sorted(ear.values("s")) == list(range(20_000))
    with Outbox(small_disk / "disk.outbox") as outbox:
        assert (outbox.messages, outbox.losses()) == (0, [])


def test_a_body_of_unknown_form_is_still_counted_when_it_is_dropped(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox", max_readings=5) as outbox:
        outbox.put([(b"{oh", 3), (body([("s", 0, 1.0, "", 0)]), 1)], now_us=0)
        outbox.put([(body([("s", 9_000_000, 1.0, "", 0)] * 5), 5)], now_us=0)
        assert [(loss.sensor, loss.readings, loss.from_us) for loss in outbox.losses()] == [("", 3, None), ("s", 1, 0)]
