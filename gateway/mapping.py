r"""Mappings: how the rows of a recorded file become readings. A small YAML file, checked whole, with file:line:column.

::

    version: 1
    files: ["*.csv.gz"]                 # globs below the folder that is replayed; sorted by name
    format: csv                         # csv, jsonl or parquet; by the files' names when not given
    csv: {delimiter: ";", skip_lines: 0, encoding: utf-8}   # delimiter may be `whitespace`
    time: {column: when, zone: Asia/Shanghai, format: "%d.%m.%Y %H:%M"}   # or a list of columns, joined by a space
                                        # format: iso (default), unix_s, unix_ms, or strptime's
                                        # zone: of times that are written without an offset
    derive:                             # further columns made of others
      borough: {from: sensor_id, match: "([A-Z]+)-.*", map: {BK: brooklyn}}
    sensor: "{sensor_id}"               # names are templates over the columns
    gateway: "gw-{borough}"
    district: "{borough}"
    value: {column: depth, unit: in}    # one value a row (or unit_column: …), or
    values:                             # several:
      - {column: stage_cm, unit: cm, sensor: "{station}-stage"}
      - {match: "(?P<name>.+) \\[(?P<unit>.+)\\]", sensor: "{station}-{name}"}   # units in the columns' names, or
    profile: {values: depths, offsets_s: seconds, unit: in}   # JSON arrays, offsets from the row's time
    flag: {column: quality, map: {good: 1, bad: 4}}
    missing: ["", NaN, -9999]           # what stands for no value
    plausible: {onset_min: [0, 100000]} # rows with a number outside are refused
"""

from __future__ import annotations

import re
from collections.abc import Mapping as AnyMapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from city.errors import Fault, FaultyInput, InputError
from city.folder import read_text
from city.units import parse as parse_unit
from city.yamlfile import Positions, check_keys, parse, show

FORMATS = ("csv", "jsonl", "parquet")
_OPTIONAL = ("format", "csv", "derive", "value", "values", "profile", "flag", "missing", "plausible")
_REQUIRED = ("version", "files", "time", "sensor", "gateway", "district")
_PLACE = re.compile(r"\{([^{}]+)\}")
_At = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `{column}` places."""

    text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it needs."""
        return tuple(_PLACE.findall(self.text))

    def fill(self, row: AnyMapping[str, object]) -> str:
        """The text for one row (KeyError for a column that is not there)."""
        return _PLACE.sub(lambda place: str(row[place[1]]), self.text)


@dataclass(frozen=True, slots=True)
class TimeColumn:
    """Where a row's time stands: columns joined by a space, how it is written, the zone of times without an offset."""

    columns: tuple[str, ...]
    format: str = "iso"
    zone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class Derived:
    """A column made of another: the pattern's first group (or the whole), looked up in `lookup` if there is one."""

    name: str
    source: str
    match: re.Pattern[str]
    lookup: AnyMapping[str, str]


@dataclass(frozen=True, slots=True)
class Value:
    """A column of values: by name, or every column whose whole name matches (groups `name`, `unit`)."""

    column: str
    unit: str = ""
    unit_column: str = ""
    sensor: Template | None = None
    match: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """Columns with JSON arrays: values, and their offsets in seconds from the row's time."""

    values: str
    offsets_s: str
    unit: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """A whole mapping, consistent by construction."""

    files: tuple[str, ...]
    time: TimeColumn
    sensor: Template
    gateway: Template
    district: Template
    values: tuple[Value, ...] = ()
    profile: Profile | None = None
    format: str = ""
    delimiter: str = ","
    skip_lines: int = 0
    encoding: str = "utf-8"
    derived: tuple[Derived, ...] = ()
    flag_column: str = ""
    flags: AnyMapping[str, int] = field(default_factory=dict)
    missing: frozenset[str] = frozenset({"", "nan", "null", "none"})
    plausible: AnyMapping[str, tuple[float, float]] = field(default_factory=dict)


def read_mapping(path: Path) -> Mapping:
    """The mapping in a file (FaultyInput with every fault, OutsideError when it cannot be read)."""
    return load_mapping(read_text(path, "mapping"), path.name)


def load_mapping(text: str, file: str) -> Mapping:
    """The mapping written as `text` (FaultyInput with every fault)."""
    data, positions = parse(text, file)
    reader = _Reader(positions, [])
    mapping = reader.mapping(data)
    if reader.faults or mapping is None:
        raise FaultyInput(reader.faults)
    return mapping


@dataclass
class _Reader:
    """One mapping being read; faults are collected."""

    positions: Positions
    faults: list[Fault]

    def fault(self, at: _At, what: str, got: object = "", hint: str = "") -> None:
        self.faults.append(self.positions.fault(at, what, show(got) if got != "" else "", hint))

    def keys(
        self, data: object, at: _At, required: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, object]:
        self.faults += check_keys(data, at, self.positions, required=required, optional=optional)
        return dict(data) if isinstance(data, AnyMapping) else {}

    def text(self, data: AnyMapping[str, object], key: str, at: _At, default: str = "") -> str:
        value = data.get(key, default)
        if isinstance(value, str) and (value or key not in data):
            return value
        self.fault((*at, key), f"{key}: expected text", value, "quotes around it")
        return default

    def mapping(self, data: object) -> Mapping | None:
        top = self.keys(data, (), _REQUIRED, _OPTIONAL)
        if not top:
            return None
        if top.get("version", 1) != 1:
            self.fault(("version",), "unknown version of mappings", top["version"], "version: 1")
        csv = self.keys(top.get("csv", {}), ("csv",), (), ("delimiter", "skip_lines", "encoding"))
        form = self.text(top, "format", ())
        if form and form not in FORMATS:
            self.fault(("format",), "unknown format", form, ", ".join(FORMATS))
        values, profile = self.measured(top)
        flag = self.keys(top.get("flag", {}), ("flag",), ("column", "map") if "flag" in top else ())
        lookup = flag.get("map", {})
        if not isinstance(lookup, AnyMapping) or not all(v in (1, 2, 3, 4, 9) for v in lookup.values()):
            self.fault(("flag", "map"), "flags: expected 1, 2, 3, 4 or 9", lookup, "{good: 1, bad: 4}")
            lookup = {}
        return Mapping(
            files=tuple(self.texts(top, "files", ())),
            time=self.time(top),
            sensor=self.template(top, "sensor"),
            gateway=self.template(top, "gateway"),
            district=self.template(top, "district"),
            values=values,
            profile=profile,
            format=form,
            delimiter=self.text(csv, "delimiter", ("csv",), ","),
            skip_lines=self.whole(csv, "skip_lines"),
            encoding=self.text(csv, "encoding", ("csv",), "utf-8"),
            derived=tuple(self.derived(top)),
            flag_column=self.text(flag, "column", ("flag",)),
            flags={str(key): int(value) for key, value in lookup.items()},
            missing=self.missing(top),
            plausible=self.plausible(top),
        )

    def whole(self, csv: AnyMapping[str, object], key: str) -> int:
        value = csv.get(key, 0)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        self.fault(("csv", key), f"{key}: expected a whole number", value, f"{key}: 0")
        return 0

    def texts(self, data: AnyMapping[str, object], key: str, at: _At) -> list[str]:
        value = data.get(key)
        every = [value] if isinstance(value, str) else value
        if isinstance(every, list) and every and all(isinstance(text, str) and text for text in every):
            return every
        if key in data:
            self.fault((*at, key), f"{key}: expected a text or a list of texts", value)
        return []

    def template(self, top: AnyMapping[str, object], key: str) -> Template:
        return Template(self.text(top, key, ()))

    def pattern(self, data: AnyMapping[str, object], at: _At, default: str) -> re.Pattern[str]:
        text = self.text(data, "match", at, default)
        try:
            return re.compile(text)
        except re.error as error:
            self.fault((*at, "match"), f"match: not a regular expression ({error})", text)
            return re.compile(default)

    def time(self, top: AnyMapping[str, object]) -> TimeColumn:
        data = self.keys(top.get("time", {}), ("time",), ("column",), ("zone", "format"))
        zone, name = None, self.text(data, "zone", ("time",))
        if name:
            try:
                zone = ZoneInfo(name)
            except (KeyError, ValueError, OSError):
                self.fault(("time", "zone"), "no such time zone", name, "UTC or Asia/Shanghai")
        return TimeColumn(
            tuple(self.texts(data, "column", ("time",))), self.text(data, "format", ("time",), "iso"), zone
        )

    def measured(self, top: AnyMapping[str, object]) -> tuple[tuple[Value, ...], Profile | None]:
        forms = [key for key in ("value", "values", "profile") if key in top]
        if len(forms) != 1:
            self.fault((), "a mapping has exactly one of value, values and profile", ", ".join(forms) or "none")
            return (), None
        if forms == ["profile"]:
            at: _At = ("profile",)
            data = self.keys(top["profile"], at, ("values", "offsets_s", "unit"))
            unit = self.unit(data, at)
            return (), Profile(self.text(data, "values", at), self.text(data, "offsets_s", at), unit)
        if forms == ["value"]:
            return (self.value(top["value"], ("value",)),), None
        entries = top["values"]
        if not isinstance(entries, list) or not entries:
            self.fault(("values",), "values: expected a list", entries, "- {column: …, unit: …}")
            return (), None
        return tuple(self.value(entry, ("values", n)) for n, entry in enumerate(entries)), None

    def value(self, entry: object, at: _At) -> Value:
        data = self.keys(entry, at, (), ("column", "unit", "unit_column", "sensor", "match"))
        sensor = Template(self.text(data, "sensor", at)) if "sensor" in data else None
        if ("column" in data) == ("match" in data):
            self.fault(at, "a value is one column or a match over columns", ", ".join(data) or "nothing")
        if "match" not in data:
            return Value(self.text(data, "column", at), self.unit(data, at), self.text(data, "unit_column", at), sensor)
        if sensor is None or "{name}" not in sensor.text:
            self.fault(at, "several columns need several sensors", hint='sensor: "{station}-{name}"')
        return Value("", self.unit(data, at), "", sensor, self.pattern(data, at, ".*"))

    def unit(self, data: AnyMapping[str, object], at: _At) -> str:
        text = self.text(data, "unit", at)
        if text:
            try:
                parse_unit(text)
            except InputError as error:
                self.fault((*at, "unit"), str(error))
        return text

    def derived(self, top: AnyMapping[str, object]) -> list[Derived]:
        entries = top.get("derive", {})
        if not isinstance(entries, AnyMapping):
            self.fault(("derive",), "derive: expected a mapping", entries, "name: {from: column}")
            return []
        found = []
        for name, entry in entries.items():
            at: _At = ("derive", name)
            data = self.keys(entry, at, ("from",), ("match", "map"))
            lookup = data.get("map", {})
            if not isinstance(lookup, AnyMapping):
                self.fault((*at, "map"), "map: expected a mapping", lookup)
                lookup = {}
            pairs = {str(key): str(value) for key, value in lookup.items()}
            found.append(Derived(str(name), self.text(data, "from", at), self.pattern(data, at, "(.*)"), pairs))
        return found

    def missing(self, top: AnyMapping[str, object]) -> frozenset[str]:
        entries = top.get("missing", [])
        if not isinstance(entries, list):
            self.fault(("missing",), "missing: expected a list", entries, '["", -9999]')
            return frozenset()
        return frozenset({"", "nan", "null", "none", *(str(entry).strip().lower() for entry in entries)})

    def plausible(self, top: AnyMapping[str, object]) -> dict[str, tuple[float, float]]:
        entries = top.get("plausible", {})
        found = {}
        for column, bounds in entries.items() if isinstance(entries, AnyMapping) else ():
            match bounds:
                case [int() | float() as low, int() | float() as high] if low <= high:
                    found[str(column)] = (float(low), float(high))
                case _:
                    self.fault(("plausible", str(column)), "expected [least, most]", bounds, "[0, 100000]")
        return found
