"""Silence: gateways and sensors that are no longer heard, judged by arrival time on proven ticks.

A gateway is silent when nothing of it was received for its rule's time, measured up to what the recorder proves to have
taken in (`TickIn.heard_us`) and not from before it began to listen (`TickIn.listening_us`), so that a stopped recorder
never looks like a dead city. A sensor is silent when its gateway has been heard all that time without it: one dead
gateway is one alarm, not one for each of its sensors. That alarm lists the sensors it blinds and what stands on them.
When a gateway comes back after a pause, each of its sensors gets its whole time again to be heard.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from city.levels import Level
from rules.alarm.alarm import Alarm, Move, Moved, alarm_id, fill, happen
from rules.alarm.track import Track
from rules.alarm.tracks import Longs, Tracks
from rules.book import Book, Watch
from rules.conditions.truth import Evidence
from rules.reasons import also, because

LISTED = 20  # sensors, and alarms, that the evidence of a silent gateway names one by one
PAUSE_INTERVALS, PAUSE_AT_LEAST_US = 3, 60_000_000  # longer without a word, and a gateway was away


@dataclass(slots=True)
class Hearing:
    """What was heard when (arrival times).

    Attributes
    ----------
    heard_us, back_us
        When each gateway was last heard, and when it last came back after a pause.
    listening_us
        Since when we listen without a break.
    alarms
        What stands, by watch key.
    """

    heard_us: dict[str, int] = field(default_factory=dict)
    listening_us: int = 0
    alarms: dict[str, Alarm] = field(default_factory=dict)
    back_us: dict[str, int] = field(default_factory=dict)

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        fill(self, state[1])

    def hear(self, book: Book, gateways: Mapping[str, int]) -> None:
        """Gateways were heard at these times."""
        for name, at_us in gateways.items():
            before_us = self.heard_us.get(name, at_us)
            interval_s = book.city.gateways[name].interval_s if name in book.city.gateways else 0.0
            if at_us - before_us > max(PAUSE_AT_LEAST_US, PAUSE_INTERVALS * interval_s * 1e6):
                self.back_us[name] = at_us
            self.heard_us[name] = max(before_us, at_us)

    def counts_from_us(self, gateway: str, sensor_us: int) -> int:
        """From when on a sensor is silent while its gateway speaks, when the sensor was last heard at `sensor_us`."""
        return max(sensor_us, self.listening_us, self.back_us.get(gateway, 0))


def silent_since_us(hearing: Hearing, watch: Watch, tracks: Mapping[str, Track], heard_us: int) -> int | None:
    """The arrival time since when a watched scope is silent, if it is by `heard_us`."""
    gateway_us = hearing.heard_us.get(watch.gateway.id, heard_us)
    if watch.sensor is None:
        since_us, until_us = max(gateway_us, hearing.listening_us), heard_us
    elif (track := tracks.get(watch.sensor.id)) is not None:
        since_us, until_us = hearing.counts_from_us(watch.gateway.id, track.received_us), gateway_us
    else:
        return None
    return since_us if until_us - since_us > watch.after_us else None


class Vigil:
    """Looks for watches that turn silent: at all of them at once, since the watcher looks several times a second.

    Parameters
    ----------
    hearing, book, tracks
        What is looked at; all are to stay, and the tracks' rows too.
    """

    def __init__(self, hearing: Hearing, book: Book, tracks: Tracks) -> None:
        self._hearing, self._tracks = hearing, tracks
        self._watches = tuple(book.watches.values())
        self._names = tuple({watch.gateway.id: None for watch in self._watches})
        numbers = {name: number for number, name in enumerate(self._names)}
        self._gateway: Longs = np.array([numbers[watch.gateway.id] for watch in self._watches], dtype=np.int64)
        self._after_us: Longs = np.array([watch.after_us for watch in self._watches], dtype=np.int64)
        of_sensor = np.array([watch.sensor is not None for watch in self._watches], dtype=bool)
        self._sensors, self._gateways = np.flatnonzero(of_sensor), np.flatnonzero(~of_sensor)
        rows = [tracks[watch.sensor.id].row for watch in self._watches if watch.sensor is not None]
        self._row: Longs = np.array(rows, dtype=np.int64)

    def turned(self, heard_us: int) -> Iterator[tuple[Watch, int]]:
        """Watches that turn silent by `heard_us`, and since when, in the order of the book."""
        for place in self._silent(heard_us).tolist():
            watch = self._watches[place]
            if watch.key not in self._hearing.alarms:
                since_us = silent_since_us(self._hearing, watch, self._tracks, heard_us)
                if since_us is not None:
                    yield watch, since_us

    def _silent(self, heard_us: int) -> NDArray[np.intp]:
        """The places of all watches that are silent, whether they stand or not (see `silent_since_us`)."""
        hearing, names = self._hearing, self._names
        spoke_us = np.array([hearing.heard_us.get(name, heard_us) for name in names], dtype=np.int64)[self._gateway]
        back_us = np.array([hearing.back_us.get(name, 0) for name in names], dtype=np.int64)[self._gateway]
        silent_us = np.empty(len(spoke_us), np.int64)
        at = self._gateways
        silent_us[at] = heard_us - np.maximum(spoke_us[at], hearing.listening_us)
        at = self._sensors
        since_us = np.maximum(np.maximum(self._tracks.received_us[self._row], back_us[at]), hearing.listening_us)
        silent_us[at] = spoke_us[at] - since_us
        return np.flatnonzero(silent_us > self._after_us)


def raise_silence(
    hearing: Hearing, watch: Watch, since_us: int, book: Book, tracks: Mapping[str, Track], standing: Iterable[Alarm]
) -> Moved:
    """Raise the alarm of a silent scope at the instant its time was up.

    `standing`: the alarms that stand behind its gateway; those on sensors become the evidence of a silent gateway.
    """
    at_us = since_us + watch.after_us
    alarm = watch.alarm(alarm_id(watch.rule.id, watch.scope, at_us, watch.rule.drill), at_us)
    hearing.alarms[watch.key] = alarm
    quantity = watch.sensor.quantity.id if watch.sensor else "messages"
    evidence = [Evidence(watch.scope, quantity, "", None, since_us, 0, watch.written, "true")]
    reason = because("silent", seconds=f"{watch.after_us / 1e6:g}")
    if watch.sensor is None:
        more, blinds = _blinded(watch, book, tracks, standing)
        evidence += more
        reason = also(reason, blinds)
    return happen(alarm, Move.RAISED, at_us, reason, tuple(evidence), level=watch.level)


def _blinded(
    watch: Watch, book: Book, tracks: Mapping[str, Track], standing: Iterable[Alarm]
) -> tuple[list[Evidence], str]:
    """What a silent gateway blinds: the alarms that stand there and the sensors, those with an alarm first."""
    own = {sensor.id for sensor in book.city.sensors_of.get(watch.gateway.id, ())}
    alarms = sorted((a for a in standing if a.sensor in own), key=lambda a: (-a.level, a.raised_us, a.id))
    shown = [_seen(tracks, str(a.sensor), f"stands: {a.rule} {a.level.word} {a.id}") for a in alarms[:LISTED]]
    first = dict.fromkeys(str(a.sensor) for a in alarms)
    names = [*first, *sorted(own - set(first))][:LISTED]
    shown += [_seen(tracks, name, f"blind: {watch.gateway.id} is silent") for name in names]
    counts = {"sensors": len(own), "alarms": len(alarms)}
    if not alarms:
        return shown, because("blinds", **counts)
    return shown, because("blinds_which", **counts, ids=", ".join(a.id for a in alarms[:LISTED]))


def _seen(tracks: Mapping[str, Track], name: str, test: str) -> Evidence:
    """The last that is known of a sensor."""
    track = tracks.get(name)
    last = track.between(track.newest_us, track.newest_us) if track is not None else []
    if track is None or not last:
        return Evidence(name, track.quantity if track else "", track.unit if track else "", None, 0, 0, test, "unknown")
    return Evidence(name, track.quantity, track.unit, last[0].value, last[0].time_us, last[0].flag, test, "unknown")


def heard_again(hearing: Hearing, book: Book, gateways: Mapping[str, int], sensors: Mapping[str, int]) -> list[Moved]:
    """Clear the silence alarms of scopes just heard (gateway and sensor id to arrival time)."""
    moves = []
    for key, alarm in list(hearing.alarms.items()):
        watch = book.watches.get(key)
        heard = sensors if watch is not None and watch.sensor is not None else gateways
        if watch is None or alarm.scope not in heard:
            continue
        del hearing.alarms[key]
        at_us = max(heard[alarm.scope], alarm.raised_us)
        moves.append(happen(alarm, Move.CLEARED, at_us, because("heard_again"), level=Level.NONE))
    return moves
