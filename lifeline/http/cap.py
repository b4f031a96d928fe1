"""CAP messages: the pages where people read drafts and release them, and what other systems read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Query, Request
from psycopg.rows import dict_row
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import RedirectResponse, Response

from city.clock import Clock
from city.words import languages, say
from lifeline.http import capdrafts, capfeed, photos, who
from lifeline.http.api import ALWAYS, NOT_FOUND, WRITING, problems
from lifeline.http.capdrafts import SQL, Drafts, NotReleasedError
from lifeline.http.crew import picture
from lifeline.http.data import WAIT_S, Data, Row
from lifeline.http.look import Look, language_for
from lifeline.http.paging import Plain
from lifeline.http.who import Who
from rules.cap.plan import CapPlan

LONGEST_NOTE = 1000
_REFUSED = {"gone": 409, "role": 403, "note": 422, "faults": 409}
_XML = "application/cap+xml"


class Release(BaseModel):
    """Why a message goes out, and what people are asked to do where that is not what the draft says (by language)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"note": "agreed with the duty officer"}]}
    )

    note: Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE)]
    instruction: dict[str, Annotated[str, Field(max_length=capdrafts.LONGEST_INSTRUCTION)]] = Field(
        default_factory=dict, max_length=len(languages)
    )


class CapMessage(BaseModel):
    """A CAP message. `change`: the incident event it is about; `refers_to`: what it follows, as CAP writes it."""

    identifier: str
    incident: str
    change: str
    msg_type: str
    status: str
    state: str
    level: str
    changed_at: datetime
    made_at: datetime
    released_at: datetime | None
    released_by: str
    note: str
    refers_to: str


def _rows(data: Data, name: str, **given: object) -> list[Row]:
    with data.reading() as conn:
        return conn.cursor(row_factory=dict_row).execute(SQL[name], given).fetchall()


def _matched(request: Request, body: bytes, media_type: str, modified: str = "") -> Response:
    """A body with its ETag; 304 when the other side has it."""
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"} | ({"Last-Modified": modified} if modified else {})
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def api_router(data: Data, clock: Clock, drafts: Drafts, base_url: str) -> APIRouter:
    """Routes below `/api/v1`: the feed, messages, releases."""
    routes = APIRouter(responses=ALWAYS, tags=["cap"])
    feed_content: Any = {200: {"content": {"application/atom+xml": {}}}, 304: {"description": "As you have it"}}
    xml_content: Any = {200: {"content": {_XML: {}}}, 304: {"description": "As you have it"}}

    @routes.get("/cap/feed.atom", response_class=Response, responses=feed_content)
    def feed(request: Request, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> Response:
        """Released messages as an Atom feed, newest first, as far as you may see them."""
        body = capfeed.atom(_rows(data, "feed", limit=limit), data.home(), base_url)
        return _matched(request, body, "application/atom+xml")

    @routes.get("/cap/{identifier}.xml", response_class=Response, responses={**NOT_FOUND, **xml_content})
    def message(request: Request, identifier: Plain) -> Response:
        """A released message, as it was released."""
        found = next(iter(_rows(data, "visible", identifier=identifier)), None)
        if found is None or found["state"] != "released":
            raise HTTPException(404, "no such released message")
        return _matched(request, found["xml"].encode(), _XML)

    @routes.get("/incidents/{incident}/cap", responses=NOT_FOUND)
    def of_incident(incident: Plain) -> list[CapMessage]:
        """The messages of an incident in all their states, newest first."""
        if not _rows(data, "incident", incident=incident):
            raise HTTPException(404, "no such incident")
        return [CapMessage.model_validate(row) for row in _rows(data, "of_incident", incident=incident)]

    @routes.post("/cap/{identifier}/release", responses={**WRITING, **problems(409)})
    def release(identifier: Plain, given: Release) -> CapMessage:
        """Release a draft. It needs the role that the city folder names, the district, and a note; the log keeps it."""
        if not _rows(data, "visible", identifier=identifier):
            raise HTTPException(404, "no such message")
        if unknown := sorted(set(given.instruction) - set(languages)):
            raise HTTPException(422, f"instruction: no such language: {', '.join(unknown)}")
        try:
            capdrafts.release(data, drafts, clock, _asking(), identifier, given.note, given.instruction)
        except NotReleasedError as error:
            raise HTTPException(_REFUSED[error.why], str(error)) from error
        return CapMessage.model_validate(_rows(data, "visible", identifier=identifier)[0])

    return routes


def router(data: Data, look: Look, clock: Clock, drafts: Drafts) -> APIRouter:
    """The pages."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/attachments/{attachment}")
    def attachment(attachment: str) -> Response:
        content = photos.find(data, attachment, None)
        if content is None:
            raise HTTPException(404, "no such photo")
        return picture(content)

    @routes.get("/cap")
    def overview(request: Request) -> Response:
        home, language = data.home(), language_for(request)
        values: dict[str, Any] = {"drafts": _rows(data, "drafts"), "reminders": _rows(data, "reminders")}
        values |= {"messages": _rows(data, "feed", limit=50), **_words(data, drafts, language)}
        return look.page(request, "capdrafts.html", home, **values)

    @routes.get("/incidents/{incident}/cap")
    def page(request: Request, incident: str, said: str = "") -> Response:
        return _page(data, look, drafts, request, incident, said=said if said == "done" else "")

    @routes.post("/incidents/{incident}/cap")
    def release(
        request: Request,
        incident: str,
        identifier: Annotated[str, Form(max_length=200)],
        note: Annotated[str, Form(max_length=LONGEST_NOTE)] = "",
        zh: Annotated[str | None, Form(max_length=capdrafts.LONGEST_INSTRUCTION)] = None,
        en: Annotated[str | None, Form(max_length=capdrafts.LONGEST_INSTRUCTION)] = None,
    ) -> Response:
        typed = {key: text.replace("\r\n", "\n").strip() for key, text in (("zh", zh), ("en", en)) if text is not None}
        try:
            capdrafts.release(data, drafts, clock, _asking(), identifier, note, typed)
        except NotReleasedError as error:
            said = "needs_note" if error.why == "note" else "gone" if error.why == "gone" else str(error)
            return _page(data, look, drafts, request, incident, said, _REFUSED[error.why], {"note": note, **typed})
        return RedirectResponse(f"{request.url.path}?said=done&lang={language_for(request)}", status_code=303)

    return routes


def _page(
    data: Data, look: Look, drafts: Drafts, request: Request, incident: str, said: str = "", status: int = 200,
    typed: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    language = language_for(request)
    found = next(iter(_rows(data, "incident", incident=incident)), None)
    if found is None:
        raise HTTPException(404, "no such incident")
    messages = _rows(data, "of_incident", incident=incident)
    for row in messages:
        row["read"] = capfeed.as_read(row["xml"])
    over = found["closed_at"] is not None or found["stage"] == "false_alarm"
    values = {
        "incident": found,
        "messages": messages,
        "reminder": over and any(row["incident"] == incident for row in _rows(data, "reminders")),
        "said": said,
        "typed": typed or {},
        "longest_note": LONGEST_NOTE,
        "longest_instruction": capdrafts.LONGEST_INSTRUCTION,
        **_words(data, drafts, language),
    }
    return look.page(request, "cap.html", data.home(), language=language, status=status, **values)


def _words(data: Data, drafts: Drafts, language: str) -> dict[str, Any]:
    with data.connections.connection(timeout=WAIT_S) as conn:
        plan: CapPlan | None = drafts.rulings(conn).plan
    asks = who.current.get()
    return {
        "plan": plan,
        "releases": plan is not None and capdrafts.may_release(asks, plan),
        "c": lambda key, **values: say(f"cap.{key}", language, **values),
    }


def _asking() -> Who:
    asks = who.current.get()
    if asks is None:
        raise HTTPException(401)
    return asks
