"""Methane in a chamber: from the gas main or from the sewer? Evidence for and against, added up, never a yes or no.

Every sign has a weight in log-odds; their sum as a probability is the leak score. The weights are the authors'
judgement of what gas engineers look at, not fitted to labelled leaks (there is no public set of them): the score orders
cases, it is no probability that a court could use.
"""

from __future__ import annotations

from math import exp

import msgspec

from detectors.mover import Mover, hear
from detectors.subject import Subject, Surroundings

_ROSE = 3.0  # usual differences: a neighbour rises with it
_NEAR_MAIN_M = 50.0
_COLD_C, _WARM_C = 10.0, 20.0
_STEP_READINGS = 5  # an onset needs four of them
_RECALLED = 8
_DAY_US, _SAME_HOUR_US = 86_400_000_000, 3 * 3_600_000_000
_RECENT_US = 10 * _DAY_US
_FLOORS = {"methane": 0.1, "gas_pressure": 0.1, "gas_flow": 1.0}
_MOST_NEIGHBOURS = 8
_TRACE_GASES = {"ethane": 3.0, "hydrogen_sulfide": -2.0, "h2s": -2.0}  # quantities that a city may have of its own
_MAIN_TAGS, _SEWER_TAGS = ("gas_main", "gas", "main"), ("sewer", "sewage", "septic", "drain")

Evidence = tuple[tuple[str, float | str], ...]


class Origin(msgspec.Struct, array_like=True):
    """What is kept of one sensor: its neighbours, when onsets began (local us), readings since the rise began."""

    neighbours: dict[str, Mover] = msgspec.field(default_factory=dict)
    onsets_us: tuple[int, ...] = ()
    rising: int = 0
    rose_in: int = 0


def listen(origin: Origin, subject: Subject | None, around: Surroundings, time_us: int) -> None:
    """Take in what the neighbours measured."""
    if subject is not None:
        for other in [one for one in subject.context if one.quantity in _FLOORS][:_MOST_NEIGHBOURS]:
            hear(origin.neighbours, other, around, time_us, _FLOORS[other.quantity])


def begin(origin: Origin, local_us: int) -> None:
    """An onset begins: how fast it came is kept, and when, for the next ones."""
    origin.rose_in = origin.rising
    origin.onsets_us = (*origin.onsets_us, local_us)[-_RECALLED:]


def weigh(origin: Origin, subject: Subject | None, around: Surroundings, time_us: int) -> Evidence:
    """The signs that are there, each with its weight: above 0 for a leak, below for sewer gas; first the score."""
    signs = [*_place(subject), *_season(subject, around, time_us), *_course(origin), *_others(origin, subject)]
    signs += _trace_gases(subject, around, time_us)
    score = 1 / (1 + exp(-sum(weight for _, weight in signs)))
    ordered = sorted(signs, key=lambda sign: -abs(sign[1]))
    return (("leak_score", round(score, 2)), *ordered)


def _place(subject: Subject | None) -> list[tuple[str, float]]:
    if subject is None:
        return []
    main = any(tag in subject.tags for tag in _MAIN_TAGS) or any(
        other.quantity in ("gas_pressure", "gas_flow") and (other.away_m is None or other.away_m <= _NEAR_MAIN_M)
        for other in subject.context
    )
    found = [("near_gas_main", 1.0) if main else ("no_gas_main_known", -0.5)]
    return found + ([("sewer_by_its_tags", -1.0)] if any(tag in subject.tags for tag in _SEWER_TAGS) else [])


def _season(subject: Subject | None, around: Surroundings, time_us: int) -> list[tuple[str, float]]:
    for other in () if subject is None else subject.context:
        last = around.before(other.sensor, time_us) if other.quantity == "temperature" else None
        if last is not None:
            return [("cold", 0.7)] if last[1] < _COLD_C else [("warm", -0.7)] if last[1] > _WARM_C else []
    return []


def _course(origin: Origin) -> list[tuple[str, float]]:
    """How it came, and whether it comes again."""
    found = [("came_at_once", 0.7)] if 0 < origin.rose_in <= _STEP_READINGS else [("came_slowly", -0.3)]
    if origin.onsets_us:
        now_us, earlier = (
            origin.onsets_us[-1],
            [t for t in origin.onsets_us[:-1] if t > origin.onsets_us[-1] - _RECENT_US],
        )
        hours = [
            abs((now_us - t + _DAY_US // 2) % _DAY_US - _DAY_US // 2) for t in earlier if now_us - t > _DAY_US // 2
        ]
        if len(earlier) >= 2:
            found.append(("comes_and_goes", -0.8))
        if sum(away <= _SAME_HOUR_US for away in hours) >= 2:
            found.append(("same_hour_of_day", -0.8))
    return found


def _others(origin: Origin, subject: Subject | None) -> list[tuple[str, float]]:
    """Wells beside it, and the main's pressure and flow."""
    moved: dict[str, list[float]] = {}
    for other in () if subject is None else subject.context:
        mover = origin.neighbours.get(other.sensor)
        if mover is not None:
            moved.setdefault(other.quantity, []).append(mover.spreads(_FLOORS[other.quantity]))
    found = []
    if wells := moved.get("methane"):
        found.append(("neighbouring_well_rises", 1.5) if max(wells) >= _ROSE else ("neighbouring_wells_calm", -0.7))
    if min(moved.get("gas_pressure", [0.0])) <= -_ROSE:
        found.append(("gas_pressure_falls", 1.5))
    if max(moved.get("gas_flow", [0.0])) >= _ROSE:
        found.append(("gas_flow_rises", 1.0))
    return found


def _trace_gases(subject: Subject | None, around: Surroundings, time_us: int) -> list[tuple[str, float]]:
    found = []
    for other in () if subject is None else subject.context:
        weight = _TRACE_GASES.get(other.quantity)
        last = around.before(other.sensor, time_us) if weight is not None else None
        if weight is not None and last is not None and last[1] > 0 and time_us - last[0] < _DAY_US // 24:
            found.append((f"{other.quantity}_present", weight))
    return found
