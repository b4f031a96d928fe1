"""Lifeline's own messages, version 1: readings, blocks of readings, and what a gateway says of itself.

A well-formed message takes the quick way (msgspec into structs, then columns). Anything else takes the patient way,
which looks at each reading on its own, so that one bad reading never costs the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from city.clock import from_us
from ingest.decoders.common import (
    MAX_COUNT,
    MAX_NAME,
    MS_RANGE,
    Bad,
    Source,
    Told,
    as_count,
    as_number,
    parse_object,
    read_time,
    short,
    take,
)
from ingest.message import ReadingsMessage, StatusMessage
from ingest.reasons import Reason

_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Flag = Literal[1, 2, 3, 4, 9]
_Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]


class _Reading(Struct, gc=False):
    sensor: _Name
    time: str | int
    value: float
    unit: _Name | None = None
    flag: _Flag = 2


class _Series(Struct, gc=False):
    sensor: _Name
    start: str | int
    step_ms: Annotated[float, Meta(gt=0, le=86_400_000)]
    values: list[float]
    unit: _Name | None = None
    flag: _Flag = 2


class _Envelope(Struct, gc=False):
    readings: list[_Reading] | None = None
    series: list[_Series] | None = None
    seq: _Count | None = None
    sent_at: str | int | None = None


class _Times(dict[str | int, int]):
    """Times as sent → microseconds since 1970; readings of one message mostly share theirs."""

    def __missing__(self, sent: str | int) -> int:
        if len(self) > 20_000:
            self.clear()
        self[sent] = moment_us = read_time(sent)
        return moment_us


_READING_KEYS = frozenset(_Reading.__struct_fields__)
_quick_decoder = msgspec.json.Decoder(_Envelope)
_times = _Times()


def readings(source: Source, payload: bytes) -> ReadingsMessage:
    """Decode readings and series blocks."""
    try:
        message = _quick(source, _quick_decoder.decode(payload))
    except (msgspec.DecodeError, UnicodeDecodeError, Bad):  # a ValidationError is a DecodeError
        message = None
    return _patient(source, payload) if message is None else message


def _quick(source: Source, envelope: _Envelope) -> ReadingsMessage | None:
    readings = envelope.readings
    if readings is None:
        if envelope.series is None:
            return None
        readings = []
    topic, district, gateway, _ = source
    sent_us = None if envelope.sent_at is None else read_time(envelope.sent_at)
    if len(readings) == 1 and not envelope.series:  # what costs something a message shows here
        (one,) = readings
        return ReadingsMessage(
            topic, district, gateway, envelope.seq, sent_us,
            [one.sensor], [_times[one.time]], [one.value], [one.unit], [one.flag],
        )  # fmt: skip
    message = ReadingsMessage(
        topic,
        district,
        gateway,
        envelope.seq,
        sent_us,
        [reading.sensor for reading in readings],
        [_times[reading.time] for reading in readings],
        [reading.value for reading in readings],
        [reading.unit for reading in readings],
        [reading.flag for reading in readings],
    )
    if not envelope.series:
        return message
    message.runs = runs = [1] * len(readings)
    for series in envelope.series:
        count = len(series.values)
        message.sensor.append(series.sensor)
        message.time_us.extend(_series_times(_times[series.start], series.step_ms, count))
        message.value.extend(series.values)
        message.unit.append(series.unit)
        message.flag.append(series.flag)
        runs.append(count)
    return message


def _series_times(start_us: int, step_ms: float, count: int) -> Sequence[int]:
    step_us = step_ms * 1000
    if start_us + step_us * count > MS_RANGE[1] * 1000:
        raise Bad(Reason.BAD_TIME, "series ends after the year 9999")
    if step_us.is_integer():
        return range(start_us, start_us + int(step_us) * count, int(step_us))
    return [start_us + round(index * step_us) for index in range(count)]


def _patient(source: Source, payload: bytes) -> ReadingsMessage:
    content = parse_object(payload)
    parts = {name: content.get(name) for name in ("readings", "series")}
    if all(part is None for part in parts.values()):
        raise Bad(Reason.BAD_MESSAGE, f"no readings, got keys {short(sorted(content))}, try 'readings' or 'series'")
    for name, part in parts.items():
        if not isinstance(part, list | None):
            raise Bad(Reason.BAD_MESSAGE, f"'{name}' is not a list, got {short(part)}")
    told = Told()
    seq = told.field(content, "seq", as_count)
    sent_us = told.field(content, "sent_at", read_time)
    message = ReadingsMessage(*source[:3], seq, sent_us, refused=told.refused)
    for item in parts["readings"] or ():
        try:
            _take(message, item, _as_time(item, "time"), item.get("value"))
        except Bad as bad:
            told.tell(bad, *_claimed(item, "time"), item)
    for item in parts["series"] or ():
        _take_series(message, told, item)
    told.tally.finish(payload)
    return message


def _take_series(message: ReadingsMessage, told: Told, item: object) -> None:
    values = item.get("values") if isinstance(item, dict) else None
    count = len(values) if isinstance(values, list) else 1
    try:
        start_us = _as_time(item, "start")
        if not isinstance(item, dict) or not isinstance(values, list):
            raise Bad(Reason.BAD_READING, f"no values, got {short(values)}, try 'values': [numbers]")  # noqa: TRY301 - told below
        step_ms = as_number(item.get("step_ms"), Reason.BAD_READING)
        if not 0 < step_ms <= 86_400_000:
            raise Bad(Reason.BAD_READING, f"step_ms out of range, got {step_ms}, try 0 to 86400000")  # noqa: TRY301 - told below
        times_us = _series_times(start_us, step_ms, count)
    except Bad as bad:
        told.tell(bad, *_claimed(item, "start"), item, count)
        return
    for time_us, value in zip(times_us, values, strict=True):
        try:
            _take(message, item, time_us, value)
        except Bad as bad:
            spelled = {**item, "time": from_us(time_us).isoformat(), "value": value}
            told.tell(bad, item.get("sensor"), time_us, {k: v for k, v in spelled.items() if k in _READING_KEYS})


def _take(message: ReadingsMessage, item: dict[str, Any], time_us: int, value: object) -> None:
    take(message, item.get("sensor"), time_us, value, item.get("unit"), item.get("flag", 2))


def _claimed(item: object, key: str) -> tuple[object, int | None]:
    """The sensor and time a refused reading speaks of, as far as they can be read."""
    if not isinstance(item, dict):
        return "", None
    try:
        return item.get("sensor"), _as_time(item, key)
    except Bad:
        return item.get("sensor"), None


def status(source: Source, payload: bytes) -> StatusMessage:
    """Decode what a gateway says of itself, or its last will."""
    content = parse_object(payload)
    online = content.get("online")
    if not isinstance(online, bool):
        raise Bad(Reason.BAD_MESSAGE, f"no 'online', got {short(online)}, try true or false")
    told = Told()
    time_us = told.field(content, "time", read_time)
    buffered = told.field(content, "buffered", as_count) or 0
    version = str(content.get("version") or "")[:MAX_NAME]
    return StatusMessage(*source[:3], online, time_us, buffered, version, told.refused)


def _as_time(item: object, key: str) -> int:
    if not isinstance(item, dict):
        raise Bad(Reason.BAD_READING, f"not an object, got {short(item)}")
    return read_time(item.get(key))
