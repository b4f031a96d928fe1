"""The decoder of the MQTT contract, version 1: a topic and a payload in, a message or a refusal out; it never raises.

A well-formed message takes the quick way (msgspec into structs, then columns). Anything else takes the patient way,
which looks at each reading on its own, so that one bad reading never costs the others.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from city.clock import to_us
from ingest.message import Message, ReadingsMessage, Refusal, Refused, StatusMessage, Tally
from ingest.reasons import Reason

MAX_PAYLOAD: Final = 1 << 20  # bytes
MAX_READINGS: Final = 100_000  # a message; series values included
MAX_NAME: Final = 200  # characters of a sensor name or unit
MAX_TOLD: Final = 100  # refused readings of one message told one by one; the others are summed up by reason
_MS_RANGE: Final = (-62_135_596_800_000, 253_402_300_799_999)  # years 1 to 9999
_MAX_COUNT: Final = (1 << 63) - 1  # what a bigint holds
_FLAGS: Final = frozenset((1, 2, 3, 4, 9))

_Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
_Flag = Literal[1, 2, 3, 4, 9]
_Count = Annotated[int, Meta(ge=0, le=_MAX_COUNT)]
_Aware = Annotated[datetime, Meta(tz=True)]


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
        self[sent] = moment_us = _time_us(sent)
        return moment_us


class _Bad(Exception):
    """One reading is not to be taken."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)


_quick_decoder = msgspec.json.Decoder(_Envelope)
_times = _Times()


def decode(topic: str, payload: bytes) -> Message:
    """Decode one message.

    Parameters
    ----------
    topic
        As the broker delivered it.
    payload
        Any bytes.

    Returns
    -------
    Message
        Columns of readings with what was refused among them; a status; or a refusal of the whole message.
    """
    levels = topic.split("/")
    if len(levels) != 5 or levels[:2] != ["lifeline", "v1"] or levels[4] not in _READERS or not all(levels):
        hint = "lifeline/v1/{district}/{gateway}/readings or …/status"
        return Refusal(topic, Reason.BAD_TOPIC, f"unknown topic, got {_short(topic)}, try {hint}")
    _, _, district, gateway, kind = levels
    if len(payload) > MAX_PAYLOAD:
        detail = f"payload too big, got {len(payload)} bytes, try at most {MAX_PAYLOAD} a message"
        return Refusal(topic, Reason.TOO_BIG, detail, district, gateway)
    try:
        return _READERS[kind](topic, district, gateway, payload)
    except _Bad as bad:
        return Refusal(topic, bad.reason, bad.detail, district, gateway)
    except RecursionError:
        return Refusal(topic, Reason.TOO_DEEP, "JSON nested too deeply", district, gateway)
    except Exception as error:  # noqa: BLE001 - a fault here must not let one message block all that follow
        return Refusal(topic, Reason.DECODER_FAULT, f"{type(error).__name__}: {_short(error)}", district, gateway)


def _readings(topic: str, district: str, gateway: str, payload: bytes) -> ReadingsMessage:
    try:
        message = _quick(topic, district, gateway, _quick_decoder.decode(payload))
    except (msgspec.DecodeError, UnicodeDecodeError, _Bad):  # a ValidationError is a DecodeError
        message = None
    if message is None:
        message = _patient(topic, district, gateway, payload)
    if message.published > MAX_READINGS:
        raise _Bad(Reason.TOO_MANY, f"too many readings, got {message.published}, try at most {MAX_READINGS} a message")
    return message


def _quick(topic: str, district: str, gateway: str, envelope: _Envelope) -> ReadingsMessage | None:
    readings = envelope.readings
    if readings is None:
        if envelope.series is None:
            return None
        readings = []
    message = ReadingsMessage(
        topic,
        district,
        gateway,
        envelope.seq,
        None if envelope.sent_at is None else _time_us(envelope.sent_at),
        [reading.sensor for reading in readings],
        [_times[reading.time] for reading in readings],
        [reading.value for reading in readings],
        [reading.unit for reading in readings],
        [reading.flag for reading in readings],
    )
    for series in envelope.series or ():
        count = len(series.values)
        message.sensor.extend([series.sensor] * count)
        message.time_us.extend(_series_times(_times[series.start], series.step_ms, count))
        message.value.extend(series.values)
        message.unit.extend([series.unit] * count)
        message.flag.extend([series.flag] * count)
    return message


def _series_times(start_us: int, step_ms: float, count: int) -> list[int]:
    step_us = step_ms * 1000
    if start_us + step_us * count > _MS_RANGE[1] * 1000:
        raise _Bad(Reason.BAD_TIME, "series ends after the year 9999")
    return [start_us + round(index * step_us) for index in range(count)]


def _parse(payload: bytes) -> dict[str, Any]:
    """Read JSON as the standard library does, which lets NaN and infinity pass so that they cost one reading only."""
    try:
        content = json.loads(payload.decode("utf-8-sig"), parse_int=_whole)
    except (ValueError, MemoryError) as error:
        raise _Bad(Reason.BAD_JSON, f"not JSON in UTF-8: {_short(error)}") from None
    if not isinstance(content, dict):
        raise _Bad(Reason.BAD_MESSAGE, f"not a JSON object, got {_short(content)}")
    return content


def _whole(digits: str) -> float:
    return int(digits) if len(digits) < 20 else float(digits)


def _patient(topic: str, district: str, gateway: str, payload: bytes) -> ReadingsMessage:
    content = _parse(payload)
    parts = {name: content.get(name) for name in ("readings", "series")}
    if all(part is None for part in parts.values()):
        raise _Bad(Reason.BAD_MESSAGE, f"no readings, got keys {_short(sorted(content))}, try 'readings' or 'series'")
    for name, part in parts.items():
        if not isinstance(part, list | None):
            raise _Bad(Reason.BAD_MESSAGE, f"'{name}' is not a list, got {_short(part)}")
    told = _Told()
    seq = told.field(content, "seq", _as_count)
    sent_us = told.field(content, "sent_at", _time_us)
    message = ReadingsMessage(topic, district, gateway, seq, sent_us, refused=told.refused)
    for item in parts["readings"] or ():
        try:
            _take(message, item, _as_time(item, "time"), item.get("value"))
        except _Bad as bad:
            told.tell(bad, item, "time")
    for item in parts["series"] or ():
        _take_series(message, told, item)
    told.tally.finish(payload)
    return message


def _take(message: ReadingsMessage, item: dict[str, Any], time_us: int, value: object) -> None:
    """Append one reading, or raise _Bad and leave all columns as they were."""
    sensor, unit, flag = item.get("sensor"), item.get("unit"), item.get("flag", 2)
    if not isinstance(sensor, str) or not 0 < len(sensor) <= MAX_NAME:
        raise _Bad(Reason.BAD_READING, f"no sensor name, got {_short(sensor)}, try 'sensor': text")
    if unit is not None and not (isinstance(unit, str) and 0 < len(unit) <= MAX_NAME):
        raise _Bad(Reason.BAD_UNIT, f"unit is not text, got {_short(unit)}")
    if type(flag) is not int or flag not in _FLAGS:
        raise _Bad(Reason.BAD_FLAG, f"unknown flag, got {_short(flag)}, try 1, 2, 3, 4 or 9")
    number = _as_number(value)
    message.sensor.append(sensor)
    message.time_us.append(time_us)
    message.value.append(number)
    message.unit.append(unit)
    message.flag.append(flag)


def _take_series(message: ReadingsMessage, told: _Told, item: object) -> None:
    values = item.get("values") if isinstance(item, dict) else None
    count = len(values) if isinstance(values, list) else 1
    try:
        start_us = _as_time(item, "start")
        if not isinstance(item, dict) or not isinstance(values, list):
            raise _Bad(Reason.BAD_READING, f"no values, got {_short(values)}, try 'values': [numbers]")  # noqa: TRY301 - told below
        step_ms = _as_number(item.get("step_ms"), Reason.BAD_READING)
        if not 0 < step_ms <= 86_400_000:
            raise _Bad(Reason.BAD_READING, f"step_ms out of range, got {step_ms}, try 0 to 86400000")  # noqa: TRY301 - told below
        times_us = _series_times(start_us, step_ms, count)
    except _Bad as bad:
        told.tell(bad, item, "start", count)
        return
    for time_us, value in zip(times_us, values, strict=True):
        try:
            _take(message, item, time_us, value)
        except _Bad as bad:
            told.tell(bad, {"sensor": item.get("sensor"), "time": time_us // 1000, "value": value}, "time")


class _Told:
    """What is refused in one message, told from the reading as it was sent."""

    def __init__(self) -> None:
        self.tally = Tally(MAX_TOLD)

    @property
    def refused(self) -> list[Refused]:
        return self.tally.refused

    def tell(self, bad: _Bad, item: object, time_key: str, count: int = 1) -> None:
        self.tally.add(bad.reason, count, lambda: _refused(bad, item, time_key, count))

    def field(self, content: dict[str, Any], name: str, read: Callable[[Any], int]) -> int | None:
        if content.get(name) is None:
            return None
        try:
            return read(content[name])
        except _Bad as bad:
            detail = f"'{name}' left out: {bad.detail}"
            self.refused.append(Refused(Reason.BAD_FIELD, detail, count=0))
            return None


def _refused(bad: _Bad, item: object, time_key: str, count: int) -> Refused:
    sensor, time_us = "", None
    if isinstance(item, dict):
        sensor = item["sensor"] if isinstance(item.get("sensor"), str) else ""
        try:
            time_us = _as_time(item, time_key)
        except _Bad:
            time_us = None
    content = json.dumps(item).encode()  # as the patient way read it: NaN stays readable
    return Refused(bad.reason, bad.detail, sensor[:MAX_NAME], time_us, content, count)


def _status(topic: str, district: str, gateway: str, payload: bytes) -> StatusMessage:
    content = _parse(payload)
    online = content.get("online")
    if not isinstance(online, bool):
        raise _Bad(Reason.BAD_MESSAGE, f"no 'online', got {_short(online)}, try true or false")
    told = _Told()
    time_us = told.field(content, "time", _time_us)
    buffered = told.field(content, "buffered", _as_count) or 0
    version = content.get("version")
    return StatusMessage(
        topic, district, gateway, online, time_us, buffered, str(version or "")[:MAX_NAME], told.refused
    )


_READERS: Final[dict[str, Callable[[str, str, str, bytes], Message]]] = {"readings": _readings, "status": _status}


def _as_time(item: object, key: str) -> int:
    if not isinstance(item, dict):
        raise _Bad(Reason.BAD_READING, f"not an object, got {_short(item)}")
    return _time_us(item.get(key))


def _time_us(sent: object) -> int:
    """Microseconds since 1970 of RFC 3339 text with an offset or whole Unix milliseconds (_Bad for anything else)."""
    if isinstance(sent, str):
        try:
            return to_us(msgspec.convert(sent, _Aware))
        except msgspec.ValidationError:
            hint = "RFC 3339 with an offset: 2026-07-01T08:00:00+08:00"
            raise _Bad(Reason.BAD_TIME, f"not a time, got {_short(sent)}, try {hint}") from None
    if type(sent) is not int or not _MS_RANGE[0] <= sent <= _MS_RANGE[1]:
        raise _Bad(Reason.BAD_TIME, f"not a time, got {_short(sent)}, try RFC 3339 or whole Unix milliseconds")
    return sent * 1000


def _as_number(value: object, reason: Reason = Reason.BAD_VALUE) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Bad(reason, f"not a finite number, got {_short(value)}")
    return float(value)


def _as_count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_COUNT:
        raise _Bad(Reason.BAD_FIELD, f"not a whole number from 0, got {_short(value)}")
    return value


def _short(value: object) -> str:
    """Show a value in a message, at most 80 characters of it."""
    text = value if isinstance(value, str) else repr(value) if not isinstance(value, Exception) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
