"""Where an explanation looks: the city folder in force, and what its sensors measured, in a database or in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from city.errors import InputError
from city.reading import Sample
from lifeline import endpoints, settings
from lifeline.cityfolder import read_checked
from rules.check import Checked, load_files
from rules.trials.recorded import from_csv, from_database, recorded_events
from store import bundle
from store.connection import Connection, connect


@dataclass(frozen=True, slots=True)
class Where:
    """What was said of it: a CSV file of readings, else a database; what is not said is the system that runs here."""

    readings: Path | None = None
    city: Path | None = None
    data: Path | None = None
    database_url: str | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """A city and its recorded readings: `source` is a database or a file."""

    checked: Checked
    source: Connection | Path

    def samples(self, sensors: Sequence[str], begin_us: int, at_us: int) -> list[Sample]:
        """What sensors measured in a span; of a file, all that it holds."""
        if isinstance(self.source, Path):
            return from_csv(self.source, self.checked.city, sensors)
        return from_database(self.source, sensors, begin_us, at_us)

    def recorded(self, rule: str, scope: str, begin_us: int, at_us: int) -> Sequence[Mapping[str, Any]]:
        """What the running system recorded of a rule's alarms; of a file, nothing."""
        return () if isinstance(self.source, Path) else recorded_events(self.source, rule, scope, begin_us, at_us)


@contextmanager
def past(where: Where) -> Iterator[Past]:
    """The city and its readings, while the block runs.

    Raises
    ------
    InputError
        No city folder, or no database to ask.
    """
    found = endpoints.with_running(settings.load(data=where.data, city=where.city, database_url=where.database_url))
    if where.readings is not None:
        folder = where.city or found.city
        if folder is None:
            raise InputError("--readings: which city is not known, try --city DIR")
        yield Past(read_checked(folder)[1], where.readings)
        return
    if not found.database_url:
        raise InputError("no running system and no database is known, try --database-url, --data, or --readings FILE")
    with connect(found.database, application_name="lifeline explain") as conn:
        yield Past(_in_force(conn, where.city), conn)


def _in_force(conn: Connection, folder: Path | None) -> Checked:
    """The city folder that was given, or else the one in force."""
    if folder is not None:
        return read_checked(folder)[1]
    current = bundle.current(conn)
    if current is None:
        raise InputError("no city folder has been applied to this database yet, try --city DIR")
    return load_files(current[1])
