"""JSON Schemas (draft 2020-12) from the tables that readers check files by, so that editors know what readers know.

Only keywords that were there in draft 7 are used besides `$defs`: the validators of editors differ in the newer ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from city.keys import Key, Kind, required
from city.words import languages
from rules.language.grammar import AGGREGATES, ANYWHERE, CALENDAR, COMPARISONS, FLAG_NAMES, FORMS, HEADS, LEVEL, Form

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NUMBER = r"[-+−]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?"
_PATTERNS: Mapping[Kind, str] = {
    Kind.MEASURE: rf"^\s*{_NUMBER}\s*[^0-9\s.,].*$",
    Kind.DIFFERENCE: rf"^\s*{_NUMBER}\s*[^0-9\s.,].*$",
    Kind.DISTANCE: rf"^\s*{_NUMBER}\s*[^0-9\s.,].*$",
    Kind.DURATION: r"^\s*([0-9]+(\.[0-9]+)?\s*(ms|s|m|h|d)\s*)+$",
    Kind.ID: r"^[^\s/]{1,64}$",
    Kind.HOUR: r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$",
    Kind.LOCAL: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*$",
    Kind.DATE: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    Kind.MOMENT: r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}.*([Zz]|[-+][0-9]{2}:?[0-9]{2})$",
}
_HINTS: Mapping[Kind, str] = {  # what editors say in place of the pattern
    Kind.MEASURE: "Expected a number with its unit, such as 15 cm.",
    Kind.DIFFERENCE: "Expected a number with its unit, such as 3 cm.",
    Kind.DISTANCE: "Expected a distance, such as 300 m.",
    Kind.DURATION: "Expected a duration, such as 30s, 5m or 1h30m.",
    Kind.ID: "Expected a short name without spaces.",
    Kind.HOUR: 'Expected a time of day in quotes, such as "08:00".',
    Kind.LOCAL: "Expected a time in quotes, such as 2026-07-01T22:00, by the local clock or with an offset.",
    Kind.DATE: "Expected a day, such as 2026-10-01.",
    Kind.MOMENT: "Expected a time with its offset, such as 2026-07-01T08:00:00+08:00.",
}
_TEXT: Schema = {"type": "string", "pattern": r"\S"}
_DAY: Schema = {"type": "string", "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"}
_QUALITY: Schema = {"enum": [*FLAG_NAMES, 1, 2, 3, 4, 9]}


def document(title: str, says: str, body: Schema, defs: Mapping[str, Schema] | None = None) -> Schema:
    """A whole schema."""
    return {"$schema": DRAFT, "title": title, "description": says, **body, **({"$defs": dict(defs)} if defs else {})}


def mapping(keys: Mapping[str, Key], extra: Mapping[str, Schema] | None = None) -> Schema:
    """A mapping with the keys of a table and no others; `extra` replaces what the table says of some of them."""
    own = {name: {**value_of(key), "description": key.says} for name, key in keys.items()}
    for name, schema in (extra or {}).items():
        own[name] = {**schema, "description": keys[name].says}
    found: Schema = {"type": "object", "properties": own, "additionalProperties": False}
    needed = required(keys)
    return {**found, "required": needed} if needed else found


def value_of(key: Key) -> Schema:
    """What the value of a key may be."""
    if key.kind in _PATTERNS:
        return _patterned(key.kind)
    simple: Mapping[Kind, Schema] = {
        Kind.COUNT: {"type": "integer", "minimum": 1},
        Kind.NUMBER: {"type": "number", "exclusiveMinimum": 0},
        Kind.PLAIN: {"type": "number"},
        Kind.TEXT: _TEXT,
        Kind.YES: {"type": "boolean"},
        Kind.FLAGS: _list(_QUALITY),
        Kind.MONTHS: _list({"type": "integer", "minimum": 1, "maximum": 12}),
        Kind.DATES: {"type": "array", "items": _DAY, "uniqueItems": True},
        Kind.CONDITIONS: _list({"$ref": "#/$defs/condition"}),
        Kind.CALENDAR: {"anyOf": [_TEXT, {"$ref": "#/$defs/calendar"}]},
        Kind.LISTS: {"type": "object", "additionalProperties": _list(_TEXT)},
    }
    return simple[key.kind] if key.kind in simple else _made_of(key)


def _made_of(key: Key) -> Schema:
    match key.kind:
        case Kind.BAND:
            return {"type": "array", "items": _patterned(Kind.MEASURE), "minItems": 2, "maxItems": 2}
        case Kind.WORD:
            return {"enum": list(key.words)}
        case Kind.WORDS:
            return _list({"enum": list(key.words)} if key.words else _TEXT)
        case Kind.SOME:
            return {"anyOf": [{"enum": list(key.words)}, {"type": "array", "items": {"enum": list(key.words)}}]}
        case Kind.NAME:
            own = {language: {**_TEXT, "description": f"In this language: {language}."} for language in languages}
            by_language = {"type": "object", "properties": own, "additionalProperties": False, "minProperties": 1}
            return {"anyOf": [_TEXT, by_language]}
        case Kind.CONDITION:
            return {"$ref": "#/$defs/level" if key.keys else "#/$defs/condition"}
        case Kind.MAPPING:
            return mapping(key.keys) if key.keys else {"type": "object"}
        case Kind.MAPPINGS:
            return {"type": "array", "items": mapping(key.keys)}
        case Kind.NAMED:
            found: Schema = {"type": "object", "additionalProperties": mapping(key.keys)}
            return {**found, "propertyNames": {"enum": list(key.words)}} if key.words else found
        case _:
            raise TypeError(f"no schema for {key.kind}")


def _patterned(kind: Kind) -> Schema:
    return {"type": "string", "pattern": _PATTERNS[kind], "patternErrorMessage": _HINTS[kind]}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


# -- conditions ------------------------------------------------------------------------------------------------------


def condition_defs() -> dict[str, Schema]:
    """The definitions that conditions refer to: condition, level and calendar."""
    calendar = mapping(CALENDAR) | {"minProperties": 1, "dependentRequired": {"from": ["to"], "to": ["from"]}}
    return {"condition": _conditions(ANYWHERE), "level": _conditions({**ANYWHERE, **LEVEL}), "calendar": calendar}


def _conditions(beside: Mapping[str, Key]) -> Schema:
    """A condition of any form, told by its heads in the order in which readers tell them."""
    order = [name for name in FORMS if name not in ("window", "compare")]
    order = ["near", *(name for name in order if name != "near"), "window", "compare"]
    heads = {head: form.keys[head] for form in list(FORMS.values())[::-1] for head in form.heads}
    chain: Schema = {**mapping({**heads, **beside}), "anyOf": [_has(head) for head in HEADS]}  # no head, or misspelt
    chain.pop("required", None)
    for name in reversed(order):
        chain = {"if": _told_by(name), "then": _form(name, FORMS[name], beside), "else": chain}
    return {"type": "object", "description": "What a level asks of the readings.", **chain}


def _has(*keys: str) -> Schema:
    return {"required": list(keys)}


def _told_by(name: str) -> Schema:
    heads: list[Schema] = [_has(head) for head in FORMS[name].heads if head != "count"]
    if name == "window":  # `count` with `of` belongs to a comparison
        heads.append({"required": ["count"], "not": _has("of")})
    return {"anyOf": heads}


def _form(name: str, form: Form, beside: Mapping[str, Key]) -> Schema:
    keys = {**form.keys, **{key: value for key, value in beside.items() if key not in form.keys}}
    counted = name in ("window", "near")
    found = mapping(keys, _plain_or_measured(keys) if counted else None)
    rules: list[Schema] = [_exactly_one(form.heads), *(_exactly_one(some) for some in form.one_of)]
    if counted:
        rules.append(_numbers_only_for_counts())
    if name == "near":
        rules.append({"if": {"anyOf": [_has(key) for key in AGGREGATES]}, "then": _exactly_one(COMPARISONS)})
        rules.append({"if": _has("detector"), "then": _has("in_last")})
        rules.append({"if": {"anyOf": [_has("rising"), _has("falling")]}, "then": _has("within")})
    if name == "compare":
        rules.append({"if": {"anyOf": [_has("count"), _has("of")]}, "then": _has("count", "of")})
    told = f"{form.says} Example: {form.example}"
    rules = [rule for rule in rules if rule]
    return {**found, "description": told, **({"allOf": rules} if rules else {})}


def _exactly_one(keys: Iterable[str]) -> Schema:
    several = list(keys)
    return {"oneOf": [_has(key) for key in several]} if len(several) > 1 else {}


def _plain_or_measured(keys: Mapping[str, Key]) -> dict[str, Schema]:
    number: Schema = {"type": "number"}
    band = {"type": "array", "items": number, "minItems": 2, "maxItems": 2}
    return {name: {"anyOf": [value_of(keys[name]), band if name == "outside" else number]} for name in COMPARISONS}


def _numbers_only_for_counts() -> Schema:
    """A number of samples is compared with a plain number, everything else with a measure."""
    plain: Schema = {"type": "number"}
    texts: Schema = {"type": "string"}

    def all_of(items: Schema) -> Schema:
        own = {name: {"items": items} if name == "outside" else items for name in COMPARISONS}
        return {"properties": own}

    return {"if": _has("count"), "then": all_of(plain), "else": all_of(texts)}
