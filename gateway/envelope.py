"""Lifeline payloads, version 1, as a gateway writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from city.clock import from_us
from city.errors import InputError

TOPIC = "lifeline/v1/{district}/{gateway}/{what}"
MAX_READINGS = 5_000  # a message: some 0.4 MB, well inside the contract's 1 MiB
_encode = msgspec.json.encode

Row = tuple[str, int, float, str, int]  # sensor, time_us, value, unit ("" = as registered), flag (0 = not given)


def topic(district: str, gateway: str, what: str) -> str:
    """The topic on which `gateway` speaks about `what` (InputError for names that MQTT cannot carry)."""
    for name in (district, gateway):
        if not name or set(name) & set("/+#\0 \t\n"):
            raise InputError(
                f"a district or gateway name cannot stand in a topic, got {name!r}, try letters, digits and -"
            )
    return TOPIC.format(district=district, gateway=gateway, what=what)


def body(rows: Iterable[Row]) -> bytes:
    """The unchanging part of a readings message: what the outbox keeps.

    Times are written as integer milliseconds since 1970, the contract's shortest form.
    """
    readings = []
    for sensor, time_us, value, unit, flag in rows:
        reading: dict[str, object] = {"sensor": sensor, "time": time_us // 1000, "value": value}
        if unit:
            reading["unit"] = unit
        if flag:
            reading["flag"] = flag
        readings.append(reading)
    return _encode({"readings": readings})


def seal(seq: int, sent_us: int, kept: bytes) -> bytes:
    """The message as it leaves: `seq` and `sent_at` put in front of a kept body."""
    return b'{"seq":%d,"sent_at":%d,' % (seq, sent_us // 1000) + kept[1:]


def status(
    *, online: bool, time_us: int, buffered: int, version: str, extra: Mapping[str, object] | None = None
) -> bytes:
    """A status message; `buffered` counts the readings that wait in the outbox, `extra` is said beside it."""
    known = {"online": online, "time": rfc3339(time_us), "buffered": buffered, "version": version}
    return _encode({**known, **(extra or {})})


def will(version: str) -> bytes:
    """The last will: a status without time or count, because it is written before either can be known.

    Whoever receives it takes its arrival as its time.
    """
    return _encode({"online": False, "version": version})


def rfc3339(time_us: int) -> str:
    """`time_us` as people read it in a payload: UTC, milliseconds."""
    moment: datetime = from_us(time_us).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
