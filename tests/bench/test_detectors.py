"""The benchmark of the fleet engine runs, and its report says what it measured."""

from __future__ import annotations

import json

import pytest

from bench import detectors
from city.errors import InputError


def test_it_measures_small_fleets_and_writes_them_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detectors, "WARM_UP", 2)
    monkeypatch.setattr(detectors, "ROUNDS", 1)
    told: list[str] = []
    report = detectors.run(quick=True, progress=told.append)
    written = json.loads(report.json())
    assert [size["sensors"] for size in written["sizes"]] == [100, 1000]
    assert all(size["per_s"] > 0 and size["with_neighbours_per_s"] > 0 for size in written["sizes"])
    assert written["bytes_a_sensor"] <= 1024
    assert written["single_p99_us"] >= written["single_p50_us"] > 0
    assert {one["name"] for one in written["rivers"]} == set(detectors.RIVERS)
    assert "1,000" in report.markdown()
    assert "1,000 sensors" in told


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed"):
        detectors.run(seed=-1)
