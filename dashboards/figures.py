"""What the pages of figures have in common: tiles with their limits, columns of tables, and the frame of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from city.words import languages
from dashboards.asked import asked
from dashboards.builder import (
    FILLED,
    SOURCE_UID,
    Annotation,
    Dashboard,
    Field,
    Grid,
    Json,
    Link,
    Override,
    Panel,
    Query,
    Stat,
    Steps,
    Variable,
    constant,
    page_link,
    source_variable,
    words_mapping,
)
from dashboards.links import to_console, uid
from dashboards.palette import FAIR, POOR, QUIET, Theme
from dashboards.words import Words

LEAST = 1e-6  # a limit that is still good: Grafana colours from a value on, not above it


class Frame:
    """One page in the making: its words, its questions, its console.

    Parameters
    ----------
    page
        Name of the page: its SQL is `dashboards/sql/<page>.sql`, its words are `board_<page>`.
    language
        `en` or `zh` (ValueError for another).
    """

    def __init__(self, page: str, language: str) -> None:
        if language not in languages:
            raise ValueError(f"language must be one of {', '.join(languages)}, got {language!r}")
        self.page, self.language = page, language
        self.words = Words(language, f"board_{page}")

    def table(self, name: str) -> Query:
        """A question whose rows come as they are."""
        return Query(asked(self.page, name, self.language))

    def trend(self, name: str) -> Query:
        """A question whose rows are series over time."""
        return Query(asked(self.page, name, self.language), "time_series")

    def variable(self, name: str, question: str) -> Json:
        """A drop-down."""
        return Variable(name, self.words(name), asked(self.page, question, self.language)).json()

    def link(self, key: str, path: str) -> Link:
        """A link to the console."""
        return to_console(self.words(key), path, self.words)

    def tiles(self, name: str, grid: Grid, tiles: Sequence[Override], links: Sequence[Link] = ()) -> Stat:
        """Numbers of one row, a tile each; a figure that nobody knows is a dash."""
        plain = Field(unit="short", no_value="–")
        return Stat(self.words(name), self.words(f"{name}_help"), grid, self.table(name), plain, tiles, links)

    def tile(
        self,
        column: str,
        key: str = "",
        unit: str = "short",
        decimals: int | None = 0,
        steps: Steps | None = None,
        unknown: str = "",
    ) -> Override:
        """One tile: its name, with its target in words, and from which value on it is amber or red."""
        properties: dict[str, Any] = {"displayName": self.words(key or column), "unit": unit}
        if decimals is not None:
            properties["decimals"] = decimals
        if steps is not None:
            properties["thresholds"] = steps.json()
        if unknown:
            properties["noValue"] = self.words(unknown)
        return Override(column, properties)

    def column(
        self,
        column: str,
        key: str = "",
        *,
        unit: str = "",
        decimals: int | None = None,
        width: int = 0,
        words: Mapping[str, str] | None = None,
        steps: Steps | None = None,
        link: Link | None = None,
        **more: Any,  # noqa: ANN401 - values of Grafana's own properties
    ) -> Override:
        """One column of a table; with `steps` its cells are filled. A cell of which nothing is known is a dash."""
        properties: dict[str, Any] = {"displayName": self.words(key or column), "noValue": "–"}
        if unit:
            properties["unit"] = unit
        if decimals is not None:
            properties["decimals"] = decimals
        if width:
            properties["custom.width"] = width
        if words:
            properties["mappings"] = words_mapping(words)
        if steps is not None:
            properties |= FILLED | {"thresholds": steps.json()}
        if link is not None:
            properties["links"] = [link.json()]
        return Override(column, properties | more)

    def rows(self, no_row: str) -> Field:
        """How a table's cells are by default; `no_row` is said when there is none."""
        return Field(no_value=self.words(no_row), custom={"align": "auto", "filterable": False})

    def page_of(
        self,
        panels: Sequence[Panel],
        console: str,
        theme: Theme,
        *,
        at_console: str,
        since: str,
        variables: Sequence[Json] = (),
        annotations: Sequence[Annotation] = (),
    ) -> Dashboard:
        """The page, with its links to the wall and to where one can act."""
        address = f"{console.rstrip('/')}/{at_console}{self.words.ask}"
        return Dashboard(
            uid=uid(self.page, self.language),
            title=self.words("title"),
            description=self.words("about"),
            language=self.language,
            tags=("lifeline", "level-2", self.language),
            variables=[source_variable(SOURCE_UID, "Lifeline"), constant("console", console.rstrip("/")), *variables],
            panels=panels,
            links=[
                page_link(self.words("wall"), f"/d/{uid('wall', self.language)}"),
                page_link(self.words("console"), address, keep=False),
            ],
            refresh="1m",
            since=since,
            theme=theme,
            annotations=annotations,
        )


def limits(good: float, fair: float | None = None, *, below: bool = False) -> Steps:
    """Grey up to `good` (`below`: only less than it), amber up to `fair`, then red."""
    first = good if below else good + LEAST
    if fair is None:
        return Steps(base=QUIET, above=((first, POOR),))
    return Steps(base=QUIET, above=((first, FAIR), (fair + LEAST, POOR)))


def least(good: float, fair: float) -> Steps:
    """Grey from `good` on, amber from `fair` on, red below; grey too of nothing known, for that takes the first."""
    return Steps(base=QUIET, above=((-1e12, POOR), (fair, FAIR), (good, QUIET)))


def within(most: float) -> Steps:
    """Grey while no further than `most` from 0; grey too of nothing known."""
    return Steps(base=QUIET, above=((-1e12, POOR), (-most, QUIET), (most + LEAST, POOR)))


def none_at_all(colour: str = POOR) -> Steps:
    """Coloured from one on."""
    return Steps(base=QUIET, above=((1, colour),))
