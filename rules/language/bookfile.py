"""Reads rule books (`rules/*.yaml`) against a city: every fault at once, with file:line:column.

Beyond the schema it refuses what could never work: a rule that watches no sensor, a higher level that is easier to
reach than a lower one, a deadband that swallows the threshold below, a chain that does not exist, rules that hold each
other back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from city.errors import Fault
from city.identity import PLAIN_ID, id_problem, read_name
from city.levels import Level
from city.model import City
from city.nearby import Nearby
from city.positions import Path, Positions, nearest_or_all, show
from city.yamlfile import read
from rules.book import Book, Instance, Rule, Source, Watch
from rules.language.calendarfile import Calendars, load_calendars, written_out
from rules.language.grammar import FILE, INHIBITED_BY, LADDER, REALARM, RULE, SAME, SOURCE, WATCH
from rules.language.ladderfile import check_ladder, read_ladder
from rules.language.reader import Reader
from rules.language.watchfile import Register, read_silence, watched
from rules.language.wording import Where, file_faults, has_places, template_faults

# What changes no condition.
TEXT_KEYS = ("title", "guidance", "escalate", "source", "latch", "inhibited_by", "realarm_after")


@dataclass
class _Books:
    """What has been read so far, over all files."""

    city: City
    chains: Collection[str]
    files: Mapping[str, str]
    whole: bool
    calendars: Calendars
    register: Register
    nearby: Nearby | None = None
    faults: list[Fault] = field(default_factory=list)
    instances: dict[str, Instance] = field(default_factory=dict)
    watches: dict[str, Watch] = field(default_factory=dict)
    detectors: set[str] = field(default_factory=set)
    first: dict[str, str] = field(default_factory=dict)  # rule id -> file:line
    guides: set[str] = field(default_factory=set)  # files that were checked as guidance
    inhibitions: list[tuple[Positions, Path, str, str]] = field(default_factory=list)  # where, rule, inhibited by
    all_read: bool = True


def is_book(file: str) -> bool:
    """Whether a file of the city folder is a rule book."""
    tests = (".test.yaml", ".test.yml")
    return file.startswith("rules/") and file.endswith((".yaml", ".yml")) and not file.endswith(tests)


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
    calendars, faults = load_calendars(files, city.timezone)
    books = _Books(city, chains, files, whole, calendars, Register(city), faults=faults)
    for file, text in sorted(files.items()):
        if not is_book(file):
            continue
        written = read(text, file)
        books.faults += written.faults
        if not written.whole:
            books.all_read = False
            continue
        own: list[Fault] = []
        reader = Reader(written.positions, city, own, books.detectors, whole, calendars, books.nearby)
        _read_file(books, reader, written.data)
        books.nearby = reader.nearby
        books.faults += written.positions.fresh(own)
    _check_inhibitions(books)
    if books.faults:
        return None, books.faults
    return Book(city, books.instances, books.watches, frozenset(books.detectors)), []


def _read_file(books: _Books, reader: Reader, data: object) -> None:
    reader.check(data, FILE, ())
    if not isinstance(data, Mapping):
        return
    if data.get("version", 1) != 1 or data.get("version") is True:
        reader.fault(("version",), "unknown version of the rule language", show(data["version"]), "version: 1")
    rules = data.get("rules", [])
    if not isinstance(rules, list):
        reader.fault(("rules",), "expected a list of rules", show(rules), "- id: …")
        return
    for at, rule in enumerate(rules):
        _read_rule(books, reader, rule, ("rules", at))


def _read_rule(books: _Books, reader: Reader, data: object, path: Path) -> None:
    before, reader.slots = len(reader.faults), 0
    reader.check(data, RULE, path)
    if not isinstance(data, Mapping):
        return
    rule = _head(books, reader, data, path)
    ladder, watch = data.get("ladder"), data.get("watch")
    if not isinstance(ladder, Mapping) or not isinstance(watch, Mapping):
        for key in ("ladder", "watch"):
            if key in data and not isinstance(data[key], Mapping):
                reader.fault((*path, key), f"{key}: expected a mapping", show(data[key]))
        return
    reader.check(ladder, LADDER, (*path, "ladder"))
    if not ladder:
        reader.fault((*path, "ladder"), "a ladder needs at least one level", hint="yellow: {above: …}")
    reader.check(watch, WATCH, (*path, "watch"))
    if any(isinstance(level, Mapping) and "silent" in level and "near" not in level for level in ladder.values()):
        books.watches.update(read_silence(reader, books.register, rule, data, path))
        return
    quantity = reader.quantity(watch, (*path, "watch"))
    if quantity is None:
        if "quantity" not in watch:
            known = nearest_or_all("", reader.city.quantities)
            reader.fault((*path, "watch"), "watch needs a quantity", hint=known)
        return
    plan = read_ladder(reader, data, path, quantity)
    sensors = watched(reader, books.register, watch, (*path, "watch"), quantity)
    if len(reader.faults) > before:
        return
    templated = any(map(has_places, (*rule.title.values(), *rule.guidance.values())))
    for sensor in sensors:
        district = books.city.district_of(sensor)
        where = Where.of(books.city, sensor.site, district, sensor, sensor.id) if templated else None
        instance = Instance(rule, sensor, plan.make(sensor), sensor.site, district, where)
        books.instances[instance.key] = instance
    if sensors:
        check_ladder(reader, plan, sensors[0], path)


def _head(books: _Books, reader: Reader, data: Mapping[str, object], path: Path) -> Rule:
    line, _ = reader.positions.at(path)
    name = _rule_id(books, reader, data, path, line)
    title = read_name(data.get("title", name), (*path, "title"), reader.positions, reader.faults).by_language
    if "title" in data:
        _check_words(reader, data["title"], (*path, "title"))
    chain = data.get("escalate", "")
    if not isinstance(chain, str) or (chain and chain not in books.chains):
        hint = nearest_or_all(str(chain), books.chains) or "adding it to escalation.yaml"
        reader.fault((*path, "escalate"), "no such escalation chain", show(chain), hint)
    source = data.get("source", {})
    if "source" in data:
        source = reader.check(source, SOURCE, (*path, "source"))
    if not isinstance(source, Mapping):
        source = {}
    for key in ("text", "clause"):
        if key in source and not (isinstance(source[key], str) and source[key].strip()):
            reader.fault((*path, "source", key), f"{key}: expected text", show(source[key]), "quotes around it")
    status = reader.word(source, "status", (*path, "source"), SOURCE["status"].words, "unverified")
    cited = Source(str(source.get("text", "")), str(source.get("clause", "")), status)
    latch = data.get("latch", False)
    if not isinstance(latch, bool):
        reader.fault((*path, "latch"), "latch: expected true or false", show(latch), "latch: true")
    logic = _hash(written_out({k: value for k, value in data.items() if k not in TEXT_KEYS}, books.calendars))
    version = _hash(written_out(data, books.calendars))
    return Rule(
        name, version, title, _guidance(books, reader, data, path), str(chain), cited, reader.positions.file, line,
        latch is True, _inhibited_by(books, reader, data, path, name), logic, realarm_us=_realarm(reader, data, path),
    )  # fmt: skip


def _realarm(reader: Reader, data: Mapping[str, object], path: Path) -> Mapping[Level, int]:
    """By level: how long an alarm may stand acknowledged before it calls people again."""
    inside = (*path, "realarm_after")
    given = reader.check(data["realarm_after"], REALARM, inside) if "realarm_after" in data else {}
    return {Level.of(colour): reader.span_us(given, colour, inside) for colour in given if colour in LADDER}


def _rule_id(books: _Books, reader: Reader, data: Mapping[str, object], path: Path, line: int) -> str:
    name = str(data.get("id", ""))
    if "id" in data and not isinstance(data["id"], str):
        reader.fault((*path, "id"), "an id must be text", show(data["id"]), "quotes around it")
    elif "id" in data and (problem := id_problem(name, PLAIN_ID)) is not None:
        reader.fault((*path, "id"), problem[0], show(data["id"]), problem[1])
    if name in books.first:
        reader.fault((*path, "id"), f"a second rule {name!r}", f"it again after {books.first[name]}", "another id")
    books.first.setdefault(name, f"{reader.positions.file}:{line}")
    return name


def _guidance(books: _Books, reader: Reader, data: Mapping[str, object], path: Path) -> Mapping[str, str]:
    """The guidance by language; a text that names a file of the city folder stands for what is in it."""
    if "guidance" not in data:
        return {}
    at = (*path, "guidance")
    texts = read_name(data["guidance"], at, reader.positions, reader.faults).by_language
    for text in texts.values():
        if text in books.files and text not in books.guides:
            books.guides.add(text)
            books.faults += file_faults(books.files[text], text)
    if not any(text in books.files for text in texts.values()):
        _check_words(reader, data["guidance"], at)
    return {language: books.files.get(text, text) for language, text in texts.items()}


def _check_words(reader: Reader, data: object, path: Path) -> None:
    """Faults of templates: one text, or one for each language."""
    texts = {(*path, key): text for key, text in data.items()} if isinstance(data, Mapping) else {path: data}
    for at, text in texts.items():
        if isinstance(text, str):
            reader.faults += template_faults(text, at, reader.positions)


def _hash(data: object) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:12]


# -- what holds what back ------------------------------------------------------------------------------------------


def _inhibited_by(
    books: _Books, reader: Reader, data: Mapping[str, object], path: Path, name: str
) -> tuple[tuple[str, str], ...]:
    entries, at = data.get("inhibited_by", []), (*path, "inhibited_by")
    if not isinstance(entries, list):
        reader.fault(at, "inhibited_by: expected a list", show(entries), "[{rule: gateway-silent, same: gateway}]")
        return ()
    found = []
    for place, entry in enumerate(entries):
        inhibition = reader.check(entry, INHIBITED_BY, (*at, place))
        same = reader.word(inhibition, "same", (*at, place), SAME, "sensor")
        if "rule" in inhibition:
            books.inhibitions.append((reader.positions, (*at, place, "rule"), name, str(inhibition["rule"])))
            found.append((str(inhibition["rule"]), same))
    return tuple(found)


def _check_inhibitions(books: _Books) -> None:
    """Rules that are named must be there, and none may hold itself back, by whatever way round."""
    by: dict[str, list[str]] = {}
    for positions, path, name, other in books.inhibitions:
        if other in books.first:
            by.setdefault(name, []).append(other)
        elif books.all_read:
            fault = positions.fault(path, "no such rule", show(other), nearest_or_all(other, books.first))
            books.faults += positions.fresh([fault])
    told: set[frozenset[str]] = set()
    for positions, path, name, other in books.inhibitions:
        way = _way(by, other, name)
        if way and frozenset(way) not in told:
            told.add(frozenset(way))
            got = " by ".join([name, *way])
            what = "rules that hold each other back" if len(way) > 1 else "a rule that holds itself back"
            books.faults += positions.fresh([positions.fault(path, what, got, "leaving one out")])


def _way(by: Mapping[str, list[str]], start: str, goal: str) -> list[str]:
    """The rules from `start` to `goal`, both included; empty when there is no way."""
    came: dict[str, str] = {start: ""}
    queue = [start]
    for at in queue:
        if at == goal:
            way = [at]
            while came[way[-1]]:
                way.append(came[way[-1]])
            return way[::-1]
        for step in by.get(at, ()):
            if step not in came:
                came[step] = at
                queue.append(step)
    return []
