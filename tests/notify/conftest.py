"""An outbox with incidents and notices in it, and an endpoint that does as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from city.levels import Level
from store.connection import Connection, connect

T0 = datetime(2026, 7, 1, 8, tzinfo=UTC)

FACTS = {
    "what": "Water standing in an underpass",
    "where": "Renmin Road underpass",
    "district": "East",
    "site": "up-01",
    "lon": 121.6147,
    "lat": 38.914,
    "since": "2026-07-01T07:58:00+00:00",
    "cleared": None,
    "timezone": "Asia/Shanghai",
    "level": "red",
    "peak_level": "red",
    "sensor": "wl-017",
    "value": 42.0,
    "unit": "cm",
    "threshold": "above 40 cm",
    "late": False,
    "guidance": "Close the road first.",
    "evidence": [
        {"sensor": "wl-017", "quantity": "water_depth", "unit": "cm", "value": 42.0, "flag": 1,
         "time_us": 1782892680000000, "time": "2026-07-01T07:58:00+00:00", "test": "above 40 cm", "truth": "true"},
    ],
    "alarms": 2,
    "told": ["Wang"],
}  # fmt: skip


class Outbox:
    """Writes rows as the engine would."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn

    def incident(self, incident: str = "I-1", stage: str = "raised") -> None:
        self.conn.execute(
            "INSERT INTO lifeline.incidents VALUES (%s, 'up-01', 'd1', 4, 4, %s, false, %s, NULL, %s, 'A-1', 'c', 'v')"
            " ON CONFLICT DO NOTHING",
            (incident, stage, T0, Jsonb({"en": FACTS["what"]})),
        )

    def notice(self, key: str, **changes: Any) -> None:  # noqa: ANN401 - any column may be given
        row = {
            "notice": key,
            "incident": "I-1",
            "kind": "raise",
            "round": 0,
            "step": 0,
            "target": "li",
            "via": "person/li",
            "channel": "webhook",
            "state": "queued",
            "level": Level.RED,
            "created_at": T0,
            "late": False,
            "drill": False,
            **changes,
        }
        content = {"subject": "s", "text": "t", "language": "en", "facts": FACTS, "incident": "I-1", "fallback": []}
        row["content"] = Jsonb(
            {
                **content,
                "settings": {name: {"type": "webhook"} for name in ("webhook", "spare", "other")},
                **row.get("content", {}),
            }
        )
        row.setdefault("next_try_at", row["created_at"])
        if row["incident"]:
            self.incident(row["incident"])
        names, places = ", ".join(row), ", ".join(["%s"] * len(row))
        self.conn.execute(f"INSERT INTO lifeline.notices ({names}) VALUES ({places})", list(row.values()))  # noqa: S608 - our own names

    def sensor(self, name: str, readings: Sequence[tuple[datetime, float]]) -> None:
        """A sensor of the register, in centimetres once a minute, with readings."""
        self.conn.execute("INSERT INTO lifeline.districts (district, name) VALUES ('d1', '{}') ON CONFLICT DO NOTHING")
        self.conn.execute(
            "INSERT INTO lifeline.sites (site, kind, name, district, lon, lat)"
            " VALUES ('up-01', 'underpass', '{}', 'd1', 121.6, 38.9) ON CONFLICT DO NOTHING"
        )
        self.conn.execute(
            "INSERT INTO lifeline.gateways (gateway, district, interval_s) VALUES ('gw', 'd1', 60)"
            " ON CONFLICT DO NOTHING"
        )
        self.conn.execute(
            "INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat)"
            " VALUES (%s, 'gw', 'up-01', 'water_depth', 'waterlogging', 'cm', 60, 121.6, 38.9)",
            (name,),
        )
        self.conn.execute("SELECT lifeline.prepare_readings(%s, %s)", (readings[0][0], readings[-1][0]))
        with self.conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO lifeline.readings (sensor_id, flag, time, value, received_at, raw)"
                " SELECT sensor_id, 1, %s, %s, %s, %s FROM lifeline.sensors WHERE sensor = %s",
                [(at, value, at, value, name) for at, value in readings],
            )

    def state(self, key: str) -> tuple[str, int, str]:
        row = self.conn.execute(
            "SELECT state, attempts, answer FROM lifeline.notices WHERE notice = %s", (key,)
        ).fetchone()
        assert row is not None
        return row[0], row[1], row[2]

    def rows(self) -> list[tuple[str, str, str]]:
        """(channel, kind, state) of every notice, oldest first."""
        query = "SELECT channel, kind, state FROM lifeline.notices ORDER BY created_at, kind DESC, channel DESC"
        return self.conn.execute(query).fetchall()

    def content(self, key: str) -> Mapping[str, Any]:
        row = self.conn.execute("SELECT content FROM lifeline.notices WHERE notice = %s", (key,)).fetchone()
        assert row is not None
        return dict(row[0])


@pytest.fixture
def outbox(database: str) -> Iterator[Outbox]:
    with connect(database, autocommit=True) as conn:
        yield Outbox(conn)


@pytest.fixture
def other(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A second connection: another notifier's."""
    with connect(database, autocommit=True) as conn:
        yield conn


class Endpoint:
    """Answers with the statuses in `plan` in turn (the last for ever) and keeps the bodies."""

    def __init__(self) -> None:
        self.plan = [200]
        self.seen = list[tuple[str, bytes]]()
        self.arrived = threading.Condition()
        end = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with end.arrived:
                    end.seen.append((self.headers["Idempotency-Key"], body))
                    status = end.plan.pop(0) if len(end.plan) > 1 else end.plan[0]
                    end.arrived.notify_all()
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"

    def wait(self, count: int, timeout_s: float = 60.0) -> None:
        """Until `count` requests have come."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.seen) >= count, timeout_s), self.seen


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    made = Endpoint()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def t0() -> datetime:
    return T0


@pytest.fixture
def a_minute() -> timedelta:
    return timedelta(minutes=1)
