"""`lifeline rules test`, `rules explain` and `rules list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lifeline.commands.options import City, Data, DatabaseUrl, length_us, moment_us

if TYPE_CHECKING:
    from city.errors import Fault
    from rules.trials.casefile import Case, Folder
    from rules.trials.cases import Outcome


def run_tests(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="DIR|FILE", help="City folders, or *.test.yaml files. [here]", show_default=False),
    ] = None,
    only: Annotated[str, typer.Option(help="Only tests whose name has this in it.", show_default=False)] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name the tests that pass too.")] = False,
) -> None:
    """Run rule tests on the live engine; exit code 1 when one fails."""
    from city.clock import stopwatch_s
    from city.errors import FaultyInput, InputError
    from rules.trials.cases import play

    began_s = stopwatch_s()
    cases, files, faults = _cases(paths or [Path()])
    chosen = [case for case in cases if only.casefold() in case.name.casefold()]
    if faults:
        raise FaultyInput(faults)
    if not chosen:
        some = ", ".join(repr(case.name) for case in cases[:8])
        raise InputError(f"--only: no such test, got {only!r}, try one of {some}" if cases else _NONE)
    failed = readings = 0
    for case in chosen:
        outcome = play(case)
        failed, readings = failed + (not outcome.passed), readings + outcome.readings
        _tell(outcome, verbose)
    spent_s = stopwatch_s() - began_s
    typer.echo(
        f"{len(chosen)} tests in {files} files: {len(chosen) - failed} passed, {failed} failed "
        f"({readings:,} readings, {spent_s:.1f} s)"
    )
    if failed:
        raise typer.Exit(1)


_NONE = "no rule tests here, try rules/<rule file>.test.yaml beside the rule file"


def _cases(paths: Sequence[Path]) -> tuple[list[Case], int, list[Fault]]:
    """Every test there is under some paths, how many files they stand in, and the faults of those files."""
    from city.errors import FaultyInput
    from rules.trials.casefile import read_cases

    cases: list[Case] = []
    faults: list[Fault] = []
    files = 0
    for folder, names in _folders(paths):
        for name in names:
            files += 1
            try:
                cases += read_cases(folder, name)
            except FaultyInput as error:
                faults += error.faults
    return cases, files, faults


def _folders(paths: Sequence[Path]) -> Iterator[tuple[Folder, list[str]]]:
    """City folders, each with the names of its test files that are wanted."""
    from city.errors import InputError
    from city.folder import read_folder
    from rules.trials.casefile import ENDINGS, Folder

    for path in paths:
        if path.is_dir():
            folder = Folder(read_folder(path))
            yield folder, folder.tests()
            continue
        if not path.is_file() or not path.name.endswith(ENDINGS):
            raise InputError(f"{path}: no folder and no rule test, try a city folder or a *.test.yaml file")
        root = next((parent for parent in path.resolve().parents if (parent / "city.yaml").is_file()), None)
        if root is not None:
            yield Folder(read_folder(root)), [path.resolve().relative_to(root).as_posix()]
        else:  # rule files beside a test that brings its own city
            beside = {f"rules/{name}": text for name, text in read_folder(path.parent).items()}
            yield Folder(beside), [f"rules/{path.name}"]


def _tell(outcome: Outcome, verbose: bool) -> None:
    """A test that failed, with what was expected and what was there; one that passed, if asked for."""
    case = outcome.case
    if outcome.passed:
        if verbose:
            typer.echo(f"passed  {case.file}:{case.line}: {case.name} ({outcome.readings:,} readings)")
        return
    typer.echo(f"FAILED  {case.file}:{case.line}: {case.name}")
    for failure in outcome.failures:
        typer.echo("  " + str(failure).replace("\n", "\n  "))


def explain(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="The rule's id.", show_default=False)],
    sensor: Annotated[str, typer.Option(help="The sensor (or gateway) it is asked of.", show_default=False)],
    at: Annotated[str, typer.Option(help="When: a time with its offset.", show_default=False)],
    readings: Annotated[
        Path | None,
        typer.Option(
            help="Take the readings from this CSV file (sensor,time,value[,unit,flag,received_at]).",
            dir_okay=False,
            exists=True,
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Run over this long before, such as 3d. [a day at least]", show_default=False)
    ] = None,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="For people or for programs.")] = "text",
    city: City = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Say why a rule did or did not raise on a sensor: each condition with its evidence, and what comes next."""
    import json

    from lifeline.explaining import Question, answer, written
    from lifeline.past import Where

    since_us = None if since is None else length_us("--since", since)
    question = Question(rule, sensor, moment_us("--at", at), since_us, Where(readings, city, data, database_url))
    explanation, clock = answer(question)
    if form == "json":
        from rules.trials.explain import document

        typer.echo(json.dumps(document(explanation, clock), ensure_ascii=False, indent=1, default=str))
    else:
        typer.echo(written(explanation, clock))


def list_rules(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="City folder.", show_default=False)],
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="For people or for programs.")] = "text",
) -> None:
    """List the rules of a city folder: what each watches, its levels, its chain, and how many tests name it."""
    import json
    from dataclasses import asdict

    from city.folder import read_folder
    from lifeline.rulelist import lines, listed

    rows = listed(read_folder(folder))
    if form == "json":
        typer.echo(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=1))
        return
    for line in lines(rows):
        typer.echo(line)
