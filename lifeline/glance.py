"""What the demonstration's screen and summary know, read from the database in one go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from store import roles
from store.connection import Connection
from store.statements import statements

_SQL = statements("glance", package="lifeline")


class DistrictLine(NamedTuple):
    """One district; `levels` counts standing alarms from red to blue."""

    district: str
    name: Mapping[str, str]
    sensors: int
    stale: int
    red: int
    orange: int
    yellow: int
    blue: int
    online: int
    gateways: int


class IncidentLine(NamedTuple):
    """One open incident; `level` is `none` when all its alarms have cleared."""

    incident: str
    level: str
    title: str
    title_zh: str | None
    opened_at: datetime
    stage: str
    acknowledged: bool


class NoticeLine(NamedTuple):
    """One notice."""

    created_at: datetime
    level: str
    target: str
    channel: str
    state: str
    subject: str | None


@dataclass(frozen=True)
class Glance:
    """The city at a glance."""

    districts: list[DistrictLine]
    incidents: list[IncidentLine]
    open_incidents: int
    notices: list[NoticeLine]
    published: int
    stored: int
    rejected: int
    watcher_lag_s: float | None


@dataclass(frozen=True)
class Summary:
    """What happened in a demonstration; `acknowledge_s` is the median in city seconds."""

    published: int = 0
    stored: int = 0
    rejected: int = 0
    alarms: Mapping[str, int] = field(default_factory=dict)
    incidents: int = 0
    incidents_open: int = 0
    acknowledged: int = 0
    acknowledge_s: float | None = None
    notices_sent: int = 0
    notices: int = 0


def look(conn: Connection) -> Glance:
    """Read the screen's content."""
    published, stored, rejected = _row(conn, "flow")
    watcher = roles.beats(conn).get("watcher")
    lag = watcher.detail.get("lag_s") if watcher else None
    return Glance(
        districts=[DistrictLine(*row) for row in conn.execute(_SQL["districts"])],
        incidents=[IncidentLine(*row) for row in conn.execute(_SQL["incidents"])],
        open_incidents=_row(conn, "open_count")[0],
        notices=[NoticeLine(*row) for row in conn.execute(_SQL["notices"])],
        published=published,
        stored=stored,
        rejected=rejected,
        watcher_lag_s=float(lag) if isinstance(lag, int | float) else None,
    )


def sum_up(conn: Connection) -> Summary:
    """Read the summary's content."""
    published, stored, rejected = _row(conn, "flow")
    incidents, still_open, acknowledged, median_s = _row(conn, "incident_counts")
    sent, notices = _row(conn, "notice_counts")
    return Summary(
        published=published,
        stored=stored,
        rejected=rejected,
        alarms=dict(conn.execute(_SQL["alarms"]).fetchall()),
        incidents=incidents,
        incidents_open=still_open,
        acknowledged=acknowledged,
        acknowledge_s=median_s,
        notices_sent=sent,
        notices=notices,
    )


def _row(conn: Connection, name: str) -> tuple[Any, ...]:
    row = conn.execute(_SQL[name]).fetchone()
    return row if row is not None else ()
