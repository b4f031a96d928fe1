"""Node-RED on the same broker, load and database server, as people usually join the two, and tuned.

The usual flow: MQTT in (QoS 1), a json node, a function that builds one `INSERT … VALUES ($1, $2, $3), …` of each
message, and a PostgreSQL node of the palette that sends it, with the settings it comes with. By hand, a function sends
the same statement itself, through the package `pg` and its default pool (10 connections): that spares it the node's
work. The tuned one joins 100 messages (or those of half a second) into one statement of `unnest`. All acknowledge a
message before its rows are committed, and store neither flags nor arrival; the table has the same key.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from psycopg.conninfo import conninfo_to_dict

from bench.ingestload import Blaster, Messages, Shape, forget
from bench.ingestsystem import await_end, await_true
from bench.machine import usage
from city.broker_address import BrokerAddress
from city.clock import SystemClock, stopwatch_s
from city.errors import InputError, OutsideError
from store.child import die_with_parent
from store.connection import Connection, connect
from store.testing import drop_database, fresh_database

_CLIENT = "bench-node-red"
_PALETTE = "node-red-contrib-postgrestor-next"
PACKAGES = ("node-red", "pg", _PALETTE)
_PATIENCE_S = 300.0
_TABLE = """\
CREATE TABLE public.node_red (
    sensor text NOT NULL, time timestamptz NOT NULL, value float8 NOT NULL, PRIMARY KEY (sensor, time))"""
_POOL = "context.set('pool', new (global.get('pg').Pool)({connectionString: global.get('dsn')}));"
_BUILD = """\
const rows = msg.payload.readings;
const places = rows.map((_, n) => `($${3 * n + 1}, $${3 * n + 2}, $${3 * n + 3})`);
msg.query =
  'INSERT INTO public.node_red (sensor, time, value) VALUES ' + places.join(', ') + ' ON CONFLICT DO NOTHING';
msg.params = rows.flatMap(r => [r.sensor, new Date(r.time), r.value]);
"""
_UNNEST = """\
const rows = msg.payload.flatMap(one => one.readings);
await context.get('pool').query(
  'INSERT INTO public.node_red (sensor, time, value) SELECT s, to_timestamp(t), v '
  + 'FROM unnest($1::text[], $2::float8[], $3::float8[]) AS r (s, t, v) ON CONFLICT DO NOTHING',
  [rows.map(r => r.sensor), rows.map(r => r.time / 1000), rows.map(r => r.value)]);
"""


class Flow(NamedTuple):
    """How messages become rows: what MQTT in gives (`datatype`), and the nodes after it."""

    name: str
    datatype: str
    nodes: tuple[Mapping[str, object], ...]


def _function(code: str, *, pool: bool = False) -> Mapping[str, object]:
    return {
        "type": "function", "func": code, "initialize": _POOL if pool else "", "finalize": "", "outputs": 1, "libs": [],
    }  # fmt: skip


_JSON = {"type": "json", "property": "payload", "action": ""}
_JOIN = {
    "type": "join", "mode": "custom", "build": "array", "property": "payload", "propertyType": "msg", "count": "100",
    "timeout": "0.5", "accumulate": False, "useparts": False, "key": "topic", "joiner": "", "joinerType": "str",
}  # fmt: skip
_SEND = "await context.get('pool').query(msg.query, msg.params);"
_NODE = {"type": "postgrestor", "query": "{{{msg.query}}}", "postgresDB": "database", "throwErrors": True, "outputs": 1}
USUAL = Flow("usual", "utf8", (_JSON, _function(_BUILD + "return msg;"), _NODE))
FLOWS = (
    USUAL,
    Flow("by hand", "utf8", (_JSON, _function(_BUILD + _SEND, pool=True))),
    Flow("tuned", "json", (_JOIN, _function(_UNNEST, pool=True))),
)


@dataclass(frozen=True, slots=True)
class NodeRed:
    """A backlog through one of its flows: rows/s from the first that was seen to the last, memory, what was lost."""

    flow: str
    shape: str
    version: str
    per_s: float
    peak_mib: float
    lost: int


@dataclass(frozen=True, slots=True)
class Beside:
    """One of its drains, and the recorder's of the same backlog right after it."""

    theirs: NodeRed
    per_s: float
    peak_mib: float | None

    @property
    def times(self) -> float:
        """How many times its rate the recorder reaches."""
        return self.per_s / self.theirs.per_s

    @property
    def of_memory(self) -> float | None:
        """The share of its memory that the recorder takes."""
        return None if self.peak_mib is None else self.peak_mib / self.theirs.peak_mib


def find(folder: Path | None) -> Path | None:
    """The folder whose `node_modules` hold Node-RED and what its flows need; None when none is named.

    Raises
    ------
    InputError
        When they are not there, or no `node` is on the PATH.
    """
    if folder is None:
        return None
    modules = folder / "node_modules"
    missing = [f"no {name} in {modules}" for name in PACKAGES if not (modules / name).is_dir()]
    tries = [f"`npm install {' '.join(PACKAGES)}` in {folder}"] if missing else []
    if shutil.which("node") is None:
        missing.append("no program `node` on the PATH")
        tries.insert(0, "installing Node.js")
    if missing:
        raise InputError(f"--node-red: {', '.join(missing)}; try {', then '.join(tries)}")
    return folder


def drain(
    modules: Path, server_dsn: str, mqtt_url: str, folder: Path, flow: Flow, shape: Shape, messages: Messages
) -> NodeRed:
    """A backlog that waits for Node-RED at the broker, until its last row is there (or none came for a while)."""
    home = folder / f"node-red-{flow.name}-{shape.readings}"
    dsn = fresh_database(server_dsn)
    try:
        with connect(dsn, autocommit=True, application_name="lifeline bench") as conn:
            conn.execute(_TABLE)
            _write_home(home, modules, dsn, flow, mqtt_url)
            with _running(home, modules), Blaster(mqtt_url) as blaster:  # the broker keeps its session from now on
                await_true(lambda: b"Connected to broker" in (home / "log").read_bytes(), "Node-RED does not connect")
                SystemClock().pause_s(1.0)  # it says nothing of its subscription
                blaster.publish(messages.take(1))
                blaster.drain()
                await_true(lambda: _rows(conn) == shape.readings, f"Node-RED takes no message: {_said(home)}")
            with Blaster(mqtt_url) as blaster:
                blaster.publish(messages.take(shape.messages))
                blaster.drain()
            with _running(home, modules) as process:
                total = (shape.messages + 1) * shape.readings
                per_s, rows = _rate(conn, shape.readings, total, home)
                used = usage(process.pid)
                if used is None or not used.peak_mib:
                    raise OutsideError(f"Node-RED ended by itself: {_said(home)}")
    finally:
        forget(mqtt_url, _CLIENT)
        drop_database(dsn)
    version = str(json.loads((modules / "node_modules" / "node-red" / "package.json").read_text())["version"])
    return NodeRed(flow.name, shape.name, version, per_s, used.peak_mib, total - rows)


def _write_home(home: Path, modules: Path, dsn: str, flow: Flow, mqtt_url: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "node_modules").unlink(missing_ok=True)
    (home / "node_modules").symlink_to((modules / "node_modules").resolve())
    (home / "flows.json").write_text(json.dumps(_nodes(flow, mqtt_url, dsn)))
    palette = json.dumps(str((modules / "node_modules" / _PALETTE).resolve()))
    (home / "settings.js").write_text(
        f"module.exports = {{nodesDir: {palette}, "
        "flowFile: 'flows.json', httpAdminRoot: false, httpNodeRoot: false, uiHost: '127.0.0.1', "
        "uiPort: 0, telemetry: {enabled: false}, logging: {console: {level: 'info'}}, "
        f"functionGlobalContext: {{pg: require('pg'), dsn: {json.dumps(_address(dsn))}}}}};\n"
    )
    (home / "settings.js").chmod(0o600)


def _address(dsn: str) -> str:
    parts = conninfo_to_dict(dsn)
    return "postgresql://{user}:{password}@{host}:{port}/{dbname}".format_map(parts)


def _nodes(flow: Flow, mqtt_url: str, dsn: str) -> list[dict[str, object]]:
    address = BrokerAddress.of(mqtt_url)
    broker = {
        "id": "broker", "type": "mqtt-broker", "name": "", "broker": address.host, "port": str(address.port),
        "clientid": _CLIENT, "autoConnect": True, "usetls": False, "protocolVersion": "4", "keepalive": "60",
        "cleansession": False, "autoUnsubscribe": False,
    }  # fmt: skip
    hear = {
        "id": "hear", "type": "mqtt in", "z": "tab", "topic": "lifeline/v1/+/+/readings", "qos": "1",
        "datatype": flow.datatype, "broker": "broker", "inputs": 0, "wires": [["step-0"]],
    }  # fmt: skip
    nodes = [
        {
            "id": f"step-{at}",
            "z": "tab",
            "x": 0,
            "y": 0,
            "wires": [[f"step-{at + 1}"][: at + 1 < len(flow.nodes)]],
            **node,
        }
        for at, node in enumerate(flow.nodes)
    ]
    return [{"id": "tab", "type": "tab", "label": flow.name}, broker, _database(dsn), hear, *nodes]


def _database(dsn: str) -> dict[str, object]:
    """The palette node's connection, with its own defaults."""
    parts = conninfo_to_dict(dsn)
    text = {"host": parts["host"], "database": parts["dbname"], "user": parts["user"], "password": parts["password"]}
    number = {"port": parts["port"], "max": 10, "min": 1, "idle": 1000, "connectionTimeout": 10000}
    kinds = {**dict.fromkeys(text, "str"), **dict.fromkeys(number, "num"), "ssl": "bool"}
    types = {f"{name}FieldType": kind for name, kind in kinds.items()}
    return {"id": "database", "type": "postgresDB", "name": "", "ssl": "false", **text, **number, **types}


@contextmanager
def _running(home: Path, modules: Path) -> Iterator[subprocess.Popen[bytes]]:
    program = modules / "node_modules" / "node-red" / "red.js"
    command = ["node", str(program.resolve()), "--userDir", str(home), "--settings", str(home / "settings.js")]
    surroundings = {**os.environ, "NODE_ENV": "production"}
    with (home / "log").open("wb") as said:
        process = subprocess.Popen(  # noqa: S603 - the program that the user named
            command, stdout=said, stderr=said, env=surroundings, preexec_fn=die_with_parent()
        )
    try:
        yield process
    finally:
        process.terminate()
        await_end(process)


def _rows(conn: Connection) -> int:
    row = conn.execute("SELECT count(*) FROM public.node_red").fetchone()
    return int(row[0]) if row else 0


def _rate(conn: Connection, before: int, total: int, home: Path) -> tuple[float, int]:
    """Rows/s from the first that is seen to the last, and how many there are in the end."""
    clock, end_s = SystemClock(), stopwatch_s() + _PATIENCE_S
    while (first := _rows(conn)) <= before:
        if stopwatch_s() > end_s:
            raise OutsideError(f"Node-RED takes no message: {_said(home)}")
        clock.pause_s(0.02)
    began_s = news_s = stopwatch_s()
    rows = first
    while rows < total and stopwatch_s() - news_s < 20.0:
        clock.pause_s(0.2)
        if (now := _rows(conn)) > rows:
            rows, news_s = now, stopwatch_s()
    if rows == first:
        raise OutsideError(f"Node-RED wrote nothing after what was seen first: {_said(home)}")
    return (rows - first) / max(news_s - began_s, 1e-3), rows


def _said(home: Path) -> str:
    """The end of its log."""
    return (home / "log").read_text(encoding="utf-8", errors="replace")[-500:]
