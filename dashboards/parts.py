"""Panels that several pages have: incidents, bars of states, tiles."""

from __future__ import annotations

from collections.abc import Mapping

from city.levels import Level
from dashboards.builder import FILLED, Field, Grid, Json, Override, Query, StateTimeline, Steps, Table, hidden
from dashboards.builder import level_steps as plain_steps
from dashboards.builder import words_mapping as mappings
from dashboards.links import field, to_console, to_page
from dashboards.palette import DRILL, HELD, LEVEL_COLOURS, LINE, QUIET, UNKNOWN
from dashboards.queries import common
from dashboards.queries import wall as queries
from dashboards.words import Words


def level_steps() -> Steps:
    """Unknown below 0, quiet, held back from a half, the four levels, exercises from ten."""
    _, *levels = plain_steps().above
    return Steps(UNKNOWN, ((0, QUIET), (common.HELD, HELD), *levels, (common.EXERCISE, DRILL)))


def filled(words: Mapping[str, str], steps: Steps, width: int = 0) -> Json:
    """A table's cell that is filled with its value's colour and says its word."""
    own: Json = {"mappings": mappings(words), "thresholds": steps.json(), **FILLED}
    return own | ({"custom.width": width} if width else {})


def alarm_from(value: float, colour: str) -> Json:
    """Quiet below `value`."""
    return Steps(above=((value, colour),)).json()


def age_column(title: str, width: int = 130) -> Json:
    """A column of seconds as a person says them."""
    return {"displayName": title, "unit": "dtdurations", "decimals": 0, "custom.width": width}


def incidents(words: Words, grid: Grid, domain: str = "") -> Table:
    """Open incidents: worst first, exercises last and marked."""
    unseen = Steps(base=LINE, above=((1, QUIET),))  # no level: a word on brighter grey
    seen = {"0": words("acknowledged_no"), "1": words("acknowledged_yes")}
    act = to_console(words("open_incident"), f"incidents/{field('incident')}", words)
    look = to_page(words("look_at_incident"), "incident", words.language, "incident")
    columns = [
        Override("level", {"displayName": words("level")} | filled(words.levels_or_exercise(), level_steps(), 160)),
        Override("title", {"displayName": words("incident"), "links": [act.json(), look.json()]}),
        Override("site", {"displayName": words("site"), "links": [act.json(), look.json()]}),
        Override("district", {"displayName": words("district"), "custom.width": 100}),
        Override("stage", {"displayName": words("stage"), "mappings": mappings(words.stages()), "custom.width": 100}),
        Override("acknowledged", {"displayName": words("acknowledged")} | filled(seen, unseen, 90)),
        Override("age", age_column(words("age"))),
        Override("first_out", {"displayName": words("first_out"), "custom.width": 120}),
    ]
    return Table(
        words("incidents"),
        words("incidents_help"),
        grid,
        Query(queries.incidents(words.language, domain)),
        Field(no_value=words("no_incident"), custom={"align": "auto", "filterable": False}),
        [*columns, *hidden("incident")],
    )


def moment_column(title: str) -> Json:
    """A column of moments."""
    return {"displayName": title, "custom.width": 170}


def timeline(words: Words, grid: Grid, domain: str = "") -> StateTimeline:
    """The levels of sensors that had an alarm, over time; also how things stood before the range."""
    return StateTimeline(
        words("timeline"),
        words("timeline_help"),
        grid,
        Query(queries.timeline(words.language, domain), "time_series"),
        state_field(words),
    )


def state_field(words: Words) -> Field:
    """How bars of levels are drawn: one step per state, or bars of one colour would merge."""
    steps = ((level + half, colour) for level, colour in LEVEL_COLOURS.items() for half in (0.0, 0.5))
    return Field(
        steps=Steps(above=((0.25, HELD), *steps)),
        words=words.levels_in_time(),
        no_value=words("no_alarm"),
        custom={"fillOpacity": 80, "lineWidth": 0, "spanNulls": False, "insertNulls": False},
    )


def level_columns(words: Words) -> list[Override]:
    """One tile per level, red first, quiet while it counts none."""
    return [
        Override(
            Level(number).word,
            {"displayName": words.level(Level(number)), "thresholds": alarm_from(1, colour)},
        )
        for number, colour in sorted(LEVEL_COLOURS.items(), reverse=True)
    ]
