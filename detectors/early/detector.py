"""The fleet engine behind the protocol of all detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np

from city.reading import Sample
from detectors.columns import CONTEXTS, Columns, Found
from detectors.early.channels import BLIND_REASONS, CHANNELS, NOT_NEWER, UNUSABLE
from detectors.early.fleet import Fleet
from detectors.early.settings import Settings
from detectors.per_sensor import positive, unusable
from detectors.protocol import Finding, State, Verdict
from detectors.subject import NOTHING, Subject, Surroundings

_VERDICTS = (Verdict.NORMAL, Verdict.ABNORMAL, Verdict.BLIND)
_WAYS = {1: "up", -1: "down", 0: ""}
_OLD_INTERVALS, _OLD_S = 5.0, 900.0  # of its own: a neighbour's reading counts for so long, whichever is longer


class EarlySign:
    """Any early sign on any sensor, said as a return period: "comes by chance once in 8 years on this sensor".

    Expectation (level, habits of the hour on working days and weekends, where the last readings stand) and what the
    neighbours explain; eighteen statistics of what is left (`detectors.early.channels`); for each the tail of its own
    six-hourly maxima. What is suspicious is not learned, for at most three days; what lasts longer is the new normal.

    Parameters
    ----------
    false_alarms_per_year
        Per sensor, > 0: score 1, ABNORMAL, is what comes by chance no more often than this, over all channels together.

    Notes
    -----
    Input
        Any quantity in its canonical unit, any cadence from a tenth of a second to a day, also irregular. Habits of the
        day need readings at least every two and a half hours.
    Warm-up, delay
        24 readings; after a pause (over an hour and five intervals) 3. Until a sensor has seen some weeks, tails are
        wide: only gross signs pass. Of a quantity nobody knows, without neighbours, all but `rarity` and `flat` are
        silent for twelve weeks. Daily habits take about three days, weekends a week.
        A jump of ten times the noise is found at once, a shift of one noise in about an hour of minutes.
    Direction
        `up` or `down`: the side of the expectation on which the loudest channel stands; `up` for more noise, `down` for
        less. A value that is stuck or rare has the side of the value.
    Blind spots
        An anomaly already there when the sensor starts; growth slower than the level follows (two days, with neighbours
        ten); whatever all its neighbours do too; rain's effect on depth, where there is a rain gauge beside it.
    Source
        Siffer et al. (2017), Anomaly detection in streams with extreme value theory; Hosking and Wallis (1987) for the
        tail's moments; Lavin and Ahmad (2015) for how streams are to be judged.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from random import Random
    >>> dice = Random(1)
    >>> values = [5 + dice.gauss(0, 0.3) for _ in range(20_000)] + [25.0] * 3
    >>> samples = [Sample("x", i * 60_000_000, v, Flag.PASS, 0) for i, v in enumerate(values)]
    >>> found = [f for f in EarlySign().update(samples) if f.verdict == "abnormal"]
    >>> found[0].time_us // 60_000_000, found[0].direction
    (20000, 'up')
    """

    name = "early_sign"
    quantities: frozenset[str] = frozenset()
    channel = "early_sign"

    def __init__(self, false_alarms_per_year: float = 1.0, *, settings: Settings | None = None) -> None:
        positive(self.name, false_alarms_per_year=false_alarms_per_year)
        self.settings = settings or Settings(false_alarms_per_year)
        self.fleet = Fleet((), self.settings)

    def watch(self, subjects: Mapping[str, Subject]) -> None:
        """Learn what the register says of sensors."""
        self.fleet.watch(list(subjects.values()))

    def update(self, batch: Sequence[Sample], around: Surroundings = NOTHING) -> list[Finding]:
        """Take samples in; one finding for each that is newer than its sensor's last, in order."""
        if not batch:
            return []
        self._welcome([sample.sensor for sample in batch])
        found = self.fleet.update(self._columns(batch, around))
        return [self._finding(sample, found, at) for at, sample in enumerate(batch) if found.reason[at] != NOT_NEWER]

    def _welcome(self, sensors: Sequence[str]) -> None:
        new = dict.fromkeys(sensor for sensor in sensors if self.fleet.row_of(sensor) is None)
        if new:
            self.fleet.watch([Subject(sensor, "") for sensor in new])

    def _columns(self, batch: Sequence[Sample], around: Surroundings) -> Columns:
        rows = [self.fleet.row_of(sample.sensor) or 0 for sample in batch]
        subjects = [self.fleet.subjects[row] for row in rows]
        context = np.full((len(batch), CONTEXTS), np.nan)
        for at, (sample, subject) in enumerate(zip(batch, subjects, strict=True)):
            for which, neighbour in enumerate(subject.context[:CONTEXTS]):
                heard = around.before(neighbour.sensor, sample.time_us)
                row = self.fleet.row_of(neighbour.sensor)
                interval_s = (subject if row is None else self.fleet.subjects[row]).interval_s
                oldest_s = max(_OLD_S, _OLD_INTERVALS * interval_s)
                if heard is not None and (sample.time_us - heard[0]) * 1e-6 <= oldest_s:
                    context[at, which] = heard[1]
        return Columns(
            np.array(rows, np.int64),
            np.array([sample.time_us for sample in batch], np.int64),
            np.array([s.local_us(sample.time_us) for s, sample in zip(subjects, batch, strict=True)], np.int64),
            np.array([sample.value for sample in batch], np.float64),
            np.array([int(sample.flag) for sample in batch], np.uint8),
            context,
        )

    def _finding(self, sample: Sample, found: Found, at: int) -> Finding:
        reason = int(found.reason[at])
        verdict = _VERDICTS[found.verdict[at]]
        years = float(found.return_period_years[at])
        channel = CHANNELS[found.channel[at]]
        if verdict is Verdict.BLIND:
            words = unusable(sample) if reason == UNUSABLE else BLIND_REASONS[reason]
            return Finding(sample.sensor, sample.time_us, self.name, self.channel, verdict, 0.0, reason=words)
        return Finding(
            sample.sensor,
            sample.time_us,
            self.name,
            channel,
            verdict,
            float(found.score[at]),
            _WAYS[int(found.direction[at])],
            _known(found.expected[at]),
            _known(found.low[at]),
            _known(found.high[at]),
            years,
            f"{channel}: comes by chance once in {years:.2g} years; expected {found.expected[at]:.4g}, "
            f"between {found.low[at]:.4g} and {found.high[at]:.4g}",
        )

    def state_of(self, sensor: str) -> State:
        """One sensor's row, about a kilobyte."""
        row = self.fleet.row_of(sensor)
        return None if row is None or not self.fleet.has_begun(row) else self.fleet.row_state(row)

    def put_state(self, sensor: str, state: State) -> None:
        """Put a sensor back; None forgets it; InputError when it was written by another version."""
        if state is not None and not isinstance(state, bytes):
            raise TypeError(f"{self.name}: not a state of mine: {type(state).__name__}")
        self._welcome([sensor])
        self.fleet.put_row_state(self.fleet.row_of(sensor) or 0, state)

    def snapshot(self) -> bytes:
        """Everything learned."""
        return self.fleet.snapshot()

    def restore(self, data: bytes) -> None:
        """Take over a snapshot, bit for bit; InputError when it is another detector's or made with other settings."""
        self._welcome(Fleet.sensors_in(data))
        self.fleet.restore(data)


def _known(value: float) -> float | None:
    return float(value) if isfinite(value) else None
