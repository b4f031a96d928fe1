"""The JSON Schema of rule tests, over the keys that their readers know."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from city.keys import Key, Kind
from city.levels import Flag
from rules.language.schema import Schema, document, value_of
from rules.trials import casefile, eventfile, expectfile, seriesfile, tinycity

_TEXT: Schema = {"type": "string", "pattern": r"\S"}
_NAMES: Schema = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}
_SPAN = value_of(Key(Kind.DURATION, ""))
_INSTANT: Schema = {"anyOf": [_SPAN, value_of(Key(Kind.MOMENT, ""))]}
_YES: Schema = {"type": "boolean"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number"}
_LEVEL: Schema = {"enum": list(expectfile.LEVELS)}
_FLAG: Schema = {"enum": [flag.name.lower() for flag in Flag]}
_PLACE: Schema = {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2}
_ALARMS: Schema = {
    "anyOf": [
        {"type": "array", "items": _TEXT},
        {"type": "object", "additionalProperties": {"enum": list(expectfile.LEVELS[1:])}},
    ]
}

# What each key is, and what it means. Which of them belong together stands in the readers' tables.
_HEAD: Mapping[str, tuple[Schema, str]] = {
    "version": ({"const": 1}, "The version of the language of rule tests: 1."),
    "rules": (
        {"anyOf": [{"const": "all"}, {"type": "array", "items": _TEXT}]},
        "The rule books that take part, or all (the one that the test is named after).",
    ),
    "start": (value_of(Key(Kind.MOMENT, "")), "When the test begins: a time with its offset."),
    "interval": (_SPAN, "How far apart the values of a series are (the sensor's interval)."),
    "name": (_TEXT, "The test's name, unique in the file."),
}
_EVENTS: Mapping[str, str] = {
    "gap": "These sensors measure nothing.",
    "late": "What these sensors measure arrives later.",
    "duplicate": "What these sensors measure arrives twice.",
    "flag": "What these sensors measure has another quality flag.",
    "skew": "The clocks of these gateways are wrong.",
    "offline": "These gateways have no connection, and send afterwards what they kept.",
    "heard": "These gateways are heard without any value.",
    "restart": "The engine is killed and started again.",
    "reload": "Files of the city folder are replaced.",
    "endpoint_down": "These channels take no notice.",
    "ack": "Somebody acknowledges the incident of this alarm.",
    "confirm": "Somebody confirms it.",
    "false_alarm": "Somebody says that it is none.",
    "analyse": "Somebody has found out what it is.",
    "dispatch": "Somebody sends a crew.",
    "cannot_go": "Somebody who was told cannot go.",
    "on_site": "The crew is there.",
    "report": "The crew reports.",
    "noted": "Somebody notes something.",
    "close": "Somebody closes it.",
    "shelve": "Somebody shelves this alarm.",
    "unshelve": "Somebody ends that.",
    "out_of_service": "Somebody takes this sensor out of service.",
    "in_service": "Somebody puts it back.",
    "maintain": "Somebody works at this sensor/…, site/… or gateway/….",
    "end_maintenance": "Somebody ends that.",
    "reset": "Somebody resets this latched alarm.",
}
_BESIDE: Mapping[str, tuple[Schema, str]] = {
    "at": (_INSTANT, "When: so long after the start, or a time with its offset."),
    "for": (_SPAN, "How long."),
    "by": (_TEXT, "By how much; or the person who says it."),
    "value": (_TEXT, "Another value, with its unit, for what arrives again."),
    "as": ({"anyOf": [_FLAG, {"enum": [1, 2, 3, 4, 9]}]}, "The quality flag."),
    "ahead": (_SPAN, "How far the clock is ahead."),
    "behind": (_SPAN, "How far the clock is behind."),
    "lost": (_YES, "Whether what was measured meanwhile is lost (false)."),
    "note": (_TEXT, "What they note."),
    "refused": (_YES, "Whether it is to be refused (false)."),
    "one_shot": (_YES, "Whether it ends with the alarm (false)."),
    "level": ({"enum": list(expectfile.LEVELS[1:])}, "The level at which it is shelved."),
}
_EXPECT: Mapping[str, tuple[Schema, str]] = {
    "alarm": (_TEXT, "The alarm spoken of: rule/scope."),
    "alarms": (_ALARMS, "The alarms that stand, and no others."),
    "at_least": (_ALARMS, "Alarms that stand, perhaps with others."),
    "no_alarms": ({"anyOf": [{"const": True}, _NAMES]}, "That none stands: at all, or of these rules and alarms."),
    "incident": (_TEXT, "The incident of this alarm: rule/scope."),
    "incidents": (_COUNT, "How many incidents are open."),
    "notices": ({}, "Notices that were made so far."),
}
_KINDS: Mapping[str, Schema] = {
    "level": _LEVEL, "truth": _YES, "moment": _INSTANT, "sensors": _NAMES, "text": _TEXT, "count": _COUNT,
    "alarm": _TEXT, "alarms": _ALARMS, "flag": {"enum": ["unknown", "none", "UNKNOWN", "NONE"]},
    "condition": {"enum": list(expectfile.CONDITIONS)}, "hold": {"enum": list(expectfile.HOLDS)},
    "stage": {"enum": list(expectfile.STAGES)}, "notice_kind": {"enum": list(expectfile.NOTICE_KINDS)},
    "notice_state": {"enum": list(expectfile.NOTICE_STATES)},
    "clocks": {"type": "array", "items": {"enum": list(expectfile.CLOCKS)}},
}  # fmt: skip
_FIELDS: Mapping[str, str] = {
    "level": "Its level.", "pending": "The highest level that waits for its time.", "peak": "Its highest level so far.",
    "condition": "Where it stands.", "flag": "Whether its data are lost.",
    "acknowledged": "Whether it is acknowledged.", "hold": "Whether it is held, and how.",
    "latched": "Whether it waits for a reset.", "late": "Whether it was told late.",
    "raised_at": "When it was raised, by event time.", "cleared_at": "When it was cleared, by event time.",
    "evidence": "The sensors that raised it.", "reason": "What the reason of its last change says.",
    "occurrences": "How many times it was raised.", "stage": "How far people got.", "open": "Whether it is open.",
    "alarms": "The alarms that belong to it.", "first": "The alarm that opened it.",
    "missed": "The clocks that ran out so far, and no others.", "to": "The person told.",
    "target": "Whom the step names.", "via": "The channel.", "kind": "What kind of notice.",
    "state": "What became of it.", "about": "The alarm it speaks of.", "since": "Only those made since then.",
    "count": "How many there are.",
}  # fmt: skip
_SERIES: Mapping[str, tuple[Schema, str]] = {
    "sensor": (_NAMES, "The sensor, several of them, or all."),
    "values": ({"anyOf": [_TEXT, {"type": "array"}, {"type": "object"}]}, "What it measures: 0x10 0+2x15 _x5 stale."),
    "unit": (_TEXT, "The unit of the values (the one that its gateway sends)."),
    "start": (_INSTANT, "When the first value is measured (the test's start)."),
    "interval": (_SPAN, "How far apart the values are."),
    "flag": (_FLAG, "The quality flag of all of them (pass)."),
}
_TINY: Mapping[str, tuple[Schema, str]] = {
    "quantity": (_TEXT, "What it measures."), "site_kind": (_TEXT, "What kind of site it is at."),
    "unit": (_TEXT, "What its gateway sends."), "site": (_TEXT, "Its site."), "at": (_PLACE, "Longitude, latitude."),
    "gateway": (_TEXT, "Its gateway."), "interval": (_SPAN, "How often it measures."),
    "tags": ({"type": "array", "items": _TEXT}, "Its tags."), "along": (_TEXT, "The line it lies on."),
    "district": (_TEXT, "Its district."),
}  # fmt: skip


def _object(own: Mapping[str, tuple[Schema, str]], needed: Collection[str] = ()) -> Schema:
    told = {name: {**schema, "description": says} for name, (schema, says) in own.items()}
    return {"type": "object", "properties": told, "additionalProperties": False, "required": list(needed)}


def _chain(forms: Mapping[str, Schema], says: str) -> Schema:
    """A mapping of one of several forms, each told by a key of its name."""
    chain: Schema = {"anyOf": [{"required": [form]} for form in forms]}
    for form, schema in list(forms.items())[::-1]:
        chain = {"if": {"required": [form]}, "then": schema, "else": chain}
    return {"type": "object", "description": says, **chain}


def _event() -> Schema:
    forms = {}
    for form, (needed, free) in eventfile.FORMS.items():
        value: Schema = {"type": "object"} if form == "reload" else {} if form == "restart" else _NAMES
        own = {"at": _BESIDE["at"], form: (value, _EVENTS[form]), **{key: _BESIDE[key] for key in (*needed, *free)}}
        forms[form] = _object(own, ("at", form, *needed))
    return _chain(forms, "Something that happens: " + ", ".join(eventfile.FORMS) + ".")


def _expectation() -> Schema:
    fields = {"alarm": expectfile.ALARM, "incident": expectfile.INCIDENT}
    notices = _object({key: (_KINDS[kind], _FIELDS[key]) for key, kind in expectfile.NOTICES.items()})
    forms: dict[str, Schema] = {}
    for form in sorted(expectfile.FORMS, key=lambda form: form != "incident"):  # `alarms` is a field of it, too
        value, says = _EXPECT[form]
        if form == "notices":
            value = {"anyOf": [notices, {"type": "array", "items": notices, "minItems": 1}]}
        more = {key: (_KINDS[kind], _FIELDS[key]) for key, kind in fields.get(form, {}).items()}
        forms[form] = _object({"at": _BESIDE["at"], form: (value, says), **more}, ("at", form))
    return _chain(forms, "What is to be so at an instant: " + ", ".join(expectfile.FORMS) + ".")


def _city() -> Schema:
    sensor = _object({k: _TINY[k] for k in ("quantity", "site_kind", *tinycity.SENSOR_KEYS)}, ("quantity", "site_kind"))
    site = _object({key: _TINY[key] for key in ("site_kind", *tinycity.SITE_KEYS)}, ("site_kind",))
    heads: Mapping[str, tuple[Schema, str]] = {
        "sensors": ({"type": "object", "additionalProperties": sensor, "minProperties": 1}, "Its sensors by name."),
        "timezone": (_TEXT, "Its time zone."),
        "sites": ({"type": "object", "additionalProperties": site}, "Sites without a sensor, or with more to say."),
    }
    return _object({key: heads[key] for key in ("sensors", *tinycity.HEAD_KEYS)}, ("sensors",))


def series_schema() -> Schema:
    """What one sensor, or several, measure."""
    return _object({key: _SERIES[key] for key in ("sensor", "values", *seriesfile.SERIES)}, ("sensor", "values"))


def tests_schema() -> Schema:
    """The schema of a file of rule tests."""
    lists: Mapping[str, tuple[Schema, str]] = {
        "series": ({"type": "array", "items": {"$ref": "#/$defs/series"}}, "What sensors measure."),
        "events": ({"type": "array", "items": {"$ref": "#/$defs/event"}}, "What else happens."),
        "expect": ({"type": "array", "items": {"$ref": "#/$defs/expectation"}, "minItems": 1}, "What is to be so."),
    }
    known = {**_HEAD, **lists, "city": (_city(), "A city of the test's own, in place of the folder's.")}
    test = _object({key: known[key] for key in ("name", *casefile.TEST)}, ("name", "expect"))
    known["tests"] = ({"type": "array", "items": test, "minItems": 1}, "The tests; without it the file is one.")
    whole = _object(
        {key: known[key] for key in dict.fromkeys(("version", *casefile.HEAD, "tests", *casefile.TEST))}, ("version",)
    )
    defs = {
        "series": series_schema(),
        "event": _event(),
        "expectation": _expectation(),
    }
    says = "Rule tests: what sensors measure, what else happens, and which alarms and notices are to come of it."
    return document("Rule tests", says, whole, defs)
