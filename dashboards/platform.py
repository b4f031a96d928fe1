"""The platform itself: whether it hears, decides, tells, and has room."""

from __future__ import annotations

from dashboards.builder import Dashboard, Field, Grid, Override, Panel, Steps, Table, TimeSeries
from dashboards.builder.fields import fixed
from dashboards.figures import Frame, least, limits, none_at_all
from dashboards.palette import FAIR, LINE, POOR, QUIET, Theme

BEAT_S = 30.0  # a role that is silent for longer is at fault


def platform(language: str, console_url: str, tiles: str = "", theme: Theme = "dark") -> Dashboard:
    """The page about the platform itself in one language; arguments as of every page."""
    frame = Frame("platform", language)
    panels = [*_tiles(frame), *_tables(frame), *_trends(frame)]
    return frame.page_of(panels, console_url, theme, at_console="health", since="now-24h")


def _tiles(frame: Frame) -> list[Panel]:
    console = [frame.link("open_health", "health")]
    lags = [
        frame.tile("rate", decimals=1),
        *(frame.tile(lag, unit="s", decimals=1, steps=limits(60, 300)) for lag in ("ingest", "journal", "deciding")),
        frame.tile("outbox", "outbox_age", unit="s", decimals=1, steps=limits(60, 300)),
        frame.tile("rollups", steps=limits(2000)),
    ]
    room = [
        frame.tile("size", unit="decbytes", decimals=1),
        frame.tile("growth", unit="decbytes", decimals=1),
        frame.tile("days_left", steps=least(30, 7)),
        frame.tile("job_errors", steps=none_at_all(FAIR)),
    ]
    return [
        frame.tiles(
            "faults",
            Grid(0, 0, 8, 4),
            [
                frame.tile("faults", "faults_n", steps=none_at_all()),
                frame.tile("warnings", "warnings_n", steps=none_at_all(FAIR)),
                frame.tile("checks", "checks_n"),
            ],
            console,
        ),
        frame.tiles("lags", Grid(8, 0, 16, 4), lags, console),
        frame.tiles(
            "watchdog",
            Grid(0, 4, 10, 4),
            [
                frame.tile("heartbeat", unit="s", decimals=1, steps=limits(300, 900), unknown="no_heartbeat"),
                frame.tile("silent", "heartbeat_silent", steps=none_at_all()),
                frame.tile("bundle", unit="s", decimals=1),
            ],
            console,
        ),
        frame.tiles("room", Grid(10, 4, 14, 4), room, console),
    ]


def _tables(frame: Frame) -> list[Panel]:
    words = frame.words
    states = {"0": words("ok"), "1": words("warning"), "2": words("fault")}
    return [
        Table(
            words("health"),
            words("health_help"),
            Grid(0, 8, 24, 10),
            frame.table("health"),
            frame.rows("no_check"),
            [
                frame.column("state", width=100, words=states, steps=Steps(QUIET, ((1, FAIR), (2, POOR)))),
                frame.column("name", "check", width=180, link=frame.link("open_health", "health")),
                frame.column("text", "said"),
                frame.column("advice"),
                frame.column("age", unit="s", decimals=0, width=110),
            ],
        ),
        Table(
            words("roles"),
            words("roles_help"),
            Grid(0, 18, 10, 7),
            frame.table("roles"),
            frame.rows("no_role"),
            [
                frame.column("role"),
                frame.column("beat", unit="s", decimals=1, width=140, steps=limits(BEAT_S)),
                frame.column("running", unit="s", decimals=1, width=140),
            ],
        ),
        Table(
            words("outbox"),
            words("outbox_help"),
            Grid(10, 18, 14, 7),
            frame.table("outbox"),
            frame.rows("no_notice"),
            [
                frame.column("channel"),
                frame.column("waiting", width=100),
                frame.column("oldest", unit="s", decimals=1, width=110, steps=limits(60, 300)),
                frame.column("sent", width=110),
                frame.column("delivered", width=100),
                frame.column("failed", "failed_n", width=100, steps=none_at_all(FAIR)),
                frame.column("lost", width=110, steps=none_at_all()),
            ],
        ),
    ]


def _trends(frame: Frame) -> list[Panel]:
    words = frame.words
    line = {"lineWidth": 2, "axisSoftMin": 0}
    bars = {"drawStyle": "bars", "fillOpacity": 80, "lineWidth": 0, "axisSoftMin": 0}
    return [
        TimeSeries(
            words("ingest_trend"),
            words("ingest_trend_help"),
            Grid(0, 25, 8, 8),
            frame.trend("ingest"),
            Field(unit="short", colour=LINE, custom=line),
            [Override("rate", {"displayName": words("readings")})],
            interval="5m",
        ),
        TimeSeries(
            words("sizes"),
            words("sizes_help"),
            Grid(8, 25, 8, 8),
            frame.trend("sizes"),
            Field(unit="decbytes", colour=LINE, custom=line),
            [Override("size", {"displayName": words("size")})],
            interval="1h",
        ),
        TimeSeries(
            words("delivery"),
            words("delivery_help"),
            Grid(16, 25, 8, 8),
            frame.trend("delivery"),
            Field(unit="short", decimals=0, custom=bars),
            [
                Override("made", {"displayName": words("made"), "color": fixed(LINE)}),
                Override("failed", {"displayName": words("failed"), "color": fixed(POOR)}),
            ],
            interval="1m",
            legend=True,
        ),
    ]
