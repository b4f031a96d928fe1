"""Sources: each read over its real interface, each failing alone."""

from __future__ import annotations

import asyncio
import json
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from gateway.config import Register
from gateway.edge import Edge
from gateway.sources.http import PostSource
from gateway.sources.modbus import value_of
from tests.gateway.edging import connected, listening, running, write_config
from tests.running import free_port


def state(edge: Edge, name: str) -> dict[str, Any]:
    return edge.keepers[name].report()


async def until(condition: Any) -> None:  # noqa: ANN401 - a function of nothing
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)


# -- Modbus ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def device(*data: SimData, port: int = 0) -> AsyncIterator[int]:
    server = ModbusTcpServer(SimDevice(1, list(data)), address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # an asyncio server
    finally:
        await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus says nothing of it


def words(form: str, value: float) -> list[int]:
    raw = struct.pack(form, value)
    return [int.from_bytes(raw[n : n + 2], "big") for n in range(0, len(raw), 2)]


def swapped(word: int) -> int:
    return int.from_bytes(word.to_bytes(2, "big"), "little")


@pytest.mark.parametrize("form", ["int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"])
@pytest.mark.parametrize("little_bytes", [False, True])
@pytest.mark.parametrize("little_words", [False, True])
def test_a_register_s_value_in_every_type_and_order(form: str, little_bytes: bool, little_words: bool) -> None:
    value = 300.0 if form.startswith("u") else -300.0
    code = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q"}.get(form)
    stored = words(f">{code}", int(value)) if code else words(">f" if form == "float32" else ">d", value)
    stored = [swapped(word) for word in stored] if little_bytes else stored
    stored = stored[::-1] if little_words else stored
    register = Register("s", "holding", 0, form, 0.1, 5.0, "", little_bytes, little_words, 1.0)
    assert value_of(register, stored) == value * 0.1 + 5.0


async def test_modbus_reads_types_tables_and_refusals(broker: str, tmp_path: Path) -> None:
    low, high = words(">f", 12.5)
    data = [
        SimData(100, values=[215, 0xFFFE, high, low], datatype=DataType.REGISTERS),
        SimData(200, values=[7], datatype=DataType.REGISTERS),
    ]
    async with device(*data) as port, listening(broker, "mb") as ear:
        sources = f"""\
  - id: pump
    type: modbus
    host: 127.0.0.1
    port: {port}
    every: 50ms
    registers:
      - {{sensor: p1, address: 100, scale: 0.1, unit: kPa}}
      - {{sensor: p2, address: 101, type: int16}}
      - {{sensor: p3, address: 102, type: float32, word_order: little}}
      - {{sensor: p4, address: 200, table: input, offset: -7}}
      - {{sensor: gone, address: 900}}
"""
        path = write_config(tmp_path, broker, sources, "mb")
        async with running(path) as edge:
            await ear.until(lambda: ear.values("p3") and ear.values("p4") and len(ear.values("p1")) > 2)
            assert {ear.values(name)[0] for name in ("p1", "p2", "p3", "p4")} == {21.5, -2.0, 12.5, 0.0}
            assert {each.get("unit") for each in ear.readings if each["sensor"] == "p1"} == {"kPa"}
            assert state(edge, "pump")["bad"] > 0
            assert "gone" in edge.keepers["pump"].last_bad


async def test_a_device_that_goes_is_told_and_comes_back_while_others_go_on(broker: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("")
    data, port = SimData(0, values=[5], datatype=DataType.REGISTERS), free_port()
    sources = f"""\
  - {{id: pump, type: modbus, host: 127.0.0.1, port: {port}, every: 30ms, registers: [{{sensor: p, address: 0}}]}}
  - {{id: log, type: file, path: log.jsonl, every: 20ms, values: [{{column: v, sensor: f}}]}}
"""
    path = write_config(tmp_path, broker, sources, "away")
    async with listening(broker, "away") as ear, running(path) as edge:
        await ear.until(lambda: any(s["state"] == "failed" for s in ear.status.get("sources", [])))
        with log.open("a") as out:
            out.write('{"v": 1}\n')
        await ear.until(lambda: ear.values("f") == [1])
        told = {each["id"]: each for each in ear.status["sources"]}
        assert "no connection" in told["pump"]["error"]
        async with device(data, port=port):
            await ear.until(lambda: 5 in ear.values("p"))
        await until(lambda: state(edge, "pump")["state"] == "failed")
        async with device(data, port=port):
            before = len(ear.values("p"))
            await ear.until(lambda: len(ear.values("p")) > before)
        assert state(edge, "log").get("failures", 0) == 0


# -- files -----------------------------------------------------------------------------------------------------------

CSV = (
    "  - {id: log, type: file, path: log.csv, every: 10ms, values: [{column: level, sensor: '{station}-l', unit: cm}],"
)
CSV += " time: {column: at, format: unix_s}}\n"


def rows(first: int, last: int) -> str:
    return "".join(f"{1_782_892_800 + n},a,{n}\n" for n in range(first, last))


HEAD = "at,station,level\n"


async def test_a_file_is_followed_through_rotation_and_restarts_without_loss_or_repeats(
    broker: str, tmp_path: Path
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(HEAD + rows(0, 700))
    path = write_config(tmp_path, broker, CSV, "rot")
    async with listening(broker, "rot") as ear:
        async with running(path):
            await ear.until(lambda: len(ear.values("a-l")) == 700)
            with log.open("a") as out:
                out.write(rows(700, 710) + "1782893510,a,7")  # an unfinished line
            await ear.until(lambda: len(ear.values("a-l")) == 710)
        with log.open("a") as out:
            out.write("10\n" + rows(711, 800))  # written while nobody reads …
        log.rename(tmp_path / "log.csv.2")
        (tmp_path / "log.csv.1").write_text(HEAD + rows(800, 900))  # … rotated twice …
        log.write_text(HEAD + rows(900, 1000))
        for n, each in enumerate(("log.csv.2", "log.csv.1", "log.csv")):
            os.utime(tmp_path / each, (1_782_893_000 + n, 1_782_893_000 + n))
        async with running(path):
            await ear.until(lambda: len(ear.values("a-l")) == 1000)
            log.rename(tmp_path / "log.csv.0")  # … and while somebody does
            with (tmp_path / "log.csv.0").open("a") as out:
                out.write(rows(1000, 1010))
            log.write_text(HEAD + rows(1010, 1020))
            await ear.until(lambda: len(ear.values("a-l")) >= 1020)
            log.write_text(HEAD + rows(1020, 1021))  # cut and begun anew
            await ear.until(lambda: len(ear.values("a-l")) >= 1021)
    assert ear.values("a-l") == [float(n) for n in range(1021)]
    assert [each["time"] for each in ear.readings] == [(1_782_892_800 + n) * 1000 for n in range(1021)]


async def test_bad_lines_are_counted_and_a_missing_file_is_waited_for(broker: str, tmp_path: Path) -> None:
    path = write_config(tmp_path, broker, CSV, "bad")
    async with listening(broker, "bad") as ear, running(path) as edge:
        await ear.until(lambda: any(s["state"] == "failed" for s in ear.status.get("sources", [])))
        raw = HEAD.encode() + b"\xff\xfe,a,1\n1782892800,a,x\nonly,two\n" + b"y" * 70_000 + b"\n" + rows(1, 2).encode()
        (tmp_path / "log.csv").write_bytes(raw)
        await ear.until(lambda: ear.values("a-l") == [1.0])
        assert state(edge, "log")["bad"] == 5  # the endless line counts once for each 64 KiB


# -- MQTT ------------------------------------------------------------------------------------------------------------


async def test_mqtt_messages_are_acknowledged_only_once_they_are_kept(broker: str, tmp_path: Path) -> None:
    sources = f"""\
  - id: local
    type: mqtt
    broker: {broker}
    topics: [plant/+/state]
    each: data.points
    values: [{{column: v, sensor: "{{topic.1}}-{{name}}", unit: cm}}]
    time: {{column: t, format: unix_ms}}
"""
    path = write_config(tmp_path, broker, sources, "mq")
    point = {"name": "level", "t": 1_782_892_800_000}

    async def say(n: int) -> None:
        async with connected(broker) as client:
            points = [{**point, "t": point["t"] + n, "v": n}, {"name": "level"}]  # type: ignore[operator]  # an int
            await client.publish("plant/p1/state", json.dumps({"data": {"points": points}}), qos=1)
            await client.publish("plant/p1/state", b"\xff{", qos=1)

    async with listening(broker, "mq") as ear:
        async with running(path) as edge:
            await until(lambda: edge.agent.connected)
            await ear.until(lambda: "sources" in ear.status)
            while not ear.values("p1-level"):  # until the session stands
                await say(0)
                await asyncio.wait({asyncio.create_task(ear.heard.wait())}, timeout=0.2)
            await say(1)
            await ear.until(lambda: 1 in ear.values("p1-level"))
            assert state(edge, "local")["bad"] >= 4
        await say(2)  # nobody is there: it waits in the session
        async with running(path):
            await ear.until(lambda: 2 in ear.values("p1-level"))
    assert sorted(set(ear.values("p1-level"))) == [0, 1, 2]
    assert ear.values("p1-level").count(1) == 1
    assert ear.values("p1-level").count(2) == 1


# -- HTTP ------------------------------------------------------------------------------------------------------------


async def test_posts_are_answered_once_kept_and_refusals_say_why(broker: str, tmp_path: Path) -> None:
    sources = '  - {id: in, type: post, listen: "127.0.0.1:0", values: [{column: v, sensor: "{s}"}]}\n'
    path = write_config(tmp_path, broker, sources, "post")
    async with listening(broker, "post") as ear, running(path) as edge, httpx.AsyncClient(timeout=60) as client:
        await until(lambda: "in" in edge.keepers and bool(getattr(edge.keepers["in"].source, "port", None)))
        source = edge.keepers["in"].source
        assert isinstance(source, PostSource)
        url = f"http://127.0.0.1:{source.port}/"
        assert (await client.post(url, json=[{"s": "a", "v": 1}, {"s": "b", "v": 2}])).status_code == 204
        assert edge.agent.published_readings + edge.outbox.readings == 2  # on disk, or with the broker already
        assert (await client.post(url, content=b"no json")).status_code == 422
        assert (await client.get(url)).status_code == 405
        assert (await client.post(url, content=iter_([b"x"]))).status_code == 411
        assert (await client.post(url, content=b"x" * (1 << 20) + b"x")).status_code == 413
        await ear.until(lambda: ear.values("a") == [1] and ear.values("b") == [2])


async def iter_(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def test_an_http_document_is_asked_for_and_only_what_is_new_is_taken(broker: str, tmp_path: Path) -> None:
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(1)
        n = len(asked) // 2  # each document is answered twice
        answer = json.dumps({"level": n, "at": f"2026-07-01T08:00:{n % 60:02}+08:00"}).encode()
        code = "500 Oh" if len(asked) == 5 else "200 OK"
        writer.write(f"HTTP/1.1 {code}\r\nContent-Length: {len(answer)}\r\nConnection: close\r\n\r\n".encode() + answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/values"
    sources = f"  - {{id: doc, type: http, url: '{url}', every: 20ms, time: {{column: at}},"
    sources += " values: [{column: level, sensor: h}]}\n"
    path = write_config(tmp_path, broker, sources, "http")
    async with listening(broker, "http") as ear, running(path) as edge:
        await ear.until(lambda: len(ear.values("h")) >= 6)
        assert state(edge, "doc")["failures"] == 1
    server.close()
    assert len(ear.values("h")) == len(set(ear.values("h")))


# -- serial lines ----------------------------------------------------------------------------------------------------


async def test_a_serial_line_is_read_by_its_pattern_and_survives_noise(broker: str, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty", reason="NOT TESTED: no pseudo-terminals here")
    master, slave = pty.openpty()
    sources = f"""\
  - id: probe
    type: serial
    port: {os.ttyname(slave)}
    pattern: 'D=(?P<depth>[-+.0-9]+) *(?P<unit>cm)'
    values: [{{column: depth, sensor: probe-1, unit: cm}}]
"""
    path = write_config(tmp_path, broker, sources, "tty")
    async with listening(broker, "tty") as ear, running(path) as edge:
        os.write(master, b"pth\n")  # the end of a line begun before
        await ear.until(lambda: edge.agent.connected and "sources" in ear.status)
        while not ear.values("probe-1"):
            os.write(master, b"D=1.5 cm\n")
            await asyncio.wait({asyncio.create_task(ear.heard.wait())}, timeout=0.1)
        bad = edge.keepers["probe"].bad
        os.write(master, b"\xff\xfe\x00noise\n\r\nD=x cm\nD=..1 cm\n" + b"z" * 5000 + b"\nD=2.5 cm\r\n")
        await ear.until(lambda: 2.5 in ear.values("probe-1"))
        assert edge.keepers["probe"].bad >= bad + 3
        os.close(master)
        await until(lambda: state(edge, "probe")["state"] == "failed")
    os.close(slave)
