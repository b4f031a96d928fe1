"""The rules benchmark: its city is faultless and reproducible, its measurements add up, its report can be read."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

from bench.city import RulesCity
from bench.machine import local
from bench.rules import ABNORMAL, START_US, RulesReport, measure, run
from city.errors import InputError
from rules.check import load_files


def test_the_city_has_as_many_rules_as_asked_and_two_on_most_sensors() -> None:
    city = RulesCity(rules=20, gateways=8, sensors_each=5)
    book = load_files(city.files()).book
    assert len({instance.rule.id for instance in book.instances.values()}) == 20
    assert all(1 <= len(book.of_sensor[name]) <= 2 for name in city.names)


def test_one_seed_gives_one_day_and_a_storm_has_its_share_of_abnormal_readings() -> None:
    city = RulesCity(rules=8, gateways=40)
    batches = [batch for batch, _ in city.minute(3, START_US, 0.05)]
    again = [batch for batch, _ in RulesCity(rules=8, gateways=40).minute(3, START_US, 0.05)]
    assert all(np.array_equal(a.value, b.value) for a, b in zip(batches, again, strict=True))
    calm = np.concatenate([batch.value for batch, _ in city.minute(3, START_US)])
    ill = np.concatenate([batch.value for batch in batches]) != calm
    assert 0.02 < ill.mean() < 0.08


def test_a_measurement_counts_what_it_did() -> None:
    book = measure(RulesCity(rules=16, gateways=12))
    assert (book.rules, book.instances) == (16, 1200)
    assert book.transitions > 0
    assert book.kept >= 600 * 26
    assert min(book.calm_per_s, book.storm_per_s, book.loop_per_s, book.transition_us, book.snapshot_mb) > 0
    report = RulesReport(local(), 7, 600, ABNORMAL, (book,))
    assert json.loads(report.json())["books"][0]["transitions"] == book.transitions
    console = Console(record=True, width=150)
    console.print(report.render())
    for text in (console.export_text(), report.markdown()):
        assert f"{book.calm_per_s:,.0f}" in text
        assert "storm: 1% far above every level" in text


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(InputError, match="seed"):
        run(seed=-1)
