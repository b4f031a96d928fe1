"""`lifeline bench`: hands over to the room `bench`, which stands above this one (it drives whole systems)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from city.errors import InputError
from lifeline.commands.options import Data, DatabaseUrl, MqttUrl, tier_named

app = typer.Typer(help="Measurements of whole systems.", no_args_is_help=True)

_Json = Annotated[
    Path | None, typer.Option("--json", help="Also write the figures here.", dir_okay=False, show_default=False)
]
_Markdown = Annotated[
    Path | None, typer.Option("--markdown", help="Also write tables here.", dir_okay=False, show_default=False)
]


def _room(name: str) -> Any:  # noqa: ANN401 - by name, not by import: the arrow points from bench down to us
    return importlib.import_module(f"bench.{name}")


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Where a measurement says what it is at."""
    from rich.console import Console
    from rich.status import Status

    with Status("starting", console=Console(stderr=True)) as status:
        yield status.update


def _tell(
    report: Any,  # noqa: ANN401 - each room's own
    *,
    json_file: Path | None = None,
    markdown_file: Path | None = None,
    out: Path | None = None,
    width: int | None = None,
    held: bool = True,
) -> None:
    """Print a report, `width` columns wide where there is no terminal; write it; exit code 2 where it did not hold."""
    from rich.console import Console

    console = Console()
    (console if console.is_terminal or width is None else Console(width=width)).print(report.render())
    if json_file is not None:
        json_file.write_text(report.json(), encoding="utf-8")
    if markdown_file is not None:
        markdown_file.write_text(report.markdown(), encoding="utf-8")
    if out is not None:
        report.write(out)
    if not held:
        raise typer.Exit(2)


@app.callback()
def bench() -> None:
    """Measurements of whole systems."""


@app.command("pipeline")
def pipeline(
    seconds: Annotated[float, typer.Option(help="Seconds of publishing in each of its two parts.", min=1)] = 10,
    seed: Annotated[int, typer.Option(help="Which readings.")] = 7,
    json_file: _Json = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
    mqtt_url: MqttUrl = None,
) -> None:
    """Measure readings per second and latency from MQTT to committed row and to alarm, on servers of its own."""
    with _progress() as progress:
        report = _room("pipeline").run(
            seconds, seed=seed, data=data, database_url=database_url, mqtt_url=mqtt_url, progress=progress
        )
    _tell(report, json_file=json_file, held=not (report.lost or report.missed))


@app.command("store")
def store(
    quick: Annotated[bool, typer.Option("--quick", help="Little data: to see that it works.")] = False,
    tier: Annotated[
        list[str] | None,
        typer.Option(help="Only plain, apache or community of those here (may be said again).", show_default=False),
    ] = None,
    dsn: Annotated[
        list[str] | None,
        typer.Option(help="Also on this server, in databases of its own (may be said again).", show_default=False),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(help="Only what readings take, in this empty database, by one session.", show_default=False),
    ] = None,
    json_file: _Json = None,
    data: Data = None,
) -> None:
    """Measure the store on each tier that is here: a day of 10,000 sensors, a month of roll-ups, the wall."""
    with _progress() as progress:
        if space is not None:
            if quick or tier or dsn or data:
                raise InputError("--space: stands alone, try without --quick, --tier, --dsn and --data")
            report = _room("storespace").run(space, progress=progress)
        else:
            room, chosen = _room("store"), {"tiers": [tier_named(named) for named in tier]} if tier else {}
            scale = room.QUICK if quick else room.FULL
            report = room.run(scale, **chosen, dsns=dsn or [], data=data, progress=progress)
    _tell(report, json_file=json_file)


@app.command("rules")
def rules(
    seed: Annotated[int, typer.Option(help="Which readings.", min=0)] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="A small city: to see that it works.")] = False,
    json_file: _Json = None,
    markdown_file: _Markdown = None,
) -> None:
    """Measure the rule engine: 85,000 sensors under 100, 1,000 and 8,000 rules, calm and in a storm."""
    with _progress() as progress:
        report = _room("rules").run(seed=seed, quick=quick, progress=progress)
    _tell(report, json_file=json_file, markdown_file=markdown_file)


@app.command("dashboards")
def dashboards(
    quick: Annotated[bool, typer.Option("--quick", help="A small city: to see that it works.")] = False,
    dsn: Annotated[
        str | None,
        typer.Option(help="On this server, in a database of its own, instead of a private one.", show_default=False),
    ] = None,
    json_file: _Json = None,
    data: Data = None,
) -> None:
    """Measure every question of every page: 10,000 sensors, 30 days, as a reader; exit 2 if one takes over a second."""
    with _progress() as progress:
        room = _room("dashboards")
        report = room.run(room.QUICK if quick else room.FULL, dsn=dsn, data=data, progress=progress)
    _tell(report, json_file=json_file, held=not report.slow)


@app.command("notices")
def notices(
    seed: Annotated[int, typer.Option(help="Which sensors rise when.", min=0)] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="A small storm: to see that it works.")] = False,
    json_file: _Json = None,
    data: Data = None,
) -> None:
    """Measure notices in a storm: 2,000 alarms in a minute, 12 of them red, on its own servers; exit 2 if they wait."""
    with _progress() as progress:
        room = _room("notices")
        size = {"alarms": 100, "over_s": 5.0} if quick else {}
        report = room.run(seed=seed, data=data, progress=progress, **size)
    _tell(report, json_file=json_file, held=report.held)


@app.command("detection")
def detection(
    quick: Annotated[bool, typer.Option("--quick", help="Little of everything, some minutes: to steer by.")] = False,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Only this simulated domain (may be said again).", show_default=False),
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="Which simulated seeds: development, validation or heldout.")
    ] = "development",
    salt: Annotated[str, typer.Option(help="Of the held-out seeds: any word.", show_default=False)] = "",
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only simulator, its calibration, nab or recorded (may be said again).", show_default=False),
    ] = None,
    recordings: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the recorded sets.",
            envvar="LIFELINE_DATA_DIR",
            exists=True,
            file_okay=False,
            show_default=False,
        ),
    ] = None,
    sensor_years: Annotated[
        float | None,
        typer.Option(
            help="Fault-free sensor-years in each domain instead of 100 (quick: 5).", min=0.1, show_default=False
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Domains simulated at once.", min=1)] = 1,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Also write report.md, report.html, report.json and plots here.", file_okay=False, show_default=False
        ),
    ] = None,
) -> None:
    """Judge the detectors: false alarms, recall, delay and lead on simulated histories, NAB and recorded sets."""
    with _progress() as progress:
        room = _room("detection.report")
        options = room.Options(
            quick=quick, domains=tuple(domain or ()), seeds=seeds, salt=salt, data=recordings, only=tuple(only or ()),
            sensor_years=sensor_years, jobs=jobs, progress=progress,
        )  # fmt: skip
        report = room.run(options)
    _tell(report, out=out, width=170)


@app.command("ingest")
def ingest(
    quick: Annotated[bool, typer.Option("--quick", help="A twentieth of the readings: to see that it works.")] = False,
    seed: Annotated[int, typer.Option(help="Which readings.", min=0)] = 7,
    rounds: Annotated[int, typer.Option(help="How often each backlog is drained; the median counts.", min=1)] = 1,
    mosquitto: Annotated[
        Path | None, typer.Option(help="The broker's program, if not on the PATH.", dir_okay=False, show_default=False)
    ] = None,
    node_red: Annotated[
        Path | None,
        typer.Option(help="A folder with Node-RED as a peer, see docs/ingest.md.", show_default=False),
    ] = None,
    json_file: _Json = None,
    data: Data = None,
) -> None:
    """Measure how fast readings become durable, beside raw COPY of the same rows; exit 2 if one is lost."""
    with _progress() as progress:
        report = _room("ingest").run(
            quick=quick, seed=seed, rounds=rounds, mosquitto=mosquitto, node_red=node_red, data=data, progress=progress
        )
    _tell(report, json_file=json_file, held=not report.lost)


@app.command("detectors")
def detectors(
    seed: Annotated[int, typer.Option(help="Which readings.", min=0)] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="Small fleets: to see that it works.")] = False,
    json_file: _Json = None,
    markdown_file: _Markdown = None,
) -> None:
    """Measure the engine of early signs: updates a second, 1,000 to 500,000 sensors on one core, state, snapshots."""
    with _progress() as progress:
        report = _room("detectors").run(seed=seed, quick=quick, progress=progress)
    _tell(report, json_file=json_file, markdown_file=markdown_file)


@app.command("soak")
def soak(
    minutes: Annotated[float, typer.Option(help="How long the load lasts.", min=0.05)] = 60,
    rate: Annotated[float, typer.Option(help="Readings a second, of all sensors.", min=1)] = 500,
    sensors: Annotated[int, typer.Option(help="How many sensors.", min=20)] = 1000,
    seed: Annotated[int, typer.Option(help="Which readings.", min=0)] = 7,
    out: Annotated[
        Path | None,
        typer.Option(help="Also write soak.json and soak.svg here.", file_okay=False, show_default=False),
    ] = None,
    data: Data = None,
) -> None:
    """Run every role under a steady load and watch for leaks: memory, files, threads, connections, lag, lost readings.

    Exit 2 if something grows, died, is missing, or did not stop cleanly.
    """
    with _progress() as progress:
        report = _room("soak").run(minutes, per_s=rate, sensors=sensors, seed=seed, data=data, progress=progress)
    _tell(report, out=out, width=140, held=report.held)


@app.command("faults")
def faults(
    quick: Annotated[bool, typer.Option("--quick", help="Small and impatient: some seconds for each fault.")] = False,
    seed: Annotated[int, typer.Option(help="What is measured, and when what is broken.", min=0)] = 7,
    only: Annotated[
        list[str] | None, typer.Option(help="Only this fault, by its name (may be said again).", show_default=False)
    ] = None,
    mosquitto: Annotated[
        Path | None, typer.Option(help="Its program, for recorders that share.", dir_okay=False, show_default=False)
    ] = None,
    json_file: _Json = None,
    markdown_file: _Markdown = None,
    data: Data = None,
) -> None:
    """Break recorder, broker, database, gateways, disk and network, and count what was lost; exit 2 if anything was."""
    with _progress() as progress:
        report = _room("faults").run(
            quick=quick, seed=seed, only=only or (), mosquitto=mosquitto, data=data, progress=progress
        )
    _tell(report, json_file=json_file, markdown_file=markdown_file, width=170, held=report.held)


@app.command("city-hour")
def city_hour(
    minutes: Annotated[float, typer.Option(help="Minutes of measuring on once the backlog has gone.")] = 10,
    outage_minutes: Annotated[float, typer.Option(help="How long the outage was.")] = 60,
    drain: Annotated[float, typer.Option(help="A gateway drains so many times as fast as it measures.")] = 4,
    sensors: Annotated[int, typer.Option(help="Sensors of one reading a minute.")] = 85_000,
    bridges: Annotated[int, typer.Option(help="Bridges at 50 Hz.")] = 10,
    channels: Annotated[int, typer.Option(help="Channels of a bridge.")] = 10,
    seed: Annotated[int, typer.Option(help="Which readings.", min=0)] = 7,
    mosquitto: Annotated[
        Path | None, typer.Option(help="The broker's program, if not on the PATH.", dir_okay=False, show_default=False)
    ] = None,
    json_file: _Json = None,
    data: Data = None,
) -> None:
    """Measure a large city that drains an outage beside what it measures now: lateness, loss, CPU; exit 2 on a miss."""
    with _progress() as progress:
        report = _room("cityhour").run(
            minutes=minutes, outage_minutes=outage_minutes, drain=drain, sensors=sensors, bridges=bridges,
            channels=channels, seed=seed, mosquitto=mosquitto, data=data, progress=progress,
        )  # fmt: skip
    _tell(report, json_file=json_file, width=170, held=all(goal.met for goal in report.goals()))
