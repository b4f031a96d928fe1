"""The outbox, floods with what came in them, and how Lifeline itself is."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from lifeline.http.console import PAGE, Console, Page, Text
from lifeline.http.incidentlist import city

STATES = ("queued", "sending", "sent", "delivered", "failed", "superseded")
FLOODS = 30
REPLAYED = 3000


def router(console: Console) -> APIRouter:
    """Routes of notices, floods and health."""
    routes = APIRouter(include_in_schema=False)
    data = console.data

    @routes.get("/notices")
    def notices(
        request: Request, state: Text = "", channel: Text = "", target: Text = "", page: Page = 1
    ) -> Response:  # fmt: skip
        chosen = {"state": state or None, "channel": channel or None, "target": target or None}
        rows = data.rows("notice_list", **chosen, limit=PAGE + 1, offset=(page - 1) * PAGE)
        counts = data.rows("notice_counts")
        values = {
            "rows": rows[:PAGE],
            "more": len(rows) > PAGE,
            "page": page,
            "chosen": chosen,
            "states": STATES,
            "channels": sorted({row["channel"] for row in counts}),
            "counts": {(row["channel"], row["state"]): row["n"] for row in counts},
            "oldest": min((row["oldest"] for row in counts if row["oldest"]), default=None),
        }
        return console.page(request, "notices.html", values, live="notices")

    @routes.get("/floods")
    def floods(request: Request) -> Response:
        return console.page(request, "floods.html", {"floods": data.rows("floods", limit=FLOODS)}, live="incidents")

    @routes.get("/floods/{flood}")
    def flood(request: Request, flood: str) -> Response:
        found = data.row("flood", flood=flood)
        if found is None:
            raise HTTPException(404, "no such flood")
        alarms = data.rows("flood_alarms", flood=flood, limit=REPLAYED)
        return console.page(request, "flood.html", {"flood": found, "alarms": alarms}, live="incidents")

    @routes.get("/health")
    def health(request: Request) -> Response:
        values = {"rows": data.rows("health"), **city(data)}
        return console.page(request, "health.html", values, live="incidents")

    return routes
