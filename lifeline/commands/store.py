"""`lifeline backup`, `restore`, `export`, `lifeline store …`: what is kept, taken out whole or in parts, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lifeline.commands.options import City, Data, DatabaseUrl, tier_named

if TYPE_CHECKING:
    from datetime import datetime

    from rich.status import Status

app = typer.Typer(help="The store: its tier and its server.", no_args_is_help=True)

Backup = Annotated[Path, typer.Argument(metavar="FILE", help="Backup file (.zip).", show_default=False)]


@app.callback()
def store() -> None:
    """The store: its tier and its server."""


def backup(file: Backup, data: Data = None, city: City = None, database_url: DatabaseUrl = None) -> None:
    """Write database, secrets and city folder to one file; the system may go on running."""
    from city.clock import SystemClock, stopwatch_s
    from lifeline import custody, endpoints, settings
    from store import backup as backups

    found = settings.load(data=data, city=city, database_url=database_url)
    began_s = stopwatch_s()
    with custody.database_of(found) as dsn, _status() as status:
        found = endpoints.with_running(found)
        made = backups.write(
            dsn,
            file.absolute(),
            custody.small_files(found),
            version=_version(),
            at=SystemClock().now(),
            progress=status.update,
        )
    rows = sum(table.rows for table in made.tables)
    typer.echo(
        f"{file}: {file.stat().st_size / 1e6:,.1f} MB in {stopwatch_s() - began_s:.1f} s: {rows:,} rows of "
        f"{len(made.tables)} tables ({made.tier}, PostgreSQL {made.postgres}), {len(made.files)} files. "
        "It holds secrets: keep it like a key."
    )


def restore(
    file: Backup,
    data: Data = None,
    city: City = None,
    database_url: DatabaseUrl = None,
    tier: Annotated[
        str | None, typer.Option(help="plain, apache or community (default: the best there).", show_default=False)
    ] = None,
) -> None:
    """Bring a backup into an empty database (a new data folder's own, or the one given); never over anything."""
    from contextlib import nullcontext

    from lifeline import custody, settings
    from store import backup as backups
    from store import restore as restoring

    found = settings.load(data=data, city=city, database_url=database_url)
    wanted = None if tier is None else tier_named(tier)
    folder = found.city or found.data / "city"
    check, put = custody.placer(found.data, folder)
    with backups.opened(file) as (_, manifest):
        check(manifest)
    settings.prepare_data(found)
    given = found.database_url
    with nullcontext(given) if given is not None else custody.embedded(found) as dsn, _status() as status:
        done = restoring.read(dsn, file, tier=wanted, progress=status.update, with_files=put)
    rows = sum(table.rows for table in done.manifest.tables)
    typer.echo(
        f"{file}: {rows:,} rows restored, every table's checksum as it was, now on tier {done.tier.value} "
        f"(was {done.manifest.tier}); made {done.manifest.made_at}"
    )
    for table, count in done.left_out.items():
        typer.echo(f"left out: {count:,} rows of {table}, which tier {done.tier.value} keeps in another way")
    named = f"LIFELINE_CITY={folder} " if any(name.startswith("city/") for name in manifest.files) else ""
    typer.echo(f"Next, with the old system stopped for good: {named}LIFELINE_DATA={found.data} lifeline run")


def export(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="readings, findings, alarms or incidents.")],
    out: Annotated[Path, typer.Option(help="File to write; a note is written beside it.", show_default=False)],
    form: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
    from_: Annotated[str | None, typer.Option("--from", help="From this time on.", show_default=False)] = None,
    to: Annotated[str | None, typer.Option(help="Only before this time.", show_default=False)] = None,
    domain: Annotated[str | None, typer.Option(help="Only of this domain.", show_default=False)] = None,
    district: Annotated[str | None, typer.Option(help="Only of this district.", show_default=False)] = None,
    sensor: Annotated[
        list[str] | None, typer.Option(help="Only of this sensor (may be said again).", show_default=False)
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Write readings, findings, alarms or incidents to a CSV or Parquet file."""
    from city.clock import SystemClock
    from lifeline import custody, settings
    from store import export as exporting

    found = settings.load(data=data, database_url=database_url)
    wish = exporting.Wish(
        kind=_one_of("WHAT", what, exporting.KINDS),  # type: ignore[arg-type]  # one of them, as just checked
        format=_one_of("--format", form, exporting.FORMATS),  # type: ignore[arg-type]  # one of them, as just checked
        first=_moment("--from", from_),
        past=_moment("--to", to),
        domain=domain,
        district=district,
        sensors=tuple(sensor or ()),
    )
    with custody.database_of(found) as dsn, _status() as status:
        rows = exporting.export(
            dsn, wish, out.absolute(), at=SystemClock().now(), progress=lambda n: status.update(f"{n:,} rows")
        )
    typer.echo(f"{out}: {rows:,} {what}; columns and units in {out}{exporting.NOTE}")


@app.command("upgrade-server")
def upgrade_server(
    old_bin: Annotated[
        Path | None,
        typer.Option(help="Programs (…/bin) of the version that made the data.", file_okay=False, show_default=False),
    ] = None,
    data: Data = None,
) -> None:
    """Move the data folder's own server to a newer PostgreSQL: copied, verified, the old data kept beside."""
    from city.clock import SystemClock
    from lifeline import custody, settings
    from store.serverupgrade import upgrade

    found = settings.load(data=data)
    with custody.held(found), _status() as status:
        done = upgrade(
            found.data / "postgres",
            version=_version(),
            at=SystemClock().now(),
            old_bin=old_bin,
            progress=status.update,
        )
    typer.echo(
        f"{found.data}: PostgreSQL {done.before} to {done.after}, tier {done.tier.value}, {done.rows:,} rows, every "
        f"table's checksum as it was. When all is well, remove {done.kept}."
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("urban-lifeline")
    except PackageNotFoundError:
        return "not installed"


def _one_of(flag: str, got: str, known: tuple[str, ...]) -> str:
    from city.errors import InputError

    if got not in known:
        raise InputError(f"{flag}: not known, got {got!r}, try {', '.join(known)}")
    return got


def _moment(flag: str, text: str | None) -> datetime | None:
    from city.clock import from_us
    from lifeline.commands.options import moment_us

    return None if text is None else from_us(moment_us(flag, text))


def _status() -> Status:
    from rich.console import Console
    from rich.status import Status

    return Status("starting", console=Console(stderr=True))
