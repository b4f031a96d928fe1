"""What the API answers: rows of the public views, column by column."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Level = Literal["none", "blue", "yellow", "orange", "red"]
Kind = TypeVar("Kind")


class Problem(BaseModel):
    """An error (RFC 9457). `type` names its kind for good; `detail` says what it is this time."""

    type: str = Field(json_schema_extra={"format": "uri-reference"}, examples=["/api/v1/problems/not-found"])
    title: str
    status: int
    detail: str | None = None


class Page(BaseModel, Generic[Kind]):
    """A part of a list. `next`: give it as `after` for what follows (also in the `Link` header); null at the end."""

    items: list[Kind]
    more: bool
    next: str | None = None


class Row(BaseModel):
    """A row of a view."""

    model_config = ConfigDict(extra="allow")  # columns are only ever added: an older client reads a newer server


class Incident(Row):
    """An incident as it stands; `version` grows with every change."""

    incident: str
    site: str
    site_name: str | None = None
    site_name_zh: str | None = None
    lon: float | None = None
    lat: float | None = None
    district: str
    level: Level
    peak_level: Level
    stage: str
    acknowledged: bool
    acknowledged_at: datetime | None = None
    opened_at: datetime
    closed_at: datetime | None
    title: str
    title_zh: str | None
    first_alarm: str
    drill: bool
    version: int
    chain: str
    trace: str | None = None


class Alarm(Row):
    """One occurrence of an alarm, from raise to clear, with the newest value of its sensor."""

    alarm: str
    rule: str
    rule_version: str
    scope: str
    sensor: str | None
    gateway: str
    site: str
    district: str
    domain: str
    level: Level
    peak_level: Level
    condition: str
    state: str
    acknowledged: bool
    hold: str
    hold_reason: str
    latched: bool
    raised_at: datetime
    cleared_at: datetime | None
    late: bool
    incident: str | None
    title: str
    title_zh: str | None
    value: float | None = None
    value_time: datetime | None = None
    age_s: float | None = None
    stale: bool | None = None
    unit: str | None = None
    quantity: str | None = None
    trace: str | None = None


class AlarmEvent(Row):
    """What happened to an alarm, with the evidence it was decided on."""

    event: str
    time: datetime
    recorded_at: datetime
    alarm: str
    kind: str
    from_level: Level
    to_level: Level
    reason: str
    evidence: Any
    trace: str | None = None


class IncidentEvent(Row):
    """What happened to an incident, and who did it."""

    event: str
    time: datetime
    incident: str
    kind: str
    actor: str
    person: str
    note: str
    trace: str | None = None


class Notice(Row):
    """A message to a person through a channel, and how far it came."""

    notice: str
    incident: str | None
    kind: str
    step: int
    round: int
    target: str
    channel: str
    via: str
    state: str
    level: Level
    subject: str | None
    created_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    attempts: int
    answer: str
    late: bool
    drill: bool
    trace: str | None = None
    decided: str | None = None


class Step(Row):
    """A step of an incident's chain: when it is due, what became of it."""

    incident: str
    round: int
    step: int
    repeat: int
    due_at: datetime
    state: str
    reason: str
    notify: str


class Clock(Row):
    """How long people have for a stage of an incident."""

    incident: str
    clock: str
    level: Level
    due_at: datetime
    state: Literal["running", "met", "missed", "cancelled"]
    settled_at: datetime | None
    number: int
    began_at: datetime


class IncidentWhole(Incident):
    """An incident with what belongs to it, the newest of each; the lists have routes of their own."""

    alarms: list[Alarm]
    events: list[IncidentEvent]
    alarm_events: list[AlarmEvent]
    notices: list[Notice]
    escalation: list[Step]
    clocks: list[Clock]


class Sensor(Row):
    """A sensor with its newest value."""

    sensor: str
    gateway: str
    site: str
    site_kind: str
    district: str
    quantity: str
    domain: str
    unit: str
    interval_s: float
    name: str
    lon: float
    lat: float
    range_min: float | None
    range_max: float | None
    time: datetime | None
    value: float | None
    flag: int | None
    level: Level
    stale: bool
    age_s: float | None


class Reading(Row):
    """A reading in the sensor's unit; flag: 1 pass, 2 not evaluated, 3 suspect, 4 fail, 9 missing."""

    time: datetime
    value: float
    flag: int
    received_at: datetime
    late: bool


class Finding(Row):
    """A detector's verdict."""

    time: datetime
    sensor: str
    detector: str
    channel: str
    verdict: Literal["normal", "abnormal", "blind"]
    score: float
    return_period_years: float | None
    direction: str
    expected: float | None
    low: float | None
    high: float | None
    reason: str
    evidence: list[list[str | float]] = []


class Site(Row):
    """A place."""

    site: str
    kind: str
    name: str
    name_zh: str | None
    district: str
    lon: float
    lat: float


class Gateway(Row):
    """A gateway, and what it sent."""

    gateway: str
    district: str
    name: str
    interval_s: float
    online: bool | None
    last_seen: datetime | None
    skew_s: float | None
    stored: int
    rejected: int
    missing: int


class Rejection(Row):
    """What was not taken in, and why; of the payload the first 200 bytes."""

    rejection: int
    received_at: datetime
    gateway: str
    topic: str
    sensor: str
    time: datetime | None
    reason: str
    detail: str
    payload: str


class Shelf(Row):
    """What people hold: an alarm on a shelf, a sensor out of service."""

    shelf: str
    key: str
    kind: str
    rule: str
    scope: str
    level: Level
    one_shot: bool
    since: datetime
    until: datetime
    by: str
    reason: str
    via: str


class HoldEvent(Row):
    """A decision, or a refusal, about a hold."""

    event: str
    time: datetime
    key: str
    kind: str
    actor: str
    note: str
    via: str


class Blind(Row):
    """A sensor nobody hears, because its gateway is silent."""

    sensor: str
    gateway: str
    site: str
    district: str
    since: datetime
    last_heard: datetime | None
    alarm: str


class Maintenance(Row):
    """A window in which work is done and alarms are held: from calendar.yaml (`file`), or said by somebody."""

    window: str
    kind: str
    title: str
    title_zh: str | None
    selector: Any
    starts_at: datetime
    ends_at: datetime
    up_to: Level
    by: str
    reason: str
    running: bool


class Flood(Row):
    """A span with more alarms at a desk than a person can take in."""

    flood: str
    desk: str
    started_at: datetime
    ended_at: datetime | None
    alarms: int
    peak: int
    digests: int


class FloodAlarm(Row):
    """What came in a flood; `stands`: it still does."""

    flood: str
    alarm: str
    incident: str | None
    told_at: datetime
    level: Level
    peak_level: Level
    stands: bool
    title: str


class Health(Row):
    """A part of Lifeline: `text` says its value in words, `advice` what to do."""

    name: str
    value: float | None
    unit: str
    state: Literal["ok", "warning", "fault"]
    since: datetime
    advice: str
    text: str
