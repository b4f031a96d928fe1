"""What readings mean: a sensor of the register and a conversion of units, as one number each.

Gateways send the same sensors in the same order again and again, so the answers for a message are found by all its
names together; what is remembered for that is bounded, whatever names a gateway invents.
"""

from __future__ import annotations

from array import array
from typing import Final

import numpy as np
from numpy.typing import NDArray

from city.units import UnitError, converter, parse
from ingest.message import ReadingsMessage
from ingest.reasons import Reason
from ingest.sensortable import SensorTable

UNKNOWN: Final = -1
_OTHERS, _BAD_UNIT = -2, -3
REASONS: Final = {UNKNOWN: Reason.UNKNOWN_SENSOR, _OTHERS: Reason.WRONG_GATEWAY, _BAD_UNIT: Reason.BAD_UNIT}
"""Why a reading with a number below 0 means nothing."""

_KNOWN_BYTES: Final = 8 << 20  # what remembered messages may take
_A_MESSAGE, _A_NAME = 400, 60  # bytes: what one takes, and each name in it beside the name itself
_FEW: Final = 3  # names: so few are found sooner one by one
_CONVERSIONS: Final = 4_000

_Key = tuple[str, str, tuple[str | None, ...] | None]


class Variants:
    """Numbers for what gateways say, under one state of the register. Not for several threads."""

    def __init__(self, table: SensorTable) -> None:
        self._table, self._places = table, max(1, len(table.names))
        self._messages: dict[_Key, bytes] = {}
        self._room = _KNOWN_BYTES
        self._conversions: dict[tuple[str, str], int] = {}
        self._factors: list[tuple[float, float, float]] = []  # canonical = (sent * up + add) / down
        self._frozen = np.empty((3, 0))

    def begin(self) -> None:
        """Numbers given before are of no use any more: forget, if it has become too much."""
        if len(self._conversions) > _CONVERSIONS:
            self._conversions.clear()
            self._factors.clear()
            self._frozen = np.empty((3, 0))
            self._messages.clear()
            self._room = _KNOWN_BYTES

    def add(self, message: ReadingsMessage, numbers: array[int]) -> None:
        """Append a number for each sensor that a message names."""
        names, units = message.sensor, message.unit
        if len(names) <= _FEW:
            for name, unit in zip(names, units, strict=True):
                numbers.append(self._number(message.gateway, name, unit))
            return
        together = "\0".join(names)
        if together.count("\0") != len(names) - 1:  # no register has such a name
            numbers.frombytes(self._found(message))
            return
        key = message.gateway, together, None if units.count(None) == len(units) else tuple(units)
        known = self._messages.get(key)
        numbers.frombytes(self._remembered(key, message) if known is None else known)

    def _remembered(self, key: _Key, message: ReadingsMessage) -> bytes:
        known = self._found(message)
        size = _A_MESSAGE + _A_NAME * len(message.sensor) + len(key[1])
        if size < _KNOWN_BYTES // 10:
            self._room -= size
            if self._room < 0:
                self._messages.clear()
                self._room = _KNOWN_BYTES - size
            self._messages[key] = known
        return known

    def _found(self, message: ReadingsMessage) -> bytes:
        gateway, number_of = message.gateway, self._number
        return array(
            "q", [number_of(gateway, *pair) for pair in zip(message.sensor, message.unit, strict=True)]
        ).tobytes()

    def _number(self, gateway: str, name: str, unit: str | None) -> int:
        table = self._table
        place = table.names.find(name)
        if place < 0:
            return UNKNOWN
        if table.gateway_of(place) != gateway:
            return _OTHERS
        own, canonical = table.units_of(place)
        key = own if unit is None else unit, canonical
        conversion = self._conversions.get(key)
        if conversion is None:
            conversion = self._conversions[key] = self._new(*key)
        return _BAD_UNIT if conversion < 0 else conversion * self._places + place

    def _new(self, unit: str, canonical: str) -> int:
        try:
            self._factors.append(_factors(unit, canonical))
        except UnitError:
            return _BAD_UNIT
        return len(self._factors) - 1

    def meant(self, number: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Of numbers from 0: the places of their sensors, and up, add, down: canonical = (sent * up + add) / down."""
        if self._frozen.shape[1] != len(self._factors):
            self._frozen = np.array(self._factors, dtype=np.float64).T
        conversion, place = np.divmod(number, self._places)
        if not len(self._factors):
            return place, np.ones((3, len(number)))
        return place, self._frozen[:, conversion]


def _factors(unit: str, canonical: str) -> tuple[float, float, float]:
    """Whole-number factors: canonical = (sent * up + add) / down is right to the last digit (150 mm is 15 cm)."""
    scale, offset = converter(unit, canonical)  # refuses what does not convert
    exact = parse(unit).scale / parse(canonical).scale
    if max(exact.numerator, exact.denominator) >= 1 << 53:
        return scale, offset, 1.0
    shift = (parse(unit).offset - parse(canonical).offset) / parse(canonical).scale
    return float(exact.numerator), float(shift * exact.denominator), float(exact.denominator)
