"""Two points of one structure settling apart: angular distortion between neighbours."""

from __future__ import annotations

from math import copysign
from typing import ClassVar, NamedTuple

import msgspec

from city.errors import InputError
from detectors.blocks import SIGMA_PER_MAD, Ring, add, resistant_line
from detectors.confirmed import confirmed
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.robust import mad, median
from detectors.subject import Neighbour

_FIRST = 9  # differences whose median is the zero
_RECENT = 5  # differences whose median is the present
_BLOCKS = 24
_LEAST_BLOCKS = 6
_SURE = 2.0  # standard errors that a rate is lowered by before it is carried on
_BEYOND = 4.0  # standard deviations of a difference that a distortion must exceed
_STALE_S, _STALE_INTERVALS = 2 * 3600.0, 3
_MOST = 8  # neighbours looked at


class Pair(msgspec.Struct, array_like=True):
    """What is kept of a point and one neighbour: differences (mm, own minus theirs) and their blocks."""

    first: tuple[float, ...] = ()
    zero: float = 0.0
    scatter: float = 0.0
    recent: tuple[float, ...] = ()
    ring: Ring = msgspec.field(default_factory=Ring)
    rate_mm_h: float = 0.0
    error_mm_h: float = 0.0


class ApartState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: its pairs by neighbour."""

    origin_us: int = -1
    pairs: dict[str, Pair] = {}
    waiting: int = _FIRST


class Apart(NamedTuple):
    """One pair now: share of the limit reached, and reached within the horizon; what it is made of."""

    now: float
    ahead: float
    neighbour: Neighbour
    moved_mm: float
    rate_mm_h: float


class DifferentialSettlement(PerSensor[ApartState]):
    """Angular distortion |movement against a neighbour| / distance, now and carried on at its present rate.

    For every neighbour of the same quantity whose distance is known: the difference of the two readings against what
    it was at the beginning, divided by the distance. What both share (season, temperature, a regional trend, the
    satellite's own errors) falls out. Score = the largest share of `distortion` reached within `horizon_s`, where the
    rate over `window_s` counts only by what is sure of it (less two standard errors). A distortion within four
    standard deviations of one difference is none.

    Parameters
    ----------
    distortion
        Angular distortion that must not be reached, a ratio: 0.002 is 1/500. Confirm it for the structure; a tag of the
        point (`distortion=0.0033`) goes before it.
    horizon_s
        How long ahead the present rate is carried on (s).
    window_s, gap_s
        Span the rate is taken over; pause after which 9 readings are awaited (s). The zero is kept.

    Notes
    -----
    Input
        mm, negative downwards; two points at least whose places, or whose distance, the register knows. A neighbour
        counts while its last reading is no older than two hours or three intervals.
    Warm-up, delay
        9 readings, whose median is the zero: the distortion since the sensors speak, not since the structure stands.
        See the figures in `docs/detectors.md`.
    Direction
        `up`: this point sinks against its neighbour; `down`: it rises against it. Both sensors of a pair say so.
    Evidence
        `neighbour`, `moved_mm`, `away_m`, `one_in` (the distortion as 1/N), `rate_mm_h`, `share_now`, `share_ahead`.
    Blind spots
        Without a neighbour it is blind. Points that sink together; a tilt between points that are not neighbours. A
        reinstalled sensor looks like a step: forget its state. Points close together and noisy: the limit of two points
        5 m apart is 10 mm at 1/500.
    Source
        1/500 as negligible, 1/300 cosmetic and 1/150 structural: Goh & Mair (2014) and lecture notes after Sowers, read
        in excerpts and **not verified** against the sources.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> from detectors.subject import Neighbour, Subject
    >>> class Still:
    ...     def before(self, sensor, time_us):
    ...         return time_us - 1, -3.0
    >>> detector = DifferentialSettlement()
    >>> detector.watch({"s1": Subject("s1", "settlement", context=(Neighbour("s2", "settlement", 8.0),))})
    >>> hour_us = 3_600_000_000
    >>> samples = [Sample("s1", h * hour_us, -0.1 * max(0, h - 100), Flag.PASS, 0) for h in range(300)]
    >>> found = [finding for finding in detector.update(samples, Still()) if finding.score >= 1]
    >>> found[0].direction, dict(found[0].evidence)["neighbour"], found[0].time_us // hour_us - 100 < 60
    ('up', 's2', True)
    """

    name: ClassVar[str] = "differential_settlement"
    quantities: ClassVar[frozenset[str]] = frozenset({"settlement"})
    channel: ClassVar[str] = "distortion"
    state_type: ClassVar[type[ApartState]] = ApartState

    def __init__(
        self,
        *,
        distortion: float = 0.002,
        horizon_s: float = 7 * 86400.0,
        window_s: float = 3 * 86400.0,
        gap_s: float = 4 * 3600.0,
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, distortion=distortion, horizon_s=horizon_s, window_s=window_s)
        self.distortion, self.horizon_h, self.block_h = distortion, horizon_s / 3600, window_s / 3600 / _BLOCKS

    def _first(self) -> ApartState:
        return ApartState()

    def _resume(self, own: ApartState) -> ApartState:
        own.waiting = _FIRST
        return own

    def _step(self, own: ApartState, moment: Moment) -> Answer:
        if own.origin_us < 0:
            own.origin_us = moment.time_us
        hour = (moment.time_us - own.origin_us) / 3.6e9
        try:
            distortion = confirmed(moment.subject, "distortion", self.distortion)
        except InputError as error:
            return Answer(None, str(error))
        neighbours = _peers(moment)
        own.pairs = {neighbour.sensor: own.pairs.get(neighbour.sensor) or Pair() for neighbour in neighbours}
        found = []
        for neighbour in neighbours:
            theirs = _fresh(neighbour, moment)
            if theirs is not None:
                pair = own.pairs[neighbour.sensor]
                self._learn(pair, hour, moment.value - theirs)
                if len(pair.first) == _FIRST:
                    found.append(self._apart(pair, neighbour, distortion))
        if own.waiting:
            own.waiting -= 1
            return Answer(None, f"warming up, {own.waiting} readings to go")
        if not found:
            return Answer(None, "no neighbour of its kind at a known distance has spoken lately")
        return _judged(max(found, key=lambda one: max(one.now, one.ahead)))

    def _learn(self, pair: Pair, hour: float, apart_mm: float) -> None:
        if len(pair.first) < _FIRST:
            pair.first = (*pair.first, apart_mm)
            pair.zero = median(pair.first)
            pair.scatter = SIGMA_PER_MAD * mad(pair.first, pair.zero)
        pair.recent = (*pair.recent, apart_mm)[-_RECENT:]
        if not add(pair.ring, hour, apart_mm, self.block_h, _BLOCKS) or len(pair.ring.points) < _LEAST_BLOCKS:
            return
        pair.rate_mm_h, unit = resistant_line(pair.ring.points)
        rests = [mm - pair.rate_mm_h * h for h, mm in pair.ring.points]
        pair.error_mm_h = unit * SIGMA_PER_MAD * mad(rests, median(rests))

    def _apart(self, pair: Pair, neighbour: Neighbour, distortion: float) -> Apart:
        limit_mm = distortion * 1000 * (neighbour.away_m or 0.0)
        moved_mm = median(pair.recent) - pair.zero
        sure = max(0.0, abs(pair.rate_mm_h) - _SURE * pair.error_mm_h)
        later_mm = moved_mm + copysign(sure, pair.rate_mm_h) * self.horizon_h
        shares = [abs(mm) / limit_mm if abs(mm) > _BEYOND * pair.scatter else 0.0 for mm in (moved_mm, later_mm)]
        return Apart(shares[0], shares[1], neighbour, moved_mm, pair.rate_mm_h)


def _peers(moment: Moment) -> list[Neighbour]:
    """Neighbours that measure the same, at a known distance."""
    subject = moment.subject
    if subject is None:
        return []
    return [one for one in subject.context if one.quantity == subject.quantity and one.away_m][:_MOST]


def _fresh(neighbour: Neighbour, moment: Moment) -> float | None:
    found = moment.around.before(neighbour.sensor, moment.time_us)
    oldest_s = max(_STALE_S, _STALE_INTERVALS * moment.usual_s)
    return found[1] if found is not None and (moment.time_us - found[0]) * 1e-6 <= oldest_s else None


def _judged(worst: Apart) -> Answer:
    score, away_m = max(worst.now, worst.ahead), worst.neighbour.away_m or 0.0
    one_in = 1000 * away_m / abs(worst.moved_mm) if worst.moved_mm else 0.0
    evidence = (
        ("neighbour", worst.neighbour.sensor),
        ("moved_mm", worst.moved_mm),
        ("away_m", away_m),
        ("one_in", one_in),
        ("rate_mm_h", worst.rate_mm_h),
        ("share_now", worst.now),
        ("share_ahead", worst.ahead),
    )
    if score < 1:
        return Answer(score, evidence=evidence)
    outwards = worst.moved_mm if worst.now >= worst.ahead else worst.moved_mm + worst.rate_mm_h
    reason = (
        f"{worst.moved_mm:+.1f} mm against {worst.neighbour.sensor}, {away_m:.1f} m away, moving at "
        f"{worst.rate_mm_h:+.3f} mm/h: {100 * worst.now:.0f} % of the distortion allowed, "
        f"{100 * worst.ahead:.0f} % in the time ahead"
    )
    return Answer(score, reason, "up" if outwards < 0 else "down", evidence=evidence)
