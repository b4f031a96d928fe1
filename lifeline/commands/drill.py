"""`lifeline drill`: exercises on a running system, and what came of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from lifeline.commands.options import Data, DatabaseUrl, MqttUrl, length_us

if TYPE_CHECKING:
    from store.connection import Connection


class _PlaysByDefault(TyperGroup):
    """`lifeline drill SCENARIO` is `lifeline drill play SCENARIO`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # typer's own Context
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["play", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_PlaysByDefault, no_args_is_help=True, help="Play a drill: `lifeline drill SCENARIO`. EXERCISE is on all of it."
)
Html = Annotated[Path | None, typer.Option("--report", help="Write the report as a page.", show_default=False)]
Json = Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.", show_default=False)]
Language = Annotated[Literal["en", "zh"], typer.Option(help="Language of the page.")]
Drill = Annotated[str, typer.Argument(metavar="DRILL", help="Its id, such as D-20260701-1a2b3c4d.")]


@app.command("play")
def play(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A storyline's file, or its name in drills/ of the city folder.")
    ],
    people: Annotated[str, typer.Option(help="Tell only these people, separated by commas.", show_default=False)] = "",
    for_: Annotated[
        str, typer.Option("--for", help="End it after so long at the latest (the scenario's).", show_default=False)
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    report: Html = None,
    json_: Json = None,
    language: Language = "en",
    data: Data = None,
    database_url: DatabaseUrl = None,
    mqtt_url: MqttUrl = None,
) -> None:
    """Play a storyline through the whole road of the running system, then report the response times."""
    from rich.console import Console

    from city.errors import InputError
    from lifeline import drilling, endpoints, settings
    from lifeline.roles import stop_on_signals
    from store.connection import connect

    console = Console()
    for_us = length_us("--for", for_) if for_ else None
    found = endpoints.with_running(settings.load(data=data, database_url=database_url, mqtt_url=mqtt_url))
    with connect(found.database, autocommit=True, application_name="lifeline drill") as conn:
        city = drilling.City.of(conn)
        told = drilling.scenario_in(scenario, city.files, city.checked)
        names = [name.strip() for name in people.split(",") if name.strip()]
        plan = city.plan(told, names, for_us)
        console.print(*drilling.preview(plan, city.rehearse(told, plan), city.checked), sep="\n")
        if dry:
            return
        if not yes:
            if not sys.stdin.isatty():
                raise InputError("drill: nobody to ask whether it shall begin, try --yes")
            typer.confirm("Begin?", abort=True)
        stop = stop_on_signals()
        drill = drilling.run(city, found, told, city.plan(told, names, for_us), console, stop)
        made = drilling.reported(conn, drill)
        _write(conn, made, report, json_, language)
        drilling.show(made, console)
    if stop.interrupted:
        raise typer.Exit(130)
    if made["verdict"] == "missed":
        raise typer.Exit(1)


@app.command("report")
def report_(
    drill: Drill,
    report: Html = None,
    json_: Json = None,
    language: Language = "en",
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Report an earlier drill, or one that runs."""
    from rich.console import Console

    from lifeline import drilling

    with _connected(data, database_url) as conn:
        made = drilling.reported(conn, drill)
        _write(conn, made, report, json_, language)
        drilling.show(made, Console())


@app.command("end")
def end(
    drill: Drill,
    note: Annotated[str, typer.Option(help="Why.", show_default=False)] = "",
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """End a drill that runs, such as one whose player died."""
    import getpass

    from city.errors import InputError, OutsideError
    from lifeline import drillplayer
    from store import drills, health

    with _connected(data, database_url) as conn:
        if (state := drills.states(conn, [drill]).get(drill)) != "running":
            running = ", ".join(drills.running(conn)) or "none runs"
            raise InputError(f"drill {drill}: {state or 'there is none'}, try lifeline drill list (running: {running})")
        if drillplayer.end(conn, health.city_clock(conn), drill, getpass.getuser(), note) is None:
            raise OutsideError(f"drill {drill}: no watcher ended it yet, try lifeline doctor")
    typer.echo(f"{drill}: ended. Next: lifeline drill report {drill}")


@app.command("list")
def list_(data: Data = None, database_url: DatabaseUrl = None) -> None:
    """List drills, the newest first."""
    from store import drills

    with _connected(data, database_url) as conn:
        rows = drills.listed(conn)
    for row in rows:
        typer.echo(
            f"{row['drill']}  {row['started_at']:%Y-%m-%d %H:%M}  {row['state']:8} {row['by']:12} {row['title']}"
        )
    if not rows:
        typer.echo("no drill yet; lifeline drill SCENARIO plays one")


def _connected(data: Path | None, database_url: str | None) -> Connection:
    from lifeline import endpoints, settings
    from store.connection import connect

    found = endpoints.with_running(settings.load(data=data, database_url=database_url))
    return connect(found.database, autocommit=True, application_name="lifeline drill")


def _write(conn: Connection, made: dict[str, Any], html: Path | None, json_: Path | None, language: str) -> None:
    from city.errors import OutsideError
    from lifeline.drillpage import page
    from lifeline.drillreport import timezone

    try:
        if html is not None:
            html.write_text(page(made, language, timezone(conn)), encoding="utf-8")
        if json_ is not None:
            json_.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutsideError(f"{error.filename}: {error.strerror}, try another file") from error
