"""What every decoder shares: limits, how one reading is refused, and how values, times and names are read."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from city.clock import to_us
from ingest.message import ReadingsMessage, Refused, Tally
from ingest.reasons import Reason

MAX_PAYLOAD: Final = 1 << 20  # bytes
MAX_READINGS: Final = 100_000  # a message; series values included
MAX_NAME: Final = 200  # characters of a sensor name or unit
MAX_TOLD: Final = 100  # refused readings of one message told one by one; the others are summed up by reason
MAX_COUNT: Final = (1 << 63) - 1  # what a bigint holds
MS_RANGE: Final = (-62_135_596_800_000, 253_402_300_799_999)  # years 1 to 9999
FLAGS: Final = frozenset((1, 2, 3, 4, 9))

_Aware = Annotated[datetime, Meta(tz=True)]


class Source(NamedTuple):
    """Where a message came from and when: `received_us` is city time in microseconds since 1970."""

    topic: str
    district: str
    gateway: str
    received_us: int


class Bad(Exception):
    """One reading (or one message) is not to be taken."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)


def short(value: object) -> str:
    """Show a value in a message, at most 80 characters of it."""
    text = value if isinstance(value, str) else repr(value) if not isinstance(value, Exception) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def parse_json(payload: bytes) -> Any:  # noqa: ANN401 - JSON
    """Read JSON as the standard library does, which lets NaN and infinity pass so that they cost one reading only."""
    try:
        return json.loads(payload.decode("utf-8-sig"), parse_int=_whole)
    except (ValueError, MemoryError) as error:
        raise Bad(Reason.BAD_JSON, f"not JSON in UTF-8: {short(error)}") from None


def parse_object(payload: bytes) -> dict[str, Any]:
    """A JSON object (Bad for anything else)."""
    content = parse_json(payload)
    if not isinstance(content, dict):
        raise Bad(Reason.BAD_MESSAGE, f"not a JSON object, got {short(content)}")
    return content


def _whole(digits: str) -> float:
    return int(digits) if len(digits) < 20 else float(digits)


def read_time(sent: object) -> int:
    """Microseconds since 1970 of RFC 3339 text with an offset or whole Unix milliseconds (Bad for anything else)."""
    if isinstance(sent, str):
        try:
            return to_us(msgspec.convert(sent, _Aware))
        except (msgspec.ValidationError, OverflowError):
            hint = "RFC 3339 with an offset: 2026-07-01T08:00:00+08:00"
            raise Bad(Reason.BAD_TIME, f"not a time, got {short(sent)}, try {hint}") from None
    if type(sent) is not int or not MS_RANGE[0] <= sent <= MS_RANGE[1]:
        raise Bad(Reason.BAD_TIME, f"not a time, got {short(sent)}, try RFC 3339 or whole Unix milliseconds")
    return sent * 1000


def as_number(value: object, reason: Reason = Reason.BAD_VALUE) -> float:
    """A finite number as a float (Bad for anything else, text and truth values too)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Bad(reason, f"not a finite number, got {short(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Bad(reason, f"not a finite number, got {short(value)}")
    return number


def as_count(value: object) -> int:
    """A whole number from 0 (Bad for anything else)."""
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        raise Bad(Reason.BAD_FIELD, f"not a whole number from 0, got {short(value)}")
    return value


def take(message: ReadingsMessage, name: object, time: int, value: object, unit: object, flag: object = 2) -> None:
    """Append one reading (`time` in µs since 1970), or raise Bad and leave all columns as they were."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        raise Bad(Reason.BAD_READING, f"no sensor name, got {short(name)}, try 'sensor': text")
    if unit is not None and not (isinstance(unit, str) and 0 < len(unit) <= MAX_NAME):
        raise Bad(Reason.BAD_UNIT, f"unit is not text, got {short(unit)}")
    if type(flag) is not int or flag not in FLAGS:
        raise Bad(Reason.BAD_FLAG, f"unknown flag, got {short(flag)}, try 1, 2, 3, 4 or 9")
    number = as_number(value)
    message.sensor.append(name)
    message.time_us.append(time)
    message.value.append(number)
    message.unit.append(unit)
    message.flag.append(flag)


class Told:
    """What is refused in one message, told from the reading as it was sent."""

    def __init__(self) -> None:
        self.tally = Tally(MAX_TOLD)

    @property
    def refused(self) -> list[Refused]:
        """The refused readings and fields so far."""
        return self.tally.refused

    def tell(self, bad: Bad, sensor: object, time: int | None, item: object, count: int = 1) -> None:
        """Note a refused reading: the name and time it claimed, and what was sent (or stands for it)."""

        def refused() -> Refused:
            name = sensor if isinstance(sensor, str) else ""
            return Refused(bad.reason, bad.detail, name[:MAX_NAME], time, spell(item), count)

        self.tally.add(bad.reason, count, refused)

    def field(self, content: Mapping[str, Any], name: str, read: Callable[[Any], int]) -> int | None:
        """An optional field; None, noted, when it is wrong."""
        if content.get(name) is None:
            return None
        try:
            return read(content[name])
        except Bad as bad:
            detail = f"'{name}' left out: {bad.detail}"
            self.refused.append(Refused(Reason.BAD_FIELD, detail, count=0))
            return None


def spell(item: object) -> bytes:
    """A decoded thing as JSON: NaN and half a surrogate pair stay readable, what JSON has no word for is shown."""
    try:
        return json.dumps(item, default=_spelled).encode()
    except (TypeError, ValueError):  # CBOR has keys of any kind, and may hold itself
        return json.dumps(short(item)).encode()


def _spelled(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else short(value)
