"""Templates, words, and the language and colours a visitor wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlencode

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from city.clock import Clock
from city.levels import Flag
from city.quantity import QUANTITIES
from city.words import catalogue, languages, say
from ingest import retelling as refused
from lifeline import healthwords
from lifeline.http import who
from lifeline.http.data import Row
from lifeline.templating import MARKS, environment
from rules.language.findingwords import say_evidence
from rules.notify.display import at, measured, retell, say_reason, say_test, span
from rules.notify.zone import Home
from rules.signs.telling import say_channel

TOPICS = ("page", "console", "figures", "accounts")  # catalogue files a page's words are looked up in
THEMES = ("light", "dark", "auto")
STATIC: Mapping[str, str] = {
    "lifeline.css": "text/css",
    "console.css": "text/css",
    "console.js": "text/javascript",
}
_YEAR_S = 365 * 86400
_environment = environment("lifeline.http")


@cache
def static(name: str) -> str:
    """A style sheet or script of ours, by its name in `STATIC`."""
    return (files("lifeline.http") / "static" / name).read_text(encoding="utf-8")


@cache
def _address(name: str) -> str:
    """Where a static file is found; another text is another address, so that nobody sees an old one."""
    return f"/static/{name}?v={sha256(static(name).encode()).hexdigest()[:10]}"


def quantity(name: str, language: str) -> str:
    """What a quantity is called; its id when the city added it itself."""
    known = QUANTITIES.get(name)
    return known.name.get(language, name) if known else name


def _domain(name: str, language: str) -> str:
    key = f"domains.{name}"
    return say(key, language) if key in catalogue() else name


def language_for(request: Request, preferred: str = "") -> str:
    """`?lang=`, what was chosen before, `preferred` (a notice's own), or the browser's best; English in the end."""
    for asked in (request.query_params.get("lang", ""), request.cookies.get("lang", "")):
        if asked in languages:
            return asked
    if preferred in languages:
        return preferred
    wishes = []
    for at_, part in enumerate(request.headers.get("accept-language", "")[:200].split(",")):
        tag, _, quality = part.partition(";q=")
        try:
            weight = float(quality) if quality else 1.0
        except ValueError:
            weight = 0.0
        language = tag.strip().lower()[:2]
        if language in languages and weight > 0:
            wishes.append((-weight, at_, language))
    return min(wishes)[2] if wishes else "en"


class Look:
    """Renders templates for one city."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def page(
        self, request: Request, template: str, home: Home, *, language: str = "", status: int = 200, **values: object
    ) -> HTMLResponse:
        """An HTML answer in the visitor's language."""
        language = language or language_for(request)
        words = {**self.words(language, home), **_visit(request, language), **values}
        answer = HTMLResponse(_environment.get_template(template).render(words), status_code=status)
        for name, known in (("lang", languages), ("theme", THEMES)):
            chosen = request.query_params.get(name, "")
            if chosen in known and chosen != request.cookies.get(name):
                secure = bool(request.state.secure)
                answer.set_cookie(name, chosen, _YEAR_S, samesite="lax", httponly=True, secure=secure)
        return answer

    def words(self, language: str, home: Home) -> Mapping[str, Any]:
        """What every template may use: sentences, levels, times, ages, numbers and names."""
        now = self._clock.now()

        def ago(when: datetime | None) -> str:
            return say("page.ago", language, span=span((now - when).total_seconds(), language)) if when else "–"

        def when(moment: datetime | None, **how: bool) -> str:
            return at(moment, home.zone, **how) if moment else "–"

        def named(row: Row, field: str = "title") -> str:
            chinese = row.get(f"{field}_zh") if language == "zh" else None
            return str(chinese or row.get(field) or "–")

        def amount(value: float | None, unit: str | None = "") -> str:
            return measured(value, unit, language) if value is not None else "–"

        return {
            "t": _teller(language),
            "say_in": lambda spoken, key: say(f"page.{key}", spoken),
            "ago": ago,
            "when": when,
            "named": named,
            "amount": amount,
            "level": lambda word: say(f"levels.{word}", language),
            "mark": MARKS.get,
            "flag": lambda flag: say(f"flags.{Flag(flag).name.lower()}", language),
            "age": lambda seconds: say("page.ago", language, span=span(seconds, language)),
            "span": lambda seconds: span(seconds, language),
            "quantity": lambda name: quantity(name, language),
            "domain": lambda name: _domain(name, language),
            "test": lambda text: say_test(str(text), language),
            "found": lambda text: say_reason(str(text or ""), language),
            "channel": lambda name: say_channel(name, language),
            "rests_on": lambda row: say_evidence(row["detector"], row["evidence"] or (), language),
            "health_unit": lambda unit: healthwords.unit(unit or "", language),
            "health_said": lambda text: healthwords.retell(text or "", language),
            "refused_name": lambda reason: refused.name(reason, language),
            "refused_try": lambda reason: refused.advice(reason, language),
            "refused_detail": lambda detail: refused.retell(detail or "", language),
            "retold": lambda text: retell(str(text or ""), language, home.zone),
            "city": home.name.get(language) or home.name.get("en") or "Lifeline",
            "now": now,
            "other_language": "en" if language == "zh" else "zh",
        }


def _visit(request: Request, language: str) -> Mapping[str, Any]:
    """What templates know of the request and of who asks."""
    theme = request.query_params.get("theme") or request.cookies.get("theme", "")

    def here(**changes: object) -> str:
        """This page's query with some parameters changed (None: taken out)."""
        given = dict(parse_qsl(request.url.query)) | {key: str(v) for key, v in changes.items() if v is not None}
        return "?" + urlencode({key: v for key, v in given.items() if key not in changes or changes[key] is not None})

    asks = who.current.get()
    secret = getattr(request.state, "csrf", "")
    return {
        "request": request,
        "language": language,
        "theme": theme if theme in THEMES else "auto",
        "here": here,
        "static": _address,
        "who": asks,
        "may": lambda role: asks is None or asks.may(who.Role[role.upper()]),
        "csrf": lambda: Markup('<input type="hidden" name="csrf" value="{}">').format(secret) if secret else "",
        "live": "",
    }


def _teller(language: str) -> Callable[..., str]:
    def tell(key: str, **values: object) -> str:
        topic = next((topic for topic in TOPICS if f"{topic}.{key}" in catalogue()), None)
        if topic is None:
            if values or "_" not in key:
                raise KeyError(key)
            return key.partition("_")[2].replace("_", " ")  # a kind or state this page has no word for yet
        return say(f"{topic}.{key}", language, **values)

    return tell
