"""Where data come from: sensors, gateways, and what was refused."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import Response

from detectors.early.learning import MOST_D, learning
from detectors.subject import Subject
from lifeline.http.console import PAGE, Console, Page, Text, named, pages
from lifeline.http.data import Row
from lifeline.http.look import language_for
from lifeline.http.plotting import picture

SPANS_H = (1, 6, 24, 168, 744)
REJECTIONS = 100


def router(console: Console) -> APIRouter:
    """Routes of sensors, gateways and refused data."""
    routes = APIRouter(include_in_schema=False)
    data = console.data

    @routes.get("/sensors")
    def sensors(
        request: Request,
        q: Text = "",
        district: Text = "",
        domain: Text = "",
        stale: Literal["", "yes"] = "",
        page: Page = 1,
    ) -> Response:
        chosen = {"district": district or None, "domain": domain or None, "stale": True if stale else None}
        rows = data.rows("sensor_list", words=q.strip() or None, **chosen, limit=PAGE, offset=(page - 1) * PAGE)
        total = rows[0]["total"] if rows else 0
        values = {
            "sensors": rows,
            "total": total,
            "page": page,
            "pages": pages(total),
            "chosen": {"q": q, "district": district, "domain": domain, "stale": stale},
            "district_options": named(data.rows("districts"), "district", language_for(request)),
            "domains": [row["domain"] for row in data.rows("domains")],
        }
        return console.page(request, "sensors.html", values, live="incidents")

    @routes.get("/sensors/{sensor}")
    def sensor(request: Request, sensor: str, hours: Annotated[float, Query(gt=0, le=24 * 31)] = 24.0) -> Response:
        return console.page(request, "sensor.html", _sensor(console, request, sensor, hours), live="incidents")

    @routes.get("/gateways")
    def gateways(request: Request) -> Response:
        return console.page(request, "gateways.html", {"gateways": data.rows("gateways")}, live="incidents")

    @routes.get("/gateways/{gateway}")
    def gateway(request: Request, gateway: str) -> Response:
        found = data.row("gateway", gateway=gateway)
        if found is None:
            raise HTTPException(404, "no such gateway")
        values = {
            "gateway": found,
            "sensors": data.rows("gateway_sensors", gateway=gateway, limit=500),
            "blind": {row["sensor"]: row for row in data.rows("blind", gateway=gateway, limit=500)},
            "alarms": data.rows("gateway_alarms", gateway=gateway, limit=30),
            "rejections": data.rows("gateway_rejections", gateway=gateway, limit=20),
        }
        return console.page(request, "gateway.html", values, live="incidents")

    @routes.get("/rejections")
    def rejections(
        request: Request,
        reason: Text = "",
        gateway: Text = "",
        sensor: Text = "",
        before: Annotated[int | None, Query(ge=0)] = None,
    ) -> Response:
        chosen = {"reason": reason or None, "gateway": gateway or None, "sensor": sensor or None}
        rows = data.rows("rejections_page", **chosen, before=before, limit=REJECTIONS + 1)
        values: dict[str, Any] = {
            "reasons": data.rows("rejection_reasons"),
            "rejections": rows[:REJECTIONS],
            "older": rows[REJECTIONS - 1]["rejection"] if len(rows) > REJECTIONS else None,
            "chosen": chosen,
        }
        return console.page(request, "rejections.html", values)

    return routes


def _sensor(console: Console, request: Request, sensor: str, hours: float) -> dict[str, Any]:
    data = console.data
    found = data.row("sensor", sensor=sensor)
    if found is None:
        raise HTTPException(404, "no such sensor")
    now = console.clock.now()
    given = {"sensor": sensor, "since": now - timedelta(hours=hours), "until": now + timedelta(minutes=3)}
    return {
        "sensor": found,
        "hours": hours,
        "spans_h": SPANS_H,
        "picture": picture(data, data.home(), console.clock, sensor, hours, language_for(request)),
        "readings": data.rows("readings", **given, limit=30),
        "alarms": data.rows("alarms", open=None, incident=None, sensor=sensor, level=None, before=None, limit=30),
        "findings": data.rows("findings", sensor=sensor, before=None, limit=30),
        "learning": _learning(console, found, now),
        "blind": [row for row in data.rows("blind", gateway=found["gateway"], limit=500) if row["sensor"] == sensor],
        "shelves": [row for row in data.rows("shelves", limit=500) if row["scope"] == sensor],
        "rejections": data.rows("rejections_page", reason=None, gateway=None, sensor=sensor, before=None, limit=10),
    }


def _learning(console: Console, sensor: Row, now: datetime) -> tuple[date, date, str] | None:
    """Since when and until about when early signs learn a sensor, and what they say until then; None: they know it."""
    heard = console.data.row("heard_since", sensor=sensor["sensor"])
    if heard is None or heard["since"] + timedelta(days=MOST_D) <= now:
        return None
    checked = console.in_force.get(console.data)
    subject = checked.book.subjects.get(sensor["sensor"]) if checked else None
    known = learning(subject or Subject(sensor["sensor"], sensor["quantity"]))
    until = heard["since"] + timedelta(days=known.days)
    return (heard["since"].date(), until.date(), known.until_then) if until > now else None
