"""The plot of a sensor: its band of expectation."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from lifeline.http import plot

START = datetime(2026, 7, 1, tzinfo=UTC)
FRAME = plot.Frame(START, START + timedelta(hours=12), 600.0, ZoneInfo("Asia/Shanghai"), "gp-1 [kPa]", "en")
POINTS = [plot.Point(START + timedelta(minutes=10 * n), 300.0 + n % 5, 1, late=False) for n in range(72)]


def surfaces(bands: list[plot.Band]) -> list[list[tuple[float, float]]]:
    drawn = re.findall(r'<polygon class="band" points="([^"]+)"', plot.draw(POINTS, [], FRAME, (), bands))
    return [[(float(x), float(y)) for x, y in (corner.split(",") for corner in one.split())] for one in drawn]


def test_the_band_lies_behind_the_readings_and_ends_where_nothing_was_expected() -> None:
    hours = [0.0, 0.5, 1.0, 1.5, 6.0, 6.5, 7.0]  # a pause of hours in between
    found = surfaces([plot.Band(START + timedelta(hours=hour), 301.0, 303.0) for hour in hours])
    assert [len(corners) for corners in found] == [8, 6]
    picture = plot.draw(POINTS, [], FRAME, (), [plot.Band(START, 301.0, 303.0)])
    assert picture.index('class="band"') < picture.index('class="line"')


def test_a_wide_band_does_not_flatten_the_readings() -> None:
    wide = [plot.Band(START + timedelta(hours=n / 2), -1e6, 1e6) for n in range(20)]
    ((*corners,),) = surfaces(wide)
    assert {y for _, y in corners} == {float(plot.TOP), float(plot.HEIGHT - plot.BOTTOM)}
    lines = [re.findall(r'class="line" points="([^"]+)"', plot.draw(POINTS, [], FRAME, (), b)) for b in ([], wide)]
    assert lines[0] == lines[1]
