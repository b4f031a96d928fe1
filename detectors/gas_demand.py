"""Gas that is used, or pressure that is missing, beyond what hour, weekday, cold and the flow itself explain."""

from __future__ import annotations

from math import exp
from typing import ClassVar

import msgspec

from detectors.extremes import Extremes
from detectors.gas_profile import Profile, doubt, expected, feel, from_log, hour_of, learn, learn_spread, to_log
from detectors.per_sensor import Answer, Moment, PerSensor, positive
from detectors.robust import mad, median
from detectors.subject import Subject

_SHORT_S, _LONG_S = 1800.0, 6 * 3600.0  # over which the rest is looked at
_DAY_S = 86400.0
_SPREAD_S, _PROFILE_S = 14 * _DAY_S, 10 * _DAY_S
_NIGHT = (1.0, 5.0)  # hours in which a city sleeps
_NIGHTS, _NIGHTS_NEEDED = 21, 7
_STALE_S = 2 * 3600.0  # a temperature or a flow older than this explains nothing
_FLOOR_LOG, _FLOOR_PART = 0.005, 0.0005  # least spread: half a percent of a flow, half a thousandth of a pressure
_UNKNOWN_LOG, _UNKNOWN_PART = 0.7, 0.15  # how far an hour never seen may be from the others
_CLEAR_AT = 0.6
_NIGHT_SPREAD_LOG = 0.02
_MAD = 1.4826


class DemandState(msgspec.Struct, array_like=True):
    """What is kept of one sensor: its profile, what is left over half an hour and six hours, their extremes, nights."""

    profile: Profile = msgspec.field(default_factory=Profile)
    short: float = 0.0
    long: float = 0.0
    long_spread: float = 0.0
    seen_s: float = 0.0
    extremes: list[Extremes] = msgspec.field(
        default_factory=lambda: [Extremes(), Extremes(), Extremes(_NIGHTS, 1.0, 2.0)]
    )
    nights: tuple[float, ...] = ()
    night: int = 0
    least: float = 0.0
    calm: float = 0.0
    night_seen_s: float = 0.0
    night_z: float = 0.0
    night_score: float = 0.0
    waiting: int = 0
    standing: str = ""
    frozen_us: int = 0


class Usual(msgspec.Struct, array_like=True):
    """One moment's explanation: hour, kind of day, temperature felt, flow, what is usual, the least spread."""

    hour: float
    weekend: bool
    cold: float | None
    flow: float | None
    value: float
    floor: float
    doubt: float


class GasDemand(PerSensor[DemandState]):
    """Flow or pressure that its usual day does not explain.

    What is usual: a slow level, a profile by hour with its weekend, how cold the last day was and, for a pressure, what
    the flow beside it takes, or else what the other stations show. What is left is averaged over half an hour
    (`demand`) and six hours (`slow_demand`) and stated in its own usual size at this hour. The night's least flow is
    compared with the last three weeks' nights (`night_flow`): what leaks, leaks at night. Score = statistic over what
    comes once in `years` by the sensor's own daily largest (Gumbel). Learning stands still while abnormal, for at most
    `freeze_s`.

    Parameters
    ----------
    years
        How rare a statistic must be, for each of its channels.
    freeze_s, gap_s
        Longest freeze; pause after which 5 readings are needed (seconds).

    Notes
    -----
    Input
        m3/h or kPa; temperatures of the context in degrees, the nearest first. Any cadence up to an hour.
    Warm-up
        5 readings, then judging with a wide band; the profile takes two weeks, nights take one.
    False alarms, delay
        On simulated fault-free histories, after four weeks: 4 in 5.9 sensor-years of flow (with temperature), none in
        2.7 of pressure (with its peers; without a neighbour about 9 a year). A leak that grows to 40 % of the median
        flow within 36 h is found after 23 to 29 h; one of 20 % is lost in the whims of demand.
    Direction
        `up` more flow (or pressure) than usual, `down` less.
    Evidence
        `usual`, `over_h`, `temperature_felt`, `neighbours_explain_kpa`, `days_learned`, and for nights `night_least`,
        `night_usual`.
    Blind spots
        A leak already there when it starts; holidays look like weekends that nobody announced; growth slower than two
        weeks is the season.
    Source
        Gumbel (1958), Statistics of Extremes; minimum night flow: as leakage is found in water districts. The
        combination is our own.

    Examples
    --------
    >>> from city.levels import Flag
    >>> from city.reading import Sample
    >>> def hour(i, more):
    ...     return Sample("f1", i * 600_000_000, 50.0 + 30.0 * (6 < i // 6 % 24 < 22) + i % 3 + more, Flag.PASS, 0)
    >>> detector = GasDemand()
    >>> usual = detector.update([hour(i, 0.0) for i in range(144 * 28)])
    >>> str(usual[-1].verdict)
    'normal'
    >>> leak = detector.update([hour(i, 40.0) for i in range(144 * 28, 144 * 29)])
    >>> {f.direction for f in leak if f.score >= 1}
    {'up'}
    """

    name: ClassVar[str] = "gas_demand"
    quantities: ClassVar[frozenset[str]] = frozenset({"gas_flow", "gas_pressure"})
    channel: ClassVar[str] = "demand"
    channels: ClassVar[tuple[str, ...]] = ("demand", "slow_demand", "night_flow")
    state_type: ClassVar[type[DemandState]] = DemandState

    def __init__(
        self,
        *,
        years: float = 3.0,
        freeze_s: float = 3 * 86400.0,
        gap_s: float = 7200.0,
    ) -> None:
        super().__init__(gap_s)
        positive(self.name, years=years, freeze_s=freeze_s)
        self.years, self.freeze_us = years, round(freeze_s * 1e6)

    def _first(self) -> DemandState:
        return DemandState(waiting=5)

    def _resume(self, own: DemandState) -> DemandState:
        own.short = own.long = own.night_seen_s = 0.0
        own.waiting, own.standing, own.frozen_us = max(own.waiting, 5), "", 0
        return own

    def _step(self, own: DemandState, moment: Moment) -> Answer:
        is_flow = moment.subject is None or moment.subject.quantity != "gas_pressure"
        value = to_log(moment.value) if is_flow else moment.value
        if own.profile.level_s == 0:
            own.profile.level = value
        usual = self._usual(own, moment, is_flow=is_flow)
        rest = value - usual.value
        if own.waiting:
            own.waiting -= 1
            self._learn(own, moment, usual, rest)
            return Answer(None, f"warming up, {own.waiting} readings to go")
        own.short += (rest - own.short) * (1 - exp(-moment.dt_s / _SHORT_S))
        own.long += (rest - own.long) * (1 - exp(-moment.dt_s / _LONG_S))
        channel, z, score, years = self._judge(own, moment, usual)
        self._nights(own, moment, usual, value, is_flow=is_flow)
        if own.night_score > score and own.night_score >= 1:
            channel, z, score, years = (
                "night_flow",
                own.night_z,
                own.night_score,
                own.extremes[2].years(abs(own.night_z)),
            )
        self._hold(own, moment, channel, score)
        answer = self._say(own, moment, usual, channel, z, score, years, is_flow=is_flow)
        self._learn(own, moment, usual, rest)
        return answer

    def _usual(self, own: DemandState, moment: Moment, *, is_flow: bool) -> Usual:
        subject, profile = moment.subject, own.profile
        hour, weekend = hour_of(subject.local_us(moment.time_us) if subject is not None else moment.time_us)
        warmth = self._beside(subject, moment, "temperature")
        cold = None if warmth is None else feel(profile, warmth, moment.dt_s)
        flow = None if is_flow else self._draw(subject, moment, profile.level)
        value = expected(profile, hour, weekend=weekend, cold=cold, flow=flow)
        floor = _FLOOR_LOG if is_flow else _FLOOR_PART * max(abs(profile.level), 1.0)
        unknown = _UNKNOWN_LOG if is_flow else _UNKNOWN_PART * max(abs(profile.level), 1.0)
        return Usual(hour, weekend, cold, flow, value, floor, doubt(profile, hour, unknown))

    def _beside(self, subject: Subject | None, moment: Moment, quantity: str) -> float | None:
        for other in () if subject is None else subject.context:
            if other.quantity == quantity:
                last = moment.around.before(other.sensor, moment.time_us)
                if last is not None and (moment.time_us - last[0]) * 1e-6 <= _STALE_S:
                    return last[1]
        return None

    def _draw(self, subject: Subject | None, moment: Moment, level_kpa: float) -> float | None:
        """What pulls a pressure down: the flow beside it as friction takes it, else the other stations' mean."""
        flow = self._beside(subject, moment, "gas_flow")
        if flow is not None:
            return float(abs(flow) ** 1.5) / max(abs(level_kpa), 1.0)
        others = () if subject is None else tuple(o for o in subject.context if o.quantity == "gas_pressure")
        heard = [last for other in others if (last := moment.around.before(other.sensor, moment.time_us))]
        fresh = [kpa for time_us, kpa in heard if (moment.time_us - time_us) * 1e-6 <= _STALE_S]
        return sum(fresh) / len(fresh) if fresh else None

    def _judge(self, own: DemandState, moment: Moment, usual: Usual) -> tuple[str, float, float, float | None]:
        """The louder of the two averages: channel, statistic, score, return period."""
        spread = own.profile.spread[int(usual.hour) % 24]
        short = own.short / max(1.25 * spread, usual.floor, usual.doubt)
        long = own.long / max(1.25 * own.long_spread, usual.floor, usual.doubt)
        found: tuple[str, float, float, float | None] = ("demand", 0.0, 0.0, None)
        for at, (channel, z) in enumerate((("demand", short), ("slow_demand", long))):
            extremes = own.extremes[at]
            score = abs(z) / max(extremes.limit(self.years), 1.0)
            if score >= found[2]:
                found = (channel, z, score, extremes.years(abs(z)))
            if own.seen_s > _PROFILE_S:  # before that, what is left is mostly the profile that is not known yet
                extremes.take(abs(z), moment.time_us, moment.dt_s, self.years)
        return found

    def _hold(self, own: DemandState, moment: Moment, channel: str, score: float) -> None:
        if score >= 1:
            own.standing, own.frozen_us = channel, own.frozen_us or moment.time_us
        elif score < _CLEAR_AT:
            own.standing, own.frozen_us = "", 0

    def _learn(self, own: DemandState, moment: Moment, usual: Usual, rest: float) -> None:
        if own.frozen_us and moment.time_us - own.frozen_us < self.freeze_us:
            return
        if own.frozen_us:  # it has stayed: this is usual from now on
            own.profile.level += own.long
            own.frozen_us, own.short, own.long, own.nights, own.night_z, own.night_score = 0, 0.0, 0.0, (), 0.0, 0.0
            return
        known = {"weekend": usual.weekend, "cold": usual.cold, "flow": usual.flow}
        learn(own.profile, rest, usual.hour, moment.dt_s, **known)  # type: ignore[arg-type]  # names of its keywords
        if own.seen_s > _DAY_S:  # before that the rest is the profile that is not known yet
            learn_spread(own.profile, abs(own.short), usual.hour, moment.dt_s)
            known_s = min(max(own.seen_s - _DAY_S, _LONG_S), _SPREAD_S)
            own.long_spread += (abs(own.long) - own.long_spread) * min(1.0, moment.dt_s / known_s)
        elif own.profile.spread[int(usual.hour) % 24] == 0:
            own.long_spread = usual.doubt
        own.seen_s += moment.dt_s

    def _nights(self, own: DemandState, moment: Moment, usual: Usual, value: float, *, is_flow: bool) -> None:
        """The least half-hourly flow of each night, beside the level and without what the cold adds."""
        if not is_flow:
            return
        value -= self._around(own, usual)
        if _NIGHT[0] <= usual.hour < _NIGHT[1]:
            if own.night_seen_s == 0:
                own.calm, own.least = value, 1e9
            own.calm += (value - own.calm) * (1 - exp(-moment.dt_s / _SHORT_S))
            own.night_seen_s += moment.dt_s
            if own.night_seen_s > _SHORT_S:
                own.least = min(own.least, own.calm)
        elif own.night_seen_s > 0:
            if own.night_seen_s > (_NIGHT[1] - _NIGHT[0]) * 1800:
                self._judge_night(own)
            own.night_seen_s = 0.0

    def _around(self, own: DemandState, usual: Usual) -> float:
        return own.profile.level + (0.0 if usual.cold is None else own.profile.cold.part(usual.cold))

    def _judge_night(self, own: DemandState) -> None:
        least, nights, extremes = own.least, own.nights, own.extremes[2]
        own.night_z = own.night_score = 0.0
        if len(nights) >= _NIGHTS_NEEDED:
            centre = median(nights)
            own.night_z = (least - centre) / max(_MAD * mad(nights, centre), _NIGHT_SPREAD_LOG)
            own.night_score = abs(own.night_z) / extremes.limit(self.years)
            extremes.close(min(abs(own.night_z), extremes.limit(self.years)))
        if own.night_score < 1:
            own.nights = (*nights, least)[-_NIGHTS:]

    def _say(
        self, own: DemandState, moment: Moment, usual: Usual, channel: str, z: float, score: float,
        years: float | None, *, is_flow: bool,
    ) -> Answer:  # fmt: skip
        at = int(usual.hour) % 24
        spread = max(1.25 * own.profile.spread[at], usual.floor, usual.doubt) * own.extremes[0].limit(self.years)
        band = (usual.value, usual.value - spread, usual.value + spread)
        expect, low, high = (from_log(one) for one in band) if is_flow else band
        if score < 1:
            return Answer(min(score, 0.99), "", "", expect, low, high, (), channel, years)
        unit, what = ("m3/h", "flow") if is_flow else ("kPa", "pressure")
        direction = "up" if z > 0 else "down"
        evidence: list[tuple[str, float | str]] = [("usual", round(expect, 2))]
        if channel == "night_flow":
            beside = self._around(own, usual)
            calm, centre = from_log(own.least + beside), from_log(median(own.nights) + beside)
            evidence += [("night_least", round(calm, 2)), ("night_usual", round(centre, 2))]
            reason = f"least flow of the night {calm:.1f} m3/h, usual is {centre:.1f}"
        else:
            over_h = (_SHORT_S if channel == "demand" else _LONG_S) / 3600
            evidence.append(("over_h", over_h))
            reason = f"{what} {moment.value:.1f} {unit}, usual at this hour is {expect:.1f}, over {over_h:g} h"
        if usual.cold is not None:
            evidence.append(("temperature_felt", round(own.profile.felt, 1)))
        if usual.flow is not None:
            evidence.append(("neighbours_explain_kpa", round(own.profile.flow.part(usual.flow), 2)))
        evidence.append(("days_learned", round(own.seen_s / _DAY_S, 1)))
        return Answer(score, reason, direction, expect, low, high, tuple(evidence), channel, years)
