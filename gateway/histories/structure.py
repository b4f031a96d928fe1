"""Bridges and ground: strain under heat and traffic, settlement that creeps and breathes."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.histories.climate import Climate
from gateway.histories.gas import air
from gateway.histories.streams import Range, lagged
from gateway.histories.trace import Noise, Trace, year_limits
from gateway.noise import Floats

SENSORS: Final = 4

_TRAFFIC = np.array(
    [.2, .12, .1, .1, .15, .35, .8, 1.4, 1.5, 1.3, 1.25, 1.2,
     1.1, 1.2, 1.3, 1.35, 1.45, 1.6, 1.5, 1.2, .95, .75, .55, .35]
)  # fmt: skip
_TRAFFIC_WEEKEND = np.array(
    [.3, .2, .14, .12, .14, .22, .4, .65, .9, 1.1, 1.2, 1.2, 1.15, 1.15, 1.2, 1.2, 1.2, 1.2, 1.1, 1.0, .9, .75, .6, .45]
)  # fmt: skip

_HEAT_UM_M_C = Range(2.5, 8.0, -8.0, 11.0)  # strain for each degree of the steel
_STEEL_LAG_MIN = Range(60.0, 180.0, 30.0, 300.0)
_SUN_UM_M = Range(2.0, 8.0, 0.0, 14.0)  # the sun on one side of the deck
_TRAFFIC_UM_M = Range(0.8, 2.0, 0.3, 4.0)  # a minute's mean under ordinary traffic
_HEAVY_A_MIN = Range(0.05, 0.2, 0.02, 0.4)
_HEAVY_UM_M = Range(0.8, 2.0, 0.4, 4.0)
_OWN_UM_M = Range(0.3, 0.8, 0.15, 1.5)
_HISS_UM_M = Range(0.3, 0.8, 0.15, 1.5)
_SHRINKING_UM_M_Y = Range(-15.0, 15.0, -30.0, 30.0)

_LOG_RATE_MM = Range(0.5, 3.0, 0.0, 6.0)  # consolidation for each e-fold of time
_AGE_DAYS = Range(200.0, 1500.0, 60.0, 3000.0)
_SEASON_MM = Range(0.5, 2.0, 0.2, 3.5)
_HEAT_MM_C = Range(0.01, 0.04, -0.04, 0.08)
_OWN_MM = Range(0.02, 0.06, 0.01, 0.12)
_HISS_MM = Range(0.02, 0.05, 0.01, 0.1)


def strain(climate: Climate) -> list[Trace]:
    """Four gauges on one deck, and the steel's thermometer."""
    source = climate.source
    lag = climate.steps(source.draw(_STEEL_LAG_MIN, "lag"))
    steel = lagged(climate.air_c, lag)
    sun = climate.sunshine * np.clip(np.cos(2 * np.pi * (climate.hour - 13.0) / 24.0), 0.0, None) ** 2
    passing, heavy = _traffic(climate)
    years = np.arange(climate.count) * climate.step_min / (365.0 * 1440.0)
    traces = []
    for at in range(SENSORS):
        heat = source.draw(_HEAT_UM_M_C, "heat", at) * (steel - 15.0) + source.draw(_SUN_UM_M, "sun", at) * sun
        light = source.draw(_TRAFFIC_UM_M, "traffic", at) * passing
        lorries = source.draw(_HEAVY_UM_M, "heavy", at) * heavy
        load = light + lorries
        own, hiss = source.draw(_OWN_UM_M, "own", at), source.draw(_HISS_UM_M, "hiss", at)
        noise = own * source.wander(climate.count, climate.steps(30.0), "own", at)
        noise += hiss * source.normal(climate.count, "hiss", at)
        ageing = source.draw(_SHRINKING_UM_M_Y, "ageing", at) * years
        zero = 80.0 * (float(source.stream("zero", at).random()) - 0.5)
        clean = zero + heat + load + noise + ageing
        bursts = float(np.std(load - load.mean()))

        def weaker(where: slice, trouble: Floats, load: Floats = load) -> Floats:
            return trouble * (1.0 + 0.05 * load[where])  # a softer span also answers more to traffic

        low, high = year_limits(clean)
        traces.append(
            Trace(
                f"st-{at}", "strain", clean, Noise(hiss, own, float(np.exp(-1 / climate.steps(30.0))), bursts), 0.1,
                (SENSORS, *(i for i in range(SENSORS) if i != at))[:4], low=low, high=high, physical=weaker,
                cycle=heat,
            )
        )  # fmt: skip
    noise = 0.05 * source.normal(climate.count, "steel", "hiss")
    traces.append(Trace("bt-0", "temperature", steel + noise, Noise(0.05), 0.05, judged=False))
    return traces


def _traffic(climate: Climate) -> tuple[Floats, Floats]:
    """Ordinary traffic (mean about 1) and heavy lorries (sum of their weights), minute by minute."""
    source = climate.source
    habit = climate.weekly(_TRAFFIC, _TRAFFIC_WEEKEND)
    stream = source.stream("cars")
    cars = habit * (1.0 + 0.25 * stream.standard_normal(climate.count) / np.sqrt(np.maximum(habit, 0.1)))
    rate = source.draw(_HEAVY_A_MIN, "lorries") * habit
    draws = source.stream("lorries").random((climate.count, 2))
    weight = np.exp(0.6 * np.sqrt(2.0) * (draws[:, 1] * 2.0 - 1.0) * 1.5)
    return np.maximum(cars, 0.0), np.where(draws[:, 0] < rate, weight, 0.0)


def settlement(climate: Climate) -> list[Trace]:
    """Four points on one stretch of ground, and a thermometer; 10 min."""
    source = climate.source
    soil = lagged(climate.air_c, climate.steps(240.0))
    days = np.arange(climate.count) * climate.step_min / 1440.0
    phase = float(source.stream("season").random()) * 0.2
    season = np.cos(2 * np.pi * (climate.year - 0.1 - phase))
    traces = []
    for at in range(SENSORS):
        age = source.draw(_AGE_DAYS, "age")
        sinking = -source.draw(_LOG_RATE_MM, "rate", at) * np.log1p(days / age)
        breathing = source.draw(_SEASON_MM, "season", at) * season
        heat = source.draw(_HEAT_MM_C, "heat", at) * (soil - 15.0)
        own, hiss = source.draw(_OWN_MM, "own", at), source.draw(_HISS_MM, "hiss", at)
        memory = climate.steps(360.0)
        noise = own * source.wander(climate.count, memory, "own", at) + hiss * source.normal(climate.count, "hiss", at)
        clean = sinking + breathing + heat + noise
        low, high = year_limits(clean)
        peers = tuple(i for i in range(SENSORS) if i != at)
        traces.append(
            Trace(
                f"se-{at}", "settlement", clean, Noise(hiss, own, float(np.exp(-1 / memory))), 0.01,
                (SENSORS, *peers)[:4], low=low, high=high, sign=-1.0, cycle=heat,
                physical=lambda _, trouble: -trouble,
            )
        )  # fmt: skip
    traces.append(air(climate, "gt-0"))
    return traces
