"""The rule book as values: what `rules.language.bookfile` reads from YAML and the engine runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from city.levels import Level
from city.model import City, Gateway, Sensor
from detectors.subject import Subject
from rules.alarm.alarm import Alarm
from rules.alarm.ladder import Ladder, Step
from rules.alarm.track import EARLY_SIGN
from rules.alarm.windows import Window
from rules.conditions.calm import Calm
from rules.conditions.kinds import Detect, Found, Near, parts_of
from rules.language.wording import Seen, Where, words
from rules.signs.detection import Detection
from rules.signs.subjects import subjects

REORDER_US = 15 * 60 * 1_000_000  # late data up to 15 minutes behind a sensor's newest are decided on in order
WAIT_US = 24 * 3600 * 1_000_000  # so long a neighbour's samples are kept for a sensor that looks at it and is away
LATE_INTERVALS, LATE_AT_LEAST_US = 3, 120_000_000


@dataclass(frozen=True, slots=True)
class Source:
    """Where a threshold comes from: text, clause, and `verified`, `unverified` or `site`."""

    text: str = ""
    clause: str = ""
    status: str = "unverified"


@dataclass(frozen=True, slots=True)
class Rule:
    """What all its instances share.

    Attributes
    ----------
    version, logic
        Hashes: of all that is written, and of what decides its conditions (not its text, chain, latch or inhibition).
        While `logic` stays, a reload changes no timer and no alarm.
    title, guidance
        By language.
    latch
        Its alarms, once over, stay listed until a person resets them.
    inhibited_by
        (rule, same): held while an alarm of that rule stands in the same sensor, site, gateway, district or city.
    drill
        The exercise that it is run for; empty for the city's own.
    realarm_us
        By level: after which time an alarm that stands acknowledged calls people again.
    """

    id: str
    version: str
    title: Mapping[str, str]
    guidance: Mapping[str, str]
    escalate: str
    source: Source
    file: str
    line: int
    latch: bool = False
    inhibited_by: tuple[tuple[str, str], ...] = ()
    logic: str = ""
    drill: str = ""
    realarm_us: Mapping[Level, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Instance:
    """One rule on one sensor: a ladder in the sensor's canonical unit, its neighbours resolved."""

    rule: Rule
    sensor: Sensor
    ladder: Ladder
    site: str
    district: str
    where: Where | None = None  # for titles and guidance that name it

    @cached_property
    def key(self) -> str:
        """`rule/sensor`, unique in a book."""
        return f"{self.rule.id}/{self.sensor.id}"

    @property
    def neighbours(self) -> frozenset[str]:
        """The other sensors its conditions look at."""
        return self.ladder.looks[1]

    @property
    def reach_us(self) -> int:
        """How far back its conditions look."""
        return self.ladder.looks[0]

    @property
    def calm(self) -> Calm | None:
        """What of the sensor's own values suffices for the ladder, while it is idle, to stay as it is."""
        return self.ladder.calm

    def quiet(self, value: float) -> bool:
        """Whether `value` can be seen at a glance to meet no level (nothing standing)."""
        calm = self.ladder.calm
        return calm is not None and calm.at_a_glance and calm.low < value < calm.high

    def alarm(self, name: str, step: Step, now_us: int) -> Alarm:
        """A new alarm for the step that raised it; late when it is told long after its own time."""
        late_us = max(LATE_INTERVALS * self.sensor.interval_s * 1e6, LATE_AT_LEAST_US)
        seen = Seen(self.where, step.evidence, step.to_level, step.at_us)
        return Alarm(
            id=name, rule=self.rule.id, rule_version=self.rule.version, scope=self.sensor.id, sensor=self.sensor.id,
            site=self.site, district=self.district, domain=self.sensor.quantity.domain,
            title=words(self.rule.title, seen), raised_us=step.at_us, level=step.to_level, peak_level=step.to_level,
            late=now_us - step.at_us > late_us,
            evidence=step.evidence, guidance=words(self.rule.guidance, seen), escalate=self.rule.escalate,
            latching=self.rule.latch, gateway=self.sensor.gateway, drill=self.rule.drill,
            realarm_us=self.rule.realarm_us,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Watch:
    """A silence rule on one sensor or gateway: nothing received for `after_us` raises `level`."""

    rule: Rule
    level: Level
    after_us: int
    sensor: Sensor | None
    gateway: Gateway
    site: str
    district: str
    written: str
    where: Where | None = None  # for titles and guidance that name it

    @property
    def scope(self) -> str:
        """The sensor's or the gateway's id."""
        return self.sensor.id if self.sensor else self.gateway.id

    @property
    def key(self) -> str:
        """`rule/scope`, unique in a book."""
        return f"{self.rule.id}/{self.scope}"

    def alarm(self, name: str, raised_us: int) -> Alarm:
        """A new diagnostic alarm."""
        seen = Seen(self.where, (), self.level, raised_us, self.written)
        return Alarm(
            id=name, rule=self.rule.id, rule_version=self.rule.version, scope=self.scope,
            sensor=self.sensor.id if self.sensor else None, site=self.site, district=self.district, domain="platform",
            title=words(self.rule.title, seen), raised_us=raised_us, level=self.level, peak_level=self.level,
            late=False, guidance=words(self.rule.guidance, seen), escalate=self.rule.escalate, diagnostic=True,
            latching=self.rule.latch, gateway=self.gateway.id, drill=self.rule.drill,
            realarm_us=self.rule.realarm_us,
        )  # fmt: skip


@dataclass(frozen=True)
class Book:
    """All rules of a city and its maintenance windows, resolved against its register; and how signs are looked for."""

    city: City
    instances: Mapping[str, Instance]
    watches: Mapping[str, Watch]
    detectors: frozenset[str]
    windows: Mapping[str, Window] = field(default_factory=dict)
    detection: Detection = field(default_factory=Detection)

    @property
    def rules(self) -> dict[str, Rule]:
        """Its rules by id."""
        made = chain((i.rule for i in self.instances.values()), (w.rule for w in self.watches.values()))
        return {rule.id: rule for rule in made}

    @cached_property
    def of_sensor(self) -> Mapping[str, tuple[Instance, ...]]:
        """The instances that watch each sensor."""
        return self._by(lambda instance: [instance.sensor.id])

    @cached_property
    def near_sensor(self) -> Mapping[str, tuple[Instance, ...]]:
        """The instances that look at each sensor as a neighbour."""
        return self._by(lambda instance: instance.neighbours)

    @cached_property
    def reach_us(self) -> Mapping[str, int]:
        """How far back any condition looks into each sensor's past."""
        reach: dict[str, int] = {}
        for instance in self.instances.values():
            reach_us, neighbours = instance.ladder.looks
            for sensor in (instance.sensor.id, *neighbours):
                if reach.get(sensor, -1) < reach_us:
                    reach[sensor] = reach_us
        return reach

    @cached_property
    def subjects(self) -> Mapping[str, Subject]:
        """Every sensor as detectors know it."""
        return subjects(self.city, self.detection)

    @cached_property
    def asked_for_signs(self) -> frozenset[str]:
        """The sensors of whose samples rules ask what the watch for early signs found in them."""
        if EARLY_SIGN not in self.detectors:
            return frozenset()
        found: set[str] = set()
        own: dict[int, bool] = {}  # by ladder: sensors share them
        for instance in self.instances.values():
            ladder = instance.ladder
            if id(ladder) not in own:
                own[id(ladder)] = False
                for part in (part for rung in ladder.rungs for part in parts_of(rung.condition)):
                    match part:
                        case Detect(detector) if detector == EARLY_SIGN:
                            own[id(ladder)] = True
                        case Near(sensors, Found(Detect(detector))) if detector == EARLY_SIGN:
                            found.update(sensors)
            if own[id(ladder)]:
                found.add(instance.sensor.id)
        return frozenset(found)

    def _by(self, sensors: Callable[[Instance], Iterable[str]]) -> Mapping[str, tuple[Instance, ...]]:
        found: dict[str, list[Instance]] = {}
        for instance in self.instances.values():
            for sensor in sensors(instance):
                found.setdefault(sensor, []).append(instance)
        return {sensor: tuple(instances) for sensor, instances in found.items()}
