"""Rules of one question's SQL, as it stands before Grafana rewrites it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from dashboards.builder import Json
from dashboards.lint.known import BUILT_IN, MACROS
from dashboards.lint.page import Page, flat

_TEXT = re.compile(r"'(?:[^']|'')*'")
_BRACED = re.compile(r"\$\{([^}:]+)(?::([^}]*))?\}")
_SAFE = re.compile(r"ANY\(ARRAY\[\$\{(\w+):sqlstring\}\]::text\[\]\)")
_MACRO = re.compile(r"\$(__\w+)\(([^)]*)")
_BARE = re.compile(r"\$(?!\{)(\w+)(\()?")
_ORDER = re.compile(r'\bORDER\s+BY\s+(?:1\b|time\b|"time")', re.IGNORECASE)
_TIME = re.compile(r'\bAS\s+"?time\b|\bSELECT\s+(?:\w+\.)?time\b|\$__time(?:GroupAlias)?\(', re.IGNORECASE)
_NESTED = re.compile(r"\([^()]*\)")
_CALL = "§"  # stands for parentheses and what is within them
_COMPARES = re.compile("[<>=]")
_INTERVAL = re.compile(
    r"\bage\s*§|\bnow§\s*-\s*[\w.]+(?:\s|$)|::interval\b|^[^+]*\binterval\s+''|\bmake_interval§",
    re.IGNORECASE,
)
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|DROP|ALTER|CREATE|GRANT|TRUNCATE|COPY|CALL|DO)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: its SQL and the shape its rows are read in."""

    sql: str
    shape: str = "table"

    @property
    def code(self) -> str:
        """The SQL without what stands in quotes."""
        return _TEXT.sub("''", self.sql)


def questions(board: Json) -> Iterator[tuple[str, Asked]]:
    """Every question of a page, with where it stands."""
    for variable in board["templating"]["list"]:
        if variable["type"] == "query" and isinstance(variable["query"], str):
            yield f"variable {variable['name']}", Asked(variable["query"])
    for note in board["annotations"]["list"]:
        if "rawSql" in note.get("target", {}):
            yield f"annotation {note['name']}", Asked(note["target"]["rawSql"])
    for panel in flat(board):
        for target in panel.get("targets", ()):
            where = f"panel {panel.get('id')} query {target.get('refId')}"
            yield where, Asked(target.get("rawSql", ""), target.get("format", "time_series"))


def _variables(asked: Asked, page: Page) -> Iterator[str]:
    for match in _BRACED.finditer(asked.sql):
        name, spelled = match[1], match[2]
        if name not in page.variables and name.partition(".")[0] not in BUILT_IN:
            yield f"{match[0]}: the page has no such variable"
        elif spelled != "sqlstring":
            yield f"{match[0]}: how it is quoted depends on Grafana's version, write ${{{name}:sqlstring}}"
    if "[[" in asked.code:
        yield "[[name]]: how it is quoted depends on Grafana's version"
    for match in _BARE.finditer(asked.sql):
        if not match[2] and match[1] not in BUILT_IN and not match[1].isdigit():
            yield f"{match[0]}: how it is quoted depends on Grafana's version, write ${{{match[1]}:sqlstring}}"


def _choice(asked: Asked, page: Page) -> Iterator[str]:
    safe = {match.start(1) for match in _SAFE.finditer(asked.sql)}
    for match in _BRACED.finditer(asked.sql):
        several = page.variables.get(match[1], {}).get("multi", False)
        if several and match[2] == "sqlstring" and match.start(1) not in safe:
            yield f"{match[0]}: an empty choice breaks the SQL, write = ANY(ARRAY[{match[0]}]::text[])"


def _macros(asked: Asked, page: Page) -> Iterator[str]:
    for match in _MACRO.finditer(asked.sql):
        if match[1] not in MACROS:
            yield f"${match[1]}(…): Grafana has no such macro"
        if "(" in match[2]:
            yield f"{match[0]}…: its arguments end at the first closing parenthesis"
        if match[1] in ("__timeFrom", "__timeTo") and not asked.sql[match.end() :].startswith(")::timestamptz"):
            yield f"{match[0]}) is text: write {match[0]})::timestamptz"


def _ordered(asked: Asked, page: Page) -> Iterator[str]:
    if asked.shape != "time_series":
        return
    if not _ORDER.search(re.split(r"\bFROM\b", _outside(asked.code), flags=re.IGNORECASE)[-1]):
        yield "time_series needs ascending times: end with ORDER BY 1"
    if not _TIME.search(asked.code):
        yield "time_series needs a column named time"


def _intervals(asked: Asked, page: Page) -> Iterator[str]:
    for shown in _shown(asked.code):
        if _INTERVAL.search(shown) and not _COMPARES.search(shown):
            yield f"{shown!r}: an interval is shown as text, take its seconds"


def _shown(code: str) -> list[str]:
    """The columns that come out: of the last SELECT outside parentheses."""
    last = re.split(r"\bSELECT\b", _outside(code), flags=re.IGNORECASE)[-1]
    return [column.strip() for column in re.split(r"\bFROM\b", last, flags=re.IGNORECASE)[0].split(",")]


def _outside(code: str) -> str:
    """The SQL with a sign in place of parentheses and what stands within them."""
    while (shorter := _NESTED.sub(_CALL, code)) != code:
        code = shorter
    return code


def _public_views(asked: Asked, page: Page) -> Iterator[str]:
    if re.search(r"\blifeline\.", asked.code):
        yield "reads the private schema: pages read the views of schema city"
    if re.search(r"(?<!city\.)\bnow\(\)|\bcurrent_timestamp\b|\bcurrent_date\b", asked.code, re.IGNORECASE):
        yield "asks the wall's clock: a city may live on a faster one, ask city.now()"


def _one_statement(asked: Asked, page: Page) -> Iterator[str]:
    if "--" in asked.code or "/*" in asked.code:
        yield "has a comment: older versions expand macros inside it"
    if ";" in asked.code:
        yield "is more than one statement"
    if match := _WRITES.search(asked.code):
        yield f"does not only read: {match[0]}"


RULES: Mapping[str, Callable[[Asked, Page], Iterator[str]]] = {
    "sql-variables": _variables,
    "sql-choice": _choice,
    "sql-macros": _macros,
    "sql-order": _ordered,
    "sql-interval": _intervals,
    "sql-views": _public_views,
    "sql-one": _one_statement,
}
