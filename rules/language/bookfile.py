"""Reads rule books (`rules/*.yaml`) against a city: every fault at once, with file:line:column.

Beyond the schema it refuses what could never work: a rule that watches no sensor, a higher level that is easier to
reach than a lower one, a deadband that swallows the threshold below, a chain that does not exist.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from city.errors import Fault, FaultyInput
from city.identity import PLAIN_ID, id_problem, read_name
from city.levels import COLOURS, Level
from city.model import City, Sensor
from city.positions import Path, check_keys, nearest_or_all, show
from city.quantity import Quantity
from city.yamlfile import parse
from rules.alarm.ladder import Ladder, Rung
from rules.book import Book, Instance, Rule, Source, Watch
from rules.conditions.condition import Compare, Silent
from rules.language.conditionfile import BESIDE_LEVEL, Build, Reader, read_condition

RULE_KEYS = ("ladder", "clear_after", "stale_after", "escalate", "guidance", "source", "title")
WATCH_KEYS = ("quantity", "site_kind", "district", "sensors", "tags", "gateways")
STALE_INTERVALS, STALE_AT_LEAST_US = 3, 300_000_000
_ANY = Quantity("any", "1", "platform", {"en": "any", "zh": "任意"}, float("-inf"), float("inf"))


@dataclass
class _Books:
    """What has been read so far, over all files."""

    city: City
    chains: Collection[str]
    files: Mapping[str, str]
    whole: bool
    faults: list[Fault] = field(default_factory=list)
    instances: dict[str, Instance] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)
    detectors: set[str] = field(default_factory=set)
    first: dict[str, str] = field(default_factory=dict)  # rule id -> file:line


def load_book(
    files: Mapping[str, str], city: City, chains: Collection[str], *, whole: bool = True
) -> tuple[Book | None, list[Fault]]:
    """The book of all `rules/*.yaml` (not `*.test.yaml`); None with the faults if there are any.

    Parameters
    ----------
    files
        The city folder by relative path.
    city
        Its register.
    chains
        The names of its escalation chains.
    whole
        Whether the register is free of faults; if not, what a rule refers to may just be missing from it.
    """
    books = _Books(city, chains, files, whole)
    for file, text in sorted(files.items()):
        if (
            file.startswith("rules/")
            and file.endswith((".yaml", ".yml"))
            and not file.endswith((".test.yaml", ".test.yml"))
        ):
            try:
                data, positions = parse(text, file)
            except FaultyInput as error:
                books.faults += error.faults
                continue
            reader = Reader(positions, city, books.faults, books.detectors, whole)
            _read_file(books, reader, data)
    if books.faults:
        return None, books.faults
    return Book(city, books.instances, books.watches, frozenset(books.detectors)), []


def _read_file(books: _Books, reader: Reader, data: object) -> None:
    books.faults += check_keys(data, (), reader.positions, required=("version", "rules"))
    if not isinstance(data, Mapping):
        return
    if data.get("version", 1) != 1:
        reader.fault(("version",), "unknown version of the rule language", show(data["version"]), "version: 1")
    rules = data.get("rules", [])
    if not isinstance(rules, list):
        reader.fault(("rules",), "expected a list of rules", show(rules), "- id: …")
        return
    for at, rule in enumerate(rules):
        _read_rule(books, reader, rule, ("rules", at))


def _read_rule(books: _Books, reader: Reader, data: object, path: Path) -> None:
    books.faults += check_keys(data, path, reader.positions, required=("id", "watch", "ladder"), optional=RULE_KEYS)
    if not isinstance(data, Mapping):
        return
    line, _ = reader.positions.at(path)
    name = _rule_id(books, reader, data, path, line)
    before = len(books.faults)
    rule = _head(books, reader, data, path, name, line)
    ladder, watch = data.get("ladder"), data.get("watch")
    if not isinstance(ladder, Mapping) or not isinstance(watch, Mapping):
        for key in ("ladder", "watch"):
            if key in data and not isinstance(data[key], Mapping):
                reader.fault((*path, key), f"{key}: expected a mapping", show(data[key]))
        return
    reader.faults += check_keys(ladder, (*path, "ladder"), reader.positions, optional=[c.word for c in COLOURS])
    if not ladder:
        reader.fault((*path, "ladder"), "a ladder needs at least one level", hint="yellow: {above: …}")
    reader.faults += check_keys(watch, (*path, "watch"), reader.positions, optional=WATCH_KEYS)
    silent = [key for key, level in ladder.items() if isinstance(level, Mapping) and "silent" in level]
    if silent:
        _silence_rule(books, reader, rule, data, path)
        return
    quantity = reader.city.quantities.get(str(watch.get("quantity", "")))
    if quantity is None:
        hint = nearest_or_all(str(watch.get("quantity", "")), reader.city.quantities)
        reader.fault((*path, "watch", "quantity"), "unknown quantity", show(watch.get("quantity")), hint)
        return
    rungs = [r for key in ladder if (r := _rung(reader, ladder[key], (*path, "ladder", key), quantity, key))]
    clear_us = reader.duration_us(data, "clear_after", path)
    stale_us = reader.duration_us(data, "stale_after", path)
    sensors = _watched(reader, watch, path, quantity)
    if len(books.faults) > before:
        return
    rungs.sort(key=lambda r: -r.level)
    for sensor in sensors:
        own = tuple(r.build(sensor) for r in rungs)
        stale = max(stale_us, round(STALE_INTERVALS * sensor.interval_s * 1e6), 0 if stale_us else STALE_AT_LEAST_US)
        instance = Instance(rule, sensor, Ladder(own, clear_us, stale), sensor.site, books.city.district_of(sensor))
        books.instances[instance.key] = instance
    if sensors:
        _check_order(reader, books.instances[f"{rule.id}/{sensors[0].id}"].ladder, path)


def _rule_id(books: _Books, reader: Reader, data: Mapping[str, object], path: Path, line: int) -> str:
    name = str(data.get("id", ""))
    if "id" in data and (problem := id_problem(name, PLAIN_ID)) is not None:
        reader.fault((*path, "id"), problem[0], show(data["id"]), problem[1])
    if name in books.first:
        reader.fault((*path, "id"), f"a second rule {name!r}", f"it again after {books.first[name]}", "another id")
    books.first.setdefault(name, f"{reader.positions.file}:{line}")
    return name


def _head(books: _Books, reader: Reader, data: Mapping[str, object], path: Path, name: str, line: int) -> Rule:
    title = read_name(data.get("title", name), (*path, "title"), reader.positions, reader.faults).by_language
    guidance: Mapping[str, str] = {}
    if "guidance" in data:
        guidance = read_name(data["guidance"], (*path, "guidance"), reader.positions, reader.faults).by_language
        guidance = {language: books.files.get(text, text) for language, text in guidance.items()}
    chain = data.get("escalate", "")
    if not isinstance(chain, str) or (chain and chain not in books.chains):
        hint = nearest_or_all(str(chain), books.chains) or "adding it to escalation.yaml"
        reader.fault((*path, "escalate"), "no such escalation chain", show(chain), hint)
    source = data.get("source", {})
    if "source" in data:
        reader.faults += check_keys(source, (*path, "source"), reader.positions, optional=("text", "clause", "status"))
    if not isinstance(source, Mapping):
        source = {}
    status = reader.word(source, "status", (*path, "source"), ("verified", "unverified", "site"), "unverified")
    version = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:12]
    cited = Source(str(source.get("text", "")), str(source.get("clause", "")), status)
    return Rule(name, version, title, guidance, str(chain), cited, reader.positions.file, line)


@dataclass(frozen=True)
class _Blueprint:
    level: Level
    condition: Build
    for_us: int
    deadband: float
    on_gap: str

    def build(self, sensor: Sensor) -> Rung:
        return Rung(self.level, self.condition(sensor), self.for_us, self.deadband, self.on_gap)


def _rung(reader: Reader, data: object, path: Path, quantity: Quantity, colour: str) -> _Blueprint | None:
    if colour not in {c.word for c in COLOURS}:
        return None  # told already as an unknown key
    build = read_condition(reader, data, path, quantity, BESIDE_LEVEL)
    if not isinstance(data, Mapping):
        return None
    level = Level.of(colour)
    deadband = 0.0
    if "deadband" in data:
        deadband = reader.measure(data["deadband"], quantity.unit, (*path, "deadband"), difference=True)
        if deadband < 0:
            reader.fault((*path, "deadband"), "a deadband is not negative", show(data["deadband"]), "3 cm")
    usual = "complete" if level >= Level.ORANGE else "hold"
    on_gap = reader.word(data, "on_gap", path, ("complete", "hold", "reset"), usual)
    for_us = reader.duration_us(data, "for", path)
    return None if build is None else _Blueprint(level, build, for_us, deadband, on_gap)


def _watched(reader: Reader, watch: Mapping[str, object], path: Path, quantity: Quantity | None) -> list[Sensor]:
    """The sensors a rule watches; a fault when there are none."""
    city, before = reader.city, len(reader.faults)
    names, tags = watch.get("sensors"), watch.get("tags")
    for key, wanted, known in (("sensors", names, city.sensors), ("tags", tags, None)):
        if wanted is not None and not isinstance(wanted, list):
            reader.fault((*path, "watch", key), f"{key}: expected a list", show(wanted), f"[{wanted}]")
        for at, name in enumerate(wanted if isinstance(wanted, list) else []):
            if known is not None and reader.whole and name not in known:
                hint = nearest_or_all(str(name), known)
                reader.fault((*path, "watch", key, at), "no such sensor", show(name), hint)
    district = watch.get("district")
    if reader.whole and district is not None and district not in city.districts:
        reader.fault(
            (*path, "watch", "district"),
            "no such district",
            show(district),
            nearest_or_all(str(district), city.districts),
        )
    kind = watch.get("site_kind")
    if kind is not None and kind not in city.site_kinds:
        hint = nearest_or_all(str(kind), city.site_kinds)
        reader.fault((*path, "watch", "site_kind"), "unknown kind of site", show(kind), hint)
    if len(reader.faults) > before:
        return []
    found = [
        sensor for sensor in city.sensors.values()
        if (quantity is None or sensor.quantity.id == quantity.id)
        and (not isinstance(names, list) or sensor.id in names)
        and ("site_kind" not in watch or city.sites[sensor.site].kind == watch["site_kind"])
        and (district is None or city.district_of(sensor) == district)
        and (not isinstance(tags, list) or sensor.tags.issuperset(map(str, tags)))
    ]  # fmt: skip
    if not found and reader.whole:
        reader.fault(
            (*path, "watch"), "the rule watches no sensor of this city", hint="another quantity, site_kind or tag"
        )
    return found


def _silence_rule(books: _Books, reader: Reader, rule: Rule, data: Mapping[str, object], path: Path) -> None:
    """A rule of `silent` levels: watches gateways (`gateways: all`) or sensors, one level, no other condition."""
    watch, ladder = data["watch"], data["ladder"]
    if not isinstance(watch, Mapping) or not isinstance(ladder, Mapping):
        return
    if len(ladder) != 1:
        reader.fault(
            (*path, "ladder"), "a silence rule has one level", ", ".join(map(str, ladder)), "one rule for each"
        )
        return
    colour, level = next(iter(ladder.items()))
    build = read_condition(reader, level, (*path, "ladder", colour), _ANY)
    if build is None or colour not in {c.word for c in COLOURS}:
        return
    city = books.city
    silent = build(next(iter(city.sensors.values()))) if city.sensors else None
    if not isinstance(silent, Silent):
        return
    if "gateways" in watch:
        if watch["gateways"] != "all" or len(watch) > 1:
            reader.fault(
                (*path, "watch"), "expected all gateways and nothing else", show(watch["gateways"]), "{gateways: all}"
            )
        for gateway in city.gateways.values():
            after_us = max(silent.after_us, round(STALE_INTERVALS * gateway.interval_s * 1e6))
            own = Watch(rule, Level.of(colour), after_us, None, gateway, gateway.id, gateway.district, silent.written)
            books.watches[own.key] = own
        return
    quantity = reader.city.quantities.get(str(watch["quantity"])) if "quantity" in watch else None
    if "quantity" in watch and quantity is None:
        hint = nearest_or_all(str(watch["quantity"]), reader.city.quantities)
        reader.fault((*path, "watch", "quantity"), "unknown quantity", show(watch["quantity"]), hint)
        return
    for sensor in _watched(reader, watch, path, quantity):
        after_us = max(silent.after_us, round(STALE_INTERVALS * sensor.interval_s * 1e6))
        gateway = city.gateways[sensor.gateway]
        own = Watch(
            rule, Level.of(colour), after_us, sensor, gateway, sensor.site, city.district_of(sensor), silent.written
        )
        books.watches[own.key] = own


def _check_order(reader: Reader, ladder: Ladder, path: Path) -> None:
    """Of plain thresholds, a higher level must be harder to reach, and no deadband may reach past the next one down."""
    plain = [(rung, rung.condition) for rung in ladder.rungs if isinstance(rung.condition, Compare)]
    for (upper, high), (lower, low) in pairwise(plain):
        at = (*path, "ladder", upper.level.word)
        for sign, mine, theirs in ((1, high.high, low.high), (-1, high.low, low.low)):
            if mine is None or theirs is None:
                continue
            if sign * (mine - theirs) <= 0:
                what = f"{upper.level.word} is no harder to reach than {lower.level.word}"
                reader.fault(at, what, f"{high.written} against {low.written}", "swapping the thresholds")
            elif upper.deadband >= sign * (mine - theirs) + lower.deadband and upper.deadband > 0:
                what = f"the deadband of {upper.level.word} reaches past {lower.level.word}"
                reader.fault(at, what, f"{upper.deadband:g} below {high.written}", "a smaller deadband")
