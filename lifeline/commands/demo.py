"""`lifeline demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lifeline.commands.options import length_us, moment_us


def demo(
    speed: Annotated[float, typer.Option(help="City seconds per second.", min=0.1, max=3600)] = 60,
    for_: Annotated[str | None, typer.Option("--for", help="Stop after this long, such as 2m.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Which city and story (7 if never said).", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder for everything kept.", file_okay=False, show_default=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget an earlier demonstration in that folder.")] = False,
    start: Annotated[
        str | None, typer.Option(help="When the story begins, such as 2026-07-01T00:00:00Z.", show_default=False)
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Lines instead of a live screen.")] = False,
    lang: Annotated[str | None, typer.Option(help="en or zh (default: as LANG says).", show_default=False)] = None,
) -> None:
    """Play a simulated city on the whole of Lifeline: gateways, database, rules, incidents, a crew that answers."""
    from rich.console import Console

    from lifeline import settings
    from lifeline.demo import DEFAULT_SEED, Wish, play
    from lifeline.screen import spoken

    console = Console()
    # By default a folder for each city that is played, never among a real city's files.
    folder = "demo" if seed in (None, DEFAULT_SEED) else f"demo-{seed}"
    found = settings.load(data=data, data_default=settings.default_data() / folder)
    wish = Wish(
        speed=speed,
        for_s=None if for_ is None else length_us("--for", for_) / 1e6,
        seed=seed,
        start_us=None if start is None else _past_us(start),
        fresh=fresh,
        plain=plain or not console.is_terminal,
        language=spoken(lang),
    )
    # Nothing of a real installation: a demonstration brings its own city, database and broker.
    found = settings.Settings(data=found.data, http=found.http)
    raise typer.Exit(play(found, wish, console))


def _past_us(text: str) -> int:
    from city.clock import SystemClock
    from city.errors import InputError

    found_us = moment_us("--start", text)
    if found_us > SystemClock().now_us():
        raise InputError(f"--start: lies in the future, got {text!r}, try a time that has passed")
    return found_us
