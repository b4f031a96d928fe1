"""Writes a CAP 1.2 message: facts and plan in, XML out. The same facts make the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from city.clock import from_us
from city.display import at, level_word, measured, number, zone_of
from city.levels import Level
from city.words import catalogue, say
from rules.cap.facts import Facts
from rules.cap.plan import TAGS, CapPlan
from rules.language.saying import say_test

if TYPE_CHECKING:
    from lxml.etree import _Element

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "gas": ("Infra", "Safety"),
    "waterlogging": ("Met", "Infra"),
    "bridge": ("Infra", "Transport"),
    "settlement": ("Geo", "Infra"),
    "weather": ("Met",),
}
_OTHER = ("Infra",)
_UNWRITABLE = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SEVERITY = {Level.RED: "Extreme", Level.ORANGE: "Severe", Level.YELLOW: "Moderate", Level.BLUE: "Minor"}
URGENCY = {Level.RED: "Immediate", Level.ORANGE: "Immediate", Level.YELLOW: "Expected", Level.BLUE: "Future"}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a message says of itself.

    Attributes
    ----------
    msg_type
        `Alert`, `Update` or `Cancel`.
    sent_us
        When it is released; for a draft when it was made.
    refers_to
        The messages it follows, as `chain.reference` writes them.
    instruction
        What people are asked to do, by language, where the guidance is not what the outside should read.
    """

    identifier: str
    msg_type: str
    sent_us: int
    refers_to: Sequence[str] = ()
    instruction: Mapping[str, str] = field(default_factory=dict)


def stamp(when_us: int, timezone: str) -> str:
    """A time as CAP wants it: to the second, with a numeric offset, never `Z`."""
    return from_us(when_us).astimezone(zone_of(timezone)).isoformat(timespec="seconds")


def status(plan: CapPlan, facts: Facts) -> str:
    """`Actual`, `Test` or `Exercise`."""
    return "Exercise" if facts.drill else plan.status


def instruction(facts: Facts, language: str) -> str:
    """What the guidance asks people to do; nothing when there is no danger (any more)."""
    if facts.over:
        return ""
    return facts.guidance.get(language) or next((text for text in facts.guidance.values() if text), "")


def write(plan: CapPlan, facts: Facts, envelope: Envelope) -> bytes:
    """The message as UTF-8 XML."""
    from lxml import etree

    alert = etree.Element(f"{{{NAMESPACE}}}alert", nsmap={None: NAMESPACE})
    _put(alert, "identifier", envelope.identifier)
    _put(alert, "sender", plan.sender)
    _put(alert, "sent", stamp(envelope.sent_us, facts.timezone))
    _put(alert, "status", status(plan, facts))
    _put(alert, "msgType", envelope.msg_type)
    _put(alert, "scope", plan.scope)
    _put(alert, "restriction", plan.restriction if plan.scope == "Restricted" else "")
    _put(alert, "addresses", " ".join(map(_quoted, plan.addresses)) if plan.scope == "Private" else "")
    if facts.change == "false_alarm":
        _put(alert, "note", " / ".join(say("cap.false_alarm", language) for language in plan.languages))
    _put(alert, "references", " ".join(envelope.refers_to))
    _put(alert, "incidents", _quoted(facts.incident))
    for language in plan.languages:
        _info(alert, plan, facts, envelope, language)
    written: bytes = etree.tostring(alert, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written


def _info(alert: _Element, plan: CapPlan, facts: Facts, envelope: Envelope, language: str) -> None:
    info = _put(alert, "info", None)
    level = Level(facts.level)
    asked = envelope.instruction.get(language, instruction(facts, language))
    _put(info, "language", TAGS[language])
    for category in CATEGORIES.get(facts.domain, _OTHER):
        _put(info, "category", category)
    _put(info, "event", _event(facts, language))
    if facts.change != "false_alarm":
        _put(info, "responseType", "AllClear" if facts.over else "Execute" if asked else "Monitor")
    _put(info, "urgency", "Past" if facts.over else URGENCY[level])
    _put(info, "severity", "Minor" if facts.over else SEVERITY[level])
    _put(info, "certainty", _certainty(facts))
    _put(info, "effective", stamp(envelope.sent_us, facts.timezone))
    _put(info, "onset", stamp(facts.onset_us, facts.timezone))
    _put(info, "expires", stamp(envelope.sent_us + plan.expires_us, facts.timezone))
    _put(info, "senderName", _named(plan.sender_name or facts.city, language))
    _put(info, "headline", headline(plan, facts, language))
    _put(info, "description", _description(facts, language))
    _put(info, "instruction", asked)
    _put(info, "web", plan.web)
    _put(info, "contact", plan.contact)
    for name, value in _parameters(facts):
        _pair(info, "parameter", name, value)
    _area(info, plan, facts, language)


def headline(plan: CapPlan, facts: Facts, language: str) -> str:
    """The one line that everybody reads."""
    what = _named(facts.title, language)
    if facts.change == "false_alarm":
        text = say("cap.headline_false", language, what=what)
    elif facts.over:
        text = say("cap.headline_over", language, what=what)
    else:
        text = say("cap.headline", language, level=level_word(Level(facts.level), language), what=what)
    kind = status(plan, facts)
    return text if kind == "Actual" else say(f"cap.{kind.lower()}", language, text=text)


def _event(facts: Facts, language: str) -> str:
    key = f"domains.{facts.domain}"
    domain = say(key, language) if key in catalogue() else facts.domain
    level = level_word(Level(facts.peak_level if facts.over else facts.level), language)
    return say("cap.event", language, domain=domain[:1].upper() + domain[1:], level=level.lower())


def _certainty(facts: Facts) -> str:
    if facts.change == "false_alarm":
        return "Unlikely"
    return "Possible" if facts.blind and not facts.over else "Likely" if facts.detected else "Observed"


def _description(facts: Facts, language: str) -> str:
    zone, level, peak = zone_of(facts.timezone), Level(facts.level), Level(facts.peak_level)
    said = [_named(facts.title, language) + ("。" if language == "zh" else ".")]
    place = {"site": _named(facts.site, language), "district": _named(facts.district_name, language)}
    said.append(say("cap.place", language, **place))
    said.append(say("cap.since", language, when=at(from_us(facts.onset_us), zone, seconds=False)))
    if facts.change == "false_alarm":
        return _joined([*said, say("cap.false_alarm", language)], language)
    if facts.value is not None:
        value = measured(facts.value, facts.unit, language)
        test = say_test(facts.test, language) if facts.test else ""
        said.append(say("cap.seen" if test else "cap.seen_only", language, value=value, test=test))
    said.append(say("cap.level_now", language, level=level_word(level, language), peak=level_word(peak, language)))
    said += [say(f"cap.{key}", language) for key in ("late", "blind") if getattr(facts, key)]
    if facts.over:
        said.append(say("cap.closed" if facts.change == "close" else "cap.over", language))
    return _joined(said, language)


def _joined(sentences: Sequence[str], language: str) -> str:
    return ("" if language == "zh" else " ").join(sentences)


def _parameters(facts: Facts) -> list[tuple[str, str]]:
    """For programs: what was seen, in the units of the city."""
    found = [("lifeline:incident", facts.incident), ("lifeline:level", Level(facts.level).word)]
    found.append(("lifeline:peak_level", Level(facts.peak_level).word))
    if facts.sensor:
        found.append(("lifeline:sensor", facts.sensor))
    if facts.value is not None:
        found.append(("lifeline:value", f"{number(facts.value)} {facts.unit}".strip()))
    return found + ([("lifeline:threshold", facts.test)] if facts.test else [])


def _area(info: _Element, plan: CapPlan, facts: Facts, language: str) -> None:
    area = _put(info, "area", None)
    site, district = _named(facts.site, language), _named(facts.district_name, language)
    _put(area, "areaDesc", say("cap.area", language, site=site, district=district))
    for ring in facts.rings:
        closed = ring if ring[0] == ring[-1] else (*ring, ring[0])
        if len(closed) >= 4:
            _put(area, "polygon", " ".join(f"{lat:.5f},{lon:.5f}" for lon, lat in closed))
    if not facts.rings and facts.lat is not None and facts.lon is not None:
        _put(area, "circle", f"{facts.lat:.5f},{facts.lon:.5f} {number(plan.radius_m / 1000)}")
    if facts.district in plan.geocodes:
        _pair(area, "geocode", *plan.geocodes[facts.district])


def _named(names: Mapping[str, str], language: str) -> str:
    return names.get(language) or next((name for name in names.values() if name), "") or "-"


def _quoted(text: str) -> str:
    """A member of one of CAP's lists, which are parted by spaces."""
    return f'"{text}"' if " " in text else text


def _pair(parent: _Element, tag: str, name: str, value: str) -> None:
    pair = _put(parent, tag, None)
    _put(pair, "valueName", name)
    _put(pair, "value", value)


def _put(parent: _Element, tag: str, text: str | None) -> _Element:
    """A child with a text (left out when that is empty), or without one (None). What XML cannot hold is dropped."""
    from lxml import etree

    if text == "":
        return parent
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{tag}")
    if text is not None:
        child.text = _UNWRITABLE.sub("", text)
    return child
