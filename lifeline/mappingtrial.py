"""A sample message through a mapping: what comes out of it, told line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from city.clock import SystemClock, from_us
from city.mapping import Mapping
from city.model import City
from ingest.admit import Admission
from ingest.decoders import Decoders
from ingest.decoders.common import Bad
from ingest.decoders.mapped import Translation
from ingest.message import ReadingsMessage, Refusal, Refused
from ingest.sensortable import SensorTable


@dataclass(frozen=True)
class Trial:
    """What a trial has to say, and how many faults it found."""

    lines: list[str]
    faults: int


def tried(mapping: Mapping, topic: str, payload: bytes, city: City | None = None) -> Trial:
    """Decode a sample by a mapping, and judge it by a city's register when there is one."""
    message = Decoders([mapping]).decode(topic, payload)
    if not isinstance(message, ReadingsMessage):
        detail = message.detail if isinstance(message, Refusal) else "no readings"
        reason = message.reason if isinstance(message, Refusal) else ""
        return Trial([f"refused  {reason}: {detail}"], 1)
    place = f"district {message.district}" if message.district else "its district as registered"
    lines = [f"{topic}: gateway {message.gateway}, {place}"]
    lines += [
        f"reading  {sensor}  {from_us(time_us).isoformat()}  {value:g} {unit or '(unit of the register)'}  flag {flag}"
        for sensor, time_us, value, unit, flag in message.rows()
    ]
    refused = [*message.refused, *(_judged(message, city) if city is not None else ())]
    lines += [f"refused  {one.sensor or '(no name)'}  {one.reason}: {one.detail}{_sent(one)}" for one in refused]
    nothing = list(_nothing(mapping, topic, payload))
    lines += nothing
    lines.append(f"{len(message.time_us)} readings, {len(refused)} refused, {len(nothing)} paths without a value")
    return Trial(lines, len(refused) + len(nothing))


def _judged(message: ReadingsMessage, city: City) -> list[Refused]:
    """What this city would refuse; a sample may be of any age, but not of the future."""
    admission = Admission(SensorTable(city, {name: number for number, name in enumerate(city.sensors, 1)}))
    return admission.admit(message, SystemClock().now_us()).refused[0]


def _nothing(mapping: Mapping, topic: str, payload: bytes) -> Iterator[str]:
    translation = Translation(mapping, topic)
    try:
        translation.of(payload)
    except Bad:
        return
    for value, found in zip(mapping.values, translation.found, strict=True):
        if not found:
            yield f"nothing  at {value.path.text}"


def _sent(refused: Refused) -> str:
    return f"  sent: {refused.payload.decode(errors='replace')[:200]}" if refused.payload else ""
