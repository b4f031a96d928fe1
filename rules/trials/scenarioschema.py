"""The JSON Schema of drills' storylines, over the keys that their reader knows."""

from __future__ import annotations

from collections.abc import Mapping

from city.keys import Key, Kind
from city.levels import COLOURS
from city.words import languages
from rules.language.schema import Schema, document, value_of
from rules.trials.caseschema import series_schema
from rules.trials.scenario import MILESTONES, OPTIONAL, REQUIRED

_TEXT: Schema = {"type": "string", "pattern": r"\S"}
_SPAN = value_of(Key(Kind.DURATION, ""))
_TITLE: Schema = {
    "anyOf": [
        _TEXT,
        {"type": "object", "properties": {name: {**_TEXT, "description": f"In {name}."} for name in languages},
         "additionalProperties": False, "minProperties": 1},
    ]
}  # fmt: skip
_LEVELS: Schema = {"type": "object", "additionalProperties": {"enum": [level.word for level in COLOURS]}}
_MEANS: Mapping[str, str] = {
    "told": "A first notice has left the house.", "acknowledged": "Somebody has acknowledged.",
    "confirmed": "Somebody has confirmed it.", "analysed": "Somebody has analysed it.",
    "dispatched": "A crew is on its way.", "on_site": "The crew is there.", "reported": "The crew has reported.",
    "closed": "It is closed.",
}  # fmt: skip


def _expect() -> Schema:
    own: dict[str, Schema] = {"alarms": {**_LEVELS, "description": "Alarms (rule/scope) and the level they reach."}}
    own |= {what: {**_SPAN, "description": f"{_MEANS[what]} So long after the opening at most."} for what in MILESTONES}
    return {"type": "object", "properties": own, "additionalProperties": False}


def drill_schema() -> Schema:
    """The schema of a storyline."""
    own: Mapping[str, tuple[Schema, str]] = {
        "version": ({"const": 1}, "The version of the language of storylines: 1."),
        "title": (_TITLE, "What is played, in one language or several."),
        "series": (
            {"type": "array", "items": {"$ref": "#/$defs/series"}, "minItems": 1},
            "What sensors measure, from the beginning on; each stays at its last value.",
        ),
        "interval": (_SPAN, "How far apart the values of a series are (the sensor's interval)."),
        "history": (_SPAN, "How much of the story lies before the drill: it is sent at once."),
        "for": (_SPAN, "How long the drill may last (1h; at most 4h)."),
        "people": (
            {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]},
            "The only people who are told (whoever the chains name).",
        ),
        "expect": (_expect(), "What is expected of the system and of people; the report says whether it came."),
    }
    told = {name: {**own[name][0], "description": own[name][1]} for name in (*REQUIRED, *OPTIONAL)}
    whole: Schema = {"type": "object", "properties": told, "additionalProperties": False, "required": list(REQUIRED)}
    says = "A drill's storyline: what sensors are said to measure, and what is expected of people."
    return document("Drill", says, whole, {"series": series_schema()})
