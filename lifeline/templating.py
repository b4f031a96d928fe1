"""What every HTML page of ours is made with."""

from __future__ import annotations

from collections.abc import Mapping

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

MARKS: Mapping[str, str] = {"red": "▮▮▮▮", "orange": "▮▮▮", "yellow": "▮▮", "blue": "▮", "none": ""}
"""A level told by shape, beside its colour."""


def environment(package: str) -> Environment:
    """The templates of a package: everything is escaped, and a name that is missing is an error."""
    return Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
