"""`lifeline mapping`: how vendors' messages become readings, tried out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from city.mapping import Mapping

app = typer.Typer(help="Mappings of vendors' messages.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="mappings/NAME.yaml", dir_okay=False, show_default=False)]
Sample = Annotated[
    Path,
    typer.Argument(metavar="SAMPLE", help="One message as the broker sends it.", dir_okay=False, show_default=False),
]


@app.callback()
def mapping() -> None:
    """Mappings of vendors' messages."""


@app.command("test")
def try_out(
    file: File,
    sample: Sample,
    topic: Annotated[
        str, typer.Option(help="The sample's topic. [the filter, with its own signs for + and #]", show_default=False)
    ] = "",
    city: Annotated[
        Path | None,
        typer.Option(help="Judge by this city's register too.", file_okay=False, exists=True, show_default=False),
    ] = None,
) -> int:
    """Show what comes out of a sample message, reading by reading, with every fault; exit code 1 when there is one."""
    from city.errors import InputError
    from city.folder import read_folder
    from city.load import load_city
    from city.mapping import load_mapping
    from city.topics import matches
    from lifeline.mappingtrial import tried

    found: Mapping = load_mapping(_text(file), str(file))
    topic = topic or found.topic.replace("+", "any").replace("#", "rest")
    if not matches(found.topic, topic):
        raise InputError(f"--topic: not one of this mapping, got {topic!r}, try one that {found.topic} matches")
    outcome = tried(found, topic, _bytes(sample), load_city(read_folder(city)) if city is not None else None)
    for line in outcome.lines:
        typer.echo(line)
    return 1 if outcome.faults else 0


def _bytes(path: Path) -> bytes:
    from city.errors import InputError

    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}, try a file that can be read") from error


def _text(path: Path) -> str:
    from city.errors import InputError

    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8, try saving it as UTF-8") from error
