"""Templates, words and the language of a visitor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from city.clock import Clock
from city.levels import Flag
from city.quantity import QUANTITIES
from city.words import languages, say
from lifeline.http.data import Row
from lifeline.templating import MARKS, environment
from rules.notify.display import at, number, say_test, span
from rules.notify.zone import Home

_environment = environment("lifeline.http")


def quantity(name: str, language: str) -> str:
    """What a quantity is called; its id when the city added it itself."""
    known = QUANTITIES.get(name)
    return known.name.get(language, name) if known else name


def language_for(request: Request, preferred: str = "") -> str:
    """`?lang=`, or `preferred` (a notice's own), or the best of `Accept-Language`; English in the end."""
    asked = request.query_params.get("lang", "")
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
        words = {**self.words(language, home), "request": request, "language": language, **values}
        return HTMLResponse(_environment.get_template(template).render(words), status_code=status)

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
            return f"{number(value)} {unit or ''}".strip() if value is not None else "–"

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
            "test": lambda text: say_test(str(text), language),
            "city": home.name.get(language) or home.name.get("en") or "Lifeline",
            "now": now,
            "other_language": "en" if language == "zh" else "zh",
        }


def _teller(language: str) -> Callable[..., str]:
    def tell(key: str, **values: object) -> str:
        try:
            return say(f"page.{key}", language, **values)
        except KeyError:
            if values or "_" not in key:
                raise
            return key.partition("_")[2].replace("_", " ")  # a kind or state this page has no word for yet

    return tell
