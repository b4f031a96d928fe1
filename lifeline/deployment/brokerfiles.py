"""The broker's password file and access list, as mosquitto reads them, from the city's register.

A gateway writes below its own topic and reads its own configuration; the recorder reads what gateways and mapped
sources send, and writes its probe and its word to Sparkplug nodes; tools send drills and configurations. Whoever is
not in the list may do nothing.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final

from city.errors import InputError
from city.identity import TOPIC_ID
from city.mapping import load_mappings
from city.model import City
from ingest.hostword import STATE
from ingest.probe import TOPIC as PROBE
from lifeline.deployment.layout import HEALTH, RECORDER, TOOLS

OWN: Final = (RECORDER, TOOLS, HEALTH)
SPARKPLUG_HOST: Final = "lifeline"  # the name under which the recorder speaks to Sparkplug nodes
_HEAD: Final = "# Written by `lifeline deploy acl` from the city's register; changes made here are lost.\n"
_ROUNDS: Final = 1000  # passwords are 192 random bits: more rounds would only slow a whole city's reconnecting
_SALT_BYTES: Final = 12  # the length that mosquitto itself writes


@dataclass(frozen=True, slots=True)
class User:
    """Somebody the broker knows. `kind`: own, gateway or source; topics as filters."""

    name: str
    kind: str
    writes: Sequence[str]
    reads: Sequence[str] = field(default=())


def users(city: City, files: Mapping[str, str], sparkplug: Sequence[str] = ()) -> list[User]:
    """Everybody the broker knows, by the city's files.

    Parameters
    ----------
    city, files
        The city and its checked files: gateways from the register, sources from the mappings.
    sparkplug
        Gateways that are Sparkplug edge nodes (group: their district, node: their id).

    Raises
    ------
    InputError
        Two users have one name, an unknown gateway speaks Sparkplug, or a mapping's topic cannot stand in a list.
    """
    if unknown := sorted(set(sparkplug) - set(city.gateways)):
        hint = "try ids of gateways.csv"
        raise InputError(f"--sparkplug: not in the register, got {', '.join(unknown)}, {hint}")
    sources = list(_sources(files))
    gateways = [_gateway(one.district, one.id, one.id in sparkplug) for one in city.gateways.values()]
    heard = [topic for source in sources for topic in source.writes]
    own = [
        User(
            RECORDER, "own",
            (PROBE, f"{STATE}/{SPARKPLUG_HOST}", "spBv1.0/+/NCMD/+"), ("lifeline/v1/#", "spBv1.0/#", *heard),
        ),
        User(TOOLS, "own", ("lifeline/v1/+/+/exercise/+", "lifeline/v1/+/+/config")),
        User(HEALTH, "own", (), ("$SYS/broker/uptime",)),
    ]  # fmt: skip
    found = [*own, *sorted([*gateways, *sources], key=lambda user: user.name)]
    names = [user.name for user in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(
            f"one name for two users of the broker, got {', '.join(twice)}, try another id in gateways.csv"
        )
    return found


def acl(known: Sequence[User]) -> str:
    """The access list."""
    return _HEAD + "".join(f"\n{part}" for part in map(_part, known))


def without(text: str, names: Collection[str]) -> str:
    """An access list without these users."""
    kept = [part for part in text.split("\n\n") if part.partition("\n")[0].removeprefix("user ") not in names]
    return "\n\n".join(kept).rstrip("\n") + "\n"


def passwords(hashed: Mapping[str, str]) -> str:
    """The password file: `user:hash` lines."""
    return "".join(f"{name}:{one}\n" for name, one in sorted(hashed.items()))


def read_passwords(text: str) -> dict[str, str]:
    """The users of a password file with their hashes."""
    return {name: one for name, colon, one in (line.partition(":") for line in text.splitlines()) if colon}


def hashed(password: str) -> str:
    """A password as mosquitto keeps it: PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(_SALT_BYTES)
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"


def parts(text: str) -> dict[str, str]:
    """An access list's part of each user, to see what changes."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("user "):
            name = line.removeprefix("user ")
            found[name] = []
        elif line.startswith("topic ") and name:
            found[name].append(line)
    return {user: "\n".join(lines) for user, lines in found.items()}


def _gateway(district: str, gateway: str, sparkplug: bool) -> User:
    own = f"lifeline/v1/{district}/{gateway}"
    writes, reads = [f"{own}/#"], [f"{own}/config"]
    if sparkplug:
        group = f"spBv1.0/{district}"
        writes += [f"{group}/{kind}/{gateway}" for kind in ("NBIRTH", "NDATA", "NDEATH")]
        writes += [f"{group}/{kind}/{gateway}/+" for kind in ("DBIRTH", "DDATA", "DDEATH")]
        reads += [f"{group}/NCMD/{gateway}", f"{group}/DCMD/{gateway}/+", f"{STATE}/{SPARKPLUG_HOST}"]
    return User(gateway, "gateway", tuple(writes), tuple(reads))


def _sources(files: Mapping[str, str]) -> Iterator[User]:
    """Network servers and vendors' systems: one user for each mapping, who may write what it reads."""
    for mapping in load_mappings(files)[0]:
        name = f"source-{PurePosixPath(mapping.file).stem}"
        if any(ord(letter) < 32 for letter in mapping.topic):  # an access list is made of lines
            raise InputError(f"{mapping.file}: topic with a control character, try a filter of plain letters")
        if not TOPIC_ID.fullmatch(name):
            raise InputError(f"{mapping.file}: its name becomes a user of the broker, try letters a-z, digits, - and _")
        yield User(name, "source", (mapping.topic,))


def _part(user: User) -> str:
    lines = [f"user {user.name}", *(f"topic write {topic}" for topic in user.writes)]
    return "\n".join([*lines, *(f"topic read {topic}" for topic in user.reads)]) + "\n"
