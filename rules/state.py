"""Everything the engine remembers: what a snapshot holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from detectors.protocol import Verdict
from rules.alarm.fold import Fold
from rules.alarm.silence import Hearing
from rules.alarm.track import Track
from rules.desk.incidents import Incident


@dataclass
class State:
    """`now_us` is the time of the last row."""

    tracks: dict[str, Track] = field(default_factory=dict)
    folds: dict[str, Fold] = field(default_factory=dict)
    hearing: Hearing = field(default_factory=Hearing)
    incidents: dict[str, Incident] = field(default_factory=dict)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    now_us: int = 0
    evaluated: int = 0
