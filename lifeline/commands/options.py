"""Flags that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
Http = Annotated[str | None, typer.Option(help="Listen on host:port.", show_default=False)]
