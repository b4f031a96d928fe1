"""Mappings: how a vendor's JSON messages become readings. `mappings/*.yaml`, checked whole, with file:line:column.

The keys are in the tables below, for readers, editors and people alike; `docs/formats.md` shows them at work.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from zoneinfo import ZoneInfo, available_timezones

from city.errors import Fault, FaultyInput, InputError
from city.jsonpath import JsonPath, parse_path
from city.keys import Key, Kind, optional, required
from city.levels import Flag
from city.positions import Path, check_keys, nearest_or_all, show
from city.topics import filter_problem, overlap
from city.units import UnitError
from city.units import parse as parse_unit
from city.written import FORMATS, Written
from city.yamlfile import read

FILES = "mappings/*.yaml"
OWN_TOPICS = ("lifeline/#", "spBv1.0/#")
SHAPES = ("json", "thingsboard", "chirpstack")
TIME: AnyMapping[str, Key] = {
    "path": Key(Kind.TEXT, "Where it stands: `$.…` from the message, `@.…` from the item.", required=True),
    "format": Key(Kind.TEXT, "`iso` (default), `unix_s`, `unix_ms`, `unix_us`, or in the notation of strptime."),
    "zone": Key(Kind.TEXT, "The time zone of times that are written without an offset, such as Asia/Shanghai."),
}
VALUE: AnyMapping[str, Key] = {
    "path": Key(Kind.TEXT, "Where the value stands; with `.*` or `[*]` each found one is a reading.", required=True),
    "sensor": Key(Kind.TEXT, "The sensor's name: text with {key}, {@.…}, {$.…}, {topic.N} in it."),
    "unit": Key(Kind.TEXT, "The unit of the values as sent, text as in `sensor`. The default is the register's unit."),
    "scale": Key(Kind.PLAIN, "Multiply by this first. The default is 1."),
    "offset": Key(Kind.PLAIN, "Then add this, in `unit`. The default is 0."),
}
FLAG: AnyMapping[str, Key] = {
    "path": Key(Kind.TEXT, "Where the quality mark stands.", required=True),
    "map": Key(Kind.MAPPING, "The mark as sent: the flag (1, 2, 3, 4 or 9).", required=True),
}
MAPPING: AnyMapping[str, Key] = {
    "version": Key(Kind.COUNT, "Of this format: 1.", required=True),
    "topic": Key(Kind.TEXT, "The MQTT topic filter of the messages; + is one level, # the rest.", required=True),
    "format": Key(Kind.WORD, "What the messages look like. The default is json.", words=SHAPES),
    "gateway": Key(Kind.TEXT, "Which gateway speaks: text with {topic.N} or {$.…} in it.", required=True),
    "district": Key(Kind.TEXT, "The gateway's district, text with such places. The default is the registered one."),
    "each": Key(Kind.TEXT, "Path to the items that hold readings. The default is the whole message."),
    "time": Key(Kind.MAPPING, "When an item was measured.", keys=TIME),
    "sensor": Key(Kind.TEXT, "The sensor's name where a value has none of its own."),
    "values": Key(Kind.MAPPINGS, "The values in an item.", keys=VALUE),
    "flag": Key(Kind.MAPPING, "The quality of an item.", keys=FLAG),
    "names": Key(Kind.MAPPING, "Names as they come out: sensors as registered, where these differ."),
    "ignore": Key(Kind.WORDS, "Keys whose values are no readings: states, versions, counters."),
    "numeric_text": Key(Kind.YES, 'Whether numbers may come as text: "16.2".'),
}
_PLACE = re.compile(r"\{([^{}]*)\}")
# What ThingsBoard and ChirpStack fix by themselves, as `format` and what a mapping may leave out.
_USUAL: AnyMapping[str, AnyMapping[str, str]] = {
    "json": {"each": "$", "value": "", "time": "", "time_format": "iso", "sensor": ""},
    "thingsboard": {
        "each": "$[*]", "value": "@.values.*", "time": "@.ts", "time_format": "unix_ms", "sensor": "{@.device}-{key}",
    },
    "chirpstack": {
        "each": "$", "value": "$.object.*", "time": "$.time", "time_format": "iso",
        "sensor": "{$.deviceInfo.deviceName}-{key}",
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """Text with places: `{topic.2}` (a level of the topic, from 1), `{key}`, `{@.path}`, `{$.path}`."""

    text: str
    paths: AnyMapping[str, JsonPath] = field(default_factory=dict)

    def fill(self, topic: str, whole: object, item: object = None, key: str = "") -> str:
        """The text for one value (InputError for a place that has nothing, or no plain value, in it)."""

        def put(place: re.Match[str]) -> str:
            name = place[1]
            if name == "key":
                return key
            if name.startswith("topic."):
                levels, number = topic.split("/"), int(name[6:])
                found: object = levels[number - 1] if number <= len(levels) else None
            else:
                found = self.paths[name].one(whole, item)
            if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
                raise InputError(f"nothing for {{{name}}} of {self.text!r}, got {show(found)}")
            return str(found)

        return _PLACE.sub(put, self.text)


@dataclass(frozen=True, slots=True)
class Value:
    """Values in an item: where they stand, what they are called, how they are written."""

    path: JsonPath
    sensor: Template
    unit: Template | None = None
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Mapping:
    """A whole mapping, consistent by construction; `file` is its name in the city folder."""

    file: str
    topic: str
    shape: str
    gateway: Template
    district: Template | None
    each: JsonPath
    time_at: JsonPath
    time: Written
    values: tuple[Value, ...]
    flag_at: JsonPath | None = None
    flags: AnyMapping[str, int] = field(default_factory=dict)
    names: AnyMapping[str, str] = field(default_factory=dict)
    ignore: frozenset[str] = frozenset()
    numeric_text: bool = False


def load_mappings(files: AnyMapping[str, str]) -> tuple[list[Mapping], list[Fault]]:
    """The mappings of a city folder, by file name, and every fault of their files.

    A mapping of recorded files (it has `files:`) is none of messages and is passed over.
    """
    found: list[Mapping] = []
    faults: list[Fault] = []
    for name in sorted(name for name in files if fnmatchcase(name, FILES)):
        reader = _Reader(files[name], name)
        if reader.of_files:
            continue
        mapping = reader.whole()
        faults += reader.faults
        if mapping is None:
            continue
        for other in (one for one in found if overlap(one.topic, mapping.topic)):
            what = f"its topics may be those of {other.file}, too"
            faults.append(reader.positions.fault(("topic",), what, show(mapping.topic), "one mapping for them"))
        found.append(mapping)
    return found, faults


def load_mapping(text: str, file: str) -> Mapping:
    """One mapping (FaultyInput with every fault)."""
    reader = _Reader(text, file)
    mapping = reader.whole()
    if reader.faults or mapping is None:
        raise FaultyInput(reader.faults)
    return mapping


class _Reader:
    """Reads one file, collecting faults."""

    def __init__(self, text: str, file: str) -> None:
        written = read(text, file)
        self._file, self._data, self.positions = file, written.data, written.positions
        self._syntax, self._own = written.faults, list[Fault]()
        self.of_files = isinstance(self._data, dict) and "files" in self._data and "topic" not in self._data

    @property
    def faults(self) -> list[Fault]:
        return [*self._syntax, *self.positions.fresh(self._own)]

    def whole(self) -> Mapping | None:
        """The mapping; None when it has faults."""
        data = self._keys(self._data, (), MAPPING)
        if not data:
            return None
        if "version" in data and data["version"] != 1:
            self._fault(("version",), "unknown version of mappings", data["version"], "version: 1")
        shape = data.get("format", "json")
        if shape not in SHAPES:
            self._fault(("format",), "unknown format", shape, nearest_or_all(str(shape), SHAPES))
        usual = _USUAL.get(str(shape), _USUAL["json"])
        topic = self._topic(data)
        gateway = self._template(data, ("gateway",), places=("topic", "$"))
        district = self._template(data, ("district",), places=("topic", "$")) if "district" in data else None
        time_at, time = self._time(data, usual)
        values = self._values(data, usual)
        flag_at, flags = self._flag(data)
        mapping = Mapping(
            self._file, topic, str(shape), gateway or Template(""), district,
            self._path(data.get("each", usual["each"]), ("each",)) or JsonPath("$", "$", ()), time_at, time, values,
            flag_at, flags, self._names(data), self._ignored(data), self._yes(data, "numeric_text"),
        )  # fmt: skip
        return None if self.faults else mapping

    def _fault(self, path: Path, what: str, got: object = None, hint: str = "") -> None:
        self._own.append(self.positions.fault(path, what, "" if got is None else show(got), hint))

    def _keys(self, data: object, path: Path, table: AnyMapping[str, Key]) -> AnyMapping[str, object]:
        faults = check_keys(data, path, self.positions, required=required(table), optional=optional(table))
        self._own += faults
        return data if isinstance(data, dict) else {}

    def _topic(self, data: AnyMapping[str, object]) -> str:
        topic = data.get("topic", "")
        if "topic" not in data:
            return ""
        problem = filter_problem(topic) if isinstance(topic, str) else "a topic filter is text"
        own = next((one for one in OWN_TOPICS if not problem and overlap(one, str(topic))), None)
        if problem:
            self._fault(("topic",), problem, topic, "vendor/+/data")
        elif own is not None:
            self._fault(("topic",), f"topics of {own} are read without a mapping", topic, "vendor/+/data")
        return str(topic)

    def _template(
        self, data: AnyMapping[str, object], path: Path, places: Sequence[str] = ("topic", "key", "$", "@")
    ) -> Template | None:
        text = data.get(str(path[-1]))
        if not isinstance(text, str) or not text.strip():
            if path[-1] in data:
                self._fault(path, "expected text", text, '"{topic.2}-{key}"')
            return None
        paths: dict[str, JsonPath] = {}
        for place in _PLACE.findall(text):
            kind = place[:1] if place[:1] in ("$", "@") else place.partition(".")[0]
            right = kind in places and (kind != "topic" or re.fullmatch(r"topic\.[1-9]\d?", place) is not None)
            if not right or (kind == "key" and place != "key"):
                known = {"topic": "{topic.2}", "key": "{key}", "$": "{$.name}", "@": "{@.name}"}
                self._fault(path, "unknown place", f"{{{place}}}", ", ".join(known[one] for one in places))
            elif kind in "$@" and (parsed := self._path(place, path)) is not None:
                paths[place] = parsed
        if "{" in _PLACE.sub("", text) or "}" in _PLACE.sub("", text):
            self._fault(path, "a brace without its other", text, '"{key}"')
        return Template(text, paths)

    def _path(self, text: object, path: Path) -> JsonPath | None:
        if not isinstance(text, str):
            self._fault(path, "expected a path", text, "$.data")
            return None
        try:
            return parse_path(text)
        except InputError as error:
            what, _, rest = str(error).partition(", got ")
            got, _, hint = rest.rpartition(", try ")
            self._own.append(self.positions.fault(path, what, got, hint))
            return None

    def _time(self, data: AnyMapping[str, object], usual: AnyMapping[str, str]) -> tuple[JsonPath, Written]:
        given = self._keys(data["time"], ("time",), TIME) if "time" in data else {}
        if "time" not in data and not usual["time"]:
            self._fault((), "missing key 'time'", hint="adding 'time: {path: $.ts, format: unix_ms}'")
        at = self._path(given.get("path", usual["time"] or "$"), ("time", "path"))
        form = given.get("format", usual["time_format"] if "time" not in data else "iso")
        if not isinstance(form, str) or (form not in FORMATS and "%" not in form):
            self._fault(("time", "format"), "unknown format of times", form, ", ".join(FORMATS) + ", or %Y-%m-%d %H:%M")
            form = "iso"
        zone = given.get("zone")
        if zone is not None and (not isinstance(zone, str) or zone not in available_timezones()):
            hint = nearest_or_all(str(zone), available_timezones())
            self._fault(("time", "zone"), "unknown time zone", zone, hint)
            zone = None
        return at or JsonPath("$", "$", ()), Written(form, ZoneInfo(str(zone)) if zone is not None else None)

    def _values(self, data: AnyMapping[str, object], usual: AnyMapping[str, str]) -> tuple[Value, ...]:
        common = self._template(data, ("sensor",))
        if common is None and usual["sensor"]:
            common = self._template({"sensor": usual["sensor"]}, ("sensor",))
        entries = data.get("values", [{"path": usual["value"]}] if usual["value"] else None)
        if not isinstance(entries, list) or not entries:
            self._fault(("values",), "expected a list of values", entries, "- {path: $.level, sensor: …, unit: cm}")
            return ()
        found = (self._value(entry, ("values", index), common) for index, entry in enumerate(entries))
        return tuple(value for value in found if value is not None)

    def _value(self, entry: object, path: Path, common: Template | None) -> Value | None:
        data = self._keys(entry, path, VALUE)
        at = self._path(data["path"], (*path, "path")) if "path" in data else None
        sensor = self._template(data, (*path, "sensor")) or (common if "sensor" not in data else None)
        if data and sensor is None and "sensor" not in data:
            self._fault(path, "a value without a name", hint='adding sensor: "{key}"')
        if at is not None and sensor is not None and not at.single and "{" not in sensor.text:
            self._fault(path, "several values need several names", sensor.text, f'"{sensor.text}-{{key}}"')
        unit = self._template(data, (*path, "unit")) if "unit" in data else None
        if unit is not None and "{" not in unit.text:
            try:
                parse_unit(unit.text)
            except UnitError as error:
                self._fault((*path, "unit"), "unknown unit", unit.text, str(error).rpartition("try ")[2])
        numbers = [self._number(data, key, path, usual) for key, usual in (("scale", 1.0), ("offset", 0.0))]
        return None if at is None or sensor is None else Value(at, sensor, unit, *numbers)

    def _number(self, data: AnyMapping[str, object], key: str, path: Path, usual: float) -> float:
        number = data.get(key, usual)
        if isinstance(number, bool) or not isinstance(number, int | float) or (key == "scale" and number == 0):
            self._fault((*path, key), f"{key}: expected a number{' but 0' if key == 'scale' else ''}", number, "0.1")
            return usual
        return float(number)

    def _flag(self, data: AnyMapping[str, object]) -> tuple[JsonPath | None, AnyMapping[str, int]]:
        if "flag" not in data:
            return None, {}
        given = self._keys(data["flag"], ("flag",), FLAG)
        flags = given.get("map", {})
        known = {int(flag) for flag in Flag}
        if not isinstance(flags, dict) or any(type(flag) is not int or flag not in known for flag in flags.values()):
            self._fault(("flag", "map"), "expected marks with their flags", flags, "{good: 1, bad: 4}")
            flags = {}
        at = self._path(given["path"], ("flag", "path")) if "path" in given else None
        return at, {str(mark): int(flag) for mark, flag in flags.items()}

    def _names(self, data: AnyMapping[str, object]) -> AnyMapping[str, str]:
        names = data.get("names", {})
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            self._fault(("names",), "expected names with sensors", names, "{a84041-level: wl-017}")
            return {}
        return {str(sent): str(sensor) for sent, sensor in names.items()}

    def _ignored(self, data: AnyMapping[str, object]) -> frozenset[str]:
        keys = data.get("ignore", [])
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            self._fault(("ignore",), "expected a list of keys", keys, "[status, firmware]")
            return frozenset()
        return frozenset(str(key) for key in keys)

    def _yes(self, data: AnyMapping[str, object], key: str) -> bool:
        yes = data.get(key, False)
        if not isinstance(yes, bool):
            self._fault((key,), "expected true or false", yes)
        return yes is True
