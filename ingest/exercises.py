"""Readings of drills: judged like real ones, journaled for the drill alone, and written to no table of readings.

What of them is refused is one reason, `exercise`, so that nobody takes it for a fault of a gateway; gateways' accounts
know nothing of drills.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from city.reading import Readings
from ingest.admit import Admission
from ingest.decoders import drill_of
from ingest.message import Arrival, Message, ReadingsMessage, Refused, StatusMessage
from ingest.reasons import Reason
from ingest.settle import rejection
from store import drills, journal
from store.connection import Connection
from store.rejections import Rejection

LONGEST_NAME = 40


@dataclass(slots=True)
class Exercises:
    """The exercise messages of a batch. `rejections`: what of them is refused, filled by `add` and `admitted`."""

    rejections: list[Rejection] = field(default_factory=list)
    _arrivals: dict[str, list[Arrival]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self._arrivals)

    def add(self, message: Message, received_us: int, payload: bytes) -> None:
        """Take one message in."""
        if isinstance(message, ReadingsMessage):
            self._arrivals.setdefault(message.drill, []).append(Arrival(message, received_us, payload))
        elif not isinstance(message, StatusMessage):
            refused = Refused(message.reason, message.detail, payload=payload)
            self._refuse(refused, message.topic, message.gateway, received_us)

    def admitted(self, conn: Connection, admission: Admission) -> list[bytes]:
        """A journal payload for each drill that runs; in the caller's transaction."""
        if not self._arrivals:
            return []
        states = drills.states(conn, list(self._arrivals))
        payloads = []
        for drill, arrivals in self._arrivals.items():
            if states.get(drill) == "running":
                payloads.append(self._judged(drill, arrivals, admission))
            elif drill not in states:  # of one that is over there may still be some on their way
                for arrival in arrivals:
                    self._tell(Refused(Reason.EXERCISE, "there is no such drill", payload=arrival.payload), arrival)
        return payloads

    def _judged(self, drill: str, arrivals: list[Arrival], admission: Admission) -> bytes:
        found = admission.admit_all(arrivals)
        for arrival, refused in zip(arrivals, found.refused, strict=True):
            for one in (*arrival.message.refused, *refused):
                self._tell(one, arrival)
        readings: Readings = found.readings
        return journal.encode_exercise(drill, max(arrival.received_us for arrival in arrivals), readings)

    def _tell(self, refused: Refused, arrival: Arrival) -> None:
        self._refuse(refused, arrival.message.topic, arrival.message.gateway, arrival.received_us)

    def _refuse(self, refused: Refused, topic: str, gateway: str, received_us: int) -> None:
        why = refused.detail if refused.reason is Reason.EXERCISE else f"{refused.reason}: {refused.detail}"
        detail = f"drill {drill_of(topic)[:LONGEST_NAME]}: {why}"
        told = Refused(Reason.EXERCISE, detail, refused.sensor, refused.time_us, refused.payload, refused.count)
        self.rejections.append(rejection(told, topic, gateway, received_us))
