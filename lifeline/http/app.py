"""The application: settings, wiring, errors, and the role that serves it."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import psycopg
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from city.clock import Clock, SystemClock
from city.errors import OutsideError
from lifeline.http import api, crew, holds, metrics, pages
from lifeline.http.data import WAIT_S, Data
from lifeline.http.guard import Guard, check_bind
from lifeline.http.look import Look, language_for
from lifeline.http.problem import problem
from rules.notify.links import check_secret
from rules.notify.zone import Home
from store import roles

ROLE = "api"
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
    operator_password
        Without one the server listens on this machine only.
    """

    database_url: str = field(repr=False)
    secret: bytes = field(repr=False)
    clock: Clock
    base_url: str
    operator_password: str | None = field(default=None, repr=False)


def create_app(settings: AppSettings) -> FastAPI:
    """The application, connected to its database.

    Raises
    ------
    InputError, OutsideError
        When the secret is too short or the database does not answer.
    """
    check_secret(settings.secret)
    data, look = Data(settings.database_url), Look(settings.clock)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        data.close()

    app = FastAPI(
        title="Lifeline",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.data, app.state.password = data, settings.operator_password
    app.add_middleware(Guard, password=settings.operator_password, base_url=settings.base_url)
    app.include_router(pages.router(data, look, settings.clock))
    app.include_router(crew.router(data, look, settings.clock, settings.secret))
    app.include_router(api.router(data, settings.clock), prefix="/api/v1")
    app.include_router(holds.router(data, settings.clock), prefix="/api/v1")
    app.include_router(metrics.router(data))
    style = (files("lifeline.http") / "static" / "lifeline.css").read_text(encoding="utf-8")

    @app.get("/static/lifeline.css", include_in_schema=False)
    def css() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    _errors(app, look)
    return app


def _errors(app: FastAPI, look: Look) -> None:
    def answer(request: Request, status: int, title: str, detail: str, sentence: str) -> Response:
        if request.url.path.startswith(("/api/", "/metrics", "/readyz", "/healthz")):
            return problem(status, title, detail)
        said: dict[str, Any] = {"sentence": sentence, "detail": detail, "number": status}
        return look.page(request, "error.html", Home(), language=language_for(request), status=status, **said)

    def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for nothing else; for the type checker
        sentence = {404: "error_not_found", 409: "error_conflict"}.get(error.status_code, "error_other")
        return answer(request, error.status_code, str(error.detail), "", sentence)

    def bad_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else; for the type checker
        said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        return answer(request, 422, "Not understood", said, "error_request")

    def no_database(request: Request, error: Exception) -> Response:
        _log.warning("database_lost %s", error, extra={"action": "database_lost"})
        return answer(request, 503, "The database does not answer", "", "error_database")

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, bad_request)
    app.add_exception_handler(psycopg.Error, no_database)
    app.add_exception_handler(PoolTimeout, no_database)


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
        When `host` is reachable from outside and there is no operator password.
    OutsideError
        When the port is taken or the database does not answer.
    """
    check_bind(host, settings.operator_password)
    app = create_app(settings)
    data: Data = app.state.data
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host.strip("[]"), port), family=family)
    except OSError as error:
        data.close()
        raise OutsideError(f"http {host}:{port}: cannot listen, got: {error}, try another LIFELINE_HTTP") from error
    config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=5)
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
            wall.pause_s(BEAT_S, until=stop)
        died = not stop.is_set()
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
