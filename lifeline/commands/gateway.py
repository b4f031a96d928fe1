"""`lifeline gateway`: the agent on an edge box, and the check of its configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Gateway agents: local sources, a durable outbox, the city's broker.", no_args_is_help=True)


@app.command("run")
def run(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The agent's gateway.yaml.")] = Path(
        "gateway.yaml"
    ),
) -> None:
    """Run a gateway agent in the foreground until stopped."""
    from city.clock import process_clock
    from gateway.edge import run_gateway
    from lifeline.logs import log_to
    from lifeline.roles import stop_on_signals

    log_to(None)
    stop = stop_on_signals()
    run_gateway(config, process_clock(), stop)
    if stop.interrupted:
        raise typer.Exit(130)


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A gateway.yaml.", show_default=False)],
) -> None:
    """Check a gateway.yaml: every fault at once, as file:line:column."""
    from gateway.configfile import read_config

    config = read_config(file)
    typer.echo(f"{file}: fine ({config.district}/{config.gateway}, {len(config.sources)} sources)")
