"""What a drill is, as values: an exercise that goes the whole road of a running system, apart from what is real."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

MINUTE_US = 60_000_000
LONGEST_US = 4 * 60 * MINUTE_US
MOST_DRILLS = 3  # at a time
MOST_SENSORS = 200


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """What is to be played, and with whom.

    Attributes
    ----------
    scenario, digest
        The file it was read from, and the SHA-256 of its text.
    title
        By language.
    sensors
        The only ones whose rules take part.
    people
        The only ones who are told; empty: whoever the chains name.
    until_us
        When it ends by itself.
    wishes
        What the scenario expects of people: `{"what": "acknowledged", "within_s": 180.0, "level": "orange"}`.
    """

    scenario: str
    digest: str
    title: Mapping[str, str]
    sensors: tuple[str, ...]
    people: tuple[str, ...]
    until_us: int
    wishes: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Drill:
    """A running drill.

    Attributes
    ----------
    seq, began_us
        The journal row that began it, and its time.
    heard_us
        Up to when its own readings were heard (arrival time): its silence is judged up to there and no further, so that
        a drill whose player died does not play a dead city.
    """

    id: str
    plan: DrillPlan
    by: str
    seq: int
    began_us: int
    heard_us: int

    def heard(self, at_us: int) -> Drill:
        """The same, heard up to `at_us` at least."""
        return self if at_us <= self.heard_us else replace(self, heard_us=at_us)


@dataclass(frozen=True, slots=True)
class DrillSaid:
    """A person begins (`plan` is given) or ends a drill."""

    drill: str
    actor: str
    note: str
    plan: DrillPlan | None = field(default=None)


def drill_row(said: DrillSaid) -> dict[str, Any]:
    """The content of its journal row."""
    row: dict[str, Any] = {"drill": said.drill, "actor": said.actor, "note": said.note}
    if said.plan is not None:
        plan = said.plan
        row["plan"] = {
            "scenario": plan.scenario, "digest": plan.digest, "title": dict(plan.title), "sensors": list(plan.sensors),
            "people": list(plan.people), "until_us": plan.until_us, "wishes": [dict(wish) for wish in plan.wishes],
        }  # fmt: skip
    return row


def drill_said(row: Mapping[str, Any]) -> DrillSaid:
    """What a journal row of kind `drill` says."""
    plan = row.get("plan")
    return DrillSaid(
        str(row["drill"]), str(row.get("actor", "")), str(row.get("note", "")),
        None if plan is None else DrillPlan(
            str(plan["scenario"]), str(plan["digest"]), dict(plan["title"]), tuple(plan["sensors"]),
            tuple(plan["people"]), int(plan["until_us"]), tuple(dict(wish) for wish in plan["wishes"]),
        ),
    )  # fmt: skip
