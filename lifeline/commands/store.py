"""`lifeline backup`, `restore`, `export` and `lifeline store …`: what is kept, taken out whole or in parts, and back."""

from __future__ import annotations

import typer

app = typer.Typer(help="The store: its tier and its server.", no_args_is_help=True)


@app.callback()
def store() -> None:
    """The store: its tier and its server."""
