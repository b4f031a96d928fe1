"""`lifeline quarantine` and `lifeline mapping`, as they are typed; and a late alarm from what had been refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from city.clock import SystemClock, from_us
from ingest.decoders import decode
from ingest.intake import Delivery
from ingest.writer import BatchWriter
from lifeline.cli import run_command
from rules.watcher import WatcherSettings, run_watcher
from store.connection import connect
from tests.rules.small_city import FILES
from tests.running import eventually, running

TOPIC = "lifeline/v1/north/g1/readings"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "city" / name).write_text(text, encoding="utf-8")
    return tmp_path / "city"


@pytest.fixture
def typed(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Type `lifeline quarantine …` against the test's database; exit code and all that was said."""

    def run(*arguments: str) -> tuple[int, str]:
        code = run_command(["quarantine", *arguments, "--database-url", database, "--data", str(tmp_path / "data")])
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def test_a_flood_from_an_unknown_sensor_is_adopted_replayed_and_raises_late(
    database: str, folder: Path, typed: Callable[..., tuple[int, str]]
) -> None:
    def query(sql: str) -> list[tuple[Any, ...]]:
        with connect(database) as conn:
            return conn.execute(sql.encode()).fetchall()

    start_us = SystemClock().now_us() // 60_000_000 * 60_000_000 - 40 * 60_000_000
    with running(run_watcher, WatcherSettings(database, SystemClock(), folder)):
        eventually(lambda: query("SELECT 1 FROM lifeline.current_bundle"))
        with connect(database, autocommit=True) as conn:
            writer = BatchWriter(conn, SystemClock())
            for minute in range(20):  # the underpass fills, and nobody knows the gauge
                time_us = start_us + minute * 60_000_000
                reading = {
                    "sensor": "wl-9",
                    "time": from_us(time_us).isoformat(),
                    "value": 50 * (minute >= 5),
                    "unit": "cm",
                }
                payload = json.dumps({"readings": [reading]}).encode()
                writer.commit([Delivery(decode(TOPIC, payload), time_us, payload, 1, 1)])
        code, said = typed("list")
        assert code == 0
        assert "20  unknown_sensor  g1 wl-9" in said
        assert "try: lifeline quarantine adopt SENSOR --as QUANTITY" in said

        code, said = typed("adopt", "wl-9", "--as", "water_depth", "--site", "up-1", "--city", str(folder))
        assert (code, "wl-9,g1,up-1,water_depth,cm,60" in said) == (0, True), said
        eventually(lambda: query("SELECT 1 FROM lifeline.sensors WHERE sensor = 'wl-9'"))

        code, said = typed("replay", "--sensor", "wl-9")
        assert (code, "20 rows looked at, 20 taken in: 20 readings stored, 0 known already; 0 rows" in said) == (
            0,
            True,
        ), said
        eventually(lambda: query("SELECT 1 FROM city.alarms WHERE sensor = 'wl-9'"))
        code, said = typed("replay", "--sensor", "wl-9")
        assert "0 rows looked at" in said
    assert query("SELECT count(*), count(DISTINCT time) FROM city.readings WHERE sensor = 'wl-9'") == [(20, 20)]
    alarms = query("SELECT rule, peak_level, raised_at, late FROM city.alarms WHERE sensor = 'wl-9' AND rule = 'depth'")
    assert alarms == [("depth", "red", from_us(start_us + 6 * 60_000_000), True)]
    assert query("SELECT count(*) FROM city.rejections WHERE replayed_at IS NULL") == [(0,)]


def test_show_and_wrong_words(database: str, folder: Path, typed: Callable[..., tuple[int, str]]) -> None:
    from city.load import load_city
    from store import bundle

    with connect(database, autocommit=True) as conn:
        bundle.apply(conn, FILES, load_city(FILES), SystemClock().now())
        BatchWriter(conn, SystemClock()).commit([Delivery(decode(TOPIC, b"\xff{"), 1, b"\xff{", 1, 1)])
    assert typed("show", "1")[1].endswith("payload (2 bytes, hexadecimal): ff 7b\n")
    assert typed("show", "99") == (1, "quarantine: no such row, got 99, try one of `lifeline quarantine list`\n")
    assert typed("list", "--reason", "bad_jsn")[1] == "--reason: not known, got 'bad_jsn', try 'bad_json'\n"
    assert typed("list", "--sensor", "nobody") == (0, "nothing was refused\n")
    code, said = typed("adopt", "wl-8", "--as", "water_depth", "--site", "up-1", "--city", str(folder))
    assert (code, said) == (
        1,
        "quarantine: no reading of such a sensor waits, got 'wl-8', try `lifeline quarantine list`\n",
    )


def test_an_adoption_that_would_be_faulty_writes_nothing(
    database: str, folder: Path, typed: Callable[..., tuple[int, str]]
) -> None:
    from city.load import load_city
    from store import bundle

    reading = {"sensor": "wl-9", "time": 1_782_864_000_000, "value": 1}
    payload = json.dumps({"readings": [reading]}).encode()
    with connect(database, autocommit=True) as conn:
        bundle.apply(conn, FILES, load_city(FILES), SystemClock().now())
        BatchWriter(conn, SystemClock()).commit(
            [Delivery(decode(TOPIC, payload), 1_782_864_000_000_000, payload, 1, 1)]
        )
    words = ("adopt", "wl-9", "--as", "water_depth", "--city", str(folder))
    assert "--interval: cannot be told from what came" in typed(*words, "--site", "up-1")[1]
    code, said = typed(*words, "--site", "up-9", "--interval", "60")
    assert (code, "sensors.csv:5:" in said, "unknown site" in said) == (1, True, True), said
    assert (folder / "sensors.csv").read_text(encoding="utf-8") == FILES["sensors.csv"]


MAPPING = """\
version: 1
topic: acme/+/data
gateway: g{topic.2}
time: {path: $.ts, format: "%d.%m.%Y %H:%M", zone: Asia/Shanghai}
values:
  - {path: $.level, sensor: wl-1, unit: mm, scale: 2}
  - {path: $.extra.*, sensor: "x-{key}"}
"""


def test_a_mapping_is_tried_on_a_sample(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mappings").mkdir()
    file, sample = folder / "mappings" / "acme.yaml", tmp_path / "sample.json"
    file.write_text(MAPPING, encoding="utf-8")
    sample.write_text('{"ts": "01.07.2026 08:00", "level": 81, "extra": {"state": "ok", "rssi": -7}}', encoding="utf-8")
    code = run_command(["mapping", "test", str(file), str(sample), "--topic", "acme/1/data", "--city", str(folder)])
    said = capsys.readouterr().out.splitlines()
    assert code == 1
    assert said[0] == "acme/1/data: gateway g1, its district as registered"
    assert said[1] == "reading  wl-1  2026-07-01T00:00:00+00:00  162 mm  flag 2"
    assert said[2].startswith("reading  x-rssi  2026-07-01T00:00:00+00:00  -7 (unit of the register)")
    assert "refused  x-state  bad_value: text where a number belongs" in said[3]
    assert said[3].endswith('sent: {"key": "state", "value": "ok"}')
    assert "refused  x-rssi  unknown_sensor" in said[4]
    assert said[-1] == "2 readings, 2 refused, 0 paths without a value"

    sample.write_text('{"ts": "01.07.2026 08:00", "level": 81}', encoding="utf-8")
    assert run_command(["mapping", "test", str(file), str(sample)]) == 1
    assert "nothing  at $.extra.*" in capsys.readouterr().out
    file.write_text(MAPPING.split("  - {path: $.extra")[0], encoding="utf-8")
    assert run_command(["mapping", "test", str(file), str(sample)]) == 0
    capsys.readouterr()
    assert run_command(["mapping", "test", str(file), str(sample), "--topic", "b"]) == 1
    assert "--topic: not one of this mapping, got 'b'" in capsys.readouterr().err


def test_a_faulty_mapping_is_a_fault_of_the_city_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mappings").mkdir()
    (folder / "mappings" / "acme.yaml").write_text(MAPPING.replace("unit: mm", "unit: mmm"), encoding="utf-8")
    assert run_command(["check", str(folder)]) == 1
    assert "mappings/acme.yaml:6:41: unknown unit, got 'mmm'" in capsys.readouterr().err
