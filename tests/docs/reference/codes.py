"""The page of words and numbers with a meaning: exit codes, levels, flags, reasons, problems, quantities, kinds."""

from __future__ import annotations

import re
from collections.abc import Iterator

from city import words
from city.errors import InputError
from city.levels import Flag, Level
from city.quantity import QUANTITIES
from city.sites import SITE_KINDS
from city.units import _SYMBOLS, converter
from ingest import reasons
from ingest.reasons import MENDABLE, Reason
from ingest.retelling import advice
from lifeline.http.problem import KINDS
from tests.docs.reference.markdown import code, page, prose, table

EXITS = (("0", "fine"), ("1", "what you gave is wrong: the message says what, where and what to try"),
         ("2", "something outside failed: a server, a disk, the network"), ("130", "interrupted"))  # fmt: skip
_ROW = re.compile(r"^(\w+) +(message|reading|field) +(.+(?:\n {20,}.+)*)", re.MULTILINE)


def meanings() -> dict[str, tuple[str, str]]:
    """What each reason is said of, and its meaning."""
    return {name: (of, " ".join(says.split())) for name, of, says in _ROW.findall(reasons.__doc__ or "")}


def codes_page() -> str:
    """The page."""
    said = meanings()
    why = (
        (
            code(one.value),
            said[one.value][0],
            prose(said[one.value][1]),
            "yes" if one in MENDABLE else "",
            prose(advice(one)),
        )
        for one in Reason
    )
    return page(
        "Codes, units, kinds",
        "Words and numbers that files, views and answers use.",
        "## Exit codes",
        table(("code", "meaning"), ((code(number), says) for number, says in EXITS)),
        "## Levels",
        table(("level", "number", "English", "Chinese"), _levels()),
        "## Quality flags",
        "The primary flags of QARTOD; see [what becomes of a reading](../ingest.md).",
        table(("flag", "name"), ((code(int(one)), code(one.name.lower())) for one in Flag)),
        "## Rejection reasons",
        "What stands as `reason` in [`city.rejections`](views.md#cityrejections). A reason that can be mended is one \
whose rows `lifeline quarantine replay` can take in later.",
        table(("reason", "of", "meaning", "can be mended", "what to do"), why),
        "## Problems of the API",
        "How `type` ends; see [the API](../api.md#errors).",
        table(
            ("status", "type", "what", "what to do"),
            ((code(k), code(name), prose(what), prose(do)) for k, (name, what, do) in KINDS.items()),
        ),
        "## Quantities",
        "Each with its canonical unit: everything inside Lifeline is in it. Units are converted exactly; those with an \
SI prefix (`mm`, `MPa`, `µε`) and combinations (`m3/h`, `L/s`) are known, too. A city may \
add quantities in `city.yaml`.",
        table(("quantity", "English", "Chinese", "unit", "domain", "range of physics", "plain units"), _quantities()),
        "## Site kinds",
        ", ".join(map(code, sorted(SITE_KINDS))) + ". A city may add kinds in `city.yaml`.",
    )


def _levels() -> Iterator[tuple[str, str, str, str]]:
    for level in Level:
        key = f"levels.{level.word}"
        yield code(level.word), str(int(level)), words.say(key, "en"), words.say(key, "zh")


def _quantities() -> Iterator[tuple[str, ...]]:
    for one in QUANTITIES.values():
        also = [symbol for symbol in _SYMBOLS if symbol != one.unit and _fits(symbol, one.unit)]
        bounds = f"{one.hard_min:,g} to {one.hard_max:,g}"
        yield (
            code(one.id),
            one.name["en"],
            one.name["zh"],
            code(one.unit),
            code(one.domain),
            bounds,
            ", ".join(map(code, also)),
        )


def _fits(symbol: str, unit: str) -> bool:
    try:
        converter(symbol, unit)
    except InputError:
        return False
    return True
