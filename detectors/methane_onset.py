"""The beginning of a gas leak in a manhole, chamber or cabinet."""

from __future__ import annotations

from math import exp, log
from typing import ClassVar

import msgspec

from city.errors import InputError
from detectors.methane_origin import Origin, begin, listen, weigh
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.robust import mad, median

_BASELINE_LENGTH = 32  # values kept of the past; thinned by half whenever full, until they span `memory_s`
_RELATIVE_NOISE = 0.05  # of the reading; the floor of the scale in the log domain
_RATHER_LEAK, _RATHER_SEWER = 0.65, 0.35  # leak scores
_CLEAR_AT = 0.5  # an onset is over when the n-of-m deviation falls below this part of the limit


class MethaneState(msgspec.Struct, array_like=True):
    """What is kept of one sensor (logarithms, but for `_lel`)."""

    recent: tuple[float, ...] = ()
    past: tuple[float, ...] = ()
    spacing_us: int = 0
    due_us: int = 0
    centre: float = 0.0
    scale: float = 1.0
    base_lel: float = 0.0
    high_lel: float = 0.0
    onset_us: int = 0
    frozen_us: int = 0
    waiting: int = 0
    origin: Origin = msgspec.field(default_factory=Origin)


def _likely(evidence: tuple[tuple[str, float | str], ...]) -> str:
    score = float(evidence[0][1])
    rather = (
        "rather a leak"
        if score > _RATHER_LEAK
        else "rather sewer gas"
        if score < _RATHER_SEWER
        else "leak or sewer gas"
    )
    return f"; {rather}, leak score {score:.2f}"


class MethaneOnset(PerSensor[MethaneState]):
    """Methane above its own baseline and rising.

    `n` of the last `m` readings above baseline + `limit` x MAD, the newest of them rising. It works on log(x + 20 r)
    with r = `resolution_lel`: there a sensor whose error is r plus 5 % of the reading has an even noise of about 5 %,
    which is also the least the scale can be (a sensor stuck at one value has no MAD). The baseline is the median of 32
    readings spread over up to `memory_s`; it is frozen while methane stands clearly above it, for at most `freeze_s`,
    and then learned anew (BLIND meanwhile), because a level that has stayed is the threshold rules' business.

    Parameters
    ----------
    resolution_lel
        Smallest step of the sensor (%LEL).
    limit
        MADs above the baseline at score 1.
    n, m
        How many of how many readings must be above.
    memory_s, freeze_s, gap_s
        Span of the baseline; longest freeze; pause after which `m` readings are needed again (all seconds).

    Notes
    -----
    Input
        %LEL, 0 to 100 (below 0 counts as 0). Any cadence; made for 10 s to 15 min.
    Warm-up, delay
        20 readings; after a pause `m`. A rise of 1 %LEL a minute from 1 %LEL is found in 4 to 7 readings.
    False alarms
        11 in 300 simulated calm sensor-days (daily swing, weather, plumes of 1 to 3 min); none on recorded street air.
        51 in a simulated sensor-year of wells with puffs of sewage gas, which it cannot but see: read the leak score.
    Direction
        `up` only. Falling methane is never a finding.
    Blind spots
        A leak already there when the sensor starts; one slower than the baseline follows (about 35 % in a quarter of
        `memory_s`); a rise that goes away within n readings. Sewer gas is told from
        pipeline gas by evidence, not for certain.
    Evidence
        `leak_score` (0 to 1), then every sign with its weight, above 0 for a leak and below for sewer gas: see
        `detectors.methane_origin`. Neighbours: methane, gas pressure and flow, temperature of the context.
    Source
        Median and MAD: Hampel (1974), J. Am. Stat. Assoc. 69, 383. The combination and its numbers are our own.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> values = [1.0, 1.1] * 15 + [2.0, 4.0, 6.0, 8.0, 10.0]
    >>> samples = [Sample("g1", i * 60_000_000, v, Flag.PASS, 0) for i, v in enumerate(values)]
    >>> [str(f.verdict) for f in MethaneOnset().update(samples)][-5:]
    ['normal', 'normal', 'normal', 'normal', 'abnormal']
    """

    name: ClassVar[str] = "methane_onset"
    quantities: ClassVar[frozenset[str]] = frozenset({"methane"})
    channel: ClassVar[str] = "level"
    state_type: ClassVar[type[MethaneState]] = MethaneState

    def __init__(
        self,
        *,
        resolution_lel: float = 0.1,
        limit: float = 6.0,
        n: int = 4,
        m: int = 6,
        warm_up: int = 20,
        memory_s: float = 3 * 86400.0,
        freeze_s: float = 6 * 3600.0,
        gap_s: float = 1800.0,
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, resolution_lel=resolution_lel, limit=limit, memory_s=memory_s, freeze_s=freeze_s)
        if not (1 <= n <= m and 4 <= m <= warm_up < _BASELINE_LENGTH):
            raise InputError(f"{self.name}: needs 1 <= n <= m, 4 <= m <= warm_up < 32, got n={n} m={m} {warm_up=}")
        self.limit, self.n, self.m, self.warm_up = limit, n, m, warm_up
        self.offset = resolution_lel / _RELATIVE_NOISE
        self.freeze_us = round(freeze_s * 1e6)
        self.spacing_us = round(memory_s * 1e6 / _BASELINE_LENGTH)

    def _first(self) -> MethaneState:
        return MethaneState(waiting=self.warm_up)

    def _resume(self, own: MethaneState) -> MethaneState:
        own.recent, own.onset_us, own.frozen_us, own.waiting = (), 0, 0, max(own.waiting, self.m)
        return own

    def _step(self, own: MethaneState, moment: Moment) -> Answer:
        level = log(max(moment.value, 0.0) + self.offset)
        own.recent = (*own.recent, level)[-self.m :]
        listen(own.origin, moment.subject, moment.around, moment.time_us)
        if own.waiting:
            own.waiting -= 1
            if len(own.past) < self.warm_up:
                self._learn(own, moment, level)
            return Answer(None, f"warming up, {own.waiting} readings to go")
        if own.frozen_us and moment.time_us - own.frozen_us > self.freeze_us:
            own.past, own.spacing_us, own.onset_us, own.frozen_us = (), 0, 0, 0
            own.waiting = self.warm_up
            return Answer(None, "learning the baseline anew: methane has stayed above the old one")
        return self._judge(own, moment, level)

    def _judge(self, own: MethaneState, moment: Moment, level: float) -> Answer:
        recent = own.recent
        above = own.past and level >= own.centre + own.scale
        own.origin.rising = min(own.origin.rising + 1, 1 << 20) if above else 0
        ratio = (sorted(recent)[self.m - self.n] - own.centre) / (self.limit * own.scale)
        rising = recent[-1] + recent[-2] > recent[0] + recent[1]
        standing = ratio >= _CLEAR_AT if own.onset_us else ratio >= 1 and rising
        if ratio < _CLEAR_AT:
            own.frozen_us = 0
            if moment.time_us >= own.due_us:
                self._learn(own, moment, level)
        elif not own.frozen_us:
            own.frozen_us = moment.time_us
        if not standing:
            own.onset_us = 0
            return Answer(min(max(ratio, 0.0), 0.99), "", "", own.base_lel, None, own.high_lel)
        if not own.onset_us:
            own.onset_us = moment.time_us
            subject = moment.subject
            begin(own.origin, moment.time_us if subject is None else subject.local_us(moment.time_us))
        evidence = weigh(own.origin, moment.subject, moment.around, moment.time_us)
        reason = (
            f"methane {moment.value:.2f} %LEL over a baseline of {own.base_lel:.2f}, limit {own.high_lel:.2f}, "
            f"for {(moment.time_us - own.onset_us) // 1_000_000} s"
        )
        return Answer(max(1.0, ratio), reason + _likely(evidence), "up", own.base_lel, None, own.high_lel, evidence)

    def _learn(self, own: MethaneState, moment: Moment, level: float) -> None:
        past, spacing_us = (*own.past, level), own.spacing_us or round(moment.usual_s * 1e6)
        if len(past) > _BASELINE_LENGTH:
            if spacing_us < self.spacing_us:
                past, spacing_us = past[::2], 2 * spacing_us
            else:
                past = past[1:]
        own.past, own.spacing_us, own.due_us = past, spacing_us, moment.time_us + spacing_us
        own.centre = median(past)
        own.scale = max(mad(past, own.centre), _RELATIVE_NOISE)
        own.base_lel = exp(own.centre) - self.offset
        own.high_lel = exp(own.centre + self.limit * own.scale) - self.offset
