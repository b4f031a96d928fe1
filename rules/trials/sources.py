"""Where a backtest's readings come from: the database as it heard them, or columns made of a file.

Both give steps in the order of arrival, a bounded number of readings at a time, and say up to when everything that
arrived has been given and since when somebody listened: silence is proven by that, as it is live.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from city.clock import from_us
from city.errors import InputError
from city.reading import Readings
from rules.inputs import Input, ReadingsIn, said
from store import hearing, register
from store.connection import Connection

SETTLED_US = 1_000_000  # the watcher sees what is due within a second
DAY_US = 86_400_000_000
STEP_US = 60_000_000  # of a file: all readings of a minute arrive together
COLUMNS = np.dtype([("time_us", "<i8"), ("value", "<f8"), ("sensor_id", "<i4"), ("flag", "u1")])
_META = "columns.json"
_OF_DRILLS = ("drill", "exercise")  # nothing of what was real


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the engine.

    Attributes
    ----------
    seq, at_us
        The journal row's number and time, as they were live; counted and made for files.
    entry
        What is given; None for another city folder.
    bundle
        That folder's hash.
    from_us
        All that arrived before this was given in earlier steps.
    readings, missing
        How many it holds, and how many it held live that are not there any more.
    """

    seq: int
    at_us: int
    entry: Input | None
    from_us: int
    bundle: str = ""
    readings: int = 0
    missing: int = 0


class Source(Protocol):
    """Steps in order of arrival.

    `readings` is how many will come (about), `start_us` when the first step can be; `bundle`: hash of the city folder
    in force then, empty when there is none.
    """

    readings: int
    start_us: int
    bundle: str

    def steps(self) -> Iterator[Step]:
        """The steps."""
        ...

    def hearing(self, at_us: int, given_us: int) -> tuple[int, int]:
        """At a time, all before `given_us` having been given: up to when silence is proven, since when we listen."""
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """What is asked for: [from_us, to_us) in event time, and how much before (to warm up) and after is also run."""

    from_us: int
    to_us: int
    warm_up_us: int = DAY_US
    run_on_us: int = DAY_US


class _Names:
    """Sensors by the number that columns have for them, as the engine takes them."""

    def __init__(self, numbers: Mapping[str, int]) -> None:
        self._sensors = tuple(numbers)
        self._place = np.full(max(numbers.values(), default=0) + 1, -1, np.int64)
        self._place[list(numbers.values())] = np.arange(len(numbers))

    def readings_in(self, readings: Readings) -> ReadingsIn:
        """What the engine takes; readings of unknown sensors are of none."""
        known = (readings.sensor_id >= 0) & (readings.sensor_id < len(self._place))
        which = np.where(known, self._place[np.where(known, readings.sensor_id, 0)], -1)
        return ReadingsIn.of_columns(self._sensors, which, readings)


@dataclass
class DatabaseSource:
    """What a database heard in a span, in the very steps in which the engine was given it.

    When nothing was recorded in the span, but readings were measured in it, they came later (a replay of the past):
    then it is the steps that brought them.

    Raises
    ------
    InputError
        There are no readings in the span.
    """

    conn: Connection
    span: Span
    readings: int = field(init=False)
    start_us: int = field(init=False)
    bundle: str = field(init=False)

    def __post_init__(self) -> None:
        from_, to = from_us(self.span.from_us - self.span.warm_up_us), from_us(self.span.to_us + self.span.run_on_us)
        found = hearing.range_of(self.conn, from_, to)
        if found is None:
            before = hearing.unheard(self.conn, from_, to)
            why = f"{before} came before Lifeline kept a log of arrivals" if before else "there are none"
            raise InputError(f"backtest: no readings to run over, {why}, try another --from and --to, or --data FILE")
        self._range = found
        self.readings = found.readings
        self.bundle = hearing.in_force(self.conn, found.after + 1) or ""
        first = next(hearing.given(self.conn, hearing.Range(found.after, found.after + 1, 0, False)), None)
        self.start_us = first.heard.recorded_us if first else self.span.from_us
        self._deaf = hearing.deaf(self.conn)
        self._since = [since for _, since in self._deaf]

    def steps(self) -> Iterator[Step]:
        """The steps as they were live."""
        names = _Names(register.ids(self.conn))
        given_us = 0
        for given in hearing.given(self.conn, self._range):
            heard, readings = given.heard, given.readings
            if readings is not None:
                from_us_ = max(given_us, heard.first_us)
                given_us = max(given_us, heard.last_us)
                entry: Input | None = names.readings_in(readings)
                missing = heard.rows - len(readings)
                yield Step(heard.seq, heard.recorded_us, entry, from_us_, "", len(readings), missing)
            elif heard.kind == "bundle":
                bundle = msgspec.json.decode(heard.payload)["bundle"]
                yield Step(heard.seq, heard.recorded_us, None, given_us, bundle)
            elif heard.kind not in ("readings", *_OF_DRILLS):
                yield Step(heard.seq, heard.recorded_us, said(heard.kind, heard.payload), given_us)

    def hearing(self, at_us: int, given_us: int) -> tuple[int, int]:
        """Silence is proven with a second's patience, and never over a span in which nobody listened."""
        heard_us = min(at_us - SETTLED_US, given_us)
        last = bisect_right(self._since, at_us)
        listening_us = self._since[last - 1] if last else self.start_us
        for until_us, since_us in self._deaf[last:]:
            if until_us < heard_us < since_us:
                heard_us = until_us
        return heard_us, max(listening_us, self.start_us)


class ColumnWriter:
    """Takes a file's readings, in any order, into a folder of columns: one file a day.

    Parameters
    ----------
    folder
        An empty folder.
    names
        Sensor by number.
    """

    def __init__(self, folder: Path, names: Mapping[int, str]) -> None:
        self._folder, self._names = folder, names
        self._days: dict[int, int] = {}
        self._seen: set[int] = set()

    def add(self, readings: Readings) -> None:
        """Take readings; arrival is not kept (a file does not tell it)."""
        table = np.empty(len(readings), COLUMNS)
        for name in ("time_us", "value", "sensor_id", "flag"):
            table[name] = getattr(readings, name)
        self._seen.update(np.unique(readings.sensor_id).tolist())
        days = table["time_us"] // DAY_US
        for day in np.unique(days).tolist():
            part = table[days == day]
            with (self._folder / f"{day}.day").open("ab") as file:
                file.write(part.tobytes())
            self._days[day] = self._days.get(day, 0) + len(part)

    def close(self) -> None:
        """Finish the folder, so that `ColumnSource` can read it."""
        seen = sorted(self._names[number] for number in self._seen)
        meta = {"names": {str(number): name for number, name in self._names.items()}, "days": self._days, "seen": seen}
        (self._folder / _META).write_text(json.dumps(meta), encoding="utf-8")


@dataclass
class ColumnSource:
    """A folder of `ColumnWriter`, over a span: every reading arrives in the minute in which it was measured.

    `sensors`: those that have any readings in it, in the span or not.

    Raises
    ------
    InputError
        There are no readings in the span.
    """

    folder: Path
    span: Span
    readings: int = field(init=False)
    start_us: int = field(init=False)
    sensors: frozenset[str] = field(init=False)
    bundle: str = ""

    def __post_init__(self) -> None:
        meta = json.loads((self.folder / _META).read_text(encoding="utf-8"))
        self._names = _Names({name: int(number) for number, name in meta["names"].items()})
        self.sensors = frozenset(meta["seen"])
        self._low_us, self._high_us = self.span.from_us - self.span.warm_up_us, self.span.to_us + self.span.run_on_us
        days = {int(day): count for day, count in meta["days"].items()}
        self._days = sorted(day for day in days if self._low_us < (day + 1) * DAY_US and day * DAY_US < self._high_us)
        self.readings = sum(days[day] for day in self._days)
        if not self.readings:
            first, last = (min(days) * DAY_US, (max(days) + 1) * DAY_US) if days else (0, 0)
            where = f"it has them from {from_us(first):%Y-%m-%d} to {from_us(last):%Y-%m-%d}" if days else "it has none"
            raise InputError(f"backtest: the file has no readings in the span, {where}, try another --from and --to")
        self.start_us = max(self._low_us, self._days[0] * DAY_US)

    def steps(self) -> Iterator[Step]:
        """A step for every minute with readings."""
        seq = 0
        for day in self._days:
            table = self._day(day)
            minutes = table["time_us"] // STEP_US
            starts = np.flatnonzero(np.diff(minutes, prepend=-1)).tolist()
            for start, stop in zip(starts, [*starts[1:], len(table)], strict=True):
                seq += 1
                yield self._step(seq, table[start:stop])

    def _day(self, day: int) -> NDArray[np.void]:
        table = np.fromfile(self.folder / f"{day}.day", dtype=COLUMNS)
        table = table[np.lexsort((table["sensor_id"], table["time_us"]))]
        inside = (table["time_us"] >= self._low_us) & (table["time_us"] < self._high_us)
        repeated = np.zeros(len(table), np.bool_)
        repeated[1:] = (table["time_us"][1:] == table["time_us"][:-1]) & (
            table["sensor_id"][1:] == table["sensor_id"][:-1]
        )
        chosen: NDArray[np.void] = table[inside & ~repeated]
        return chosen

    def _step(self, seq: int, rows: NDArray[np.void]) -> Step:
        time_us, value = rows["time_us"].astype(np.int64), rows["value"].astype(np.float64)
        flag, sensor_id = rows["flag"].astype(np.uint8), rows["sensor_id"].astype(np.int32)
        readings = Readings(sensor_id, time_us, time_us, value, flag, value)
        return Step(seq, int(time_us[-1]), self._names.readings_in(readings), int(time_us[0]), readings=len(rows))

    def hearing(self, at_us: int, given_us: int) -> tuple[int, int]:
        """All before the next step's first reading has been given."""
        return min(at_us, given_us), self.start_us
