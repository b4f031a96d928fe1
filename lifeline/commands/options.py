"""Flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from store.migrate import Tier

Data = Annotated[Path | None, typer.Option(help="Folder for everything kept.", file_okay=False, show_default=False)]
City = Annotated[Path | None, typer.Option(help="City folder.", file_okay=False, show_default=False)]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(help="postgresql://… (a password is safer in LIFELINE_DATABASE_URL).", show_default=False),
]
MqttUrl = Annotated[
    str | None,
    typer.Option(help="mqtt://… or mqtts://… (a password is safer in LIFELINE_MQTT_URL).", show_default=False),
]
MqttCa = Annotated[Path | None, typer.Option(help="Certificates to trust (PEM).", dir_okay=False, show_default=False)]
MqttCertificate = Annotated[
    Path | None, typer.Option(help="Our certificate (PEM), for a broker that asks.", dir_okay=False, show_default=False)
]
MqttKey = Annotated[Path | None, typer.Option(help="Its key (PEM).", dir_okay=False, show_default=False)]
MqttClientId = Annotated[str | None, typer.Option(help="Name of the recorder's session.", show_default=False)]
MqttShare = Annotated[
    str | None, typer.Option(help="Shared subscription, for several recorders (MQTT 5).", show_default=False)
]
Http = Annotated[str | None, typer.Option(help="Listen on host:port.", show_default=False)]


def moment_us(flag: str, text: str) -> int:
    """Microseconds since 1970 of a time given to `flag` (InputError when it is not one, or has no offset)."""
    from datetime import datetime

    from city.clock import to_us
    from city.errors import InputError

    try:
        return to_us(datetime.fromisoformat(text))
    except ValueError as error:
        raise InputError(f"{flag}: not a time with its offset, got {text!r}, try 2026-07-01T00:00:00Z") from error


def length_us(flag: str, text: str) -> int:
    """Microseconds of a duration given to `flag` (InputError when it is not one)."""
    from city import duration
    from city.errors import InputError

    try:
        return round(duration.parse_s(text) * 1e6)
    except InputError as error:
        raise InputError(f"{flag}: {error}") from error


def tier_named(text: str) -> Tier:
    """The store's tier of that name, as given to `--tier` (InputError when there is none)."""
    from city.errors import InputError
    from store.migrate import Tier

    try:
        return Tier(text)
    except ValueError as error:
        raise InputError(f"--tier: no such tier, got {text!r}, try {', '.join(Tier)}") from error
