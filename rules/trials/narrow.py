"""A part of a city: what a trial needs and nothing that could speak up besides."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace

from rules.book import Rule
from rules.check import Checked
from rules.narrow import narrow_book


def narrow(checked: Checked, sensors: Set[str], keep: Callable[[Rule], bool]) -> Checked:
    """A checked city with only some of its sensors, their gateways, and the rules to `keep`; see `narrow_book`."""
    book = narrow_book(checked.book, sensors, keep)
    return replace(checked, city=book.city, book=book)
