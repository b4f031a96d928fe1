"""Long lists in parts.

The place in a list is the sort key of the last row shown: rows that come or go meanwhile hide no others.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from fastapi import HTTPException, Query, Request, Response
from pydantic import AwareDatetime, StringConstraints

from lifeline.http.data import Data, Row

Limit = Annotated[int, Query(ge=1, le=1000, description="at most so many items")]
After = Annotated[str | None, Query(max_length=1000, description="`next` of the part before")]
Many = Annotated[int, Query(ge=1, le=10_000, description="at most so many items")]


EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
NO_ZERO = r"^[^\x00]*$"  # the database takes no zero bytes
Plain = Annotated[str, StringConstraints(max_length=200, pattern=NO_ZERO)]
Word = Annotated[Plain | None, Query(max_length=200)]
When = Annotated[AwareDatetime | None, Query(description="RFC 3339 with an offset (write + as %2B)")]


def listed(
    data: Data, request: Request, response: Response, name: str, limit: int, after: str | None, **given: object
) -> dict[str, Any]:
    """A part of the list that statement `name` describes, with its cursor in the body and in the `Link` header.

    Parameters
    ----------
    after
        A cursor (HTTPException 422 when it is none of this list).
    """
    rows = data.page(name, limit + 1, place(name, after), **given)
    keys = [row.pop("page_key") for row in rows]
    following = cursor(name, keys[limit - 1]) if len(rows) > limit else None
    return part(request, response, rows[:limit], following)


def part(request: Request, response: Response, rows: list[Row], following: str | None) -> dict[str, Any]:
    """A part of a list as it is answered."""
    if following is not None:
        query = [(key, value) for key, value in request.query_params.multi_items() if key != "after"]
        response.headers["Link"] = f'<{request.url.path}?{urlencode([*query, ("after", following)])}>; rel="next"'
    return {"items": rows, "more": following is not None, "next": following}


def cursor(name: str, key: object) -> str:
    """A place in a list, as text."""
    return urlsafe_b64encode(msgspec.json.encode([name, key])).decode().rstrip("=")


def place(name: str, after: str | None) -> Any:  # noqa: ANN401 - JSON
    """The place that a cursor means; None for the beginning (HTTPException 422 when it is no place in this list)."""
    if after is None:
        return None
    try:
        found = msgspec.json.decode(urlsafe_b64decode(after + "=" * (-len(after) % 4)), type=tuple[str, Any])
    except (ValueError, binascii.Error, msgspec.DecodeError):
        found = ("", None)
    if found[0] != name or found[1] is None or "\\u0000" in str(msgspec.json.encode(found[1])):
        raise HTTPException(422, "after: not a place in this list, try `next` of its part before")
    return found[1]


def span(since: datetime | None, until: datetime | None, now: datetime, usual: timedelta) -> tuple[datetime, datetime]:
    """The span that is asked for: until now, and as long as usual, unless told."""
    end = until or now
    if since is None and end - EARLIEST < usual:
        return EARLIEST, end
    return since or end - usual, end
