"""Gives the watch its fleet: from a snapshot, or from the fleet before a reload, row by row for sensors that stay."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from city.errors import InputError
from detectors.early.settings import Settings
from detectors.subject import Subject
from rules.book import Book
from rules.signs.memory import FleetLike, Signs
from rules.signs.watch import SignWatch
from rules.state import State

LOG = logging.getLogger(__name__)
MakeFleet = Callable[[Sequence[Subject], Settings], FleetLike]


def make_fleet(subjects: Sequence[Subject], settings: Settings) -> FleetLike:
    """The fleet engine; imported here, where it is needed: its compiler takes a while."""
    from detectors.early.fleet import Fleet

    return Fleet(subjects, settings)


def watched(state: State, book: Book, make: MakeFleet) -> SignWatch:
    """The watch over all sensors that the city does not leave out; what was learned of them stays."""
    subjects = [subject for subject in book.subjects.values() if book.detection.watches(subject)]
    hand_over(state.signs, subjects, book.detection.settings, make)
    units = {sensor.id: sensor.quantity.unit for sensor in book.city.sensors.values()}
    return SignWatch(state.signs, state.tracks, subjects, units, book.asked_for_signs)


def hand_over(signs: Signs, subjects: Sequence[Subject], settings: Settings, make: MakeFleet) -> None:
    """Give `signs` a fleet for these sensors; what was learned stays for each that still measures the same."""
    made_of = (tuple(subjects), settings)
    if signs.fleet is not None and signs.made_of == made_of:
        return
    old, fleet = signs.fleet, make(subjects, settings)
    kept = {pair: row for row, pair in enumerate(zip(signs.names, signs.quantities, strict=True))}
    pairs = [(subject.sensor, subject.quantity) for subject in subjects]
    stay = [(row, kept[pair]) for row, pair in enumerate(pairs) if pair in kept]
    try:
        if old is not None:
            here, there = np.array(stay, np.int64).reshape(-1, 2).T
            fleet.put_rows(here, old.rows_at(there))
        elif signs.kept:
            fleet.restore(signs.kept)
    except InputError as error:  # another version's: every sensor warms up again
        LOG.warning("signs_forgotten: %s", error, extra={"action": "signs_forgotten"})
        stay, signs.marked = [], {}
        fleet = make(subjects, settings)
    told, drawn = np.zeros(len(subjects), np.uint8), np.zeros(len(subjects), np.int64)
    if stay:
        rows, before_rows = np.array(stay).T
        told[rows], drawn[rows] = signs.told[before_rows], signs.drawn[before_rows]
    staying = {subjects[row].sensor for row, _ in stay}
    signs.marked = {name: marked for name, marked in signs.marked.items() if name in staying}
    signs.names, signs.quantities = tuple(name for name, _ in pairs), tuple(quantity for _, quantity in pairs)
    signs.told, signs.drawn, signs.fleet, signs.made_of, signs.kept = told, drawn, fleet, made_of, b""
