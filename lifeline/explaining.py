"""Finds what an explanation needs: the city folder in force, and readings from the database or from a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from city import duration
from city.clock import from_us
from city.errors import InputError
from lifeline import endpoints, settings
from lifeline.cityfolder import read_checked
from rules.check import Checked, load_files
from rules.trials.explain import Explanation, begin_us, explain, find, looked_at
from rules.trials.explaintext import lines
from rules.trials.recorded import from_csv, from_database, recorded_events
from rules.trials.tale import Clock
from store import bundle
from store.connection import Connection, connect


@dataclass(frozen=True)
class Question:
    """What is asked: a rule, a scope, an instant, and where to look."""

    rule: str
    scope: str
    at_us: int
    since: str | None = None
    readings: Path | None = None
    city: Path | None = None
    data: Path | None = None
    database_url: str | None = None


def answer(question: Question) -> tuple[Explanation, Clock]:
    """The explanation, and how the city writes instants.

    Raises
    ------
    InputError
        No such rule or sensor, no city folder, or no database to ask.
    """
    found = endpoints.with_running(
        settings.load(data=question.data, city=question.city, database_url=question.database_url)
    )
    if question.readings is not None:
        folder = question.city or found.city
        if folder is None:
            raise InputError("--readings: which city is not known, try --city DIR")
        _, checked = read_checked(folder)
        return _from_file(question, checked, question.readings)
    if not found.database_url:
        raise InputError("no running system and no database is known, try --database-url, --data, or --readings FILE")
    with connect(found.database, application_name="lifeline explain") as conn:
        return _from_database(question, city_in_force(conn, question.city), conn)


def written(explanation: Explanation, clock: Clock) -> str:
    """An explanation as text."""
    return "\n".join(lines(explanation, clock))


def city_in_force(conn: Connection, folder: Path | None) -> Checked:
    """The city folder that was given, or else the one in force."""
    if folder is not None:
        return read_checked(folder)[1]
    current = bundle.current(conn)
    if current is None:
        raise InputError("no city folder has been applied to this database yet, try --city DIR")
    return load_files(current[1])


def _begin_us(question: Question, usual_us: int) -> int:
    return usual_us if question.since is None else question.at_us - round(duration.parse_s(question.since) * 1e6)


def _from_file(question: Question, checked: Checked, path: Path) -> tuple[Explanation, Clock]:
    asked = find(checked.book, question.rule, question.scope)
    samples = from_csv(path, checked.city, looked_at(checked, asked))
    begin = _begin_us(question, begin_us(asked, question.at_us))
    return explain(checked, asked, question.at_us, samples, begin), _clock(checked)


def _from_database(question: Question, checked: Checked, conn: Connection) -> tuple[Explanation, Clock]:
    asked = find(checked.book, question.rule, question.scope)
    begin = _begin_us(question, begin_us(asked, question.at_us))
    samples = from_database(conn, looked_at(checked, asked), begin, question.at_us)
    explanation = explain(checked, asked, question.at_us, samples, begin)
    recorded = recorded_events(conn, question.rule, question.scope, begin, question.at_us)
    return replace(explanation, recorded=recorded), _clock(checked)


def _clock(checked: Checked) -> Clock:
    """Local time of the city with its offset, to the second unless there is more."""
    zone = ZoneInfo(checked.city.timezone)

    def clock(at_us: int) -> str:
        moment = from_us(at_us).astimezone(zone)
        return moment.isoformat(timespec="auto" if moment.microsecond else "seconds")

    return clock
