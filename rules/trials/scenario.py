"""Reads drills' storylines (`drills/*.yaml`): every fault at once, with file:line:column. docs/drills.md tells them.

A storyline is played from the moment somebody starts it, so its times count from there. Series are written as in rule
tests; after its last value a sensor stays at it until the drill ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from city.errors import Fault, FaultyInput
from city.levels import COLOURS
from city.positions import Path, nearest_or_all, show
from city.words import languages
from city.yamlfile import parse
from rules.book import Book
from rules.desk.plan import Escalation
from rules.drillplan import LONGEST_US, MINUTE_US, MOST_SENSORS
from rules.trials.arrivals import Measured
from rules.trials.reading import Reading
from rules.trials.seriesfile import Series, series_of

FOLDER = "drills/"
REQUIRED = ("version", "title", "series")
OPTIONAL = ("interval", "history", "for", "people", "expect")
MILESTONES = ("told", "acknowledged", "confirmed", "analysed", "dispatched", "on_site", "reported", "closed")
USUAL_US = 60 * MINUTE_US
LEAST_STEP_US = 1_000_000
_LONGEST_HISTORY_US = 24 * 60 * MINUTE_US


@dataclass(frozen=True)
class Scenario:
    """A storyline.

    Attributes
    ----------
    digest
        SHA-256 (hex) of its text.
    series
        Instants count from the drill's beginning; those before it (negative) are sent at once, as history.
    for_us
        How long the drill may last.
    people
        The only ones who are told; empty: whoever the chains name.
    wishes
        What is expected: `{"what": "acknowledged", "within_s": 180.0}`, `{"what": "alarm", "alarm": …, "level": …}`.
    """

    file: str
    digest: str
    title: Mapping[str, str]
    series: Sequence[Series]
    for_us: int
    people: tuple[str, ...] = ()
    wishes: tuple[Mapping[str, object], ...] = ()

    @property
    def sensors(self) -> tuple[str, ...]:
        """Which sensors take part."""
        return tuple(one.sensor for one in self.series)

    @property
    def length_us(self) -> int:
        """From the beginning to the last value."""
        return max(one.start_us + (len(one.values) - 1) * one.every_us for one in self.series)

    def measured(self, until_us: int) -> Iterator[Measured]:
        """Every reading up to and with an instant, in order; a sensor stays at its last value."""
        yield from sorted(
            (one for series in self.series for one in _lasting(series, until_us)),
            key=lambda one: (one.time_us, one.sensor),
        )


def _lasting(series: Series, until_us: int) -> Iterator[Measured]:
    last: Measured | None = None
    for one in series.measured():
        if one.time_us > until_us:
            return
        yield one
        last = one
    end_us = series.start_us + (len(series.values) - 1) * series.every_us
    if last is not None and last.time_us == end_us:  # a story that ends in a gap stays silent
        for at_us in range(end_us + series.every_us, until_us + 1, series.every_us):
            yield Measured(last.sensor, at_us, last.value, last.flag)


def is_drill(name: str) -> bool:
    """Whether a file of a city folder is a storyline."""
    return name.startswith(FOLDER) and name.endswith((".yaml", ".yml"))


def read_scenario(text: str, file: str, book: Book, escalation: Escalation) -> Scenario:
    """A storyline in a city (FaultyInput with every fault)."""
    data, positions = parse(text, file)
    reading = Reading(positions, [], book.city)
    found = _File(file, hashlib.sha256(text.encode()).hexdigest(), reading, book, escalation).read(data)
    if reading.faults or found is None:
        raise FaultyInput(reading.faults)
    return found


def drill_faults(files: Mapping[str, str], book: Book, escalation: Escalation) -> list[Fault]:
    """What is wrong with a city folder's storylines."""
    faults: list[Fault] = []
    for name in filter(is_drill, sorted(files)):
        try:
            read_scenario(files[name], name, book, escalation)
        except FaultyInput as error:
            faults += error.faults
    return faults


@dataclass
class _File:
    file: str
    digest: str
    reading: Reading
    book: Book
    escalation: Escalation
    series: dict[str, Series] = field(default_factory=dict)

    def read(self, data: object) -> Scenario | None:
        reading = self.reading
        reading.keys(data, (), REQUIRED, OPTIONAL)
        if not isinstance(data, Mapping) or not data.keys() >= set(REQUIRED):
            return None
        if data["version"] != 1:
            reading.fault(("version",), "unknown version of storylines", show(data["version"]), "1")
        history_us = reading.span_us(data, "history", ()) if "history" in data else 0
        if history_us > _LONGEST_HISTORY_US:
            reading.fault(("history",), "history: at most a day", show(data["history"]), "30m")
        reading.start_us = -history_us
        self._series(data)
        for_us = reading.span_us(data, "for", (), USUAL_US)
        if for_us > LONGEST_US:
            reading.fault(("for",), "for: a drill lasts at most 4 hours", show(data["for"]), "2h")
        people: tuple[str, ...] = ()
        if "people" in data:
            people = reading.names(data, "people", (), self.escalation.people, "person of escalation.yaml")
        made = Scenario(
            self.file, self.digest, self._title(data["title"]), tuple(self.series.values()), for_us, people,
            tuple(self._wishes(data)),
        )  # fmt: skip
        if self.series and made.length_us > for_us:
            hint = f"for: {-(-made.length_us // MINUTE_US) + 15}m"
            reading.fault(("for",) if "for" in data else (), "the drill would end before its story does", hint=hint)
        return made

    def _series(self, data: Mapping[str, object]) -> None:
        reading = self.reading
        every_us = reading.span_us(data, "interval", ())
        entries = reading.items(data, "series", (), '- {sensor: wl-017, values: "0x10 20x5"}')
        for path, entry in entries:
            needed = ("sensor", "values")
            if reading.keys(entry, path, needed, ("unit", "start", "interval", "flag")) and isinstance(entry, Mapping):
                for one in series_of(reading, entry, path, every_us):
                    self._one(one, path)
        if not entries:
            reading.fault(("series",), "a storyline without series", hint='- {sensor: wl-017, values: "0x10 20x5"}')
        if len(self.series) > MOST_SENSORS:
            reading.fault(("series",), f"at most {MOST_SENSORS} sensors take part", str(len(self.series)), "fewer")

    def _one(self, one: Series, path: Path) -> None:
        if one.sensor in self.series:
            self.reading.fault((*path, "sensor"), "a second series of this sensor", show(one.sensor), "one series")
        if one.every_us < LEAST_STEP_US:
            self.reading.fault(path, "values are played at most once a second", hint="interval: 1s")
        if one.sensor not in self.book.of_sensor and one.sensor not in self.book.near_sensor:
            self.reading.fault((*path, "sensor"), "no rule looks at this sensor", show(one.sensor), "leaving it out")
        self.series[one.sensor] = one

    def _title(self, value: object) -> Mapping[str, str]:
        if isinstance(value, str) and value.strip():
            return {"en": value}
        hint = "{en: Flood in River Road, zh: 滨河路积水}"
        if not isinstance(value, Mapping) or not value or not all(isinstance(v, str) and v for v in value.values()):
            self.reading.fault(("title",), "title: expected text, or text by language", show(value), hint)
            return {}
        for language in value:
            if language not in languages:
                near = nearest_or_all(str(language), languages)
                self.reading.fault(("title", language), "unknown language", show(language), near)
        return {str(language): str(text) for language, text in value.items()}

    def _wishes(self, data: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
        reading, wished = self.reading, data.get("expect", {})
        reading.keys(wished, ("expect",), (), ("alarms", *MILESTONES))
        if not isinstance(wished, Mapping):
            return
        alarms = wished.get("alarms", {})
        if not isinstance(alarms, Mapping):
            reading.fault(("expect", "alarms"), "alarms: expected levels by alarm", show(alarms), "{rule/sensor: red}")
            alarms = {}
        words = [level.word for level in COLOURS]
        for key in alarms:
            if key not in self.book.instances and key not in self.book.watches:
                near = nearest_or_all(str(key), [*self.book.instances, *self.book.watches])
                reading.fault(("expect", "alarms", key), "no such alarm", show(key), near)
            level = reading.word(alarms, key, ("expect", "alarms"), words)
            yield {"what": "alarm", "alarm": str(key), "level": level}
        for what in MILESTONES:
            if what in wished:
                yield {"what": what, "within_s": reading.span_us(wished, what, ("expect",)) / 1e6}
