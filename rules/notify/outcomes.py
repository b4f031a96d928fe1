"""How channels fare: counted attempt by attempt, until a channel counts as failing, or as well again. Pure.

A channel fails when three attempts in a row did, over a minute of city time or more, or at once when its own settings
are at fault (a secret that is not set, credentials that are refused). One success makes it well again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from rules.notify.letter import Answer, GiveUp, NoAddress, Sent
from rules.reasons import because

IN_A_ROW = 3
OVER_US = 60_000_000

State = Literal["ok", "fault"]


@dataclass(frozen=True, slots=True)
class Turn:
    """A channel began to fail, or is well again: `detail` says why."""

    channel: str
    state: State
    detail: str


@dataclass(slots=True)
class Record:
    """One channel: what came of its attempts, and since when it fails (0: it does not)."""

    counts: Counter[str] = field(default_factory=Counter)
    in_a_row: int = 0
    first_us: int = 0
    failing: bool = False
    last: str = ""


@dataclass
class Outcomes:
    """All channels, by name."""

    records: dict[str, Record] = field(default_factory=dict)

    def remember(self, channel: str) -> None:
        """A channel is known to fail already: the next success is worth telling."""
        self.records.setdefault(channel, Record()).failing = True

    def note(self, channel: str, answer: Answer, now_us: int) -> Turn | None:
        """Count an attempt; the turn it brought about, if one."""
        if isinstance(answer, NoAddress):
            return None
        record = self.records.setdefault(channel, Record())
        record.last = answer.answer if isinstance(answer, Sent) else answer.reason
        if isinstance(answer, Sent):
            record.counts["sent"] += 1
            record.in_a_row = 0
            was, record.failing = record.failing, False
            return Turn(channel, "ok", record.last) if was else None
        record.counts["refused" if isinstance(answer, GiveUp) else "to be tried again"] += 1
        record.first_us = record.first_us if record.in_a_row else now_us
        record.in_a_row += 1
        broken = isinstance(answer, GiveUp) and answer.broken
        lasting = record.in_a_row >= IN_A_ROW and now_us - record.first_us >= OVER_US
        if record.failing or not (broken or lasting):
            return None
        record.failing = True
        return Turn(channel, "fault", record.last)

    def forget(self, channels: Collection[str]) -> list[Turn]:
        """Leave all but these; those of the others that fail are told as well: nobody waits for them any more."""
        turns = []
        for name, record in self.records.items():
            if name not in channels and (record.failing or record.in_a_row):
                gone = because("channel_gone")
                turns += [Turn(name, "ok", gone)] if record.failing else []
                record.failing, record.in_a_row, record.last = False, 0, gone
        return turns
