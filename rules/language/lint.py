"""What is allowed in a rule book but hardly meant: warnings with file:line:column, each kind with a stable name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from city.duration import write as write_duration
from city.errors import Fault
from city.levels import Level
from city.model import Sensor
from city.positions import Path, Positions
from city.yamlfile import read
from rules.alarm.ladder import Rung
from rules.book import Book, Instance, Rule
from rules.conditions.kinds import Compare, Near, Only, Quiet, parts_of
from rules.language.grammar import AGGREGATES, COMPARISONS, LEVELS
from rules.language.reachable import span_of, too_short, why_never

WARNINGS: Mapping[str, str] = {
    "unreachable-level": "A level that can never be reached.",
    "never-clears": "A level that can never end, because its deadband reaches past all that its sensors can report.",
    "no-deadband": "A level on the sensor's own value without a deadband: a wavering value raises it again and again.",
    "no-neighbours": "A condition on neighbours that some of the watched sensors do not have.",
    "short-window": "A time in which fewer than three samples of a sensor come.",
    "no-guidance": "A rule that does not say what to do.",
    "no-chain": "A rule that tells nobody.",
    "no-test": "A rule that no rule test names.",
    "unverified-source": "Thresholds that nobody has verified.",
}
_INTERVALS = 3
_TESTS = (".test.yaml", ".test.yml")


@dataclass(frozen=True, slots=True, order=True)
class Advice:
    """One warning: where and what, and the name of its kind (a key of `WARNINGS`)."""

    fault: Fault
    name: str

    def __str__(self) -> str:
        return f"{self.fault} [{self.name}]"


@dataclass
class _Written:
    """One rule as it stands in its file, and its instances."""

    rule: Rule
    data: Mapping[str, object]
    path: Path
    positions: Positions
    instances: list[Instance] = field(default_factory=list)

    def at(self, name: str, path: Path, what: str, hint: str = "") -> Advice:
        return Advice(self.positions.fault((*self.path, *path), what, hint=hint), name)


def lint(files: Mapping[str, str], book: Book) -> list[Advice]:
    """Every warning about a book without faults, in file order.

    Parameters
    ----------
    files
        The city folder by relative path: where rules stand, and the rule tests.
    book
        The book read from them.
    """
    named = _named_in_tests(files)
    found: list[Advice] = []
    for written in _written(files, book):
        found += _about_rule(written, named)
        for colour in LEVELS:
            own = [(i, rung) for i in written.instances for rung in i.ladder.rungs if rung.level is Level.of(colour)]
            if own:
                found += _about_level(written, colour, own, book)
    return sorted(set(found))


def _written(files: Mapping[str, str], book: Book) -> list[_Written]:
    """The rules of a book as they stand in their files, in file order."""
    rules = book.rules
    found: dict[str, _Written] = {}
    for file in sorted({rule.file for rule in rules.values()}):
        text = read(files.get(file, ""), file)
        listed = text.data.get("rules") if isinstance(text.data, Mapping) else None
        for at, data in enumerate(listed if isinstance(listed, list) else []):
            rule = rules.get(str(data.get("id"))) if isinstance(data, Mapping) else None
            if rule is not None and rule.file == file:
                found.setdefault(rule.id, _Written(rule, data, ("rules", at), text.positions))
    for instance in book.instances.values():
        if instance.rule.id in found:
            found[instance.rule.id].instances.append(instance)
    return list(found.values())


def _named_in_tests(files: Mapping[str, str]) -> set[str]:
    """Every rule that a rule test names, alone or as `rule/sensor`."""
    found: set[str] = set()

    def collect(value: object) -> None:
        if isinstance(value, str):
            found.add(value.partition("/")[0])
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                collect(key)
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    for file, text in files.items():
        if file.endswith(_TESTS):
            collect(read(text, file).data)
    return found


def _about_rule(written: _Written, named: set[str]) -> list[Advice]:
    rule, data, found = written.rule, written.data, []
    if not data.get("guidance"):
        found.append(written.at("no-guidance", ("id",), f"{rule.id} does not say what to do", "guidance: …"))
    if not data.get("escalate"):
        found.append(written.at("no-chain", ("id",), f"{rule.id} tells nobody", "escalate: a chain of escalation.yaml"))
    if rule.id not in named:
        hint = f"a test that expects an alarm {rule.id}/SENSOR"
        found.append(written.at("no-test", ("id",), f"no rule test names {rule.id}", hint))
    if rule.source.status == "unverified":
        path: Path = ("source", "status") if "source" in data else ("id",)
        what = f"nobody has verified the thresholds of {rule.id}"
        hint = "reading its source, then status: verified, or status: site for a decision of your own"
        found.append(written.at("unverified-source", path, what, hint))
    return found


def _about_level(written: _Written, colour: str, own: Sequence[tuple[Instance, Rung]], book: Book) -> list[Advice]:
    """Warnings about one level of a rule; `own`: its instances with their rungs of this level."""
    path: Path = ("ladder", colour)
    sensors = [instance.sensor for instance, _ in own]
    whys = [why_never(rung.condition, instance.sensor, book.city) or _never_long_enough(rung) for instance, rung in own]
    if all(whys):
        return [written.at("unreachable-level", path, f"{colour} can never be reached: {whys[0]}")]
    found = []
    ladder = written.data.get("ladder")
    level = ladder.get(colour) if isinstance(ladder, Mapping) else None
    deadband = max(rung.deadband for _, rung in own)
    if deadband <= 0 and (asked := _own_comparison(level)):
        what = f"{colour} has no deadband: a value that wavers around {asked} raises it again and again"
        found.append(written.at("no-deadband", path, what, "deadband: a little more than the sensor's noise"))
    if all(_never_ends(rung, instance.sensor) for instance, rung in own):
        found.append(written.at("never-clears", (*path, "deadband"), f"{colour} can never end", "a smaller deadband"))
    return found + _about_times(written, colour, own[0][1], sensors, book) + _about_neighbours(written, colour, own)


def _about_times(written: _Written, colour: str, rung: Rung, sensors: Sequence[Sensor], book: Book) -> list[Advice]:
    found = []
    for part in parts_of(rung.condition):
        needs = 1 if isinstance(part, Near) and isinstance(part.ask, Quiet) else _INTERVALS
        if (short := too_short(part, sensors, book.city, needs)) is not None:
            time_us, slow = short
            of = f"{slow.id} (one in {write_duration(slow.interval_s)})"
            what = f"{colour} looks at {write_duration(time_us / 1e6)}, too short for {needs} samples of {of}"
            found.append(written.at("short-window", ("ladder", colour), what, write_duration(needs * slow.interval_s)))
    return found


def _about_neighbours(written: _Written, colour: str, own: Sequence[tuple[Instance, Rung]]) -> list[Advice]:
    alone: dict[str, list[str]] = {}
    for instance, rung in own:
        for part in parts_of(rung.condition):
            if isinstance(part, Near) and len(part.sensors) < max(part.need, 1):
                alone.setdefault(part.written, []).append(instance.sensor.id)
    found = []
    for asked, names in alone.items():
        some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
        what = f"{colour} asks for more neighbours than {len(names)} of {len(own)} sensors have ({some}): {asked}"
        found.append(written.at("no-neighbours", ("ladder", colour), what, "a greater distance"))
    return found


def _never_long_enough(rung: Rung) -> str:
    """Why the on-delay cannot be completed: the calendar's window ends before."""
    for part in parts_of(rung.condition):
        length_us = getattr(part.calendar, "window_us", None) if isinstance(part, Only) else None
        if length_us is not None and rung.for_us > length_us:
            own = write_duration(rung.for_us / 1e6)
            return f"for: {own} is longer than it may hold, {write_duration(length_us / 1e6)}"
    return ""


def _never_ends(rung: Rung, sensor: Sensor) -> bool:
    condition, span = rung.condition, span_of(sensor)
    if not isinstance(condition, Compare) or rung.deadband <= 0:
        return False
    calm_low = span.low if condition.low is None else max(span.low, condition.low + rung.deadband)
    calm_high = span.high if condition.high is None else min(span.high, condition.high - rung.deadband)
    return calm_low > calm_high or (condition.high is not None and calm_high <= span.low)


def _own_comparison(level: object) -> str:
    """The bound that a level as written first holds the sensor's own value against; empty when there is none."""
    if not isinstance(level, Mapping) or any(key in level for key in ("near", *AGGREGATES)):
        return ""
    for form in COMPARISONS:
        if form in level:
            bound = level[form]
            return " or ".join(map(str, bound)) if isinstance(bound, list) else str(bound)
    parts = level.get("all") or level.get("any") or []
    return next((asked for part in parts if (asked := _own_comparison(part))), "") if isinstance(parts, list) else ""
