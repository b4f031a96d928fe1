"""The console: all its pages behind one router."""

from __future__ import annotations

from fastapi import APIRouter

from city.clock import Clock
from lifeline.http import holdpages, incidentlist, incidentpage, noticepages, rosterpages, sourcepages, statisticspage
from lifeline.http.console import Console
from lifeline.http.data import Data
from lifeline.http.look import Look


def router(data: Data, look: Look, clock: Clock) -> APIRouter:
    """Routes of every page."""
    console = Console(data, look, clock)
    routes = APIRouter(include_in_schema=False)
    for noun in (incidentlist, incidentpage, sourcepages, noticepages, holdpages, rosterpages, statisticspage):
        routes.include_router(noun.router(console))
    return routes
