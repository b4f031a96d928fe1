"""Reads the channels of `escalation.yaml`: how notices travel, without their secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping

from city.keys import Kind
from city.positions import Path, nearest_or_all, show
from rules.desk.escalationkeys import CHANNELS, REACH, SMTP
from rules.desk.reach import FILLED, places
from rules.language.reader import Reader

_VARIABLE = re.compile(r"[A-Za-z_]\w*")


def read_channel(reader: Reader, data: Mapping[str, object], path: Path) -> Mapping[str, object]:
    """One channel as it is written; what is wrong with it is remembered by the reader."""
    kind = reader.word(data, "type", path, tuple(CHANNELS), "")
    if not kind:
        reader.fault(path, "a channel needs its type", hint="type: " + " or ".join(CHANNELS))
        return {}
    table = CHANNELS[kind]
    reader.check(data, table, path)
    for key in (name for name, about in table.items() if about.kind is Kind.TEXT):
        text = reader.text(data, key, path)
        if text and key.endswith("_env"):
            check_variable(reader, text, (*path, key))
    port = data.get("port", 587)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        reader.fault((*path, "port"), "port: expected a number up to 65535", show(port), "587")
    if kind == "smtp":
        reader.word(data, "tls", path, SMTP["tls"].words, "auto")
    elif kind == "mqtt":
        _check_mqtt(reader, data, path)
    elif kind == "apprise":
        _check_apprise(reader, data, path)
    return dict(data)


def check_variable(reader: Reader, name: str, path: Path) -> None:
    """It must be the name of an environment variable: what stands there instead may be a secret, and is not shown."""
    if not _VARIABLE.fullmatch(name):
        hint = "LIFELINE_…, and the value itself in the environment of Lifeline"
        reader.fault(path, f"{path[-1]}: expected the name of an environment variable", hint=hint)


def _check_mqtt(reader: Reader, data: Mapping[str, object], path: Path) -> None:
    if not isinstance(data.get("tls", True), bool):
        reader.fault((*path, "tls"), "tls: expected true or false", show(data["tls"]), "true")
    _one_of(reader, data, path, ("url_env", "host"))
    topic = data.get("topic")
    if isinstance(topic, str):
        _check_places(reader, topic, (*path, "topic"))
        if re.search(r"[+#\x00]", topic) or topic.startswith("$"):
            what = "topic: notices are published on one topic, without + and #"
            reader.fault((*path, "topic"), what, show(topic), "city/notices/{person}")


def _check_apprise(reader: Reader, data: Mapping[str, object], path: Path) -> None:
    _one_of(reader, data, path, ("url_env", "url"))
    url = data.get("url")
    if isinstance(url, str):
        if "://" not in url:
            reader.fault((*path, "url"), "url: expected an Apprise address", show(url), "json://host/{phone}")
        _check_places(reader, url, (*path, "url"))
    needs = data.get("needs", [])
    for need in needs if isinstance(needs, list) else [needs]:
        if need not in REACH:
            reader.fault((*path, "needs"), "needs: no such address", show(need), nearest_or_all(str(need), REACH))


def _one_of(reader: Reader, data: Mapping[str, object], path: Path, keys: tuple[str, str]) -> None:
    given = [key for key in keys if key in data]
    if len(given) > 1:
        what = f"both {given[0]} and {given[1]}"
        reader.faults.append(reader.positions.key_fault((*path, given[1]), what, hint="one of them"))
    elif not given:
        reader.fault(path, f"missing key {keys[0]!r}", hint=f"adding '{keys[0]}: …' or '{keys[1]}: …'")


def _check_places(reader: Reader, text: str, path: Path) -> None:
    for place in places(text):
        if place not in FILLED:
            reader.fault(path, "nothing to fill in here", show("{" + place + "}"), nearest_or_all(place, FILLED))
