"""`lifeline status` and `lifeline trace`: how the running system is, and the road of one reading through it."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeline.commands.options import Data, DatabaseUrl


def trace(
    trace_id: Annotated[
        str, typer.Argument(help="A trace, a traceparent, or the id of an incident, alarm or notice.", metavar="ID")
    ] = "",
    sensor: Annotated[str | None, typer.Option(help="Of this sensor's reading instead.", show_default=False)] = None,
    at: Annotated[str | None, typer.Option(help="And of this instant.", show_default=False)] = None,
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
        road = tracing.road(conn, trace_id, sensor or "", moment)
        zone = HomeFinder().home(conn).zone
    if as_json:
        typer.echo(json.dumps(tracing.as_json(road), indent=1, ensure_ascii=False))
    else:
        Console().print(tracing.table(road, zone))
