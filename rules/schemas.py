"""The JSON Schemas of all files that people edit as YAML: from the tables that their readers go by."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from city.gatewaykeys import GATEWAY, SOURCES
from city.load import CITY
from city.mapping import FLAG, MAPPING
from rules.desk.escalationkeys import CHANNELS, ESCALATION, ROSTER, SHIFT, WEEKLY
from rules.language.grammar import CALENDAR_FILE, FILE
from rules.language.schema import Schema, condition_defs, document, mapping
from rules.signs.detectionfile import DETECTION, QUANTITY
from rules.trials.caseschema import tests_schema
from rules.trials.scenarioschema import drill_schema


def _rules() -> Schema:
    says = "Rules: which sensors they watch, what each level asks, what to do and who is told."
    return document("Rule book", says, mapping(FILE, {"version": {"const": 1}}), condition_defs())


def _calendar() -> Schema:
    defs = {"calendar": condition_defs()["calendar"]}
    calendars = {"type": "object", "additionalProperties": {"$ref": "#/$defs/calendar"}}
    says = "Calendars that rules name beside `only`, and public holidays."
    return document("Calendars", says, mapping(CALENDAR_FILE, {"calendars": calendars}), defs)


def _escalation() -> Schema:
    kinds = [
        {"if": {"properties": {"type": {"const": name}}}, "then": mapping(keys)} for name, keys in CHANNELS.items()
    ]
    channel = {"type": "object", "properties": {"type": {"enum": list(CHANNELS), "description": "How it travels."}},
               "required": ["type"], "allOf": kinds}  # fmt: skip
    channels = {"type": "object", "additionalProperties": channel}
    shift = {**mapping(SHIFT), "oneOf": [{"required": list(WEEKLY)}, {"required": ["ical"]}]}
    roster = mapping(ROSTER, {"shifts": {"type": "array", "items": shift, "minItems": 1}})
    rosters = {"type": "object", "additionalProperties": roster}
    says = "Who is told, through which channels, and what happens when nobody answers."
    return document("Escalation", says, mapping(ESCALATION, {"channels": channels, "rosters": rosters}))


def _city() -> Schema:
    return document("City", "The city itself: its name, clock, languages and districts.", mapping(CITY))


def _gateway() -> Schema:
    kinds = [
        {"if": {"properties": {"type": {"const": name}}, "required": ["type"]},
         "then": mapping(keys, {"type": {"const": name}})} for name, keys in SOURCES.items()
    ]  # fmt: skip
    source = {"type": "object", "properties": {"type": {"enum": list(SOURCES), "description": "What kind it is."}},
              "required": ["type", "id"], "allOf": kinds}  # fmt: skip
    own: Mapping[str, Schema] = {
        "version": {"const": 1},
        "sources": {"type": "array", "items": source, "minItems": 1},
    }
    says = "A gateway agent: who it is, where readings wait and go, and where they come from."
    return document("Gateway agent", says, mapping(GATEWAY, own))


def _mapping() -> Schema:
    flags = {"type": "object", "additionalProperties": {"enum": [1, 2, 3, 4, 9]}, "minProperties": 1}
    names = {"type": "object", "additionalProperties": {"type": "string"}}
    flag = mapping(FLAG, {"map": flags})
    says = "How a vendor's JSON messages become readings."
    return document("Mapping", says, mapping(MAPPING, {"version": {"const": 1}, "flag": flag, "names": names}))


def _detection() -> Schema:
    names = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    own = mapping(QUANTITY, {"context": names})
    quantities = {"type": "object", "additionalProperties": own}
    says = "How early signs are looked for: false-alarm budgets, neighbours, channels. Everything may be left out."
    return document("Detection", says, mapping(DETECTION, {"quantities": quantities}))


SCHEMAS: Mapping[str, Callable[[], Schema]] = {
    "tests": tests_schema,
    "drill": drill_schema,
    "rules": _rules,
    "escalation": _escalation,
    "calendar": _calendar,
    "detection": _detection,
    "city": _city,
    "mapping": _mapping,
    "gateway": _gateway,
}


def schema(name: str) -> Schema:
    """The schema of a kind of file (a key of `SCHEMAS`)."""
    return SCHEMAS[name]()


def text(name: str) -> str:
    """The same as the text that is shipped in `city/schemas/`."""
    return json.dumps(schema(name), ensure_ascii=False, indent=1) + "\n"
