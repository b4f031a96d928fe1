"""SenML packs (RFC 8428), JSON or CBOR, resolved into readings.

Base fields hold from their record on. A name is base name + name; a value is base value + value, where one of them may
be missing; a time is base time + time, in seconds: from 2**28 on since 1970, below it relative to the arrival. A sum
(`s`, base sum added) becomes a reading of its own, of the sensor `NAME-sum` in the unit times a second. Only numbers
are readings: text, truth values and data are refused one by one. A field that ends with `_` must be understood; none
is, so its pack is refused, as is a pack of a version with features other than the secondary units of RFC 8798.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import cbor2

from ingest.decoders.common import MS_RANGE, Bad, Source, Told, parse_json, short, take
from ingest.message import ReadingsMessage
from ingest.reasons import Reason

RELATIVE_BELOW_S: Final = float(1 << 28)
VERSION: Final = 10
_VERSIONS: Final = (VERSION, VERSION | 1 << 4)  # RFC 9100: the fifth bit is for the secondary units
_LABELS: Final[Mapping[int, str]] = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
_NOT_NUMBERS: Final = {"vs": "text", "vb": "a truth value", "vd": "data"}
# SenML's names that are written otherwise here, or mean something else here (`g` is gravity, never a gram).
_UNITS: Final[Mapping[str, str]] = {
    "/": "1", "/100": "%", "/1000": "‰", "%EL": "%", "beat/min": "1/min", "beats": "count", "lat": "deg", "lon": "deg",
    "g": "gram", "ug/m3": "microgram/m3", "C": "coulomb", "S": "siemens",
}  # fmt: skip


def readings(source: Source, payload: bytes) -> ReadingsMessage:
    """Resolve a pack; JSON when it begins like a JSON array, CBOR otherwise."""
    is_json = payload.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"[", b"{", b"")
    pack = parse_json(payload) if is_json else _cbor(payload)
    if not isinstance(pack, list):
        raise Bad(Reason.BAD_MESSAGE, f"not a SenML pack, got {short(pack)}, try an array of records")
    told = Told()
    message = ReadingsMessage(*source[:3], refused=told.refused)
    resolver = _Resolver(source.received_us)
    for record in pack:
        if not isinstance(record, dict):
            told.tell(Bad(Reason.BAD_READING, f"not a record, got {short(record)}"), "", None, record)
            continue
        for name, time_us, value, unit in _each(resolver, record, told):
            try:
                take(message, name, time_us, value, unit)
            except Bad as bad:
                told.tell(bad, name, time_us, record)
    told.tally.finish(payload)
    return message


def _each(resolver: _Resolver, record: dict[str, Any], told: Told) -> Iterator[tuple[str, int, object, str | None]]:
    """The readings of a record; what makes none is told."""
    name = ""
    try:
        resolver.begin(record)
        name = resolver.name(record)
        yield from resolver.resolved(name, record)
    except _NotUnderstood as whole:
        raise Bad(Reason.BAD_MESSAGE, whole.detail) from None
    except Bad as bad:
        told.tell(bad, name, None, record)


class _NotUnderstood(Bad):
    """It spoils the whole pack."""


class _Resolver:
    """The base values as they stand after the records so far."""

    def __init__(self, received_us: int) -> None:
        self._received_us = received_us
        self._base: dict[str, Any] = {}

    def begin(self, record: Mapping[str, Any]) -> None:
        """Take over a record's base fields."""
        for label in record:
            if not isinstance(label, str):
                raise _NotUnderstood(Reason.BAD_MESSAGE, f"unknown label, got {short(label)}")
            if label.endswith("_"):
                raise _NotUnderstood(Reason.BAD_MESSAGE, f"a field that must be understood, got {short(label)}")
        version = record.get("bver", self._base.get("bver", VERSION))
        if type(version) is not int or version not in _VERSIONS:
            raise _NotUnderstood(Reason.BAD_MESSAGE, f"unknown SenML version, got {short(version)}, try {VERSION}")
        self._base |= {label: value for label, value in record.items() if label.startswith("b") and len(label) > 1}

    def name(self, record: Mapping[str, Any]) -> str:
        """Base name + name."""
        parts = self._base.get("bn", ""), record.get("n", "")
        if not all(isinstance(part, str) for part in parts) or not any(parts):
            raise Bad(Reason.BAD_READING, f"no name, got {short(''.join(map(str, parts)))}, try 'bn' or 'n': text")
        return "".join(parts)

    def resolved(self, name: str, record: Mapping[str, Any]) -> Iterator[tuple[str, int, object, str | None]]:
        """Name, time in µs since 1970, value and unit of what a record says in numbers."""
        other = next((label for label in _NOT_NUMBERS if label in record), None)
        has_value = "v" in record or ("bv" in self._base and other is None and "s" not in record and "n" in record)
        has_sum = "s" in record or ("bs" in self._base and (has_value or other is not None or "n" in record))
        if other is not None:
            what = _NOT_NUMBERS[other]
            raise Bad(Reason.BAD_VALUE, f"not a number but {what} ('{other}'), got {short(record[other])}")
        if not (has_value or has_sum):
            if "n" in record or "t" in record:
                raise Bad(Reason.BAD_VALUE, "no value, got none of v, s, vs, vb, vd")
            return  # a record of base fields only
        time_us = self._time_us(record)
        unit = record.get("u", self._base.get("bu"))
        if has_value:
            yield name, time_us, self._sum_of(record, "v"), unit_of(unit)
        if has_sum:
            yield f"{name}-sum", time_us, self._sum_of(record, "s"), unit_of(_times_second(unit))

    def _time_us(self, record: Mapping[str, Any]) -> int:
        time_s = self._sum_of(record, "t", Reason.BAD_TIME)
        time_us = round(time_s * 1e6) + (0 if time_s >= RELATIVE_BELOW_S else self._received_us)
        if not MS_RANGE[0] * 1000 <= time_us <= MS_RANGE[1] * 1000:
            raise Bad(Reason.BAD_TIME, f"outside of the years 1 to 9999, got {time_s} s")
        return time_us

    def _sum_of(self, record: Mapping[str, Any], label: str, reason: Reason = Reason.BAD_VALUE) -> float:
        parts = [_number(part, reason) for part in (self._base.get(f"b{label}"), record.get(label)) if part is not None]
        if not parts and label in record:
            raise Bad(reason, "not a finite number, got None")
        total = parts[0] + parts[1] if len(parts) == 2 else parts[0] if parts else 0.0
        if not math.isfinite(total):
            raise Bad(reason, f"not a finite number, got {total}")
        return total


def unit_of(unit: object) -> str | None:
    """A SenML unit as Lifeline writes it (Bad when it is not text); what neither knows is left to admission."""
    if unit is None or unit == "":
        return None
    if not isinstance(unit, str):
        raise Bad(Reason.BAD_UNIT, f"unit is not text, got {short(unit)}")
    return _UNITS.get(unit, unit)


def _times_second(unit: object) -> object:
    """The unit of a sum: the value's times a second, shortened where that undoes a division (`m3/s` gives `m3`)."""
    if not isinstance(unit, str) or not unit:
        return unit
    return unit[:-2] if unit.endswith("/s") else f"{unit}*s"


def _number(value: object, reason: Reason) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Bad(reason, f"not a finite number, got {short(value)}")
    try:
        number = float(value)
    except (OverflowError, ValueError):
        number = math.inf
    if not math.isfinite(number):
        raise Bad(reason, f"not a finite number, got {short(value)}")
    return number


def _fraction(content: object, _immutable: bool) -> Decimal:
    """Tag 4: exponent and mantissa; within what a float can be, so that a huge exponent costs nothing."""
    match content:
        case [int() as exponent, int() as mantissa] if abs(exponent) <= 400 and abs(mantissa) < 1 << 64:
            return Decimal(mantissa).scaleb(exponent)
        case _:
            return Decimal("nan")


def _other_tag(content: object, _immutable: bool) -> str:
    """A tag that SenML has no use for: what it holds is data, never something to build."""
    return short(content)


# Built-in readers of tags make dates, patterns, sets and shared references of what strangers send.
_BUILT_IN = (0, 1, 2, 3, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43_000)
_TAGS: Final[dict[int, Callable[[Any, bool], object]]] = {4: _fraction, **dict.fromkeys(_BUILT_IN, _other_tag)}


def _cbor(payload: bytes) -> object:
    try:
        pack = cbor2.loads(payload, semantic_decoders=_TAGS, max_depth=8)
    except (cbor2.CBORDecodeError, ValueError, OverflowError, MemoryError, TypeError) as error:
        raise Bad(Reason.BAD_CBOR, f"neither a JSON array nor CBOR: {short(error)}") from None
    if not isinstance(pack, list):
        return pack
    return [
        {_LABELS.get(label, label) if isinstance(label, int) else label: value for label, value in record.items()}
        if isinstance(record, dict)
        else record
        for record in pack
    ]
