"""`retention` in city.yaml says how long things are kept, and what cannot be is a fault with its place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from city.folder import read_folder
from city.load import load_city, load_city_faults
from city.retention import DAY_S, YEAR_S, Retention

EXAMPLE = Path(__file__).parents[2] / "city" / "example"


def _files(retention: str) -> Mapping[str, str]:
    files = dict(read_folder(EXAMPLE))
    head = "".join(line for line in files["city.yaml"].splitlines(keepends=True) if not line.startswith("retention"))
    return {**files, "city.yaml": f"{head}retention: {retention}\n"}


def test_what_is_not_said_is_kept_for_ever() -> None:
    kept = load_city(read_folder(EXAMPLE)).retention
    assert kept == Retention()
    assert kept.of("strain") == math.inf
    assert set(kept.rollups_s.values()) == {math.inf}


def test_lengths_per_quantity_and_per_roll_up_are_read() -> None:
    words = "{readings: 2y, quantities: {strain: 90d, methane: forever}, around_red: 30d, compress_after: 3d}"
    kept = load_city(_files(words)).retention
    assert (kept.of("strain"), kept.of("methane"), kept.of("rainfall")) == (90 * DAY_S, math.inf, 2 * YEAR_S)
    assert (kept.around_red_s, kept.compress_after_s) == (30 * DAY_S, 3 * DAY_S)
    kept = load_city(_files("{readings: 1.5y, readings_5m: 2y, readings_1h: 2y, readings_1d: forever}")).retention
    assert kept.rollups_s == {"readings_5m": 2 * YEAR_S, "readings_1h": 2 * YEAR_S, "readings_1d": math.inf}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("{reading: 2y}", "unknown key 'reading', try 'readings'"),
        ("{readings: 2 weeks}", "not a length of time to keep, got '2 weeks', try 90d, 2y or forever"),
        ("{readings: 90}", "not a length of time to keep, got 90"),
        ("{readings: 1d}", "shorter than two days"),
        ("{quantities: {strian: 90d}}", "unknown quantity, got 'strian', try 'strain'"),
        ("{quantities: 90d}", "how long each is kept, got '90d'"),
        ("{readings: 90d, readings_5m: 30d}", "readings_5m must be kept at least as long as readings"),
        ("{readings: 90d, quantities: {strain: 1y}, readings_5m: 100d}", "readings_5m must be kept at least"),
        (
            "{readings: 9d, readings_5m: 1y, readings_1h: 90d}",
            "readings_1h must be kept at least as long as readings_5m",
        ),
        ("{readings_1d: 9y, readings_1h: forever}", "readings_1d must be kept at least as long as readings_1h"),
        ("[2y]", "expected"),
    ],
)
def test_what_cannot_be_is_a_fault_at_its_place(words: str, told: str) -> None:
    files = _files(words)
    _, faults = load_city_faults(files)
    line = len(files["city.yaml"].splitlines())
    assert any(told in str(fault) for fault in faults), list(map(str, faults))
    assert {(fault.file, fault.line) for fault in faults} == {("city.yaml", line)}
