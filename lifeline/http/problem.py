"""Errors of the API as RFC 9457 problem documents; each kind has a name that does not change."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import JSONResponse

TYPES = "/api/v1/problems/"
# Status to the kind's name, its title, and what to do.
KINDS: Mapping[int, tuple[str, str, str]] = {
    400: ("bad-request", "Not readable", "Send what the API describes at /api/v1/openapi.json."),
    401: ("not-signed-in", "Who are you?", "Send `Authorization: Bearer lifeline_…`, or sign in at /login."),
    403: ("not-allowed", "Not allowed", "Ask an administrator for a role that may."),
    404: ("not-found", "No such thing", "It does not exist, or lies in a district you do not see."),
    405: ("method", "Not that method", "Use a method that the `Allow` header names."),
    408: ("too-slow", "Too slow", "Send the whole body without long pauses."),
    409: ("conflict", "Does not fit as things stand", "Read again how things stand, then decide."),
    410: ("gone", "No longer there", "Ask for a new link."),
    411: ("length", "Length required", "Send `Content-Length`."),
    412: ("changed", "Changed meanwhile", "Read it again, look at what changed, and send its new ETag."),
    413: ("too-large", "Too large", "Send less."),
    415: ("media-type", "Not that kind of content", "Send `application/json`."),
    422: ("not-valid", "Not valid", "Correct what `detail` names."),
    428: ("if-match", "Say which version you saw", "Send `If-Match` with the ETag of what you read."),
    429: ("too-often", "Too often", "Wait as many seconds as `Retry-After` says."),
    500: ("failed", "Failed", "Tell the administrator the request's id; the log says more."),
    503: ("unavailable", "Not available now", "Try again in a moment."),
}


class ProblemResponse(JSONResponse):
    """JSON that says it is a problem."""

    media_type = "application/problem+json"


def problem(
    status: int, title: str = "", detail: str = "", headers: Mapping[str, str] | None = None, **more: object
) -> ProblemResponse:
    """An answer with `status` whose body says what is wrong and what to do."""
    name, usual, _ = KINDS.get(status, ("about:blank", "Refused", ""))
    kind = TYPES + name if status in KINDS else name
    body = {"type": kind, "title": title or usual, "status": status, **more}
    return ProblemResponse(body | ({"detail": detail} if detail else {}), status_code=status, headers=headers)
