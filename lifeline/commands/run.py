"""`lifeline run` and `lifeline simulate`: the real thing, and gateways that act as a city."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from city.errors import InputError
from lifeline.commands.options import (
    City,
    Data,
    DatabaseUrl,
    Http,
    MqttCa,
    MqttCertificate,
    MqttClientId,
    MqttKey,
    MqttShare,
    MqttUrl,
)
from lifeline.settings import Settings


def run(
    role: Annotated[
        str | None, typer.Option(help="Only this role, in the foreground: recorder, watcher, notifier, api or keeper.")
    ] = None,
    data: Data = None,
    city: City = None,
    database_url: DatabaseUrl = None,
    mqtt_url: MqttUrl = None,
    mqtt_ca: MqttCa = None,
    mqtt_certificate: MqttCertificate = None,
    mqtt_key: MqttKey = None,
    mqtt_client_id: MqttClientId = None,
    mqtt_share: MqttShare = None,
    http: Http = None,
) -> None:
    """Run Lifeline: database and broker where none is given, then every role, kept alive until stopped."""
    from lifeline import settings

    found = settings.load(
        data=data, city=city, database_url=database_url, http=http, mqtt_url=mqtt_url, mqtt_ca=mqtt_ca,
        mqtt_certificate=mqtt_certificate, mqtt_key=mqtt_key, mqtt_client_id=mqtt_client_id, mqtt_share=mqtt_share,
    )  # fmt: skip
    if role is not None:
        from lifeline.roles import run_role

        settings.prepare_data(found)
        return run_role(role, found)
    return _run_all(found)


def _run_all(found: Settings) -> None:
    from lifeline.logs import log_to
    from lifeline.roles import stop_on_signals
    from lifeline.supervisor import Supervisor

    log_to(None)
    stop = stop_on_signals()
    supervisor = Supervisor(found)
    supervisor.open()
    try:
        endpoints = supervisor.start_roles(stop=stop)
        typer.echo(f"Lifeline runs: {endpoints.http} (data in {found.data}; Ctrl-C stops)")
        supervisor.run(stop)
    finally:
        supervisor.close()
    if stop.interrupted:
        raise typer.Exit(130)


def simulate(
    seed: Annotated[int, typer.Option(help="Which city and story, or which load.")] = 7,
    sensors: Annotated[int | None, typer.Option(help="A load instead of the city: how many sensors.")] = None,
    rate: Annotated[float | None, typer.Option(help="Of the load: readings a second of all sensors.")] = None,
    seconds: Annotated[float, typer.Option(help="Of the load: how long it lasts.")] = 60.0,
    force: Annotated[bool, typer.Option("--force", help="Load a broker on another machine.")] = False,
    faults: Annotated[
        str | None,
        typer.Option(help="More that goes wrong: a YAML file, or random (docs/simulated-city.md).", show_default=False),
    ] = None,
    data: Data = None,
    mqtt_url: MqttUrl = None,
) -> None:
    """Run only the simulated city's gateways against a broker (LIFELINE_MQTT_URL, or a running system's).

    With --sensors, a steady load of that many sensors instead, for a bounded time.
    """
    if faults is not None and (sensors is not None or rate is not None):
        raise InputError("a load has no faults, got --faults beside --sensors or --rate, try one of them")
    if sensors is not None or rate is not None:
        return _load(
            1000 if sensors is None else sensors, 1000.0 if rate is None else rate, seconds, seed, force, data, mqtt_url
        )
    return _simulate_city(seed, faults, data, mqtt_url)


def _load(  # each is one option of the command
    sensors: int, rate: float, seconds: float, seed: int, force: bool, data: Path | None, mqtt_url: str | None
) -> None:
    from city.clock import process_clock
    from city.tls import TlsFiles
    from gateway.load import LoadSettings, run_load
    from lifeline import endpoints, settings
    from lifeline.roles import stop_on_signals

    found = endpoints.with_running(settings.load(data=data, mqtt_url=mqtt_url))
    stop = stop_on_signals()
    tls = TlsFiles(found.mqtt_ca, found.mqtt_certificate, found.mqtt_key)
    report = run_load(LoadSettings(found.mqtt, process_clock(), sensors, rate, seconds, seed, force, tls), stop)
    typer.echo(
        f"{report.confirmed:,} of {report.made:,} readings confirmed ({sensors:,} sensors, {report.gateways} gateways)"
        f" in {report.seconds:.1f} s ({report.per_second:,.0f}/s), at most {report.behind_s:.2f} s behind"
    )
    if stop.interrupted:
        raise typer.Exit(130)


def _simulate_city(seed: int, faults: str | None, data: Path | None, mqtt_url: str | None) -> None:
    from city.clock import process_clock
    from lifeline import endpoints, settings
    from lifeline.roles import run_role
    from lifeline.story import Story, take_mishaps, take_story

    found = settings.load(data=data, mqtt_url=mqtt_url)
    settings.prepare_data(found)
    found = found.model_copy(update={"mqtt_url": endpoints.with_running(found).mqtt_url})
    take_story(found.data, seed, None, Story(seed, process_clock().now_us()))
    if faults is not None:
        take_mishaps(found.data, seed, faults)
    run_role("simulator", found)
