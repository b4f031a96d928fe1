"""How a value is written and coloured: a panel's field settings and its overrides, as Grafana applies them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from dashboards.builder import Json
from dashboards.proof import Kind, Values, interpolate

_PARTS = (
    (31_536_000, "year"),
    (2_628_000, "month"),
    (604_800, "week"),
    (86_400, "day"),
    (3600, "hour"),
    (60, "minute"),
)
_SUFFIX = {
    "percent": "%",
    "lengthm": " m",
    "lengthmm": " mm",
    "celsius": " °C",
    "volt": " V",
    "dBm": " dBm",
    "pressurekpa": " kPa",
    "ms": " ms",
    "reqps": " req/s",
    "cps": " c/s",
    "ops": " ops/s",
}
_FIELD = re.compile(r"\$\{__(?:data\.fields|field\.labels)\.(?:\"([^\"]+)\"|(\w+))(?::(\w+))?\}|\$\{__value\.\w+\}")


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a panel: its name in the data, its kind, the query it is of, its settings."""

    name: str
    kind: Kind
    settings: Json

    @property
    def shown(self) -> str:
        """The name people read."""
        return str(self.settings.get("displayName") or self.name)

    def custom(self, key: str, otherwise: Any = None) -> Any:  # noqa: ANN401 - JSON
        """A setting of the panel type's own."""
        return self.settings.get("custom", {}).get(key, otherwise)

    @property
    def hidden(self) -> bool:
        """Whether a table leaves it out, or a drawing."""
        away = self.custom("hideFrom", {})
        return bool(self.custom("hidden") or (isinstance(away, dict) and away.get("viz")))


def column(panel: Json, name: str, kind: Kind, ref_id: str = "A") -> Column:
    """A field with the settings that the panel and those of its overrides that match give it."""
    settings = _copied(panel.get("fieldConfig", {}).get("defaults", {}))
    for override in panel.get("fieldConfig", {}).get("overrides", ()):
        if _matches(override["matcher"], name, kind, ref_id):
            for one in override["properties"]:
                _put(settings, one["id"].split("."), one["value"])
    return Column(name, kind, settings)


def _copied(value: Any) -> Any:  # noqa: ANN401 - JSON
    return {key: _copied(one) for key, one in value.items()} if isinstance(value, dict) else value


def _put(settings: Json, path: list[str], value: object) -> None:
    for key in path[:-1]:
        settings = settings.setdefault(key, {})
    settings[path[-1]] = _copied(value)


def _matches(matcher: Json, name: str, kind: Kind, ref_id: str) -> bool:
    wanted = matcher.get("options")
    match matcher["id"]:
        case "byName":
            return bool(wanted == name)
        case "byRegexp":
            return re.search(str(wanted).strip("/"), name) is not None
        case "byFrameRefID":
            return bool(wanted == ref_id)
        case "byType":
            return bool({"string": "text"}.get(str(wanted), wanted) == kind)
    return False


def written(one: Column, value: Any) -> str:  # noqa: ANN401 - a value of the database
    """The text of a value: its mapping's, else the number with its unit."""
    mapped = _mapped(one.settings, value)
    if mapped is not None and mapped.get("text"):
        return str(mapped["text"])
    if value is None:
        return str(one.settings.get("noValue") or "")
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return str(value)
    return number(float(value), str(one.settings.get("unit", "")), one.settings.get("decimals"))


def colour(one: Column, value: Any, otherwise: str) -> str:  # noqa: ANN401 - a value of the database
    """The colour of a value: its mapping's, a fixed one, or its threshold's."""
    mapped = _mapped(one.settings, value)
    if mapped is not None and mapped.get("color"):
        return str(mapped["color"])
    mode = one.settings.get("color", {})
    if mode.get("mode") == "fixed":
        return str(mode.get("fixedColor", otherwise))
    steps = one.settings.get("thresholds", {}).get("steps", [])
    if not steps:
        return otherwise
    found = str(steps[0]["color"])
    if value is None or isinstance(value, str | datetime):
        return found
    for step in steps[1:]:
        if step["value"] is not None and float(value) >= float(step["value"]):
            found = str(step["color"])
    return found


def _mapped(settings: Json, value: Any) -> Json | None:  # noqa: ANN401 - a value of the database
    for mapping in settings.get("mappings", ()):
        options = mapping["options"]
        match mapping["type"]:
            case "value" if value is not None and _key(value) in options:
                return dict(options[_key(value)])
            case "range" if isinstance(value, int | float) and _within(options, float(value)):
                return dict(options["result"])
            case "special" if options["match"] in ("null", "null+nan") and value is None:
                return dict(options["result"])
            case "regex" if isinstance(value, str) and re.search(options["pattern"].strip("/"), value):
                return dict(options["result"])
    return None


def _within(options: Json, value: float) -> bool:
    low, high = options.get("from"), options.get("to")
    return (low is None or value >= low) and (high is None or value <= high)


def _key(value: Any) -> str:  # noqa: ANN401 - a value of the database
    if isinstance(value, bool):
        return str(value).lower()
    return f"{float(value):g}" if not isinstance(value, str | datetime) else str(value)


def number(value: float, unit: str, decimals: int | None) -> str:
    """A number with its unit, about as Grafana writes it."""
    if unit == "dtdurations":
        return _duration(value, 1 + (decimals or 0))
    if unit == "s" and abs(value) >= 60:
        size, name = next((size, name) for size, name in _PARTS if abs(value) >= size)
        text = _plain(value / size, 1 if decimals is None else decimals)
        return f"{text} {'min' if name == 'minute' else name if float(text) == 1 else name + 's'}"
    if unit == "percentunit":
        return f"{_plain(value * 100, decimals)}%"
    if unit in ("bytes", "decbytes"):
        return _scaled(value, 1024 if unit == "bytes" else 1000, ("B", "KiB", "MiB", "GiB", "TiB"))
    if unit == "short" and abs(value) >= 1000:
        return _scaled(value, 1000, ("", "K", "Mil", "Bil", "Tri"))
    kind, _, own = unit.partition(":")
    text = _plain(value, decimals)
    if kind == "suffix":
        return text + (own if own.startswith((" ", "%")) else f" {own}")
    if kind == "prefix":
        return own + text
    return text + _SUFFIX.get(unit, " s" if unit == "s" else "")


def _plain(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    if value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _scaled(value: float, by: int, names: tuple[str, ...]) -> str:
    place = 0
    while abs(value) >= by and place < len(names) - 1:
        value, place = value / by, place + 1
    return f"{_plain(value, None)} {names[place]}".strip()


def _duration(value: float, most: int) -> str:
    left = abs(value)
    parts: list[str] = []
    for size, name in (*_PARTS, (1, "second")):
        count = int(left // size)
        if count and len(parts) < most:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
            left -= count * size
    return ", ".join(parts) or "0 seconds"


def link(one: Column, row: Mapping[str, Any], values: Values, span: Mapping[str, str]) -> str:
    """Where a click on a value leads, or nothing."""
    links = one.settings.get("links") or ()
    return address(str(links[0]["url"]), row, values, span) if links else ""


def address(url: str, row: Mapping[str, Any], values: Values, span: Mapping[str, str]) -> str:
    """A link's address with its variables, its row's fields and the range put in."""

    def of_row(match: re.Match[str]) -> str:
        value = row.get(match[1] or match[2] or "", "")
        text = "" if value is None else str(value)
        return quote(text, safe="") if match[3] == "percentencode" else text

    for name, text in span.items():
        url = url.replace("${" + name + "}", text)
    return interpolate(_FIELD.sub(of_row, url), values)
