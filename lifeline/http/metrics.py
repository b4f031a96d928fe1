"""Probes and Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastapi import APIRouter
from starlette.responses import JSONResponse, PlainTextResponse, Response

from lifeline.http.data import Data

_STATES = {"ok": 0, "warning": 1, "fault": 2}


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
    """The route of `/metrics`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/metrics")
    def metrics() -> Response:
        return PlainTextResponse("".join(_lines(data)), media_type="text/plain; version=0.0.4")

    return routes


def _lines(data: Data) -> Iterable[str]:
    standing = data.rows("standing")
    yield from family(
        "lifeline_alarms_standing", "gauge", "Alarms that stand now.",
        [({"level": row["level"]}, row["alarms"]) for row in standing if row["level"] != "none"],
    )  # fmt: skip
    yield from family(
        "lifeline_incidents_open", "gauge", "Open incidents by their standing level.",
        [({"level": row["level"]}, row["incidents"]) for row in standing],
    )  # fmt: skip
    yield from family(
        "lifeline_incidents_unacknowledged", "gauge", "Open incidents nobody has acknowledged.",
        [({"level": row["level"]}, row["waiting"]) for row in standing],
    )  # fmt: skip
    yield from family(
        "lifeline_notices", "gauge", "Notices by state.",
        [({"state": row["state"]}, row["n"]) for row in data.rows("notice_states")],
    )  # fmt: skip
    ledger = data.row("ledger") or {}
    yield from family(
        "lifeline_readings_total", "counter", "Readings by what became of them.",
        [({"what": name}, value or 0) for name, value in ledger.items()],
    )  # fmt: skip
    gateways = data.rows("gateways")
    yield from family(
        "lifeline_gateway_silent", "gauge", "1 when a gateway is offline or overdue.",
        [({"gateway": row["gateway"], "district": row["district"]}, int(row["silent"])) for row in gateways],
    )  # fmt: skip
    stale = data.rows("stale")
    total = stale[0]["total"] if stale else 0
    yield from family("lifeline_sensors_stale", "gauge", "Sensors nothing fresh is known of.", [({}, total)])
    yield from _roles(data)
    health = data.rows("health")
    yield from family(
        "lifeline_health_state", "gauge", "0 ok, 1 warning, 2 fault.",
        [({"name": row["name"]}, _STATES[row["state"]]) for row in health],
    )  # fmt: skip


def _roles(data: Data) -> Iterable[str]:
    roles = data.rows("roles")
    yield from family(
        "lifeline_role_beat_age_seconds", "gauge", "Real seconds since a role's last sign of life.",
        [({"role": row["role"]}, row["age_s"]) for row in roles],
    )  # fmt: skip
    yield from family(
        "lifeline_role_detail", "gauge", "Numbers a role reports about itself.",
        [
            ({"role": row["role"], "name": name}, value)
            for row in roles
            for name, value in sorted(row["detail"].items())
            if isinstance(value, int | float) and not isinstance(value, bool)
        ],
    )  # fmt: skip


def family(name: str, kind: str, help_: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> Iterable[str]:
    """One metric family in Prometheus' text format; nothing when it has no samples."""
    found = list(samples)
    if not found:
        return
    yield f"# HELP {name} {help_}\n# TYPE {name} {kind}\n"
    for labels, value in found:
        inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        yield f"{name}{f'{{{inside}}}' if inside else ''} {float(value):.10g}\n"


def _escape(text: str) -> str:
    return str(text).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
