"""`lifeline rosters`: who is on duty."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from lifeline.commands.options import moment_us

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
    from lifeline.cityfolder import read_checked
    from lifeline.rosterlist import duties, tables
    from rules.desk.roster import DAY_US

    escalation = read_checked(folder)[1].escalation
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
