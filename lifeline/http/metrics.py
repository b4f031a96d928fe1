"""Probes and Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from fastapi import APIRouter
from psycopg.rows import dict_row
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from lifeline.http.data import WAIT_S, Data, Row
from lifeline.http.metriclist import METRICS, Metric
from store.statements import statements

_STATES = {"ok": 0, "warning": 1, "fault": 2}
_PLAIN: Final = "text/plain; version=0.0.4"
_OPEN: Final = "application/openmetrics-text; version=1.0.0"
_WHAT: Final = ("published", "received", "stored", "repeated", "rejected", "missing")
_DAY_S: Final = 86_400.0
_sql = statements("metrics", package="lifeline.http")

Sample = tuple[Mapping[str, str], float]
Samples = dict[str, list[Sample]]


def probes(data: Data) -> APIRouter:
    """Routes of the probes: open, and they say nothing else."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/healthz")
    def alive() -> Response:
        """This process answers."""
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz")
    def ready() -> Response:
        """The database answers too (otherwise 503 by the common error road)."""
        data.row("ping")
        return JSONResponse({"status": "ready"})

    return routes


def router(data: Data) -> APIRouter:
    """The route of `/metrics`: Prometheus' text format, or OpenMetrics for who accepts it."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/metrics")
    def metrics(request: Request) -> Response:
        open_ = "application/openmetrics-text" in request.headers.get("accept", "")
        text = exposition(measured(data), open_metrics=open_)
        return PlainTextResponse(text, media_type=_OPEN if open_ else _PLAIN)

    return routes


def measured(data: Data) -> Samples:
    """The samples of every family: of the city what who asks may see, of the platform all of it."""
    found: Samples = {}
    for name, labels, value in (*_city(data), *_platform(data)):
        if value is not None:
            found.setdefault(name, []).append((labels, float(value)))
    return found


_Said = tuple[str, dict[str, str], float | int | None]


def _city(data: Data) -> Iterator[_Said]:
    for row in data.rows("standing"):
        level = {"level": row["level"]}
        if row["level"] != "none":
            yield "lifeline_alarms_standing", level, row["alarms"]
        yield "lifeline_incidents_open", level, row["incidents"]
        yield "lifeline_incidents_unacknowledged", level, row["waiting"]
    for row in data.rows("metric_stages"):
        yield "lifeline_incidents_in_stage", {"stage": row["stage"]}, row["incidents"]
    for row in data.rows("metric_notices"):
        yield "lifeline_notices", {"channel": row["channel"], "state": row["state"]}, row["notices"]
    for row in data.rows("metric_waiting"):
        yield "lifeline_notices_waiting", {"channel": row["channel"]}, row["waiting"]
        yield "lifeline_outbox_age_seconds", {"channel": row["channel"]}, row["oldest_s"]
    for row in data.rows("metric_gateways"):
        yield from _gateways(row)
    yield "lifeline_sensors_stale", {}, data.rows("metric_stale")[0]["stale"]


def _gateways(row: Row) -> Iterator[_Said]:
    district = {"district": row["district"]}
    for what in _WHAT:
        yield "lifeline_readings_total", {**district, "what": what}, row[what]
    yield "lifeline_messages_total", district, row["messages"]
    yield "lifeline_gateways", {**district, "state": "heard"}, row["gateways"] - row["silent"]
    yield "lifeline_gateways", {**district, "state": "silent"}, row["silent"]
    yield "lifeline_gateways_skewed", district, row["skewed"]
    yield "lifeline_gateway_buffered_readings", district, row["buffered"]


_ROWS: Final = {
    "alarms": "lifeline_alarms_raised_total", "incidents": "lifeline_incidents_opened_total",
    "findings": "lifeline_findings_total", "notices": "lifeline_notices_created_total",
    "rejections": "lifeline_rejections_total",
}  # fmt: skip


def _platform(data: Data) -> Iterator[_Said]:
    asked = ("commits", "followers", "rows", "sessions", "journal", "health", "roles")
    with data.connections.connection(timeout=WAIT_S) as conn:
        cursor = conn.cursor(row_factory=dict_row)
        rows = {name: cursor.execute(_sql[f"metric_{name}"]).fetchall() for name in asked}
    for row in rows["rows"]:
        yield _ROWS[row["name"]], {}, row["inserted"]
    for row in rows["commits"]:
        yield "lifeline_commit_lag_max_seconds", {}, row["slowest_s"]
        yield "lifeline_commit_lag_mean_seconds", {}, row["mean_s"]
        yield "lifeline_commits_readings", {}, row["readings"]
    for row in rows["followers"]:
        follower = {"follower": row["follower"]}
        yield "lifeline_follower_lag_rows", follower, row["behind_rows"]
        yield "lifeline_follower_lag_seconds", follower, row["behind_s"]
        yield "lifeline_snapshot_age_seconds", follower, row["snapshot_age_s"]
    for row in rows["journal"]:
        yield "lifeline_journal_rows", {}, row["kept"]
        yield "lifeline_journal_newest", {}, row["newest"]
    for row in rows["sessions"]:
        yield "lifeline_database_sessions", {"application": row["application"]}, row["sessions"]
    yield from _health(rows["health"])
    for row in rows["roles"]:
        yield from _role(row)
    yield from _pool(data)


_MEASURED: Final = {
    "store_size": ("lifeline_database_size_bytes", 1.0),
    "store_growth": ("lifeline_database_growth_bytes_per_second", 1 / _DAY_S),
    "store_days_left": ("lifeline_database_full_seconds", _DAY_S),
    "certificates": ("lifeline_certificate_left_seconds", _DAY_S),
    "rollup_lag": ("lifeline_rollup_buckets_waiting", 1.0),
}


def _health(rows: Iterable[Row]) -> Iterator[_Said]:
    for row in rows:
        yield "lifeline_health_state", {"name": row["name"]}, _STATES[row["state"]]
        if row["name"] in _MEASURED and row["value"] is not None:
            name, scale = _MEASURED[row["name"]]
            yield name, {}, row["value"] * scale


# What a role counts of itself, by the name it has in the role's beat.
_DETAIL: Final[Mapping[str, Mapping[str, str]]] = {
    "recorder": {
        "connected": "lifeline_recorder_connected", "connects": "lifeline_recorder_connects_total",
        "messages": "lifeline_recorder_messages_total", "commits": "lifeline_recorder_commits_total",
        "pending": "lifeline_recorder_pending_readings", "lag_s": "lifeline_recorder_lag_seconds",
    },
    "watcher": {
        "lag_s": "lifeline_evaluation_lag_seconds", "evaluated": "lifeline_readings_evaluated_total",
        "unlearned": "lifeline_sensors_unlearned", "snapshot_copy_s": "lifeline_snapshot_copy_seconds",
        "snapshot_write_s": "lifeline_snapshot_write_seconds",
    },
    "notifier": {"in_flight": "lifeline_notifier_in_flight"},
    "keeper": {"computed": "lifeline_keeper_buckets_total"},
}  # fmt: skip
_PROCESS: Final = {
    "rss_bytes": "lifeline_role_resident_memory_bytes", "cpu_s": "lifeline_role_cpu_seconds_total",
    "fds": "lifeline_role_open_fds", "threads": "lifeline_role_threads",
}  # fmt: skip


def _role(row: Row) -> Iterator[_Said]:
    role, detail = {"role": row["role"]}, row["detail"]
    yield "lifeline_role_beat_age_seconds", role, row["age_s"]
    yield "lifeline_role_start_time_seconds", role, row["started_s"]
    yield "lifeline_role_restarts_total", role, row["restarts"]
    for key, name in _PROCESS.items():
        yield name, role, _number(row["process"].get(key))
    for key, name in _DETAIL.get(row["role"], {}).items():
        yield name, {}, _number(detail.get(key))
    if row["role"] == "notifier":
        for outcome in ("sent", "retried", "failed"):
            yield "lifeline_notifier_attempts_total", {"outcome": outcome}, _number(detail.get(outcome))


def _pool(data: Data) -> Iterator[_Said]:
    stats = data.connections.get_stats()
    size, idle = stats.get("pool_size", 0), stats.get("pool_available", 0)
    yield "lifeline_api_pool_connections", {"state": "used"}, max(0, size - idle)
    yield "lifeline_api_pool_connections", {"state": "idle"}, idle
    yield "lifeline_api_pool_waiting", {}, stats.get("requests_waiting", 0)


def _number(value: Any) -> float | None:  # noqa: ANN401 - of a role's own JSON
    return float(value) if isinstance(value, int | float) else None


def exposition(samples: Mapping[str, Iterable[Sample]], *, open_metrics: bool = False) -> str:
    """Every family of the table that has samples, in its order; names that the table has not are a fault of ours."""
    known = {metric.name for metric in METRICS}
    if unknown := set(samples) - known:
        raise AssertionError(f"metrics that METRICS does not name: {sorted(unknown)}")
    lines = [line for metric in METRICS if metric.name in samples for line in _family(metric, samples, open_metrics)]
    return "".join(lines) + ("# EOF\n" if open_metrics else "")


def _family(metric: Metric, samples: Mapping[str, Iterable[Sample]], open_metrics: bool) -> Iterator[str]:
    name = metric.name.removesuffix("_total") if open_metrics and metric.kind == "counter" else metric.name
    yield f"# HELP {name} {metric.sentence}\n# TYPE {name} {metric.kind}\n"
    if open_metrics and metric.unit:
        yield f"# UNIT {name} {metric.unit}\n"
    for labels, value in samples[metric.name]:
        inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        yield f"{metric.name}{f'{{{inside}}}' if inside else ''} {value:.17g}\n"


def _escape(text: str) -> str:
    return str(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
