"""`lifeline trace`: the road of one reading, from the message that brought it to what people did about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from rich.table import Table
from rich.text import Text

from city.errors import InputError
from lifeline.display import harmless
from store import traces
from store.connection import Connection
from store.statements import statements

_SQL = statements("tracing", package="lifeline")


@dataclass(frozen=True, slots=True)
class Step:
    """One station: when, what, and about what; `lag_s` is counted from the first arrival, in city seconds."""

    at: datetime | None
    what: str
    detail: str
    lag_s: float | None = None


@dataclass(frozen=True, slots=True)
class Road:
    """The stations of a trace in their order; `given`: the traces that gateways had given."""

    traces: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    given: tuple[str, ...] = field(default=())


def road(conn: Connection, zone: tzinfo, asked: str = "", sensor: str = "", at: datetime | None = None) -> Road:
    """Follow a trace, the trace of an incident, an alarm or a notice by its id, or that of a sensor's reading.

    What stations say of other times, they say in `zone`.

    Raises
    ------
    InputError
        When nothing here is called that, or there is no such reading.
    """
    if sensor and at is not None:
        seqs = traces.seqs_of_reading(conn, sensor, at)
        if not seqs:
            raise InputError(f"{sensor}: no reading of exactly {_said(at, zone)}, try {_near(conn, sensor, at, zone)}")
    else:
        seqs = traces.seqs_of(conn, asked) or traces.seqs(conn, asked)
    origin = traces.origin(conn)
    found = [step for step in _steps(conn, seqs, zone) if step.at is not None]
    found.sort(key=_when)
    first = next((step.at for step in found if step.what == "arrived"), None)
    given = tuple(f"{row[0]} ({row[1]})" for row in conn.execute(_SQL["given"], {"seqs": seqs}))
    return Road(
        tuple(traces.trace_id(origin, seq) for seq in seqs),
        tuple(Step(step.at, step.what, step.detail, _between_s(first, step.at)) for step in found),
        given,
    )


_ORDER = ("arrived", "committed", "evaluated", "alarm", "incident", "notice")


def _when(step: Step) -> tuple[float, int]:
    """By time, and at one instant in the order in which it happens."""
    word = step.what.split()[0]
    return (step.at.timestamp() if step.at else 0.0, _ORDER.index(word) if word in _ORDER else len(_ORDER))


def _between_s(first: datetime | None, at: datetime | None) -> float | None:
    return None if first is None or at is None else (at - first).total_seconds()


def _said(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).isoformat()


def _near(conn: Connection, sensor: str, at: datetime, zone: tzinfo) -> str:
    """The times of readings next to one that is not there, or what else may help."""
    if conn.execute(_SQL["sensor"], {"sensor": sensor}).fetchone() is None:
        return "the id of a sensor of city.sensors"
    times = [row[0] for row in conn.execute(_SQL["near"], {"sensor": sensor, "at": at})]
    return " or ".join(_said(time, zone) for time in times) or "another day: it has none within one of that"


def _steps(conn: Connection, seqs: list[int], zone: tzinfo) -> Iterator[Step]:
    asked: dict[str, Any] = {"seqs": seqs}
    for seq, kind, recorded_at, rows, first_at, last_at, oldest, newest in conn.execute(_SQL["rows"], asked):
        if kind == "readings":
            until = "" if oldest == newest else f" to {_said(newest, zone)}"
            span = "" if oldest is None else f", measured {_said(oldest, zone)}{until}"
            yield Step(first_at, "arrived", f"{'one reading' if rows == 1 else f'the first of {rows} readings'}{span}")
            if last_at != first_at:
                yield Step(last_at, "arrived last", "the last of them")
        yield Step(recorded_at, "committed", f"journal row {seq} ({kind})")
    alarms = conn.execute(_SQL["alarms"], asked).fetchall()
    events = conn.execute(_SQL["alarm_events"], asked).fetchall()
    yield from _decisions(conn, seqs, alarms, events, zone)
    decided = min((row[5] for row in alarms if row[5] is not None), default=None)
    named = {row[6] for row in (*alarms, *events)} - {""}
    incidents = conn.execute(_SQL["incidents"], {**asked, "incidents": sorted(named)}).fetchall()
    for incident, opened_at, level, title, opened in incidents:
        said = f"{incident}: {level}, {title}, since {_said(opened_at, zone)}"
        yield Step(decided or opened_at, "incident opened" if opened else "incident (open already)", said)
    own = {"incidents": [row[0] for row in incidents if row[4]]}
    for time, incident, kind, actor, note in conn.execute(_SQL["incident_events"], own):
        yield Step(time, f"incident {kind}", " ".join(part for part in (incident, actor, note) if part))
    yield from _notices(conn, {**asked, **own})


def _decisions(conn: Connection, seqs: list[int], alarms: list[Any], events: list[Any], zone: tzinfo) -> Iterator[Step]:
    for alarm, rule, scope, level, raised_at, decided_at, _ in alarms:
        yield Step(decided_at, "evaluated", f"{rule} on {scope}: an alarm")
        told = f"{alarm}: {rule} on {scope}, up to {level}, since {_said(raised_at, zone)}"
        yield Step(decided_at or raised_at, "alarm raised", told)
    for time, kind, reason, alarm, rule, scope, _ in events:
        yield Step(time, f"alarm {kind}", f"{alarm}: {rule} on {scope}, {reason}")
    watched = conn.execute(_SQL["watched"]).fetchone()
    if watched is not None and not alarms and not events and watched[0] >= max(seqs, default=0):
        yield Step(watched[1], "evaluated", f"at the latest (the watcher is at row {watched[0]}): no alarm changed")


def _notices(conn: Connection, asked: dict[str, Any]) -> Iterator[Step]:
    for row in conn.execute(_SQL["notices"], asked):
        notice, channel, target, kind, state, created_at, decided_at, sent_at, delivered_at, attempts, answer = row
        about = f"{notice[:12]} {kind} to {target} by {channel}"
        yield Step(decided_at or created_at, "notice queued", about)
        if sent_at is not None:
            yield Step(sent_at, "notice sent", f"{about}, attempt {attempts}")
        elif state != "delivered":
            yield Step(
                decided_at or created_at,
                f"notice {state}",
                f"{about}, {attempts} attempts, {answer or 'no answer yet'}",
            )
        if delivered_at is not None:
            yield Step(delivered_at, "notice delivered", about)


def table(found: Road, zone: tzinfo) -> Table:
    """The road for a terminal, in the city's time."""
    drawn = Table(title=f"Trace {', '.join(found.traces)}", title_justify="left", box=None, header_style="dim")
    for column in ("time", "after", "what", ""):
        drawn.add_column(column, no_wrap=column != "", overflow="fold")
    for step in found.steps:
        shown = step.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] if step.at else "-"
        lag = "" if step.lag_s is None else f"{step.lag_s:+,.3f} s"
        drawn.add_row(shown, lag, Text(harmless(step.what), style="bold"), Text(harmless(step.detail)))
    for given in found.given:
        drawn.add_row("", "", Text("given by the gateway", style="dim"), Text(harmless(given)))
    return drawn


def as_json(found: Road) -> dict[str, Any]:
    """The road for programs."""
    steps = [
        {"at": step.at.isoformat() if step.at else None, "lag_s": step.lag_s, "what": step.what, "detail": step.detail}
        for step in found.steps
    ]
    return {"traces": list(found.traces), "given": list(found.given), "steps": steps}
