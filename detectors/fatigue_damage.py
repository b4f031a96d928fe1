"""Fatigue that a steel detail has used up: cycles counted as they come, and summed by Miner's rule."""

from __future__ import annotations

from math import exp
from typing import ClassVar, NamedTuple

import msgspec

from city.errors import InputError
from detectors.confirmed import confirmed
from detectors.cycles import rest, take
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.subject import Subject

_YEAR_S = 365.25 * 86400.0
_WARM_UP = 3
_BIN_MPA, _BINS = 10.0, 40  # of the spectrum that is kept; the last bin is open
_KNEE = 0.737  # constant amplitude fatigue limit over the detail category, at 5 million cycles
_CUT_OFF = 0.404  # cut-off limit over the detail category, at 100 million cycles
_MPA_PER_GPA_UM = 1e-3


class Detail(NamedTuple):
    """What a member bears: stress per strain (MPa for each um/m), detail category over the safety factor (MPa)."""

    mpa_per_um: float
    category_mpa: float

    def damage(self, range_um: float, halves: int) -> float:
        """Share of the life that `halves` half cycles of a strain range use up."""
        share = range_um * self.mpa_per_um / self.category_mpa
        if share >= _KNEE:
            return halves / 2 * share**3 / 2e6
        return halves / 2 * (share / _KNEE) ** 5 / 5e6 if share >= _CUT_OFF else 0.0


class FatigueState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: open turning points (um/m), the spectrum in half cycles, damage, time watched."""

    waiting: list[float] = []
    spectrum: list[int] = []
    damage: float = 0.0
    recent: float = 0.0
    largest_mpa: float = 0.0
    watched_s: float = 0.0
    to_go: int = _WARM_UP


class FatigueDamage(PerSensor[FatigueState]):
    """Rainflow cycles of stress, each weighed by the fatigue curve of the detail; damage 1 is its life.

    Stress range = `e_gpa` x strain range. A cycle of range S does 1/N of damage: N = 2e6 (C/S)^3 down to S = 0.737 C,
    N = 5e6 (0.737 C/S)^5 down to 0.404 C, none below, with C = `category_mpa` / `safety`. Score = the larger of
    damage / `limit` and pace x `life_years`, where the pace is the damage of the last `memory_s` of watched time. Open
    ranges count as half cycles in the damage, as if the record ended now, and go on after pauses and restarts.

    Parameters
    ----------
    category_mpa
        Stress range that the detail bears 2 million times (MPa): of the drawing's detail category. Confirm it.
    e_gpa
        Modulus of elasticity of the member (GPa): 210 is structural steel. Confirm it.
    safety
        Partial factor by which the category is divided, >= 1. 1.35 (safe life, grave consequence) is from memory and
        **not verified** against the standard's text. Confirm it. These three may stand among the tags of a gauge, each
        for its own detail (`category_mpa=56`), and go before what is set here; a tag that is no number blinds.
    limit
        Damage at which the finding stands until the detail is judged anew, > 0.
    life_years
        Life the detail is meant for: a pace of more than one damage in it is a finding (years).
    memory_s, gap_s
        Watched time over which the pace is averaged; pause after which it warms up again (s).

    Notes
    -----
    Input
        Strain in um/m of the member itself, quickly enough to see a lorry: 10 readings a second or more. From minute
        means it counts the temperature's cycles only, which is far too little. A gauge that also shows free thermal
        expansion overstates slow ranges.
    Warm-up, delay
        3 readings; a pace twice too fast is found after 0.7 x `memory_s` of watched time, ten times too fast after a
        tenth of it. One overload is counted as soon as its loop closes.
    False alarms
        None from noise: with the defaults, ranges below 101 um/m do no damage at all.
    Direction
        `up` always.
    Blind spots
        What happened before the first reading and during pauses: add it yourself. Corrosion, out-of-plane bending and
        stress concentrations that the gauge does not see. The rule takes no account of the order of loads.
    Source
        Counting: ASTM E1049-85 (2017), 5.4.4. Curve: EN 1993-1-9, slopes 3 to 5 million and 5 to 100 million cycles,
        limits 0.737 and 0.404 of the category; read in a secondary source, not in the standard's text. Sum: Miner
        (1945), J. Appl. Mech. 12, A159.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> lorry = [0.0, 400.0, 0.0, 30.0]
    >>> samples = [Sample("b1", i * 100_000, v, Flag.PASS, 0) for i, v in enumerate(lorry * 5000)]
    >>> detector = FatigueDamage()
    >>> found = [finding for finding in detector.update(samples) if finding.score >= 1]
    >>> found[0].evidence[0][0], detector.spectrum("b1")[80]
    ('damage', 4999.5)
    """

    name: ClassVar[str] = "fatigue_damage"
    quantities: ClassVar[frozenset[str]] = frozenset({"strain"})
    channel: ClassVar[str] = "damage"
    state_type: ClassVar[type[FatigueState]] = FatigueState

    def __init__(
        self,
        *,
        category_mpa: float = 71.0,
        e_gpa: float = 210.0,
        safety: float = 1.35,
        limit: float = 1.0,
        life_years: float = 100.0,
        memory_s: float = 30 * 86400.0,
        gap_s: float = 1800.0,
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, category_mpa=category_mpa, e_gpa=e_gpa, safety=safety, limit=limit)
        positive(self.name, life_years=life_years, memory_s=memory_s)
        if safety < 1:
            raise InputError(f"{self.name}: safety divides the category and must be at least 1, got {safety}")
        self.category_mpa, self.e_gpa, self.safety = category_mpa, e_gpa, safety
        self.limit, self.life_years, self.memory_s = limit, life_years, memory_s

    def spectrum(self, sensor: str) -> dict[float, float]:
        """Cycles counted so far by stress range: lower edge of each bin of 10 MPa (the last is open), cycles."""
        known = self._sensors.get(sensor)
        halves = known.own.spectrum if known else []
        return {place * _BIN_MPA: count / 2 for place, count in enumerate(halves) if count}

    def _first(self) -> FatigueState:
        return FatigueState()

    def _resume(self, own: FatigueState) -> FatigueState:
        own.to_go = _WARM_UP
        return own

    def _detail(self, subject: Subject | None) -> Detail:
        category = confirmed(subject, "category_mpa", self.category_mpa) / confirmed(subject, "safety", self.safety)
        return Detail(confirmed(subject, "e_gpa", self.e_gpa) * _MPA_PER_GPA_UM, category)

    def _step(self, own: FatigueState, moment: Moment) -> Answer:
        try:
            detail = self._detail(moment.subject)
        except InputError as error:
            return Answer(None, str(error))
        if own.to_go < _WARM_UP:  # time passes; but what a pause held is not known
            own.watched_s += moment.dt_s
            own.recent *= exp(-moment.dt_s / self.memory_s)
        for range_um, halves in take(own.waiting, moment.value):
            _count(own, range_um, halves, detail)
        if own.to_go:
            own.to_go -= 1
            return Answer(None, f"warming up, {own.to_go} readings to go")
        return self._judge(own, detail)

    def _judge(self, own: FatigueState, detail: Detail) -> Answer:
        still_open = sum(detail.damage(um, halves) for um, halves in rest(own.waiting))
        damage, pace = own.damage + still_open, own.recent * _YEAR_S / self.memory_s
        score = max(damage / self.limit, pace * self.life_years)
        evidence = (
            ("damage", damage),
            ("damage_per_year", pace),
            ("watched_days", own.watched_s / 86400),
            ("largest_range_mpa", own.largest_mpa),
        )
        if score < 1:
            return Answer(score, evidence=evidence)
        reason = (
            f"fatigue damage {damage:.4f} of {self.limit:.4f} allowed, growing {pace:.4f} a year of "
            f"{1 / self.life_years:.4f} allowed"
        )
        return Answer(score, reason, "up", evidence=evidence)


def _count(own: FatigueState, range_um: float, halves: int, detail: Detail) -> None:
    range_mpa = range_um * detail.mpa_per_um
    place = min(int(range_mpa / _BIN_MPA), _BINS - 1)
    if place >= len(own.spectrum):
        own.spectrum += [0] * (place + 1 - len(own.spectrum))
    own.spectrum[place] += halves
    done = detail.damage(range_um, halves)
    own.damage += done
    own.recent += done
    own.largest_mpa = max(own.largest_mpa, range_mpa)
