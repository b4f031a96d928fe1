"""What the console's pages share: who speaks, what city it is, how lists are cut into pages."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import HTTPException, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse

from city.clock import Clock
from city.errors import FaultyInput
from lifeline.http import commands, who
from lifeline.http.data import WAIT_S, Data, Row
from lifeline.http.look import Look, language_for
from rules.check import Checked, load_files
from rules.desk.plan import Escalation, Person
from store import bundle
from store.statements import statements

_SQL = statements("log", package="lifeline.http")
PAGE = 50
Page = Annotated[int, Query(ge=1, le=10_000)]
Text = Annotated[str, Query(max_length=200)]


class InForce:
    """The city folder in force, read again only when it changed (reading it may take a second in a large city)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: tuple[str, Checked | None] = ("", None)

    def get(self, data: Data) -> Checked | None:
        """The folder as the engine reads it; None before one was applied, or when this version cannot read it."""
        with self._lock:
            with data.connections.connection(timeout=WAIT_S) as conn:
                name = bundle.current_hash(conn) or ""
                if name == self._read[0]:
                    return self._read[1]
                files = bundle.get(conn, name) or {}
            try:
                self._read = (name, load_files(files))
            except FaultyInput:
                self._read = (name, None)
            return self._read[1]

    def callers(self, data: Data, language: str) -> Callable[[str, str], str]:
        """What people are called in a language: a function of their id and of what is said when that is not known.

        The folder is looked at when the first name is asked for.
        """
        people: Mapping[str, Person] | None = None

        def called(id_: str, otherwise: str = "") -> str:
            nonlocal people
            if people is None:
                checked = self.get(data)
                people = checked.escalation.people if checked else {}
            person = people.get(id_)
            return (person.name.get(language) if person else "") or otherwise or id_

        return called


@dataclass(frozen=True)
class Console:
    """What every page is made with."""

    data: Data
    look: Look
    clock: Clock
    in_force: InForce = field(default_factory=InForce)

    def page(
        self, request: Request, template: str, values: Mapping[str, Any], *, live: str = "", status: int = 200
    ) -> HTMLResponse:
        """An HTML answer; `live` names what makes the page fetch itself again (see `lifeline.http.live`)."""
        called = self.in_force.callers(self.data, language_for(request))
        given = {"called": called, **values}
        return self.look.page(request, template, self.data.home(), status=status, live=live, **given)

    def escalation(self) -> Escalation:
        """People, rosters and chains in force; empty ones when there is none."""
        checked = self.in_force.get(self.data)
        return checked.escalation if checked else Escalation()

    def origins(self, incident: str) -> Mapping[str, str]:
        """From where each command about an incident came, by its journal row; for operators, who see the incident."""
        asks = who.current.get()
        if asks is None or not asks.may(who.Role.OPERATOR):
            return {}
        with self.data.connections.connection(
            timeout=WAIT_S
        ) as conn:  # the log has no districts: not read for somebody
            return dict(conn.execute(_SQL["origins"], {"incident": incident}).fetchall())

    def said(self, request: Request, actor: str, note: str) -> commands.Said:
        """Who speaks: the account that is signed in, or else the name in the form."""
        speaker = speaks(request)
        if speaker is not None:
            return commands.Said.of(speaker, note, "console")
        if not actor.strip():
            raise HTTPException(422, "say who you are: your name is missing")
        here = who.current.get()
        return commands.Said(actor, note, "console", address=here.address if here else "", role="", how="local")


def speaks(request: Request) -> who.Who | None:
    """The account that signs what is said; None when people give their name (before there are accounts)."""
    current = who.current.get()
    return None if current is None or current.how == "local" else current


def given_name(request: Request) -> str:
    """The name somebody on this machine gave last."""
    return request.cookies.get("actor", "")[: commands.LONGEST_ACTOR]


def by(rows: Iterable[Row], key: str) -> Mapping[str, list[Row]]:
    """Rows by the value of a column, in their order."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[key]].append(row)
    return found


def pages(total: int, size: int = PAGE) -> int:
    """How many pages a list of `total` rows has."""
    return max(1, -(-total // size))


def back(path: str, **query: object) -> RedirectResponse:
    """After a form: look at the page (again)."""
    said = "&".join(f"{key}={quote(str(value), safe='')}" for key, value in query.items() if value not in (None, ""))
    return RedirectResponse(f"{path}?{said}" if said else path, status_code=303)


def named(rows: Iterable[Row], key: str, language: str) -> list[tuple[Any, str]]:
    """Choices for a select: id and name in a language."""
    return [(row[key], str((row.get("name_zh") if language == "zh" else None) or row["name"])) for row in rows]
