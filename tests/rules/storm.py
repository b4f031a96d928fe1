"""A city with many underpasses in two districts, and an engine whose alarms come at once."""

from __future__ import annotations

import json
from collections.abc import Iterable

from rules.effects import Annunciated, EscalationSet, FloodSet, IncidentEvent, NoticeGathered, NoticeQueued
from tests.rules.small_city import Desk, city_files, desk_of

MANY = 60
RULES = """
version: 1
rules:
  - id: depth
    title: {en: Water in an underpass, zh: 下穿积水}
    watch: {quantity: water_depth}
    ladder:
      red: {above: 40 cm}
      orange: {above: 27 cm}
      yellow: {above: 15 cm}
    clear_after: 1m
    escalate: drainage
  - id: gas
    title: {en: Gas, zh: 燃气}
    watch: {quantity: methane}
    ladder: {yellow: {above: 10 %LEL}}
    escalate: drainage
"""
CITY = """
name: {en: Testville, zh: 测试市}
timezone: Asia/Shanghai
languages: [en, zh]
districts:
  - {id: north, name: {en: North, zh: 北区}}
  - {id: south, name: {en: South, zh: 南区}}
"""


def storm_files(many: int = MANY, escalation: str | None = None) -> dict[str, str]:
    """Water sensors `w0` … and a gas sensor `m0` … beside each, one a site, the sites 500 m apart; `s…` odd ones."""
    features, sensors = [], ["sensor,gateway,site,quantity,unit,interval_s"]
    for at in range(many):
        place = [117.0 + 0.006 * (at % 100), 31.0 + 0.006 * (at // 100)]
        own = {"id": f"u{at}", "kind": "underpass", "name": f"Underpass {at}", "district": ("north", "south")[at % 2]}
        features.append({"type": "Feature", "geometry": {"type": "Point", "coordinates": place}, "properties": own})
        sensors += [f"w{at},g1,u{at},water_depth,cm,60", f"m{at},g1,u{at},methane,%LEL,60"]
    files = city_files(city=CITY, rules__depth=RULES, rules__platform=None)
    files["sites.geojson"] = json.dumps({"type": "FeatureCollection", "features": features})
    files["sensors.csv"] = "\n".join(sensors) + "\n"
    files["gateways.csv"] = "gateway,district,interval_s\ng1,north,60\n"
    if escalation is not None:
        files["escalation.yaml"] = escalation
    return files


def storm_desk(many: int = MANY, escalation: str | None = None) -> Desk:
    return desk_of(storm_files(many, escalation))


def rise(desk: Desk, sensors: Iterable[int], at_s: float, value: float = 20.0) -> None:
    """Water stands at `value` cm in these underpasses, all told in one batch."""
    desk.feed([(f"w{at}", at_s, value) for at in sensors])


def queued(desk: Desk, kind: str = "") -> list[NoticeQueued]:
    """Notices in their order, of one kind or all."""
    return [e for e in desk.effects if isinstance(e, NoticeQueued) and kind in ("", e.kind)]


def gathered(desk: Desk) -> list[NoticeGathered]:
    return [e for e in desk.effects if isinstance(e, NoticeGathered)]


def annunciated(desk: Desk) -> list[Annunciated]:
    return [e for e in desk.effects if isinstance(e, Annunciated)]


def floods(desk: Desk) -> list[FloodSet]:
    """The last row of each flood."""
    return list({e.id: e for e in desk.effects if isinstance(e, FloodSet)}.values())


def steps(desk: Desk) -> list[EscalationSet]:
    return [e for e in desk.effects if isinstance(e, EscalationSet)]


def began(desk: Desk) -> list[IncidentEvent]:
    return [e for e in desk.effects if isinstance(e, IncidentEvent) and e.kind == "flood_began"]
