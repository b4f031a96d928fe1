"""The page for the public: each district's state in plain words; no person, no sensor, nothing to act on.

It is made to be shared with people who have no account. Such a page may have no variables: Grafana does not fill them
in for strangers, and a query with one shows nothing. So it has none, and names its data source itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboards.builder import SOURCE, SOURCE_UID, Dashboard, Field, Grid, Json, Panel, Stat, Steps, Table, level_steps
from dashboards.figures import Frame, limits
from dashboards.links import uid
from dashboards.palette import QUIET, UNKNOWN, Theme

DOMAINS = ("gas", "waterlogging", "bridge", "settlement")
OLD_S = (900, 3600)
STATES = Steps(base=QUIET, above=((-1, UNKNOWN), *level_steps().above))  # the first also of what nobody watches


@dataclass(frozen=True, slots=True)
class PublicPage(Dashboard):
    """A page that needs nothing filled in."""

    def json(self) -> Json:
        """Classic dashboard JSON with the data source's own uid in place of the variable."""
        return dict(_without_variables(Dashboard.json(self)))


def public(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """The page for the public in one language; it leads nowhere, so `console_url` is not used."""
    frame = Frame("public", language)
    return PublicPage(
        uid=uid("public", language),
        title=frame.words("title"),
        description=frame.words("about"),
        language=language,
        tags=("lifeline", "public", language),
        variables=(),
        panels=_panels(frame),
        refresh="1m",
        since="now-1h",
        theme=theme,
    )


def _panels(frame: Frame) -> list[Panel]:
    words = frame.words
    said = {str(level): words(f"level_{level}") for level in range(-1, 5)}
    return [
        Stat(
            words("city"),
            words("city_help"),
            Grid(0, 0, 19, 6),
            frame.table("city"),
            Field(steps=STATES, words=said, no_value=words("no_sensor")),
            [frame.tile(domain, unit="none") for domain in DOMAINS],
        ),
        Stat(
            words("updated"),
            words("updated_help"),
            Grid(19, 0, 5, 6),
            frame.table("updated"),
            Field(unit="s", decimals=0, steps=limits(*OLD_S), no_value=words("level_-1")),
            [frame.tile("age", "ago", unit="s")],
        ),
        Table(
            words("state"),
            words("state_help"),
            Grid(0, 6, 24, 16),
            frame.table("state"),
            Field(no_value=words("no_district"), custom={"align": "auto", "filterable": False}),
            [
                frame.column("district"),
                *(frame.column(domain, words=said, steps=STATES, noValue=words("no_sensor")) for domain in DOMAINS),
            ],
        ),
    ]


def _without_variables(made: Any) -> Any:  # noqa: ANN401 - JSON of any shape in, the same shape out
    if isinstance(made, dict):
        return {key: _without_variables(value) for key, value in made.items()}
    if isinstance(made, list):
        return [_without_variables(value) for value in made]
    return SOURCE_UID if made == SOURCE["uid"] else made
