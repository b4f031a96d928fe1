"""The crew page: what a notice's link opens on a phone. One link, one person; no account, no script.

Opening the page changes nothing of the incident (mail scanners open links); buttons are forms. Every answer is clear in
both languages: a link that is forged or expired, a second tap, a colleague who was first, an incident that was closed,
cleared, found false or worse meanwhile, and a database that does not answer: then what was typed is kept.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import psycopg
from fastapi import APIRouter, Request
from psycopg_pool import PoolTimeout
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from city.clock import Clock, from_us
from city.words import languages, say
from lifeline.http import commands, crewanswers, crewview, photos
from lifeline.http.console import InForce
from lifeline.http.crewview import KINDS, Seen, see
from lifeline.http.data import WAIT_S, Data
from lifeline.http.look import Look, language_for
from lifeline.http.photos import PhotoRefusedError
from rules.inputs import CommandKind
from rules.notify import outbox
from rules.notify.display import language_of
from rules.notify.links import Refusal, verify
from rules.notify.policy import short_code
from rules.notify.zone import Home
from store.connection import Connection

_STATUS = {Refusal.FORGED: 403, Refusal.EXPIRED: 410}
_LONGEST_FIELD = 200
_DOWN = (psycopg.OperationalError, psycopg.errors.QueryCanceled, PoolTimeout)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tap:
    """What a form says; `said` is what was typed."""

    kind: CommandKind
    note: str = ""
    mark: str = ""
    incident: str = ""
    photos: tuple[bytes, ...] = ()


class Crew:
    """Answers one request after another; everything it needs is in the link, the form and the database."""

    def __init__(self, data: Data, look: Look, clock: Clock, secret: bytes) -> None:
        self._data, self._look, self._clock, self._secret = data, look, clock, secret
        self._in_force = InForce()

    def open(self, request: Request, token: str) -> Response:
        """The page, as things stand."""
        claims = verify(self._secret, token, self._clock.now_us())
        if isinstance(claims, Refusal):
            return self._stop(request, claims.value, _STATUS[claims])
        try:
            seen = see(self._data, claims, request.query_params.get("incident", "")[:_LONGEST_FIELD], _from(request))
            if seen is None:
                return self._stop(request, "forged", 403)
            if request.method == "GET" and "prefetch" not in _purpose(request):
                self._mark_delivered(seen)
            return self._page(request, token, seen, crewanswers.after_tap(self._data, request, seen))
        except _DOWN as error:
            return self._down(request, token, error, None)

    def tap(self, request: Request, token: str, given: Tap | None) -> Response:
        """Record what somebody says, or answer why not."""
        claims = verify(self._secret, token, self._clock.now_us())
        if isinstance(claims, Refusal):
            return self._stop(request, claims.value, _STATUS[claims])
        if given is None or given.kind not in KINDS:
            return self._stop(request, "forged", 403)
        try:
            seen = see(self._data, claims, given.incident, _from(request))
            if seen is None or seen.incident is None:
                return self._stop(request, "forged", 403)
            return self._said(request, token, seen, seen.incident["incident"], given)
        except _DOWN as error:
            return self._down(request, token, error, given)

    def _said(self, request: Request, token: str, seen: Seen, incident: str, given: Tap) -> Response:
        if not hmac.compare_digest(given.mark.encode(), self._mark(token, given.mark).encode()):
            return self._page(request, token, seen, ["old_form"], given, 403)
        query = {"kind": given.kind.value}
        if why := crewanswers.instead(seen, given.kind, given.note):
            if why in ("needs", "too_long"):
                return self._page(request, token, seen, [f"{why}:{given.kind}"], given, 422)
            query["said"] = why
        else:
            try:
                query["seq"] = str(self._record(request, seen, incident, given))
            except PhotoRefusedError as error:
                return self._page(request, token, seen, [f"photo_{error.why}"], given, 422)
        if not seen.claims.incident:  # back to its own page, or to the list it was tapped in
            query["incident" if request.query_params.get("incident") else "of"] = incident
        return RedirectResponse(_address(request, token, **query), status_code=303)

    def _record(self, request: Request, seen: Seen, incident: str, given: Tap) -> int:
        person, at = seen.claims.person, self._clock.now()
        if len(given.photos) > photos.MOST_PHOTOS:
            raise PhotoRefusedError("many")
        kept = [photos.read_photo(content) for content in given.photos]
        said = commands.Said(person, given.note, "link", person, _from(request))

        def keep(conn: Connection, command: str) -> None:
            photos.keep(conn, kept, incident, person, command, at)

        return commands.record(
            self._data, self._clock, said, incident, given.kind, given.mark, beside=keep if kept else None
        )

    def photo(self, request: Request, token: str, attachment: str) -> Response:
        """A photo of the link's incident."""
        claims = verify(self._secret, token, self._clock.now_us())
        if isinstance(claims, Refusal):
            return self._stop(request, claims.value, _STATUS[claims])
        seen = see(self._data, claims, request.query_params.get("incident", "")[:_LONGEST_FIELD], _from(request))
        content = seen and seen.incident and photos.find(self._data, attachment, seen.incident["incident"])
        if not content:
            raise HTTPException(404, "no such photo")
        return picture(content)

    def _mark_delivered(self, seen: Seen) -> None:
        """The person has it. That this cannot be noted keeps nobody from the page."""
        try:
            with self._data.connections.connection(timeout=WAIT_S) as conn:
                outbox.delivered(conn, seen.claims.notice, self._clock.now(), "opened")
        except psycopg.Error as error:
            _log.warning("delivery_not_noted %s", error, extra={"action": "delivery_not_noted"})

    def _page(
        self, request: Request, token: str, seen: Seen, said: list[str], given: Tap | None = None, status: int = 200
    ) -> Response:
        """The page of an incident, or of all that a digest speaks of."""
        home = self._data.home()
        language = language_for(request, language_of(seen.content.get("language", "")))
        asked = "" if seen.claims.incident else (seen.incident or {}).get("incident", "")
        here = {"lang": language, **({"incident": asked} if asked else {})}
        now = self._clock.now()
        place = crewanswers.Here(home, language, now, f"{request.url.path}?{request.url.query}")
        answers, news = crewanswers.answers(seen, said, place)
        values: dict[str, Any] = {
            **self._common(language),
            "answers": answers,
            "news": news,
            "clock": place.at,
            "action": _path(token, **here),
            "switch_to": _path(token, **here | {"lang": "en" if language == "zh" else "zh"}),
            "mark_value": self._mark(token),
            "asked": asked,
            "back": _path(token, lang=language),
            "drill": seen.notice["drill"] or bool((seen.incident or {}).get("drill")),
            "code": short_code(str(seen.content.get("root", seen.claims.notice))),
            "expires": from_us(seen.claims.expires_us),
            "typed": given.note if given else "",
            "typed_kind": given.kind.value if given else "",
        }
        if seen.incident is None:
            values |= crewanswers.digest(self._data, seen, language)
            for row in values["incidents"]:
                row["url"] = _path(token, lang=language, incident=row["incident"])
            return self._look.page(request, "crew_digest.html", home, language=language, status=status, **values)
        values |= crewview.view(self._data, seen, home, language, self._in_force)
        for line in values["course"]:
            for photo in line["photos"]:
                photo["url"] = _path(f"{token}/photos/{photo['attachment']}", **({"incident": asked} if asked else {}))
        return self._look.page(request, "crew.html", home, language=language, status=status, **values)

    def _common(self, language: str) -> dict[str, Any]:
        return {
            "c": lambda key, **values: say(f"crew.{key}", language, **values),
            "style": f"/static/crew.css?v={sha256(style().encode()).hexdigest()[:10]}",
            "say_crew": lambda spoken, key: say(f"crew.{key}", spoken),
            "longest_note": commands.LONGEST_NOTE,
            "most_photos": photos.MOST_PHOTOS,
            "photo_mb": photos.LONGEST_PHOTO // 2**20,
        }

    def _stop(self, request: Request, why: str, status: int, **values: object) -> Response:
        """A page that says in both languages why there is nothing else to see."""
        language = language_for(request)
        given: dict[str, Any] = {"kept": None, "action": "", **self._common(language), **values}
        return self._look.page(request, "crew_stop.html", Home(), language=language, status=status, why=why, **given)

    def _down(self, request: Request, token: str, error: Exception, kept: Tap | None) -> Response:
        _log.warning("database_lost %s", error, extra={"action": "database_lost"})
        address = _path(token, **{key: v for key, v in request.query_params.items() if key in ("lang", "incident")})
        answer = self._stop(request, "down", 503, kept=kept, action=address)
        answer.headers["Retry-After"] = "60"
        return answer

    def _mark(self, token: str, mark: str = "") -> str:
        """A form's mark: a nonce, signed for this link alone; the same again when `mark` is one of ours."""
        nonce = mark.partition(".")[0] or secrets.token_urlsafe(9)
        return f"{nonce}.{hmac.digest(self._secret, f'form {token} {nonce}'.encode(), 'sha256').hex()[:20]}"


@cache
def style() -> str:
    """The crew page's own style sheet: small, and not the console's."""
    return (files("lifeline.http") / "static" / "crew.css").read_text(encoding="utf-8")


def picture(content: bytes) -> Response:
    """A photo as an answer: named by its content, so it never changes; shown, never run."""
    headers = {"Cache-Control": "private, max-age=86400, immutable", "Content-Disposition": "inline"}
    return Response(content, media_type="image/jpeg", headers=headers)


def router(data: Data, look: Look, clock: Clock, secret: bytes) -> APIRouter:
    """Routes of the crew page."""
    routes = APIRouter(include_in_schema=False)
    crew = Crew(data, look, clock, secret)

    @routes.get("/static/crew.css")
    def css() -> Response:
        return Response(style(), media_type="text/css", headers={"Cache-Control": "max-age=31536000, immutable"})

    @routes.api_route("/n/{token}", methods=["GET", "HEAD"])
    def page(request: Request, token: str) -> Response:
        return crew.open(request, token)

    @routes.post("/n/{token}")
    async def tap(request: Request, token: str) -> Response:
        # Read only when the link is good: a form may bring megabytes.
        good = not isinstance(verify(secret, token, clock.now_us()), Refusal)
        given = await _read(request) if good else None
        return await run_in_threadpool(crew.tap, request, token, given)

    @routes.get("/n/{token}/photos/{attachment}")
    def photo(request: Request, token: str, attachment: str) -> Response:
        return crew.photo(request, token, attachment)

    return routes


async def _read(request: Request) -> Tap | None:
    """The form; None when it is none of ours."""
    async with request.form(max_files=photos.MOST_PHOTOS + 7, max_fields=10) as form:
        word = _text(form, "kind", _LONGEST_FIELD)
        if word not in set(CommandKind):
            return None
        sent = [item for item in form.getlist("photo") if isinstance(item, UploadFile) and item.filename]
        note = _text(form, "note", 64 * 1024).strip().replace("\r\n", "\n")
        content = tuple([await item.read(photos.LONGEST_PHOTO + 1) for item in sent])
        return Tap(CommandKind(word), note, _text(form, "mark", 64), _text(form, "incident", _LONGEST_FIELD), content)


def _text(form: FormData, key: str, longest: int) -> str:
    value = form.get(key)
    return value[:longest].replace("\0", "") if isinstance(value, str) else ""


def _from(request: Request) -> str:
    return request.client.host if request.client else ""


def _purpose(request: Request) -> str:
    return (request.headers.get("sec-purpose", "") + request.headers.get("purpose", "")).lower()


def _path(token: str, **query: str) -> str:
    return f"/n/{token}" + (f"?{urlencode(query)}" if query else "")


def _address(request: Request, token: str, **query: str) -> str:
    """The page's address after a form, in the language it was shown in."""
    asked: Mapping[str, str] = request.query_params
    return _path(token, **query | ({"lang": asked["lang"]} if asked.get("lang") in languages else {}))
