"""Alarm statistics: what alarms ask of the people at the desks, after ISA-18.2 and EEMUA 191.

The figures are those of `rules.statistics`, counted in the database; a test holds both to each other.
"""

from __future__ import annotations

from dashboards.builder import Dashboard, Field, Grid, Override, Panel, Steps, Table, TimeSeries, hidden, level_steps
from dashboards.builder.fields import fixed
from dashboards.figures import Frame, limits, none_at_all
from dashboards.links import field
from dashboards.palette import FAIR, LINE, POOR, QUIET, Theme

RESPONSE_S = 420.0  # the mean response that is the mark
STEPS_OF_PEOPLE = ("acknowledge", "confirm", "dispatch", "on_site", "close")
STATES = {
    "unacknowledged": "unacknowledged",
    "acknowledged": "acknowledged_state",
    "shelved": "shelved_state",
    "out_of_service": "out_of_service_state",
    "suppressed": "suppressed_state",
    "maintenance": "maintenance_state",
    "latched": "latched_state",
    "returned_unacknowledged": "returned_unacknowledged",
    "normal": "normal_state",
}


def statistics(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """The page of alarm statistics in one language; arguments as of every page."""
    frame = Frame("statistics", language)
    panels = [*_load(frame), *_causes(frame), *_people(frame)]
    chosen = [frame.variable("desk", "desks"), frame.variable("district", "districts")]
    return frame.page_of(panels, console_url, theme, at_console="statistics", since="now-30d", variables=chosen)


def _load(frame: Frame) -> list[Panel]:
    console = [frame.link("open_statistics", "statistics")]
    rate = [
        frame.tile("raises"),
        frame.tile("per_hour", decimals=1, steps=limits(6, 12)),
        frame.tile("per_bin", decimals=2, steps=limits(1, 2)),
        frame.tile("peak", steps=limits(10)),
        frame.tile("bins_over", unit="percentunit", decimals=1, steps=limits(0.01, 0.05, below=True)),
    ]
    floods = [
        frame.tile("flood_share", unit="percentunit", decimals=1, steps=limits(0.01, below=True)),
        frame.tile("floods", "flood_n"),
        frame.tile("longest", unit="s", decimals=1),
        frame.tile("flood_peak"),
    ]
    frequent = [
        frame.tile("top_share", unit="percentunit", decimals=1, steps=limits(0.05, 0.15, below=True)),
        frame.tile("chattering", steps=none_at_all()),
        frame.tile("fleeting", steps=none_at_all()),
    ]
    stale = [
        frame.tile("stale", "stale_n"),
        frame.tile("stale_peak", steps=limits(5, below=True)),
        frame.tile("standing", "standing_n"),
        frame.tile("standing_stale", steps=none_at_all(FAIR)),
    ]
    return [
        frame.tiles("rate", Grid(0, 0, 13, 4), rate, console),
        frame.tiles("floods", Grid(13, 0, 11, 4), floods, [frame.link("open_statistics", "floods")]),
        frame.tiles("frequent", Grid(0, 4, 10, 4), frequent, console),
        frame.tiles("stale", Grid(10, 4, 14, 4), stale, console),
    ]


def _causes(frame: Frame) -> list[Panel]:
    words = frame.words
    bars = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "barAlignment": 1, "axisSoftMin": 0}
    bars |= {"axisSoftMax": 12, "thresholdsStyle": {"mode": "line"}}
    chatters = {"1": words("yes"), "0": words("no")}
    ratings = {"-1": words("unknown"), "0": words("good"), "2": words("poor")}
    return [
        TimeSeries(
            words("over_time"),
            words("over_time_help"),
            Grid(0, 8, 12, 9),
            frame.trend("rate_over_time"),
            Field(unit="short", steps=Steps(base=QUIET, above=((1, FAIR), (10, POOR))), custom=bars),
            [Override("rate", {"displayName": words("alarms"), "color": fixed(LINE)})],
            interval="10m",
        ),
        Table(
            words("top"),
            words("top_help"),
            Grid(12, 8, 12, 9),
            frame.table("top"),
            frame.rows("no_alarm"),
            [
                frame.column("title", "alarm"),
                frame.column("sensor", width=170, link=frame.link("open_sensor", f"sensors/{field('sensor')}")),
                frame.column("n", "number", width=90),
                frame.column("share", unit="percentunit", decimals=1, width=90),
                frame.column("chatters", width=110, words=chatters, steps=none_at_all(FAIR)),
                *hidden("key"),
            ],
        ),
        Table(
            words("mix"),
            words("mix_help"),
            Grid(0, 17, 10, 6),
            frame.table("mix"),
            frame.rows("no_alarm"),
            [
                frame.column("level", words=words.levels(), steps=level_steps()),
                frame.column("n", "number", width=90),
                frame.column("share", unit="percentunit", decimals=1, width=100),
                frame.column("target", unit="percentunit", decimals=0, width=100),
                frame.column("rating", width=110, words=ratings, steps=none_at_all()),
            ],
        ),
        frame.tiles("suppression", Grid(10, 17, 14, 6), _held(frame), [frame.link("open_shelves", "shelves")]),
    ]


def _held(frame: Frame) -> list[Override]:
    return [
        frame.tile("shelved"),
        frame.tile("out_of_service"),
        frame.tile("inhibited"),
        frame.tile("mean_shelf", unit="s", decimals=1),
        frame.tile("over_limit", steps=none_at_all()),
        frame.tile("unauthorised", steps=none_at_all()),
    ]


def _people(frame: Frame) -> list[Panel]:
    words = frame.words
    people = [
        frame.tile("incidents"),
        frame.tile("mean_response", unit="s", decimals=1, steps=limits(RESPONSE_S)),
        *(frame.tile(share, unit="percentunit", decimals=1) for share in ("idle", "escalated", "false_share")),
        frame.tile("lead", unit="s", decimals=1),
        frame.tile("late_detected"),
        frame.tile("near_misses"),
    ]
    return [
        frame.tiles("people", Grid(0, 23, 24, 4), people, [frame.link("open_statistics", "statistics")]),
        Table(
            words("responses"),
            words("responses_help"),
            Grid(0, 27, 12, 10),
            frame.table("responses"),
            frame.rows("no_incident"),
            [
                frame.column("level", width=110, words=words.levels(), steps=level_steps()),
                frame.column("step", words={step: words(step) for step in STEPS_OF_PEOPLE}),
                frame.column("n", "number", width=80),
                *(frame.column(spread, unit="s", decimals=1, width=110) for spread in ("p50", "p90", "allowed")),
                frame.column("met", unit="percentunit", decimals=0, width=90),
            ],
        ),
        _standing(frame),
        Table(
            words("deliveries"),
            words("deliveries_help"),
            Grid(0, 37, 24, 7),
            frame.table("deliveries"),
            frame.rows("no_notice"),
            [
                frame.column("channel"),
                frame.column("n", "number", width=90),
                *(
                    frame.column(spread, unit="s", decimals=1, width=170)
                    for spread in ("event_p50", "event_p95", "ingest_p50", "ingest_p95")
                ),
                frame.column("failed", unit="percentunit", decimals=1, width=100),
                frame.column("fallback", unit="percentunit", decimals=1, width=100),
                frame.column("twice", width=90, steps=none_at_all()),
            ],
        ),
    ]


def _standing(frame: Frame) -> Table:
    words = frame.words
    return Table(
        words("standing"),
        words("standing_help"),
        Grid(12, 27, 12, 10),
        frame.table("standing"),
        frame.rows("no_alarm"),
        [
            frame.column("level", width=110, words=words.levels(), steps=level_steps()),
            frame.column("title", "alarm", link=frame.link("open_incident", f"incidents/{field('incident')}")),
            frame.column("site"),
            frame.column("age", unit="s", decimals=1, width=110),
            frame.column("state", width=120, words={state: words(key) for state, key in STATES.items()}),
            frame.column("sensor", width=150, link=frame.link("open_sensor", f"sensors/{field('sensor')}")),
            *hidden("incident"),
        ],
    )
