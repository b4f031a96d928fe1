"""Rules of CAP 1.2 that its XML schema does not hold."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from rules.cap.message import NAMESPACE

if TYPE_CHECKING:
    from lxml.etree import _Element

_FORBIDDEN = re.compile(r"[\s,<&]")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
_REFERRING = ("Update", "Cancel", "Ack", "Error")


def faults(xml: bytes) -> list[str]:
    """All that is wrong with a message, in words for engineers; empty when it may go out."""
    from lxml import etree

    try:
        alert = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        return [f"not XML: {error}"]
    if alert.tag != f"{{{NAMESPACE}}}alert":
        return [f"not a CAP 1.2 alert: {alert.tag}"]
    found = [
        f"{name}: has a space, a comma, < or &, or nothing: {text!r}"
        for name in ("identifier", "sender")
        if not (text := _text(alert, name)) or _FORBIDDEN.search(text)
    ]
    found += _scope(alert) + _references(alert) + _times(alert)
    for info in alert.iterchildren(f"{{{NAMESPACE}}}info"):
        for area in info.iterchildren(f"{{{NAMESPACE}}}area"):
            found += _area(area)
    return found


def _scope(alert: _Element) -> list[str]:
    scope = _text(alert, "scope")
    found = []
    if (scope == "Restricted") != bool(_text(alert, "restriction")):
        found.append(f"restriction: goes with scope Restricted and no other, scope is {scope}")
    if scope == "Private" and not _text(alert, "addresses"):
        found.append("addresses: scope Private needs them")
    return found


def _references(alert: _Element) -> list[str]:
    kind, references = _text(alert, "msgType"), _text(alert, "references").split()
    found = [f"references: {kind} needs them"] if kind in _REFERRING and not references else []
    for one in references:
        parts = one.split(",")
        if len(parts) != 3 or not all(parts) or not _STAMP.fullmatch(parts[2]):
            found.append(f"references: not sender,identifier,sent: {one!r}")
        elif parts[1] == _text(alert, "identifier"):
            found.append("references: to itself")
    return found


def _times(alert: _Element) -> list[str]:
    found = []
    for info in alert.iterchildren(f"{{{NAMESPACE}}}info"):
        begins, ends = _moment(_text(info, "effective") or _text(alert, "sent")), _moment(_text(info, "expires"))
        if begins and ends and ends <= begins:
            found.append("expires: not after effective")
    return found


def _area(area: _Element) -> list[str]:
    found = []
    for polygon in _texts(area, "polygon"):
        pairs = [_pair(pair) for pair in polygon.split()]
        if len(pairs) < 4 or pairs[0] != pairs[-1] or not all(pairs):
            found.append(f"polygon: four points or more, the last one the first, as lat,lon: {polygon[:80]!r}")
    for circle in _texts(area, "circle"):
        place, _, radius = circle.partition(" ")
        if not _pair(place) or not re.fullmatch(r"\d+(\.\d+)?", radius):
            found.append(f"circle: lat,lon and a radius in km: {circle!r}")
    if _text(area, "ceiling") and not _text(area, "altitude"):
        found.append("ceiling: needs an altitude")
    return found


def _pair(text: str) -> tuple[float, float] | None:
    """Latitude and longitude; None when they are none."""
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)", text)
    if not found or abs(float(found[1])) > 90 or abs(float(found[2])) > 180:
        return None
    return float(found[1]), float(found[2])


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if _STAMP.fullmatch(text) else None


def _texts(parent: _Element, name: str) -> list[str]:
    return [(child.text or "").strip() for child in parent.iterchildren(f"{{{NAMESPACE}}}{name}")]


def _text(parent: _Element, name: str) -> str:
    return next(iter(_texts(parent, name)), "")
