"""What makes a page wrong in Grafana without any error: rules over the finished JSON, each with the reason it is one.

::

    known.py   units, transformations and macros that exist, pages of the console
    page.py    a page as a whole: its grid, variables, links, colours
    panel.py   one panel: its words, fields, options
    query.py   one question's SQL

Everything here is about what schema and database cannot find; `dashboards.proof` asks the questions themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dashboards.builder import Json
from dashboards.lint import page, panel, query
from dashboards.lint.page import flat
from dashboards.palette import Theme

__all__ = ["RULES", "Finding", "lint"]

RULES = (*page.RULES, *page.SET_RULES, *panel.RULES, *query.RULES)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """What is wrong: on which page, where on it, by which rule, and what was found."""

    page: str
    where: str
    rule: str
    said: str

    def __str__(self) -> str:
        return f"{self.page}: {self.where}: {self.said} [{self.rule}]"


def lint(boards: Mapping[str, Json], theme: Theme = "dark") -> list[Finding]:
    """Everything that is wrong with pages that are shipped together, made for `theme`; empty when nothing is."""
    found = [
        Finding(uid, where, rule, said) for rule, check in page.SET_RULES.items() for uid, where, said in check(boards)
    ]
    for uid, board in boards.items():
        found += [Finding(uid, *one) for one in _of_page(board, boards, theme)]
    return sorted(found)


def _of_page(board: Json, boards: Mapping[str, Json], theme: Theme) -> Iterator[tuple[str, str, str]]:
    """(where, rule, what is wrong) of one page."""
    whole = page.Page(board, frozenset(boards), theme)
    for rule, check in page.RULES.items():
        yield from ((where, rule, said) for where, said in check(whole))
    for one in flat(board):
        where = f"panel {one.get('id')} {one.get('title', '')}".strip()
        for rule, check_panel in panel.RULES.items():
            yield from ((where, rule, said) for said in check_panel(one, whole))
    for where, asked in query.questions(board):
        for rule, check_query in query.RULES.items():
            yield from ((where, rule, said) for said in check_query(asked, whole))
