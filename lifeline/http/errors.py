"""What people and programs see when something is refused or fails: a page, or a problem document."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response

from city.errors import InputError
from lifeline.http.look import Look, language_for
from lifeline.http.problem import KINDS, problem
from rules.notify.zone import Home

DATABASE = (psycopg.Error, PoolTimeout)
_FOR_PROGRAMS = ("/api/", "/metrics", "/readyz", "/healthz", "/events")
_SENTENCES = {404: "error_not_found", 409: "error_conflict", 412: "error_conflict", 422: "error_request"}
_RETRY_S = "5"
_log = logging.getLogger(__name__)


def for_programs(path: str) -> bool:
    """Whether a path is asked for by programs, which want problem documents."""
    return path.startswith(_FOR_PROGRAMS)


class Answers:
    """Makes the answer to an error."""

    def __init__(self, look: Look) -> None:
        self._look = look

    def __call__(
        self,
        request: Request,
        status: int,
        detail: str = "",
        sentence: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """A page in the visitor's language, or a problem document; its title is that of the status."""
        if for_programs(request.url.path):
            return problem(status, "", detail, headers)
        answer = self._look.page(
            request, "error.html", Home(), language=language_for(request), status=status,
            sentence=sentence or _SENTENCES.get(status, "error_other"), detail=detail, number=status,
        )  # fmt: skip
        answer.headers.update(headers or {})
        return answer

    def failed(self, request: Request, error: Exception) -> Response:
        """The answer to what a route raised."""
        if isinstance(error, HTTPException):
            said = str(error.detail)
            usual = said == KINDS.get(error.status_code, ("", "", ""))[1]
            return self(request, error.status_code, "" if usual else said, headers=error.headers)
        if isinstance(error, RequestValidationError):
            if [(e["type"], *e["loc"]) for e in error.errors()] == [("missing", "header", "if-match")]:
                return self(request, 428)
            said = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
            return self(request, 422, said)
        if isinstance(error, InputError):
            return self(request, 409, str(error))
        _log.warning("database_lost %s", error, extra={"action": "database_lost"})
        return self(request, 503, "the database does not answer", "error_database", {"Retry-After": _RETRY_S})

    def install(self, app: FastAPI) -> None:
        """Answer for every route of an application."""
        for kind in (HTTPException, RequestValidationError, InputError, *DATABASE):
            app.add_exception_handler(kind, self.failed)
