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
from city.yamlfile import MAX_BYTES, MAX_FAULTS, MAX_VALUES, parse, read

RULES = """\
version: 1
rules:
  - id: depth
    ladder:
      red: {above: 40 cm, for: 1m}
"""


def test_scalars_follow_the_core_schema_and_nothing_else() -> None:
    text = "[1, -2, 2.5, .5, 1.5e-3, 0, true, null, ~, 2026-07-01, 2026-07-01T08:00:00+08:00, '1', \"true\", 0+5x10]"
    data, _ = parse(text, "f.yaml")
    assert data == [
        1, -2, 2.5, 0.5, 0.0015, 0, True, None, None, "2026-07-01", "2026-07-01T08:00:00+08:00", "1", "true", "0+5x10",
    ]  # fmt: skip


SURPRISES = {
    "NO": 'without quotes this is false to some YAML readers, got NO, try "NO" for text, or false',
    "on": 'without quotes this is true to some YAML readers, got on, try "on" for text, or true',
    "Yes": 'without quotes this is true to some YAML readers, got Yes, try "Yes" for text, or true',
    "n": 'without quotes this is false to some YAML readers, got n, try "n" for text, or false',
    "22:30": 'without quotes this is the number 1350 to some YAML readers, got 22:30, try "22:30"',
    "08:00": 'without quotes this is the number 480 to some YAML readers, got 08:00, try "08:00"',
    "-1:30:00": 'without quotes this is the number -5400 to some YAML readers, got -1:30:00, try "-1:30:00"',
    "012": 'a leading zero means base 8 to some YAML readers, got 012, try 12, or "012" for text',
    "08": 'a leading zero means base 8 to some YAML readers, got 08, try 8, or "08" for text',
    "0x10": 'a number in another base is not the same to every YAML reader, got 0x10, try 16, or "0x10" for text',
    "0b101": 'a number in another base is not the same to every YAML reader, got 0b101, try 5, or "0b101" for text',
    "1_000": "with _ this is a number to some YAML readers and text to others, got 1_000, try 1000, "
    'or "1_000" for text',
    "1e3": 'this is text to some YAML readers and a number to others, got 1e3, try 1000, or "1e3" for text',
    "1.5e3": 'this is text to some YAML readers and a number to others, got 1.5e3, try 1500, or "1.5e3" for text',
    "1e99": 'this is text to some YAML readers and a number to others, got 1e99, try "1e99" for text, '
    "or all its digits",
}


@pytest.mark.parametrize("scalar", SURPRISES)
def test_what_other_readers_take_differently_is_a_fault_that_says_what_to_write(scalar: str) -> None:
    for text in (f"key: {scalar}\n", f"- {scalar}\n", f"[{scalar}]"):
        found = read(text, "f.yaml")
        assert [str(fault).split(": ", 1)[1] for fault in found.faults] == [SURPRISES[scalar]]
    quoted = f'key: "{scalar}"\nblock: |-\n  {scalar}\n'
    assert parse(quoted, "f.yaml")[0] == {"key": scalar, "block": scalar}
    assert parse(f"{scalar}: 1\n", "f.yaml")[0] == {scalar: 1}  # a key is text to Lifeline, `on:` too


def test_the_advice_for_a_surprise_is_no_surprise_itself() -> None:
    for scalar, message in SURPRISES.items():
        for advice in message.rsplit("try ", 1)[1].split(", or "):
            if "digits" not in advice:
                parse(f"key: {advice.removesuffix(' for text')}\n", "f.yaml")
        assert f"got {scalar}, " in message


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
        "f.yaml:3:4: anchors are refused, got '&x', try removing it",
        "f.yaml:4:4: aliases are refused, got '*x', try writing it out",
        "f.yaml:5:4: not a finite number, got .nan, try a number, or quotes around text",
        "f.yaml:6:1: aliases are refused, got '*x', try writing it out",
        "f.yaml:7:3: a key must be text, got a list, try quotes around it",
        "f.yaml:9:1: merge keys are refused, try writing it out",
    ]


def told(text: str) -> list[str]:
    return [str(fault).removeprefix("f.yaml:") for fault in read(text, "f.yaml").faults]


def test_every_tab_is_told_and_what_else_is_wrong_too() -> None:
    text = "a:\n\t- 22:30\n\t- x\nb: 1\n \tc: 2\nb: NO\n\t\n"
    assert [fault.split(",")[0] for fault in told(text)] == [
        "2:1: a tab where spaces belong",
        "2:5: without quotes this is the number 1350 to some YAML readers",
        "3:1: a tab where spaces belong",
        "5:2: a tab where spaces belong",
    ]


def test_a_syntax_error_hides_nothing_that_stands_outside_its_own_part() -> None:
    text = """\
version: 1
rules:
  - id: a
    title: NO
    ladder: {red: {above: 40 cm}
  - id: b
    at: 22:30
  - id: "c
  - id: d
    at: 012
    at: 1
more: 1_000
"""
    found = told(text)
    assert [fault.split(",")[0] for fault in found] == [
        "4:12: without quotes this is false to some YAML readers",
        "6:3: not YAML: expected '",
        "7:9: without quotes this is the number 1350 to some YAML readers",
        "10:9: a leading zero means base 8 to some YAML readers",
        "11:5: duplicate key 'at'",
        "12:7: with _ this is a number to some YAML readers and text to others",
        "13:1: not YAML: found unexpected end of stream (in what begins at 8:9)",
    ]


def test_data_beside_faults_is_read_on() -> None:
    found = read("a: 1\na: 2\nb: NO\nc: {d: 5 cm}\n", "f.yaml")
    assert found.whole
    assert found.data == {"a": 1, "b": "NO", "c": {"d": "5 cm"}}
    again = [found.positions.fault(("b",), "not a bool"), found.positions.fault(("c", "d"), "too short")]
    assert [str(fault) for fault in found.positions.fresh(again)] == ["f.yaml:4:8: too short"]
    assert not read("a: [1\n", "f.yaml").whole


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "1:65: nested deeper than 64 levels, try a flatter file"),
        ("{a: " * 5_000, "1:257: nested deeper than 64 levels, try a flatter file"),
        ("- " * 5_000, "1:129: nested deeper than 64 levels, try a flatter file"),
        ("x" * (MAX_BYTES + 1), "1:1: file is over 1 MiB, got 1048577 bytes, try splitting it"),
        ("- 1\n" * (MAX_VALUES + 5), f"{MAX_VALUES}:3: more than {MAX_VALUES} keys and values in one file"),
        ("a: 1\n" * MAX_VALUES, f"{MAX_FAULTS + 2}:1: more than {MAX_FAULTS} faults from here on"),
        ("a: &a [x]\nb: [" + "*a," * 100_000 + "]", "more than 100 faults from here on"),
        ("\t- x\n" * 100_000, "a tab where spaces belong"),
        ("%YAML 1.1\n---\na: 1\n", "2:1: a directive is refused, try removing the line above that begins with %"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document in one file, try one file for each"),
        ("{above:15 cm}", ""),
    ],
)
def test_what_would_exhaust_the_reader_is_refused(text: str, message: str) -> None:
    found = told(text)
    assert len(found) <= MAX_FAULTS + 1
    assert not message or any(fault.startswith(message) or message in fault for fault in found), found[:3]


def test_a_missing_space_after_a_colon_is_recognised() -> None:
    found = read("{above:15 cm}", "f.yaml")
    faults = check_keys(found.data, (), found.positions, optional=("above",))
    assert [str(fault) for fault in faults] == ["f.yaml:1:2: unknown key 'above:15 cm', try a space after the colon"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_no_text_makes_a_reader_fail_in_another_way(text: str) -> None:
    for reader in (parse, jsonfile.parse):
        with contextlib.suppress(FaultyInput):
            reader(text, "f")


_MARKS = [
    "\t", "*a", "&a ", "!x ", "- ", "? ", ": ", "[", "]", "{", "}", "'", '"', "|", "> ", "%YAML 1.1\n", "---\n",
    "...\n", "<<: ", "\\", "\x07", "\x85", "\u2028", "\ufeff", "012", "NO", "22:30", "#", "\n", "\n\n  ", "@",
]  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, len(RULES)), st.sampled_from(_MARKS)), max_size=8))
def test_no_damage_to_a_rule_book_makes_the_reader_fail_in_another_way(damage: list[tuple[int, str]]) -> None:
    text = RULES
    for place, mark in damage:
        text = text[:place] + mark + text[place:]
    found = read(text, "f.yaml")
    lines = text.split("\n")
    assert found.faults or found.whole
    for fault in found.faults:
        assert 1 <= fault.line <= len(lines)
        assert fault.column >= 1


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
