"""A small city that runs for real, a crew that answers, and gateways that go on sending meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from city.broker_address import BrokerAddress
from city.clock import Clock, from_us
from lifeline.crew import _Forms
from store.connection import connect
from tests.rules.small_city import FILES
from tests.running import PATIENCE_S

SPEED = 60.0
FLOOD = """
version: 1
title: {en: Flood at the mill, zh: 磨坊积水}
interval: 30s
series:
  - {sensor: wl-1, unit: cm, values: "0x2 50x9 0"}
for: 4h
expect:
  alarms: {depth/wl-1: red}
  told: 3h
  acknowledged: 3h
  on_site: 1s
"""


def city(crew_url: str) -> dict[str, str]:
    """The small city, its people's phones at `crew_url`, with a drill."""
    escalation = FILES["escalation.yaml"].replace("http://127.0.0.1:9", crew_url).replace(", secret_env: X", "")
    shift = '{person: li, days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00"}'
    assert shift in escalation  # the clock on the wall must not choose who answers
    always = '{person: bo, days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}'
    escalation = escalation.replace(shift, always)
    depth = FILES["rules/depth.yaml"].replace("clear_after: 10m", "clear_after: 2m")
    # a minute passes in a second: a machine that stops for five must not make a gateway silent
    platform = FILES["rules/platform.yaml"].replace("silent: 5m", "silent: 12h").replace("silent: 10m", "silent: 12h")
    return {
        **FILES, "escalation.yaml": escalation, "rules/depth.yaml": depth, "rules/platform.yaml": platform,
        "drills/flood.yaml": FLOOD,
    }  # fmt: skip


def query(dsn: str, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with connect(dsn) as conn:
        return conn.execute(sql.encode(), values or None).fetchall()


@dataclass
class Phones:
    """Everybody's webhook: remembers what comes, and opens the links to tap what it is told to."""

    notices: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def tap(self, link: str, kind: str, note: str = "") -> str:
        """Open a notice's page and press a button; what the page then says. Empty: there is no such button."""
        with httpx.Client(timeout=60, follow_redirects=True) as web:
            page = web.get(link)
            reader = _Forms()
            reader.feed(page.text)
            for action, fields, buttons in reader.forms:
                for name, value in buttons:
                    if value == kind:
                        said = {**fields, name: value, **({"note": note} if note else {})}
                        origin = f"{page.url.scheme}://{page.url.netloc.decode()}"
                        return web.post(urljoin(str(page.url), action), data=said, headers={"Origin": origin}).text
        return ""

    def of(self, person: str) -> list[dict[str, Any]]:
        return [notice for notice in self.notices if notice["to"] == person]


@contextmanager
def phones() -> Iterator[Phones]:
    made = Phones()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if body["notice"] not in {notice["notice"] for notice in made.notices}:
                made.notices.append(body)
            self.send_response(204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    server.server_close()


class Gateways:
    """Real gateways: every sensor's reading every `every_s` of city time, in a thread."""

    def __init__(self, url: str, clock: Clock, values: Mapping[str, tuple[str, float]], every_s: float = 30.0) -> None:
        address = BrokerAddress.of(url)
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.username_pw_set(address.username, address.password)
        self.client.connect(address.host, address.port)
        self.clock, self.values, self.every_s, self.sent = clock, dict(values), every_s, dict[tuple[str, int], float]()
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self) -> Gateways:
        self.client.loop_start()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join()
        self.client.disconnect()
        self.client.loop_stop()

    def _run(self) -> None:
        while not self.stop.is_set():
            at_ms = self.clock.now_us() // 1000
            for sensor, (gateway, value) in self.values.items():
                reading = {"sensor": sensor, "time": at_ms, "value": value, "flag": 1}
                topic = f"lifeline/v1/north/{gateway}/readings"
                self.client.publish(topic, json.dumps({"readings": [reading]}), qos=1).wait_for_publish(PATIENCE_S)
                self.sent[sensor, at_ms] = value
            self.clock.pause_s(self.every_s, self.stop)


def times(sent: Mapping[tuple[str, int], float]) -> set[tuple[Any, ...]]:
    """What was sent, as rows of `city.readings`."""
    return {(sensor, from_us(at_ms * 1000), value) for (sensor, at_ms), value in sent.items()}


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder
