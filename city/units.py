"""Units as people write them (`cm`, `mm/h`, `%LEL`, `µε`, `℃`, `m³/h`), parsed and converted exactly.

A unit is symbols joined by `/`, `*`, `·`, `.` or a space, each with an optional prefix and whole power (`m/s2`).
Factors are fractions derived from definitions, so a conversion is rounded once, at its end.

Three decisions that the numbers depend on:

- An angle is a ratio, as in SI (1 mrad is 1 mm/m). Below 1° that differs from the tangent by less than 0.02 %.
- `%LEL` is its own dimension. It never converts to `%vol`: codes disagree about methane's limit (4.4 or 5 %vol), and a
  silent choice would move every alarm line by an eighth.
- `g` is standard gravity, as accelerometer makers write it; there is no gram.
"""

from __future__ import annotations

import math
import re
import unicodedata
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache

from city.errors import InputError


class UnitError(InputError):
    """A unit nobody knows, or two that measure different things; the message suggests the nearest that would do."""


Dimension = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A parsed unit: value in base units = value * scale + offset.

    Attributes
    ----------
    text
        As it was written.
    dimension
        Powers of the base units, sorted: `(("m", 1), ("s", -2))` for an acceleration; empty for a ratio.
    scale, offset
        Exact; `offset` is nonzero for a temperature scale standing alone only.
    """

    text: str
    dimension: Dimension
    scale: Fraction
    offset: Fraction = Fraction(0)


def _dimension(**powers: int) -> Dimension:
    return tuple(sorted(powers.items()))


_NONE = _dimension()
_LENGTH, _AREA, _VOLUME = _dimension(m=1), _dimension(m=2), _dimension(m=3)
_TIME, _TEMPERATURE = _dimension(s=1), _dimension(K=1)
_FORCE = _dimension(kg=1, m=1, s=-2)
_PRESSURE = _dimension(kg=1, m=-1, s=-2)
_ACCELERATION = _dimension(m=1, s=-2)
_ENERGY = _dimension(kg=1, m=2, s=-2)
_POWER = _dimension(kg=1, m=2, s=-3)

_INCH = Fraction(254, 10_000)  # m, by definition
_POUND = Fraction(45_359_237, 100_000_000)  # kg, by definition
_GRAVITY = Fraction(980_665, 100_000)  # m/s2, standard
_GALLON = 231 * _INCH**3  # US, by definition
_DEGREE = Fraction(math.pi) / 180  # the one factor that is not rational: pi to 16 digits
_FAHRENHEIT = Fraction(5, 9)

# Symbol: (dimension, scale, the SI prefixes it takes). Prefixes nobody means are left out: `Mm/h` is a slip of the
# shift key, not a megametre, and `mPa` a thousand-millionth of the MPa somebody wanted.
_SYMBOLS: dict[str, tuple[Dimension, Fraction, str]] = {
    "m": (_LENGTH, Fraction(1), "kdcmuμn"),
    "in": (_LENGTH, _INCH, ""),
    "ft": (_LENGTH, 12 * _INCH, ""),
    "yd": (_LENGTH, 36 * _INCH, ""),
    "mi": (_LENGTH, 63_360 * _INCH, ""),
    "ha": (_AREA, Fraction(10_000), ""),
    "L": (_VOLUME, Fraction(1, 1000), "cmuμ"),
    "l": (_VOLUME, Fraction(1, 1000), "cmuμ"),
    "gal": (_VOLUME, _GALLON, ""),
    "s": (_TIME, Fraction(1), "muμn"),
    "min": (_TIME, Fraction(60), ""),
    "h": (_TIME, Fraction(3_600), ""),
    "d": (_TIME, Fraction(86_400), ""),
    "wk": (_TIME, Fraction(604_800), ""),
    "a": (_TIME, Fraction(31_557_600), ""),  # Julian year, as UCUM
    "Hz": (_dimension(s=-1), Fraction(1), "kM"),
    "rpm": (_dimension(s=-1), Fraction(1, 60), ""),
    "K": (_TEMPERATURE, Fraction(1), "m"),
    "Pa": (_PRESSURE, Fraction(1), "GMkh"),
    "bar": (_PRESSURE, Fraction(100_000), "m"),
    "atm": (_PRESSURE, Fraction(101_325), ""),
    "psi": (_PRESSURE, _POUND * _GRAVITY / _INCH**2, ""),
    "mH2O": (_PRESSURE, 1000 * _GRAVITY, ""),
    "cmH2O": (_PRESSURE, 10 * _GRAVITY, ""),
    "mmH2O": (_PRESSURE, _GRAVITY, ""),
    "inH2O": (_PRESSURE, 1000 * _GRAVITY * _INCH, ""),
    "mmHg": (_PRESSURE, Fraction(133_322_387_415, 1_000_000_000), ""),
    "N": (_FORCE, Fraction(1), "kM"),
    "kgf": (_FORCE, _GRAVITY, ""),
    "g": (_ACCELERATION, _GRAVITY, "muμn"),
    "Gal": (_ACCELERATION, Fraction(1, 100), "mu"),
    "J": (_ENERGY, Fraction(1), "kMG"),
    "W": (_POWER, Fraction(1), "mkMG"),
    "A": (_dimension(A=1), Fraction(1), "muμ"),
    "V": (_dimension(A=-1, kg=1, m=2, s=-3), Fraction(1), "muμk"),
    "ohm": (_dimension(A=-2, kg=1, m=2, s=-3), Fraction(1), "kM"),
    "%LEL": (_dimension(lel=1), Fraction(1, 100), ""),
    "LEL": (_dimension(lel=1), Fraction(1), ""),
    "1": (_NONE, Fraction(1), ""),
    "%": (_NONE, Fraction(1, 100), ""),
    "%vol": (_NONE, Fraction(1, 100), ""),
    "%RH": (_NONE, Fraction(1, 100), ""),
    "‰": (_NONE, Fraction(1, 1000), ""),
    "ppm": (_NONE, Fraction(1, 10**6), ""),
    "ppb": (_NONE, Fraction(1, 10**9), ""),
    "ε": (_NONE, Fraction(1), "muμn"),
    "strain": (_NONE, Fraction(1), "muμn"),
    "rad": (_NONE, Fraction(1), "muμn"),
    "deg": (_NONE, _DEGREE, ""),
    "arcmin": (_NONE, _DEGREE / 60, ""),
    "arcsec": (_NONE, _DEGREE / 3600, ""),
}

# Temperature scales: kelvin = value * scale + offset; inside a compound they are intervals.
_SCALES: dict[str, tuple[Fraction, Fraction]] = {
    "Cel": (Fraction(1), Fraction(27_315, 100)),
    "degF": (_FAHRENHEIT, Fraction(45_967, 100) * _FAHRENHEIT),
}

_PREFIXES = {
    "G": Fraction(10**9),
    "M": Fraction(10**6),
    "k": Fraction(1000),
    "h": Fraction(100),
    "d": Fraction(1, 10),
    "c": Fraction(1, 100),
    "m": Fraction(1, 1000),
    "u": Fraction(1, 10**6),
    "μ": Fraction(1, 10**6),  # what both micro signs become under NFKC
    "n": Fraction(1, 10**9),
}

# Other ways people write a symbol (after NFKC, which turns ℃ into °C, ³ into 3, full-width into plain).
_ALIASES = {
    "°C": "Cel", "degC": "Cel", "celsius": "Cel", "C": "Cel", "摄氏度": "Cel",
    "°F": "degF", "fahrenheit": "degF", "[degF]": "degF",
    "%lel": "%LEL", "LEL%": "%LEL", "%LFL": "%LEL", "lel": "LEL",
    "%VOL": "%vol", "vol%": "%vol", "VOL%": "%vol", "%(v/v)": "%vol", "%v/v": "%vol", "%rh": "%RH",
    "microstrain": "ustrain", "微应变": "ustrain",
    "°": "deg", "degree": "deg", "degrees": "deg", "度": "deg", "'": "arcmin", "″": "arcsec", "''": "arcsec",
    '"': "in", "inch": "in", "inches": "in", "feet": "ft", "foot": "ft", "[in_i]": "in", "[ft_i]": "ft",
    "meter": "m", "metre": "m", "meters": "m", "metres": "m", "米": "m", "厘米": "cm", "毫米": "mm", "公里": "km",
    "sec": "s", "second": "s", "minute": "min", "hr": "h", "hour": "h", "day": "d", "yr": "a", "year": "a",
    "秒": "s", "分钟": "min", "小时": "h", "天": "d", "年": "a", "立方米": "m3", "升": "L",
    "帕": "Pa", "千帕": "kPa", "兆帕": "MPa", "伏": "V", "毫伏": "mV",
    "percent": "%", "gn": "g", "g0": "g", "mps": "m/s", "cfm": "ft3/min", "gpm": "gal/min", "lpm": "L/min",
    "volt": "V", "volts": "V", "Ω": "ohm", "count": "1",
}  # fmt: skip

_TERM = re.compile(r"(?P<symbol>.*?[^\d^\-−])(?:\^?(?P<power>[-−]?\d+))?")
_JOINT = re.compile(r"\s*([/*·⋅.])\s*|\s+")
_LONGEST = 40


@lru_cache(maxsize=4096)
def parse(text: str) -> Unit:
    """The unit that `text` spells.

    Raises
    ------
    UnitError
        When a symbol in it is unknown; suggests the nearest known one.
    """
    plain = unicodedata.normalize("NFKC", text).strip()
    if not plain or len(plain) > _LONGEST:
        raise UnitError(f"not a unit, got {text[:_LONGEST]!r}, try cm, mm/h, kPa or %LEL")
    alone = _ALIASES.get(plain, plain)
    if alone in _SCALES:
        return Unit(text, _TEMPERATURE, *_SCALES[alone])
    if alone in _SYMBOLS:
        return Unit(text, *_SYMBOLS[alone][:2])
    powers: dict[str, int] = {}
    scale, sign = Fraction(1), 1
    for index, piece in enumerate(_JOINT.split(alone)):
        if index % 2:
            sign = -1 if piece == "/" else 1
            continue
        dimension, factor, power = _term(piece, text)
        scale *= factor ** (sign * power)
        for base, base_power in dimension:
            powers[base] = powers.get(base, 0) + sign * power * base_power
    return Unit(text, tuple(sorted((base, power) for base, power in powers.items() if power)), scale)


def _term(piece: str, whole: str) -> tuple[Dimension, Fraction, int]:
    """Dimension, factor and power of one symbol of the unit `whole`."""
    if piece == "1":  # as in 1/s
        return _NONE, Fraction(1), 1
    for symbol, power in ((piece, "1"), _split_power(piece)):
        known = _symbol(symbol)
        if known is not None and abs(int(power)) <= 6:
            return known[0], known[1], int(power)
    nearest = suggest(whole)
    raise UnitError(f"unknown unit, got {whole!r}, try {nearest or 'cm, mm/h, kPa or %LEL'}")


def _split_power(piece: str) -> tuple[str, str]:
    match = _TERM.fullmatch(piece)
    if match is None:
        return piece, "1"
    return match["symbol"], (match["power"] or "1").replace("−", "-")


def _symbol(symbol: str) -> tuple[Dimension, Fraction] | None:
    if symbol in _ALIASES:
        meant = parse(_ALIASES[symbol])
        return meant.dimension, meant.scale
    if symbol in _SYMBOLS:
        return _SYMBOLS[symbol][:2]
    if symbol in _SCALES:  # within a compound a temperature is an interval
        return _TEMPERATURE, _SCALES[symbol][0]
    if symbol == "kg":
        return _dimension(kg=1), Fraction(1)
    prefix, rest = symbol[:1], symbol[1:]
    if rest in _SYMBOLS and prefix and prefix in _SYMBOLS[rest][2]:
        dimension, factor, _ = _SYMBOLS[rest]
        return dimension, factor * _PREFIXES[prefix]
    return None


_COMMON = (
    "m", "cm", "mm", "um", "km", "in", "ft", "mm/h", "mm/min", "mm/d", "mm/a", "mm/m", "um/m", "ustrain",
    "Pa", "hPa", "kPa", "MPa", "bar", "mbar", "psi", "mH2O", "mmH2O", "m3/h", "m3/s", "L/s", "L/min", "Cel", "K",
    "degF", "%LEL", "%vol", "%", "%RH", "ppm", "m/s", "m/s2", "g", "mg", "Gal", "Hz", "V", "mV", "A", "mA", "deg",
    "mrad", "rad", "kN", "N", "s", "min", "h", "d",
)  # fmt: skip


def suggest(text: str) -> str:
    """The nearest unit that is known, empty when none is near."""
    plain = unicodedata.normalize("NFKC", text).strip()
    for known in _COMMON:
        if known.lower() == plain.lower():
            return known
    return next(iter(get_close_matches(plain, _COMMON, n=1, cutoff=0.5)), "")


def same_dimension(a: str, b: str) -> bool:
    """Whether two units measure the same thing (UnitError when one is unknown)."""
    return parse(a).dimension == parse(b).dimension


@lru_cache(maxsize=4096)
def _exact(from_unit: str, to_unit: str) -> tuple[Fraction, Fraction]:
    source, target = parse(from_unit), parse(to_unit)
    if source.dimension != target.dimension:
        alike = [unit for unit in _COMMON if parse(unit).dimension == target.dimension]
        raise UnitError(f"unit {from_unit!r} does not convert to {to_unit!r}, try {', '.join(alike[:5]) or to_unit}")
    return source.scale / target.scale, (source.offset - target.offset) / target.scale


def converter(from_unit: str, to_unit: str) -> tuple[float, float]:
    """Scale and offset with to = from * scale + offset; for a difference (a deadband) use the scale alone.

    Raises
    ------
    UnitError
        When a unit is unknown or they measure different things.
    """
    scale, offset = _exact(from_unit, to_unit)
    return float(scale), float(offset)


def convert(value: float, from_unit: str, to_unit: str) -> float:
    """`value` in another unit, rounded once (infinities and NaN stay what they are)."""
    scale, offset = _exact(from_unit, to_unit)
    if not math.isfinite(value):
        return value
    return float(Fraction(value) * scale + offset)


_MEASURE = re.compile(r"\s*(?P<number>[-+−]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*(?P<unit>\D.*)?", re.DOTALL)


def split_measure(text: str) -> tuple[float, str]:
    """The number and the unit of `15 cm` (unit empty when there is none; UnitError when there is no number)."""
    match = _MEASURE.fullmatch(unicodedata.normalize("NFKC", text))
    if match is None:
        raise UnitError(f"not a number with a unit, got {text!r}, try 15 cm")
    return float(match["number"].replace("−", "-")), (match["unit"] or "").strip()


def measure(text: str, to_unit: str, *, difference: bool = False) -> float:
    """The value of `15 cm` in `to_unit`; a `difference` (a deadband, a rise) leaves offsets out.

    Raises
    ------
    UnitError
        When the number or the unit is missing, unknown or of another dimension.
    """
    value, unit = split_measure(text)
    if not unit:
        raise UnitError(f"a number without a unit, got {text!r}, try {text.strip()} {to_unit}")
    if difference:
        return float(Fraction(value) * _exact(unit, to_unit)[0])
    return convert(value, unit, to_unit)
