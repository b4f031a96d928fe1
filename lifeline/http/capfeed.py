"""Released CAP messages as an Atom feed (RFC 4287), and one message as people read it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from lifeline.http.data import Row
from rules.cap.message import NAMESPACE
from rules.notify.zone import Home

if TYPE_CHECKING:
    from lxml.etree import _Element

ATOM = "http://www.w3.org/2005/Atom"
_TEXTS = ("language", "event", "headline", "description", "instruction", "urgency", "severity", "certainty", "expires")


def as_read(xml: str) -> dict[str, Any]:
    """What a message says to people: scope, references, and each language's texts and area."""
    from lxml import etree

    alert = etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    infos = []
    for info in alert.iterchildren(_cap("info")):
        said = {name: info.findtext(_cap(name), "") for name in _TEXTS}
        area = info.find(_cap("area"))
        said["area"] = "" if area is None else area.findtext(_cap("areaDesc"), "")
        said["circle"] = "" if area is None else area.findtext(_cap("circle"), "")
        infos.append(said)
    return {
        "scope": " · ".join(filter(None, (alert.findtext(_cap(n), "") for n in ("scope", "restriction", "addresses")))),
        "references": alert.findtext(_cap("references"), "").split(),
        "infos": infos,
    }


def atom(messages: Sequence[Row], home: Home, base_url: str) -> bytes:
    """The feed of released messages (newest first), with absolute links."""
    from lxml import etree

    base = base_url.rstrip("/")
    feed = etree.Element(_atom("feed"), nsmap={None: ATOM})
    _put(feed, "id", f"{base}/api/v1/cap/feed.atom")
    name = home.name.get("en") or next(iter(home.name.values()), "") or "Lifeline"
    _put(feed, "title", f"{name}: CAP")
    newest = messages[0]["released_at"] if messages else datetime(2000, 1, 1, tzinfo=UTC)
    _put(feed, "updated", _when(newest))
    _put(feed, "link", rel="self", type="application/atom+xml", href=f"{base}/api/v1/cap/feed.atom")
    _put(_put(feed, "author"), "name", name)
    for row in messages:
        info: dict[str, str] = next(iter(as_read(row["xml"])["infos"]), {})
        address = f"{base}/api/v1/cap/{quote(row['identifier'], safe='')}.xml"
        entry = _put(feed, "entry")
        _put(entry, "id", address)
        _put(entry, "title", info.get("headline", "") or row["identifier"])
        _put(entry, "updated", _when(row["released_at"]))
        _put(entry, "published", _when(row["released_at"]))
        _put(entry, "link", rel="alternate", type="application/cap+xml", href=address)
        _put(entry, "category", term=row["msg_type"], scheme=f"{NAMESPACE}:msgType")
        _put(entry, "category", term=row["status"], scheme=f"{NAMESPACE}:status")
        _put(entry, "summary", info.get("description", ""))
    written: bytes = etree.tostring(feed, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return written


def _cap(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _atom(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _when(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _put(parent: _Element, name: str, text: str | None = None, **attributes: str) -> _Element:
    from lxml import etree

    child = etree.SubElement(parent, _atom(name), attributes)
    child.text = text
    return child
