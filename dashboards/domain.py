"""One page per domain: where it stands, which sensors are nearest to a limit, how they move, what is open."""

from __future__ import annotations

from city.words import say
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
    Repeat,
    Stat,
    Steps,
    Table,
    Variable,
    constant,
    source_variable,
    words_mapping,
)
from dashboards.links import DOMAIN_PAGES, field, to_console, to_page, top, uid
from dashboards.palette import HELD, QUIET, UNKNOWN, Theme
from dashboards.queries import common
from dashboards.queries import domain as queries
from dashboards.sensor import channels, directions
from dashboards.trend import extremes, trend
from dashboards.wall import OUTLINES
from dashboards.words import Words


def gas(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """Gas mains and methane."""
    return domain_page("gas", language, console_url, tiles, theme)


def waterlogging(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """Water on roads and in drains."""
    return domain_page("waterlogging", language, console_url, tiles, theme)


def bridge(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """Bridges."""
    return domain_page("bridge", language, console_url, tiles, theme)


def settlement(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """Ground that sinks."""
    return domain_page("settlement", language, console_url, tiles, theme)


def domain_page(domain: str, language: str, console_url: str, tiles: str, theme: Theme) -> Dashboard:
    """The page of one domain; parameters as the wall's."""
    words, console = Words(language), console_url.rstrip("/")
    named = say(f"domains.{domain}", language)
    others = [(other, say(f"domains.{other}", language)) for other in DOMAIN_PAGES if other != domain]
    return Dashboard(
        uid=uid(domain, language),
        title=f"{words('domain_title')} · {named}",
        description=words("domain_description"),
        language=language,
        tags=("lifeline", "level-2", language),
        variables=[
            source_variable(SOURCE_UID, "Lifeline"),
            constant("console", console),
            Variable("district", words("district"), common.DISTRICTS).json(),
            Variable("sensor", words("sensors_shown"), queries.sensors(domain, language)).json(),
            Variable("quantity", words("quantities_shown"), queries.quantities(domain, language)).json(),
        ],
        panels=[
            _counts(domain, words),
            _map(domain, words, console, tiles),
            _ranking(domain, words),
            parts.incidents(words, Grid(0, 17, 13, 8), domain),
            parts.timeline(words, Grid(13, 17, 11, 8), domain),
            _signs(domain, words),
            _multiples(words),
            _extremes(domain, words),
        ],
        theme=theme,
        links=top(words, console, ("wall", words("wall_title")), *others),
    )


def _counts(domain: str, words: Words) -> Panel:
    own = [
        Override("held", {"displayName": words.held, "thresholds": parts.alarm_from(1, HELD)}),
        Override("stale", {"displayName": words("stale"), "thresholds": parts.alarm_from(1, UNKNOWN)}),
        Override("sensors", {"displayName": words("sensors")}),
    ]
    return Stat(
        words("standing"),
        words("domain_counts_help"),
        Grid(0, 0, 24, 3),
        Query(queries.counts(domain)),
        Field(unit="short", decimals=0),
        [*parts.level_columns(words), *own],
        [to_console(words("operations"), "", words), to_console(words("held_open"), "shelves", words)],
    )


def _map(domain: str, words: Words, console: str, tiles: str) -> Panel:
    act = to_console(words("open_sensor_page"), f"sensors/{field('sensor')}", words)
    look = to_page(words("look_at_sensor"), "sensor", words.language, "sensor")
    return Geomap(
        words("map"),
        words("domain_map_help"),
        Grid(0, 3, 10, 14),
        Query(queries.places(domain, words.language, blind=False)),
        Field(steps=parts.level_steps(), custom={"hideFrom": {"legend": False, "tooltip": False, "viz": False}}),
        [
            Override("level", {"displayName": words("level"), "mappings": words_mapping(words.levels())}),
            Override("sensor", {"displayName": words("sensor"), "links": [act.json(), look.json()]}),
            Override("age", {"displayName": words("value_age"), "unit": "dtdurations", "decimals": 0}),
            Override("size", {"custom.hideFrom": {"legend": True, "tooltip": True, "viz": False}}),
        ],
        more=[Query(queries.places(domain, words.language, blind=True), ref_id="B")],
        tiles=tiles,
        outlines=f"{console}/{OUTLINES}",
        layers=[
            Markers(words("map"), smallest=4, largest=14),
            Markers(words("unseen"), "B", "x-mark", smallest=6, largest=8),
        ],
    )


def _ranking(domain: str, words: Words) -> Panel:
    act = to_console(words("open_sensor_page"), f"sensors/{field('sensor')}", words)
    look = to_page(words("look_at_sensor"), "sensor", words.language, "sensor")
    bar = {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}
    share = {"displayName": words("of_limit"), "unit": "percent", "decimals": 0, "min": 0, "max": 100}
    return Table(
        words("ranking"),
        words("ranking_help"),
        Grid(10, 3, 14, 14),
        Query(queries.ranking(domain, words.language)),
        Field(no_value="–", steps=Steps(base=QUIET), custom={"align": "auto", "filterable": True}),
        [
            Override("level", {"displayName": words("level")} | parts.filled(words.levels(), parts.level_steps(), 120)),
            Override("sensor", {"displayName": words("sensor"), "links": [look.json(), act.json()]}),
            Override("site", {"displayName": words("site"), "links": [look.json(), act.json()]}),
            Override("district", {"displayName": words("district"), "custom.width": 90}),
            Override("value", {"displayName": words("value"), "decimals": 2, "custom.width": 90}),
            Override("unit", {"displayName": words("unit"), "custom.width": 70}),
            Override("of_limit", share | {"custom.cellOptions": bar, "custom.width": 150}),
            Override("slope", {"displayName": words("slope"), "decimals": 2, "custom.width": 100}),
            Override("age", parts.age_column(words("value_age"), 120)),
        ],
    )


def _signs(domain: str, words: Words) -> Panel:
    act = to_console(words("open_sensor_page"), f"sensors/{field('sensor')}", words)
    look = to_page(words("look_at_sensor"), "sensor", words.language, "sensor")
    return Table(
        words("signs"),
        words("signs_help"),
        Grid(0, 25, 24, 7),
        Query(queries.signs(domain, words.language)),
        Field(no_value=words("no_sign"), steps=Steps(base=QUIET), custom={"align": "auto", "filterable": False}),
        [
            Override("years", {"displayName": words("once_in_years"), "decimals": 1, "custom.width": 140}),
            Override("sensor", {"displayName": words("sensor"), "links": [look.json(), act.json()]}),
            Override("site", {"displayName": words("site"), "links": [look.json(), act.json()]}),
            Override("district", {"displayName": words("district"), "custom.width": 90}),
            Override("direction", {"displayName": words("direction"), "mappings": words_mapping(directions(words))}),
            Override("channel", {"displayName": words("found_by"), "mappings": words_mapping(channels(words))}),
            Override("expected", {"displayName": words("expected_value"), "decimals": 2, "custom.width": 110}),
            Override("unit", {"displayName": words("unit"), "custom.width": 70}),
            Override("together", {"displayName": words("together"), "custom.width": 130}),
            Override("time", parts.moment_column(words("since_when"))),
        ],
    )


def _multiples(words: Words) -> Panel:
    """The worst sensors' trends side by side; a click on a title's link opens the sensor."""
    look = to_page(words("look_at_sensor"), "sensor", words.language, also="var-sensor=${sensor:percentencode}")
    act = to_console(words("open_sensor_page"), "sensors/${sensor:percentencode}", words)
    return trend(words, "${sensor:text}", Grid(0, 32, 6, 7), "sensor", (look, act), Repeat("sensor", 4))


def _extremes(domain: str, words: Words) -> Panel:
    """Each quantity's highest and lowest over all sensors of the chosen districts, below the single sensors."""
    asked = Query(queries.extremes(domain), "time_series")
    unit = Query(queries.unit(domain, words.language), "table", "B")
    title = f"{words('extremes')} · ${{quantity:text}}"
    return extremes(words, title, Grid(0, 39, 6, 7), asked, unit, Repeat("quantity", 4))
