"""`lifeline doctor`, `migrate` and `version`."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeline.commands.options import City, Data, DatabaseUrl, MqttUrl


def doctor(data: Data = None, city: City = None, database_url: DatabaseUrl = None, mqtt_url: MqttUrl = None) -> None:
    """Check everything a running system needs, and say what to do for each fault."""
    from rich.console import Console

    from city.clock import SystemClock
    from lifeline import endpoints, settings
    from lifeline.doctor import examine, exit_code, lines

    found = settings.load(data=data, city=city, database_url=database_url, mqtt_url=mqtt_url)
    reports = examine(endpoints.with_running(found), SystemClock())
    Console().print(lines(reports), end="", soft_wrap=True)
    raise typer.Exit(exit_code(reports))


def migrate(
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would be done.")] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Bring the database's schema up to date (forward only)."""
    from lifeline import endpoints, settings
    from store import migrate as migration
    from store.connection import connect

    found = endpoints.with_running(settings.load(data=data, database_url=database_url))
    if plan:
        with connect(found.database, application_name="lifeline migrate") as conn:
            steps = migration.plan(conn)
    else:
        steps = migration.migrate(found.database)
    for step in steps:
        typer.echo(f"{'would apply' if plan else 'applied'} {step.name}{f' ({step.variant})' if step.variant else ''}")
    if not steps:
        typer.echo("up to date")


def version() -> None:
    """Say which version this is."""
    from importlib.metadata import version as version_of

    typer.echo(version_of("urban-lifeline"))
