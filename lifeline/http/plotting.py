"""The plot of a sensor, from the database: its readings, what was expected of it, its thresholds, its alarms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from markupsafe import Markup

from city.clock import Clock
from lifeline.http import plot
from lifeline.http.data import Data
from lifeline.http.look import quantity
from rules.notify.display import unit_name
from rules.notify.zone import Home

MOST_POINTS = 20_000
BINS = 900


def picture(
    data: Data, home: Home, clock: Clock, sensor: str, hours: float, language: str, until: datetime | None = None
) -> Markup | None:
    """The plot of a sensor's `hours` up to `until` (now); None when there is no such sensor."""
    found = data.row("sensor", sensor=sensor)
    if found is None:
        return None
    until = until or clock.now()
    since = until - timedelta(hours=hours)
    given: Mapping[str, Any] = {"sensor": sensor, "since": since, "until": until + timedelta(minutes=3)}
    points, interval_s = _points(data, given, found["interval_s"], hours * 3600)
    bounds = plot.bounds(data.rows("sensor_evidence", sensor=sensor), sensor)
    moments = [
        moment
        for row in data.rows("raises_at", sensor=sensor, since=since, until=until)
        for moment in _moments(row, since, until)
    ]
    label = f"{sensor} {quantity(found['quantity'], language)} [{unit_name(found['unit'], language)}]"
    frame = plot.Frame(since, until, interval_s, home.zone, label, language)
    bands = [plot.Band(row["time"], row["low"], row["high"]) for row in data.rows("band", **given)]
    return plot.draw(points, bounds, frame, moments, bands)


def _moments(row: Mapping[str, Any], since: datetime, until: datetime) -> list[plot.Moment]:
    found = []
    if since <= row["raised_at"] <= until:
        found.append(plot.Moment(row["raised_at"], row["level"], raised=True))
    if row["cleared_at"] is not None and since <= row["cleared_at"] <= until:
        found.append(plot.Moment(row["cleared_at"], row["level"], raised=False))
    return found


def _points(data: Data, given: Mapping[str, Any], every_s: float, span_s: float) -> tuple[list[plot.Point], float]:
    """Points, oldest first, and how far apart neighbours may lie (s): thinning must not look like gaps."""
    if span_s / every_s > MOST_POINTS:
        width = timedelta(seconds=span_s / BINS)
        rows = data.rows("readings_binned", **given, width=width)
        points = [plot.Point(row["time"], row["value"], row["flag"], row["late"]) for row in rows]
        return points, max(every_s, width.total_seconds())
    rows = data.rows("readings", **given, limit=MOST_POINTS)
    points = [plot.Point(row["time"], row["value"], row["flag"], row["late"]) for row in reversed(rows)]
    thinned = plot.thin(points)
    spacing = math.ceil(len(points) / max(1, len(thinned)))
    return thinned, every_s * (2 * spacing if spacing > 1 else 1)
