"""Everything the engine remembers: what a snapshot holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from detectors.protocol import Verdict
from rules.alarm.alarm import Alarm
from rules.alarm.fold import Fold
from rules.alarm.holds import Holds
from rules.alarm.silence import Hearing
from rules.alarm.tracks import Tracks
from rules.book import REORDER_US
from rules.desk.floods import Floods
from rules.desk.incidents import Incident
from rules.drillplan import Drill
from rules.signs.memory import Signs


@dataclass
class State:
    """`now_us` is the time of the last row. `folds`, by instance key: those that have something to remember.

    `signs`: what the watch for early signs knows. `platform`: what stands of Lifeline itself, by key. `drills` that
    run; their engines' states are in `exercises`.
    """

    tracks: Tracks = field(default_factory=lambda: Tracks(REORDER_US))
    folds: dict[str, Fold] = field(default_factory=dict)
    hearing: Hearing = field(default_factory=Hearing)
    incidents: dict[str, Incident] = field(default_factory=dict)
    floods: Floods = field(default_factory=Floods)
    holds: Holds = field(default_factory=Holds)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    platform: dict[str, Alarm] = field(default_factory=dict)
    drills: dict[str, Drill] = field(default_factory=dict)
    exercises: dict[str, State] = field(default_factory=dict)
    signs: Signs = field(default_factory=Signs)
    now_us: int = 0
    evaluated: int = 0
