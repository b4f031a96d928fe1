"""Reads `cap:` of escalation.yaml; every fault with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from city.identity import read_name
from city.levels import Level
from city.model import City, Name
from city.positions import Path, nearest_or_all, show
from city.words import languages
from city.yamlfile import read
from rules.cap.capkeys import CAP, GEOCODE, LEVELS
from rules.cap.plan import RELEASERS, SCOPES, STATUSES, CapPlan
from rules.language.reader import Reader

_FILE = "escalation.yaml"
_SENDER = re.compile(r"[^\s,<&]{3,200}")
_HERE: Path = ("cap",)


def read_cap(reader: Reader, data: Mapping[str, object]) -> CapPlan | None:
    """The section `cap` of the file's `data`; None when there is none, with faults when it is wrong."""
    if "cap" not in data:
        return None
    usual, cap = CapPlan(""), reader.check(data["cap"], CAP, _HERE)
    texts = {key: _text(reader, cap, key) for key in ("sender", "contact", "web", "restriction")}
    if "sender" in cap and not _SENDER.fullmatch(texts["sender"]):
        hint = "alerts@city.example, without spaces, commas, < and &"
        reader.fault((*_HERE, "sender"), "sender: not a CAP sender", show(cap["sender"]), hint)
    if texts["web"] and urlsplit(texts["web"]).scheme not in ("http", "https"):
        reader.fault((*_HERE, "web"), "web: expected an http(s) address", show(cap["web"]), "https://…")
    scope = reader.word(cap, "scope", _HERE, SCOPES, usual.scope)
    addresses = tuple(reader.texts(cap, "addresses", _HERE) or ())
    if scope == "Restricted" and not texts["restriction"] and cap:
        reader.fault(_HERE, "cap: scope Restricted needs to say for whom", hint="restriction: For the city's services")
    if scope == "Private" and not addresses:
        reader.fault(_HERE, "cap: scope Private needs addresses", hint="addresses: [duty@city.example]")
    named = cap.get("sender_name")
    called = read_name(named, (*_HERE, "sender_name"), reader.positions, reader.faults).by_language if named else {}
    return CapPlan(
        texts["sender"], called, texts["contact"], texts["web"], _languages(reader, cap) or usual.languages, scope,
        texts["restriction"], addresses, reader.word(cap, "status", _HERE, STATUSES, usual.status),
        Level.of(reader.word(cap, "from", _HERE, LEVELS, usual.from_level.word)),
        reader.distance_m(cap, "radius", _HERE) or usual.radius_m,
        reader.span_us(cap, "expires", _HERE, usual.expires_us),
        reader.word(cap, "release_role", _HERE, RELEASERS, usual.release_role), _geocodes(reader, cap),
    )  # fmt: skip


def cap_of(files: Mapping[str, str]) -> CapPlan | None:
    """The plan in the files of a city folder that was checked when it was put in force; None when it has none."""
    written = read(files.get(_FILE, ""), _FILE)
    if not isinstance(written.data, Mapping) or "cap" not in written.data:
        return None
    nowhere = City(Name({"en": ""}), "UTC", languages, {}, {}, {}, {})
    reader = Reader(written.positions, nowhere, [], whole=False)
    plan = read_cap(reader, written.data)
    return None if reader.faults else plan


def _text(reader: Reader, data: Mapping[str, object], key: str) -> str:
    value = data.get(key, "")
    if key in data and (not isinstance(value, str) or not value.strip()):
        reader.fault((*_HERE, key), f"{key}: expected text", show(value), "quotes around it")
        return ""
    return str(value).strip()


def _languages(reader: Reader, data: Mapping[str, object]) -> tuple[str, ...]:
    chosen = reader.texts(data, "languages", _HERE) or []
    for at, language in enumerate(chosen):
        if language not in languages:
            reader.fault((*_HERE, "languages", at), "not a language it speaks", show(language), ", ".join(languages))
    return tuple(dict.fromkeys(language for language in chosen if language in languages))


def _geocodes(reader: Reader, data: Mapping[str, object]) -> Mapping[str, tuple[str, str]]:
    given, path, found = data.get("geocodes", {}), (*_HERE, "geocodes"), {}
    if not isinstance(given, Mapping):
        reader.fault(path, "geocodes: expected a mapping", show(given), "east: {name: …, code: …}")
        return {}
    for district, entry in given.items():
        if reader.whole and district not in reader.city.districts:
            hint = nearest_or_all(str(district), reader.city.districts)
            fault = reader.positions.key_fault((*path, district), "no such district", show(district), hint)
            reader.faults.append(fault)
        geocode = reader.check(entry, GEOCODE, (*path, district))
        for key, value in geocode.items():
            if not isinstance(value, str) or not value.strip():
                reader.fault((*path, district, key), f"{key}: expected text", show(value), "quotes around it")
        found[str(district)] = (str(geocode.get("name", "")), str(geocode.get("code", "")))
    return found
