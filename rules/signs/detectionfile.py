"""Reads `detection.yaml`: how a city wants early signs looked for; every fault at once, with its place."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from city.errors import Fault
from city.keys import Key, Kind
from city.model import City
from city.positions import Path, nearest_or_all, show
from city.yamlfile import read
from detectors.early.channels import CHANNELS
from detectors.early.settings import Settings, Wish
from rules.language.reader import Reader
from rules.signs.detection import Detection

FILE = "detection.yaml"
_BUDGET = Key(Kind.NUMBER, "False alarms per sensor and year that people accept (1).")
_CHANNELS_OFF = Key(Kind.WORDS, "Channels that say nothing.", words=CHANNELS)
QUANTITY: Mapping[str, Key] = {
    "budget": Key(Kind.NUMBER, "The same for sensors of this quantity."),
    "context": Key(Kind.SOME, "Quantities whose nearest sensors count as neighbours, where sensors.csv names none."),
    "channels_off": _CHANNELS_OFF,
    "watch": Key(Kind.YES, "Whether its sensors are watched (true)."),
}
TAG: Mapping[str, Key] = {"budget": Key(Kind.NUMBER, "The same for sensors with this tag; the smallest counts.")}
DETECTION: Mapping[str, Key] = {
    "budget": _BUDGET,
    "channels_off": _CHANNELS_OFF,
    "quantities": Key(Kind.NAMED, "What is different for a quantity.", keys=QUANTITY),
    "tags": Key(Kind.NAMED, "What is different for sensors with a tag.", keys=TAG),
}
MOST = 1000.0  # false alarms per sensor and year


def load_detection(files: Mapping[str, str], city: City, *, whole: bool = True) -> tuple[Detection, list[Fault]]:
    """What a city folder says about detection (sane when the file is missing), and every fault of the file.

    Parameters
    ----------
    whole
        The city has no faults of its own, so that a tag which no sensor has is a fault.
    """
    if FILE not in files:
        return Detection(), []
    written = read(files[FILE], FILE)
    if not written.whole:
        return Detection(), written.faults
    reader = Reader(written.positions, city, [], whole=whole)
    found = _read(reader, written.data) if written.data is not None else Detection()  # all commented out
    faults = [*written.faults, *written.positions.fresh(reader.faults)]
    return (Detection() if faults else found), faults


def _read(reader: Reader, data: object) -> Detection:
    top = reader.check(data, DETECTION, ())
    wishes: dict[str, Wish] = {}
    context: dict[str, tuple[str, ...]] = {}
    unwatched = set()
    off = _channels(reader, top, (), frozenset())
    for name, one, path in reader.entries(top, "quantities"):
        if name not in reader.city.quantities:
            hint = nearest_or_all(name, reader.city.quantities)
            reader.faults.append(reader.positions.key_fault(path, "unknown quantity", show(name), hint))
        own = reader.check(one, QUANTITY, path)
        wishes[name] = Wish(_budget(reader, own, path), _channels(reader, own, path, off))
        if "context" in own:
            context[name] = _context(reader, own["context"], (*path, "context"))
        if _watch(reader, own, path) is False:
            unwatched.add(name)
    tags = _tags(reader, top)
    if reader.faults:
        return Detection()
    settings = Settings(_budget(reader, top, ()) or 1.0, off, wishes, tags)
    return Detection(settings, context, frozenset(unwatched))


def _tags(reader: Reader, top: Mapping[str, object]) -> dict[str, float]:
    there = {tag for sensor in reader.city.sensors.values() for tag in sensor.tags}
    found = {}
    for name, one, path in reader.entries(top, "tags"):
        if reader.whole and name not in there:
            hint = nearest_or_all(name, there) if there else "a tag of sensors.csv"
            reader.faults.append(reader.positions.key_fault(path, "no sensor has this tag", show(name), hint))
        own = reader.check(one, TAG, path)
        if (budget := _budget(reader, own, path)) is not None:
            found[name] = budget
    return found


def _budget(reader: Reader, data: Mapping[str, object], path: Path) -> float | None:
    value = data.get("budget")
    if "budget" not in data:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST:
        what = f"budget: expected false alarms per sensor and year, above 0 and at most {MOST:g}"
        reader.fault((*path, "budget"), what, show(value), "1")
        return None
    return float(value)


def _channels(reader: Reader, data: Mapping[str, object], path: Path, others: Collection[str]) -> frozenset[str]:
    channels = reader.texts(data, "channels_off", path) or []
    for at, channel in enumerate(channels):
        if channel not in CHANNELS:
            place = (*path, "channels_off", at)
            reader.fault(place, "no such channel", show(channel), nearest_or_all(channel, CHANNELS))
    if set(CHANNELS) <= {*channels, *others}:
        reader.fault((*path, "channels_off"), "every channel is off", hint="watch: false for the quantity")
    return frozenset(channels)


def _context(reader: Reader, value: object, path: Path) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        reader.fault(path, "context: expected quantities", show(value), "[temperature]")
        return ()
    for at, name in enumerate(value):
        if name not in reader.city.quantities:
            reader.fault((*path, at), "unknown quantity", show(name), nearest_or_all(str(name), reader.city.quantities))
    return tuple(str(name) for name in value)


def _watch(reader: Reader, data: Mapping[str, object], path: Path) -> bool:
    value = data.get("watch", True)
    if not isinstance(value, bool):
        reader.fault((*path, "watch"), "watch: expected true or false", show(value), "false")
    return value is not False
