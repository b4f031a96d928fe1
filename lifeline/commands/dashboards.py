"""`lifeline dashboards`: Grafana's dashboards as files, pushed, or drawn without a Grafana."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lifeline.commands.options import City, Data, DatabaseUrl

if TYPE_CHECKING:
    from dashboards.client import Grafana
    from dashboards.files import DataSource
    from dashboards.plan import Wanted

app = typer.Typer(help="Grafana's dashboards: as files, pushed, or drawn without a Grafana.", no_args_is_help=True)

Out = Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.", show_default=False)]
Console = Annotated[str, typer.Option(help="Address of the operations page that panels link to.", show_default=False)]
Tiles = Annotated[str, typer.Option(help="Map tile server of your own ({z}/{x}/{y}).", show_default=False)]
Room = Annotated[Literal["dark", "light"], typer.Option("--theme", help="Colours for a dark or a light room.")]
Url = Annotated[str, typer.Argument(help="Address of Grafana, its sub-path included.", show_default=False)]
CaFile = Annotated[
    Path | None,
    typer.Option(help="Certificate of the authority that signed Grafana's.", dir_okay=False, show_default=False),
]
Watchdogs = Annotated[bool, typer.Option(help="Also the alert rules over Lifeline itself.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]
Timescale = Annotated[
    bool | None,
    typer.Option(
        "--timescaledb/--plain",
        help="Whether the data source has TimescaleDB (the database is asked when not said).",
        show_default=False,
    ),
]


@app.command("build")
def build(folder: Out, console_url: Console = "", tiles: Tiles = "", theme: Room = "dark") -> None:
    """Write every dashboard in every language as JSON."""
    from dashboards.files import write

    _written(write(folder, _console(console_url), tiles, theme))


@app.command("export")
def export(
    folder: Out,
    console_url: Console = "",
    tiles: Tiles = "",
    theme: Room = "dark",
    database_url: DatabaseUrl = None,
    timescaledb: Timescale = None,
) -> None:
    """Write a provisioning folder: data source (without its password), folder, dashboards, watchdog rules."""
    from dashboards import files

    source = _source(database_url, timescaledb)
    _written(files.export(folder, _console(console_url), tiles, source, theme=theme))


@app.command("plan")
def plan(
    url: Url,
    console_url: Console = "",
    tiles: Tiles = "",
    theme: Room = "dark",
    database_url: DatabaseUrl = None,
    timescaledb: Timescale = None,
    watchdogs: Watchdogs = True,
    ca_file: CaFile = None,
) -> None:
    """Say what a push would change; exit code 0 when nothing, 1 when something."""
    from dashboards import plan as planning

    wanted = _wanted(console_url, tiles, theme, _source(database_url, timescaledb), watchdogs=watchdogs)
    with _grafana(url, ca_file) as server:
        entries = planning.plan(server, wanted)
    for entry in entries:
        typer.echo(str(entry))
    if not planning.is_done(entries):
        raise typer.Exit(1)


@app.command("push")
def push(
    url: Url,
    console_url: Console = "",
    tiles: Tiles = "",
    theme: Room = "dark",
    database_url: DatabaseUrl = None,
    timescaledb: Timescale = None,
    watchdogs: Watchdogs = True,
    dry_run: DryRun = False,
    ca_file: CaFile = None,
) -> None:
    """Write the dashboards into a running Grafana; its token comes from LIFELINE_GRAFANA_TOKEN."""
    from dashboards import plan as planning
    from dashboards import push as pushing

    wanted = _wanted(console_url, tiles, theme, _source(database_url, timescaledb), watchdogs=watchdogs)
    with _grafana(url, ca_file) as server:
        if dry_run:
            for entry in planning.plan(server, wanted):
                typer.echo(f"would {entry}" if entry.state in ("create", "update") else str(entry))
            return
        done = pushing.push(server, wanted, os.environ.get("LIFELINE_GRAFANA_PASSWORD", ""))
    for entry in done.entries:
        typer.echo(str(entry) if entry.state != "gone" else f"{entry}, see lifeline dashboards prune")
    for uid, address in done.dashboards.items():
        typer.echo(f"{uid}: {address}")


@app.command("prune")
def prune(
    url: Url,
    yes: Annotated[bool, typer.Option("--yes", help="Delete them.")] = False,
    dry_run: DryRun = False,
    ca_file: CaFile = None,
) -> None:
    """Delete dashboards of our folder and tag that are no longer shipped; only names them without --yes."""
    from dashboards import push as pushing
    from dashboards.pages import all_dashboards

    deleting = yes and not dry_run
    with _grafana(url, ca_file) as server:
        entries = pushing.prune(server, all_dashboards(_console("")), yes=deleting)
    for entry in entries:
        typer.echo(f"{'deleted' if deleting else 'would delete'} {entry.uid}: {entry.note}")
    if not entries:
        typer.echo("nothing to delete")
    elif not deleting:
        typer.echo("try again with --yes to delete them")


@app.command("preview")
def preview(
    folder: Out,
    data: Data = None,
    city: City = None,
    database_url: DatabaseUrl = None,
    lang: Annotated[Literal["en", "zh"], typer.Option(help="Language of the pages.")] = "en",
    theme: Room = "dark",
    page: Annotated[list[str] | None, typer.Option(help="Only the page of this uid (again for more).")] = None,
    var: Annotated[list[str] | None, typer.Option(help="A variable's value, name=value (again for more).")] = None,
    since: Annotated[str, typer.Option("--from", help="Begin, such as 2026-07-01T00:00:00Z.", show_default=False)] = "",
    until: Annotated[str, typer.Option("--to", help="End (default: the city's now).", show_default=False)] = "",
    png: Annotated[bool, typer.Option("--png", help="Also as pictures.")] = False,
    console_url: Console = "",
) -> None:
    """Draw the pages without a Grafana, with what the database answers: HTML, and pictures if wanted."""
    from city.clock import from_us
    from dashboards.preview import Look, preview
    from lifeline import custody, settings
    from lifeline.commands.options import moment_us

    found = settings.load(data=data, city=city, database_url=database_url)
    look = Look(
        language=lang,
        theme=theme,
        only=page or (),
        first=from_us(moment_us("--from", since)) if since else None,
        last=from_us(moment_us("--to", until)) if until else None,
        chosen=_chosen(var or []),
        console_url=_console(console_url),
        png=png,
        outlines=_outlines(found.city),
    )
    with custody.database_of(found) as dsn:
        _written(preview(folder, dsn, look))


def _outlines(city: Path | None) -> dict[str, Any] | None:
    """The districts' outlines of a city folder that has any."""
    from city.errors import Fault, FaultyInput
    from city.outlines import FILE, check_outlines, outlines

    if city is None or not (city / FILE).is_file():
        return None
    text = (city / FILE).read_text(encoding="utf-8")
    faults: list[Fault] = []
    check_outlines(text, FILE, None, faults)
    if faults:
        raise FaultyInput(faults)
    return outlines(text)


def _chosen(given: list[str]) -> dict[str, list[str]]:
    """Values by variable of `name=value`, several where a name stands several times."""
    from city.errors import InputError

    found: dict[str, list[str]] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise InputError(f"--var: not name=value, got {one!r}, try --var district=north")
        found.setdefault(name, []).append(value)
    return found


def _wanted(
    console_url: str, tiles: str, theme: Literal["dark", "light"], source: DataSource | None, *, watchdogs: bool
) -> Wanted:
    from dashboards.pages import all_dashboards
    from dashboards.plan import Wanted

    boards = all_dashboards(_console(console_url), tiles, theme)
    return Wanted(boards, source, bool(os.environ.get("LIFELINE_GRAFANA_PASSWORD")), watchdogs)


@contextmanager
def _grafana(url: str, ca_file: Path | None) -> Iterator[Grafana]:
    from city.errors import InputError
    from dashboards.client import grafana_at

    token = os.environ.get("LIFELINE_GRAFANA_TOKEN", "")
    if not token:
        raise InputError("LIFELINE_GRAFANA_TOKEN is not set, try the token of a service account with role Editor")
    with grafana_at(url, token, ca_file=ca_file) as server:
        yield server


def _source(database_url: str | None, timescaledb: bool | None) -> DataSource | None:
    """The data source at an address as Grafana sees it; the database is asked for its tier where it answers."""
    from city.errors import OutsideError
    from dashboards.files import DataSource, tier_of

    if not database_url:
        return None
    if timescaledb is None:
        try:
            timescaledb = tier_of(database_url)
        except OutsideError:
            timescaledb = False
            typer.echo(
                "the database did not answer from here: the data source is written without TimescaleDB; "
                "say --timescaledb if it has it",
                err=True,
            )
    return DataSource.of(database_url, timescaledb=timescaledb)


def _console(given: str) -> str:
    """The operations page's address: the flag, a running system's, or the default."""
    from dashboards.files import DEFAULT_CONSOLE
    from lifeline import endpoints, settings

    return given or endpoints.with_running(settings.load()).public_url or DEFAULT_CONSOLE


def _written(paths: list[Path]) -> None:
    for path in paths:
        typer.echo(str(path))
