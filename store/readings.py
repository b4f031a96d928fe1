"""Writing readings: the first value wins, an equal repeat is recognised, another value is reported.

The fast way is one binary COPY straight into the table, inside a savepoint. A repeat refuses the whole batch; then,
and for the next batches (repeats come in runs: a redelivery, an outage's buffer), what stands already is looked for
first. Where another session puts in the same rows meanwhile, they go through a stage table.

The newest value of each sensor costs as much as the reading itself, so a writer that is busy may hold these back for a
moment and write each sensor's once. What a writer that was killed held back, the next one finds in the readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import pq

from city.clock import stopwatch_s
from city.reading import Readings
from store.batch import DAY_US, Mask, Packed, Rows, newest, newest_of, pack, spell
from store.columns import Marks, array_of, copy_bytes, integers, moments, understand
from store.connection import Connection
from store.sending import copy_in
from store.statements import statements

_SQL = statements("readings")
_MAKE_STAGE = (_SQL["make_stage"] + ";" + _SQL["empty_stage"]).encode()  # one way to the server instead of two
_WARY_BATCHES = 20


@dataclass(frozen=True, slots=True)
class Written:
    """What became of each row of a batch; of the three masks exactly one is true for a row.

    Attributes
    ----------
    new
        (n,): the row is now in the table.
    repeated
        (n,): the same value already stood there for that sensor and instant (or stands earlier in the batch).
    conflicting
        (n,): another value stood there, and still stands.
    stored
        float64 (n,): the value that now stands for the row's sensor and instant.
    """

    new: Mask
    repeated: Mask
    conflicting: Mask
    stored: NDArray[np.float64]


class _Standing(NamedTuple):
    """Rows of a batch whose sensor and instant the table has: which, and the value and raw value that stand there."""

    row: NDArray[np.int32]
    value: NDArray[np.float64]
    raw: NDArray[np.float64]

    def among(self, rows: NDArray[np.int32]) -> _Standing:
        """Those that are among `rows`."""
        which = np.isin(self.row, rows)
        return _Standing(self.row[which], self.value[which], self.raw[which])

    def before(self, others: _Standing) -> _Standing:
        """These and others."""
        row, value, raw = (np.concatenate([own, more]) for own, more in zip(self, others, strict=True))
        return _Standing(row, value, raw)


class Known:
    """Which sensors have a row in `lifeline.latest`, as far as writers of one process know."""

    def __init__(self) -> None:
        self.mask: Mask | None = None  # by number of sensor; None: nobody has looked

    def hold(self, sensor_id: NDArray[np.int32]) -> bool:
        """Whether all of these have one."""
        mask = self.mask
        return mask is not None and int(sensor_id.max(initial=-1)) < len(mask) and bool(mask[sensor_id].all())

    def add(self, sensor_id: NDArray[np.int32]) -> None:
        """These have one now, too."""
        old = self.mask if self.mask is not None else np.zeros(0, np.bool_)
        mask = np.zeros(max(len(old), int(sensor_id.max(initial=-1)) + 1), np.bool_)
        mask[: len(old)] = old
        mask[sensor_id] = True
        self.mask = mask


class ReadingWriter:
    """Writes batches over one connection, inside the caller's transactions.

    Parameters
    ----------
    hold_s
        How long `lifeline.latest` may stay behind: 0 writes it with every batch. Otherwise call `begin` and `committed`
        around every transaction, and `catch_up` in one when nothing comes any more. Infinite: somebody else writes it,
        from `take_held` after every `committed`; only a sensor's first value goes with its batch.
    known
        Shared with other writers of this process.
    """

    def __init__(self, conn: Connection, hold_s: float = 0.0, known: Known | None = None) -> None:
        understand(conn)
        self._conn, self._hold_s = conn, hold_s
        self._days: set[int] = set()
        self._pieces: dict[int, str] = {}  # by month since 1970
        self._wary_left = 0
        self._held = self._holding = Readings.of([])  # newest of each sensor: before this transaction, and in it
        self._wrote: Readings | None = None  # newest values that this transaction wrote
        self._known = known if known is not None else Known()
        self._caught_up_s = 0.0
        self._opening = b""
        self.opened: str | None = None  # what `opening` gave

    def write(self, readings: Readings, marks: Marks | None = None) -> Written:
        """Write a batch and keep `lifeline.latest`; the caller's transaction must be open. `marks` go beside new rows.

        Values must be finite; times at most what partitions may be made for (the recorder bounds them).
        """
        return self.write_packed(pack(readings, marks))

    def write_packed(self, batch: Packed, opening: bytes = b"") -> Written:
        """Write a batch that was made ready before (see `write`).

        `opening`: what opens the transaction, on the same way to the server, where `at_once` says that this can be; the
        value that it gives stands in `opened` then.
        """
        self._opening, self.opened = opening, None
        unique = batch.rows.readings
        standing = self._put(batch.rows) if len(unique) else (np.empty(0, np.bool_), np.empty(0), np.empty(0))
        if standing[0].all():
            self._keep_latest(batch.rows.newest)
            if len(unique) == len(batch.readings):
                none = np.zeros(len(unique), np.bool_)
                return Written(standing[0], none, none, batch.readings.value)
        else:
            self._keep_latest(newest(unique.take(standing[0])))
        return _spread(batch.readings, batch.order, batch.first, standing)

    @property
    def wary(self) -> bool:
        """Whether repeats are expected, so that what stands is looked for before a batch is written."""
        return self._wary_left > 0

    def at_once(self, batch: Packed) -> bool:
        """Whether nothing is to be asked or made before a batch is copied, and nothing but its rows is written.

        Then its COPY may open the transaction, beside those of other writers.
        """
        rows = batch.rows
        ready = rows.days <= self._days and (rows.month is None or rows.month in self._pieces)
        return ready and not self.wary and len(rows.readings) > 0 and self._known.hold(rows.newest.sensor_id)

    @property
    def behind(self) -> bool:
        """Whether newest values are held back."""
        return len(self._held) > 0

    def begin(self) -> None:
        """A transaction begins; what one before it left without `committed` did not happen."""
        self._holding, self._wrote = self._held, None
        if self._hold_s and self._known.mask is None:
            self._conn.execute(_SQL["mend_latest"])
            rows = self._conn.execute(_SQL["known_latest"]).fetchall()
            self._known.add(np.array([one for (one,) in rows], dtype=np.int32))

    def committed(self) -> None:
        """The transaction is committed."""
        if self._wrote is not None and self._known.mask is not None:
            self._known.add(self._wrote.sensor_id)
            self._caught_up_s = stopwatch_s()
        self._held, self._wrote = self._holding, None

    def catch_up(self) -> None:
        """Write the newest values that are held back."""
        if len(self._holding):
            self._write_latest(self._holding)

    def take_held(self) -> Readings:
        """The newest values that are held back, between transactions; they are the caller's from now on."""
        held, self._held = self._held, Readings.of([])
        return held

    def write_newest(self, values: Readings) -> None:
        """Write newest values, one of each sensor, where they are newer than what stands."""
        self._stage(values)
        self._conn.execute(_SQL["lock_latest"])
        if self._conn.execute(_SQL["update_latest"]).rowcount < len(values):
            self._conn.execute(_SQL["insert_latest"])

    def _put(self, rows: Rows) -> tuple[Mask, NDArray[np.float64], NDArray[np.float64]]:
        """Store rows without repeats among them: which are new, and the value and raw value that now stand."""
        self._prepare(rows.days)
        if self._wary_left == 0:
            if self._copied(rows):
                return np.ones(len(rows.readings), np.bool_), rows.readings.value, rows.readings.raw
            self._wary_left = _WARY_BATCHES
        else:
            self._wary_left -= 1
        return self._put_among(rows)

    def _put_among(self, rows: Rows) -> tuple[Mask, NDArray[np.float64], NDArray[np.float64]]:
        """The same where some stand already: look for these first, and copy the others."""
        unique = rows.readings
        standing = self._standing(unique)
        new = np.ones(len(unique), np.bool_)
        new[standing.row] = False
        if new.any():
            rest = spell(unique.take(new), rows.marks and rows.marks.take(new))
            if not self._copied(rest):
                merged = self._merge(rest)
                old = np.flatnonzero(new)[merged.row].astype(np.int32)
                standing = standing.before(merged._replace(row=old))
                new[old] = False
        value, raw = unique.value.copy(), unique.raw.copy()
        value[standing.row], raw[standing.row] = standing.value, standing.raw
        return new, value, raw

    def _copied(self, rows: Rows) -> bool:
        for attempt in (1, 2):
            try:
                opening, self._opening = self._opening, b""
                query = b";".join(filter(None, (opening, self._copying(rows))))
                copy_in(self._conn, query, rows.data, self._open if opening else None)
            except psycopg.errors.UniqueViolation:
                self._conn.execute(_SQL["back"])
                return False
            except (psycopg.errors.CheckViolation, psycopg.errors.UndefinedTable):
                # The transaction that made the partition was rolled back, or retention took it: make it again.
                self._conn.execute(_SQL["back"])
                self._pieces.clear()
                if attempt == 2:
                    raise
                self._prepare(rows.days, again=True)
            else:
                break
        return True

    def _open(self, results: Sequence[pq.abc.PGresult]) -> None:
        values = [result.get_value(0, 0) for result in results if result.ntuples]
        self.opened = values[0].decode() if values and values[0] is not None else None

    def _copying(self, rows: Rows) -> bytes:
        """A COPY of rows in a savepoint of its own, as one query."""
        piece = self._piece(rows.month)
        statement = _SQL["copy" if rows.marks is None else "copy_marked"]
        said = [_SQL["savepoint"], statement.format(piece or "readings")]
        if piece:  # of what does not go through the whole table its triggers know nothing
            said.append(_SQL["mark_touched"].format(rows.buckets))
        return ";".join([*said, _SQL["release"]]).encode()

    def _piece(self, month: int | None) -> str:
        """The one partition that holds a month, if there is one and rows may be put straight into it; else empty."""
        if month is None:
            return ""
        if month not in self._pieces:
            first_us = int(np.datetime64(month, "M").astype("datetime64[us]").astype(np.int64))
            row = self._conn.execute(_SQL["piece"], {"us": first_us}).fetchone()
            self._pieces[month] = str(row[0]) if row else ""
        return self._pieces[month]

    def _merge(self, rest: Rows) -> _Standing:
        """Put in rows while another session does, too; those of them that it had put in."""
        self._prepare(rest.days, again=True)
        self._stage(rest.readings, rest.marks)
        old = np.array([row for (row,) in self._conn.execute(_SQL["merge"]).fetchall()], dtype=np.int32)
        return self._standing(rest.readings).among(old)

    def _standing(self, unique: Readings) -> _Standing:
        """Of these rows, those whose sensor and instant the table has."""
        asked = {
            "sensors": integers(unique.sensor_id),
            "times": moments(unique.time_us),
            "first_us": int(unique.time_us.min()),
            "last_us": int(unique.time_us.max()),
        }
        with self._conn.execute(_SQL["standing"], asked, binary=True) as cursor:
            found = cursor.pgresult
            assert found is not None, "a row came"  # noqa: S101 - a fact of SQL, for the type checker
            columns = (array_of(found.get_value(0, at), kind) for at, kind in enumerate((">i4", ">f8", ">f8")))
            return _Standing(*columns)

    def _stage(self, rows: Readings, marks: Marks | None = None) -> None:
        self._conn.execute(_MAKE_STAGE)
        data = copy_bytes(rows, np.arange(len(rows), dtype=np.int32), marks)
        statement = _SQL["copy_stage" if marks is None else "copy_stage_marked"]
        with self._conn.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(data)

    def _prepare(self, days: frozenset[int], *, again: bool = False) -> None:
        for day in sorted(days if again else days - self._days):
            self._conn.execute(_SQL["prepare"], {"us": day * DAY_US})
        self._days |= days

    def _keep_latest(self, values: Readings) -> None:
        """Keep newest values, one of each sensor, now or in a moment."""
        if not len(values):
            return
        if self._known.mask is None:
            self._write_latest(values)
            return
        self._holding = held = newest_of(self._holding, values)
        due = stopwatch_s() - self._caught_up_s > self._hold_s
        # A sensor's first value is never held: what is missing after a kill is looked for by what stands.
        if due or not self._known.hold(held.sensor_id):
            self._write_latest(held)

    def _write_latest(self, values: Readings) -> None:
        self._holding, self._wrote = Readings.of([]), values
        self.write_newest(values)


def _spread(
    readings: Readings,
    order: NDArray[np.intp],
    first: Mask,
    standing: tuple[Mask, NDArray[np.float64], NDArray[np.float64]],
) -> Written:
    """From one answer per key back to one per row of the batch, in the batch's order."""
    put, value, raw = standing
    key = np.cumsum(first) - 1
    new = np.empty(len(order), np.bool_)
    stored, stored_raw = np.empty(len(order)), np.empty(len(order))
    new[order], stored[order], stored_raw[order] = first & put[key], value[key], raw[key]
    # Equal as sent counts as equal: a redelivery after a new calibration is still the same reading.
    same = (stored == readings.value) | (stored_raw == readings.raw)
    return Written(new, ~new & same, ~new & ~same, stored)
