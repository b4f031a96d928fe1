"""The closed loop on the real program, as people live it: readings, red incident, notice, crew page, report, closing.

`lifeline run` plays itself: broker and every role, on a database of either tier, with nothing but a log-in that appends
and cannot rewrite. The test is whoever stands around it: a gateway, the phone that is called, a crew with a browser, a
viewer, operators of two districts.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from city.broker_address import BrokerAddress
from city.clock import SystemClock
from lifeline import endpoints
from lifeline.cli import run_command
from lifeline.endpoints import Endpoints
from lifeline.ports import kept_port
from store import grants
from store.connection import connect
from store.testing import drop_database, fresh_database
from tests.notify.wires import WebEnd, answering, web
from tests.running import PATIENCE_S, eventually

ROOT = Path(__file__).parents[2]
WALL = SystemClock()
PASSWORD, SECRET = "correct horse battery", b"a secret of the phone"
CITY = {
    "city.yaml": """
name: {en: Loop City, zh: 环城}
timezone: Asia/Shanghai
languages: [en, zh]
districts: [{id: north, name: North}, {id: south, name: South}]
""",
    "sites.geojson": json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "geometry": {"type": "Point", "coordinates": [lon, 32.15]},
                    "properties": {"id": site, "kind": "underpass", "district": district, "name": site.title()},
                }
                for site, lon, district in (
                    ("mill", 118.050, "north"),
                    ("weir", 118.051, "north"),
                    ("far", 118.2, "south"),
                )
            ],
        }
    ),
    "gateways.csv": "gateway,district,interval_s\ngw-n,north,60\ngw-s,south,60\n",
    "sensors.csv": "sensor,gateway,site,quantity,unit,interval_s\n"
    "wl-mill,gw-n,mill,water_depth,cm,60\nwl-weir,gw-n,weir,water_depth,cm,60\nwl-far,gw-s,far,water_depth,cm,60\n",
    "rules/depth.yaml": """
version: 1
rules:
  - id: depth
    title: {en: Water standing in an underpass, zh: 下穿通道积水}
    watch: {quantity: water_depth, site_kind: underpass}
    ladder:
      red: {above: 40 cm, for: 0s}
      yellow: {above: 15 cm, for: 0s}
    clear_after: 1s
    stale_after: 30m
    escalate: water
    guidance: {en: Close the road., zh: 封闭道路。}
    source: {text: made up, status: site}
""",
    "escalation.yaml": """
people:
  li: {name: {en: Li Na, zh: 李娜}, language: zh, webhook: "http://127.0.0.1:PORT/li"}
channels:
  phone: {type: webhook, secret_env: LOOP_SECRET}
chains:
  water: {steps: [{notify: person/li, via: [phone]}]}
clocks:
  red: {acknowledge: 3m, confirm: 5m, dispatch: 10m, on_site: 30m}
""",
}


@contextmanager
def running(data: Path, city: Path) -> Iterator[Endpoints]:
    """`lifeline run` as an administrator starts it, until its Ctrl-C."""
    kept_port(data / "http.port")  # one of its own: another test's system may begin at this moment
    words = ["run", "--data", str(data), "--city", str(city)]
    with (data / "screen.log").open("wb") as screen:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [sys.executable, "-m", "lifeline", *words], cwd=ROOT, stdout=screen, stderr=screen
        )
    try:
        yield eventually(lambda: endpoints.read(data))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 130, (data / "screen.log").read_text()
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)


class Web:
    """Somebody's browser: cookies, and the word that its forms carry. Signs in at once."""

    def __init__(self, found: Endpoints, name: str, kept: ExitStack) -> None:
        self._origin = found.http
        self.client = kept.enter_context(httpx.Client(base_url=found.http, timeout=PATIENCE_S))
        answer = self.client.post("/login", data={"name": name, "password": PASSWORD}, headers={"Origin": found.http})
        assert answer.status_code == 303
        self._word = re.findall(r'name="csrf" value="([^"]+)"', self.client.get("/").text)[0]

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def say(self, incident: str, kind: str, note: str, version: str) -> httpx.Response:
        headers = {"If-Match": version, "X-CSRF-Token": self._word, "Origin": self._origin}
        path = f"/api/v1/incidents/{incident}/commands"
        return self.client.post(path, json={"kind": kind, "note": note}, headers=headers)


def publish(found: Endpoints, district: str, gateway: str, **values: float) -> None:
    """A gateway's readings of now, confirmed by the broker."""
    address = BrokerAddress.of(found.mqtt)
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(address.username, address.password)
    client.connect(address.host, address.port)
    client.loop_start()
    now = WALL.now().isoformat()
    readings = [{"sensor": f"wl-{name}", "time": now, "value": value} for name, value in values.items()]
    topic = f"lifeline/v1/{district}/{gateway}/readings"
    client.publish(topic, json.dumps({"readings": readings}), 1).wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def calls(phone: WebEnd, level: str) -> list[dict[str, Any]]:
    """What the phone was told at a level; each signed, and with its key."""
    found = []
    for headers, body, _ in list(phone.seen):
        said = dict(part.split("=") for part in headers["lifeline-signature"].split(","))
        assert hmac.compare_digest(hmac.new(SECRET, said["t"].encode() + b"." + body, "sha256").hexdigest(), said["v1"])
        told = json.loads(body)
        assert headers["idempotency-key"] == told["notice"]
        found += [told] if (told["kind"], told["level"]) == ("raise", level) else []
    return found


def tap(crew: httpx.Client, link: str, kind: str, note: str = "") -> str:
    """A button of the crew page, as a browser without scripts presses it; the page that answers."""
    mark = re.findall(r'name="mark" value="([^"]+)"', crew.get(link).text)[0]
    origin = str(crew.base_url).rstrip("/")
    answer = crew.post(link, data={"mark": mark, "kind": kind, "note": note}, headers={"Origin": origin})
    assert answer.status_code == 200
    return answer.text


@pytest.fixture
def phone() -> Iterator[WebEnd]:
    with web(answering(200)) as end:
        yield end


@pytest.fixture(params=["postgres_dsn", "timescale_dsn"])
def owner(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of its own, as its owner sees it."""
    dsn = fresh_database(request.getfixturevalue(request.param))
    yield dsn
    drop_database(dsn)


@pytest.fixture
def loop(owner: str, data: Path, phone: WebEnd, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoints]:
    """The program over the city, as a log-in that cannot rewrite history, with five accounts."""
    with connect(owner, autocommit=True) as conn:
        writer = grants.grant_writer(conn, f"loop_{secrets.token_hex(4)}")
    monkeypatch.setenv("LIFELINE_DATABASE_URL", grants.dsn_of(owner, writer))
    city = data / "city"
    for name, text in CITY.items():
        (city / name).parent.mkdir(parents=True, exist_ok=True)
        (city / name).write_text(text.replace("PORT", str(phone.port)))
    monkeypatch.setenv("LOOP_SECRET", SECRET.decode())
    word = data / "password"
    word.write_text(PASSWORD)
    with running(data, city) as found:
        for name, role, *more in (
            ("root", "admin"),
            ("viewer", "viewer"),
            ("crew-n", "operator", "--district", "north", "--person", "li"),
            ("desk-n", "operator", "--district", "north"),
            ("desk-s", "operator", "--district", "south"),
        ):
            words = ["accounts", "add", name, "--role", role, *more, "--password-file", str(word), "--data", str(data)]
            assert run_command(words) == 0
        yield found


@pytest.fixture
def kept() -> Iterator[ExitStack]:
    with ExitStack() as kept:
        yield kept


def test_from_readings_to_a_closed_incident(
    loop: Endpoints, owner: str, phone: WebEnd, data: Path, kept: ExitStack
) -> None:
    publish(loop, "north", "gw-n", mill=0.0, weir=0.0)
    publish(loop, "north", "gw-n", mill=20.0)
    first = eventually(lambda: calls(phone, "yellow"))[0]
    incident, path = first["incident"], f"/api/v1/incidents/{first['incident']}"
    desk = Web(loop, "desk-n", kept)
    seen = desk.get(path).headers["ETag"]
    assert desk.say(incident, "acknowledge", "on the camera", seen).json()["state"] == "done"
    publish(loop, "north", "gw-n", weir=50.0)
    red = eventually(lambda: calls(phone, "red"))[0]  # acknowledged, and called all the same
    assert (red["incident"], "50 cm" in red["text"], "封闭道路" in red["text"]) == (incident, True, True)
    assert desk.say(incident, "confirm", "", seen).status_code == 412
    now = desk.get(path).json()
    assert (now["level"], now["acknowledged"], len(now["alarms"])) == ("red", False, 2)
    assert now["first_alarm"] == next(alarm["alarm"] for alarm in now["alarms"] if alarm["sensor"] == "wl-mill")

    viewer, south = Web(loop, "viewer", kept), Web(loop, "desk-s", kept)
    assert viewer.get(f"/incidents/{incident}").status_code == 200
    assert viewer.say(incident, "confirm", "", "*").status_code == 403
    for blind in (path, f"{path}/events", f"/incidents/{incident}"):
        assert south.get(blind).status_code == 404
    for blind in ("/", "/api/v1/incidents", "/api/v1/alarms", "/api/v1/notices"):
        assert incident in desk.get(blind).text
        assert incident not in south.get(blind).text
    assert south.say(incident, "confirm", "", "*").status_code == 404

    crew = kept.enter_context(httpx.Client(base_url=loop.http, timeout=PATIENCE_S, follow_redirects=True))
    assert crew.get(red["link"][:-4] + "AAAA").status_code == 403
    for kind in ("acknowledge", "dispatch", "on_site"):
        assert "已记录" in tap(crew, red["link"], kind)
    assert "已记录" in tap(crew, red["link"], "report", "pumped out 已排干")
    (call,) = [notice for notice in desk.get(path).json()["notices"] if notice["notice"] == red["notice"]]
    assert (call["state"], call["delivered_how"]) == ("delivered", "opened")

    for _ in range(3):  # the first after such a step is doubted, and what is doubted clears nothing
        publish(loop, "north", "gw-n", mill=0.0, weir=0.0)
        WALL.pause_s(1.1)  # what `clear_after` asks of the readings' own time
    eventually(lambda: desk.get(path).json()["level"] == "none")
    seen = desk.get(path).headers["ETag"]
    refused = Web(loop, "crew-n", kept).say(incident, "close", "all done", seen).json()
    assert refused["state"] == "refused", refused
    closed = desk.say(incident, "close", "", seen).json()
    assert (closed["state"], closed["incident"]["stage"]) == ("done", "closed")
    assert desk.say(incident, "close", "", "*").json()["state"] == "refused"

    assert run_command(["audit", "verify", "--data", str(data)]) == 0
    done = {row["action"] for row in Web(loop, "root", kept).get(f"/api/v1/audit?incident={incident}").json()["items"]}
    assert done >= {f"command.{kind}" for kind in ("acknowledge", "dispatch", "on_site", "report", "close")}
    healthy = "SELECT name, advice FROM city.health WHERE name LIKE 'role_%' AND state <> 'ok'"
    with psycopg.connect(loop.database, autocommit=True) as conn:
        eventually(lambda: not conn.execute(healthy).fetchall())
        for forged in ("UPDATE lifeline.audit SET actor = 'somebody'", "DELETE FROM lifeline.alarm_events"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(forged)
    with psycopg.connect(owner, autocommit=True) as conn:
        conn.execute("ALTER TABLE lifeline.audit DISABLE TRIGGER ALL")
        conn.execute("UPDATE lifeline.audit SET actor = 'somebody' WHERE action = 'command.report'")
    assert run_command(["audit", "verify", "--data", str(data)]) == 1
