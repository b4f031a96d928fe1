"""A recorded series through the fleet engine that runs live: one answer per row, and a summary."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final, TextIO

import numpy as np

from city.quantity import QUANTITIES
from detectors.columns import ABNORMAL, BLIND, CONTEXTS, Columns, Found
from detectors.onset import Onsets
from detectors.subject import Neighbour, Subject
from lifeline.seriesfile import Chunk, SeriesFile

if TYPE_CHECKING:
    from detectors.early.fleet import Fleet

HEAD: Final = (
    "time", "value", "verdict", "score", "return_period_years", "direction", "channel", "expected", "low", "high",
    "onset_years", "reason",
)  # fmt: skip
_VERDICTS: Final = ("NORMAL", "ABNORMAL", "BLIND")
_DIRECTIONS: Final = {1: "up", -1: "down", 0: ""}
_STEPS = 1000  # rows whose median step is the usual interval
_OLD = 5  # a neighbour's value counts for so many usual intervals,
_OLD_S: Final = 3600.0  # but at least so long
_YEAR_S: Final = 365.25 * 86_400


@dataclass(slots=True)
class Summary:
    """What came of a file.

    Attributes
    ----------
    alarms
        Rows that are ABNORMAL without the row before them being so.
    blind
        Rows without a verdict, by reason.
    from_us, to_us
        First and last usable time.
    """

    rows: int = 0
    abnormal: int = 0
    alarms: int = 0
    blind: Counter[str] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    interval_s: float = math.nan
    from_us: int | None = None
    to_us: int = 0

    @property
    def years(self) -> float:
        """Time covered."""
        return 0.0 if self.from_us is None else (self.to_us - self.from_us) / 1e6 / _YEAR_S

    @property
    def blind_share(self) -> float:
        """Of all rows."""
        return self.blind.total() / self.rows if self.rows else 0.0


class _Engine:
    """A fleet of one, and what of its answers is news; made once the usual interval is known."""

    def __init__(self, quantity: str, neighbours: tuple[Neighbour, ...], interval_s: float) -> None:
        from detectors.early.channels import BLIND_REASONS, CHANNELS
        from detectors.early.fleet import Fleet

        self.channels, self.reasons = CHANNELS, BLIND_REASONS
        self._fleet: Fleet = Fleet([Subject("series", quantity, interval_s, neighbours)])
        self.news = Onsets()
        self._neighbours = len(neighbours)
        self._around = [math.nan] * self._neighbours
        self._since_us = [0] * self._neighbours
        self._old_us = round(max(_OLD * interval_s, _OLD_S) * 1e6)

    def answer(self, chunk: Chunk) -> Found:
        """Answers to the rows of a chunk that have a usable time, in order."""
        at = [i for i, timed in enumerate(chunk.timed) if timed]
        context = np.full((len(at), CONTEXTS), np.nan)
        if self._neighbours:
            for n, i in enumerate(at):
                context[n, : self._neighbours] = self._seen(chunk.time_us[i], chunk.context[i])
        columns = Columns(
            np.zeros(len(at), np.int64),
            np.array([chunk.time_us[i] for i in at], np.int64),
            np.array([chunk.local_us[i] for i in at], np.int64),
            np.array([chunk.value[i] for i in at], np.float64),
            np.array([chunk.flag[i] for i in at], np.uint8),
            context,
        )
        return self._fleet.update(columns)

    def _seen(self, time_us: int, now: tuple[float, ...]) -> list[float]:
        """What neighbours had said strictly before; then takes in what they say now."""
        pairs = zip(self._around, self._since_us, strict=True)
        seen = [value if time_us - since <= self._old_us else math.nan for value, since in pairs]
        for at, value in enumerate(now):
            if math.isfinite(value):
                self._around[at], self._since_us[at] = value, time_us
        return seen


def score(
    series: SeriesFile,
    neighbours: tuple[Neighbour, ...],
    out: TextIO,
    *,
    warm_up_rows: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Summary:
    """Write one line of `HEAD` for each row of a file.

    Parameters
    ----------
    neighbours
        In the order of the layout's context columns.
    warm_up_rows
        Rows at the start that the engine only learns from.
    progress
        Takes the bytes read so far.

    Raises
    ------
    FaultyInput, OutsideError
        As `SeriesFile` does.
    """
    chunks = series.chunks()
    first = next(chunks)
    summary = Summary(interval_s=_usual_s(first))
    engine = _Engine(series.layout.quantity, neighbours, summary.interval_s)
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(HEAD)
    alarmed = False
    for chunk in chain((first,), chunks):
        for line in _lines(chunk, engine, summary.rows, warm_up_rows):
            lines.writerow(line)
            summary.rows += 1
            abnormal = line[2] == _VERDICTS[ABNORMAL]
            summary.abnormal += abnormal
            summary.alarms += abnormal and not alarmed
            if abnormal:
                summary.channels[line[6]] += 1
            elif line[2] == _VERDICTS[BLIND]:
                summary.blind[line[-1]] += 1
            alarmed = abnormal
        times = [time for time, timed in zip(chunk.time_us, chunk.timed, strict=True) if timed]
        if times:
            summary.from_us = times[0] if summary.from_us is None else summary.from_us
            summary.to_us = times[-1]
        progress(series.bytes_read)
    return summary


def _usual_s(chunk: Chunk) -> float:
    times = [time for time, timed in zip(chunk.time_us, chunk.timed, strict=True) if timed][: _STEPS + 1]
    return float(np.median(np.diff(times))) / 1e6 if len(times) > 1 else 60.0


def _lines(chunk: Chunk, engine: _Engine, before: int, warm_up_rows: int) -> Iterator[tuple[str, ...]]:
    """The answer of each row: the engine's where the row has a time, else why it has none."""
    found = engine.answer(chunk)
    answers = zip(*(column.tolist() for column in found), strict=True)
    for i, why in enumerate(chunk.why):
        value = _text(chunk.value[i])
        if not chunk.timed[i]:
            yield (chunk.time_text[i], value, _VERDICTS[BLIND], "0", "", "", "", "", "", "", "", why)
            continue
        verdict, score_, years, channel, direction, expected, low, high, reason = next(answers)
        warming = before + i < warm_up_rows
        blind = warming or verdict == BLIND
        yield (
            chunk.time_text[i],
            value,
            _VERDICTS[BLIND if blind else verdict],
            "0" if blind else _text(score_),
            "" if blind else _text(years),
            "" if blind else _DIRECTIONS[direction],
            "" if blind else engine.channels[channel],
            _text(expected),
            _text(low),
            _text(high),
            _text(engine.news.take(math.nan if blind else years)),
            (why or ("warming up" if warming else engine.reasons[reason])) if blind else "",
        )


def _text(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.9g}"


def neighbour(text: str, quantity: str) -> Neighbour:
    """What `--context COLUMN` or `COLUMN=QUANTITY` names; a column called as a quantity is one, any other a peer."""
    column, _, named = text.partition("=")
    return Neighbour(column, named or (column if column in QUANTITIES else quantity))
