"""Everything that can be wrong with a city folder, found at once: what `lifeline check` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from city.errors import Fault, FaultyInput
from city.load import load_city_faults
from city.model import City
from city.yamlfile import parse
from rules.book import Book
from rules.desk.escalationfile import load_escalation
from rules.desk.roster import Escalation
from rules.language.bookfile import load_book


@dataclass(frozen=True)
class Checked:
    """A city folder that is right as a whole."""

    city: City
    book: Book
    escalation: Escalation


def load_files(files: Mapping[str, str]) -> Checked:
    """The city, its book and its escalation from a folder's files; FaultyInput with every fault of all of them."""
    city, faults = load_city_faults(files)
    escalation, more = load_escalation(files, city)
    chains = escalation.chains if escalation else _named_chains(files)
    book, others = load_book(files, city, chains, whole=not faults)
    every = [*faults, *more, *others]
    if every or escalation is None or book is None:
        raise FaultyInput(every)
    return Checked(city, book, escalation)


def check_files(files: Mapping[str, str]) -> list[Fault]:
    """All faults of a folder's files; empty when it can be used."""
    try:
        load_files(files)
    except FaultyInput as error:
        return list(error.faults)
    return []


def _named_chains(files: Mapping[str, str]) -> list[str]:
    """Chain names of a faulty escalation.yaml, so that its faults do not make every rule look wrong too."""
    try:
        data, _ = parse(files.get("escalation.yaml", ""), "escalation.yaml")
    except FaultyInput:
        data = None
    chains = data.get("chains") if isinstance(data, Mapping) else None
    return list(chains) if isinstance(chains, Mapping) else []
