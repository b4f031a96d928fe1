"""A small server that answers like Grafana's HTTP API, as far as we use it: see `CONTRACT`."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.running import PATIENCE_S

# What Grafana 11.6 to 13 does at each address we ask, and so does this one; anything else is a 404 and is written down.
CONTRACT = """\
any    any                                       401 without a token it knows; 403 for a token that may not write
any    outside the sub-path                      404
GET    /api/folders/{uid}                        200; 404
POST   /api/folders                              200; 412 when the uid is taken
GET    /api/datasources/uid/{uid}                200, never with secureJsonData; 404
POST   /api/datasources                          200; 409 when the uid is taken
PUT    /api/datasources/uid/{uid}                200, keeps what secureJsonData does not name; 403 when read-only
GET    /api/dashboards/uid/{uid}                 200 with meta; 404
POST   /api/dashboards/db                        200; 412 for an old version without overwrite; 400 when provisioned
DELETE /api/dashboards/uid/{uid}                 200; 404; 400 when provisioned
GET    /api/search                               200: by type, tag and folder, in pages
GET    /api/v1/provisioning/folder/{uid}/rule-groups/{group}   200 with what it adds; 404
PUT    /api/v1/provisioning/folder/{uid}/rule-groups/{group}   200; 409 when the rules come from files"""

WRITER, VIEWER = "good", "viewer"
SILENT = -1
JsonAnswer = tuple[int, Any]


@dataclass
class Mishap:
    """One answer out of the ordinary; `done` carries the request out first.

    Status 0 drops the connection, `SILENT` says nothing until the fake is released.
    """

    status: int
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    done: bool = False


class FakeGrafana:
    """What one Grafana knows and was asked; `mishaps` maps (method, path start) to answers that come first."""

    def __init__(self, sub_path: str = "") -> None:
        self.folders: dict[str, Any] = {}
        self.dashboards: dict[str, Any] = {}
        self.sources: dict[str, Any] = {}
        self.groups: dict[str, Any] = {}
        self.asked: list[str] = []
        self.unheard: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.mishaps: dict[tuple[str, str], list[Mishap]] = {}
        self.sub_path, self.url = sub_path, ""
        self.released = threading.Event()

    def mishap(self, method: str, path: str) -> Mishap | None:
        """What goes wrong with this request."""
        for (failing, start), answers in self.mishaps.items():
            if method == failing and path.startswith(start) and answers:
                return answers.pop(0)
        return None

    def writes(self) -> list[str]:
        """Every request that was not a question."""
        return [line for line in self.asked if not line.startswith("GET")]

    def answer(self, method: str, target: str, body: Any, token: str) -> JsonAnswer:  # noqa: ANN401 - JSON as it came
        """Status and JSON for one request."""
        parts = urlsplit(target)
        if not parts.path.startswith(self.sub_path + "/api/"):
            return 404, "<html>not found</html>"
        if token not in (WRITER, VIEWER):
            return 401, {"message": "Invalid API key"}
        if method != "GET" and token != WRITER:
            return 403, {"message": "You'll need additional permissions to perform this action"}
        path = parts.path.removeprefix(self.sub_path + "/api").strip("/").split("/")
        match method, path:
            case "GET", ["folders", uid]:
                return _known(self.folders, uid)
            case "POST", ["folders"]:
                return self._new(self.folders, body, 412, "the folder has been changed by someone else")
            case "GET", ["datasources", "uid", uid]:
                status, found = _known(self.sources, uid)
                return status, {key: value for key, value in found.items() if key != "secureJsonData"}
            case "POST", ["datasources"]:
                return self._new(self.sources, body, 409, "data source with the same uid already exists")
            case "PUT", ["datasources", "uid", uid]:
                return self._put_source(uid, body)
            case "GET", ["search"]:
                return 200, self._search(parse_qs(parts.query))
            case _, ["dashboards", *rest]:
                return self._boards(method, rest, body)
            case _, ["v1", "provisioning", "folder", _, "rule-groups", name]:
                return self._rules(method, name, body)
        self.unheard.append(f"{method} {parts.path}")
        return 404, {"message": "Not found"}

    def _new(self, shelf: dict[str, Any], body: Any, status: int, message: str) -> JsonAnswer:  # noqa: ANN401 - JSON
        if body["uid"] in shelf:
            return status, {"message": message}
        shelf[body["uid"]] = body | {"id": len(shelf) + 1, "version": 1}
        return 200, {"datasource": body} | body

    def _put_source(self, uid: str, body: Any) -> JsonAnswer:  # noqa: ANN401 - JSON
        if uid not in self.sources:
            return 404, {"message": "Data source not found"}
        if self.sources[uid].get("readOnly"):
            return 403, {"message": "Cannot update read-only data source"}
        self.sources[uid] = self.sources[uid] | body
        return 200, {"datasource": body}

    def _boards(self, method: str, path: list[str], body: Any) -> JsonAnswer:  # noqa: ANN401 - JSON
        match method, path:
            case "GET", ["uid", uid]:
                return _known(self.dashboards, uid)
            case "DELETE", ["uid", uid]:
                if self.dashboards.get(uid, {}).get("meta", {}).get("provisioned"):
                    return 400, {"message": "provisioned dashboard cannot be deleted"}
                return (200, {"title": uid}) if self.dashboards.pop(uid, None) else (404, {"message": "not found"})
            case "POST", ["db"]:
                return self._put_board(body)
        return 404, {"message": "Not found"}

    def _put_board(self, body: Any) -> JsonAnswer:  # noqa: ANN401 - JSON
        uid, standing = body["dashboard"]["uid"], self.dashboards.get(body["dashboard"]["uid"])
        if standing and standing["meta"].get("provisioned"):
            return 400, {"message": "Cannot save provisioned dashboard"}
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        version = standing["dashboard"]["version"] if standing else 0
        if standing and not body.get("overwrite") and body["dashboard"].get("version") != version:
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        url = f"{self.sub_path}/d/{uid}/page"
        kept = body["dashboard"] | {"id": len(self.dashboards) + 1, "version": version + 1}
        self.dashboards[uid] = {"dashboard": kept, "meta": {"folderUid": body["folderUid"], "url": url}}
        return 200, {"uid": uid, "url": url, "status": "success", "version": version + 1}

    def _search(self, asked: dict[str, list[str]]) -> list[Any]:
        rows = [
            {"uid": uid, "title": one["dashboard"].get("title", uid), "type": "dash-db"}
            | {"tags": one["dashboard"].get("tags", []), "folderUid": one["meta"]["folderUid"]}
            for uid, one in sorted(self.dashboards.items())
        ]
        rows = [row for row in rows if set(asked.get("tag", ())) <= set(row["tags"])]
        rows = [row for row in rows if row["folderUid"] in asked.get("folderUIDs", [row["folderUid"]])]
        limit, page = int(asked["limit"][0]), int(asked["page"][0])
        return rows[(page - 1) * limit : page * limit]

    def _rules(self, method: str, name: str, body: Any) -> JsonAnswer:  # noqa: ANN401 - JSON
        if method == "GET":
            return _known(self.groups, name)
        if any(rule.get("provenance") == "file" for rule in self.groups.get(name, {}).get("rules", ())):
            return 409, {"message": "cannot change provenance from 'file' to ''"}
        rules = [one | {"id": n, "updated": "2026-07-01T00:00:00Z"} for n, one in enumerate(body["rules"], 1)]
        self.groups[name] = body | {"rules": rules}
        return 200, self.groups[name]


def _known(shelf: dict[str, Any], uid: str) -> JsonAnswer:
    return (200, shelf[uid]) if uid in shelf else (404, {"message": "not found"})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement
    fake: ClassVar[FakeGrafana]

    def handle_any(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        path = self.path.removeprefix(self.fake.sub_path)
        self.fake.asked.append(f"{self.command} {path}")
        self.fake.headers.append(dict(self.headers.items()))
        wrong = self.fake.mishap(self.command, path)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        status, answer = 200, None
        if wrong is None or wrong.done:
            status, answer = self.fake.answer(self.command, self.path, body, token)
        if wrong is not None:
            if wrong.status <= 0:
                if wrong.status == SILENT:
                    self.fake.released.wait(PATIENCE_S)
                self.close_connection = True
                return
            status, answer = wrong.status, {"message": wrong.message}
        raw = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(answer, str) else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in (wrong.headers if wrong else {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(sub_path: str = "") -> Iterator[FakeGrafana]:
    """A fake Grafana on a loopback port; `WRITER` may write, `VIEWER` may look."""
    fake = FakeGrafana(sub_path)
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}{sub_path}"
    try:
        yield fake
    finally:
        fake.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
