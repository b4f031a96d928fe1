"""`lifeline audit`: whether the log of what was done is whole, and what is in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from lifeline.commands.options import Data, DatabaseUrl, moment_us

if TYPE_CHECKING:
    from store.connection import Connection

app = typer.Typer(
    no_args_is_help=True, help="The log of who did what: append-only, each row hashed onto the one before."
)

Anchors = Annotated[
    list[str] | None,
    typer.Option("--anchor", help="A seq:hash written down before (may be said again).", show_default=False),
]


@app.command("verify")
def verify(anchor: Anchors = None, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Compute every hash again; exit 1 naming the first row that was edited, removed, inserted or cut off."""
    from city.errors import InputError
    from store import audit

    try:
        anchors = [audit.Head.of(text) for text in anchor or ()]
    except ValueError as error:
        raise InputError(f"--anchor: {error}, try what `lifeline audit head` says") from error
    with _database(data, database_url) as conn, conn.transaction():
        found = audit.verify(conn, anchors)
    if found.fault:
        raise InputError(f"audit log: {found.fault}; {found.rows} rows before it are as they were written")
    checked = f", {len(anchors)} anchor{'s' if len(anchors) > 1 else ''} fit" if anchors else ""
    typer.echo(f"{found.rows} rows, none edited, missing or inserted{checked}; the log ends at {found.head}")
    if not anchors:
        typer.echo("Without an anchor an end that was cut off is not seen: keep heads elsewhere.", err=True)


@app.command("head")
def head(data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Say where the log ends, as seq:hash; kept elsewhere, `verify --anchor` tells if the log was cut off."""
    from store import audit

    with _database(data, database_url) as conn:
        typer.echo(str(audit.head(conn)))


@app.command("list")
def list_(
    since: Annotated[str | None, typer.Option(help="Not before this time.", show_default=False)] = None,
    actor: Annotated[
        str | None, typer.Option(help="What this account, token or person did.", show_default=False)
    ] = None,
    incident: Annotated[str | None, typer.Option(help="About this incident.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")] = 100,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List what was done, newest first: number, time, who, from where, what, about what, and the rest."""
    import json

    from city.clock import from_us
    from store import audit

    first = from_us(moment_us("--since", since)) if since else None
    with _database(data, database_url) as conn:
        for row in audit.listed(conn, since=first, actor=actor, incident=incident, limit=limit):
            about = " ".join(part for part in (row["incident"], row["target"]) if part) or "-"
            more = json.dumps(row["detail"], ensure_ascii=False) if row["detail"] else ""
            came = " ".join(part for part in (row["how"], row["address"]) if part)
            seq, at = str(row["seq"]), f"{row['at']:%Y-%m-%dT%H:%M:%S}Z"
            typer.echo("\t".join((seq, at, row["actor"], came, row["action"], about, more)))


@contextmanager
def _database(data: Data, database_url: DatabaseUrl) -> Iterator[Connection]:
    from lifeline import custody, settings
    from store.connection import connect

    with (
        custody.database_of(settings.load(data=data, database_url=database_url)) as dsn,
        connect(dsn, autocommit=True, application_name="lifeline audit") as conn,
    ):
        yield conn
