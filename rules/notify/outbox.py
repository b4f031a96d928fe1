"""The outbox table: claim, finish, hand on. Each function is one transaction or less; none sends anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from city.levels import Level
from rules.notify.lanes import Room
from rules.notify.policy import ASKS, FIRST, OVER, RED_FALLBACK_AFTER_S, REPLACES, Next, fallback_key
from store.connection import Connection
from store.statements import statements

LEASE_S = 60.0

_sql = statements("outbox", package="rules.notify")


@dataclass(frozen=True, slots=True)
class Notice:
    """A claimed row. `content` is as the engine wrote it, plus `raised` (facts of the raise a clear speaks for).

    `incident` is empty for what belongs to none; `endpoint` is the channel and, for webhooks, who answers there;
    `stage` is the incident's at that time; `trace` the id of what led to it, empty where that is not known.
    """

    notice: str
    incident: str
    kind: str
    round: int
    step: int
    target: str
    via: str
    channel: str
    endpoint: str
    level: Level
    content: Mapping[str, Any]
    created_at: datetime
    attempts: int
    late: bool
    drill: bool
    stage: str = ""
    trace: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "level", Level(self.level))

    @property
    def settings(self) -> Mapping[str, object]:
        """Settings of its channel, as copied when it was queued; empty when there are none."""
        found = _mapping(self.content.get("settings")).get(self.channel)
        return _mapping(found)


def claim(conn: Connection, room: Room, now: datetime, wall: datetime) -> Notice | None:
    """Take one due notice under a lease of `LEASE_S`, with all it speaks for; None when nothing is due.

    Parameters
    ----------
    room
        What has no room.
    now, wall
        The city's clock (for due times) and the real one (for the lease).
    """
    lease_until = wall + timedelta(seconds=LEASE_S)
    given = {**asdict(room), **_PAIRS, "now": now, "wall": wall, "lease_until": lease_until}
    row = conn.cursor(row_factory=class_row(Notice)).execute(_sql["claim"], given).fetchone()
    return _with_raise(conn, row) if row and row.kind == "clear" and "raised" not in row.content else row


_PAIRS = {
    "newer": [newer for newer, olds in REPLACES.items() for _ in olds],
    "older": [older for olds in REPLACES.values() for older in olds],
}


def _with_raise(conn: Connection, row: Notice) -> Notice:
    """A clear with the facts of the raise it speaks for; kept, so that every attempt says the same."""
    place = {"incident": row.incident, "target": row.target, "channel": row.channel}
    given = {**place, "notice": row.notice, "first": list(FIRST)}
    raised = conn.execute(_sql["raised"], given).fetchone()
    if raised is None:
        return row
    conn.execute(_sql["keep_raised"], {"notice": row.notice, "raised": Jsonb(raised[0] or {})})
    return replace(row, content={**row.content, "raised": raised[0] or {}})


def over(row: Notice) -> bool:
    """Whether people have closed the incident or found it false, so that nothing is left to ask of anyone."""
    return row.kind in ASKS and row.stage in OVER


def delivered(conn: Connection, notice: str, at: datetime, how: Literal["receipt", "opened"]) -> bool:
    """Record that a notice is in the person's hands: its receiver said so, or the person opened its link.

    The same message that waits on other channels need not go out any more. Safe to repeat: the first word counts.

    Parameters
    ----------
    at
        The city's clock.

    Returns
    -------
    bool
        Whether there is such a notice.
    """
    given = {"notice": notice, "at": at, "how": how}
    with conn.transaction():
        if conn.execute(_sql["delivered"], given).rowcount:
            conn.execute(_sql["spare_others"], {"notice": notice})
            return True
        return conn.execute(_sql["known"], {"notice": notice}).fetchone() is not None


def supersede(conn: Connection, row: Notice, answer: str) -> None:
    """Take a claimed notice out without sending it."""
    conn.execute(_sql["supersede"], {"notice": row.notice, "attempts": row.attempts, "answer": answer})


def finish(conn: Connection, row: Notice, then: Next, now: datetime) -> str | None:
    """Record what became of a claimed notice, and queue its fallback in the same transaction.

    Returns the channel that takes over, if one does.
    """
    given = {"notice": row.notice, "attempts": row.attempts, "answer": then.answer[:500], "now": now}
    if then.state == "sent":
        conn.execute(_sql["sent"], given)
        return None
    with conn.transaction():
        conn.execute(_sql["put_back"], {**given, "state": then.state, "next_try_at": then.next_try_at})
        return hand_on(conn, row.notice, now) if then.hand_on else None


def hand_on(conn: Connection, notice: str, now: datetime) -> str | None:
    """Queue the next channel of `content["fallback"]` as a notice of its own; None when there is none left.

    The new notice is given the rest of the list; the old one keeps none, so that this happens once.
    """
    with conn.transaction():
        taken = conn.execute(_sql["take_fallback"], {"notice": notice}).fetchone()
        if taken is None:
            return None
        (channel, *rest), content = taken
        new = fallback_key(notice, channel)
        content = {**content, "fallback": rest, "root": content.get("root", notice)}
        given = {"new": new, "notice": notice, "channel": channel, "content": Jsonb(content), "now": now}
        conn.execute(_sql["queue_fallback"], given)
        return str(channel)


def help_slow_reds(conn: Connection, now: datetime, since: datetime) -> list[str]:
    """Start the fallback beside every red that has had no success for a minute; the notices helped.

    `since`: when this notifier began; a red that nobody was there to try has a minute from then on.
    """
    before = now - timedelta(seconds=RED_FALLBACK_AFTER_S)
    slow = [row[0] for row in conn.execute(_sql["slow_reds"], {"before": before, "since": since}).fetchall()]
    return [notice for notice in slow if hand_on(conn, notice, now)]


@dataclass(frozen=True, slots=True)
class Load:
    """How many notices wait, and for how long the oldest has (city seconds)."""

    waiting: int
    oldest_s: float


def load(conn: Connection, now: datetime) -> Load:
    """How the outbox stands."""
    row = conn.execute(_sql["load"], {"now": now}).fetchone()
    return Load(*row) if row else Load(0, 0.0)


def unreached(conn: Connection, since: datetime) -> list[tuple[str, str, str]]:
    """(incident, person, last answer) of people no channel has reached about an incident that is still open."""
    return [(row[0], row[1], row[2]) for row in conn.execute(_sql["unreached"], {"since": since}).fetchall()]


def failing(conn: Connection) -> list[str]:
    """Channels that were failing when a notifier last looked."""
    return [str(row[0]) for row in conn.execute(_sql["failing"]).fetchall()]


def escalation_file(conn: Connection) -> str:
    """The `escalation.yaml` in force; empty when there is none."""
    row = conn.execute(_sql["escalation_file"]).fetchone()
    return str(row[0] or "") if row else ""


def bundle(conn: Connection) -> str:
    """Hash of the city bundle in force; empty before the first."""
    row = conn.execute(_sql["bundle"]).fetchone()
    return str(row[0]) if row else ""


def city_file(conn: Connection) -> tuple[str, str]:
    """Hash of the city bundle in force and its `city.yaml`; both empty before the first."""
    row = conn.execute(_sql["city_file"]).fetchone()
    return (str(row[0]), str(row[1] or "")) if row else ("", "")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
