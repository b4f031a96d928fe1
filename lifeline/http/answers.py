"""What the API answers besides rows of the public views: duty, statistics, commands, accounts, the log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from lifeline.http.models import Incident, Row


class Duty(BaseModel):
    """Who is on duty from `at` on; nobody when empty."""

    at: datetime
    people: list[str]


class Gap(BaseModel):
    """A span in which nobody can be told; `people` are on duty all the same but cannot be reached."""

    start: datetime
    end: datetime
    people: list[str]


class RosterNow(BaseModel):
    """A roster: who is on duty, the next changes, and its gaps in the next 14 days (not if `gaps_meant`)."""

    roster: str
    timezone: str
    now: list[str]
    next: list[Duty]
    gaps: list[Gap]
    gaps_meant: bool


class FloodSpan(BaseModel):
    """A flood found by counting: how many came, and the most in ten minutes."""

    start: datetime
    end: datetime
    count: int
    peak: int


class Often(BaseModel):
    """An alarm (`rule/scope`) and how often it came."""

    key: str
    count: int


class Statistics(BaseModel):
    """Figures of ISA-18.2 and EEMUA 191 over a span; shares are parts of one."""

    since: datetime
    until: datetime
    complete: bool = Field(description="false: there were more than could be counted, the figures are of the first")
    raises: int
    per_hour: float
    per_ten_minutes: float
    rating: Literal["good", "fair", "poor"]
    peak: int
    bins_over_ten: float
    floods: list[FloodSpan]
    flood_share: float
    top: list[Often]
    top_share: float
    chattering: list[str]
    fleeting: int
    standing: int
    standing_peak: int
    shares: dict[str, float]
    off_target: list[str]


class Recorded(BaseModel):
    """The command's row in the journal, and what the engine made of it within two seconds."""

    seq: int
    state: Literal["waiting", "done", "refused"]
    reason: str
    incident: Incident


class Decided(BaseModel):
    """The command's row in the journal, and what the engine made of it within two seconds.

    `asked`: it holds a red alarm, so a second person must say the same.
    """

    seq: int
    state: Literal["waiting", "done", "refused", "asked"]
    reason: str


class Deed(Row):
    """A row of the audit log; `hash` is over all of it and the row before."""

    seq: int
    at: datetime
    actor: str
    role: str
    how: str
    address: str
    action: str
    target: str
    incident: str
    detail: dict[str, Any]
    hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Chain(BaseModel):
    """Whether the audit log is whole; `fault` names the first row that is not as it was written."""

    rows: int
    head: str
    fault: str


class AccountRow(Row):
    """An account."""

    account: str
    role: str
    districts: list[str] | None
    person: str
    disabled: bool
    failures: int
    locked_until: datetime | None
    made_at: datetime
    changed_at: datetime


class TokenRow(Row):
    """A program's key, without the key."""

    token: str
    name: str
    role: str
    districts: list[str] | None
    made_at: datetime
    expires_at: datetime | None
    last_used: datetime | None
    revoked_at: datetime | None


class NewToken(BaseModel):
    """A key, shown this once."""

    token: str
    name: str
    key: str


class Asker(BaseModel):
    """Who asks, as the API knows them."""

    name: str
    role: str
    districts: list[str] | None
    person: str
    how: str
