"""The application: settings, wiring, errors, and the role that serves it."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi.params import Depends as Dependency
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from city.clock import Clock, SystemClock
from city.errors import InputError, OutsideError
from lifeline.http import api, apiadmin, apiduty, apilists, cap, crew, drills, holds, login, metrics, outlines, pages
from lifeline.http.capdrafts import Drafts
from lifeline.http.data import WAIT_S, Data
from lifeline.http.description import App
from lifeline.http.errors import Answers
from lifeline.http.gate import Gate, is_loopback
from lifeline.http.guard import Guard, check_bind
from lifeline.http.live import Live
from lifeline.http.look import STATIC, Look, static
from lifeline.http.needs import CONSOLE, OPEN, needs
from lifeline.http.patience import server_options
from lifeline.http.problem import KINDS, TYPES
from lifeline.http.who import Role
from rules.notify.links import check_secret
from store import roles

ROLE = "api"
API = "/api/v1"
BEAT_S = 1.0
DRAIN_S = 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AppSettings:
    """How to run the API and pages.

    Attributes
    ----------
    secret
        The one notices are signed with, at least 16 bytes.
    base_url
        How people reach this server.
    """

    database_url: str = field(repr=False)
    secret: bytes = field(repr=False)
    clock: Clock
    base_url: str


def create_app(settings: AppSettings) -> FastAPI:
    """The application, connected to its database.

    Raises
    ------
    InputError, OutsideError
        When the secret is too short or the database does not answer.
    """
    check_secret(settings.secret)
    data, look = Data(settings.database_url), Look(settings.clock)
    live = Live(settings.database_url)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        live.start()
        yield
        live.close()
        data.close()

    app = App(
        title="Lifeline",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,  # such a redirect would lead to whatever host the request names
    )
    gate, answers = Gate(data, settings.secret, settings.base_url), Answers(look)
    app.state.data, app.state.gate, app.state.live = data, gate, live
    app.state.drafts = Drafts(data, settings.clock)
    app.add_middleware(Guard, gate=gate, answers=answers, base_url=settings.base_url)
    answers.install(app)
    app.state.parts = list(_parts(settings, data, look, gate, answers, live, app.state.drafts))
    for routes, prefix, need in app.state.parts:
        app.include_router(routes, prefix=prefix, dependencies=[need])
    return app


def _parts(
    settings: AppSettings,
    data: Data,
    look: Look,
    gate: Gate,
    answers: Answers,
    live: Live,
    drafts: Drafts,
) -> Iterator[tuple[APIRouter, str, Dependency]]:
    """Every router, where it is, and what all its routes need; a route may need more (see `needs`)."""
    clock = settings.clock
    yield pages.router(data, look, clock), "", CONSOLE
    yield live.router(), "", CONSOLE
    yield login.account_router(data, look, gate, answers), "", needs(Role.VIEWER)
    yield api.router(data, clock), API, CONSOLE
    yield holds.router(data, clock), API, CONSOLE
    yield apilists.router(data, clock), API, CONSOLE
    yield drills.router(data, clock), API, CONSOLE
    yield apiduty.router(data, clock), API, CONSOLE
    yield apiadmin.router(data), API, needs(Role.ADMIN)
    yield _problems(), API, OPEN
    yield metrics.router(data), "", CONSOLE
    yield metrics.probes(data), "", OPEN
    yield login.router(data, look, gate), "", OPEN
    yield cap.router(data, look, clock, drafts), "", CONSOLE
    yield cap.api_router(data, clock, drafts, settings.base_url), API, CONSOLE
    yield crew.router(data, look, clock, settings.secret), "", OPEN
    yield outlines.router(data), "", OPEN
    yield _static(), "", OPEN


def _problems() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/problems/{name}")
    def explained(name: str) -> dict[str, object]:
        """What a problem's `type` means."""
        for status, (kind, title, advice) in KINDS.items():
            if kind == name:
                return {"type": TYPES + kind, "title": title, "status": status, "advice": advice}
        raise HTTPException(404, "no such problem")

    return routes


def _static() -> APIRouter:
    routes = APIRouter(include_in_schema=False)

    @routes.get("/static/{name}")
    def file(name: str) -> Response:
        if name not in STATIC:
            raise HTTPException(404, "no such file")
        return Response(static(name), media_type=STATIC[name], headers={"Cache-Control": "max-age=300"})

    return routes


def run_api(
    settings: AppSettings, host: str, port: int, stop: threading.Event, ready: Callable[[int], None] | None = None
) -> None:
    """Serve until `stop` is set, then let requests under way finish.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes a free one.
    ready
        Called with the port once it is open.

    Raises
    ------
    InputError
        When `host` is reachable from outside and there is no account.
    OutsideError
        When the port is taken or the database does not answer.
    """
    app = create_app(settings)
    data: Data = app.state.data
    try:
        check_bind(host, is_loopback(host) or app.state.gate.exist())
    except InputError:
        data.close()
        raise
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host.strip("[]"), port), family=family)
        # Connections inherit it. asyncio sets it only where a socket names its protocol, which this one does not, and
        # then every answer in two parts waits 40 ms for the client to acknowledge the first.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        data.close()
        raise OutsideError(f"http {host}:{port}: cannot listen, got: {error}, try another LIFELINE_HTTP") from error
    config = uvicorn.Config(app, **server_options())
    server = uvicorn.Server(config)
    # In a thread of its own uvicorn leaves the process's signals alone.
    thread = threading.Thread(target=server.run, args=([listening],), name="http")
    with listening:
        thread.start()
        if ready is not None:
            ready(listening.getsockname()[1])
        wall = SystemClock()
        while thread.is_alive() and not stop.is_set():
            _beat(data)
            app.state.drafts.look()
            wall.pause_s(BEAT_S, until=stop)
        died = not stop.is_set()
        app.state.live.close()  # open streams would hold the server back
        server.should_exit = True
        thread.join(DRAIN_S)
    if died:
        raise OutsideError(f"http {host}:{port}: the server stopped by itself, try its log")


def _beat(data: Data) -> None:
    try:
        with data.connections.connection(timeout=WAIT_S) as conn:
            roles.beat(conn, ROLE, os.getpid())
    except (psycopg.Error, PoolTimeout) as error:
        _log.warning("database_lost %s", error, extra={"action": "database_lost"})
