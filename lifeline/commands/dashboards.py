"""`lifeline dashboards`: Grafana's dashboards as files, or pushed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lifeline.commands.options import DatabaseUrl

app = typer.Typer(help="Grafana's dashboards: as JSON, as a provisioning folder, or pushed.", no_args_is_help=True)

Out = Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.", show_default=False)]
Console = Annotated[str, typer.Option(help="Address of the operations page that panels link to.", show_default=False)]
Tiles = Annotated[str, typer.Option(help="Map tile server of your own ({z}/{x}/{y}).", show_default=False)]


@app.command("build")
def build(folder: Out, console_url: Console = "", tiles: Tiles = "") -> None:
    """Write every dashboard in every language as JSON."""
    from dashboards.files import write

    _written(write(folder, _console(console_url), tiles))


@app.command("export")
def export(folder: Out, console_url: Console = "", tiles: Tiles = "", database_url: DatabaseUrl = None) -> None:
    """Write a provisioning folder: dashboards and data source, without the password."""
    from dashboards import files

    source = files.DataSource.of(database_url) if database_url else None
    _written(files.export(folder, _console(console_url), tiles, source))


@app.command("push")
def push(
    url: Annotated[str, typer.Argument(help="Address of Grafana.", show_default=False)],
    console_url: Console = "",
    tiles: Tiles = "",
    database_url: DatabaseUrl = None,
) -> None:
    """Write the dashboards into a running Grafana; its token comes from LIFELINE_GRAFANA_TOKEN."""
    from city.errors import InputError
    from dashboards import files
    from dashboards import push as pushing

    token = os.environ.get("LIFELINE_GRAFANA_TOKEN", "")
    if not token:
        raise InputError("LIFELINE_GRAFANA_TOKEN is not set, try the token of a service account with role Editor")
    source = files.DataSource.of(database_url) if database_url else None
    password = os.environ.get("LIFELINE_GRAFANA_PASSWORD", "")
    done = pushing.push(url, token, console_url=_console(console_url), tiles=tiles, source=source, password=password)
    for uid, address in done.dashboards.items():
        typer.echo(f"{uid}: {address}")


def _console(given: str) -> str:
    """The operations page's address: the flag, a running system's, or the default."""
    from dashboards.files import DEFAULT_CONSOLE
    from lifeline import endpoints, settings

    return given or endpoints.with_running(settings.load()).public_url or DEFAULT_CONSOLE


def _written(paths: list[Path]) -> None:
    for path in paths:
        typer.echo(str(path))
