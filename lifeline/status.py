"""`lifeline status`: what runs, how far behind it is, what is open and what is wrong, read from the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from psycopg.rows import dict_row

from lifeline.roles import CORE
from store.connection import Connection
from store.health import State
from store.roles import Beat, beats
from store.statements import statements

_SQL = statements("status", package="lifeline")
_METRICS = statements("metrics", package="lifeline.http")
_SILENT_S: Final = 30.0
_SENT: Final = ("sent", "delivered")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be; `entry` is its place in the runbook."""

    name: str
    state: State
    found: str
    advice: str = ""
    entry: str = ""


@dataclass(frozen=True, slots=True)
class RoleLine:
    """One process: seconds it has run and since its last sign of life, restarts, bytes, processor seconds."""

    role: str
    pid: int
    running_s: float
    age_s: float
    restarts: int
    rss_bytes: float | None = None
    cpu_s: float | None = None
    state: State = "ok"


@dataclass(frozen=True, slots=True)
class Flow:
    """Readings of the last minute, and how long they take; `*_s` are city seconds."""

    stored_per_s: float = 0.0
    rejected_per_s: float = 0.0
    commit_s: float = 0.0
    decision_s: float = 0.0
    journal_rows: int = 0
    journal_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Gateways:
    """How many are heard, silent, have a wrong clock; and sensors without anything fresh."""

    all: int = 0
    silent: int = 0
    skewed: int = 0
    stale: int = 0


@dataclass(frozen=True, slots=True)
class Open:
    """Open incidents of one level and stage."""

    level: str
    stage: str
    incidents: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Notices:
    """The outbox now, and what became of the last day's notices."""

    waiting: int = 0
    oldest_s: float = 0.0
    sent: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """The running system at one moment of the city's time; `at` is None when the database does not answer."""

    at: datetime | None
    troubles: tuple[Trouble, ...] = ()
    roles: tuple[RoleLine, ...] = ()
    flow: Flow = Flow()
    gateways: Gateways = Gateways()
    incidents: tuple[Open, ...] = ()
    notices: Notices = Notices()
    store: Mapping[str, str] = field(default_factory=dict)

    def count(self, state: State) -> int:
        """How many things are in that state."""
        return sum(trouble.state == state for trouble in self.troubles)

    @property
    def exit_code(self) -> int:
        """0 without a fault, 1 with one, 2 when nothing can be known."""
        return 2 if self.at is None else int(self.count("fault") > 0)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {**asdict(self), "at": self.at.isoformat() if self.at else None, "exit_code": self.exit_code}


def look(conn: Connection) -> Status:
    """Read everything once."""
    row = conn.execute(_SQL["now"]).fetchone()
    found = beats(conn)
    health = _rows(conn, _SQL["health"])
    text = {line["name"]: line["text"] for line in health}
    return Status(
        at=row[0] if row else None,
        troubles=tuple(_troubles(health, found)),
        roles=tuple(_role(beat) for beat in sorted(found.values(), key=_place)),
        flow=_flow(conn, found),
        gateways=_gateways(conn),
        incidents=tuple(Open(*line) for line in conn.execute(_SQL["standing"])),
        notices=_notices(conn),
        store={key: text.get(f"store_{key}", "") for key in ("tier", "size", "days_left")},
    )


def _rows(conn: Connection, query: Any) -> Sequence[dict[str, Any]]:  # noqa: ANN401 - a named statement
    return conn.cursor(row_factory=dict_row).execute(query).fetchall()


def _place(beat: Beat) -> int:
    return CORE.index(beat.role) if beat.role in CORE else len(CORE)


def _troubles(health: Sequence[Mapping[str, Any]], found: Mapping[str, Beat]) -> list[Trouble]:
    """What is wrong, faults first; a role that has never run is one."""
    wrong = [
        Trouble(line["name"], line["state"], line["text"], line["advice"], line["runbook"])
        for line in health
        if line["state"] != "ok"
    ]
    never = [Trouble(f"role_{role}", "fault", "", "", f"RUNBOOK.md#role_{role}") for role in CORE if role not in found]
    return sorted([*never, *wrong], key=lambda trouble: trouble.state != "fault")


def _role(beat: Beat) -> RoleLine:
    running_s = (beat.beat_at - beat.started_at).total_seconds()
    rss, cpu_s = beat.process.get("rss_bytes"), beat.process.get("cpu_s")
    state: State = "fault" if beat.age_s > _SILENT_S else "ok"
    return RoleLine(beat.role, beat.pid, running_s, beat.age_s, beat.restarts, rss, cpu_s, state)


def _flow(conn: Connection, found: Mapping[str, Beat]) -> Flow:
    commits = _rows(conn, _METRICS["metric_commits"])[0]
    rejected = conn.execute(_SQL["rejected"]).fetchone() or (0,)
    behind = [row for row in _rows(conn, _METRICS["metric_followers"]) if row["follower"] == "watcher"]
    decision = found["watcher"].detail.get("lag_s") if "watcher" in found else None
    return Flow(
        stored_per_s=commits["readings"] / 60,
        rejected_per_s=rejected[0] / 60,
        commit_s=commits["slowest_s"],
        decision_s=float(decision or 0.0),
        journal_rows=behind[0]["behind_rows"] if behind else 0,
        journal_s=behind[0]["behind_s"] if behind else 0.0,
    )


def _gateways(conn: Connection) -> Gateways:
    rows = _rows(conn, _METRICS["metric_gateways"])
    stale = _rows(conn, _METRICS["metric_stale"])[0]["stale"]
    sums = {key: sum(row[key] for row in rows) for key in ("gateways", "silent", "skewed")}
    return Gateways(sums["gateways"], sums["silent"], sums["skewed"], stale)


def _notices(conn: Connection) -> Notices:
    waiting, day = _rows(conn, _METRICS["metric_waiting"]), _rows(conn, _METRICS["metric_notices"])
    return Notices(
        waiting=sum(row["waiting"] for row in waiting),
        oldest_s=max((row["oldest_s"] for row in waiting), default=0.0),
        sent=sum(row["notices"] for row in day if row["state"] in _SENT),
        failed=sum(row["notices"] for row in day if row["state"] == "failed"),
    )
