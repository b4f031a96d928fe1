"""Data quality: whether what the platform is told is complete, timely and believable."""

from __future__ import annotations

from dataclasses import dataclass

from city.quantity import DOMAINS
from city.words import say
from dashboards.asked import asked
from dashboards.builder import (
    Annotation,
    Dashboard,
    Field,
    Grid,
    Json,
    Override,
    Panel,
    StateTimeline,
    Steps,
    Table,
    TimeSeries,
    hidden,
)
from dashboards.builder.fields import fixed
from dashboards.figures import Frame, limits, none_at_all, within
from dashboards.links import field
from dashboards.palette import FAINT, FAIR, LINE, POOR, QUIET, UNKNOWN, Theme

HALF, MOST = 50, 95  # percent of what was due: less than half is as good as unknown
SKEW_S = 60.0
BLOCKS = {"fillOpacity": 90, "lineWidth": 0, "spanNulls": False, "insertNulls": False}


@dataclass(frozen=True, slots=True)
class Heat(StateTimeline):
    """A field of numbers: neighbours stay apart even where they share a colour."""

    def options(self) -> Json:
        """Each piece with its own number."""
        return StateTimeline.options(self) | {"mergeValues": False}


def quality(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """The page of data quality in one language; arguments as of every page."""
    frame = Frame("quality", language)
    gaps = Annotation(frame.words("gaps"), UNKNOWN, asked("quality", "deaf", language))
    return frame.page_of(
        [*_sums(frame), *_completeness(frame), *_sensors(frame), *_trends(frame), _gateways(frame)],
        console_url,
        theme,
        at_console="rejections",
        since="now-24h",
        variables=[frame.variable("district", "districts")],
        annotations=[gaps],
    )


def _sums(frame: Frame) -> list[Panel]:
    unknown = Steps(base=QUIET, above=((1, UNKNOWN),))
    ledger = [frame.tile(column) for column in ("published", "stored", "repeated", "rejected")]
    return [
        frame.tiles(
            "whole",
            Grid(0, 0, 7, 4),
            [
                frame.tile(
                    "complete", unit="percentunit", decimals=1, steps=Steps(UNKNOWN, ((0.5, FAIR), (0.95, QUIET)))
                ),
                frame.tile("stale", "stale_n", steps=unknown),
                frame.tile("sensors"),
            ],
        ),
        frame.tiles(
            "late",
            Grid(7, 0, 7, 4),
            [
                frame.tile("late", "late_n", steps=none_at_all(FAIR)),
                frame.tile("skew", "skew_usual", unit="s", decimals=1),
                frame.tile("worst_skew", "skew_worst", unit="s", decimals=1, steps=limits(SKEW_S)),
            ],
        ),
        frame.tiles(
            "ledger",
            Grid(14, 0, 10, 4),
            [
                *ledger,
                frame.tile("lost", steps=none_at_all()),
                frame.tile("missing", steps=none_at_all(FAIR)),
                frame.tile("skewed", steps=none_at_all(FAIR)),
            ],
            [frame.link("open_rejections", "rejections")],
        ),
    ]


def _completeness(frame: Frame) -> list[Panel]:
    words = frame.words
    heat = Steps(base=UNKNOWN, above=((HALF, FAINT), (MOST, QUIET)))
    pieces = Field(unit="percent", decimals=0, steps=heat, no_value=words("no_sensor"), custom=BLOCKS)
    return [
        Heat(
            words("over_time"),
            words("over_time_help"),
            Grid(0, 4, 12, 9),
            frame.trend("completeness"),
            pieces,
            interval="1h",
        ),
        Heat(
            words("least"),
            words("least_help"),
            Grid(12, 4, 12, 9),
            frame.trend("least_complete"),
            pieces,
            interval="1h",
        ),
    ]


def _sensors(frame: Frame) -> list[Panel]:
    words = frame.words
    sensor = frame.column("sensor", link=frame.link("open_sensor", f"sensors/{field('sensor')}"))
    blind = {"1": words("is_blind"), "0": words("not_blind")}
    return [
        Table(
            words("stale"),
            words("stale_help"),
            Grid(0, 13, 12, 9),
            frame.table("stale"),
            frame.rows("no_stale"),
            [
                sensor,
                frame.column("site"),
                frame.column("gateway", width=110, link=frame.link("open_gateway", f"gateways/{field('gateway')}")),
                frame.column("domain", width=110, words={d: say(f"domains.{d}", frame.language) for d in DOMAINS}),
                frame.column("age", unit="s", decimals=1, width=110, noValue=words("never")),
                frame.column("interval_s", "interval", unit="s", width=120),
                frame.column("blind", width=150, words=blind, steps=Steps(base=QUIET, above=((1, UNKNOWN),))),
            ],
        ),
        Table(
            words("suspicious"),
            words("suspicious_help"),
            Grid(12, 13, 12, 9),
            frame.table("suspicious"),
            frame.rows("no_suspicious"),
            [
                sensor,
                frame.column("site"),
                frame.column(
                    "flat", width=80, words={"1": words("is_flat"), "0": words("not_flat")}, steps=none_at_all(FAIR)
                ),
                frame.column("outside", unit="percentunit", decimals=1, width=120),
                *(frame.column(value, width=90) for value in ("low", "high", "range_min", "range_max")),
                frame.column("unit", width=70),
                *hidden("quantity"),
            ],
        ),
    ]


def _trends(frame: Frame) -> list[Panel]:
    words = frame.words
    often = Steps(base=QUIET, above=((1, FAINT), (100, LINE)))
    return [
        Heat(
            words("rejections"),
            words("rejections_help"),
            Grid(0, 22, 12, 8),
            frame.trend("rejections"),
            Field(unit="short", decimals=0, steps=often, no_value=words("no_rejection"), custom=BLOCKS),
            links=[frame.link("open_rejections", "rejections")],
            interval="1m",
        ),
        TimeSeries(
            words("flags"),
            words("flags_help"),
            Grid(12, 22, 12, 8),
            frame.trend("flags"),
            Field(unit="percentunit", decimals=1, custom={"lineWidth": 2, "axisSoftMin": 0}),
            [
                Override("suspect", {"displayName": words("suspect"), "color": fixed(LINE)}),
                Override("failed", {"displayName": words("failed"), "color": fixed(POOR)}),
            ],
            interval="1h",
            legend=True,
        ),
    ]


def _gateways(frame: Frame) -> Table:
    words = frame.words
    silent = {"1": words("is_silent"), "0": words("not_silent")}
    return Table(
        words("gateways"),
        words("gateways_help"),
        Grid(0, 30, 24, 10),
        frame.table("gateways"),
        Field(no_value="–", custom={"align": "auto", "filterable": False}),
        [
            frame.column("gateway", link=frame.link("open_gateway", f"gateways/{field('gateway')}")),
            frame.column("district"),
            frame.column("skew", unit="s", decimals=1, width=120, steps=within(SKEW_S)),
            frame.column("age", "last_seen", unit="s", decimals=1, width=120, noValue=words("never_seen")),
            frame.column("silent", width=100, words=silent, steps=Steps(base=QUIET, above=((1, UNKNOWN),))),
            *(frame.column(count, width=110) for count in ("published", "stored", "repeated", "rejected")),
            frame.column("lost", width=100, steps=within(0)),
            frame.column("missing", width=140, steps=none_at_all(FAIR)),
        ],
    )
