"""`lifeline replay`: recorded data through the gateway agent, over MQTT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lifeline.commands.options import Data, MqttUrl, length_us, moment_us

if TYPE_CHECKING:
    from rich.table import Table

    from gateway.mapping import Mapping
    from gateway.replay import Summary


def replay(
    mapping: Annotated[str, typer.Argument(help="Mapping (YAML), or `floodnet`.", show_default=False)],
    source: Annotated[Path, typer.Argument(help="File, or folder with the files.", show_default=False, exists=True)],
    speed: Annotated[str, typer.Option(help="Recorded seconds per second, or max.")] = "max",
    from_: Annotated[str | None, typer.Option("--from", help="Only from this recorded time on.")] = None,
    to: Annotated[str | None, typer.Option(help="Only before this recorded time.")] = None,
    shift: Annotated[
        Literal["none", "first", "last"], typer.Option(help="Keep recorded times, or move the first or last to now.")
    ] = "none",
    skip_gaps: Annotated[str | None, typer.Option(help="Cut recorded pauses to this, such as 10m.")] = None,
    data: Data = None,
    mqtt_url: MqttUrl = None,
) -> None:
    """Publish recorded data (CSV, JSON lines, Parquet) as gateways would, to a running system or a broker."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from city.clock import from_us, process_clock
    from city.tls import TlsFiles
    from gateway import replay as replaying
    from lifeline import endpoints, settings
    from lifeline.roles import stop_on_signals

    found = endpoints.with_running(settings.load(data=data, mqtt_url=mqtt_url))
    wanted = replaying.ReplaySettings(
        mqtt_url=found.mqtt,
        clock=process_clock(),
        mapping=_mapping(mapping),
        source=source,
        speed=_speed(speed),
        from_us=None if from_ is None else moment_us("--from", from_),
        to_us=None if to is None else moment_us("--to", to),
        shift=shift,
        skip_gaps_s=None if skip_gaps is None else length_us("--skip-gaps", skip_gaps) / 1e6,
        tls=TlsFiles(found.mqtt_ca, found.mqtt_certificate, found.mqtt_key),
    )
    stop = stop_on_signals()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(progress: replaying.Progress) -> None:
            when = f"{from_us(progress.time_us):%Y-%m-%d %H:%M}"
            bar.update(task, completed=progress.published, total=progress.total, description=when)

        summary = replaying.run_replay(wanted, stop, show)
    Console().print(_table(summary))
    if stop.interrupted:
        raise typer.Exit(130)


def _mapping(named: str) -> Mapping:
    from gateway.floodnet import floodnet_mapping
    from gateway.mapping import read_mapping

    return floodnet_mapping() if named == "floodnet" else read_mapping(Path(named))


def _speed(text: str) -> float | None:
    from city.errors import InputError

    if text == "max":
        return None
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"--speed: not a number, got {text!r}, try 60 or max") from error


def _table(summary: Summary) -> Table:
    from rich.table import Table

    from city.clock import from_us

    made = Table(show_header=False, title="Replay", title_justify="left")
    for what, value in (
        ("files, rows", f"{summary.files:,}, {summary.rows:,}"),
        ("readings found", f"{summary.readings:,} of {summary.sensors} sensors at {summary.gateways} gateways"),
        ("confirmed by the broker", f"{summary.published:,} in {summary.seconds:.1f} s ({summary.per_second:,.0f}/s)"),
        ("times", f"{from_us(summary.from_us):%Y-%m-%d %H:%M:%S}Z to {from_us(summary.to_us):%Y-%m-%d %H:%M:%S}Z"),
        ("no value, outside --from/--to", f"{summary.missing:,}, {summary.outside_window:,}"),
        ("ambiguous local times", f"{summary.ambiguous:,}"),
    ):
        made.add_row(what, value)
    for why, count in summary.refused.most_common():
        made.add_row(f"refused: {why}", f"{count:,}, such as {'; '.join(summary.examples.get(why, []))}")
    return made
