"""Tells of hours without anybody before they come: what `city.health` shows, and alarms of those that come soon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from city.clock import from_us
from city.levels import Level
from rules.alarm.alarm import Alarm
from rules.desk.gaps import AHEAD_US, SOON_US, Gap, all_gaps, spell
from rules.desk.plan import Escalation
from rules.desk.roster import Roster
from rules.inputs import PlatformIn

NAME = "roster-gap"
EVERY_US = 3_600_000_000
_PREFIX = f"platform-{NAME}/"
_SHOWN = 5


@dataclass(frozen=True)
class Seen:
    """What a look at the rosters found: how many gaps there are, in words, and what is to be said of them."""

    count: int = 0
    advice: str = ""
    said: list[PlatformIn] = field(default_factory=list)


@dataclass
class RosterWatch:
    """Looks at the rosters in force once an hour, and whenever they are others."""

    escalation: Escalation | None = None
    next_us: int = 0

    def use(self, escalation: Escalation) -> None:
        """These are in force from now on."""
        self.escalation, self.next_us = escalation, 0

    def look(self, standing: Mapping[str, Alarm], now_us: int) -> Seen | None:
        """What is to be told, when an hour has gone by (else None).

        Parameters
        ----------
        standing
            The alarms of the platform that stand, by key: what they say already is not said again.
        now_us
            Microseconds since 1970.
        """
        if self.escalation is None or now_us < self.next_us:
            return None
        self.next_us = now_us + EVERY_US
        end_us = now_us + AHEAD_US
        found = [(roster, gaps) for roster, gaps in all_gaps(self.escalation, now_us, end_us) if gaps]
        spans = sorted(((gap, roster) for roster, gaps in found for gap in gaps), key=lambda one: one[0])
        advice = "; ".join(f"{roster.id} {spell(gap, roster.timezone, end_us)}" for gap, roster in spans[:_SHOWN])
        more = f" and {len(spans) - _SHOWN} more" if len(spans) > _SHOWN else ""
        told = f"nobody can be told: {advice}{more}; fill them, or say gaps: meant" if spans else ""
        soon = {roster.id: (roster, gaps[0]) for roster, gaps in found if gaps[0].start_us <= now_us + SOON_US}
        return Seen(len(spans), told, _said(soon, standing, now_us))


def _said(soon: Mapping[str, tuple[Roster, Gap]], standing: Mapping[str, Alarm], now_us: int) -> list[PlatformIn]:
    """Faults that are new or graver by now, and those that are over."""
    found = []
    for name, (roster, gap) in soon.items():
        level = Level.ORANGE if gap.start_us <= now_us else Level.YELLOW
        known = standing.get(_PREFIX + name)
        if known is None or known.level < level:
            found.append(PlatformIn(NAME, name, "fault", _plainly(gap, roster.timezone), now_us, level))
    over = [key.removeprefix(_PREFIX) for key in standing if key.startswith(_PREFIX)]
    return found + [PlatformIn(NAME, name, "ok", "", now_us) for name in over if name not in soon]


def _plainly(gap: Gap, zone: str) -> str:
    """A gap in no language: `2026-11-23 00:00 – 2026-11-23 08:00 (Asia/Shanghai)`."""
    start, end = (from_us(at).astimezone(ZoneInfo(zone)) for at in (gap.start_us, gap.end_us))
    return f"{start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M} ({zone})"
