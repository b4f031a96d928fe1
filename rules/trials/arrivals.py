"""From what sensors measure to what arrives, and when: what befalls readings on the way.

The recorder's own part is done here too, as far as it decides anything: a time more than 120 s ahead is replaced by
that of arrival and the reading marked suspect; a value outside what the quantity can be is marked failed, one outside
the sensor's own range suspect. Nothing makes a flag better. Tests that compare readings are the recorder's alone, which
rules do not know: a trial says with `flag` what they would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from city.levels import Flag
from city.model import Sensor
from city.reading import Sample
from rules.trials.happenings import Mishap

FUTURE_US = 120_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """A value that a sensor measured, in the canonical unit."""

    sensor: str
    time_us: int
    value: float
    flag: Flag


def arrivals(
    measured: Iterable[Measured], mishaps: Sequence[Mishap], sensors: Mapping[str, Sensor]
) -> dict[int, list[Sample]]:
    """What arrives, by time of arrival in order."""
    own = {name: [m for m in mishaps if name in m.sensors] for name in sensors}
    found: dict[int, list[Sample]] = {}
    for one in measured:
        for sample in _journey(one, own[one.sensor], sensors[one.sensor]):
            found.setdefault(sample.received_us, []).append(sample)
    return {at_us: found[at_us] for at_us in sorted(found)}


def _journey(one: Measured, mishaps: Sequence[Mishap], sensor: Sensor) -> Iterator[Sample]:
    """The samples that one measured value becomes: none when it is lost, two when it is sent twice."""
    if not mishaps:
        yield _admitted(one.time_us, one.time_us, one.value, one.flag, sensor)
        return
    mine = [m for m in mishaps if m.from_us <= one.time_us < m.to_us]
    if any(m.kind == "gap" or (m.kind == "offline" and m.lost) for m in mine):
        return
    stamped_us = one.time_us + sum(m.by_us for m in mine if m.kind == "skew")
    sent_us = max([one.time_us, *(m.to_us for m in mine if m.kind == "offline")])
    sent_us += sum(m.by_us for m in mine if m.kind == "late")
    flag = max([one.flag, *(m.flag for m in mine if m.kind == "flag")])
    yield _admitted(stamped_us, sent_us, one.value, flag, sensor)
    for again in (m for m in mine if m.kind == "duplicate"):
        value = one.value if again.value is None else again.value
        yield _admitted(stamped_us, sent_us + again.by_us, value, flag, sensor)


def _admitted(time_us: int, received_us: int, value: float, flag: Flag, sensor: Sensor) -> Sample:
    """A reading as the recorder lets it in."""
    if time_us > received_us + FUTURE_US:
        time_us, flag = received_us, max(flag, Flag.SUSPECT)
    quantity = sensor.quantity
    if flag is not Flag.MISSING and not quantity.hard_min <= value <= quantity.hard_max:
        flag = max(flag, Flag.FAIL)
    low = sensor.range_min if sensor.range_min is not None else float("-inf")
    high = sensor.range_max if sensor.range_max is not None else float("inf")
    if not low <= value <= high:
        flag = max(flag, Flag.SUSPECT)
    return Sample(sensor.id, time_us, value, flag, received_us)
