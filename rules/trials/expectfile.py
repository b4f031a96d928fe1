"""Reads the `expect` of rule tests: at an instant, one form, with the fields that are to be so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from city.levels import COLOURS, Level
from city.positions import Path, nearest_or_all, show
from rules.desk.clocks import MEANS
from rules.trials.reading import Reading

CONDITIONS = ("normal", "pending", "active", "clearing", "unknown", "orphaned")
HOLDS = ("none", "shelved", "suppressed", "out_of_service")
STAGES = ("raised", "confirmed", "false_alarm", "analysed", "dispatched", "on_site", "reported", "closed")
NOTICE_KINDS = ("raise", "update", "repeat", "clear", "no_duty", "clock_missed", "digest", "flood_end")
CLOCKS = tuple(MEANS)
NOTICE_STATES = ("sent", "queued", "failed", "superseded", "any")
LEVELS = ("none", *(colour.word for colour in COLOURS))

# The fields of each form, and how each is read.
ALARM: Mapping[str, str] = {
    "level": "level", "pending": "level", "peak": "level", "condition": "condition", "flag": "flag",
    "acknowledged": "truth", "hold": "hold", "latched": "truth", "late": "truth", "raised_at": "moment",
    "cleared_at": "moment", "evidence": "sensors", "reason": "text", "occurrences": "count",
}  # fmt: skip
INCIDENT: Mapping[str, str] = {
    "level": "level", "peak": "level", "stage": "stage", "acknowledged": "truth", "open": "truth",
    "alarms": "alarms", "first": "alarm", "missed": "clocks",
}  # fmt: skip
NOTICES: Mapping[str, str] = {
    "to": "text", "target": "text", "via": "text", "kind": "notice_kind", "state": "notice_state", "level": "level",
    "about": "alarm", "since": "moment", "count": "count",
}  # fmt: skip
FORMS = ("alarm", "alarms", "at_least", "no_alarms", "incident", "incidents", "notices")


@dataclass(frozen=True, slots=True)
class Check:
    """What is expected at an instant.

    Attributes
    ----------
    at_us, form
        When, and which of `FORMS`.
    about
        The alarm it speaks of (`alarm`, `incident`).
    wanted
        What is to be so, by field: levels as Level, instants in microseconds, names as tuples, `alarms` as a mapping
        from key to Level or None (any).
    places
        Line and column of each field; that of the whole under an empty name.
    """

    at_us: int
    form: str
    about: str
    wanted: Mapping[str, object]
    places: Mapping[str, tuple[int, int]]

    @property
    def alarms(self) -> Mapping[str, Level | None]:
        """The alarms that `alarms` and `at_least` speak of."""
        value = self.wanted.get(self.form)
        return value if isinstance(value, Mapping) else {}

    @property
    def names(self) -> tuple[str, ...]:
        """The rules and alarms that `no_alarms` speaks of; none means all."""
        value = self.wanted.get(self.form)
        return value if isinstance(value, tuple) else ()


@dataclass
class Expectations:
    """The expectations of one test. `alarms`: every `rule/scope` there can be; `rules`: every rule."""

    reading: Reading
    alarms: Collection[str]
    rules: Collection[str]
    found: list[Check] = field(default_factory=list)

    def read(self, data: object, path: Path) -> None:
        """One entry."""
        reading = self.reading
        forms = [key for key in data if key in FORMS] if isinstance(data, Mapping) else []
        if isinstance(data, Mapping) and "incident" in forms and "alarms" in forms:
            forms.remove("alarms")  # a field of the incident
        if not isinstance(data, Mapping) or len(forms) != 1:
            hint = "one of " + ", ".join(FORMS)
            got = ", ".join(forms) or (", ".join(map(str, data)) if isinstance(data, Mapping) else show(data))
            reading.fault(path, "an expectation has exactly one form", got, hint)
            return
        form = forms[0]
        fields = {"alarm": ALARM, "incident": INCIDENT}.get(form, {})
        if not reading.keys(data, path, ("at", form), tuple(fields)):
            return
        before = len(reading.faults)
        at_us = reading.moment_us(data, "at", path)
        if at_us < reading.start_us:
            reading.fault((*path, "at"), "at: before the start of the test", show(data["at"]), "10m")
        about, made = "", []
        if form == "notices":
            made = self._notices(data, path)
        elif fields:
            about = self._known(data[form], (*path, form), self.alarms, "alarm (rule/scope)")
            made = [self._fields(data, path, fields)]
        else:
            made = [({form: self._whole(form, data[form], (*path, form))}, {})]
        if len(reading.faults) > before:
            return
        for wanted, places in made:
            self.found.append(Check(at_us, form, about, wanted, {"": reading.positions.at(path), **places}))

    def _notices(
        self, data: Mapping[str, object], path: Path
    ) -> list[tuple[dict[str, object], dict[str, tuple[int, int]]]]:
        here: Path = (*path, "notices")
        entries = data["notices"]
        parts = [((*here, at), it) for at, it in enumerate(entries)] if isinstance(entries, list) else [(here, entries)]
        made = []
        for where, entry in parts:
            if self.reading.keys(entry, where, (), tuple(NOTICES)) and isinstance(entry, Mapping):
                wanted, places = self._fields(entry, where, NOTICES)
                made.append((wanted, {**places, "": self.reading.positions.at(where)}))
        return made

    def _fields(
        self, data: Mapping[str, object], path: Path, fields: Mapping[str, str]
    ) -> tuple[dict[str, object], dict[str, tuple[int, int]]]:
        wanted = {key: self._value(kind, data, key, path) for key, kind in fields.items() if key in data}
        return wanted, {key: self.reading.positions.at((*path, key)) for key in wanted}

    def _value(self, kind: str, data: Mapping[str, object], key: str, path: Path) -> object:
        reading, here = self.reading, (*path, key)
        words = {
            "condition": CONDITIONS, "hold": HOLDS, "stage": STAGES, "notice_kind": NOTICE_KINDS,
            "notice_state": NOTICE_STATES,
        }  # fmt: skip
        match kind:
            case "level":
                return Level.of(reading.word(data, key, path, LEVELS))
            case "truth":
                return reading.truth(data, key, path)
            case "moment":
                return reading.moment_us(data, key, path)
            case "flag":
                return str(reading.word({key: str(data[key]).lower()}, key, path, ("unknown", "none")))
            case "sensors":
                return reading.names(data, key, path, self._scopes(), "sensor or gateway of this test")
            case "clocks":
                return reading.names(data, key, path, CLOCKS, "clock")
            case "alarms":
                return self._keys(data[key], here)
            case "alarm":
                return self._known(data[key], here, self.alarms, "alarm (rule/scope)")
            case "count":
                number = reading.number(data, key, path, least=0)
                if number != int(number):
                    reading.fault(here, f"{key}: expected a whole number", show(data[key]), f"{number:.0f}")
                return int(number)
            case "text":
                return str(data[key])
            case _:
                return reading.word(data, key, path, words[kind])

    def _whole(self, form: str, value: object, path: Path) -> object:
        """The value of a form that has no fields."""
        if form == "incidents":
            return self._value("count", {form: value}, form, path[:-1])
        if form == "no_alarms":
            if value is True:
                return ()
            entries = value if isinstance(value, list) else [value]
            known = [*self.rules, *self.alarms]
            return tuple(self._known(entry, path, known, "rule or alarm (rule/scope)") for entry in entries)
        return self._keys(value, path)

    def _keys(self, value: object, path: Path) -> dict[str, Level | None]:
        """Alarms, as a list of keys or as a mapping from key to level."""
        if isinstance(value, Mapping):
            return {
                self._key_known(key, path): Level.of(self.reading.word(value, key, path, LEVELS[1:])) for key in value
            }
        if isinstance(value, list):
            return {
                self._known(key, (*path, at), self.alarms, "alarm (rule/scope)"): None for at, key in enumerate(value)
            }
        hint = "[depth/wl-1], {depth/wl-1: red}, or [] for none"
        self.reading.fault(path, "expected alarms", show(value), hint)
        return {}

    def _key_known(self, key: str, path: Path) -> str:
        if key not in self.alarms:
            found = self.reading.positions.key_fault(
                (*path, key), "no such alarm (rule/scope)", show(key), nearest_or_all(key, self.alarms)
            )
            self.reading.faults.append(found)
        return key

    def _known(self, value: object, path: Path, known: Collection[str], what: str) -> str:
        if not isinstance(value, str) or value not in known:
            self.reading.fault(path, f"no such {what}", show(value), nearest_or_all(str(value), known))
        return str(value)

    def _scopes(self) -> list[str]:
        return [*self.reading.city.sensors, *self.reading.city.gateways]
