"""The page of detectors: what each is for, what it needs, sees and cannot see, from the detectors' own docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from detectors.early.channels import BLIND_REASONS
from detectors.protocol import Verdict
from detectors.registry import channels, create, names
from detectors.river_adapter import PREFIX
from tests.docs.reference.markdown import code, page, prose, table

INTRO = """\
Every detector by the name that rules use: `{detector: NAME}`. [Early signs](../detectors.md) explains how detection
works and what it cannot see, and [scoring](../detectors-score.md) how to try one on data of yours. Every finding has
one of the verdicts VERDICTS; its score is 0 or more, and 1 or more exactly when it is abnormal."""


def native() -> tuple[str, ...]:
    """Names of Lifeline's own detectors."""
    return tuple(name for name in names() if not name.startswith(PREFIX))


def about(name: str) -> str:
    """The docstring of a detector's class."""
    return inspect.getdoc(type(create(name))) or ""


def notes(name: str) -> dict[str, str]:
    """What a detector's docstring notes: Input, Warm-up, Direction, Evidence, Blind spots, Source."""
    found: dict[str, str] = {}
    for head, text in _indented(_part(about(name), "Notes")):
        found[head] = text
    return found


def settings(name: str) -> dict[str, str]:
    """What can be set, with its sentence."""
    return dict(_indented(_part(about(name), "Parameters")))


def detectors_page() -> str:
    """The page."""
    verdicts = ", ".join(code(verdict.value) for verdict in Verdict)
    parts = [INTRO.replace("VERDICTS", verdicts), table(("detector", "quantities", "what it sees"), _summary())]
    for name in native():
        parts += [f"## {name}", *_paragraphs(about(name))]
        parts.append(table(("about", "what"), ((head, prose(text)) for head, text in notes(name).items())))
        if own := channels(name):
            parts.append(f"Channels: {', '.join(map(code, own))}.")
        parts.append(table(("setting", "default", "meaning"), _settings(name)))
    rivers = [name for name in names() if name.startswith(PREFIX)]
    parts += [
        "## Models of river",
        *_paragraphs(about(rivers[0])),
        f"Known: {', '.join(map(code, rivers))}; any other works, too.",
    ]
    parts.append(table(("about", "what"), ((head, prose(text)) for head, text in notes(rivers[0]).items())))
    parts.append(
        table(
            ("setting", "meaning"),
            ((code(key), prose(text)) for key, text in settings(rivers[0]).items() if key != "name"),
        )
    )
    parts += ["## Why a detector is blind", "\n".join(f"- {reason}" for reason in BLIND_REASONS if reason)]
    return page("Detectors", *parts)


def _summary() -> Iterator[tuple[str, str, str]]:
    for name in native():
        measured = sorted(create(name).quantities)
        yield f"[`{name}`](#{name})", ", ".join(map(code, measured)) or "any", prose(about(name).splitlines()[0])


def _settings(name: str) -> Iterator[tuple[str, str, str]]:
    defaults = inspect.signature(type(create(name))).parameters
    for keys, text in settings(name).items():
        values = [defaults[key.strip()].default for key in keys.split(",")]
        shown = [code(f"{value:g}" if isinstance(value, float) else value) for value in values]
        yield ", ".join(code(key.strip()) for key in keys.split(",")), ", ".join(shown), prose(text)


def _paragraphs(doc: str) -> list[str]:
    head = re.split(r"\n(?:Parameters|Notes|Examples)\n-+\n", doc)[0]
    return [prose(part) for part in head.strip().split("\n\n")]


def _part(doc: str, name: str) -> str:
    found = re.search(rf"^{name}\n-+\n(.*?)(?=^\w+\n-{{3,}}$|\Z)", doc, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def _indented(text: str) -> Iterator[tuple[str, str]]:
    """Heads at the left with the indented lines below each."""
    for head, body in re.findall(r"^(\S.*)\n((?:(?: +.*)?\n)+)", text.rstrip() + "\n", re.MULTILINE):
        yield head, " ".join(body.split())
