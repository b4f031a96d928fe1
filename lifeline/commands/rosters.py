"""`lifeline rosters`: who is on duty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lifeline.commands.options import moment_us

if TYPE_CHECKING:
    from rules.desk.plan import Escalation

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="City folder.", show_default=False)]
MOST = 5


def rosters(
    folder: Folder,
    start: Annotated[str, typer.Option("--from", help="From when on, with offset (now).", show_default=False)] = "",
    days: Annotated[int, typer.Option(min=1, max=366, help="How far to look.")] = 14,
    every: Annotated[bool, typer.Option("--all", help="Every change, not the next few.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Tell who is on duty now, what changes next, and the hours in which nobody could be told."""
    from rich.console import Console

    from city.clock import SystemClock
    from lifeline.rosterlist import duties, tables
    from rules.desk.roster import DAY_US

    escalation = _escalation(folder)
    start_us = moment_us("--from", start) if start else SystemClock().now_us()
    end_us = start_us + days * DAY_US
    found = duties(escalation, start_us, end_us)
    if as_json:
        typer.echo(json.dumps({"rosters": [one.document() for one in found]}, ensure_ascii=False, indent=2))
    elif not found:
        typer.echo(f"{folder}: no rosters in escalation.yaml")
    else:
        names = {person.id: person.name.get("en", person.id) for person in escalation.people.values()}
        most = 10**6 if every else MOST
        Console().print(tables(found, names, end_us, most))


def _escalation(folder: Path) -> Escalation:
    """The folder's escalation; a fault of rules or mappings, which say nothing of duty, hides nobody."""
    from city.errors import FaultyInput
    from city.folder import read_folder
    from city.load import load_city
    from rules.check import load_files
    from rules.desk.escalationfile import load_escalation

    files = read_folder(folder)
    try:
        return load_files(files).escalation
    except FaultyInput as error:
        if not all(fault.file.startswith(("rules/", "mappings/")) for fault in error.faults):
            raise
        escalation = load_escalation(files, load_city(files))[0]
        if escalation is None:
            raise
        typer.echo(
            f"{folder}: there are faults, none about who is on duty; lifeline check {folder} tells them", err=True
        )
        return escalation
