"""Where each value of a file stands, so that every complaint about it carries file:line:column."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches

from city.errors import Fault

Path = tuple[str | int, ...]
Table = Mapping[Path, tuple[int, int]]


class Positions:
    """One-based (line, column) of the values and keys of one file, by path (`("rules", 0, "ladder", "red")`).

    A path without a position of its own (a key that is missing, say) has that of its nearest parent.

    Parameters
    ----------
    file
        Name to write in faults.
    values, keys
        Where each value begins, and each key; or a function that finds them, called at the first question.
    told
        Places that have a fault already: what is said about them again is not `fresh`.
    """

    def __init__(
        self,
        file: str,
        tables: tuple[Table, Table] | Callable[[], tuple[Table, Table]],
        told: Collection[tuple[int, int]] = frozenset(),
    ) -> None:
        self.file = file
        self._tables = tables
        self._told = told

    def fresh(self, faults: Iterable[Fault]) -> list[Fault]:
        """The faults but those at places told already: an alias is not also "expected text, got nothing"."""
        return [fault for fault in faults if fault.file != self.file or (fault.line, fault.column) not in self._told]

    def _found(self) -> tuple[Table, Table]:
        if callable(self._tables):
            self._tables = self._tables()
        return self._tables

    def at(self, path: Path) -> tuple[int, int]:
        """Line and column of the value at `path`."""
        values, _ = self._found()
        for length in range(len(path), -1, -1):
            if path[:length] in values:
                return values[path[:length]]
        return 1, 1

    def key_at(self, path: Path) -> tuple[int, int]:
        """Line and column of the key that ends `path`."""
        _, keys = self._found()
        return keys.get(path) or self.at(path)

    def fault(self, path: Path, what: str, got: str = "", hint: str = "") -> Fault:
        """A fault at the value of `path`."""
        return Fault(self.file, *self.at(path), what, got, hint)

    def key_fault(self, path: Path, what: str, got: str = "", hint: str = "") -> Fault:
        """A fault at the key that ends `path`."""
        return Fault(self.file, *self.key_at(path), what, got, hint)


_COMPARED = 500


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like `word`, empty when none is."""
    choices = {choice.casefold(): choice for choice in known}
    folded = sorted(choices)
    around = bisect(folded, word.casefold())  # among very many, only the alphabet's neighbours are compared
    close = folded[max(0, around - _COMPARED) : around + _COMPARED]
    found = get_close_matches(word.casefold(), close, n=1, cutoff=0.6)
    return choices[found[0]] if found else ""


def nearest_or_all(word: str, known: Collection[str]) -> str:
    """What to try instead of `word`: the nearest known word in quotes, or up to eight of those there are."""
    if found := nearest(word, known):
        return repr(found)
    some = sorted(known)[:8]
    return ", ".join(some) + (", …" if len(known) > 8 else "")


def show(value: object) -> str:
    """A value as a fault quotes it, cut to a line's length."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = (
        {None: "nothing", True: "true", False: "false"}[value]
        if value is None or value is True or value is False
        else repr(value)
    )
    return text if len(text) <= 60 else text[:57] + "…" + text[-1]


def check_keys(
    data: object,
    path: Path,
    positions: Positions,
    *,
    required: Collection[str] = (),
    optional: Collection[str] = (),
) -> list[Fault]:
    """Faults of a mapping's keys: not a mapping at all, unknown keys (with the nearest known one), missing keys."""
    if not isinstance(data, Mapping):
        return [
            positions.fault(path, "expected a mapping", show(data), f"keys {', '.join([*required, *optional][:8])}")
        ]
    known = [*required, *optional]
    faults = []
    for key in data:
        if key not in known:
            hint = nearest_or_all(str(key), known)
            if ":" in str(key) and data[key] is None:
                hint = "a space after the colon"
            faults.append(positions.key_fault((*path, key), f"unknown key {str(key)!r}", hint=hint))
    missing = [key for key in required if key not in data]
    faults += [positions.fault(path, f"missing key {key!r}", hint=f"adding '{key}: …'") for key in missing]
    return faults
