"""What a recorder remembers between batches: what sensors said last, and the corrections of clocks.

All of it stands in the database too: of a sensor that was not met before, the last readings are looked up; corrections
of other recorders are read in every transaction, where a city corrects clocks at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np

from city.clock import to_us
from city.reading import Readings
from ingest.admit import Admission
from ingest.clocks import Skew
from ingest.corrections import Corrections, Step
from ingest.qartod import Flags, Places, Qartod, Remembered, Tests, Times
from store.columns import literal
from store.connection import Connection
from store.statements import statements

_SQL = statements("memory", package="ingest")
TakeBack = Callable[[], object]
_LOOKED_BACK_US: Final = 7 * 86_400_000_000
_LONGEST_RUN_US: Final = 100 * 86_400_000_000


class Memory:
    """Call `begin` in every transaction before anything else, and `committed` after it."""

    def __init__(self) -> None:
        self._conn: Connection  # of the transaction that began last
        self._admission: Admission | None = None
        self._qartod: Qartod | None = None
        self._last = 0  # correction that was read
        self._open = False
        self.corrections: dict[str, Corrections] = {}

    def begin(self, admission: Admission, conn: Connection) -> None:
        """A transaction begins over a connection, under this state of the register.

        The one before may be open still, where no clocks are corrected.
        """
        self._conn = conn
        if self._open:  # the one before was rolled back, perhaps with corrections of its own
            self._last, self.corrections = 0, {}
        self._open = True
        if admission is not self._admission:
            self._admission, self._qartod = admission, None
        if admission.corrected:
            self._read_corrections()

    def committed(self) -> None:
        """The transaction is committed."""
        self._open = False

    def meet(self, places: Places, since_us: int) -> None:
        """Look up what sensors said last that were not met before, before a batch whose oldest time is `since_us`.

        What a transaction under way over another connection holds is of sensors that were met.
        """
        if self._qartod is None:
            assert self._admission is not None, "begin comes first"  # noqa: S101 - the caller's promise
            self._qartod = Qartod(self._admission.table.limits)
        if len(strangers := self._qartod.strangers(places)):
            self._look_up(self._qartod, strangers, since_us)

    def judge(self, places: Places, readings: Readings) -> tuple[Flags, Tests, TakeBack]:
        """The flags of readings in the order in which they came, none better than before, and what tests said.

        The readings are remembered from now on; the third value, called, forgets them: latest ones first.
        """
        if not len(places):
            return readings.flag, np.zeros(0, np.int16), _nothing
        self.meet(places, int(readings.time_us.min()))
        assert self._qartod is not None, "just met"  # noqa: S101 - for the type checker
        flag, tests, kept = self._qartod.judge(places, readings.time_us, readings.value, readings.flag)
        return flag, tests, partial(self._qartod.keep, self._qartod.keep(kept))

    def follow(self, gateway: str, skew: Skew, sent_us: int, received_us: int) -> None:
        """Correct a gateway's clock from now on, where it asks for that and its skew has changed."""
        if self._admission is None or gateway not in self._admission.corrected:
            return
        own = self.corrections.get(gateway) or Corrections()
        if own.wanted(skew, sent_us, received_us) is None:
            return
        self._conn.execute(_SQL["one_corrects"])
        self._read_corrections()  # somebody else's, made meanwhile
        step = self.corrections.get(gateway, own).wanted(skew, sent_us, received_us)
        if step is not None:
            self._conn.execute(_SQL["correct"], {"gateway": gateway, **step._asdict()})

    def used(self, readings: Readings, claimed_us: Times, used: Mapping[int, int]) -> list[int]:
        """Which rows stand already where `used` says, under the same claim."""
        rows = list(used)
        values = {
            "rows": rows,
            "sensors": readings.sensor_id[rows].tolist(),
            "times": list(used.values()),
            "claims": claimed_us[rows].tolist(),
        }
        return [row for (row,) in self._conn.execute(_SQL["claimed_before"], values).fetchall()]

    def _read_corrections(self) -> None:
        rows = self._conn.execute(_SQL["corrections"], (self._last,)).fetchall()
        for number, gateway, from_claimed, offset_us, made_at in rows:
            own = self.corrections.setdefault(gateway, Corrections())
            own.add(Step(to_us(from_claimed), offset_us, to_us(made_at)))
            self._last = number

    def _look_up(self, qartod: Qartod, strangers: Places, since_us: int) -> None:
        assert self._admission is not None, "begin comes first"  # noqa: S101 - the caller's promise
        sensor_id, limits = self._admission.table.sensor_id[strangers], qartod.limits
        kind = limits.kind[strangers]
        place = dict(zip(sensor_id.tolist(), strangers.tolist(), strict=True))
        values = {
            "sensors": literal(sensor_id.tolist()),
            "flat_us": literal(np.minimum(limits.flat_us[kind], _LONGEST_RUN_US).tolist()),
            "within": literal(limits.flat[kind].tolist()),
            "rest": literal(np.where(limits.flat_us[kind] > _LONGEST_RUN_US, np.inf, limits.rest[kind]).tolist()),
            "since_us": since_us - _LOOKED_BACK_US,
        }
        found = self._conn.execute(_SQL["last_said"], values).fetchall()
        qartod.learn(
            strangers,
            [
                Remembered(place[row[0]], to_us(row[1]), row[2], row[3] and to_us(row[3]), row[4], to_us(row[5]))
                for row in found
            ],
        )


def _nothing() -> None:
    """There is nothing to take back."""
