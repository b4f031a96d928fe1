"""Waterlogging: rain, runoff into low places, puddles; ultrasonic sensors that feel the sun."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from gateway.histories.climate import Climate
from gateway.histories.streams import Range, bucket, lagged
from gateway.histories.trace import Noise, Trace
from gateway.noise import Floats

LIMIT_CM: Final = 15.0  # water reaches the floor of a car
FLOOD_CM: Final = 8.0  # what is real: rises that come to this
_BEFORE_MIN, _AFTER_MIN = 90.0, 720.0  # around a flood nothing is called a false alarm

_SEWER_MM_MIN = Range(0.25, 0.5, 0.15, 0.8)  # rain that the drains take
_INFLOW = Range(3.0, 8.0, 1.5, 12.0)  # cm of depth for each mm that they do not
_CONCENTRATION_MIN = Range(10.0, 90.0, 5.0, 120.0)  # from the catchment to the low place
_DRAIN_MIN = Range(20.0, 60.0, 10.0, 120.0)  # time constant of emptying
_PUMP_CM_MIN = Range(0.05, 0.3, 0.0, 0.5)
_PUDDLE = Range(0.4, 1.2, 0.1, 2.0)  # cm of puddle for each mm of rain that has not yet run off
_BASE_CM = Range(0.3, 1.5, 0.0, 3.0)  # reading of a dry road
_SUN_CM = Range(0.05, 0.25, 0.0, 0.5)
_OWN_CM = Range(0.05, 0.15, 0.02, 0.3)
_HISS_CM = Range(0.08, 0.25, 0.04, 0.5)


def depth(climate: Climate) -> list[Trace]:
    """Two low places and the rain gauge between them."""
    source, rain = climate.source, climate.rain_mm
    traces = []
    for at in range(2):
        water = runoff(climate, at)
        sun = source.draw(_SUN_CM, "sun", at) * climate.sunshine * np.cos(2 * np.pi * (climate.hour - 14.0) / 24.0)
        own, hiss = source.draw(_OWN_CM, "own", at), source.draw(_HISS_CM, "hiss", at)
        noise = own * source.wander(climate.count, climate.steps(60.0), "own", at)
        noise += hiss * source.normal(climate.count, "hiss", at)
        clean = np.maximum(source.draw(_BASE_CM, "base", at) + water + sun + noise, 0.0)
        traces.append(
            Trace(
                f"wl-{at}", "water_depth", clean, Noise(hiss, own, float(np.exp(-1 / climate.steps(60.0)))), 0.1,
                (2, 1 - at), high=LIMIT_CM, cycle=sun, calm=~_floods(climate, water),
            )
        )  # fmt: skip
    gauge = np.round(rain / 0.2, 9)
    tipped = np.diff(np.floor(np.cumsum(gauge)), prepend=0.0) * 0.2  # a tipping bucket of 0.2 mm
    traces.append(Trace("rg-0", "rainfall", tipped, Noise(0.0), 0.01, judged=False))
    return traces


def runoff(climate: Climate, at: int, rain: Floats | None = None) -> Floats:
    """Water in low place `at` (cm): what the sewers do not take, emptied by drain and pump, and puddles.

    `rain` (mm each step, from any dry moment on) stands in for what really fell.
    """
    source, step = climate.source, float(climate.step_min)
    rain = climate.rain_mm if rain is None else rain
    sewer, inflow = source.draw(_SEWER_MM_MIN, "sewer", at), source.draw(_INFLOW, "inflow", at)
    memory = climate.steps(source.draw(_CONCENTRATION_MIN, "concentration", at)) / 2.0
    excess = lagged(lagged(np.clip(rain - sewer * step, 0.0, None), memory), memory)  # two equal reservoirs (Nash)
    drain = step / source.draw(_DRAIN_MIN, "drain", at)
    flood = bucket(inflow * excess, min(drain, 1.0), source.draw(_PUMP_CM_MIN, "pump", at) * step)
    puddle = source.draw(_PUDDLE, "puddle", at) * bucket(rain, min(step / 15.0, 1.0), 0.005 * step)
    return flood + np.minimum(puddle, 2.5)


def _floods(climate: Climate, water: Floats) -> NDArray[np.bool_]:
    """Where there is a flood, from before its rise until well after."""
    found = np.zeros(climate.count, dtype=np.bool_)
    before, after = int(climate.steps(_BEFORE_MIN)), int(climate.steps(_AFTER_MIN))
    for crest in np.flatnonzero(water >= FLOOD_CM).tolist():
        found[max(0, crest - before) : crest + after] = True
    return found
