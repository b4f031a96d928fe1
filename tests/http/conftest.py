"""A small city in a real database, and the real server in front of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
from psycopg.types.json import Jsonb

from city.clock import SystemClock, to_us
from lifeline.http.app import AppSettings
from rules.notify.links import sign
from store import journal
from store.connection import Connection, connect
from tests.running import PATIENCE_S, serving

SECRET = b"0123456789abcdef"


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


class World:
    """Writes what recorder, watcher and engine would."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.now = SystemClock().now().replace(microsecond=0)  # its own: pages tell ages by the clock that goes on

    def run(self, statement: str, *values: object) -> None:
        self.conn.execute(statement, values)

    def ago(self, n: float) -> datetime:
        return self.now - minutes(n)

    def city(self) -> None:
        text = "name: {en: Lakeside, zh: 湖滨市}\ntimezone: Asia/Shanghai\n"
        self.run("INSERT INTO lifeline.bundles VALUES ('b1', %s, %s)", Jsonb({"city.yaml": text}), self.now)
        self.run("INSERT INTO lifeline.current_bundle VALUES (true, 'b1')")
        self.run("INSERT INTO lifeline.districts VALUES ('east', %s)", Jsonb({"en": "East", "zh": "东区"}))
        name = Jsonb({"en": "Renmin Road underpass", "zh": "人民路下穿通道"})
        self.run("INSERT INTO lifeline.sites VALUES ('up-01', 'underpass', %s, 'east', 121.6147, 38.914)", name)
        for gateway, online, ago in (("gw-1", True, 0.1), ("gw-2", False, 30)):
            self.run("INSERT INTO lifeline.gateways VALUES (%s, 'east', '', 30)", gateway)
            self.run(
                "INSERT INTO lifeline.gateway_ledger (gateway, online, last_seen, skew_s, stored, rejected)"
                " VALUES (%s, %s, %s, 1.5, 100, 2)",
                *(gateway, online, self.now - minutes(ago)),
            )
        for sensor, gateway, ago in (("wl-017", "gw-1", 0.2), ("wl-018", "gw-2", 30)):
            self.run(
                "INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat)"
                " VALUES (%s, %s, 'up-01', 'water_depth', 'waterlogging', 'cm', 30, 121.6147, 38.914)",
                *(sensor, gateway),
            )
            self.run(
                "INSERT INTO lifeline.latest SELECT sensor_id, %s, 42.4, 1, %s FROM lifeline.sensors WHERE sensor = %s",
                *(self.now - minutes(ago), self.now - minutes(ago), sensor),
            )
        self.run("SELECT lifeline.prepare_readings(%s, %s)", self.now - minutes(700), self.now)
        for n in range(360):  # three hours of half minutes, with a hole in the middle
            if not 200 < n < 240:
                value, flag = (6 + 36 * max(0, n - 250) / 110, 1) if n % 50 else (90.0, 4 if n % 100 else 3)
                time = self.now - minutes(180 - n / 2)
                self.run(
                    "INSERT INTO lifeline.readings SELECT sensor_id, %s, %s, %s, %s, NULL FROM lifeline.sensors"
                    " WHERE sensor = 'wl-017'",
                    *(flag, time, value, time + minutes(20 if 150 < n < 160 else 0)),
                )

    def incident(self, incident: str = "I-7", level: int = 4, **changes: Any) -> None:  # noqa: ANN401 - any column
        row = {
            "incident": incident,
            "site": "up-01",
            "district": "east",
            "level": level,
            "peak_level": max(level, 1),
            "stage": "raised",
            "opened_at": self.now - minutes(12),
            "title": Jsonb({"en": "Water standing · Renmin Road", "zh": "下穿通道积水 · 人民路"}),
            "first_alarm": f"A-{incident}",
            "chain": "drainage",
            "chain_version": "v",
            **changes,
        }
        self._insert("incidents", row)
        alarm = {
            "alarm": f"A-{incident}",
            "rule": "underpass-depth",
            "rule_version": "v",
            "scope": "wl-017",
            "sensor": "wl-017",
            "site": "up-01",
            "district": "east",
            "domain": "waterlogging",
            "level": level,
            "peak_level": row["peak_level"],
            "condition": "active",
            "raised_at": self.now - minutes(12),
            "incident": incident,
            "title": row["title"],
        }
        self._insert("alarms", alarm)
        seen = {"sensor": "wl-017", "unit": "cm", "value": 41.5, "test": "above 40 cm", "truth": "true", "time_us": 1}
        event = {
            "event": f"{incident}.a", "time": self.now - minutes(12), "recorded_at": self.now - minutes(12),
            "alarm": f"A-{incident}", "kind": "raised", "from_level": 0, "to_level": 4, "from_condition": "normal",
            "to_condition": "active", "reason": "above 40 cm for 1m", "evidence": Jsonb([seen]),
        }  # fmt: skip
        self._insert("alarm_events", event)
        self.event(incident, "opened", "", ago=12)

    def event(self, incident: str, kind: str, actor: str, note: str = "", ago: float = 1.0, event: str = "") -> None:
        key = event or f"{incident}.{kind}.{actor}"
        self._insert(
            "incident_events",
            {
                "event": key,
                "time": self.now - minutes(ago),
                "incident": incident,
                "kind": kind,
                "actor": actor,
                "note": note,
            },
        )

    def notice(self, key: str = "a1b2c3d4", incident: str | None = "I-7", target: str = "li", **changes: Any) -> None:  # noqa: ANN401 - columns
        facts = {
            "what": "下穿通道积水", "where": "人民路下穿通道", "district": "东区", "sensor": "wl-017", "value": 41.5,
            "unit": "cm", "threshold": "above 40 cm", "guidance": "先封闭道路，再抽排。\n禁止涉水通行。",
            "told": ["王伟"], "late": False, "lon": 121.6147, "lat": 38.914, "since": self.now.isoformat(),
        }  # fmt: skip
        names = {"li": "李娜", "wang": "王伟"}
        content = {"subject": "红色", "language": "zh", "facts": facts, "to": {"name": names.get(target, target)}}
        row = {
            "notice": key, "incident": incident, "kind": "raise", "round": 1, "step": 0, "target": target,
            "via": "roster/drainage-duty", "channel": "webhook", "state": "sent", "level": 4,
            "content": Jsonb(content), "created_at": self.now - minutes(11), "next_try_at": self.now,
            "sent_at": self.now - minutes(11), **changes,
        }  # fmt: skip
        self._insert("notices", row)

    def token(self, key: str = "a1b2c3d4", person: str = "li", incident: str = "I-7", days: float = 1.0) -> str:
        return sign(SECRET, key, person, incident, to_us(self.now + timedelta(days=days)))

    def beat(self, role: str, ago_s: float = 0.0, **detail: object) -> None:
        self.run(
            "INSERT INTO lifeline.roles VALUES (%s, 1, now(), now() - %s * interval '1 second', %s, %s)"
            " ON CONFLICT (role) DO UPDATE SET beat_at = excluded.beat_at, detail = excluded.detail",
            *(role, ago_s, self.now, Jsonb(detail)),
        )

    def commands(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(e.payload) for e in journal.read(self.conn, 0, 100) if e.kind == "command"]

    def _insert(self, table: str, row: dict[str, Any]) -> None:
        places = ", ".join(["%s"] * len(row))
        self.run(f"INSERT INTO lifeline.{table} ({', '.join(row)}) VALUES ({places})", *row.values())  # noqa: S608 - our own names


@pytest.fixture
def world(database: str) -> Iterator[World]:
    with connect(database, autocommit=True) as conn:
        made = World(conn)
        made.city()
        yield made


Serve = Callable[..., Any]


@pytest.fixture
def serve(database: str) -> Serve:
    """`with serve() as client:` runs the real server and gives a client of it."""

    @contextmanager
    def opened(base_url: str = "http://localhost", **options: Any) -> Iterator[httpx.Client]:  # noqa: ANN401 - httpx's own
        with (
            serving(AppSettings(database, SECRET, SystemClock(), base_url)) as address,
            httpx.Client(base_url=address, timeout=60, **options) as client,
        ):
            yield client

    return opened


@pytest.fixture
def client(world: World, serve: Serve) -> Iterator[httpx.Client]:
    with serve() as client:
        yield client


@pytest.fixture
def watcher(database: str) -> Iterator[Callable[[str, str], None]]:
    """A stand-in for the watcher: handles each command as told (event kind, note) and moves the checkpoint."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(kind: str, note: str) -> None:
        def work() -> None:
            with connect(database, autocommit=True) as conn:
                done = 0
                while not stop.is_set():
                    for entry in journal.read(conn, done, 10):
                        command = msgspec.json.decode(entry.payload)
                        at = SystemClock().now()
                        with conn.transaction():
                            conn.execute(
                                "INSERT INTO lifeline.incident_events VALUES (%s, %s, %s, %s, %s, %s)",
                                (
                                    f"{entry.seq}.0",
                                    at,
                                    command["incident"],
                                    kind or command["kind"],
                                    command["actor"],
                                    note,
                                ),
                            )
                            if not kind:
                                conn.execute(
                                    "UPDATE lifeline.incidents SET acknowledged = true WHERE incident = %s",
                                    (command["incident"],),
                                )
                            journal.set_checkpoint(conn, "watcher", entry.seq, at)
                        done = entry.seq
                    stop.wait(0.02)

        threads.append(threading.Thread(target=work))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)
