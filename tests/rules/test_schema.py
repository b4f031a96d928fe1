"""The JSON Schemas: made from what readers go by, shipped, and understood by what editors use."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from city import schemas
from city.errors import FaultyInput
from city.example import example_files, write_example
from city.folder import read_folder
from city.yamlfile import parse
from lifeline.cli import run_command
from rules.check import check_files, load_files
from rules.language.grammar import FORMS, HEADS
from rules.schemas import SCHEMAS, schema, text
from rules.trials import casefile, eventfile, expectfile
from tests.rules import language_server
from tests.rules.small_city import city_files

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(SCHEMAS)


def refusals(name: str, yaml: str) -> list[str]:
    data, _ = parse(yaml, "f.yaml")
    return [error.message for error in Draft202012Validator(schema(name)).iter_errors(data)]


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_file_is_what_the_readers_know(name: str) -> None:
    path = ROOT / "city" / "schemas" / f"{name}.json"
    if os.environ.get("LIFELINE_TEST_GOLDEN") == "write":
        path.write_text(text(name), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text(name)
    assert schemas.text(name) == text(name)
    assert set(SCHEMAS) == set(schemas.PATTERNS)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_a_schema_of_the_draft(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    references = {part["$ref"] for part in parts(schema(name)) if "$ref" in part}
    assert references <= {f"#/$defs/{name}" for name in schema(name).get("$defs", {})}


def parts(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        yield from parts(part)


@pytest.mark.parametrize("name", NAMES)
def test_every_key_has_a_sentence(name: str) -> None:
    closed = [part for part in parts(schema(name)) if part.get("additionalProperties") is False]
    keys = [(key, own) for part in closed for key, own in part["properties"].items()]
    assert keys
    assert [key for key, own in keys if not str(own.get("description", "")).endswith((".", "…"))] == []


def shipped() -> list[tuple[str, str, str]]:
    """Every YAML file of the example and the demo that has a schema: its name, what it is, its text."""
    demo = ROOT / "gateway" / "demo_city"
    folders = {"example": dict(example_files()), "demo": read_folder(demo)}
    found = []
    for folder, files in folders.items():
        for file, content in files.items():
            if hint := schemas.hint(file):
                found.append((f"{folder}/{file}", hint.rpartition("/")[2].removesuffix(".json\n"), content))
    return found


@pytest.mark.parametrize(("file", "name", "content"), [pytest.param(*one, id=one[0]) for one in shipped()])
def test_what_is_shipped_is_accepted(file: str, name: str, content: str) -> None:
    assert refusals(name, content) == []


RULE = "version: 1\nrules:\n  - id: r\n    watch: {quantity: water_depth}\n    ladder: {yellow: %s}\n"
CITY = "name: A\ntimezone: Asia/Shanghai\ndistricts: [{id: a, name: A}]\n"
PEOPLE = "people: {li: {name: Li, email: li@example.org}}\n"


@pytest.mark.parametrize("form", FORMS.values(), ids=list(FORMS))
def test_each_form_s_example_is_accepted_as_a_level_with_all_that_goes_beside_it(form: object) -> None:
    example = form.example.removesuffix("}")  # type: ignore[attr-defined]  # a Form
    assert refusals("rules", RULE % (example + "}")) == []
    beside = (
        ', for: 2m, deadband: 1 cm, on_gap: hold, clear_after: 5m, only: {days: [mon], from: "22:00", to: "06:00"}}'
    )
    assert refusals("rules", RULE % (example + beside)) == []
    assert refusals("rules", RULE % f"{{not: {{any: [{example}}}, {{below: 1 cm}}]}}}}") == []
    assert refusals("rules", RULE % (example + ", fr: 2m}")) != []


@pytest.mark.parametrize(
    "level",
    [
        "{above: 15}", "{above: cm 15}", "{above: 15 cm, fr: 3m}", "{above: 15 cm, for: 3 min}", "{abov: 15 cm}", "{}",
        "{above: 15 cm, on_gap: forget}", "{rising: 2 cm}", "{outside: [20 cm]}", "{above: 15 cm, below: 1 cm}",
        "{above: 15 cm, count: 3}", "{above: 15 cm, of: 3, count: 0}", "{sum: 30m}", "{count: 30m, above: 5 cm}",
        "{mean: 30m, above: 5}", "{sum: 30m, mean: 30m, above: 5 cm}", "{all: []}", "{all: [{above: 15}]}",
        "{not: [{above: 15 cm}]}", "{near: {quantity: rainfall, within: 2}, sum: 30m, above: 15 mm}",
        "{near: {quantity: rainfall, within: 2 km}, above: 15 mm}", "{near: {within: 2 km}, sum: 30m, above: 15 mm}",
        "{near: {quantity: rainfall, within: 2 km}, detector: flood_onset}",
        "{near: {quantity: any, on: road}, silent: 5m}",
        "{beside: {kind: gas_main}}", "{sequence: [{above: 15 cm}]}", "{reaches: 27 cm}",
        "{reaches: 27 cm, within: 30m, from: left}", "{detector: flood_onset, direction: sideways}",
        "{detector: flood_onset, score: 0}", "{above: 15 cm, only: {from: \"22:00\"}}",
        "{above: 15 cm, only: {dys: [mon]}}",
        "{silent: soon}", "{above: 15 cm, deadband: 3}",
    ],
)  # fmt: skip
def test_what_a_schema_can_see_in_a_level_is_refused_as_the_reader_does(level: str) -> None:
    assert refusals("rules", RULE % level) != []
    assert check_files(city_files(rules__depth=RULE % level)) != []


@pytest.mark.parametrize(
    ("name", "yaml"),
    [
        ("rules", "version: 2\nrules: [{id: r, watch: {}, ladder: {}}]\n"),
        ("rules", RULE % "{above: 15 cm}" + "    latch: often\n"),
        ("rules", RULE % "{above: 15 cm}" + "    flags: {raise: [good]}\n"),
        ("rules", RULE % "{above: 15 cm}" + "    confirm: {neighbours: 1}\n"),
        ("rules", RULE % "{above: 15 cm}" + "    inhibited_by: [{rule: r, same: street}]\n"),
        ("rules", RULE % "{above: 15 cm}" + "    source: {status: maybe}\n"),
        ("rules", (RULE % "{above: 15 cm}").replace("yellow", "purple")),
        ("rules", (RULE % "{above: 15 cm}").replace("quantity:", "quantty:")),
        ("calendar", "calendar: {}\n"),
        ("calendar", "holidays: [2026-10-1]\n"),
        ("calendar", "calendars: {a: {days: [someday]}}\n"),
        ("calendar", 'calendars: {a: {from: "7:00", to: "09:00"}}\n'),
        ("city", CITY.replace("name: A\n", "")),
        ("city", CITY + "languages: [fr]\n"),
        ("city", CITY + "quantities: [{id: a, unit: cm, domain: sea, name: A, min: 0, max: 1}]\n"),
        ("escalation", PEOPLE.replace("name: Li, ", "")),
        ("escalation", PEOPLE + "rosters: {a: {shifts: [{person: li, days: [mon], from: 8, to: 20}]}}\n"),
        ("escalation", PEOPLE + "channels: {a: {type: pigeon}}\n"),
        ("escalation", PEOPLE + "channels: {a: {type: smtp, host: h}}\n"),
        ("escalation", PEOPLE + "chains: {a: {steps: [{notify: person/li}]}}\n"),
        ("escalation", PEOPLE + "clocks: {pink: {acknowledgement_expires: 5m}}\n"),
        ("tests", "version: 1\nexpect: [{at: 10m, alarmed: depth/wl-1}]\n"),
        ("tests", "version: 1\nexpect: [{at: soon, no_alarms: true}]\n"),
        ("tests", "version: 1\nevents: [{at: 10m, gap: wl-1}]\n"),
        ("tests", "version: 1\nseries: [{sensor: wl-1, value: 0x10}]\n".replace("0x10", "'0x10'")),
        ("tests", "version: 1\nexpect: [{at: 10m, alarm: depth/wl-1, level: purple}]\n"),
    ],
)
def test_what_a_schema_can_see_is_refused(name: str, yaml: str) -> None:
    assert refusals(name, yaml) != []


def test_keys_whose_names_are_the_city_s_own_are_accepted() -> None:
    retention = "retention: {readings: 2y, quantities: {strain: 90d}, around_red: 1y}\n"
    assert refusals("city", CITY + retention) == []
    assert refusals("city", CITY + retention.replace("around_red", "around_rd")) != []
    people = PEOPLE + "groups: {crew: [li, roster/day]}\nclocks: {red: {acknowledgement_expires: 15m}}\n"
    assert refusals("escalation", people) == []


def test_what_the_readers_of_rule_tests_know_has_its_place_in_the_schema() -> None:
    """A key that a reader learns and the schema does not would fail here, not in an engineer's editor."""
    told = json.dumps(schema("tests"))
    known = [
        *eventfile.FORMS,
        *expectfile.FORMS,
        *expectfile.ALARM,
        *expectfile.NOTICES,
        *casefile.TEST,
        *casefile.HEAD,
    ]
    assert [key for key in known if f'"{key}": {{' not in told] == []
    assert all(f'"{head}"' in json.dumps(schema("rules")) for head in HEADS)


def test_a_new_city_folder_carries_its_schemas_and_is_right(tmp_path: Path) -> None:
    write_example(tmp_path / "city")
    files = read_folder(tmp_path / "city")
    assert not any(name.startswith(schemas.FOLDER) for name in files)
    assert load_files(files).book.instances
    for name, content in files.items():
        if hint := schemas.hint(name):
            assert content.startswith(hint)
            target = (tmp_path / "city" / name).parent / hint.split("=")[1].strip()
            assert json.loads(target.read_text(encoding="utf-8"))["title"]


def test_schemas_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["rules", "schema"]) == 0
    assert "escalation  escalation.yaml" in capsys.readouterr().out
    assert run_command(["rules", "schema", "calendar"]) == 0
    assert json.loads(capsys.readouterr().out) == schema("calendar")
    assert run_command(["rules", "schema", "calender"]) == 1
    assert "got 'calender', try 'calendar'" in capsys.readouterr().err
    assert run_command(["rules", "schema", "--into", str(tmp_path)]) == 0
    assert "rules/gas.yaml: # yaml-language-server: $schema=../.schemas/rules.json" in capsys.readouterr().out
    assert json.loads((tmp_path / ".schemas" / "rules.json").read_text(encoding="utf-8")) == schema("rules")


BAD = """\
# yaml-language-server: $schema=../.schemas/rules.json
version: 1
rules:
  - id: r
    watch: {quantity: water_depth}
    ladder:
      red: {above: 15, deadband: 3 cm}
      orange: {abov: 15 cm}
      yellow: {near: {quantity: rainfall, within: 2 km}, sum: 30m}
      blue: {above: 15 cm, fr: 3m}
    clear_after: 3 minutes
    on: true
"""


@pytest.mark.skipif(bool(language_server.MISSING), reason=language_server.MISSING)
def test_an_editor_finds_the_schemas_of_a_new_folder_and_says_what_is_wrong(tmp_path: Path) -> None:
    folder = tmp_path / "city"
    write_example(folder)
    (folder / "rules" / "bad.yaml").write_text(BAD, encoding="utf-8")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*.yaml")]
    told = language_server.diagnose(folder, names)
    assert {name: said for name, said in told.items() if said and name != "rules/bad.yaml"} == {}
    assert told["rules/bad.yaml"] == [
        '7:20: Incorrect type. Expected "string".',
        '8:7: Missing property "above".',
        "8:16: Property abov is not allowed.",
        '9:7: Missing property "above".',
        "10:28: Property fr is not allowed.",
        "11:18: Expected a duration, such as 30s, 5m or 1h30m.",
        "12:5: Property on is not allowed.",
    ]
    with pytest.raises(FaultyInput) as caught:
        load_files(read_folder(folder))
    lines = {fault.line for fault in caught.value.faults if fault.file == "rules/bad.yaml"}
    assert lines == {int(one.split(":")[0]) for one in told["rules/bad.yaml"]}
