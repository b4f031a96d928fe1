"""What a sensor can measure: each quantity with its canonical unit, domain, names and the range of physics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

DOMAINS = ("gas", "waterlogging", "bridge", "settlement", "weather", "platform")


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measurable thing.

    Parameters
    ----------
    id
        Name in files, topics and views (`water_depth`).
    unit
        Canonical unit: everything inside is in it.
    domain
        One of `DOMAINS`.
    name
        Name by language, at least `en` and `zh`.
    hard_min, hard_max
        What no working sensor can report, in the canonical unit: values outside are flagged FAIL.
        They describe physics and instruments, not alarm thresholds.
    """

    id: str
    unit: str
    domain: str
    name: Mapping[str, str]
    hard_min: float
    hard_max: float


# id, unit, domain, English, Chinese, hard range.
_ROWS: tuple[tuple[str, str, str, str, str, float, float], ...] = (
    ("gas_pressure", "kPa", "gas", "gas pressure", "燃气压力", -101.325, 20_000.0),  # gauge: not below vacuum
    ("gas_flow", "m3/h", "gas", "gas flow", "燃气流量", -1e6, 1e6),  # negative: flowing back
    ("methane", "%LEL", "gas", "methane", "甲烷浓度", -5.0, 2_500.0),  # zero drift; pure methane is 20 to 23 LEL
    ("water_depth", "cm", "waterlogging", "water depth", "积水深度", -10.0, 5_000.0),
    ("water_level", "m", "waterlogging", "water level", "水位", -500.0, 9_000.0),  # above a datum
    ("rainfall", "mm", "weather", "rainfall", "降雨量", 0.0, 500.0),  # within one interval
    ("strain", "um/m", "bridge", "strain", "应变", -20_000.0, 20_000.0),
    ("temperature", "Cel", "weather", "temperature", "温度", -60.0, 120.0),  # air, pipe or steel in the sun
    ("deflection", "mm", "bridge", "deflection", "挠度", -5_000.0, 5_000.0),
    ("tilt", "mm/m", "bridge", "tilt", "倾斜", -1_600.0, 1_600.0),
    ("crack", "mm", "bridge", "crack width", "裂缝宽度", -50.0, 500.0),
    ("acceleration", "m/s2", "bridge", "acceleration", "加速度", -200.0, 200.0),
    ("settlement", "mm", "settlement", "settlement", "沉降", -5_000.0, 5_000.0),
    ("pore_pressure", "kPa", "settlement", "pore water pressure", "孔隙水压力", -101.325, 5_000.0),
    ("battery", "V", "platform", "battery voltage", "电池电压", 0.0, 100.0),
)

QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {
        id_: Quantity(id_, unit, domain, MappingProxyType({"en": en, "zh": zh}), hard_min, hard_max)
        for id_, unit, domain, en, zh, hard_min, hard_max in _ROWS
    }
)
