"""A seeded city, a reader's role, and a small server that answers like Grafana."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from city.clock import SystemClock
from store.connection import Connection, connect
from store.testing import drop_database, fresh_database

NOW = SystemClock().now().replace(microsecond=0)  # city.now() stands still at it

SEED = Path(__file__).with_name("seed.sql").read_text(encoding="utf-8")


def run_script(connection: Connection, script: str, now: datetime) -> None:
    """Run statements one by one, each with the parameter `now`."""
    for statement in script.split(";\n"):
        if statement.strip():
            connection.execute(statement.encode(), {"now": now})


@pytest.fixture(scope="module")
def empty_city(postgres_dsn: str) -> Iterator[str]:
    """A migrated database without a city."""
    dsn = fresh_database(postgres_dsn)
    yield dsn
    drop_database(dsn)


@pytest.fixture(scope="module")
def seeded_city(postgres_dsn: str) -> Iterator[str]:
    """A city with two standing incidents, one of them a drill, a closed one, and a gateway that is gone."""
    dsn = fresh_database(postgres_dsn)
    with connect(dsn) as connection:
        run_script(connection, SEED, NOW)
    yield dsn
    with connect(dsn) as connection:
        connection.execute("DROP OWNED BY wall_reader")
        connection.execute("DROP ROLE wall_reader")
    drop_database(dsn)


@pytest.fixture
def now() -> datetime:
    """When the seeded city was seeded."""
    return NOW


@pytest.fixture
def hour() -> timedelta:
    """An hour."""
    return timedelta(hours=1)


class GrafanaDouble:
    """What one Grafana knows and was asked; `fail` maps (method, path start) to a status and message to answer with."""

    def __init__(self) -> None:
        self.folders: dict[str, Any] = {}
        self.dashboards: dict[str, Any] = {}
        self.sources: dict[str, Any] = {}
        self.asked: list[str] = []
        self.fail: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self.url = ""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:  # noqa: ANN401 - JSON as it came
        """Status and JSON for one request."""
        self.asked.append(f"{method} {path}")
        for (failing, start), answers in self.fail.items():
            if method == failing and path.startswith(start) and answers:
                status, message = answers.pop(0)
                return status, {"message": message}
        match method, path.removeprefix("/api").strip("/").split("/"):
            case "GET", ["folders", uid]:
                return self._known(self.folders, uid)
            case "POST", ["folders"]:
                self.folders[body["uid"]] = body
                return 200, body
            case "GET", ["datasources", "uid", uid]:
                return self._known(self.sources, uid)
            case ("POST", ["datasources"]) | ("PUT", ["datasources", "uid", _]):
                self.sources[body["uid"]] = body
                return 200, {"datasource": body}
            case "GET", ["dashboards", "uid", uid]:
                return self._known(self.dashboards, uid)
            case "POST", ["dashboards", "db"]:
                uid = body["dashboard"]["uid"]
                self.dashboards[uid] = {"dashboard": body["dashboard"], "meta": {"folderUid": body["folderUid"]}}
                return 200, {"uid": uid, "url": f"/d/{uid}/wall", "status": "success"}
        return 404, {"message": "Not found"}

    def _known(self, shelf: dict[str, Any], uid: str) -> tuple[int, Any]:
        return (200, shelf[uid]) if uid in shelf else (404, {"message": "not found"})


@pytest.fixture
def grafana() -> Iterator[GrafanaDouble]:
    """A Grafana double on a loopback port; its token is `good`."""
    double = GrafanaDouble()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_double: ClassVar[GrafanaDouble] = double

        def handle_any(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            if self.headers.get("Authorization") == "Bearer good":
                status, answer = double.answer(self.command, self.path, body)
            else:
                status, answer = 401, {"message": "Invalid API key"}
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_port}"
    yield double
    server.shutdown()
    thread.join()
    server.server_close()
