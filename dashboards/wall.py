"""The city wall: nine panels on one screen, quiet when the city is."""

from __future__ import annotations

from city.levels import Level
from city.quantity import DOMAINS
from city.words import languages, say
from dashboards import queries
from dashboards.builder import (
    SOURCE_UID,
    Dashboard,
    Field,
    Geomap,
    Grid,
    Json,
    Link,
    Override,
    Panel,
    Query,
    Stat,
    StateTimeline,
    Steps,
    Table,
    TimeSeries,
    Variable,
    constant,
    level_steps,
    source_variable,
)
from dashboards.palette import LEVEL_COLOURS, LINE, QUIET, UNKNOWN, Theme

STAGES = ("raised", "confirmed", "false_alarm", "analysed", "dispatched", "on_site", "reported", "closed")
_FILLED = {"cellOptions": {"type": "color-background", "mode": "basic", "applyToRow": False}}


def wall(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """The wall in one language.

    Parameters
    ----------
    language
        `en` or `zh`.
    console_url
        Address of the operations page, without a slash at the end; incidents and sites link there.
    tiles
        Address of a map tile server, see `Geomap`.
    theme
        `dark` or `light`.
    """
    if language not in languages:
        raise ValueError(f"language must be one of {', '.join(languages)}, got {language!r}")
    words = Words(language)
    console = console_url.rstrip("/")
    return Dashboard(
        uid="lifeline-wall" if language == "en" else f"lifeline-wall-{language}",
        title=words("wall_title"),
        description=words("wall_description"),
        language=language,
        tags=("lifeline", "level-1", language),
        variables=[
            source_variable(SOURCE_UID, "Lifeline"),
            constant("console", console),
            Variable("district", words("district"), queries.DISTRICTS).json(),
        ],
        panels=[*_tiles(words), *_incidents(words, tiles), *_trends(words)],
        theme=theme,
        links=[_console_link(words("operations"), f"{console}/{words.ask}")],
    )


class Words:
    """The wall's words in one language: `words("map")`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.ask = f"?lang={language}"  # the operations page in the wall's language

    def __call__(self, key: str) -> str:
        """The words of one key of `city/words/dashboard.toml`."""
        return say(f"dashboard.{key}", self.language)

    def level(self, level: Level) -> str:
        """A level as the wall shows it: loud in capitals, calm in small letters."""
        return say(f"levels.{level.word}", self.language).upper() if level else self("normal")

    def levels(self, *, doubtful: bool = False) -> dict[str, str]:
        """The words for a level's number, -1 for unknown; `doubtful` adds the half steps of the timeline."""
        found = {str(int(level)): self.level(level) for level in Level}
        if doubtful:
            return found | {f"{int(level)}.5": f"{self.level(level)}?" for level in Level}
        return found | {"-1": say("levels.unknown", self.language).upper()}


def _console_link(title: str, console: str) -> Json:
    return {"type": "link", "title": title, "url": console, "icon": "external link", "targetBlank": True} | {
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "tags": [],
        "tooltip": "",
    }


def _alarm_from(value: float, colour: str) -> Steps:
    return Steps(above=((value, colour),))


def _tiles(words: Words) -> list[Panel]:
    levels = [
        Override(level.word, {"displayName": words.level(level), "thresholds": _alarm_from(1, colour).json()})
        for level, colour in ((Level(number), colour) for number, colour in sorted(LEVEL_COLOURS.items(), reverse=True))
    ]
    stale = Override("stale", {"displayName": words("stale"), "thresholds": _alarm_from(1, UNKNOWN).json()})
    named = [Override(d, {"displayName": say(f"domains.{d}", words.language)}) for d in DOMAINS]
    platform = [Override(key, {"displayName": words(key)}) for key in ("faults", "undelivered")]
    orange = _alarm_from(1, LEVEL_COLOURS[3])
    return [
        Stat(
            words("standing"),
            words("standing_help"),
            Grid(0, 0, 9, 4),
            Query(queries.standing()),
            Field(unit="short", decimals=0),
            [*levels, stale],
        ),
        Stat(
            words("domains"),
            words("domains_help"),
            Grid(9, 0, 11, 4),
            Query(queries.domains()),
            Field(steps=level_steps(UNKNOWN), words=words.levels(), no_value="–"),
            named,
        ),
        Stat(
            words("self"),
            words("self_help"),
            Grid(20, 0, 4, 4),
            Query(queries.PLATFORM),
            Field(unit="short", decimals=0, steps=orange),
            platform,
        ),
    ]


def _incidents(words: Words, tiles: str) -> list[Panel]:
    sensor = Link(words("open_sensor"), f"${{console:raw}}/sensors/${{__data.fields.sensor:percentencode}}{words.ask}")
    return [
        Geomap(
            words("map"),
            words("map_help"),
            Grid(0, 4, 10, 12),
            Query(queries.places(words.language)),
            Field(steps=level_steps(UNKNOWN), custom={"hideFrom": {"legend": False, "tooltip": False, "viz": False}}),
            [
                Override("level", {"displayName": words("level"), "mappings": _mappings(words.levels())}),
                Override("name", {"displayName": words("site"), "links": [sensor.json()]}),
                Override("size", {"custom.hideFrom": {"legend": True, "tooltip": True, "viz": False}}),
            ],
            tiles=tiles,
        ),
        Table(
            words("incidents"),
            words("incidents_help"),
            Grid(10, 4, 14, 12),
            Query(queries.incidents(words.language, words("exercise"))),
            Field(no_value=words("no_incident"), custom={"align": "auto", "filterable": False}),
            _incident_columns(words),
        ),
    ]


def _mappings(words: dict[str, str]) -> list[Json]:
    return list(Field(words=words).json()["mappings"])


def _incident_columns(words: Words) -> list[Override]:
    url = f"${{console:raw}}/incidents/${{__data.fields.incident:percentencode}}{words.ask}"
    link = Link(words("open_incident"), url)
    seen = {"0": words("acknowledged_no"), "1": words("acknowledged_yes")}
    stages = {stage: words(f"stage_{stage}") for stage in STAGES}
    unseen = Steps(base=LEVEL_COLOURS[3], above=((1, QUIET),))
    filled = {f"custom.{key}": value for key, value in _FILLED.items()}
    level = {"displayName": words("level"), "mappings": _mappings(words.levels()), "thresholds": level_steps().json()}
    return [
        Override("level", level | filled | {"custom.width": 110}),
        Override("title", {"displayName": words("incident"), "links": [link.json()]}),
        Override("site", {"displayName": words("site")}),
        Override("district", {"displayName": words("district"), "custom.width": 120}),
        Override("stage", {"displayName": words("stage"), "mappings": _mappings(stages), "custom.width": 120}),
        Override(
            "acknowledged",
            {"displayName": words("acknowledged"), "mappings": _mappings(seen), "thresholds": unseen.json()}
            | filled
            | {"custom.width": 110},
        ),
        Override("age", {"displayName": words("age"), "unit": "dtdurations", "decimals": 0, "custom.width": 150}),
        Override("incident", {"custom.hidden": True}),
    ]


def _trends(words: Words) -> list[Panel]:
    rate_steps = Steps(base=LEVEL_COLOURS[1], above=((1, LEVEL_COLOURS[2]), (10, LEVEL_COLOURS[4])))
    bars = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "barAlignment": 1, "axisSoftMin": 0}
    bars |= {"axisSoftMax": 12, "thresholdsStyle": {"mode": "line"}}
    age = Steps(above=((120, LEVEL_COLOURS[2]), (300, LEVEL_COLOURS[3])))
    return [
        TimeSeries(
            words("rate"),
            words("rate_help"),
            Grid(0, 16, 6, 8),
            Query(queries.RATE, "time_series"),
            Field(unit="short", steps=rate_steps, custom=bars),
            [Override("rate", {"displayName": words("alarms"), "color": {"mode": "fixed", "fixedColor": LINE}})],
        ),
        Stat(
            words("gateways"),
            words("gateways_help"),
            Grid(6, 16, 4, 4),
            Query(queries.GATEWAYS),
            Field(unit="short", decimals=0),
            [
                Override("silent", {"displayName": words("silent"), "thresholds": _alarm_from(1, UNKNOWN).json()}),
                Override("registered", {"displayName": words("registered")}),
            ],
            [Link(words("operations"), f"${{console:raw}}/gateways{words.ask}")],
        ),
        Stat(
            words("ingest"),
            words("ingest_help"),
            Grid(6, 20, 4, 4),
            Query(queries.INGEST),
            Field(unit="s", decimals=1, steps=age, no_value="–"),
            [Override(key, {"displayName": words(key)}) for key in ("newest", "transit")],
        ),
        StateTimeline(
            words("timeline"),
            words("timeline_help"),
            Grid(10, 16, 14, 8),
            Query(queries.timeline(words.language), "time_series"),
            Field(
                steps=_timeline_steps(),
                words=words.levels(doubtful=True),
                no_value=words("no_alarm"),
                custom={"fillOpacity": 80, "lineWidth": 0, "spanNulls": False, "insertNulls": False},
            ),
        ),
    ]


def _timeline_steps() -> Steps:
    """One step per state: neighbours of one colour but different certainty must not merge."""
    return Steps(
        base=QUIET, above=tuple((level + half, c) for level, c in LEVEL_COLOURS.items() for half in (0.0, 0.5))
    )
