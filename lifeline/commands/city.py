"""`lifeline check` and `lifeline init`: the city folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="City folder.", show_default=False)]


def check(
    folder: Folder,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
) -> int:
    """Check a city folder: every fault at once as file:line:column, exit code 1 when there is one.

    Warnings about who is told and about maintenance windows are printed too: a roster's gaps in the next 14 days, say.
    """
    from city.clock import SystemClock
    from city.errors import FaultyInput
    from lifeline.cityfolder import read_checked
    from rules.desk.escalationlint import lint_escalation
    from rules.language.lint import lint
    from rules.language.windowlint import lint_windows
    from rules.trials.scenario import drill_faults

    (files, checked), now_us = read_checked(folder), SystemClock().now_us()
    if faults := drill_faults(files, checked.book, checked.escalation):
        raise FaultyInput(faults)
    city, found = checked.city, lint_escalation(files, checked.escalation, checked.book, now_us)
    found += lint_windows(files, checked.book, now_us)
    for warning in found:
        typer.echo(str(warning))
    verdict = "not without warnings" if found else "fine"
    typer.echo(
        f"{folder}: {verdict} ({len(files)} files, {len(city.districts)} districts, {len(city.sites)} sites, "
        f"{len(city.gateways)} gateways, {len(city.sensors)} sensors)"
    )
    if warnings := lint(files, checked.book):
        typer.echo(f"{folder}: {len(warnings)} warnings about the rule books; lifeline rules check {folder} tells them")
    return 1 if strict and (found or warnings) else 0


def init(
    folder: Folder,
    floodnet: Annotated[
        Path | None,
        typer.Option(
            help="Instead, a city for the FloodNet recordings in this folder.", show_default=False, exists=True
        ),
    ] = None,
) -> None:
    """Write a small commented example city folder to start from."""
    from city.errors import InputError
    from city.example import write_example

    if floodnet is None:
        write_example(folder)
    else:
        from gateway.floodnet import write_floodnet_city

        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder}: not empty, try another folder")
        write_floodnet_city(floodnet, folder)
    typer.echo(f"{folder}: written. Next: lifeline check {folder}; then LIFELINE_CITY={folder} lifeline run")
