"""The software bill of materials: what a Lifeline is made of, in CycloneDX, from the lock file that it is installed by.

The lock says names, versions and checksums; what is installed here adds licences and who needs whom. The same lock and
the same packages give the same bytes.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from city.errors import InputError

SPEC: Final = "1.6"
_PROJECT: Final = "urban-lifeline"
_PINNED: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==(?P<version>[^\s;\\]+)(\s*;\s*(?P<marker>[^\\]+))?"
)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NEEDS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST: Final = 64  # characters of a licence's name: some packages put the whole text there


@dataclass(frozen=True, slots=True)
class Pinned:
    """One package of the lock: its files' SHA-256, and where it is needed (`marker`, empty for everywhere)."""

    name: str
    version: str
    marker: str = ""
    hashes: tuple[str, ...] = field(default=())

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def read_lock(path: Path) -> list[Pinned]:
    """The packages of a lock file, by name.

    Raises
    ------
    InputError
        It cannot be read, or a line pins nothing or has no checksum.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}, try requirements.lock of the version in use") from error
    found, faults = [], []
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        pinned, hashes = _PINNED.match(line), tuple(sorted(_HASH.findall(line)))
        if pinned is None or not hashes:
            faults.append(f"{path}: not a version with its checksums, got {line.strip()[:60]!r}")
            continue
        marker = _HASH.sub("", pinned["marker"] or "").strip()
        found.append(Pinned(_normal(pinned["name"]), pinned["version"], marker, hashes))
    if faults or not found:
        raise InputError("\n".join(faults) or f"{path}: no package in it, try requirements.lock")
    return sorted(found, key=lambda one: (one.name, one.version))


def bill(lock: list[Pinned], version: str, epoch_s: int | None = None) -> str:
    """The bill as CycloneDX JSON.

    Parameters
    ----------
    version
        Lifeline's own; empty where it is not installed.
    epoch_s
        When it was made, in seconds since 1970 (SOURCE_DATE_EPOCH); none leaves the time out.
    """
    root = Pinned(_PROJECT, version or "0")
    known = {one.name: one for one in lock}
    content: dict[str, Any] = {
        "metadata": {"component": {"type": "application", **_described(root)}},
        "components": [{"type": "library", **_described(one)} for one in lock],
        "dependencies": [{"ref": one.purl, "dependsOn": _needs(one, known)} for one in (root, *lock)],
    }
    if epoch_s is not None:
        moment = datetime.fromtimestamp(epoch_s, UTC)
        content["metadata"] = {"timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"), **content["metadata"]}
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": SPEC, "serialNumber": f"urn:uuid:{serial}", "version": 1}
    return json.dumps(head | content, indent=1, ensure_ascii=False) + "\n"


def _described(one: Pinned) -> dict[str, Any]:
    found: dict[str, Any] = {"bom-ref": one.purl, "name": one.name, "version": one.version}
    if one.hashes:
        found["hashes"] = [{"alg": "SHA-256", "content": content} for content in one.hashes]
    if licences := _licences(one):
        found["licenses"] = licences
    found["purl"] = one.purl
    if one.marker:
        found["properties"] = [{"name": "lifeline:marker", "value": one.marker}]
    return found


def _installed(one: Pinned) -> metadata.PackageMetadata | None:
    try:
        found = metadata.metadata(one.name)
    except metadata.PackageNotFoundError:
        return None
    return found if found["Version"] == one.version else None


def _licences(one: Pinned) -> list[dict[str, Any]]:
    """What the installed package says: an SPDX expression, else classifiers, else the name it gives."""
    said = _installed(one)
    if said is None:
        return []
    for expression in said.get_all("License-Expression") or []:
        return [{"expression": expression}]
    classified = [
        line.rpartition(" :: ")[2]
        for line in said.get_all("Classifier") or []
        if line.startswith("License :: ") and line != "License :: OSI Approved"
    ]
    named = next(iter("\n".join(said.get_all("License") or []).strip().splitlines()), "")
    names = classified or ([named] if 0 < len(named) <= _LONGEST else [])
    return [{"license": {"name": name}} for name in names]


def _needs(one: Pinned, known: Mapping[str, Pinned]) -> list[str]:
    """The packages of the lock that it asks for always, extras left out."""
    said = _installed(one)
    asked = (said.get_all("Requires-Dist") if said is not None else None) or []
    names = {_normal(found[0]) for line in asked if "extra ==" not in line and (found := _NEEDS.match(line))}
    return sorted(known[name].purl for name in names if name in known)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
