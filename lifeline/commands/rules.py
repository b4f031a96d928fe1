"""`lifeline rules`: the rule engineer's tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lifeline.commands import trials

app = typer.Typer(help="Rule books: check and test them.", no_args_is_help=True)

app.command("test")(trials.run_tests)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="City folder.", show_default=False)]


@app.command("check")
def check(folder: Folder) -> None:
    """Check the rule books of a city folder: every fault at once as file:line:column, exit code 1 when there is one."""
    from lifeline.cityfolder import read_checked

    _, checked = read_checked(folder)
    rules = {instance.rule.id for instance in checked.book.instances.values()}
    rules |= {watch.rule.id for watch in checked.book.watches.values()}
    typer.echo(f"{folder}: fine ({len(rules)} rules)")
