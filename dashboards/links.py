"""Where a click leads: to a page of ours, range and variables kept, or to the console, where one can act."""

from __future__ import annotations

from dashboards.builder import Json, Link, page_link
from dashboards.words import Words

RANGE = "${__url_time_range}"
DOMAIN_PAGES = ("gas", "waterlogging", "bridge", "settlement")


def uid(page: str, language: str) -> str:
    """The uid of a page in a language."""
    return f"lifeline-{page}" if language == "en" else f"lifeline-{page}-{language}"


def to_page(title: str, page: str, language: str, *chosen: str, keep: bool = True, also: str = "") -> Link:
    """Another page over the same range.

    `chosen`: names of variables that the clicked row has as a column of the same name; `keep`: with the districts too;
    `also`: whatever else its address says.
    """
    asked = [RANGE, *(["${district:queryparam}"] if keep else [])]
    asked += [f"var-{name}=${{__data.fields.{name}:percentencode}}" for name in chosen]
    asked += [also] if also else []
    return Link(title, f"/d/{uid(page, language)}?{'&'.join(asked)}", blank=False)


def to_console(title: str, path: str, words: Words) -> Link:
    """A page of the console; `path` may name the clicked row's columns."""
    return Link(title, f"${{console:raw}}/{path}{words.ask}")


def field(column: str) -> str:
    """The clicked row's value of a column, ready for an address."""
    return f"${{__data.fields.{column}:percentencode}}"


def top(words: Words, console: str, *pages: tuple[str, str]) -> list[Json]:
    """The links at a page's top: other pages as (uid without language, title), and the console."""
    ours = [page_link(title, f"/d/{uid(page, words.language)}") for page, title in pages]
    return [*ours, page_link(words("operations"), f"{console}/{words.ask}", keep=False)]
