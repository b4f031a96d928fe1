"""The trend of one sensor as every page shows it: value, limits of the rules, usual range, gaps, late data."""

from __future__ import annotations

from city.levels import Level
from dashboards.builder import Field, Grid, Link, Override, Query, Repeat, TimeSeries, fixed
from dashboards.palette import BAND, FAINT, LEVEL_COLOURS, LINE, UNKNOWN
from dashboards.queries import trend as queries
from dashboards.words import Words

_LINE = {
    "drawStyle": "line",
    "lineWidth": 2,
    "fillOpacity": 0,
    "showPoints": "never",
    "spanNulls": False,
}
_THIN = {"custom.lineWidth": 0, "custom.showPoints": "never"}


def trend(
    words: Words, title: str, grid: Grid, variable: str, links: tuple[Link, ...] = (), repeat: Repeat | None = None
) -> TimeSeries:
    """A sensor's trend; `variable` holds the sensor, `title` may name it."""
    return TimeSeries(
        title,
        words("trend_help"),
        grid,
        Query(queries.values(variable), "time_series"),
        Field(colour=LINE, custom=_LINE, decimals=2),
        [*_span(words), _late(words), *limit_lines(words), *_usual(words)],
        links,
        more=[
            Query(queries.limits(variable), "time_series", "B"),
            Query(queries.usual(variable), "time_series", "C"),
            Query(queries.late(variable), "time_series", "D"),
            Query(queries.unit(variable, words.language), "table", "E"),
        ],
        transformations=[unit_from("E")],
        repeat=repeat,
        interval="10s",
    )


def extremes(words: Words, title: str, grid: Grid, asked: Query, unit: Query, repeat: Repeat) -> TimeSeries:
    """Lowest, highest and mean of many sensors, drawn as a sensor's own; `unit` is asked beside."""
    return TimeSeries(
        title,
        words("extremes_help"),
        grid,
        asked,
        Field(colour=LINE, custom=_LINE, decimals=2),
        _span(words),
        more=[unit],
        transformations=[unit_from(unit.ref_id)],
        repeat=repeat,
        interval="1h",
    )


def unit_from(ref_id: str) -> tuple[str, dict[str, object]]:
    """Take the unit of every value from the answer to one query, which itself is not drawn."""
    mappings = [{"fieldName": "unit", "handlerKey": "unit"}]
    return "configFromData", {"configRefId": ref_id, "mappings": mappings, "applyTo": {"id": "numeric"}}


def _span(words: Words) -> list[Override]:
    """The mean as a line in the span from the least to the greatest value."""
    low, high = words("least"), words("greatest")
    return [
        Override("low", {"displayName": low, **_THIN}),
        Override("high", {"displayName": high, **_THIN, "custom.fillBelowTo": low, "custom.fillOpacity": 30}),
        Override("value", {"displayName": words("mean"), "custom.lineWidth": 2}),
    ]


def _late(words: Words) -> Override:
    return Override(
        "late",
        {
            "displayName": words("came_late"),
            "color": fixed(UNKNOWN),
            "custom.drawStyle": "points",
            "custom.pointSize": 9,
            "custom.showPoints": "always",
        },
    )


def limit_lines(words: Words) -> list[Override]:
    """One dashed line per level and side, in the level's colour and with its name."""
    lines = []
    for number, colour in LEVEL_COLOURS.items():
        for side in ("high", "low"):
            name = f"{words.level(Level(number))} {words(f'limit_{side}')}"
            style = {"fill": "dash", "dash": [12, 4 * (5 - number)]}  # the shorter the gaps, the higher the level
            lines.append(
                Override(
                    f"/^limit_{Level(number).word}_{side}$/",
                    {
                        "displayName": name,
                        "color": fixed(colour),
                        "custom.lineStyle": style,
                        "custom.lineWidth": 2,
                        "custom.spanNulls": True,
                        "custom.showPoints": "never",
                        "custom.fillOpacity": 0,
                    },
                    by="byRegexp",
                )
            )
    return lines


def _usual(words: Words) -> list[Override]:
    low = words("usual_low")
    thin = {"custom.spanNulls": True, "custom.lineWidth": 0, "custom.showPoints": "never", "color": fixed(BAND)}
    high = {"displayName": words("usual_high"), "custom.fillBelowTo": low, "custom.fillOpacity": 35}
    return [
        Override("/^usual_low$/", {"displayName": low} | thin, by="byRegexp"),
        Override("/^usual_high$/", thin | high, by="byRegexp"),
    ]


def band(words: Words, low: str, high: str) -> list[Override]:
    """Two columns as the edges of a band."""
    edge = {"custom.lineWidth": 1, "custom.showPoints": "never", "color": fixed(FAINT), "custom.spanNulls": True}
    return [
        Override(low, {"displayName": words(low)} | edge),
        Override(
            high, {"displayName": words(high), "custom.fillBelowTo": words(low), "custom.fillOpacity": 20} | edge
        ),
    ]  # fmt: skip
