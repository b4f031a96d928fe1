"""Settlement detectors on recorded daily heights (`LIFELINE_DATA_DIR`); bounds are the measured ones, rounded."""

from __future__ import annotations

import csv
import gzip
from datetime import datetime
from pathlib import Path

import pytest

from city.levels import Flag
from city.reading import Sample
from detectors.protocol import Verdict
from detectors.registry import create
from tests.detectors.playing import onsets

YEAR_US = 365.25 * 86_400e6


def _stations(folder: Path) -> list[list[tuple[int, float]]]:
    found = []
    for path in sorted((folder / "gnss").glob("*.csv.gz")):
        with gzip.open(path, "rt") as lines:
            rows = [
                (datetime.fromisoformat(f"{row['time']}T00:00:00+00:00"), row["ver"]) for row in csv.DictReader(lines)
            ]
        found.append(sorted((int(moment.timestamp() * 1e6), float(text)) for moment, text in rows))
    assert found
    return found


def _samples(rows: list[tuple[int, float]]) -> list[Sample]:
    return [Sample("g", time_us, height, Flag.PASS, 0) for time_us, height in rows]


@pytest.mark.parametrize(("name", "most_a_year"), [("settlement_trend", 0.3), ("creep_to_failure", 0.05)])
def test_satellite_heights_with_centimetres_of_scatter_rarely_alarm(
    recorded_data: Path, name: str, most_a_year: float
) -> None:
    stations = _stations(recorded_data)
    years = sum((rows[-1][0] - rows[0][0]) / YEAR_US for rows in stations)
    count = sum(len(onsets(create(name).update(_samples(rows)))) for rows in stations)
    assert count <= most_a_year * years


def test_160_mm_a_year_more_is_found_behind_the_scatter_within_four_months(recorded_data: Path) -> None:
    for rows in _stations(recorded_data):
        begin_us = rows[0][0] + round(5 * YEAR_US)
        sunk = [(t, height - 160 * max(0, t - begin_us) / YEAR_US) for t, height in rows if t < begin_us + YEAR_US]
        found = [f for f in create("settlement_trend").update(_samples(sunk)) if f.time_us >= begin_us]
        first = next(finding for finding in found if finding.verdict is Verdict.ABNORMAL)
        assert (first.time_us - begin_us) / 86_400e6 <= 120
        assert first.direction == "up"
