"""Reads the conditions that look at samples of one sensor: comparisons, windows, changes, forecasts, detectors."""

from __future__ import annotations

from collections.abc import Mapping

from city.duration import parse_years
from city.errors import InputError
from city.positions import Path, nearest_or_all, show
from city.quantity import Quantity
from detectors.registry import channels as channels_of
from detectors.registry import create
from rules.conditions.kinds import Compare, CountOf, Detect, Reaches, Trend, Window
from rules.language.grammar import AGGREGATES, COMPARISONS, TRENDS
from rules.language.reader import Plan, Reader, fixed

LOOK_BACK_US = 900_000_000  # what a forecast rests on, unless the rule says it
INTERVALS_OF_A_SAMPLE = 3  # so long may each of the last samples take when the rule gives no time


def read_compare(
    reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity, aggregate: str = ""
) -> Compare | None:
    """The comparison of a condition, in the quantity's unit; None with a fault when there is not exactly one.

    `aggregate`: what is compared, if it is not the value itself (a count is a plain number, a range a difference).
    """
    forms = [key for key in COMPARISONS if key in data]
    if len(forms) != 1:
        got = ", ".join(forms) or "none"
        reader.fault(path, "expected one comparison", got, f"above: 15 {quantity.unit}")
        return None
    form, unit = forms[0], quantity.unit

    def bound(value: object, at: Path) -> float:
        if aggregate == "count":
            return reader.number(value, at)
        return reader.measure(value, unit, at, difference=aggregate == "range")

    value = data[form]
    if form != "outside":
        number = bound(value, (*path, form))
        low, high = (None, number) if form == "above" else (number, None)
        return Compare(low, high, f"{form} {value}")
    if not isinstance(value, list) or len(value) != 2:
        reader.fault((*path, form), "outside: expected two bounds", show(value), f"[10 {unit}, 20 {unit}]")
        return None
    low, high = (bound(item, (*path, form, at)) for at, item in enumerate(value))
    if low >= high:
        got = f"{value[0]} and {value[1]}"
        reader.fault((*path, form), "outside: the first bound must be lower", got, "swapping them")
    return Compare(low, high, f"outside {value[0]} to {value[1]}")


def compare_plan(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan | None:
    """The sensor's own value against a comparison; with count and of, its last values."""
    compare = read_compare(reader, data, path, quantity)
    if "count" not in data and "of" not in data:
        if "within" in data:
            reader.fault((*path, "within"), "within goes with count and of", hint="count: 3, of: 5")
        return None if compare is None else fixed(compare)
    for key, other in (("count", "of"), ("of", "count")):
        if other not in data:
            reader.fault((*path, key), f"{key} without {other}", show(data[key]), f"{other}: 5")
    need, of = reader.count(data, "count", path, 1), reader.count(data, "of", path, 1)
    within_us = reader.span_us(data, "within", path)
    if need > of and "of" in data:
        reader.fault((*path, "count"), "count is more than of", f"{need} of {of}", f"count: {of}")
    if compare is None:
        return None
    written = f"{compare.written}, {need} of the last {of}" + (f" within {data['within']}" if within_us else "")

    def make(interval_s: float) -> CountOf:
        span_us = within_us or round(of * INTERVALS_OF_A_SAMPLE * interval_s * 1e6)
        return CountOf(compare, need, of, span_us, written)

    return Plan(lambda sensor: make(sensor.interval_s))


def window_plan(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan | None:
    """An aggregate over a time of the sensor's own samples."""
    window = read_window(reader, data, path, quantity)
    return None if window is None else fixed(window)


def read_window(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Window | None:
    """An aggregate over a time and its comparison."""
    aggregate = next(key for key in AGGREGATES if key in data)
    if aggregate == "count" and isinstance(data["count"], int):
        reader.fault((*path, "count"), "count without of", show(data["count"]), "of: 5, or a time: count: 30m")
        return None
    window_us = reader.span_us(data, aggregate, path)
    compare = read_compare(reader, data, path, quantity, aggregate)
    if compare is None:
        return None
    return Window(aggregate, window_us, compare, f"{aggregate} over {data[aggregate]} {compare.written}")


def read_trend(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Trend:
    """A change within a time."""
    form = next(key for key in TRENDS if key in data)
    before = len(reader.faults)
    by = reader.measure(data[form], quantity.unit, (*path, form), difference=True)
    if by <= 0 and len(reader.faults) == before:
        reader.fault((*path, form), f"{form}: expected an amount above 0", show(data[form]), f"2 {quantity.unit}")
    within_us = reader.span_us(data, "within", path)
    return Trend(by if form == "rising" else -by, within_us, f"{form} {data[form]} within {data.get('within')}")


def trend_plan(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan:
    """A change of the sensor's own value."""
    return fixed(read_trend(reader, data, path, quantity))


def reaches_plan(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan:
    """A forecast of the sensor's own value."""
    level = reader.measure(data["reaches"], quantity.unit, (*path, "reaches"))
    within_us = reader.span_us(data, "within", path)
    over_us = reader.span_us(data, "over", path, LOOK_BACK_US)
    from_ = reader.word(data, "from", path, ("below", "above"), "below")
    written = f"reaches {data['reaches']} from {from_} within {data.get('within')}"
    return fixed(Reaches(level, from_ == "below", within_us, over_us, written))


def read_detect(
    reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity | None
) -> tuple[Detect, frozenset[str]] | None:
    """A detector, and the quantities it is made for (empty: all). `quantity`: what it will look at, if that is one."""
    name = data.get("detector")
    try:
        detector = create(str(name))
    except InputError as error:
        reader.fault((*path, "detector"), str(error))
        return None
    if quantity is not None and detector.quantities and quantity.id not in detector.quantities:
        suits = ", ".join(sorted(detector.quantities))
        reader.fault((*path, "detector"), f"{name} is not made for {quantity.id}", hint=f"watching {suits}")
    reader.detectors.add(str(name))
    score = data.get("score", 1)
    if isinstance(score, bool) or not isinstance(score, int | float) or not score > 0:
        reader.fault((*path, "score"), "score: expected a number above 0", show(score), "1")
        score = 1
    direction = reader.word(data, "direction", path, ("up", "down"), "")
    years, channels = _rarity(reader, data, path), _channels(reader, data, path)
    written = f"{name} {direction}".strip()
    written += f", once in {data['once_in']} or rarer" if years else ""
    written += f", by {', '.join(channels)}" if channels else ""
    detect = Detect(str(name), float(score), direction, written, years, frozenset(channels))
    return detect, frozenset(detector.quantities)


def _rarity(reader: Reader, data: Mapping[str, object], path: Path) -> float:
    """Years of `once_in`; 0 when there is none, with a fault when it is wrong."""
    if "once_in" not in data:
        return 0.0
    try:
        return parse_years(str(data["once_in"]))
    except InputError as error:
        reader.fault((*path, "once_in"), f"once_in: {error}")
        return 0.0


def _channels(reader: Reader, data: Mapping[str, object], path: Path) -> list[str]:
    """The channels that count; faults of those that early_sign does not have."""
    given = data.get("channel", [])
    channels = [str(one) for one in given] if isinstance(given, list) else [str(given)]
    known = channels_of(str(data.get("detector")))
    if "channel" in data and not (known and channels):
        what = "channel: goes with early_sign and other detectors that have several"
        reader.fault((*path, "channel"), what, hint="leaving it out")
    for at, channel in enumerate(channels):
        if known and channel not in known:
            place = (*path, "channel", at) if isinstance(given, list) else (*path, "channel")
            reader.fault(place, "no such channel", show(channel), nearest_or_all(channel, known))
    return channels


def detector_plan(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan | None:
    """What a detector says of the sensor's own sample."""
    found = read_detect(reader, data, path, quantity)
    return None if found is None else fixed(found[0])
