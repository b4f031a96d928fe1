"""Errors of the API as RFC 9457 problem documents."""

from __future__ import annotations

from starlette.responses import JSONResponse


class ProblemResponse(JSONResponse):
    """JSON that says it is a problem."""

    media_type = "application/problem+json"


def problem(status: int, title: str, detail: str = "", **more: object) -> ProblemResponse:
    """An answer with `status` whose body says what is wrong and what to do."""
    body = {"type": "about:blank", "title": title, "status": status, **more}
    return ProblemResponse(body | ({"detail": detail} if detail else {}), status_code=status)
