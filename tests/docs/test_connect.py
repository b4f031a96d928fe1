"""docs/connect.md: every example goes through a real broker and the real recorder, and is found as the page says."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import certifi
import pytest

from city.clock import SystemClock
from city.folder import read_folder
from city.load import load_city
from city.tls import NO_FILES, TlsFiles
from ingest.broker import EmbeddedBroker
from ingest.reasons import Reason
from ingest.recorder import RecorderSettings, run_recorder
from lifeline.endpoints import Endpoints
from store import bundle
from store.connection import connect
from tests.docs.devices import modbus, probe, weather
from tests.docs.fenced import ROOT, Fence
from tests.docs.walker import Terminal, missing, steps
from tests.running import eventually, free_port, listens, running
from tests.servers.stage import Stage, start_broker, write_deployment
from tests.servers.timescale import mosquitto_binary

PAGE = "docs/connect.md"
TEXT = (ROOT / PAGE).read_text(encoding="utf-8")
CITY = """name: {en: Testville, zh: 测试市}
timezone: Asia/Shanghai
languages: [en, zh]
districts: [{id: north, name: North}, {id: south, name: South}]
"""
SITE = {
    "type": "Feature", "geometry": {"type": "Point", "coordinates": [121.5, 31.2]},
    "properties": {"id": "up-1", "kind": "underpass", "name": "Up 1", "district": "north"},
}  # fmt: skip
UNITS = {"µε": "um/m", "°C": "Cel"}  # as the page writes them: as the store does
STORED = re.compile(r"`([\w-]+)` ([\d.]+) (\S+?)(?=[,;.]?\s|\.$| \|)")


class Ground:
    """A city of the page, its database, a broker and the recorder; and the reader's terminal in the city folder."""

    def __init__(self, kind: str, database: str, home: Path, kept: ExitStack) -> None:
        self.kind, self.database = kind, database
        self.city, self.data = home / "city", home / "data"
        for folder in (self.city / "mappings", self.data):
            folder.mkdir(parents=True)
        self._lay_out()
        files = read_folder(self.city)
        with connect(database, autocommit=True) as conn:
            bundle.apply(conn, files, load_city(files), datetime(2026, 1, 1, tzinfo=UTC))
        self.url, tls = self._demonstrate(kept) if kind == "demonstration" else self._deploy(home, kept)
        kept.enter_context(running(run_recorder, RecorderSettings(database, self.url, SystemClock(), tls=tls)))
        eventually(lambda: self.ask("SELECT 1 FROM lifeline.roles WHERE (detail->>'connected')::bool"))
        given = {"LIFELINE_DATABASE_URL": database, "LIFELINE_DATA": str(self.data)}
        programs = mosquitto_binary().parents[1] / "bin"
        self.terminal = Terminal(home, programs, **given)
        kept.callback(self.terminal.close)
        self.terminal.run(f"cd {self.city}")

    def _lay_out(self) -> None:
        (self.city / "city.yaml").write_text(CITY, encoding="utf-8")
        sites = {"type": "FeatureCollection", "features": [SITE]}
        (self.city / "sites.geojson").write_text(json.dumps(sites))
        for step in steps(PAGE):
            if isinstance(step, Fence) and re.fullmatch(r"csv \w+\.csv|yaml mappings/\w+\.yaml", step.info):
                (self.city / step.info.split()[1]).write_text(step.text, encoding="utf-8")

    def _demonstrate(self, kept: ExitStack) -> tuple[str, TlsFiles]:
        url = kept.enter_context(EmbeddedBroker(self.data / "broker")).url
        Endpoints(self.database, url, "").write(self.data)
        return url, NO_FILES

    def _deploy(self, home: Path, kept: ExitStack) -> tuple[str, TlsFiles]:
        made = write_deployment(home / "deployment", self.city, "--sparkplug", "gw-plant")
        stage = Stage(made, home / "stage", [mosquitto_binary().parent, mosquitto_binary().parents[1] / "bin"])
        kept.callback(stage.close)
        start_broker(stage)
        for file in (made / "gateways").iterdir():
            here = file.read_text().replace(":8883", f":{stage.ports['broker']}")
            (self.city / file.name).write_text(here)
        authority = shutil.copy(made / "tls" / "ca.crt", self.city)
        url = (made / "secrets" / "recorder_mqtt_url").read_text().strip()
        return re.sub(r"@[^/]*$", f"@localhost:{stage.ports['broker']}", url), TlsFiles(Path(authority))

    def ask(self, sql: str, *given: object) -> list[tuple[Any, ...]]:
        with connect(self.database) as conn:
            return conn.execute(sql.encode(), given).fetchall()

    def until_stored(self, told: str) -> None:
        """Wait for every reading that a piece of the page says is stored."""
        for sensor, value, unit in STORED.findall(told):
            eventually(
                partial(self._is_stored, sensor, UNITS.get(unit, unit), float(value)), partial(self._all, sensor)
            )

    def _is_stored(self, sensor: str, unit: str, value: float) -> bool:
        asks = "SELECT 1 FROM city.readings JOIN city.sensors USING (sensor)"
        asks += " WHERE sensor = %s AND unit = %s AND abs(value - %s) < 1e-9"
        return bool(self.ask(asks, sensor, unit, value))

    def _all(self, sensor: str) -> object:
        stored = self.ask("SELECT sensor, time, value, unit FROM city.readings JOIN city.sensors USING (sensor)")
        return sensor, stored, self.ask("SELECT reason, detail, sensor FROM city.rejections")

    def is_refused(self, reason: str) -> bool:
        return bool(self.ask("SELECT 1 FROM city.rejections WHERE reason = %s", reason))

    def follow(self, step: str | Fence) -> None:
        """Do what one step says; blocks of other grounds are left out."""
        if isinstance(step, str):
            for told in re.findall(r"^Stored: (.*?)(?=\n\n|\Z)", step, re.DOTALL | re.MULTILINE):
                self.until_stored(told)
            return
        kind, _, name = step.info.partition(" ")
        if kind in ("python", "yaml") and not name.startswith("mappings/"):
            (self.city / name).write_text(step.text, encoding="utf-8")
        elif kind == "sh" and name in ("", self.kind):
            code, self.said = self.terminal.run(step.text)
            assert code == 0, f"{step.text}\n{self.said}"
            assert "rror" not in self.said, self.said
        elif kind == "text" and not name:
            assert missing(step.text, self.said) == "", self.said
        elif kind == "sql":
            assert self.ask(step.text)


@pytest.fixture
def home(server_folder: Path) -> Iterator[Path]:
    """A folder that the broker's account can enter."""
    made = Path(tempfile.mkdtemp(prefix="connect-", dir=server_folder))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def kept() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def page() -> tuple[list[str | Fence], list[str | Fence]]:
    """The page's steps before the agent's and after, and the agent's own."""
    found = list(steps(PAGE))
    begins = next(at for at, one in enumerate(found) if isinstance(one, Fence) and one.info == "yaml gateway.yaml")
    ends = next(at for at, one in enumerate(found) if isinstance(one, str) and one.startswith("## Was it taken?"))
    return found[:begins] + found[ends:], found[begins:ends]


def test_every_example_is_taken_on_a_demonstration(database: str, home: Path, kept: ExitStack, mosquitto: Path) -> None:
    ground = Ground("demonstration", database, home, kept)
    for step in page()[0]:
        ground.follow(step)
    assert ground.ask("SELECT reason FROM city.rejections") == []
    assert ground.ask("SELECT count(*) FROM city.readings WHERE sensor = 'st-1'") == [(3,)]
    assert ground.ask("SELECT min(value) FROM city.readings WHERE sensor = 'pump-7-level'") == [(1.2,)]
    assert dict(ground.ask("SELECT gateway, online FROM city.gateways"))["gw-drain"] is True
    unheard = re.findall(r"nobody hears `(\S+)`", TEXT)
    for reason, topic, message in [*(("", topic, "{}") for topic in unheard), *refusals()]:
        now = str(int(SystemClock().now().timestamp() * 1000))
        sent = f"mosquitto_pub -q 1 -L '{ground.url}/{topic}' -m '{message.replace('NOW', now)}'"
        assert ground.terminal.run(sent) == (0, "")
        if reason:
            eventually(partial(ground.is_refused, reason), partial(ground._all, reason))
    told = [reason for reason, *_ in refusals()]
    assert sorted(reason for (reason,) in ground.ask("SELECT reason FROM city.rejections")) == sorted(told)
    assert set(told) <= set(Reason)


def refusals() -> list[tuple[str, str, str]]:
    """The refusals the page shows: reason, topic, message."""
    section = TEXT[TEXT.index("## Usual refusals") :]
    readings = re.findall(r"^\| `(\w+)` \| `(\{.*?\})` \|", section, re.MULTILINE)
    whole = re.findall(r"^\| `(\w+)` \| `(lifeline/\S+)`: `(.*?)` \|", section, re.MULTILINE)
    assert len(readings) + len(whole) == len(re.findall(r"^\| `", section, re.MULTILINE))
    topic = "lifeline/v1/north/gw-drain/readings"
    return [(reason, topic, f'{{"readings": [{one}]}}') for reason, one in readings] + whole


def test_every_example_is_taken_by_a_deployment_s_broker(
    database: str, home: Path, kept: ExitStack, mosquitto: Path
) -> None:
    ground = Ground("deployment", database, home, kept)
    (others, agent), port = page(), str(free_port())
    for step in others:
        ground.follow(step)
    for step in agent:
        if isinstance(step, Fence) and step.info == "yaml gateway.yaml":
            (ground.city / "gateway.yaml").write_text(stand_ins(step.text, ground, kept, port))
        elif isinstance(step, Fence) and step.info == "sh second terminal":
            address = ground.terminal.run("echo $LIFELINE_BROKER")[1].strip()
            ground.terminal.leave_running("agent", step.text.strip(), ground.city, LIFELINE_BROKER=address)
        elif isinstance(step, Fence) and "8090" in step.text:
            posts = step.text.replace("8090", port)
            eventually(partial(listens, int(port)))
            ground.follow(Fence(step.page, step.line, step.info, posts))
        else:
            ground.follow(step)
    sources = TEXT[TEXT.index("| source | says |") : TEXT.index("## Was it taken?")]
    for row in re.findall(r"^\| `\w+` \|.*\|$", sources, re.MULTILINE):
        ground.until_stored(row.rsplit("|", 2)[1])
    assert ground.ask("SELECT reason FROM city.rejections") == []
    assert ground.terminal.interrupt("agent") == 130
    what_goes_wrong(ground)


def what_goes_wrong(ground: Ground) -> None:
    """Each mistake of the page's table, and the words it shows."""
    table = TEXT[TEXT.index("| you see |") : TEXT.index("## Usual refusals")]
    topic, foreign = "/lifeline/v1/north/gw-drain/readings", "/lifeline/v1/north/gw-senml/readings"
    right = ground.terminal.run("as gw-drain; echo $LIFELINE_BROKER")[1].strip()
    wrong, ours = right.replace("gw-drain:", "gw-drain:no"), "--cafile ca.crt"
    for words, options, address in (
        ("Connection Refused: not authorised", ours, wrong + topic),
        ("Not authorized", f"{ours} -V mqttv5", wrong + topic),
        ("A TLS error occurred|Protocol error", f"--cafile {certifi.where()}", right + topic),
        ("The connection was lost", "", right.replace("mqtts:", "mqtt:") + topic),
        ("Connection refused", ours, right.rpartition(":")[0] + f":{free_port()}" + topic),
        ("", ours, right + foreign),
        ("Publish 1 failed: Not authorized", f"{ours} -V mqttv5", right + foreign),
    ):
        said = ground.terminal.run(f"mosquitto_pub -q 1 {options} -L '{address}' -m x")[1]
        assert re.search(words, said), said
        assert bool(words) == bool(said)
        assert not words or all(f"`{one}`" in table for one in words.split("|"))


def stand_ins(text: str, ground: Ground, kept: ExitStack, port: str) -> str:
    """The agent's file, its devices' addresses those of stand-ins on this machine."""
    local = kept.enter_context(EmbeddedBroker(ground.data / "local")).url
    ground.terminal.run(f"""mosquitto_pub -r -q 1 -L {local}/plant/pit/state -m '{{"level": 31.5}}'""")
    ours = {
        "mqtt://127.0.0.1:1883": local, "/dev/ttyUSB0": kept.enter_context(probe()), "192.0.2.17": "127.0.0.1",
        "502": str(kept.enter_context(modbus())), "8081": str(kept.enter_context(weather())), "8090": port,
    }  # fmt: skip
    # In one go: what stands in for one may have another's digits in it.
    return re.sub("|".join(rf"(?<!\w){re.escape(one)}\b" for one in ours), lambda found: ours[found[0]], text)
