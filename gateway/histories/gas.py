"""Gas: medium pressure behind one regulator, district flows, methane in manholes."""

from __future__ import annotations

from typing import Final

import numpy as np

from gateway.histories.climate import Climate
from gateway.histories.streams import Range, lagged
from gateway.histories.trace import Noise, Trace, year_limits
from gateway.noise import Floats

SENSORS: Final = 4
_ATMOSPHERE_KPA = 101.325

# Hourly draw of a district that cooks, washes and heats: 1 on average over a week.
_WORKDAY = np.array(
    [.55, .48, .45, .45, .5, .7, 1.05, 1.3, 1.2, 1.05, 1.05, 1.25,
     1.3, 1.05, .95, .95, 1.05, 1.3, 1.5, 1.45, 1.3, 1.1, .9, .7]
)  # fmt: skip
_WEEKEND = np.array(
    [.6, .5, .46, .45, .48, .58, .8, 1.05, 1.2, 1.2, 1.2, 1.35,
     1.35, 1.15, 1.0, 1.0, 1.1, 1.3, 1.45, 1.4, 1.3, 1.15, .95, .75]
)  # fmt: skip

_SETPOINT_KPA = Range(280.0, 380.0, 200.0, 400.0)  # gauge, behind the regulator
_DROP_KPA = Range(15.0, 50.0, 6.0, 80.0)  # pipe friction at the peak of a cold day
_REGULATOR_KPA = Range(0.4, 1.0, 0.2, 2.0)  # slow wander of the regulator
_OWN_KPA = Range(0.15, 0.4, 0.08, 0.8)  # AR(1) of one tapping
_HISS_KPA = Range(0.1, 0.3, 0.05, 0.6)
_HEATING = Range(0.10, 0.22, 0.05, 0.3)  # more flow for each degree below 16
_DAY_TO_DAY = Range(0.02, 0.05, 0.01, 0.08)
_WITHIN_DAY = Range(0.01, 0.025, 0.005, 0.05)
_FLOW_M3_H = Range(120.0, 600.0, 60.0, 1500.0)
_METER = Range(0.004, 0.01, 0.002, 0.02)  # white noise of a meter, of its mean flow
_BACKGROUND_LEL = Range(0.6, 2.0, 0.3, 3.0)
_CALM_NIGHT_LEL = Range(0.3, 1.0, 0.1, 2.0)
_PLUMES_A_DAY = Range(0.3, 1.2, 0.1, 2.5)
_PLUME_LEL = Range(0.5, 1.2, 0.3, 2.0)
_MEMBRANE_LEL = Range(0.04, 0.1, 0.02, 0.2)
_CH4_HISS_LEL = Range(0.03, 0.08, 0.015, 0.15)
LEAK_OF_FLOW: Final = 0.1  # a leak of unit trouble, of the mean flow


def demand(climate: Climate) -> Floats:
    """Flow that a district draws, over about its yearly mean: hour, weekday, temperature (half a day late), whims."""
    source = climate.source
    heating, cold = source.draw(_HEATING, "heating"), 16.0 - lagged(climate.air_c, climate.steps(720.0))
    habits = climate.weekly(_WORKDAY, _WEEKEND) * _heated(heating, np.clip(cold, 0.0, None))
    days = source.draw(_DAY_TO_DAY, "days") * climate.coarse(1440.0, 2 * 1440.0, "days")
    hours = source.draw(_WITHIN_DAY, "hours") * source.wander(climate.count, climate.steps(120.0), "hours")
    drawn: Floats = habits * np.exp(days + hours)
    return drawn


def _heated(heating: float, cold_c: Floats | float) -> Floats:
    """Flow over the year's mean flow, by degrees below 16 (about 4 on average)."""
    return np.asarray((1.0 + heating * cold_c) / (1.0 + 4.0 * heating))


def pressure(climate: Climate) -> list[Trace]:
    """Four tappings behind one regulator; p2^2 = p1^2 - K Q^2, the steady flow of gas at medium pressure."""
    source = climate.source
    flow = demand(climate)
    wander = source.draw(_REGULATOR_KPA, "regulator") * source.wander(climate.count, climate.steps(240.0), "regulator")
    setpoint = source.draw(_SETPOINT_KPA, "setpoint") + _ATMOSPHERE_KPA
    upstream, peak = setpoint + wander, 1.5 * float(_heated(source.draw(_HEATING, "heating"), 16.0))
    traces = []
    for at in range(SENSORS):
        friction = 2.0 * setpoint * source.draw(_DROP_KPA, "drop", at) / peak**2
        own, hiss = source.draw(_OWN_KPA, "own", at), source.draw(_HISS_KPA, "hiss", at)
        memory = climate.steps(source.draw(Range(10.0, 40.0, 5.0, 90.0), "memory", at))
        swing = np.sqrt(np.maximum(upstream**2 - friction * flow**2, 1.0)) - _ATMOSPHERE_KPA
        noise = own * source.wander(climate.count, memory, "own", at) + hiss * source.normal(climate.count, "hiss", at)
        clean = swing + noise

        def leaking(where: slice, trouble: Floats, friction: float = friction) -> Floats:
            before = upstream[where] ** 2 - friction * flow[where] ** 2
            after = upstream[where] ** 2 - friction * (flow[where] + LEAK_OF_FLOW * trouble) ** 2
            return np.sqrt(np.maximum(after, 1.0)) - np.sqrt(np.maximum(before, 1.0))

        low, high = year_limits(clean)
        traces.append(
            Trace(
                f"gp-{at}", "gas_pressure", clean, Noise(hiss, own, float(np.exp(-1 / memory))), 0.1,
                tuple(i for i in range(SENSORS) if i != at), low=low, high=high, physical=leaking, sign=-1.0,
                cycle=swing,
            )
        )  # fmt: skip
    return traces


def flow(climate: Climate) -> list[Trace]:
    """Four district meters of one town, and the air that they heat against."""
    source = climate.source
    common = demand(climate)
    traces = []
    for at in range(SENSORS):
        mean = source.draw(_FLOW_M3_H, "mean", at)
        whims = source.draw(_WITHIN_DAY, "whims", at) * source.wander(climate.count, climate.steps(60.0), "whims", at)
        hiss = source.draw(_METER, "meter", at) * mean
        swing = mean * common
        clean = np.maximum(swing * np.exp(whims) + hiss * source.normal(climate.count, "hiss", at), 0.0)
        low, high = year_limits(clean)
        spread, phi = source.draw(_WITHIN_DAY, "whims", at) * mean, float(np.exp(-1 / climate.steps(60.0)))
        traces.append(
            Trace(
                f"gf-{at}", "gas_flow", clean, Noise(hiss, spread, phi), 0.1,
                (*(i for i in range(SENSORS) if i != at), SENSORS)[:4], low=low, high=high,
                physical=lambda _, trouble, mean=mean: LEAK_OF_FLOW * mean * trouble,  # type: ignore[misc]  # the default binds the loop's value
                cycle=swing,
            )
        )  # fmt: skip
    traces.append(air(climate))
    return traces


def air(climate: Climate, name: str = "at-0") -> Trace:
    """A thermometer that explains others."""
    noise = 0.1 * climate.source.normal(climate.count, name, "hiss")
    return Trace(name, "temperature", climate.air_c + noise, Noise(0.1), 0.1, judged=False)


def methane(climate: Climate) -> list[Trace]:
    """Three manholes: background, still nights, puffs of sewage gas on their way, a sensor's own drift."""
    source = climate.source
    still = np.clip(climate.coarse(720.0, 1440.0, "wind"), 0.0, None)
    night = np.exp(-(((climate.hour - 4.5 + 12.0) % 24.0 - 12.0) ** 2) / 8.0)
    traces = []
    for at in range(3):
        pooled = source.draw(_CALM_NIGHT_LEL, "still", at) * still * night
        puffs = _plumes(climate, at)
        own, hiss = source.draw(_MEMBRANE_LEL, "own", at), source.draw(_CH4_HISS_LEL, "hiss", at)
        ageing = 0.15 * climate.coarse(1440.0, 40 * 1440.0, "ageing", at)
        noise = own * source.wander(climate.count, climate.steps(45.0), "own", at)
        noise += hiss * source.normal(climate.count, "hiss", at)
        clean = np.maximum(source.draw(_BACKGROUND_LEL, "background", at) + pooled + puffs + ageing + noise, 0.0)
        known = Noise(hiss, own, float(np.exp(-1 / climate.steps(45.0))), float(puffs.std()))
        peers = tuple(i for i in range(3) if i != at)
        traces.append(Trace(f"ch4-{at}", "methane", clean, known, 0.05, (*peers, 3), high=10.0, cycle=pooled))
    traces.append(air(climate))
    return traces


def _plumes(climate: Climate, at: int) -> Floats:
    """Puffs: up within minutes, gone within the hour; more of them in the warm season."""
    source = climate.source
    found = np.zeros(climate.count)
    stream, rate = source.stream("plumes", at), source.draw(_PLUMES_A_DAY, "plumes", at)
    size = source.draw(_PLUME_LEL, "plume", at)
    day = int(climate.steps(1440.0))
    for number in range(climate.count // day):
        warm = 1.0 + 0.6 * np.cos(2 * np.pi * (float(climate.year[number * day]) - 0.56))
        draws = stream.random((6, 4))
        for puff in draws[: int(np.searchsorted(np.cumsum(-np.log(draws[:, 3])), rate * warm))]:
            first, fade = number * day + int(puff[0] * day), climate.steps(8.0 + 45.0 * puff[1])
            since = np.arange(min(int(8 * fade) + 1, climate.count - first))
            rise = max(climate.steps(3.0), 0.5)
            crest = size * np.exp(1.1 * (puff[2] + float(stream.random()) - 1.0) * 1.7)
            found[first : first + len(since)] += crest * (1.0 - np.exp(-since / rise)) * np.exp(-since / fade)
    return found
