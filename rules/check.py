"""Everything that can be wrong with a city folder, found at once: what `lifeline check` prints."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from city.errors import Fault, FaultyInput
from city.load import load_city_faults
from city.mapping import load_mappings
from city.model import City
from city.yamlfile import read
from rules.book import Book
from rules.desk.escalationfile import load_escalation
from rules.desk.plan import Escalation
from rules.language.bookfile import load_book
from rules.language.calendarfile import load_calendars
from rules.language.windowfile import load_windows
from rules.signs.detectionfile import load_detection


@dataclass(frozen=True)
class Checked:
    """A city folder that is right as a whole."""

    city: City
    book: Book
    escalation: Escalation


def load_files(files: Mapping[str, str]) -> Checked:
    """The city, its book and its escalation from a folder's files; FaultyInput with every fault of all of them."""
    city, faults = load_city_faults(files)
    escalation, more = load_escalation(files, city, whole=not faults)
    chains = escalation.chains if escalation else _named_chains(files)
    book, others = load_book(files, city, chains, whole=not faults)
    _, unmapped = load_mappings(files)
    detection, unseen = load_detection(files, city, whole=not faults)
    calendars, _ = load_calendars(files, city.timezone)  # its faults are told with the rules
    people = {name: person.name.get("en", name) for name, person in escalation.people.items()} if escalation else {}
    windows, unfit = load_windows(files, city, calendars, book.rules if book else None, people, whole=not faults)
    every = [*faults, *more, *others, *unfit, *unmapped, *unseen]
    if every or escalation is None or book is None:
        raise FaultyInput(every)
    return Checked(city, replace(book, windows=windows, detection=detection), escalation)


def check_files(files: Mapping[str, str]) -> list[Fault]:
    """All faults of a folder's files; empty when it can be used."""
    try:
        load_files(files)
    except FaultyInput as error:
        return list(error.faults)
    return []


class _Unread(Collection[str]):
    """Names in a file that could not be understood: any may be among them."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _named_chains(files: Mapping[str, str]) -> Collection[str]:
    """Chain names of a faulty escalation.yaml, so that its faults do not make every rule look wrong too."""
    written = read(files["escalation.yaml"], "escalation.yaml")
    chains = written.data.get("chains") if isinstance(written.data, Mapping) else None
    return list(chains) if written.whole and isinstance(chains, Mapping) else _Unread()
