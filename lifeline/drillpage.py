"""A drill's report for people: one page of HTML that needs nothing beside it, and a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape
from rich.table import Table

from city.words import languages, say
from lifeline.drillreport import COMMANDS
from lifeline.templating import MARKS, environment
from rules.notify.display import span as length

_ENVIRONMENT = environment("lifeline")
_CLOCKS = {  # which clock watches over each step
    "acknowledged": "acknowledge", "confirmed": "confirm", "dispatched": "dispatch", "on_site": "on_site",
    "reported": "report", "closed": "close",
}  # fmt: skip
_STATES = {"met": ("within_clock", "met"), "missed": ("missed_clock", "missed"),
           "running": ("running_clock", "dim"), "cancelled": ("cancelled_clock", "dim")}  # fmt: skip

Report = Mapping[str, Any]


def page(report: Report, language: str, timezone: str) -> str:
    """The report as HTML, in a language of the catalogue, with local times."""
    zone = ZoneInfo(timezone)

    def word(key: str, **values: object) -> str:
        return say(f"drill.{key}", language, **values)

    def level(name: str) -> Markup:
        mark = Markup('<span class="mark {}">{}</span> ').format(name, MARKS.get(name, ""))
        return mark + escape(say(f"levels.{name}", language))

    def span(seconds: float | None) -> str:
        return "–" if seconds is None else length(max(0.0, seconds), language)

    def clock(moment: str | None) -> str:
        return f"{datetime.fromisoformat(moment).astimezone(zone):%Y-%m-%d %H:%M:%S}" if moment else word("running")

    def clocks(incident: Report, what: str) -> Iterator[dict[str, str]]:
        for one in incident["clocks"]:
            if one["clock"] == _CLOCKS.get(what):
                key, css = _STATES[one["state"]]
                yield {"level": one["level"], "css": css, "text": word(key, span=span(one["due_s"]))}

    def done(kind: str) -> str:
        return word(COMMANDS[kind]) if kind in COMMANDS else "–"

    return _ENVIRONMENT.get_template("drill.html").render(
        report=report, language=language, say=word, level=level, span=span, clock=clock, clocks=clocks, done=done,
        title=_title(report, language), ran=f"{clock(report['started_at'])} – {clock(report['ended_at'])} ({timezone})",
        banner=" · ".join(say("drill.exercise", one) for one in _both(language)),
        wishes=[_wish(one, language) for one in report["expectations"]],
    )  # fmt: skip


def tables(report: Report) -> list[Table | str]:
    """The report for a terminal."""
    made: list[Table | str] = [f"EXERCISE {report['drill']}: {_title(report, 'en')}, {report['state']}"]
    if report["expectations"]:
        wishes = _table("Expected", "", "came", "verdict")
        for one in report["expectations"]:
            said = _wish(one, "en")
            wishes.add_row(said["expected"], said["came"], said["verdict"])
        made.append(wishes)
    steps = _table("From the opening to", "incident", "level", *(say(f"drill.{what}", "en") for what in _STEPS))
    for one in report["incidents"]:
        steps.add_row(one["incident"], one["peak_level"], *(_short(one["steps"][what]) for what in _STEPS))
    made.append(steps if report["incidents"] else "No incident was opened.")
    people = _table("People", "", "notices", "sent", "arrived", "answered", "answer")
    for person in report["people"]:
        times = (_short(person[key]) for key in ("sent_s", "delivered_s", "answered_s"))
        people.add_row(person["person"], str(person["notices"]), *times, person["answer"] or _none(person))
    made.append(people if report["people"] else "Nobody was told.")
    return made


_STEPS = ("told", "delivered", "acknowledged", "dispatched", "on_site", "reported", "closed")


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table


def _none(person: Report) -> str:
    return "nobody answered" if person["missed"] else "–"


def _short(seconds: float | None) -> str:
    return "–" if seconds is None else length(max(0.0, seconds), "en")


def _title(report: Report, language: str) -> str:
    title = report["title"]
    return str(title.get(language) or next(iter(title.values()), report["scenario"]))


def _both(language: str) -> list[str]:
    return [language, *(other for other in languages if other != language)]


def _wish(one: Report, language: str) -> dict[str, str]:
    """What was expected, what came, and whether that will do, in words."""
    verdict = "met" if one["met"] else "missed"
    if one["what"] == "alarm":
        level = say(f"levels.{one['level']}", language)
        came = say(f"levels.{one['got']}", language) if one["got"] else say("drill.never", language)
        expected = say("drill.alarm_reaches", language, alarm=one["alarm"], level=level)
        return {"expected": expected, "came": came, "verdict": verdict}
    what, got = say(f"drill.{one['what']}", language), one["got_s"]
    expected = say("drill.within", language, what=what, span=length(one["within_s"], language))
    came = say("drill.never", language) if got is None else length(max(0.0, got), language)
    return {"expected": expected, "came": came, "verdict": verdict}
