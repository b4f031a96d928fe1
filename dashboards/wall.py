"""The city wall: one screen that says whether the city is fine, and where not; quiet when the city is."""

from __future__ import annotations

from city.quantity import DOMAINS
from city.words import languages, say
from dashboards import parts
from dashboards.builder import (
    SOURCE_UID,
    Dashboard,
    Field,
    Geomap,
    Grid,
    Markers,
    Override,
    Panel,
    Query,
    Stat,
    Steps,
    Table,
    TimeSeries,
    Variable,
    constant,
    fixed,
    hidden,
    source_variable,
    words_mapping,
)
from dashboards.links import DOMAIN_PAGES, field, to_console, to_page, top
from dashboards.palette import DRILL, FAINT, HELD, LINE, ORANGE, QUIET, UNKNOWN, Theme
from dashboards.queries import common
from dashboards.queries import wall as queries
from dashboards.words import Words

OUTLINES = "districts.geojson"  # where the console serves the districts' outlines


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
        raise ValueError(f"no such language, got {language!r}, try {', '.join(languages)}")
    words, console = Words(language), console_url.rstrip("/")
    domains = [(domain, say(f"domains.{domain}", language)) for domain in DOMAIN_PAGES]
    return Dashboard(
        uid="lifeline-wall" if language == "en" else f"lifeline-wall-{language}",
        title=words("wall_title"),
        description=words("wall_description"),
        language=language,
        tags=("lifeline", "level-1", language),
        variables=[
            source_variable(SOURCE_UID, "Lifeline"),
            constant("console", console),
            Variable("district", words("district"), common.DISTRICTS).json(),
        ],
        panels=[*_tiles(words), *_places(words, console, tiles), *_trends(words)],
        theme=theme,
        links=top(words, console, *domains),
    )


def _tiles(words: Words) -> list[Panel]:
    pages = {domain: domain for domain in DOMAIN_PAGES} | {"weather": "waterlogging", "platform": "platform"}
    named = [
        Override(
            domain,
            {
                "displayName": say(f"domains.{domain}", words.language),
                "links": [to_page(words("open_page"), pages[domain], words.language).json()],
            },
        )
        for domain in DOMAINS
    ]
    unseen = [
        Override(key, {"displayName": words(name), "thresholds": parts.alarm_from(1, UNKNOWN)})
        for key, name in (("stale", "unseen_sensors"), ("gateways", "unseen_gateways"))
    ]
    held = [
        Override(key, {"displayName": words(f"held_{key}"), "thresholds": parts.alarm_from(1, HELD)})
        for key in ("shelved", "suppressed", "out_of_service", "maintenance")
    ]
    count = Field(unit="short", decimals=0)
    return [
        Stat(
            words("standing"), words("standing_help"), Grid(0, 0, 6, 4), Query(queries.counts()), count,
            parts.level_columns(words), [to_console(words("operations"), "", words)],
        ),
        Stat(
            words("domains"), words("domains_help"), Grid(6, 0, 9, 4), Query(queries.domains()),
            Field(steps=parts.level_steps(), words=words.levels(), no_value="–"), named,
        ),
        Stat(
            words("unseen"), words("unseen_help"), Grid(15, 0, 3, 4), Query(queries.UNSEEN), count, unseen,
            [to_console(words("silent_gateways"), "gateways", words), to_console(words("stale"), "sensors", words)],
        ),
        Stat(
            words("held"), words("held_help"), Grid(18, 0, 6, 4), Query(queries.HELD_BACK), count, held,
            [to_console(words("held_open"), "shelves", words), to_console(words("maintenance"), "maintenance", words)],
        ),
    ]  # fmt: skip


def _places(words: Words, console: str, tiles: str) -> list[Panel]:
    return [map_of_sites(words, console, tiles, Grid(0, 4, 9, 13)), parts.incidents(words, Grid(9, 4, 15, 10))]


def map_of_sites(words: Words, console: str, tiles: str, grid: Grid) -> Geomap:
    """Sites by their worst alarm, those that nobody can see by another sign; districts as lines."""
    act = to_console(words("open_sensor"), f"sensors/{field('sensor')}", words)
    look = to_page(words("look_at_sensor"), "sensor", words.language, "sensor")
    return Geomap(
        words("map"),
        words("map_help"),
        grid,
        Query(queries.places(words.language, blind=False)),
        Field(steps=parts.level_steps(), custom={"hideFrom": {"legend": False, "tooltip": False, "viz": False}}),
        [
            Override("level", {"displayName": words("level"), "mappings": words_mapping(words.levels())}),
            Override("name", {"displayName": words("site"), "links": [act.json(), look.json()]}),
            Override("size", {"custom.hideFrom": {"legend": True, "tooltip": True, "viz": False}}),
        ],
        more=[Query(queries.places(words.language, blind=True), ref_id="B")],
        tiles=tiles,
        outlines=f"{console}/{OUTLINES}",
        layers=[Markers(words("map")), Markers(words("unseen"), "B", "x-mark", smallest=7, largest=9)],
    )


def _trends(words: Words) -> list[Panel]:
    rate_steps = Steps(base=FAINT, above=((1, FAINT), (10, LINE)))  # guidance, no levels
    bars = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "barAlignment": 1, "axisSoftMin": 0}
    bars |= {"axisSoftMax": 12, "thresholdsStyle": {"mode": "line"}}
    age = Steps(above=((120, UNKNOWN),))
    newest = {"displayName": words("newest"), "unit": "s", "decimals": 0, "thresholds": age.json(), "noValue": "–"}
    return [
        parts.timeline(words, Grid(9, 14, 10, 10)),
        TimeSeries(
            words("rate"),
            words("rate_help"),
            Grid(0, 17, 9, 7),
            Query(queries.RATE, "time_series"),
            Field(unit="short", steps=rate_steps, custom=bars),
            [Override("rate", {"displayName": words("alarms"), "color": fixed(LINE)})],
            [to_page(words("open_page"), "statistics", words.language)],
        ),
        _special(words, Grid(19, 14, 5, 5)),
        Stat(
            words("self"),
            words("self_help"),
            Grid(19, 19, 5, 5),
            Query(queries.PLATFORM),
            Field(unit="short", decimals=0, steps=Steps(above=((1, ORANGE),))),
            [
                *(Override(key, {"displayName": words(key)}) for key in ("faults", "undelivered")),
                Override("newest", newest),
            ],
            [to_console(words("self"), "health", words), to_page(words("open_page"), "platform", words.language)],
            across=True,
        ),
    ]


def _special(words: Words, grid: Grid) -> Table:
    """Floods, exercises, maintenance: what changes how everything else is to be read."""
    kinds = {kind: words(f"special_{kind}") for kind in ("flood", "drill", "maintenance")}
    options = {
        kind: {"text": text, "color": colour, "index": index}
        for index, ((kind, text), colour) in enumerate(zip(kinds.items(), (LINE, DRILL, HELD), strict=True))
    }
    act = to_console(words("operations"), field("page"), words)
    return Table(
        words("special"),
        words("special_help"),
        grid,
        Query(queries.special(words.language)),
        Field(
            no_value=words("nothing_special"), steps=Steps(base=QUIET), custom={"align": "auto", "filterable": False}
        ),
        [
            Override(
                "kind",
                {
                    "displayName": words("special_kind"),
                    "mappings": [{"type": "value", "options": options}],
                    "custom.cellOptions": {"type": "color-background", "mode": "basic", "applyToRow": False},
                    "links": [act.json()],
                },
            ),
            Override("title", {"displayName": words("special_title"), "links": [act.json()]}),
            Override("since", parts.age_column(words("special_since"), 90)),
            Override("until", parts.age_column(words("special_until"), 90)),
            *hidden("page"),
        ],
    )
