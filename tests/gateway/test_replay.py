"""Replays over a real broker: recorded data arrive whole, with their times, at any speed."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from city.broker_address import BrokerAddress
from city.clock import ManualClock, SystemClock, from_us
from city.errors import InputError, OutsideError
from city.folder import read_folder
from gateway.floodnet import floodnet_mapping, write_floodnet_city
from gateway.mapping import load_mapping
from gateway.replay import Progress, ReplaySettings, Summary, run_replay
from rules.check import check_files
from tests.running import PATIENCE_S

START_US = 1_782_892_800_000_000
SECOND_US = 1_000_000
MAPPING = """\
version: 1
files: ["*.csv"]
time: {column: at, format: unix_s}
sensor: "{id}"
gateway: "gw-{part}"
district: "DISTRICT"
value: {column: depth, unit: in}
"""
Heard = dict[tuple[str, str, int], tuple[float, str]]


@asynccontextmanager
async def hearing(broker: str, district: str) -> AsyncIterator[Heard]:
    """What is heard of a district, by gateway, sensor and time (us)."""
    heard: Heard = {}
    ready = asyncio.Event()

    async def listen() -> None:
        address = BrokerAddress.of(broker)
        client = aiomqtt.Client(
            address.host, address.port, username=address.username, password=address.password, timeout=PATIENCE_S
        )
        async with client:
            await client.subscribe(f"lifeline/v1/{district}/+/readings", qos=1)
            ready.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                for reading in json.loads(message.payload)["readings"]:
                    key = (message.topic.value.split("/")[3], reading["sensor"], reading["time"] * 1000)
                    heard[key] = (reading["value"], reading["unit"])

    task = asyncio.create_task(listen())
    await ready.wait()
    yield heard
    task.cancel()


async def until_heard(heard: Heard, count: int) -> None:
    async with asyncio.timeout(60):
        while len(heard) < count:
            await SystemClock().sleep_s(0.01)


def recording(folder: Path) -> dict[tuple[str, int], float]:
    """Three sensors on two gateways for ten minutes, shuffled, with an hour's pause and a broken row."""
    rows = [(f"s{n}", "ab"[n % 2], START_US // SECOND_US + t, n + t / 10) for n in range(3) for t in range(0, 600, 10)]
    rows += [("s0", "a", START_US // SECOND_US + 4200 + t, 1.0) for t in range(0, 60, 10)]
    rows.sort(key=lambda row: (row[2] * 7919 % 101, row[0], row[2]))
    text = "id,part,at,depth\n" + "".join(f"{i},{p},{at},{v}\n" for i, p, at, v in rows) + "s0,a,never,1\n"
    (folder / "recorded.csv").write_text(text)
    return {(sensor, at * SECOND_US): value for sensor, _, at, value in rows}


def settings(broker: str, source: Path, district: str, **more: object) -> ReplaySettings:
    mapping = load_mapping(MAPPING.replace("DISTRICT", district), "m.yaml")
    return ReplaySettings(broker, SystemClock(), mapping, source, **more)  # type: ignore[arg-type]  # keywords as given


async def replay(wanted: ReplaySettings, told: list[Progress] | None = None) -> Summary:
    tell = told.append if told is not None else None
    return await asyncio.to_thread(run_replay, wanted, threading.Event(), tell)


async def test_full_speed_and_paced_publish_the_same(broker: str, tmp_path: Path) -> None:
    expected = recording(tmp_path)
    told: list[Progress] = []
    async with hearing(broker, "fast") as fast, hearing(broker, "paced") as paced:
        full = await replay(settings(broker, tmp_path, "fast"), told)
        slow = await replay(settings(broker, tmp_path, "paced", speed=600.0, skip_gaps_s=60.0))
        await until_heard(fast, len(expected))
        await until_heard(paced, len(expected))
    assert {(sensor, at): value for (_, sensor, at), (value, _) in fast.items()} == expected
    assert fast == paced
    assert {gateway for gateway, _, _ in fast} == {"gw-a", "gw-b"}
    assert {unit for _, unit in fast.values()} == {"in"}
    for summary in (full, slow):
        assert (summary.rows, summary.readings, summary.published) == (len(expected) + 1, len(expected), len(expected))
        assert dict(summary.refused) == {"bad_time": 1}
        assert summary.examples["bad_time"] == [f"recorded.csv:{len(expected) + 2}: not a number: 'never'"]
        assert (summary.sensors, summary.gateways) == (3, 2)
        assert (summary.from_us, summary.to_us) == (START_US, START_US + 4250 * SECOND_US)
    assert told[-1].published == told[-1].total == len(expected)
    assert slow.seconds == pytest.approx((600 + 60 + 50) / 600, abs=0.5)  # not the hour's pause
    assert full.per_second > 100


async def test_a_window_and_a_shift(broker: str, tmp_path: Path) -> None:
    recording(tmp_path)
    window = {"from_us": START_US, "to_us": START_US + 60 * SECOND_US}
    now_us = START_US + 86_400 * 30 * SECOND_US
    for shift, newest_us in (("none", START_US + 50 * SECOND_US), ("last", now_us), ("first", now_us + 50 * SECOND_US)):
        async with hearing(broker, f"shift-{shift}") as heard:
            base = settings(broker, tmp_path, f"shift-{shift}", shift=shift, **window)
            wanted = ReplaySettings(
                base.mqtt_url, ManualClock(from_us(now_us)), base.mapping, base.source,
                from_us=base.from_us, to_us=base.to_us, shift=base.shift,
            )  # fmt: skip
            summary = await replay(wanted)
            await until_heard(heard, 18)
        times = {at for _, _, at in heard}
        assert max(times) == newest_us == summary.to_us
        assert max(times) - min(times) == 50 * SECOND_US
        assert summary.outside_window == 3 * 54 + 6


async def test_a_stop_ends_it_and_says_so(broker: str, tmp_path: Path) -> None:
    recording(tmp_path)
    stop = threading.Event()
    wanted = settings(broker, tmp_path, "halt", speed=60.0)
    summary = await asyncio.to_thread(run_replay, wanted, stop, lambda progress: stop.set())
    assert summary.stopped
    assert summary.published < summary.readings


async def test_what_is_wrong_is_said_before_anything_is_published(broker: str, tmp_path: Path) -> None:
    recording(tmp_path)
    with pytest.raises(InputError, match="speed"):
        await replay(settings(broker, tmp_path, "wrong", speed=0.0))
    (tmp_path / "recorded.csv").write_text("id,at,depth\na,0,1\n")
    with pytest.raises(InputError, match="no column 'part'"):
        await replay(settings(broker, tmp_path, "wrong"))
    recording(tmp_path)
    with pytest.raises(OutsideError, match=r"no answer from the broker at mqtt://127\.0\.0\.1:1"):
        await replay(settings("mqtt://127.0.0.1:1", tmp_path, "wrong", line_s=0.3))


async def test_the_recorded_street_floods_arrive_whole(broker: str, tmp_path: Path, recorded_data: Path) -> None:
    floods = recorded_data / "floodnet"
    write_floodnet_city(floods, tmp_path / "city")
    assert check_files(read_folder(tmp_path / "city")) == []
    from_us, to_us = 1_630_454_400 * SECOND_US, 1_630_627_200 * SECOND_US  # 1 and 2 September 2021
    wanted = ReplaySettings(broker, SystemClock(), floodnet_mapping(), floods, from_us=from_us, to_us=to_us)

    def of_floodnet(heard: Heard) -> Heard:
        return {key: value for key, value in heard.items() if key[0].startswith("floodnet-")}

    async with hearing(broker, "+") as heard:
        summary = await replay(wanted)
        assert summary.readings > 100
        assert dict(summary.refused) == {"implausible": 1}
        async with asyncio.timeout(60):
            while len(of_floodnet(heard)) < summary.readings:
                await SystemClock().sleep_s(0.01)
    deepest = max(value for value, _ in of_floodnet(heard).values())
    assert deepest == 35.59  # inches, on Carroll Street in the night of the storm
    assert {unit for _, unit in of_floodnet(heard).values()} == {"in"}
