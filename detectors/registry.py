"""Which detectors there are, and how to make one by the name rule books use.

>>> create("methane_onset", limit=8.0).name
'methane_onset'
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping
from typing import Any, Final

from city.errors import InputError
from detectors.baseline_shift import BaselineShift
from detectors.creep_to_failure import CreepToFailure
from detectors.differential_settlement import DifferentialSettlement
from detectors.drain_fouling import DrainFouling
from detectors.drain_recession import DrainRecession
from detectors.early.channels import CHANNELS
from detectors.early.detector import EarlySign
from detectors.fatigue_damage import FatigueDamage
from detectors.flood_nowcast import FloodNowcast
from detectors.flood_onset import FloodOnset
from detectors.gas_demand import GasDemand
from detectors.gas_drop import GasDrop
from detectors.methane_onset import MethaneOnset
from detectors.per_sensor import PerSensor
from detectors.protocol import Detector
from detectors.river_adapter import PREFIX, RIVER_EXAMPLES, RiverDetector
from detectors.settlement_rate import SettlementRate
from detectors.settlement_trend import SettlementTrend
from detectors.traffic_load import TrafficLoad

_KINDS: Final[tuple[type[PerSensor[Any]] | type[EarlySign], ...]] = (
    MethaneOnset,
    GasDemand,
    GasDrop,
    FloodOnset,
    FloodNowcast,
    DrainFouling,
    DrainRecession,
    BaselineShift,
    SettlementRate,
    TrafficLoad,
    FatigueDamage,
    SettlementTrend,
    DifferentialSettlement,
    CreepToFailure,
    EarlySign,
)
_NATIVE: Final[Mapping[str, type[PerSensor[Any]] | type[EarlySign]]] = {kind.name: kind for kind in _KINDS}


def names() -> tuple[str, ...]:
    """Every native detector, and the river models the laws are tested on (`create` takes any other river model too)."""
    return (*_NATIVE, *RIVER_EXAMPLES)


def channels(name: str) -> tuple[str, ...]:
    """The channels by which a detector's findings may speak, when it has several; else none."""
    kind = _NATIVE.get(name)
    if kind is None:
        return ()
    return kind.channels if issubclass(kind, PerSensor) else CHANNELS


def all_channels() -> tuple[str, ...]:
    """Every channel that a rule may name."""
    return tuple(dict.fromkeys(channel for name in _NATIVE for channel in channels(name)))


def create(name: str, **parameters: object) -> Detector:
    """A new detector; InputError for an unknown name, parameter or value."""
    if name.startswith(PREFIX):
        return RiverDetector(name, **parameters)  # type: ignore[arg-type]  # it checks its numbers itself
    kind = _NATIVE.get(name)
    if kind is None:
        near = difflib.get_close_matches(name, names(), 1) or ["one of " + ", ".join(names())]
        raise InputError(f"unknown detector, got {name!r}, try {near[0]}")
    known = list(inspect.signature(kind).parameters)
    for parameter, value in parameters.items():
        if parameter not in known:
            near = difflib.get_close_matches(parameter, known, 1) or ["one of " + ", ".join(known)]
            raise InputError(f"{name}: unknown parameter, got {parameter!r}, try {near[0]}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{name}: {parameter} must be a number, got {value!r}")
    try:
        return kind(**parameters)  # type: ignore[arg-type]  # names and kinds were checked above
    except TypeError as error:
        raise InputError(f"{name}: {error}") from error
