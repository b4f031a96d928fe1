"""Pictures for e-mails: drawn by one thread, kept for whoever else is told of the same, and never waited for long.

A notice goes without its picture rather than late. Reds may always ask for one; for the rest drawing may take a fifth
of the time, so that a flood of e-mails does not keep the notifier drawing.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from types import TracebackType
from typing import Any, Self
from zoneinfo import ZoneInfo

from psycopg.rows import class_row
from psycopg_pool import ConnectionPool

from city.clock import stopwatch_s
from city.levels import Level
from rules.notify import picture
from rules.notify.display import language_of, moment, placed, plain
from rules.notify.outbox import Notice
from rules.notify.picture import Point, Scene
from store.connection import Connection
from store.statements import statements

BUDGET_S = 3.0
KEPT = 64
FINE_FROM_S = 60  # sensors that speak more often are drawn from five-minute roll-ups
SHARE, BURST_S = 0.2, 5.0
_THRESHOLD = re.compile(r"^(?:above|below) (-?[0-9.]+)(?: |$)")
_sql = statements("picture", package="rules.notify")
_log = logging.getLogger(__name__)


class Gallery:
    """A context manager: its thread ends with it.

    Parameters
    ----------
    connections
        Where readings are read from.
    budget_s
        Longest wait for a picture, in wall seconds.
    """

    def __init__(self, connections: ConnectionPool[Connection], budget_s: float = BUDGET_S) -> None:
        self._connections, self._budget_s = connections, budget_s
        self._artist = ThreadPoolExecutor(1, thread_name_prefix="artist")
        self._lock = threading.Lock()
        self._made: OrderedDict[tuple[object, ...], Future[bytes]] = OrderedDict()
        self._left_s, self._at_s = BURST_S, stopwatch_s()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._artist.shutdown(wait=True, cancel_futures=True)

    def warm(self) -> None:
        """Get ready to draw, beside everything else."""
        self._artist.submit(self._draw, _warm)

    def picture(self, row: Notice, zone: ZoneInfo) -> bytes:
        """The picture of a notice's sensor and alarm; empty when there is none in time."""
        facts = row.content.get("facts")
        if not isinstance(facts, Mapping) or not facts.get("sensor"):
            return b""
        language = language_of(row.content.get("language", "en"))
        key = (row.incident, facts["sensor"], str(facts.get("value")), row.level, language)
        return self.ask(key, lambda: self._scene(row, facts, zone, language), urgent=row.level is Level.RED)

    def ask(self, key: tuple[object, ...], draw: Callable[[], bytes], *, urgent: bool) -> bytes:
        """What `draw` gives, from the shelf if it was drawn before; empty when that takes too long."""
        with self._lock:
            wanted = self._made.get(key)
            if wanted is None:
                if not urgent and not self._may_draw():
                    return b""
                wanted = self._made[key] = self._artist.submit(self._draw, draw)
                if len(self._made) > KEPT:
                    self._made.popitem(last=False)[1].cancel()
            self._made.move_to_end(key)
        try:
            return wanted.result(self._budget_s)
        except (TimeoutError, RuntimeError):  # too slow, or we are about to stop
            return b""

    def _may_draw(self) -> bool:
        now_s = stopwatch_s()
        self._left_s = min(BURST_S, self._left_s + (now_s - self._at_s) * SHARE)
        self._at_s = now_s
        return self._left_s > 0

    def _draw(self, draw: Callable[[], bytes]) -> bytes:
        began_s = stopwatch_s()
        try:
            return draw()
        except Exception:  # noqa: BLE001 - no picture is no reason not to send
            _log.exception("picture_failed", extra={"action": "picture_failed"})
            return b""
        finally:
            with self._lock:
                self._left_s -= stopwatch_s() - began_s

    def _scene(self, row: Notice, facts: Mapping[str, Any], zone: ZoneInfo, language: str) -> bytes:
        sensor, until = str(facts["sensor"]), row.created_at
        raised = moment(facts.get("since"))
        given = {"sensor": sensor, "since": until - timedelta(days=1), "until": until, "incident": row.incident}
        with self._connections.connection() as conn, conn.transaction():
            conn.execute(_sql["hurry"])
            known = conn.execute(_sql["sensor"], given).fetchone()
            if known is None:
                return b""
            unit, interval_s = str(known[0]), float(known[1])
            fine = interval_s >= FINE_FROM_S
            cursor = conn.cursor(row_factory=class_row(Point))
            points = cursor.execute(_sql["readings" if fine else "rollups"], given).fetchall()[::-1]
            seen = conn.execute(_sql["thresholds"], given).fetchall()
            limits = {float(value): Level(level) for value, level in conn.execute(_sql["limits"], given)}
        if not points:
            return b""
        what, where = (plain(facts.get(key), language) for key in ("what", "where"))
        title = placed(what, where)
        gap = timedelta(seconds=3.5 * max(interval_s, 0 if fine else 300))
        bounds = limits | thresholds(facts, sensor, [(str(test), Level(level)) for test, level in seen])
        return picture.draw(Scene(title, sensor, unit, points, until, gap, bounds, raised, zone, language))


def _warm() -> bytes:
    picture.warm()
    return b""


def thresholds(facts: Mapping[str, Any], sensor: str, seen: list[tuple[str, Level]]) -> dict[float, Level]:
    """The levels' values: those the facts list, or else those that evidence names (`above 40 cm`), lowest level first.

    `seen`: tests that the sensor's alarms passed so far, each with the level it raised.
    """
    found: dict[float, Level] = {}
    listed = facts.get("thresholds")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, Mapping) and isinstance(one.get("value"), int | float):
            found.setdefault(float(one["value"]), _level(one.get("level")))
    if not found:
        own = [(str(e.get("test", "")), _level(facts.get("level"))) for e in facts.get("evidence") or []
               if isinstance(e, Mapping) and e.get("sensor") == sensor]  # fmt: skip
        for test, level in sorted([*seen, *own], key=lambda one: one[1]):
            if (match := _THRESHOLD.match(test)) is not None:
                found.setdefault(float(match[1]), level)
    return {value: level for value, level in found.items() if level}


def _level(word: object) -> Level:
    try:
        return Level.of(str(word))
    except KeyError:
        return Level.NONE
