"""Detectors under judgement, behind one small interface: columns of samples in, a score for each out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from detectors.columns import BLIND, Columns
from detectors.early.channels import CHANNELS
from detectors.early.fleet import Fleet
from detectors.early.settings import Settings
from detectors.subject import Subject
from gateway.histories.trace import Trace
from gateway.noise import Floats, Ints


class Answers(NamedTuple):
    """To each sample (n,): a score that rises with unusualness (NaN or -inf: cannot say), and which channel spoke."""

    score: Floats
    channel: Ints


class Candidate(Protocol):
    """A detector of a fleet of sensors.

    Attributes
    ----------
    name
        In tables.
    nominal
        Whether `score` is a return period in years, so that the budget itself is the threshold; otherwise the threshold
        is set on fault-free seeds of its own, at the same measured rate of false alarms.
    fixed
        The one threshold of a candidate that has no other; None: by budget.
    channels
        Names of its channels, for attribution; empty: it gives no reasons.
    """

    @property
    def name(self) -> str:
        """In tables."""
        ...

    @property
    def nominal(self) -> bool:
        """Whether the budget is the threshold."""
        ...

    @property
    def fixed(self) -> float | None:
        """Its only threshold."""
        ...

    @property
    def channels(self) -> tuple[str, ...]:
        """Their names."""
        ...

    def start(self, subjects: Sequence[Subject], traces: Sequence[Trace]) -> None:
        """Forget everything and watch these sensors, one a row."""
        ...

    def update(self, columns: Columns) -> Answers:
        """Take samples in, each row's in order of time."""
        ...

    def fork(self, rows: Sequence[int]) -> Candidate:
        """Another that goes on from here, its rows with the states that `rows` of this one have now."""
        ...


class FleetCandidate:
    """The fleet engine, one frozen configuration."""

    name, nominal, fixed, channels = "Lifeline", True, None, CHANNELS

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._fleet = Fleet([], self.settings)
        self._subjects: list[Subject] = []

    def start(self, subjects: Sequence[Subject], traces: Sequence[Trace]) -> None:
        """Watch these sensors."""
        self._subjects, self._fleet = list(subjects), Fleet(subjects, self.settings)

    def update(self, columns: Columns) -> Answers:
        """Return periods in years."""
        found = self._fleet.update(columns)
        years = np.where(found.verdict == BLIND, np.nan, found.return_period_years)
        return Answers(years, found.channel.astype(np.int64))

    def fork(self, rows: Sequence[int]) -> FleetCandidate:
        """Its rows' states, in a fleet of their own."""
        other = FleetCandidate(self.settings)
        names = [
            replace(self._subjects[row], sensor=f"{self._subjects[row].sensor}+{at}") for at, row in enumerate(rows)
        ]
        other.start(names, [])
        for at, row in enumerate(rows):
            other._fleet.put_row_state(at, self._fleet.row_state(row))
        return other
