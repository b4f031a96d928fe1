"""A gas pressure that drops: the supply's doing, a leak, or this station alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import msgspec

from detectors.extremes import Extremes
from detectors.mover import Mover, hear
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.subject import Neighbour

_FLOOR_PART = 0.0005  # of the pressure: its resolution
_MOVED = 3.0  # spreads: a neighbour has moved with it
_SHARE = 0.4  # of this drop that a neighbour's drop must have
_FLOOR_OF = {"gas_pressure": 0.1, "gas_flow": 1.0, "methane": 0.1}
_CLEAR_AT = 0.5
_MOST_NEIGHBOURS = 8


class DropState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: itself, its neighbours, its daily largest drops, how many of the last were low."""

    mover: Mover = msgspec.field(default_factory=Mover)
    neighbours: dict[str, Mover] = msgspec.field(default_factory=dict)
    extremes: Extremes = msgspec.field(default_factory=Extremes)
    low: tuple[bool, ...] = ()
    standing: bool = False
    waiting: int = 0


class Around(msgspec.Struct, array_like=True):
    """What the neighbours did: pressures heard, pressures that fell too, flow and methane that rose (spreads)."""

    stations: int = 0
    fell: int = 0
    flow: float | None = None
    methane: float | None = None
    methane_at: str = ""


class GasDrop(PerSensor[DropState]):
    """Pressure below where it was of late, with what its neighbours say of the reason.

    The mean of three minutes against that of three quarters of an hour, in the station's own usual difference. Score =
    that over what comes once in `years` by its own daily largest drop (Gumbel); `n` of the last `m` readings must be
    over it. The channel says what it is: `leak` when methane rises nearby or flow rises and the other stations hold;
    `supply_event` when at least half of the others (two, where there are three) fall with it; `alone` when no
    neighbour explains it, which is weak evidence: it must then be `alone_factor` times as deep.

    Parameters
    ----------
    years
        How rare a drop must be.
    n, m
        How many of how many readings must be over the limit.
    alone_factor
        How much deeper a drop must be that nothing else confirms, at least 1.
    gap_s
        Pause after which 10 readings are needed (seconds).

    Notes
    -----
    Input
        kPa. Neighbours: other pressures, flow, methane of the context. Any cadence up to 5 min; made for a minute.
    Warm-up
        12 readings; the usual difference takes two days, until then the band is wide.
    False alarms
        None in 0.4 simulated fault-free sensor-years with three other stations (two-minute readings).
    Direction
        `down` only.
    Evidence
        `kind` (a word), `drop_kpa`, `stations_heard`, `stations_fell`, `flow_spreads`, `methane_spreads`, `methane_at`.
    Blind spots
        Drops slower than half an hour (see `gas_demand`); a station whose pressure falls as deep every day; a leak
        between two stations that pulls both down without flow or methane to tell it looks like the supply.
    Source
        Neighbour check after the QARTOD manuals; Gumbel (1958), Statistics of Extremes. The combination is our own.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> values = [300.0 + 0.2 * (i % 3) for i in range(600)] + [300.0 - 8.0 * i for i in range(1, 6)]
    >>> samples = [Sample("p1", i * 60_000_000, v, Flag.PASS, 0) for i, v in enumerate(values)]
    >>> found = [f for f in GasDrop().update(samples) if f.score >= 1]
    >>> found[0].channel, found[0].direction
    ('alone', 'down')
    """

    name: ClassVar[str] = "gas_drop"
    quantities: ClassVar[frozenset[str]] = frozenset({"gas_pressure"})
    channel: ClassVar[str] = "alone"
    channels: ClassVar[tuple[str, ...]] = ("leak", "supply_event", "alone")
    state_type: ClassVar[type[DropState]] = DropState

    def __init__(
        self, *, years: float = 1.0, n: int = 2, m: int = 3, alone_factor: float = 1.5, gap_s: float = 1800.0
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, years=years, n=n, m=m, alone_factor=alone_factor)
        self.years, self.n, self.m, self.alone_factor = years, min(n, m), m, max(alone_factor, 1.0)

    def _first(self) -> DropState:
        return DropState(waiting=12)

    def _resume(self, own: DropState) -> DropState:
        spread = own.mover.spread
        return DropState(Mover(spread=spread), {}, own.extremes, waiting=10)

    def _step(self, own: DropState, moment: Moment) -> Answer:
        floor = max(_FLOOR_PART * abs(moment.value), 0.05)
        known_spread = own.mover.spread
        own.mover.take(moment.value, moment.time_us, floor)
        if own.mover.seen == 1 and known_spread:
            own.mover.spread = known_spread
        around = self._around(own, moment)
        if own.waiting:
            own.waiting -= 1
            return Answer(None, f"warming up, {own.waiting} readings to go")
        drop = -own.mover.spreads(floor)
        limit = max(own.extremes.limit(self.years), 1.0)
        own.extremes.take(max(drop, 0.0), moment.time_us, moment.dt_s, self.years)
        kind = self._kind(around)
        ratio = drop / limit / (self.alone_factor if kind == "alone" else 1.0)
        own.low = (*own.low, ratio >= 1)[-self.m :]
        own.standing = ratio >= _CLEAR_AT if own.standing else sum(own.low) >= self.n and ratio >= 1
        usual = own.mover.slow
        low = usual - limit * max(own.mover.spread * 1.25, floor)
        if not own.standing:
            return Answer(min(max(ratio, 0.0), 0.99), "", "", usual, low, None, (), kind)
        years = own.extremes.years(drop)
        return self._say(own, kind, around, max(1.0, ratio), (usual, low), years)

    def _around(self, own: DropState, moment: Moment) -> Around:
        found = Around()
        for other in self._heeded(moment):
            floor = _FLOOR_OF[other.quantity]
            mover = hear(own.neighbours, other, moment.around, moment.time_us, floor)
            if mover is None:
                continue
            spreads = mover.spreads(floor)
            if other.quantity == "gas_pressure":
                found.stations += 1
                found.fell += spreads <= -_MOVED or (spreads < -1 and mover.by <= _SHARE * own.mover.by < 0)
            elif other.quantity == "gas_flow":
                found.flow = max(spreads, found.flow or spreads)
            elif found.methane is None or spreads > found.methane:
                found.methane, found.methane_at = spreads, other.sensor
        return found

    def _heeded(self, moment: Moment) -> Iterable[Neighbour]:
        context = () if moment.subject is None else moment.subject.context
        return [other for other in context if other.quantity in _FLOOR_OF][:_MOST_NEIGHBOURS]

    def _kind(self, around: Around) -> str:
        if around.methane is not None and around.methane >= _MOVED:
            return "leak"
        if around.fell and around.fell >= max(around.stations / 2, min(2, around.stations - 1)):
            return "supply_event"
        if around.flow is not None and around.flow >= _MOVED and not around.fell:
            return "leak"
        return "alone"

    def _say(
        self, own: DropState, kind: str, around: Around, score: float, band: tuple[float, float], years: float
    ) -> Answer:
        by_kpa = -own.mover.by
        evidence: list[tuple[str, float | str]] = [("kind", kind), ("drop_kpa", round(by_kpa, 2))]
        evidence += [("stations_heard", float(around.stations)), ("stations_fell", float(around.fell))]
        if around.flow is not None:
            evidence.append(("flow_spreads", round(around.flow, 1)))
        if around.methane is not None:
            evidence += [("methane_spreads", round(around.methane, 1)), ("methane_at", around.methane_at)]
        why = {
            "leak": f"methane rises at {around.methane_at}"
            if around.methane is not None and around.methane >= _MOVED
            else f"flow rises and {around.stations - around.fell} of {around.stations} other stations hold",
            "supply_event": f"{around.fell} of {around.stations} other stations fell with it",
            "alone": f"{around.fell} of {around.stations} other stations fell, nothing else tells of it",
        }[kind]
        what = {"leak": "a leak", "supply_event": "a supply event", "alone": "this station alone"}[kind]
        reason = f"pressure fell {by_kpa:.1f} kPa: {what}; {why}"
        return Answer(score, reason, "down", band[0], band[1], None, tuple(evidence), kind, years)
