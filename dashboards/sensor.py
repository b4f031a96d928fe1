"""One sensor: what it says, how far that is from its limits, how good its data are, and what stands around it."""

from __future__ import annotations

from city.levels import Flag
from city.words import catalogue, say
from dashboards import parts
from dashboards.builder import (
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
    StateTimeline,
    Steps,
    Table,
    TimeSeries,
    Variable,
    constant,
    hidden,
    source_variable,
    words_mapping,
)
from dashboards.links import field, to_console, to_page, top, uid
from dashboards.palette import HELD, LINE, QUIET, UNKNOWN, Theme
from dashboards.queries import common
from dashboards.queries import sensor as queries
from dashboards.queries import trend as trends
from dashboards.trend import band, trend, unit_from
from dashboards.words import Words
from detectors.registry import names


def sensor(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """The page of the sensor in variable `sensor`; parameters as the wall's."""
    words, console = Words(language), console_url.rstrip("/")
    return Dashboard(
        uid=uid("sensor", language),
        title=words("sensor_title"),
        description=words("sensor_description"),
        language=language,
        tags=("lifeline", "level-3", language),
        variables=[
            source_variable(SOURCE_UID, "Lifeline"),
            constant("console", console),
            Variable("district", words("district"), common.DISTRICTS).json(),
            Variable("sensor", words("sensor"), queries.sensors(language), several=False).json(),
        ],
        panels=[
            _now(words),
            trend(words, "${sensor:text}", Grid(0, 4, 24, 10), "sensor", (_console(words),)),
            _flags(words),
            _expected(words),
            _alarms(words),
            _neighbours(words),
            _findings(words),
            _readings(words),
        ],
        theme=theme,
        links=top(words, console, ("wall", words("wall_title"))),
        annotations=[Annotation(words("alarms_of_it"), LINE, queries.raised(language))],
    )


def _console(words: Words) -> Link:
    return to_console(words("open_sensor_page"), "sensors/${sensor:percentencode}", words)


def flag_words(words: Words) -> dict[str, str]:
    """Quality flags by number."""
    return {str(int(flag)): say(f"flags.{flag.name.lower()}", words.language) for flag in Flag}


def flag_cell(words: Words) -> Json:
    """A cell that says a flag; what is suspect is grey and what failed is not known."""
    return parts.filled(flag_words(words), Steps(above=((3, HELD), (4, UNKNOWN))), 110)


def _now(words: Words) -> Panel:
    act = to_console(words("open_sensor_page"), f"sensors/{field('sensor')}", words).json()
    gateway = to_console(words("open_gateway"), f"gateways/{field('gateway')}", words).json()
    named: dict[str, Json] = {key: {"displayName": words(key)} for key in ("limits", "quantity")}
    narrow: dict[str, Json] = {
        key: {"displayName": words(key), "custom.width": 100} for key in ("unit", "range_min", "range_max")
    }
    return Table(
        words("sensor_now"),
        words("sensor_now_help"),
        Grid(0, 0, 24, 4),
        Query(queries.now(words.language)),
        Field(no_value="–", steps=Steps(base=QUIET), custom={"align": "auto", "filterable": False}),
        [
            Override("level", {"displayName": words("level")} | parts.filled(words.levels(), parts.level_steps(), 120)),
            Override("sensor", {"displayName": words("sensor"), "links": [act]}),
            Override("value", {"displayName": words("value"), "decimals": 2, "custom.width": 100}),
            Override("age", parts.age_column(words("value_age"))),
            Override("flag", {"displayName": words("flag")} | flag_cell(words)),
            *(Override(key, properties) for key, properties in (named | narrow).items()),
            Override("site", {"displayName": words("site"), "links": [act]}),
            Override("district", {"displayName": words("district"), "custom.width": 100}),
            Override("gateway", {"displayName": words("gateway"), "links": [gateway], "custom.width": 110}),
            Override("every", {"displayName": words("every"), "unit": "s", "decimals": 0, "custom.width": 110}),
        ],
    )


def _flags(words: Words) -> Panel:
    spoken = flag_words(words) | {"10": "–", "11": words("came_late")}
    return StateTimeline(
        words("flags"),
        words("flags_help"),
        Grid(0, 14, 24, 4),
        Query(queries.FLAGS, "time_series"),
        Field(
            steps=Steps(above=((3, HELD), (4, UNKNOWN), (9, UNKNOWN), (10, QUIET), (11, HELD))),
            words=spoken,
            no_value=words("no_readings"),
            custom={"fillOpacity": 80, "lineWidth": 0, "spanNulls": False, "insertNulls": False},
        ),
        [Override(f"/^{key}$/", {"displayName": words(key)}, by="byRegexp") for key in ("flag", "late")],
        interval="10s",
    )


def _expected(words: Words) -> Panel:
    line = {"drawStyle": "line", "lineWidth": 2, "fillOpacity": 0, "showPoints": "auto", "spanNulls": False}
    steps = [
        Override(f"/^expected_{edge}$/", {"custom.lineInterpolation": "stepAfter"}, by="byRegexp")
        for edge in ("low", "high")
    ]
    return TimeSeries(
        words("expected"),
        words("expected_help"),
        Grid(0, 18, 12, 8),
        Query(queries.EXPECTED, "time_series"),
        Field(colour=LINE, custom=line, decimals=2),
        [*band(words, "expected_low", "expected_high"), *steps,
         Override("value", {"displayName": words("mean")}), *hide_in_trend("low", "high")],
        more=[
            Query(trends.values("sensor"), "time_series", "B"),
            Query(trends.unit("sensor", words.language), "table", "C"),
        ],
        transformations=[unit_from("C")],
        interval="10s",
    )  # fmt: skip


def hide_in_trend(*columns: str) -> list[Override]:
    """Series that this trend does not draw."""
    away = {"custom.hideFrom": {"legend": True, "tooltip": True, "viz": True}}
    return [Override(column, away) for column in columns]


def _alarms(words: Words) -> Panel:
    act = to_console(words("open_incident"), f"incidents/{field('incident')}", words).json()
    look = to_page(words("look_at_incident"), "incident", words.language, "incident").json()
    there = to_console(words("open_sensor_page"), f"sensors/{field('sensor')}", words).json()
    return Table(
        words("alarms_of_it"),
        words("alarms_of_it_help"),
        Grid(0, 26, 24, 7),
        Query(queries.alarms(words.language)),
        Field(no_value=words("no_alarm"), steps=Steps(base=QUIET), custom={"align": "auto", "filterable": False}),
        [
            *level_and_peak(words),
            Override("title", {"displayName": words("alarm"), "links": [there, act, look]}),
            Override("state", {"displayName": words("alarm_state"), "mappings": words_mapping(alarm_states(words))}),
            Override("raised_at", parts.moment_column(words("raised_at"))),
            Override("cleared_at", parts.moment_column(words("cleared_at"))),
            Override("late", {"displayName": words("told_late"), "mappings": yes_or_no(words), "custom.width": 70}),
            Override("incident", {"displayName": words("incident"), "links": [act, look], "custom.width": 100}),
            *hidden("rule", "sensor"),
        ],
    )


def level_and_peak(words: Words) -> list[Override]:
    """What an alarm is now, filled; and what it was at its worst, in words."""
    now = parts.filled(words.levels_or_exercise(), parts.level_steps(), 160)
    peak = {"displayName": words("peak"), "mappings": words_mapping(words.levels_or_exercise()), "custom.width": 140}
    return [Override("level", {"displayName": words("level")} | now), Override("peak", peak)]


def alarm_states(words: Words) -> dict[str, str]:
    """An alarm's states in words."""
    states = ("shelved", "suppressed", "out_of_service", "acknowledged", "unacknowledged", "latched")
    return {state: words(f"state_{state}") for state in (*states, "returned_unacknowledged", "normal")}


def yes_or_no(words: Words) -> list[Json]:
    """1 and 0 in words; nothing for no."""
    return words_mapping({"1": words("acknowledged_yes_plain"), "0": "–"})


def _neighbours(words: Words) -> Panel:
    look = to_page(words("look_at_sensor"), "sensor", words.language, "sensor").json()
    act = to_console(words("open_sensor_page"), f"sensors/{field('sensor')}", words).json()
    return Table(
        words("neighbours"),
        words("neighbours_help"),
        Grid(12, 18, 12, 8),
        Query(queries.neighbours(words.language)),
        Field(no_value=words("no_neighbours"), steps=Steps(base=QUIET), custom={"align": "auto", "filterable": False}),
        [
            Override("level", {"displayName": words("level")} | parts.filled(words.levels(), parts.level_steps(), 100)),
            Override("sensor", {"displayName": words("sensor"), "links": [look, act]}),
            Override("site", {"displayName": words("site"), "links": [look, act]}),
            Override("quantity", {"displayName": words("quantity")}),
            Override("value", {"displayName": words("value"), "decimals": 2}),
            Override("unit", {"displayName": words("unit"), "custom.width": 70}),
            Override("age", parts.age_column(words("value_age"))),
            Override("away", {"displayName": words("away"), "unit": "lengthm", "decimals": 0, "custom.width": 100}),
        ],
    )


def _findings(words: Words) -> Panel:
    act = to_console(words("open_sensor_page"), f"sensors/{field('sensor')}", words).json()
    verdicts = {verdict: words(f"verdict_{verdict}") for verdict in ("normal", "abnormal", "blind")}
    numbers = ("expected", "expected_low", "expected_high")
    return Table(
        words("findings"),
        words("findings_help"),
        Grid(0, 33, 24, 7),
        Query(queries.FINDINGS),
        Field(no_value=words("no_findings"), steps=Steps(base=QUIET), custom={"align": "auto", "filterable": False}),
        [
            Override("time", parts.moment_column(words("when")) | {"links": [act]}),
            Override("detector", {"displayName": words("detector"), "mappings": words_mapping(detectors(words))}),
            Override("channel", {"displayName": words("found_by"), "mappings": words_mapping(channels(words))}),
            Override("years", {"displayName": words("once_in_years"), "decimals": 1, "custom.width": 140}),
            Override("verdict", {"displayName": words("verdict"), "mappings": words_mapping(verdicts)}),
            Override("direction", {"displayName": words("direction"), "mappings": words_mapping(directions(words))}),
            *(Override(key, {"displayName": words(key), "decimals": 2, "custom.width": 130}) for key in numbers),
            Override("reason", {"displayName": words("reason"), "custom.width": 620}),
            *hidden("sensor", "score"),
        ],
    )


def detectors(words: Words) -> dict[str, str]:
    """The detectors, in words."""
    return {name: say(f"detectors.{name}", words.language) for name in names() if f"detectors.{name}" in catalogue()}


def directions(words: Words) -> dict[str, str]:
    """Which way a finding points, in words."""
    return {"up": say("evidence.upwards", words.language), "down": say("evidence.downwards", words.language)}


def channels(words: Words) -> dict[str, str]:
    """The statistics by which detectors find something, in words."""
    topic = "signs.channel_"
    return {key.removeprefix(topic): say(key, words.language) for key in catalogue() if key.startswith(topic)}


def _readings(words: Words) -> Panel:
    act = to_console(words("open_sensor_page"), f"sensors/{field('sensor')}", words).json()
    late = parts.filled({"1": words("came_late"), "0": "–"}, Steps(above=((1, UNKNOWN),)), 110)
    return Table(
        words("readings"),
        words("readings_help"),
        Grid(0, 40, 24, 8),
        Query(queries.READINGS),
        Field(no_value=words("no_readings"), steps=Steps(base=QUIET), custom={"align": "auto", "filterable": False}),
        [
            Override("time", parts.moment_column(words("when")) | {"links": [act]}),
            Override("value", {"displayName": words("value"), "decimals": 3}),
            Override("flag", {"displayName": words("flag")} | flag_cell(words)),
            Override("late", {"displayName": words("late")} | late),
            Override("arrived", parts.moment_column(words("arrived"))),
            Override("way", {"displayName": words("way"), "unit": "dtdurations", "decimals": 0}),
            *hidden("sensor"),
        ],
    )
