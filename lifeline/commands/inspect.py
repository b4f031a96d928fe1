"""`lifeline doctor`, `migrate` and `version`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lifeline.commands.options import City, Data, DatabaseUrl, MqttUrl

if TYPE_CHECKING:  # commands import what they need when they run
    from store.migrate import Phase


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
    phase: Annotated[
        str | None,
        typer.Option(help="pre (beside the version that still runs) or post (once every role runs the new one)."),
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Bring the database's schema up to date (forward only)."""
    from city.errors import InputError
    from lifeline import custody, settings
    from store import migrate as migration

    if phase is not None and phase not in list(migration.Phase):
        raise InputError(f"--phase: not one, got {phase!r}, try {' or '.join(migration.Phase)}")
    only = None if phase is None else migration.Phase(phase)
    with custody.database_of(settings.load(data=data, database_url=database_url)) as dsn:
        if plan:
            done = _planned(dsn, only)
        else:
            steps = migration.migrate(dsn, phase=only)
            done = [f"applied {step.name}{f' ({step.variant})' if step.variant else ''}" for step in steps]
    typer.echo("\n".join(done) or "up to date")


def _planned(dsn: str, only: Phase | None) -> list[str]:
    """What a migration would do, a line for each step."""
    from store import migrate as migration
    from store.connection import connect

    told = []
    with connect(dsn, application_name="lifeline migrate") as conn:
        tier = migration.detect_tier(conn)
        for step in [step for step in migration.plan(conn) if only in (None, step.phase)]:
            size = migration.size_of(conn, step)
            touched = f"changes {', '.join(step.changes)} ({size / 1e6:,.1f} MB)" if step.changes else "adds only"
            told.append(
                f"would apply {step.name} [{step.phase}, {step.variant or f'all tiers, here {tier}'}]: {touched}"
            )
    return told


def version() -> None:
    """Say which version this is."""
    from importlib.metadata import version as version_of

    typer.echo(version_of("urban-lifeline"))
