"""Strict YAML with positions."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from city import jsonfile
from city.errors import FaultyInput
from city.positions import Path, check_keys
from city.yamlfile import MAX_BYTES, parse

RULES = """\
version: 1
rules:
  - id: depth
    ladder:
      red: {above: 40 cm, for: 1m}
"""


def test_scalars_follow_the_core_schema_and_nothing_else() -> None:
    text = "[1, -2, 2.5, 1e3, 012, 0x1f, 0o17, true, null, ~, NO, on, yes, 22:30, 2026-07-01, 1_000, '1', \"true\"]"
    data, _ = parse(text, "f.yaml")
    expected = [
        1,
        -2,
        2.5,
        1000.0,
        12,
        31,
        15,
        True,
        None,
        None,
        "NO",
        "on",
        "yes",
        "22:30",
        "2026-07-01",
        "1_000",
        "1",
        "true",
    ]
    assert data == expected


def test_keys_are_text() -> None:
    assert parse("on: 1\n1: 2\nnull: 3\n", "f.yaml")[0] == {"on": 1, "1": 2, "null": 3}


def test_every_value_and_key_has_its_place() -> None:
    _, positions = parse(RULES, "f.yaml")
    assert positions.at(("rules", 0, "ladder", "red", "above")) == (5, 20)
    assert positions.key_at(("rules", 0, "ladder", "red", "for")) == (5, 27)
    assert positions.at(("rules", 0)) == (3, 5)


def test_what_is_missing_stands_where_its_parent_does() -> None:
    data, positions = parse(RULES, "f.yaml")
    assert positions.at(("rules", 0, "watch", "quantity")) == (3, 5)
    rule = data["rules"][0]  # type: ignore[index]  # the text above
    faults = check_keys(rule, ("rules", 0), positions, required=("id", "watch"), optional=("ladders",))
    assert [str(fault) for fault in faults] == [
        "f.yaml:4:5: unknown key 'ladder', try 'ladders'",
        "f.yaml:3:5: missing key 'watch', try adding 'watch: …'",
    ]


def test_faults_are_collected() -> None:
    text = "a: 1\na: 2\nb: &x 1\nc: *x\nd: .nan\n*x : 4\n? [1, {z: 2}]\n: 3\n<<: 5\n"
    with pytest.raises(FaultyInput) as caught:
        parse(text, "f.yaml")
    assert [str(fault) for fault in caught.value.faults] == [
        "f.yaml:2:1: duplicate key 'a', got it again after 1:1, try removing one",
        "f.yaml:4:4: aliases are refused, got '*x', try writing it out",
        "f.yaml:5:4: not a finite number, got .nan, try a number, or quotes around text",
        "f.yaml:6:1: aliases are refused, got '*x', try writing it out",
        "f.yaml:7:3: a key must be text, got a list, try quotes around it",
        "f.yaml:9:1: merge keys are refused, try writing it out",
    ]


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 5_000, "x" * (MAX_BYTES + 1)])
def test_what_would_exhaust_the_reader_is_refused(text: str) -> None:
    with pytest.raises(FaultyInput, match=r"nested deeper|over 1 MiB"):
        parse(text, "f.yaml")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_no_text_makes_a_reader_fail_in_another_way(text: str) -> None:
    for reader in (parse, jsonfile.parse):
        with contextlib.suppress(FaultyInput):
            reader(text, "f")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text("ab\n, :{}[]\"'", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc,:", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(_JSON, st.sampled_from([None, 1]))
def test_json_positions_point_at_what_they_name(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    data, positions = jsonfile.parse(text, "f.json")
    assert data == value
    lines = text.split("\n")

    def check(part: object, path: Path) -> None:
        line, column = positions.at(path)
        first = json.dumps(part)[0]
        assert lines[line - 1][column - 1] == first
        items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        for key, inner in items:
            check(inner, (*path, key))

    check(value, ())
