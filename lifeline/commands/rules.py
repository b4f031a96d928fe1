"""`lifeline rules`: the rule engineer's tools."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lifeline.commands import backtest, trials

app = typer.Typer(help="Rule books: check, test and explain them.", no_args_is_help=True)

app.command("test")(trials.run_tests)
app.command("explain")(trials.explain)
app.command("list")(trials.list_rules)
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


@app.command("schema")
def schema(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="rules, tests, escalation, …", show_default=False)] = "",
    into: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write all into this city folder.", show_default=False)
    ] = None,
) -> None:
    """Print the JSON Schema of a kind of file, for editors; without a name, list them."""
    from city import schemas
    from city.errors import InputError
    from city.positions import nearest_or_all

    if into is not None:
        if not into.is_dir():
            raise InputError(f"--into: no such folder, got {str(into)!r}, try a city folder")
        typer.echo(f"{into / schemas.FOLDER}: {len(schemas.write(into))} schemas written. First lines for editors:")
        for example in ("rules/gas.yaml", "rules/gas.test.yaml", "escalation.yaml", "calendar.yaml", "city.yaml"):
            typer.echo(f"  {example}: {schemas.hint(example).rstrip()}")
    elif not name:
        for known, pattern in schemas.PATTERNS.items():
            typer.echo(f"{known:<12}{pattern}")
    elif name in schemas.PATTERNS:
        typer.echo(schemas.text(name), nl=False)
    else:
        hint = nearest_or_all(name, schemas.PATTERNS)
        raise InputError(f"lifeline rules schema: no such schema, got {name!r}, try {hint}")
