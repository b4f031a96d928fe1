"""One incident: how it stands, what its clocks say, what its sensors show, what happened, who was told."""

from __future__ import annotations

from dashboards import parts
from dashboards.builder import (
    SOURCE_UID,
    Annotation,
    Dashboard,
    Field,
    Geomap,
    Grid,
    Markers,
    Override,
    Panel,
    Query,
    Repeat,
    Steps,
    Table,
    Variable,
    constant,
    hidden,
    source_variable,
    typed,
    words_mapping,
)
from dashboards.links import field, to_console, to_page, top, uid
from dashboards.palette import HELD, LINE, QUIET, UNKNOWN, Theme
from dashboards.queries import incident as queries
from dashboards.sensor import alarm_states, level_and_peak, yes_or_no
from dashboards.trend import trend
from dashboards.wall import OUTLINES
from dashboards.words import Words

CLOCKS = ("acknowledge", "confirm", "dispatch", "on_site", "report", "close")
_PLAIN = {"align": "auto", "filterable": False}


def incident(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """The page of the incident in variable `incident`; parameters as the wall's."""
    words, console = Words(language), console_url.rstrip("/")
    shown = queries.members(language, words("first_out_mark"))
    return Dashboard(
        uid=uid("incident", language),
        title=words("incident_title"),
        description=words("incident_description"),
        language=language,
        tags=("lifeline", "level-3", language),
        variables=[
            source_variable(SOURCE_UID, "Lifeline"),
            constant("console", console),
            typed("incident", words("incident")),
            Variable("member", words("members"), shown).json(),
        ],
        panels=[
            _header(words),
            _clocks(words),
            _map(words, console, tiles),
            _events(words),
            _alarms(words),
            _notices(words),
            _listed(words),
            _trends(words),
        ],
        theme=theme,
        links=top(words, console, ("wall", words("wall_title"))),
        annotations=[Annotation(words("alarms_of_it"), LINE, queries.RAISED)],
    )


def _moment(column: str, title: str, **more: object) -> Override:
    return Override(column, parts.moment_column(title) | more)


def _header(words: Words) -> Panel:
    act = to_console(words("open_incident"), f"incidents/{field('incident')}", words).json()
    seen = {"0": words("acknowledged_no"), "1": words("acknowledged_yes")}
    unseen = Steps(base=LINE, above=((1, QUIET),))
    return Table(
        words("incident_now"),
        words("incident_now_help"),
        Grid(0, 0, 24, 4),
        Query(queries.header(words.language)),
        Field(no_value=words("choose_incident"), steps=Steps(base=QUIET), custom=_PLAIN),
        [
            *level_and_peak(words),
            Override("title", {"displayName": words("incident"), "links": [act]}),
            Override("stage", {"displayName": words("stage"), "mappings": words_mapping(words.stages())}),
            Override("acknowledged", {"displayName": words("acknowledged")} | parts.filled(seen, unseen, 110)),
            Override("site", {"displayName": words("site"), "links": [act]}),
            Override("district", {"displayName": words("district")}),
            _moment("opened_at", words("opened_at")),
            _moment("closed_at", words("closed_at")),
            Override("age", parts.age_column(words("age"))),
            Override("first_out", {"displayName": words("first_out")}),
            *hidden("incident"),
        ],
    )


def _clocks(words: Words) -> Panel:
    act = to_console(words("open_incident"), f"incidents/{field('incident')}", words).json()
    states = {state: words(f"clock_{state}") for state in ("running", "met", "missed", "cancelled")}
    colours = {"running": QUIET, "met": QUIET, "missed": LINE, "cancelled": QUIET}
    options = {state: {"text": states[state], "color": colours[state], "index": n} for n, state in enumerate(states)}
    cell = {"type": "color-background", "mode": "basic", "applyToRow": False}
    clocks = {clock: words(f"clock_{clock}") for clock in CLOCKS}
    return Table(
        words("clocks"),
        words("clocks_help"),
        Grid(0, 4, 8, 9),
        Query(queries.CLOCKS),
        Field(no_value="–", steps=Steps(base=QUIET), custom=_PLAIN),
        [
            Override(
                "clock",
                {"displayName": words("clock"), "mappings": words_mapping(clocks), "links": [act], "custom.width": 100},
            ),
            Override(
                "state",
                {"displayName": words("clock_state"), "mappings": [{"type": "value", "options": options}],
                 "custom.cellOptions": cell, "custom.width": 105},
            ),
            Override(
                "left",
                {"displayName": words("clock_left"), "unit": "dtdurations", "decimals": 0, "custom.width": 95},
            ),
            _moment("due_at", words("due_at")),
            _moment("settled_at", words("settled_at")),
            *hidden("incident"),
        ],
    )  # fmt: skip


def _map(words: Words, console: str, tiles: str) -> Panel:
    act = to_console(words("open_sensor_page"), f"sensors/{field('sensor')}", words)
    look = to_page(words("look_at_sensor"), "sensor", words.language, "sensor", keep=False)
    return Geomap(
        words("members_map"),
        words("members_map_help"),
        Grid(8, 4, 7, 9),
        Query(queries.places(words.language)),
        Field(steps=parts.level_steps(), custom={"hideFrom": {"legend": False, "tooltip": False, "viz": False}}),
        [
            Override("level", {"displayName": words("level"), "mappings": words_mapping(words.levels())}),
            Override("sensor", {"displayName": words("sensor"), "links": [act.json(), look.json()]}),
            Override("mark", {"displayName": words("first_out")}),
            Override("since", parts.moment_column(words("raised_at"))),
        ],
        tiles=tiles,
        outlines=f"{console}/{OUTLINES}",
        layers=[Markers(words("members_map"), word="mark", smallest=8, largest=16)],
    )


def _events(words: Words) -> Panel:
    act = to_console(words("open_incident"), f"incidents/{field('incident')}", words).json()
    told = {
        f"{kind}{key}": text
        for kind in ("move_", "event_", "notice_kind_", "step_")
        for key, text in words.many(f"page.{kind}", f"console.{kind}").items()
    } | {f"clock_{state}": words(f"clock_{state}") for state in ("met", "missed")}
    clocks = {clock: words(f"clock_{clock}") for clock in CLOCKS}
    return Table(
        words("events"),
        words("events_help"),
        Grid(15, 4, 9, 18),
        Query(queries.EVENTS_SQL),
        Field(no_value=words("choose_incident"), steps=Steps(base=QUIET), custom=_PLAIN),
        [
            _moment("time", words("when"), links=[act]),
            Override("what", {"displayName": words("what"), "mappings": words_mapping(told), "custom.width": 150}),
            Override("who", {"displayName": words("who"), "mappings": words_mapping(clocks), "custom.width": 110}),
            Override("note", {"displayName": words("note")}),
            *hidden("incident"),
        ],
    )


def _alarms(words: Words) -> Panel:
    act = to_console(words("open_incident"), f"incidents/{field('incident')}", words).json()
    look = to_page(words("look_at_sensor"), "sensor", words.language, "sensor", keep=False).json()
    first = {"displayName": words("first_out"), "mappings": words_mapping({"1": words("first_out_mark"), "0": "–"})}
    return Table(
        words("alarms_in_it"),
        words("alarms_in_it_help"),
        Grid(0, 13, 15, 9),
        Query(queries.alarms(words.language)),
        Field(no_value=words("choose_incident"), steps=Steps(base=QUIET), custom=_PLAIN),
        [
            Override("first_out", first | {"custom.width": 110}),
            *level_and_peak(words),
            Override("title", {"displayName": words("alarm"), "links": [look, act]}),
            Override("scope", {"displayName": words("sensor"), "links": [look, act]}),
            Override("state", {"displayName": words("alarm_state"), "mappings": words_mapping(alarm_states(words))}),
            _moment("raised_at", words("raised_at")),
            _moment("cleared_at", words("cleared_at")),
            Override("late", {"displayName": words("told_late"), "mappings": yes_or_no(words), "custom.width": 70}),
            *hidden("sensor", "incident"),
        ],
    )  # fmt: skip


def _notices(words: Words) -> Panel:
    act = to_console(words("open_incident"), f"incidents/{field('incident')}", words).json()
    states = ("queued", "sending", "sent", "delivered", "failed", "superseded")
    colours = {"queued": HELD, "sending": HELD, "failed": UNKNOWN}
    options = {
        state: {"text": words(f"notice_{state}"), "color": colours.get(state, QUIET), "index": n}
        for n, state in enumerate(states)
    }
    kinds = words.many("page.notice_kind_", "console.notice_kind_")
    return Table(
        words("notices"),
        words("notices_help"),
        Grid(0, 22, 15, 8),
        Query(queries.NOTICES),
        Field(no_value=words("no_notices"), steps=Steps(base=QUIET), custom=_PLAIN),
        [
            _moment("created_at", words("when"), links=[act]),
            Override("kind", {"displayName": words("what"), "mappings": words_mapping(kinds), "custom.width": 110}),
            Override("target", {"displayName": words("to_whom"), "custom.width": 110}),
            Override("channel", {"displayName": words("channel"), "custom.width": 90}),
            Override(
                "state",
                {
                    "displayName": words("notice_state"),
                    "mappings": [{"type": "value", "options": options}],
                    "custom.cellOptions": {"type": "color-background", "mode": "basic", "applyToRow": False},
                    "custom.width": 110,
                },
            ),
            Override("attempts", {"displayName": words("attempts"), "custom.width": 80}),
            _moment("sent_at", words("sent_at")),
            _moment("delivered_at", words("delivered_at")),
            Override("answer", {"displayName": words("answer")}),
            *hidden("incident"),
        ],
    )


def _listed(words: Words) -> Panel:
    look = to_page(words("look_at_incident"), "incident", words.language, "incident", keep=False).json()
    act = to_console(words("open_incident"), f"incidents/{field('incident')}", words).json()
    level = parts.filled(words.levels_or_exercise(), parts.level_steps(), 160)
    return Table(
        words("incidents_listed"),
        words("incidents_listed_help"),
        Grid(15, 22, 9, 8),
        Query(queries.listed(words.language)),
        Field(no_value=words("no_incident"), steps=Steps(base=QUIET), custom=_PLAIN),
        [
            Override("level", {"displayName": words("level")} | level),
            Override("title", {"displayName": words("incident"), "links": [look, act]}),
            Override("site", {"displayName": words("site")}),
            Override("stage", {"displayName": words("stage"), "mappings": words_mapping(words.stages())}),
            _moment("opened_at", words("opened_at")),
            *hidden("incident", "district", "age"),
        ],
    )


def _trends(words: Words) -> Panel:
    look = to_page(
        words("look_at_sensor"), "sensor", words.language, keep=False, also="var-sensor=${member:percentencode}"
    )
    act = to_console(words("open_sensor_page"), "sensors/${member:percentencode}", words)
    return trend(words, "${member:text}", Grid(0, 30, 12, 8), "member", (look, act), Repeat("member", 2))
