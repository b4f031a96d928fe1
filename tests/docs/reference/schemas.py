"""JSON Schemas of the files that people write, as tables: one for each mapping, headed by where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from city.words import languages
from tests.docs.reference.markdown import code, prose, table

Schema = Mapping[str, Any]
HEAD = ("key", "value", "meaning")
MANY = 12


@dataclass(frozen=True, slots=True)
class Section:
    """One mapping: where it stands (`people.NAME`), and its keys with value and sentence."""

    place: str
    keys: tuple[tuple[str, str, str], ...]

    def markdown(self, level: int, links: Mapping[str, str]) -> str:
        """Its heading and table; `links` lead to definitions."""
        rows = ((code(name), _linked(value, links), prose(says)) for name, value, says in self.keys)
        heading = f"{'#' * level} {self.place}\n\n" if self.place else ""
        return heading + table(HEAD, rows)


def sections(schema: Schema, place: str = "") -> Iterator[Section]:
    """The mapping that a schema describes, then those inside of it."""
    if "properties" in schema and not _by_language(schema):
        needed = schema.get("required", ())
        own = schema["properties"]
        yield Section(place, tuple((name, phrase(one, name in needed), _says(one)) for name, one in own.items()))
        for name, one in own.items():
            yield from sections(one, f"{place}.{name}" if place else name)
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from sections(schema["additionalProperties"], f"{place}.NAME")
    if isinstance(schema.get("items"), Mapping):
        yield from sections(schema["items"], f"{place}[]")
    for one in schema.get("anyOf", ()):
        if one.get("type") == "object":
            yield from sections(one, place)
    for one in schema.get("allOf", ()):
        if "then" in one and "properties" in one.get("if", {}):
            kind = one["if"]["properties"]["type"]["const"]
            yield from sections(one["then"], f"{place} with type {kind}")
    yield from _forms(schema, place)


def _forms(schema: Schema, place: str) -> Iterator[Section]:
    """A chain of forms, each told by one of its keys: a section each, or two in all when they are many and alike."""
    forms: dict[str, Schema] = {}
    while "then" in schema and "required" in schema.get("if", {}):
        (head,) = schema["if"]["required"]
        forms[head], schema = schema["then"], schema["else"]
    if len(forms) < MANY:
        for head, form in forms.items():
            yield from sections(form, f"{place} with {head}")
        return
    heads: list[tuple[str, str, str]] = []
    beside: dict[str, Schema] = {}
    for head, form in forms.items():
        others = [name for name in form["properties"] if name != head]
        beside |= {name: form["properties"][name] for name in others}
        also = ", ".join(f"`{name}`{' (needed)' if name in form['required'] else ''}" for name in others)
        own = form["properties"][head]
        heads.append((head, phrase(own), f"{_says(own)} Beside it: {also}."))
    yield Section(f"{place}: one of these", tuple(heads))
    yield Section(f"{place}: beside them", tuple((name, phrase(one), _says(one)) for name, one in beside.items()))


def phrase(schema: Schema, needed: bool = False) -> str:
    """What a value may be, in a few words; a definition stands as `@name`."""
    return f"{_phrase(schema)} (needed)" if needed else _phrase(schema)


def _phrase(schema: Schema) -> str:
    if "$ref" in schema:
        return f"@{schema['$ref'].rpartition('/')[2]}"
    if "const" in schema:
        return code(str(schema["const"]).lower() if isinstance(schema["const"], bool) else schema["const"])
    if "enum" in schema:
        words = ", ".join(code(word) for word in schema["enum"])
        return words if len(schema["enum"]) <= MANY else f"one of {len(schema['enum'])} @names"
    if "anyOf" in schema and "type" not in schema:
        return " or ".join(dict.fromkeys(_phrase(one) for one in schema["anyOf"]))
    if "patternErrorMessage" in schema:
        told: str = schema["patternErrorMessage"].partition(",")[0]
        return told.removeprefix("Expected ").removeprefix("a ").rstrip(".")
    match schema.get("type"):
        case "array":
            return _list(schema)
        case "object":
            return _mapping(schema)
        case "integer" | "number" as kind:
            return _number(schema, "whole number" if kind == "integer" else "number")
        case "boolean":
            return "`true`, `false`"
        case "string":
            return "day" if "pattern" in schema and "[0-9]{4}" in schema["pattern"] else "text"
    return "anything"


def _list(schema: Schema) -> str:
    items = schema.get("items", {})
    if schema.get("maxItems") == 2:
        return f"list of two: {_phrase(items)}"
    if items.get("type") == "object":
        return "list of mappings"
    return f"list of: {_phrase(items)}" if items else "list"


def _mapping(schema: Schema) -> str:
    inside = schema.get("additionalProperties")
    if _by_language(schema):
        return "text by language"
    if not isinstance(inside, Mapping):
        return "mapping"
    names = ", ".join(code(word) for word in schema.get("propertyNames", {}).get("enum", ()))
    what = "mappings" if inside.get("type") == "object" else _phrase(inside)
    return f"{what} by {names or 'name'}"


def _number(schema: Schema, kind: str) -> str:
    if "exclusiveMinimum" in schema:
        return f"{kind} above {schema['exclusiveMinimum']}"
    low, high = schema.get("minimum"), schema.get("maximum")
    return kind + ("" if low is None else f" from {low}") + ("" if high is None else f" to {high}")


def _by_language(schema: Schema) -> bool:
    return bool(schema.get("properties")) and set(schema["properties"]) == set(languages)


def _says(schema: Schema) -> str:
    return str(schema.get("description", ""))


def _linked(value: str, links: Mapping[str, str]) -> str:
    for name, target in links.items():
        value = value.replace(f"@{name}", f"[{name}]({target})")
    return value
