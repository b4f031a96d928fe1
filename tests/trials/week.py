"""A week of a small city, lived through the recorder's writer and the watcher on a real database, on its own clock.

It has what makes histories hard: floods, out-of-order messages, repeats, an outage whose buffer comes hours later, a
sensor that dies with an alarm standing, a recorder that was down, another rule book in the middle, a restart.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from city.clock import ManualClock, from_us
from ingest.intake import Delivery
from ingest.message import ReadingsMessage, StatusMessage
from ingest.writer import BatchWriter
from rules.check import load_files
from rules.fleetmaker import FleetMaker
from rules.watcher import WatcherSettings, _Following
from store import bundle, journal, roles
from store.connection import Connection, connect
from tests.rules.small_city import FILES, T0_US

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
INTERVAL_US = 10 * MINUTE_US

SENSORS = {"wl-1": "g1", "wl-3": "g1", "wl-2": "g2", "rain-1": "g2"}
CITY: Mapping[str, str] = {
    **FILES,
    "gateways.csv": "gateway,district,interval_s\ng1,north,600\ng2,north,600\n",
    "sensors.csv": "sensor,gateway,site,quantity,unit,interval_s\n"
    "wl-1,g1,up-1,water_depth,cm,600\nwl-3,g1,up-1,water_depth,cm,600\n"
    "wl-2,g2,up-2,water_depth,cm,600\nrain-1,g2,rg-1,rainfall,mm,600\n",
    "rules/depth.yaml": FILES["rules/depth.yaml"]
    .replace("for: 1m", "for: 10m")
    .replace("for: 2m", "for: 20m")
    .replace("for: 3m", "for: 30m")
    .replace("clear_after: 10m", "clear_after: 30m")
    .replace("stale_after: 5m", "stale_after: 35m"),
    "rules/dry.yaml": """
version: 1
rules:
  - id: wet-without-rain
    watch: {quantity: water_depth}
    ladder:
      blue:
        all:
          - {above: 6 cm}
          - {near: {quantity: rainfall, within: 2 km}, max: 30m, below: 9 mm}
    clear_after: 20m
    stale_after: 40m
    escalate: drainage
""",
    "rules/platform.yaml": FILES["rules/platform.yaml"].replace("silent: 5m", "silent: 45m").replace("10m", "1h"),
}
STRICTER: Mapping[str, str] = {**CITY, "rules/depth.yaml": CITY["rules/depth.yaml"].replace("15 cm", "12 cm")}


@dataclass
class Week:
    """The recorder and the watcher of a small city, moved on by hand."""

    dsn: str
    seed: int
    clock: ManualClock = field(init=False)
    listening_us: int = T0_US
    buffer: list[tuple[str, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = ManualClock(from_us(T0_US))
        self._rng = random.Random(self.seed)
        self._level = dict.fromkeys(SENSORS, 2.0)
        self._seq = 0

    def live(self, days: float) -> None:
        """Live through it, and stop everything."""
        with (
            connect(self.dsn, autocommit=True) as recorder,
            connect(self.dsn) as conn,
            connect(self.dsn, autocommit=True) as news,
        ):
            self._apply(conn, CITY)
            self._writer, self._beats = BatchWriter(recorder, self.clock), recorder
            watcher = self._follow(conn, news)
            end_us = T0_US + round(days * DAY_US)
            at_us = T0_US
            while at_us < end_us:
                at_us += INTERVAL_US
                for name, due_us in (("stricter", 3 * DAY_US), ("restart", 4 * DAY_US)):
                    if at_us - INTERVAL_US < T0_US + due_us <= at_us:
                        watcher = self._turn(name, conn, news, watcher)
                self._minute(at_us)
                self._watch(watcher)
            self._watch(watcher)

    def _turn(self, name: str, conn: Connection, news: Connection, watcher: _Following) -> _Following:
        if name == "stricter":
            self._apply(conn, STRICTER)
            return watcher
        watcher._snapshot()
        watcher._kept()
        return self._follow(conn, news)

    def _follow(self, conn: Connection, news: Connection) -> _Following:
        watcher = _Following(WatcherSettings(self.dsn, self.clock), conn, news, {}, FleetMaker())
        watcher._restore()
        return watcher

    def _apply(self, conn: Connection, files: Mapping[str, str]) -> None:
        bundle.apply(conn, dict(files), load_files(files).city, self.clock.now())
        conn.commit()

    def _watch(self, watcher: _Following) -> None:
        """What the watcher does between two sleeps: take what there is, look whether time makes something due."""
        for _ in range(50):
            entries = journal.read(watcher.news, watcher.seq, 200)
            if entries:
                watcher._take(entries)
                continue
            watcher._look()
            if journal.last_seq(watcher.news) == watcher.seq:
                return

    def _value(self, sensor: str, at_us: int) -> float:
        """Mostly calm, now and then a flood of some hours."""
        storm = self._storm and (sensor == "rain-1" or self._rng.random() < 0.5)
        rise = self._rng.choice((14.0, 30.0, 55.0)) if storm else 0.0
        if sensor == "wl-2" and at_us == T0_US + 2 * DAY_US + 2 * HOUR_US:
            rise = 60.0  # while its line is cut: the alarm comes late
        level = self._level[sensor]
        level = self._level[sensor] = max(0.0, level + rise - level * 0.1 + self._rng.gauss(0, 1.0))
        return round(level, 2)

    def _minute(self, at_us: int) -> None:
        since_us, rng = at_us - T0_US, self._rng
        down = 5 * DAY_US < since_us <= 5 * DAY_US + 2 * HOUR_US  # the recorder; the broker keeps what comes
        cut = 2 * DAY_US < since_us % (5 * DAY_US) <= 2 * DAY_US + 5 * HOUR_US  # g2's line
        rows: dict[str, list[tuple[str, int, float]]] = {"g1": [], "g2": []}
        self._storm = rng.random() < 0.025
        for sensor, gateway in SENSORS.items():
            value = self._value(sensor, at_us)
            if rng.random() < 0.04 or (sensor == "wl-3" and 26 * HOUR_US < since_us < 30 * HOUR_US):
                continue  # never measured
            if gateway == "g2" and cut:
                self.buffer.append((sensor, at_us, value))
            else:
                rows[gateway].append((sensor, at_us, value))
        deliveries = [self._readings(gateway, mine, at_us) for gateway, mine in rows.items() if mine]
        if rng.random() < 0.1 and rows["g1"]:  # said again; and something far too old
            deliveries.append(
                self._readings("g1", [*rows["g1"], ("wl-1", at_us - 3 * HOUR_US - 1_000_000, 33.0)], at_us)
            )
        rng.shuffle(deliveries)
        if not cut and self.buffer:
            deliveries = [*self._uploaded(at_us), *deliveries]
        self._waiting = [*getattr(self, "_waiting", []), *deliveries]
        if not down:
            self._record(at_us)

    def _uploaded(self, at_us: int) -> list[Delivery]:
        parts = [self.buffer[start : start + 10] for start in range(0, len(self.buffer), 10)]
        self.buffer = []
        says = StatusMessage("t", "north", "g2", True, at_us)
        return [Delivery(says, 0, b"", 0, 0), *(self._readings("g2", part, at_us) for part in parts)]

    def _readings(self, gateway: str, rows: list[tuple[str, int, float]], at_us: int) -> Delivery:
        self._seq += 1
        sensors, times, values = (list(column) for column in zip(*rows, strict=True))
        message = ReadingsMessage(
            "t", "north", gateway, None, at_us, sensors, times, values, [None] * len(rows), [2] * len(rows)
        )
        return Delivery(message, 0, b"", 0, 0, len(rows))

    def _record(self, at_us: int) -> None:
        """Commit what waits in a few transactions, as they come; then beat as the recorder does."""
        if self.clock.now_us() < at_us - INTERVAL_US - MINUTE_US:  # it was down: it listens anew
            self.listening_us = at_us + 1_000_000
        self.clock.advance((at_us - self.clock.now_us()) / 1e6 + 2.0)
        while self._waiting:
            batch = []
            for delivery in self._waiting[: self._rng.randint(1, 4)]:
                self.clock.advance(0.011)
                batch.append(Delivery(delivery.message, self.clock.now_us(), b"", 0, 0, delivery.rows))
            del self._waiting[: len(batch)]
            self.clock.advance(0.02)
            self._writer.commit(batch)
        self.clock.advance(30)
        detail = {"listening_us": self.listening_us}
        roles.beat(self._beats, "recorder", 1, self.clock.now(), detail)
        self.clock.advance(0.3)
