"""`lifeline status` and `lifeline trace`: how the running system is, and the road of one reading through it."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeline.commands.options import Data, DatabaseUrl


def trace(
    trace_id: Annotated[
        str, typer.Argument(help="A trace, a traceparent, or the id of an incident, alarm or notice.", metavar="ID")
    ] = "",
    sensor: Annotated[
        str | None, typer.Option(help="With --at: of a reading of this sensor instead.", show_default=False)
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="The reading's own time, such as 2026-07-01T08:00:00+08:00.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print the road of one reading: arrived, committed, evaluated, alarm, incident, notice, acknowledged."""
    import json

    from rich.console import Console

    from city.clock import from_us
    from city.errors import InputError
    from lifeline import endpoints, settings, tracing
    from lifeline.commands.options import moment_us
    from rules.notify.zone import HomeFinder
    from store.connection import connect

    if bool(trace_id) == bool(sensor and at):
        raise InputError("trace: give an ID, or --sensor and --at, got neither or both, try lifeline trace --help")
    found = endpoints.with_running(settings.load(data=data, database_url=database_url))
    moment = from_us(moment_us("--at", at)) if at else None
    with connect(found.database, application_name="lifeline trace") as conn:
        zone = HomeFinder().home(conn).zone
        road = tracing.road(conn, zone, trace_id, sensor or "", moment)
    if as_json:
        typer.echo(json.dumps(tracing.as_json(road), indent=1, ensure_ascii=False))
    else:
        Console().print(tracing.table(road, zone))


def status(
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Once, for programs.")] = False,
    language: Annotated[
        str | None, typer.Option("--lang", help="en or zh (default: the terminal's).", show_default=False)
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Show the running system: what is wrong first, roles, lags, rates, gateways, incidents, notices, room.

    Live on a terminal, once elsewhere. Exit code: 0 without a fault, 1 with one, 2 when the database does not answer.
    """
    import json
    import sys

    from rich.console import Console

    from lifeline import endpoints, settings, statuslook
    from lifeline.screen import spoken

    found = endpoints.with_running(settings.load(data=data, database_url=database_url))
    seen = statuslook.Looker(found.database)
    if as_json:
        now = seen.look()
        typer.echo(json.dumps(now.as_json(), indent=1, ensure_ascii=False))
    elif once or not sys.stdout.isatty():
        now = seen.look()
        Console().print(seen.picture(now, spoken(language)))
    else:
        now = seen.watch(Console(), spoken(language))
    seen.close()
    raise typer.Exit(now.exit_code)
