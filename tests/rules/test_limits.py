"""The limits a rule sets on a sensor's own values, as its trend shows them."""

from __future__ import annotations

import pytest

from rules.check import load_files
from rules.limits import limits
from store import limits as table
from store.connection import connect
from tests.rules.small_city import city_files

RULE = "version: 1\nrules:\n  - id: r\n    watch: {{quantity: water_depth}}\n    ladder:\n{}\n"


def of(ladder: str) -> set[tuple[int, str, float]]:
    """Level, side and value of what a rule with this ladder draws at sensor wl-1."""
    book = load_files(city_files(rules__depth=RULE.format(ladder))).book
    return {(level, side, value) for sensor, _, level, side, value in limits(book) if sensor == "wl-1"}


@pytest.mark.parametrize(
    ("ladder", "expected"),
    [
        ("      red: {above: 0.4 m}\n      yellow: {above: 15 cm, for: 3m}", {(4, "high", 40.0), (2, "high", 15.0)}),
        ("      blue: {below: 2 cm}", {(1, "low", 2.0)}),
        ("      blue: {outside: [2 cm, 30 cm]}", {(1, "low", 2.0), (1, "high", 30.0)}),
        ("      orange: {max: 30m, above: 20 cm}", {(3, "high", 20.0)}),
        ("      orange: {any: [{above: 50 cm}, {mean: 30m, above: 20 cm}]}", {(3, "high", 20.0), (3, "high", 50.0)}),
        ("      orange: {all: [{above: 50 cm}, {detector: flood_onset}]}", {(3, "high", 50.0)}),
        ("      orange: {range: 30m, above: 20 cm}", set()),
        ("      orange: {all: [{detector: flood_onset}, {not: {above: 5 cm}}]}", set()),
        ("      orange: {near: {quantity: rainfall, within: 2 km}, sum: 30m, above: 15 mm}", set()),
    ],
)
def test_what_can_be_drawn_is_a_limit(ladder: str, expected: set[tuple[int, str, float]]) -> None:
    assert of(ladder) == expected


def test_the_table_says_what_the_book_says_and_forgets_the_rest(database: str) -> None:
    with connect(database, autocommit=True) as conn:
        table.sync(conn, [("a", "r", 4, "high", 1.5), ("a", "r", 2, "low", -1.0)])
        table.sync(conn, [("a", "r", 4, "high", 1.5), ("b", "r", 4, "high", 2.0)])
        rows = conn.execute("SELECT sensor, rule, level, side, value FROM lifeline.limits ORDER BY 1").fetchall()
    assert rows == [("a", "r", 4, "high", 1.5), ("b", "r", 4, "high", 2.0)]
