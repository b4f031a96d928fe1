"""How values are written, coloured and linked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dashboards.palette import LEVEL_COLOURS, QUIET, UNKNOWN

LOWEST = -1e30  # a number that no value is below
Json = dict[str, Any]  # JSON of Grafana's own schema, checked by tests/dashboards

FILLED: Json = {"custom.cellOptions": {"type": "color-background", "mode": "basic", "applyToRow": False}}


@dataclass(frozen=True, slots=True)
class Link:
    """A link from a value or a panel; `url` may use `${console:raw}` and `${__data.fields.x:percentencode}`."""

    title: str
    url: str
    blank: bool = True

    def json(self) -> Json:
        """The data link as Grafana stores it."""
        return {"title": self.title, "url": self.url, "targetBlank": self.blank}


@dataclass(frozen=True, slots=True)
class Steps:
    """Thresholds: `base` below the first of `(value, colour)`, which ascend."""

    base: str = QUIET
    above: tuple[tuple[float, str], ...] = ()

    def json(self) -> Json:
        """The thresholds as Grafana stores them."""
        # Below zero an override's null is no "from minus infinity": Grafana compares with it as if it were 0.
        base = LOWEST if self.above and self.above[0][0] < 0 else None
        steps: list[Json] = [{"color": self.base, "value": base}]
        return {"mode": "absolute", "steps": steps + [{"color": c, "value": v} for v, c in self.above]}


def level_steps(unknown: str = UNKNOWN) -> Steps:
    """Colours for a level as a number: below 0 unknown, 0 none, 1 blue … 4 red."""
    return Steps(base=unknown, above=((0, QUIET), *((float(value), c) for value, c in LEVEL_COLOURS.items())))


@dataclass(frozen=True, slots=True)
class Field:
    """How values are written and coloured. `words` maps a value (as text) to the words shown for it.

    `colour` is the mode: `thresholds`, or a colour that is the same whatever the value.
    """

    unit: str = "none"
    decimals: int | None = None
    steps: Steps = Steps()
    words: Mapping[str, str] = field(default_factory=dict)
    no_value: str = ""
    links: Sequence[Link] = ()
    custom: Mapping[str, Any] = field(default_factory=dict)
    colour: str = "thresholds"

    def json(self) -> Json:
        """The field defaults as Grafana stores them."""
        made: Json = {
            "unit": self.unit,
            "color": {"mode": "thresholds"} if self.colour == "thresholds" else fixed(self.colour),
            "thresholds": self.steps.json(),
            "mappings": words_mapping(self.words),
            "links": [link.json() for link in self.links],
            "custom": dict(self.custom),
        }
        if self.decimals is not None:
            made["decimals"] = self.decimals
        if self.no_value:
            made["noValue"] = self.no_value
        return made


def fixed(colour: str) -> Json:
    """One colour whatever the value."""
    return {"mode": "fixed", "fixedColor": colour}


def words_mapping(words: Mapping[str, str]) -> list[Json]:
    """A value mapping; an empty one is none at all."""
    if not words:
        return []
    options = {value: {"text": text, "index": i} for i, (value, text) in enumerate(words.items())}
    return [{"type": "value", "options": options}]


@dataclass(frozen=True, slots=True)
class Override:
    """What one column has of its own, by property id (`displayName`, `unit`, `custom.width` …).

    `by` says what `column` is: its name, a regular expression for names, or the refId of its query.
    """

    column: str
    properties: Mapping[str, Any]
    by: str = "byName"

    def json(self) -> Json:
        """The override as Grafana stores it."""
        properties = [{"id": name, "value": value} for name, value in self.properties.items()]
        return {"matcher": {"id": self.by, "options": self.column}, "properties": properties}


def hidden(*columns: str) -> list[Override]:
    """Columns of a table that only links read."""
    return [Override(column, {"custom.hidden": True}) for column in columns]
