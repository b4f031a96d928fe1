"""`lifeline rules`: the rule engineer's tools."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lifeline.commands import backtest, trials

app = typer.Typer(help="Rule books: check and test them.", no_args_is_help=True)

app.command("test")(trials.run_tests)
app.command("backtest")(backtest.backtest)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="City folder.", show_default=False)]


class Format(StrEnum):
    """How a check is told."""

    TEXT = "text"
    JSON = "json"


@app.command("check")
def check(
    folder: Folder,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
    form: Annotated[Format, typer.Option("--format", help="For people or for programs.")] = Format.TEXT,
) -> int:
    """Check the rule books and rule tests of a city folder: every fault and warning at once, as file:line:column.

    Faults make exit code 1. Warnings, each with its name in brackets, do so with --strict.
    """
    from lifeline.rulecheck import check_rules

    found = check_rules(folder)
    failed = found.failed(strict=strict)
    if form is Format.JSON:
        typer.echo(json.dumps(found.document(), ensure_ascii=False, indent=2))
    else:
        for fault in found.faults:
            typer.echo(str(fault), err=True)
        for warning in found.warnings:
            typer.echo(f"{warning.fault} [{warning.name}]")
        if not found.faults:
            warned = f", {len(found.warnings)} warnings" if found.warnings else ""
            verdict = "not without warnings" if failed else "fine"
            typer.echo(f"{folder}: {verdict} ({found.rules} rules, {found.tests} rule tests{warned})")
    return 1 if failed else 0
