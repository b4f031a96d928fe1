"""How long a city keeps what it measured: `retention` in `city.yaml`. Whatever is not said is kept for ever.

.. code-block:: yaml

    retention:
      readings: 2y              # raw readings
      quantities: {strain: 90d} # some quantities shorter or longer
      around_red: 1y            # raw readings around every red incident at its site stay: half before, half after
      readings_5m: 5y           # roll-ups outlive what they are made from
      readings_1h: 20y
      readings_1d: forever
      compress_after: 7d        # where the database can compress
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from city import duration
from city.errors import Fault, InputError
from city.keys import Key, Kind, optional
from city.positions import Path, Positions, check_keys, nearest_or_all, show

DAY_S = 86_400.0
YEAR_S = 366 * DAY_S  # a year is never cut short
LEAST_S = 2 * DAY_S  # late data of a day must still find their place
ROLLUPS = ("readings_5m", "readings_1h", "readings_1d")
RETENTION: Mapping[str, Key] = {
    "readings": Key(Kind.TEXT, "How long raw readings are kept: 90d, 2y or forever."),
    "quantities": Key(Kind.MAPPING, "The same for quantities that differ, by name: {strain: 90d}."),
    "around_red": Key(Kind.TEXT, "The stretch of raw readings that stays around every red incident at its site: 1y."),
    "readings_5m": Key(Kind.TEXT, "How long five-minute values are kept; at least as long as readings."),
    "readings_1h": Key(Kind.TEXT, "How long hourly values are kept; at least as long as five-minute values."),
    "readings_1d": Key(Kind.TEXT, "How long daily values are kept; at least as long as hourly values."),
    "compress_after": Key(Kind.TEXT, "Age from which readings are compressed, where the database can: 7d."),
}
_YEARS = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*y")
_EXAMPLE = "90d, 2y or forever"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long things are kept, in seconds; infinity is for ever.

    Attributes
    ----------
    readings_s
        Raw readings of quantities that `quantities_s` does not name.
    around_red_s
        Length of the stretch of raw readings, its middle at the incident, that stays around a red one.
    rollups_s
        By view (`readings_5m`, `readings_1h`, `readings_1d`).
    compress_after_s
        Age from which readings are compressed where the database can; infinity: never.
    """

    readings_s: float = math.inf
    quantities_s: Mapping[str, float] = field(default_factory=dict)
    around_red_s: float = YEAR_S
    rollups_s: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(ROLLUPS, math.inf))
    compress_after_s: float = 7 * DAY_S

    def of(self, quantity: str) -> float:
        """How long raw readings of a quantity are kept."""
        return self.quantities_s.get(quantity, self.readings_s)


def read_retention(
    value: object, quantities: Mapping[str, object], positions: Positions, faults: list[Fault]
) -> Retention:
    """The retention that `city.yaml` asks for; whatever is wrong is added to `faults`."""
    at: Path = ("retention",)
    faults += check_keys(value, at, positions, optional=optional(RETENTION))
    if not isinstance(value, Mapping):
        return Retention()
    usual = Retention()
    found = {
        key: _length(value[key], (*at, key), positions, faults)
        for key in RETENTION
        if key in value and key != "quantities"
    }
    own = _of_quantities(value.get("quantities", {}), quantities, (*at, "quantities"), positions, faults)
    made = Retention(
        found.get("readings", usual.readings_s),
        own,
        found.get("around_red", usual.around_red_s),
        {name: found.get(name, math.inf) for name in ROLLUPS},
        found.get("compress_after", usual.compress_after_s),
    )
    _check_order(made, at, positions, faults)
    return made


def _of_quantities(
    value: object, known: Mapping[str, object], at: Path, positions: Positions, faults: list[Fault]
) -> dict[str, float]:
    if not isinstance(value, Mapping):
        faults.append(
            positions.fault(at, "expected quantities and how long each is kept", show(value), "{strain: 90d}")
        )
        return {}
    found = {}
    for name, length in value.items():
        if name not in known:
            hint = nearest_or_all(str(name), known)
            faults.append(positions.key_fault((*at, name), "unknown quantity", show(name), hint))
            continue
        found[str(name)] = _length(length, (*at, name), positions, faults)
    return found


def _length(value: object, at: Path, positions: Positions, faults: list[Fault]) -> float:
    if value == "forever":
        return math.inf
    try:
        years = _YEARS.fullmatch(str(value).strip())
        length_s = float(years[1]) * YEAR_S if years else duration.parse_s(str(value))
    except InputError:
        faults.append(positions.fault(at, "not a length of time to keep", show(value), _EXAMPLE))
        return math.inf
    if length_s < LEAST_S:
        faults.append(positions.fault(at, "shorter than two days: late data would find no place", show(value), "7d"))
        return math.inf
    return length_s


def _check_order(made: Retention, at: Path, positions: Positions, faults: list[Fault]) -> None:
    """Roll-ups are computed from what is shorter: that must never be gone before them."""
    longest_s = max((made.readings_s, *made.quantities_s.values()))
    before, before_s = "readings", longest_s
    for name in ROLLUPS:
        if made.rollups_s[name] < before_s:
            what = f"{name} must be kept at least as long as {before}, which it is made from"
            faults.append(positions.fault((*at, name), what, duration.write(made.rollups_s[name]), "a longer time"))
        before, before_s = name, made.rollups_s[name]
