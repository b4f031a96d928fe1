"""Reads the `events` of rule tests: one form each, with what belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from city import units
from city.errors import Fault, FaultyInput, InputError
from city.levels import COLOURS, Flag, Level
from city.positions import Path, nearest_or_all, show
from rules.trials.happenings import Ask, Happening, Mishap, Reload, Restart, Said
from rules.trials.post import Down
from rules.trials.reading import Reading

COMMANDS: Mapping[str, str] = {
    "ack": "acknowledge",
    "noted": "note",  # `note` is what they say
    **{
        word: word
        for word in (
            "confirm", "false_alarm", "analyse", "dispatch", "cannot_go", "on_site", "report", "close",
            "shelve", "unshelve", "out_of_service", "in_service", "maintain", "end_maintenance", "reset",
        )
    },
}  # fmt: skip
_SAID_BY = ("by", "note", "refused")
# What must and what may stand beside each form.
FORMS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "gap": (("for",), ()),
    "late": (("for", "by"), ()),
    "duplicate": (("for",), ("by", "value")),
    "flag": (("for", "as"), ()),
    "skew": ((), ("for", "ahead", "behind")),
    "offline": (("for",), ("lost",)),
    "heard": (("for",), ()),
    "restart": ((), ()),
    "reload": ((), ()),
    "endpoint_down": (("for",), ()),
    **dict.fromkeys(COMMANDS, ((), _SAID_BY)),
    "shelve": ((), (*_SAID_BY, "for", "one_shot", "level")),
    "out_of_service": ((), (*_SAID_BY, "for")),
    "maintain": ((), (*_SAID_BY, "for", "level")),
}
_BESIDE = {"at", *(key for required, optional in FORMS.values() for key in (*required, *optional))}
_FLAGS = {flag.name.lower(): flag for flag in Flag} | {str(flag.value): flag for flag in Flag}
_SOON_US, _EVER_US = 1_000_000, 1 << 62


@dataclass
class Events:
    """The events of one test.

    Attributes
    ----------
    reading
        The file being read.
    alarms
        Every `rule/scope` there can be.
    channels
        The channels of `escalation.yaml`.
    rebook
        Puts other files in force: file name to text (None: without it); the number of the book that they give.
    """

    reading: Reading
    alarms: Collection[str]
    channels: Collection[str]
    rebook: Callable[[Mapping[str, str | None]], int]
    texts: Mapping[str, str]
    found: list[Happening] = field(default_factory=list)

    def read(self, data: object, path: Path) -> None:
        """One event."""
        reading = self.reading
        forms = [key for key in data if key in FORMS] if isinstance(data, Mapping) else []
        if not isinstance(data, Mapping) or len(forms) != 1:
            strange = [key for key in data if key not in _BESIDE] if isinstance(data, Mapping) and not forms else []
            for key in strange:
                at = reading.positions.key_at((*path, key))
                reading.faults.append(
                    Fault(reading.positions.file, *at, f"unknown key {key!r}", hint=nearest_or_all(key, FORMS))
                )
            if not strange:
                what, hint = "an event has exactly one form", "one of " + nearest_or_all("", FORMS)
                reading.fault(path, what, ", ".join(forms) or show(data), hint)
            return
        form = forms[0]
        required, optional = FORMS[form]
        if not reading.keys(data, path, ("at", form, *required), optional):
            return
        at_us = reading.moment_us(data, "at", path)
        if at_us < reading.start_us:
            reading.fault((*path, "at"), "at: before the start of the test", show(data["at"]), "0s")
        to_us = at_us + reading.span_us(data, "for", path) if "for" in data else _EVER_US
        before = len(reading.faults)
        made = self._make(form, data, path, at_us, to_us)
        if len(reading.faults) == before:
            self.found += made

    def _make(self, form: str, data: Mapping[str, object], path: Path, at_us: int, to_us: int) -> list[Happening]:
        if form in COMMANDS:
            return [self._ask(form, data, path, at_us, None if to_us == _EVER_US else to_us)]
        match form:
            case "restart":
                return [Restart(at_us)]
            case "reload":
                return self._reload(data, path, at_us)
            case "endpoint_down":
                names = self.reading.names(data, form, path, self.channels, "channel")
                return [Down(name, at_us, to_us) for name in names]
            case "offline" | "heard" | "skew":
                return self._gateway(form, data, path, at_us, to_us)
            case _:
                return [self._mishap(form, data, path, at_us, to_us)]

    def _mishap(self, form: str, data: Mapping[str, object], path: Path, at_us: int, to_us: int) -> Mishap:
        reading = self.reading
        sensors = reading.names(data, form, path, reading.city.sensors, "sensor of this test")
        by_us = reading.span_us(data, "by", path, _SOON_US if form == "duplicate" else 0)
        value, flag = None, Flag.PASS
        if "value" in data and sensors:
            unit = reading.city.sensors[sensors[0]].quantity.unit
            try:
                value = units.measure(str(data["value"]), unit)
            except InputError as error:
                reading.fault((*path, "value"), str(error))
        if form == "flag":
            word = str(data["as"])
            if word not in _FLAGS:
                reading.fault((*path, "as"), "unknown quality flag", show(data["as"]), nearest_or_all(word, _FLAGS))
            flag = _FLAGS.get(word, Flag.PASS)
        return Mishap(form, frozenset(sensors), at_us, to_us, by_us, value, flag)

    def _gateway(self, form: str, data: Mapping[str, object], path: Path, at_us: int, to_us: int) -> list[Happening]:
        reading, city = self.reading, self.reading.city
        names = reading.names(data, form, path, city.gateways, "gateway of this test")
        own = frozenset(sensor.id for name in names for sensor in city.sensors_of[name])
        if form == "skew":
            if ("ahead" in data) == ("behind" in data):
                reading.fault(path, "skew needs either ahead or behind", hint="ahead: 10m")
            by_us = reading.span_us(data, "ahead", path) - reading.span_us(data, "behind", path)
            return [Mishap(form, own, at_us, to_us, by_us)]
        if form == "offline":
            lost = reading.truth(data, "lost", path)
            told = [Said(when, name, online) for name in names for when, online in ((at_us, False), (to_us, True))]
            return [Mishap(form, own, at_us, to_us, lost=lost), *told]
        every = {name: round(city.gateways[name].interval_s * 1e6) for name in names}
        return [Said(when, name, True) for name in names for when in range(at_us, to_us, every[name])]

    def _reload(self, data: Mapping[str, object], path: Path, at_us: int) -> list[Happening]:
        reading, changes = self.reading, data["reload"]
        here: Path = (*path, "reload")
        if not isinstance(changes, Mapping) or not changes:
            hint = "{rules/depth.yaml: trials/depth-next.yaml}, the text itself, or nothing to remove it"
            reading.fault(here, "reload: expected files and what takes their place", show(changes), hint)
            return []
        texts: dict[str, str | None] = {}
        for name, new in changes.items():
            if isinstance(new, str) and "\n" not in new and new not in self.texts:
                reading.fault((*here, name), "no such file", show(new), nearest_or_all(new, self.texts))
            elif new is not None and not isinstance(new, str):
                reading.fault((*here, name), "expected a file, its text, or nothing", show(new), "a text")
            else:
                texts[name] = None if new is None else new if "\n" in new else self.texts[new]
        if len(texts) < len(changes):
            return []
        try:
            return [Reload(at_us, self.rebook(texts))]
        except FaultyInput as error:
            for fault in error.faults:
                reading.fault(here, f"the reloaded folder is refused: {fault}")
            return []

    def _ask(self, form: str, data: Mapping[str, object], path: Path, at_us: int, until_us: int | None) -> Ask:
        reading = self.reading
        if form in ("out_of_service", "in_service"):
            names = reading.names(data, form, path, reading.city.sensors, "sensor of this test")
        elif form in ("maintain", "end_maintenance"):
            city = reading.city
            known = {"sensor": city.sensors, "site": city.sites, "gateway": city.gateways}
            places = [f"{kind}/{name}" for kind, own in known.items() for name in own]
            names = reading.names(data, form, path, places, "place (sensor/…, site/… or gateway/…)")
        else:
            names = reading.names(data, form, path, self.alarms, "alarm (rule/scope)")
        level = None
        if "level" in data:
            level = Level.of(reading.word(data, "level", path, [colour.word for colour in COLOURS]))
        line, column = reading.positions.at((*path, form))
        return Ask(
            at_us, COMMANDS[form], names[0] if names else "", str(data.get("by", "tester")), str(data.get("note", "")),
            line, column, until_us, reading.truth(data, "one_shot", path), level, reading.truth(data, "refused", path),
        )  # fmt: skip
