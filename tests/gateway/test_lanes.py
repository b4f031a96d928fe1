"""After an outage: live readings first, the backlog oldest first beside them, at its rate."""

from __future__ import annotations

import asyncio
from pathlib import Path

from city.clock import SystemClock, stopwatch_s
from gateway.agent import Agent, AgentSettings
from gateway.envelope import body
from gateway.lanes import Lanes
from gateway.outbox import Outbox
from tests.gateway.edging import listening

START_US = 1_782_892_800_000_000


def message(n: int, readings: int = 1, sensor: str = "old") -> tuple[bytes, int]:
    return body(
        [(sensor, START_US + (n * readings + k) * 1_000_000, float(n), "", 0) for k in range(readings)]
    ), readings


class Watch:
    """A stopwatch moved by hand."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_live_goes_first_and_the_backlog_keeps_its_rate_and_half_of_the_window(tmp_path: Path) -> None:
    watch = Watch()
    with Outbox(tmp_path / "a.outbox") as outbox:
        outbox.put([message(n, 10) for n in range(20)], now_us=0)
        lanes = Lanes(outbox, 8, 100.0, watch)
        outbox.put([message(0, 1, "live")], now_us=0)
        watch.now_s = 1.0
        first = lanes.take([])
        assert [each.seq for each in first] == [21, 1, 2, 3]  # 25 readings of burst: two messages, and one on credit
        assert lanes.take([each.seq for each in first]) == []
        assert 0 < lanes.pause_s() < 0.1
        taken = 3
        for _ in range(100):
            watch.now_s += 0.01
            taken += len(lanes.take([]))
        assert 12 <= taken <= 14  # 10 more messages of 10 readings in a second
        outbox.put([message(n, 1, "live") for n in range(20)], now_us=0)
        watch.now_s += 10
        assert [each.seq for each in lanes.take([1, 2])] == list(range(22, 28))


def test_without_a_rate_there_is_one_lane_in_order(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox") as outbox:
        outbox.put([message(n) for n in range(5)], now_us=0)
        lanes = Lanes(outbox, 4, None)
        outbox.put([message(5)], now_us=0)
        assert [each.seq for each in lanes.take([])] == [1, 2, 3, 4]
        assert [each.seq for each in lanes.take([1, 2])] == [5, 6]


def test_what_is_under_way_is_never_dropped(tmp_path: Path) -> None:
    with Outbox(tmp_path / "a.outbox", max_readings=10) as outbox:
        outbox.put([message(n) for n in range(10)], now_us=0)
        held = Lanes(outbox, 4, None).take([])
        outbox.put([message(n) for n in range(10, 15)], now_us=0)
        assert [each.seq for each in outbox.oldest(99)] == [1, 2, 3, 4, 10, 11, 12, 13, 14, 15]
        outbox.remove([each.seq for each in held])
        assert outbox.dropped()[0].first_seq == 5


async def test_live_readings_never_wait_behind_a_backlog_and_each_comes_once(broker: str, tmp_path: Path) -> None:
    backlog, rate, live = 40_000, 20_000.0, 60
    clock, wall = SystemClock(), SystemClock()
    outbox = Outbox(tmp_path / "a.outbox")
    outbox.put([message(n, 100) for n in range(backlog // 100)], now_us=0)
    agent = Agent(broker, "edge", "lanes", outbox, clock, AgentSettings(backlog_per_s=rate))
    waited: list[int] = []  # messages that left while a live one was under way: in one lane, all that are before it
    overlapped = 0
    async with listening(broker, "lanes") as ear:
        stop, began_s = asyncio.Event(), stopwatch_s()
        task = asyncio.create_task(agent.run(stop))
        await ear.until(lambda: len(ear.readings) > 1000)
        for n in range(live):
            before = outbox.messages
            await asyncio.to_thread(outbox.put, [message(n, 1, "live")], 0)
            agent.wake()
            await ear.until(lambda n=n: len(ear.live) > n)
            waited.append(before - outbox.messages)
            overlapped += outbox.readings > 0
            await wall.sleep_s(0.01)
        await ear.until(lambda: len(ear.readings) >= backlog + live)
        took_s = stopwatch_s() - began_s
        stop.set()
        await task
        outbox.close()
    assert max(waited) <= backlog / 100 / 2
    assert overlapped > 5  # in one lane none does; on a quick machine all do
    assert took_s > 0.9 * (backlog / rate - 0.25)  # the rate was kept
    assert len(ear.seqs) == len(set(ear.seqs)) == backlog // 100 + live
    old = [each["value"] for each in ear.readings if each["sensor"] == "old"]
    assert old[::100] == sorted(old[::100])
