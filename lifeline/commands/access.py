"""`lifeline store grant`, `revoke`, `logins` and `upgrade-tier`: who may look, and on which server the city lives."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeline.commands.options import Data, DatabaseUrl

Name = Annotated[str, typer.Argument(help="The log-in, such as grafana.", show_default=False)]


def grant(
    name: Name,
    read: Annotated[bool, typer.Option("--read", help="It may read the views of schema city.")] = False,
    write: Annotated[bool, typer.Option("--write", help="It may run Lifeline's roles.")] = False,
    district: Annotated[
        list[str] | None, typer.Option(help="Only rows of this district (may be said again).", show_default=False)
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a log-in on the database, or renew its password; the password is shown this once."""
    from city.errors import InputError
    from store import grants
    from store.connection import connect

    if read == write or (write and district):
        raise InputError(
            "say what it may do, got both, neither or a district to write; try --read [--district D] or --write"
        )
    dsn = _database(data, database_url)
    with connect(dsn, autocommit=True, application_name="lifeline store") as conn:
        login = grants.grant_writer(conn, name) if write else grants.grant_reader(conn, name, district or ())
    sees = f", only districts {', '.join(login.districts)}" if login.districts else ""
    typer.echo(f"{name} may {'write' if write else 'read'}{sees}. Its address, shown this once:", err=True)
    typer.echo(grants.dsn_of(dsn, login))


def revoke(name: Name, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Take a log-in away."""
    from store import grants
    from store.connection import connect

    dsn = _database(data, database_url)
    with connect(dsn, autocommit=True, application_name="lifeline store") as conn:
        grants.revoke(conn, name)
    typer.echo(f"{name} is gone")


def logins(data: Data = None, database_url: DatabaseUrl = None) -> None:
    """List the log-ins: who may read or write, and the districts readers are held to."""
    from store import grants
    from store.connection import connect

    dsn = _database(data, database_url)
    with connect(dsn, autocommit=True, application_name="lifeline store") as conn:
        for name, kind, districts in grants.logins(conn):
            typer.echo(f"{name}\t{kind}\t{', '.join(districts) or 'all districts'}")


def upgrade_tier(
    to: Annotated[str, typer.Option(help="The other database: new and empty.", envvar="LIFELINE_TO_DATABASE_URL")],
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Move the city's database to another server (TimescaleDB, say), verified row by row; the old one is only read."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from lifeline import custody, settings
    from store import upgrade
    from store.connection import describe

    found = settings.load(data=data, database_url=database_url)
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with custody.database_of(found) as dsn, Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("looking")

        def show(done: int, steps: int, what: str) -> None:
            bar.update(task, completed=done, total=steps, description=what)

        moved = upgrade.move(dsn, to, progress=show)
    tables: dict[str, int] = {}
    for part in moved.parts:
        tables[part.table] = tables.get(part.table, 0) + part.rows
    for table, rows in tables.items():
        days = sum(part.table == table and part.day is not None for part in moved.parts)
        typer.echo(f"{table}: {rows:,} rows{f' in {days} days' if days else ''}, same checksum at both ends")
    typer.echo(
        f"{moved.rows:,} rows moved from tier {moved.source} to {moved.target}, verified; the old ones are untouched.\n"
        f"Next: set LIFELINE_DATABASE_URL to {describe(to)} (with user and password) and start `lifeline run`; "
        "make log-ins anew there (`lifeline store grant`)."
    )


def _database(data: Data, database_url: DatabaseUrl) -> str:
    from lifeline import endpoints, settings

    return endpoints.with_running(settings.load(data=data, database_url=database_url)).database
