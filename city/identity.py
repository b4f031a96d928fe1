"""Ids and names as a city folder writes them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from city.errors import Fault
from city.model import Name
from city.positions import Path, Positions, check_keys, show
from city.words import languages

# Districts and gateways become parts of MQTT topics, ACL lines and NATS subjects.
TOPIC_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# Sites, sensors and rules become URLs, file names and words in messages, in any script.
PLAIN_ID = re.compile(r"\w[\w.:-]{0,63}")


def id_problem(text: str, pattern: re.Pattern[str]) -> tuple[str, str] | None:
    """What is wrong with an id and what to try; None when it is one."""
    if not text:
        return "missing id", "a short name such as n-01"
    if pattern.fullmatch(text):
        return None
    simple = re.sub(r"[^\w.:-]+" if pattern is PLAIN_ID else r"[^A-Za-z0-9_-]+", "-", text).strip("-.:")[:64]
    allowed = "letters, digits and - _ . :" if pattern is PLAIN_ID else "letters a-z, digits and - _"
    return f"an id has {allowed}, at most 64", repr(simple) if pattern.fullmatch(simple) else "'n-01'"


def read_name(
    value: object, path: Path, positions: Positions, faults: list[Fault], allowed: Collection[str] = languages
) -> Name:
    """A name written as text, or by language (`{en: …, zh: …}`); what is wrong goes to `faults`."""
    if isinstance(value, str) and value.strip():
        return Name(dict.fromkeys(allowed, value.strip()))
    if isinstance(value, Mapping) and value:
        faults += check_keys(value, path, positions, optional=allowed)
        for language, text in value.items():
            if not (isinstance(text, str) and text.strip()):
                faults.append(positions.fault((*path, language), "expected text", show(text), "a name in quotes"))
        named = {language: str(text).strip() for language, text in value.items() if language in allowed}
        return Name(named or {"en": "?"})
    faults.append(positions.fault(path, "expected a name", show(value), "text, or {en: …, zh: …}"))
    return Name({"en": "?"})
