"""The one road by which notices leave the desk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from city.model import City
from rules.desk.notices import notice
from rules.desk.plan import Escalation, Person
from rules.effects import Effect

if TYPE_CHECKING:
    from rules.desk.incidents import Due, Incident
    from rules.desk.stamp import Stamp


@dataclass
class Telling:
    """Every notice about an incident goes through `tell`."""

    city: City
    escalation: Escalation

    def tell(
        self,
        incident: Incident,
        person: Person,
        channels: Sequence[str],
        via: str,
        kind: str,
        due: Due,
        stamp: Stamp,
    ) -> list[Effect]:
        """Tell a person, through the first of `channels` (the rest stand by), on behalf of `via` (`roster/day`)."""
        return [notice(self.city, self.escalation, incident, person, tuple(channels), via, kind, due, stamp)]
