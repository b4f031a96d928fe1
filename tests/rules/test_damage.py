"""Rule books, calendars and escalation with anything in them: faults, never another failure, and schemas that agree."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from city.errors import FaultyInput
from city.yamlfile import parse
from rules.check import load_files
from rules.language.grammar import FORMS
from rules.language.lint import lint
from rules.schemas import schema
from tests.rules.small_city import FILES

BOOK = """
version: 1
rules:
  - id: a
    title: {en: "{value} at {site}", zh: 积水}
    watch: {quantity: water_depth, site_kind: underpass, district: north}
    ladder:
      red: {above: 40 cm, for: 1m, deadband: 5 cm, on_gap: complete, clear_after: 5m, only: rush}
      orange: {above: 27 cm, count: 3, of: 5, within: 10m}
    clear_after: 10m
    stale_after: 5m
    confirm: {neighbours: 1, within: 300 m, window: 5m, min_valid: 1, else: nothing}
    latch: true
    flags: {raise: [pass, 2], clear: [pass]}
    only: {days: [mon, tue], from: "07:00", to: "19:00", months: [6, 7], holidays: never, timezone: Asia/Shanghai}
    inhibited_by: [{rule: b, same: site}]
    escalate: drainage
    guidance: Look.
    source: {text: here, clause: "1", status: site}
  - id: b
    watch: {quantity: water_depth, sensors: [wl-1]}
    ladder:
      blue: {any: [FORMS]}
  - id: c
    watch: {gateways: all}
    ladder: {yellow: {silent: 5m}}
""".replace("FORMS", ", ".join(form.example for name, form in FORMS.items() if name != "silent"))
CALENDAR = """
holidays: [2026-10-01]
workdays: [2026-10-10]
calendars: {rush: {from: "07:00", to: "09:00", days: [mon]}, season: {months: [6], holidays: only}}
"""
NAMES = {"rules": "rules/depth.yaml", "calendar": "calendar.yaml", "escalation": "escalation.yaml"}
TEXTS = {**FILES, "rules/depth.yaml": BOOK, "calendar.yaml": CALENDAR, "rules/platform.yaml": "version: 1\nrules: []\n"}

_JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 100), st.sampled_from([1.5, -0.5]),
    st.sampled_from([
        "", "x", "15 cm", "5m", "0s", "-3 cm", "15", "mon", "25:00", "2026-02-30", "any", "{x", "b", "rush", "all",
        "3 kPa", "pass", "red", "person/li", "roster/day",
    ]),
    st.sampled_from([[], {}, ["x"], {"x": 1}, [[]], {"above": "15 cm"}, ["15 cm", "3 cm"]]).map(deepcopy),
)  # fmt: skip


@cache
def whole(name: str) -> Any:  # noqa: ANN401 - what YAML holds
    return parse(TEXTS[NAMES[name]], NAMES[name])[0]


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(name))


def places(data: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


def test_the_whole_example_is_right() -> None:
    checked = load_files(TEXTS)
    assert {instance.rule.id for instance in checked.book.instances.values()} == {"a", "b"}
    assert all(list(validator(name).iter_errors(whole(name))) == [] for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damage_makes_faults_and_what_a_schema_refuses_the_reader_does_too(name: str, data: st.DataObject) -> None:
    damaged = deepcopy(whole(name))
    for _ in range(data.draw(st.integers(1, 2))):
        at = data.draw(st.sampled_from(places(damaged)[1:] or [()]))
        if not at:
            break
        holder = damaged
        for step in at[:-1]:
            holder = holder[step]
        kind = data.draw(st.sampled_from(["put", "drop", "misspell"]))
        if kind == "put":
            holder[at[-1]] = data.draw(_JUNK)
        elif kind == "drop":
            del holder[at[-1]]
        elif isinstance(holder, dict):
            holder[f"{at[-1]}x"] = holder.pop(at[-1])
    files = {**TEXTS, NAMES[name]: json.dumps(damaged, ensure_ascii=False)}
    try:
        checked = load_files(files)
    except FaultyInput:
        return
    lint(files, checked.book)
    assert [error.message for error in validator(name).iter_errors(damaged)] == [], damaged
