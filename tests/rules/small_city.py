"""A small city in text, and an engine that is fed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from city.levels import Flag, Level
from city.reading import Sample
from detectors.registry import create
from rules import snapshot
from rules.alarm.alarm import Alarm
from rules.check import Checked, load_files
from rules.effects import AlarmEvent, AlarmSet, Effect, HoldEvent, IncidentEvent, IncidentSet, NoticeQueued
from rules.engine import Engine
from rules.inputs import BundleIn, CommandIn, CommandKind, HoldKind, Input, ReadingsIn, TickIn

T0_US = 1_782_900_000_000_000  # 2026-07-01T10:00:00Z

FILES: Mapping[str, str] = {
    "city.yaml": """
name: {en: Testville, zh: 测试市}
timezone: Asia/Shanghai
languages: [en, zh]
districts:
  - {id: north, name: {en: North, zh: 北区}}
""",
    "sites.geojson": """{"type": "FeatureCollection", "features": [
{"type": "Feature", "geometry": {"type": "Point", "coordinates": [117.2, 31.8]},
 "properties": {"id": "up-1", "kind": "underpass", "district": "north",
                "name": {"en": "Mill Underpass", "zh": "磨坊下穿"}}},
{"type": "Feature", "geometry": {"type": "Point", "coordinates": [117.25, 31.8]},
 "properties": {"id": "up-2", "kind": "underpass", "name": "Far Underpass", "district": "north"}},
{"type": "Feature", "geometry": {"type": "Point", "coordinates": [117.2005, 31.8]},
 "properties": {"id": "rg-1", "kind": "rain_gauge", "name": "Gauge", "district": "north"}}
]}""",
    "gateways.csv": "gateway,district,interval_s\ng1,north,60\ng2,north,60\n",
    "sensors.csv": """sensor,gateway,site,quantity,unit,interval_s
wl-1,g1,up-1,water_depth,cm,60
wl-2,g2,up-2,water_depth,cm,60
rain-1,g2,rg-1,rainfall,mm,60
""",
    "escalation.yaml": """
people:
  li: {name: {en: Li Na, zh: 李娜}, language: zh, webhook: "http://127.0.0.1:9/li"}
  bo: {name: Bo, webhook: "http://127.0.0.1:9/bo"}
rosters:
  day:
    timezone: Asia/Shanghai
    gaps: meant
    shifts: [{person: li, days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00"}]
groups: {ops: [bo]}
channels: {webhook: {type: webhook, secret_env: X}}
chains:
  drainage:
    steps:
      - {notify: roster/day, via: [webhook]}
      - {after: 3m, unless: acknowledged, notify: group/ops, via: [webhook], repeat: {every: 5m, until: acknowledged}}
    fallback: group/ops
clocks: {red: {acknowledgement_expires: 15m}}
""",
    "rules/depth.yaml": """
version: 1
rules:
  - id: depth
    title: {en: Water in an underpass, zh: 下穿积水}
    watch: {quantity: water_depth}
    ladder:
      red: {above: 40 cm, for: 1m, deadband: 5 cm}
      orange: {above: 27 cm, for: 2m, deadband: 3 cm}
      yellow: {above: 15 cm, for: 3m, deadband: 3 cm}
    clear_after: 10m
    stale_after: 5m
    escalate: drainage
""",
    "rules/platform.yaml": """
version: 1
rules:
  - id: gateway-silent
    watch: {gateways: all}
    ladder: {yellow: {silent: 5m}}
    escalate: drainage
  - id: sensor-silent
    watch: {quantity: water_depth}
    ladder: {blue: {silent: 10m}}
""",
}


def city_files(**changed: str | None) -> dict[str, str]:
    """The small city with files replaced (`rules__depth` for rules/depth.yaml) or left out (None)."""
    files = dict(FILES)
    for key, text in changed.items():
        name = key.replace("__", "/") + (".csv" if key in ("sensors", "gateways") else ".yaml")
        files.pop(name, None)
        if text is not None:
            files[name] = text
    return files


@dataclass
class Desk:
    """An engine and all that it has told so far."""

    checked: Checked
    engine: Engine = field(default_factory=lambda: Engine(create))
    effects: list[Effect] = field(default_factory=list)
    seq: int = 0

    def __post_init__(self) -> None:
        self.step(BundleIn("b", self.checked.book, self.checked.escalation), 0)

    def step(self, entry: Input, at_s: float) -> list[Effect]:
        self.seq += 1
        found = self.engine.step(self.seq, entry, T0_US + round(at_s * 1e6))
        self.effects += found
        return found

    def feed(
        self, rows: list[tuple[str, float, float]], at_s: float | None = None, flag: Flag = Flag.PASS
    ) -> list[Effect]:
        """Readings (sensor, event time in seconds, value) in one batch, received at `at_s` (default: the newest)."""
        at_s = max(row[1] for row in rows) if at_s is None else at_s
        received_us = T0_US + round(at_s * 1e6)
        samples = tuple(Sample(s, T0_US + round(t * 1e6), v, flag, received_us) for s, t, v in rows)
        return self.step(ReadingsIn(samples), at_s)

    def series(self, sensor: str, values: Sequence[float], start_s: float = 0, every_s: float = 60) -> None:
        for at, value in enumerate(values):
            self.feed([(sensor, start_s + at * every_s, value)])

    def tick(self, at_s: float, heard_s: float | None = None, listening_s: float = 0) -> list[Effect]:
        """Time passed; all up to `heard_s` has been heard (default: all), without a break since `listening_s`."""
        heard_s = at_s if heard_s is None else heard_s
        tick = TickIn(*(T0_US + round(s * 1e6) for s in (at_s, heard_s, listening_s)))
        return self.step(tick, at_s) if self.engine.due(tick) else []

    def command(
        self, kind: CommandKind, incident: str, at_s: float, note: str = "", actor: str = "Li", *,
        person: str = "", expected: int | None = None,
    ) -> list[Effect]:  # fmt: skip
        """What somebody says about an incident."""
        said = CommandIn(f"c{self.seq}", incident, kind, actor, note, "test", person=person, expected=expected)
        return self.step(said, at_s)

    def hold(
        self, kind: HoldKind, target: str, at_s: float, note: str = "pump test", actor: str = "Li", *,
        until_s: float | None = None, one_shot: bool = False, level: Level | None = None,
    ) -> list[Effect]:  # fmt: skip
        """What a person says about an alarm (`rule/scope`, or its id) or a sensor."""
        until_us = None if until_s is None else T0_US + round(until_s * 1e6)
        return self.step(
            CommandIn(f"h{self.seq}", "", kind, actor, note, "test", target, until_us, one_shot, level), at_s
        )

    def reload(self, files: Mapping[str, str], at_s: float) -> list[Effect]:
        """Another city folder is put in force."""
        self.checked = load_files(files)
        return self.step(BundleIn("c", self.checked.book, self.checked.escalation), at_s)

    def restart(self) -> None:
        """As a kill and a restore from a snapshot."""
        self.engine = Engine(create, snapshot.load(snapshot.dump(self.engine.state)))
        self.engine.use(BundleIn("b", self.checked.book, self.checked.escalation))

    def alarms(self, rule: str = "depth") -> list[Alarm]:
        """The last row of each alarm of a rule, retracted ones left out, by raise time."""
        last = {e.alarm.id: e.alarm for e in self.effects if isinstance(e, AlarmSet) and e.alarm.rule == rule}
        return sorted((a for a in last.values() if a.condition != "retracted"), key=lambda a: (a.raised_us, a.scope))

    def story(self, rule: str = "depth") -> list[tuple[str, Level, float, float | None]]:
        """(scope, peak level, raised, cleared) in seconds from the start."""
        return [
            (a.scope, a.peak_level, _s(a.raised_us), None if a.cleared_us is None else _s(a.cleared_us))
            for a in self.alarms(rule)
        ]

    def incidents(self) -> list[IncidentSet]:
        return list({e.id: e for e in self.effects if isinstance(e, IncidentSet)}.values())

    def notices(self, rule: str = "depth") -> list[NoticeQueued]:
        """The notices of incidents with an alarm of a rule."""
        own = {alarm.incident for alarm in self.alarms(rule)}
        return [e for e in self.effects if isinstance(e, NoticeQueued) and e.incident in own]

    def events(self) -> list[AlarmEvent]:
        return [e for e in self.effects if isinstance(e, AlarmEvent)]

    def held(self) -> list[tuple[str, str]]:
        """(kind, note) of every decision about holds."""
        return [(e.kind, e.note) for e in self.effects if isinstance(e, HoldEvent)]

    def said(self) -> list[str]:
        return [e.kind for e in self.effects if isinstance(e, IncidentEvent)]


def _s(time_us: int) -> float:
    return (time_us - T0_US) / 1e6


def desk_of(files: Mapping[str, str] | None = None) -> Desk:
    return Desk(load_files(files or FILES))
