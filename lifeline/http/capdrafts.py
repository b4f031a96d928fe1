"""Drafts CAP messages for what happens to incidents, and releases one when a person says so.

A draft is made for each change of an incident (see `rules.cap.chain`), once, whatever process looks first: its key is
the change. At most one draft of an incident waits; a later change overtakes it. What a message refers to, and when it
was sent, is settled when it is released, together with its row in the audit log.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import PoolTimeout

from city.clock import Clock, to_us
from city.levels import Level
from city.yamlfile import read
from lifeline.http.data import WAIT_S, Data
from lifeline.http.who import Role, Who
from rules.cap import chain, checks, message
from rules.cap.capfile import cap_of
from rules.cap.chain import Ask
from rules.cap.facts import Facts, Ring, kept, read_again
from rules.cap.message import NAMESPACE, Envelope, write
from rules.cap.plan import CapPlan
from rules.language.bookfile import is_book
from rules.notify.zone import Home
from store import audit, bundle
from store.connection import Connection
from store.statements import statements

AT_ONCE = 50  # drafts of one look: a flood must not hold the pages back
_BACK = timedelta(days=30)  # how far the first look goes
_OVERLAP = timedelta(hours=24)  # a watcher that catches up writes events of hours ago
LONGEST_INSTRUCTION = 2000
SQL = statements("cap", package="lifeline.http")
_log = logging.getLogger(__name__)


class NotReleasedError(Exception):
    """A message that was not released; `why`: `gone` (no draft any more), `role`, `note` or `faults`."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(detail or why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Rulings:
    """What the city folder in force says of messages: the plan, the city, rules' guidance and sites' outlines."""

    bundle: str
    plan: CapPlan | None
    home: Home
    guidance: Mapping[str, Mapping[str, str]]
    rings: Mapping[str, tuple[Ring, ...]]

    @classmethod
    def read(cls, name: str, files: Mapping[str, str]) -> Rulings:
        """From the files of the folder."""
        return cls(name, cap_of(files), Home.read(files.get("city.yaml", "")), _guidance(files), _rings(files))


class Drafts:
    """Looks for changes again and again; holds what the city folder says between looks."""

    def __init__(self, data: Data, clock: Clock) -> None:
        self._data, self._clock = data, clock
        self._rulings = Rulings("", None, Home(), {}, {})
        self._since: datetime | None = None

    def rulings(self, conn: Connection) -> Rulings:
        """What is in force now."""
        name = bundle.current_hash(conn) or ""
        if name != self._rulings.bundle:
            self._rulings = Rulings.read(name, bundle.get(conn, name) or {})
        return self._rulings

    def look(self) -> int:
        """Draft what changes ask for, at most `AT_ONCE`; how many were looked at (0 when the database is gone)."""
        try:
            with self._data.connections.connection(timeout=WAIT_S) as conn:
                return self._look(conn)
        except (psycopg.Error, PoolTimeout) as error:
            _log.warning("drafts_wait %s", error, extra={"action": "drafts_wait"})
            return 0

    def _look(self, conn: Connection) -> int:
        now, rulings = self._clock.now(), self.rulings(conn)
        if rulings.plan is None:
            return 0
        since = self._since or now - _BACK
        with conn.transaction():
            first = conn.execute(SQL["only_one"]).fetchone()
            if not first or not first[0]:
                return 0
            found = conn.cursor(row_factory=dict_row).execute(SQL["changes"], {"since": since, "limit": AT_ONCE})
            changes = found.fetchall()
            for change in changes:
                _draft(conn, rulings, rulings.plan, change, now)
                conn.execute(SQL["looked_at"], {"change": change["event"], "at": now})
        if len(changes) < AT_ONCE:
            self._since = now - _OVERLAP
        return len(changes)


def _draft(conn: Connection, rulings: Rulings, plan: CapPlan, change: Mapping[str, Any], now: datetime) -> None:
    given = {"incident": change["incident"]}
    conn.execute(SQL["lock_incident"], given)
    level = Level(change["level"])
    if change["kind"] == "level":
        level = chain.level_after(change["note"], level)
    references = _standing(conn, change["incident"])
    asked = chain.ask(change["kind"], level, bool(references), plan.from_level)
    facts = None if asked is Ask.WITHDRAW else _facts(conn, rulings, change, level)
    if facts is None:
        conn.execute(SQL["overtake"], {**given, "state": "withdrawn", "note": f"{change['kind']}: nothing was told"})
        return
    name = chain.identifier(change["incident"], change["event"])
    conn.execute(SQL["overtake"], {**given, "state": "superseded", "note": f"by {name}"})
    xml = write(plan, facts, Envelope(name, asked.value, to_us(now), references))
    row = {
        **given, "identifier": name, "change": change["event"], "msg_type": asked.value, "level": int(level),
        "status": message.status(plan, facts), "made_at": now, "refers_to": " ".join(references),
        "facts": Jsonb(kept(facts)), "xml": xml.decode(), "changed_at": change["time"],
    }  # fmt: skip
    conn.execute(SQL["draft"], row)


def _standing(conn: Connection, incident: str) -> list[str]:
    """References to all that was released about an incident and is not cancelled."""
    rows = conn.execute(SQL["standing"], {"incident": incident}).fetchall()
    return [reference_of(xml) for _, xml in rows]


def reference_of(xml: str) -> str:
    """How others refer to a released message."""
    from lxml import etree

    alert = etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    sender, name, sent = (alert.findtext(f"{{{NAMESPACE}}}{tag}", "") for tag in ("sender", "identifier", "sent"))
    return chain.reference(sender, name, sent)


def _facts(conn: Connection, rulings: Rulings, change: Mapping[str, Any], level: Level) -> Facts | None:
    """What is known of an incident now; None for what Lifeline says of itself, which is nobody else's business."""
    row = conn.cursor(row_factory=dict_row).execute(SQL["facts"], {"incident": change["incident"]}).fetchone()
    if row is None or row["domain"] == "platform" or row["alarm"] is None:
        return None
    evidence = row["evidence"][0] if isinstance(row["evidence"], list) and row["evidence"] else {}
    test = str(evidence.get("test") or "")
    return Facts(
        incident=row["incident"], change=change["kind"], changed_us=to_us(change["time"]), level=int(level),
        peak_level=max(int(level), change["peak_level"]), domain=row["domain"], title=_texts(row["alarm_title"]),
        site=_texts(row["site_name"]) or {"en": row["site"]}, district=row["district"],
        district_name=_texts(row["district_name"]) or {"en": row["district"]}, onset_us=to_us(row["raised_at"]),
        timezone=str(rulings.home.zone), city=_texts(rulings.home.name), lon=row["lon"], lat=row["lat"],
        rings=rulings.rings.get(row["site"], ()),
        sensor=row["scope"], value=evidence.get("value"), unit=str(evidence.get("unit") or ""), test=test,
        detected="detector" in test, late=row["late"], blind=row["condition"] == "unknown",
        guidance=_texts({**rulings.guidance.get(row["rule"], {}), **(row["guidance"] or {})}), drill=row["drill"],
    )  # fmt: skip


def _texts(found: object) -> dict[str, str]:
    return {str(key): str(text) for key, text in found.items() if text} if isinstance(found, Mapping) else {}


def _guidance(files: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Each rule's guidance by language, as far as it has no places to fill (notices have those filled)."""
    found: dict[str, dict[str, str]] = {}
    for name, text in files.items():
        data = read(text, name).data if is_book(name) else None
        rules = data.get("rules") if isinstance(data, Mapping) else None
        for rule in rules if isinstance(rules, list) else ():
            given = rule.get("guidance") if isinstance(rule, Mapping) else None
            texts = given if isinstance(given, Mapping) else {"en": given} if isinstance(given, str) else {}
            said = {str(key): files.get(str(one), str(one)) for key, one in texts.items()}
            found[str(rule.get("id"))] = {key: one for key, one in said.items() if "{" not in one}
    return found


def _rings(files: Mapping[str, str]) -> dict[str, tuple[Ring, ...]]:
    """The outlines of the sites that have any (the file was checked before it came into force)."""
    found: dict[str, tuple[Ring, ...]] = {}
    try:
        features = msgspec.json.decode(files.get("sites.geojson", "{}")).get("features", [])
        for feature in features:
            geometry = feature["geometry"]
            polygons = {"Polygon": [geometry["coordinates"]], "MultiPolygon": geometry["coordinates"]}
            outer = [polygon[0] for polygon in polygons.get(geometry["type"], [])]
            if outer:
                places = (tuple((float(at[0]), float(at[1])) for at in ring) for ring in outer)
                found[feature["properties"]["id"]] = tuple(places)
    except (msgspec.DecodeError, KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        _log.warning("outlines_unread %s", error, extra={"action": "outlines_unread"})
    return found


def may_release(asks: Who | None, plan: CapPlan) -> bool:
    """Whether somebody has the role that the plan asks for."""
    return asks is not None and asks.how != "link" and asks.may(Role[plan.release_role.upper()])


def release(
    data: Data, drafts: Drafts, clock: Clock, asks: Who, identifier: str, note: str, instruction: Mapping[str, str]
) -> None:
    """Let a draft go out, in the name of `asks`; the audit log has it in the same transaction.

    Parameters
    ----------
    instruction
        What people are asked to do, by language, where it is not what the draft says.

    Raises
    ------
    NotReleasedError
        When it is no draft (any more), `asks` may not, there is no note, or the message breaks a rule of CAP.
    """
    with data.reading(asks) as conn:
        seen = conn.execute(SQL["visible"], {"identifier": identifier}).fetchone()
    if seen is None:
        raise NotReleasedError("gone", "there is no such message")
    if not note.strip():
        raise NotReleasedError("note", "a release needs a note")
    with data.connections.connection(timeout=WAIT_S) as conn, conn.transaction():
        plan, now = drafts.rulings(conn).plan, clock.now()
        if plan is None or not may_release(asks, plan):
            raise NotReleasedError("role", f"this needs the role {plan.release_role if plan else 'of somebody'}")
        rows = conn.cursor(row_factory=dict_row)
        found = rows.execute(SQL["to_release"], {"identifier": identifier}).fetchone()
        assert found is not None, "rows are never deleted"  # noqa: S101 - it was seen above; for the type checker
        if found["state"] != "draft":
            raise NotReleasedError("gone", f"it is {found['state']}")
        conn.execute(SQL["lock_incident"], {"incident": found["incident"]})
        references = _standing(conn, found["incident"])
        facts = read_again(found["facts"])
        envelope = Envelope(identifier, found["msg_type"], to_us(now), references, instruction)
        xml = write(plan, facts, envelope)
        if faults := checks.faults(xml):
            raise NotReleasedError("faults", "; ".join(faults))
        given = {"identifier": identifier, "at": now, "by": asks.name, "note": note.strip()}
        if not conn.execute(
            SQL["release"], {**given, "refers_to": " ".join(references), "xml": xml.decode()}
        ).fetchone():
            raise NotReleasedError("gone", f"it is {found['state']}")
        audit.append(conn, _deed(asks, found, note, instruction))
    _log.info("cap_released %s", identifier, extra={"action": "cap_released"})


def _deed(asks: Who, found: Mapping[str, Any], note: str, instruction: Mapping[str, str]) -> audit.Deed:
    detail: dict[str, audit.Detail] = {"type": found["msg_type"], "note": note.strip()}
    if instruction:
        detail["instruction"] = dict(instruction)
    return audit.Deed(
        asks.name, "cap.release", found["identifier"], found["incident"], asks.role.word, asks.how, asks.address, detail
    )
