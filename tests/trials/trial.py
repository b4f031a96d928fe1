"""Rule tests over the small city, from text."""

from __future__ import annotations

import textwrap

from rules.trials.casefile import Case, Folder, read_cases
from rules.trials.cases import Outcome, play
from tests.rules.small_city import city_files

FILE = "rules/depth.test.yaml"
HEAD = "version: 1\nstart: 2026-07-01T10:00:00Z\ninterval: 1m\n"
FLOOD = """
series:
  - {sensor: wl-1, values: "0x10 20x5 45x20"}
"""


def cases(text: str, **changed: str | None) -> list[Case]:
    """The tests of a file in the small city; `text` goes on after the head."""
    return read_cases(Folder({**city_files(**changed), FILE: HEAD + textwrap.dedent(text)}), FILE)


def outcome(text: str, **changed: str | None) -> Outcome:
    """What becomes of a file's only test."""
    [case] = cases(text, **changed)
    return play(case)


def failures(text: str, **changed: str | None) -> list[str]:
    """What of a file's only test does not hold, without its place and the story around it."""
    return [failure.what for failure in outcome(text, **changed).failures]
