"""`lifeline quarantine`: what was refused, why, and how it is taken in after all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lifeline.commands.options import City, Data, DatabaseUrl, moment_us

if TYPE_CHECKING:
    from ingest.quarantine import Replayed, Row, Wish

app = typer.Typer(help="What was refused: look, mend, take in.", no_args_is_help=True)

Reason = Annotated[str, typer.Option(help="Only of this reason.", show_default=False)]
Gateway = Annotated[str, typer.Option(help="Only of this gateway.", show_default=False)]
Sensor = Annotated[str, typer.Option(help="Only of this sensor.", show_default=False)]
Since = Annotated[str, typer.Option(help="Only what came from this time on.", show_default=False)]


@app.callback()
def quarantine() -> None:
    """What was refused: look, mend, take in."""


@app.command("list")
def list_(
    reason: Reason = "",
    gateway: Gateway = "",
    sensor: Sensor = "",
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many groups.")] = 50,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """List what was refused by reason, gateway and sensor, the most first, each with what to try."""
    from ingest.quarantine import groups
    from lifeline import custody, settings
    from store.connection import connect

    with custody.database_of(settings.load(data=data, database_url=database_url)) as dsn, connect(dsn) as conn:
        found, all_ = groups(conn, _wish(reason, gateway, sensor, since), limit)
    for group in found:
        where = " ".join(part for part in (group.gateway, group.sensor) if part) or "(nobody named)"
        replayed = f", {group.replayed:,} replayed" if group.replayed else ""
        typer.echo(
            f"{group.waiting:>9,}  {group.reason}  {where}{replayed}  newest #{group.newest} at {group.last:%F %T%z}"
        )
        typer.echo(f"           try: {group.advice}")
    more = f", {all_ - len(found):,} groups more: --limit" if all_ > len(found) else ""
    typer.echo(f"{sum(group.waiting for group in found):,} refused{more}" if found else "nothing was refused")


@app.command("show")
def show(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="The row's number, from `list`.", show_default=False)],
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Show one refusal with its payload."""
    from ingest.quarantine import one
    from ingest.retelling import advice
    from lifeline import custody, settings
    from store.connection import connect

    with custody.database_of(settings.load(data=data, database_url=database_url)) as dsn, connect(dsn) as conn:
        row = one(conn, number)
    typer.echo(f"#{row.number}  {row.reason}: {row.detail}")
    typer.echo(f"received {row.received_at.isoformat()}  topic {row.topic}")
    typer.echo(f"gateway {row.gateway or '(none)'}  sensor {row.sensor or '(none)'}  time {row.time or '(none)'}")
    typer.echo(f"replayed {row.replayed_at.isoformat()}" if row.replayed_at else f"try: {advice(row.reason)}")
    typer.echo(_payload(row))


@app.command("replay")
def replay(
    reason: Reason = "",
    gateway: Gateway = "",
    sensor: Sensor = "",
    since: Since = "",
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Take in what the register (or a mapping) in force no longer refuses; may be repeated, and beside a recorder."""
    from rich.console import Console
    from rich.status import Status

    from city.clock import SystemClock
    from ingest.quarantine import replay
    from lifeline import custody, settings
    from store.connection import connect

    found = settings.load(data=data, database_url=database_url)
    status = Status("looking", console=Console(stderr=True))

    def tell(done: Replayed) -> None:
        status.update(f"{done.looked:,} rows looked at, {done.stored:,} readings stored")

    with custody.database_of(found) as dsn, connect(dsn, autocommit=True) as conn, status:
        done = replay(conn, _wish(reason, gateway, sensor, since), SystemClock().now, tell)
    typer.echo(
        f"{done.looked:,} rows looked at, {done.rows:,} taken in: {done.stored:,} readings stored, "
        f"{done.repeated:,} known already; {done.looked - done.rows:,} rows are still refused"
    )


@app.command("adopt")
def adopt(
    sensor: Annotated[str, typer.Argument(metavar="SENSOR", help="Its name, as it came.", show_default=False)],
    as_: Annotated[str, typer.Option("--as", metavar="QUANTITY", help="What it measures.", show_default=False)],
    site: Annotated[str, typer.Option(help="Where it is.", show_default=False)],
    gateway: Annotated[str, typer.Option(help="Its gateway. [the one it came through]", show_default=False)] = "",
    unit: Annotated[str, typer.Option(help="Its unit. [as sent, or the quantity's]", show_default=False)] = "",
    interval: Annotated[float, typer.Option(help="Seconds between samples. [as they came]", show_default=False)] = 0.0,
    city: City = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Add an unknown sensor to the city folder's register, by what it sent; then replay."""
    from city.errors import InputError
    from ingest.quarantine import stranger
    from lifeline import custody, settings
    from lifeline.adopting import FILE, Adoption
    from lifeline.adopting import adopt as add
    from store.connection import connect

    found = settings.load(data=data, city=city, database_url=database_url)
    if found.city is None:
        raise InputError("--city: which city folder is not said, got nothing, try --city DIR or LIFELINE_CITY")
    with custody.database_of(found) as dsn, connect(dsn) as conn:
        heard = stranger(conn, sensor)
    row = add(found.city, Adoption(sensor, as_, site, gateway, unit, interval), heard)
    typer.echo(f"{found.city / FILE}: {row}")
    typer.echo(f"Once a running system has taken the folder up: lifeline quarantine replay --sensor {sensor}")


def _wish(reason: str, gateway: str, sensor: str, since: str) -> Wish:
    from city.clock import from_us
    from city.errors import InputError
    from city.positions import nearest_or_all
    from ingest.quarantine import Wish
    from ingest.reasons import Reason as Known

    if reason and reason not in set(Known):
        raise InputError(f"--reason: not known, got {reason!r}, try {nearest_or_all(reason, [*map(str, Known)])}")
    return Wish(reason, gateway, sensor, from_us(moment_us("--since", since)) if since else None)


def _payload(row: Row) -> str:
    """The payload as text, or in hexadecimal when it is none."""
    try:
        text = row.payload.decode()
    except UnicodeDecodeError:
        return f"payload ({len(row.payload)} bytes, hexadecimal): {row.payload.hex(' ')}"
    return f"payload ({len(row.payload)} bytes): {text}"
