"""Reads the chains of `escalation.yaml`: who is told, one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from city.levels import Level
from city.positions import Path, nearest_or_all, show
from rules.desk.escalationkeys import CHAIN, LEVELS, MET, REPEAT, STEP
from rules.desk.plan import Chain, ChainStep
from rules.language.reader import Reader


def read_chain(reader: Reader, whole: Mapping[str, object], name: str, data: Mapping[str, object], path: Path) -> Chain:
    """One chain; what is wrong with it is remembered by the reader. `whole`: the file, where its channels stand."""
    reader.check(data, CHAIN, path)
    steps = data.get("steps")
    if not isinstance(steps, list) or not steps:
        reader.fault((*path, "steps"), "expected a list of steps", show(steps), "- {notify: roster/…, via: [webhook]}")
        steps = []
    version = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()[:12]
    good = [_step(reader, whole, step, (*path, "steps", at)) for at, step in enumerate(steps)]
    return Chain(name, version, tuple(step for step in good if step), str(data.get("fallback", "")))


def _step(reader: Reader, whole: Mapping[str, object], data: object, path: Path) -> ChainStep | None:
    reader.check(data, STEP, path)
    if not isinstance(data, Mapping):
        return None
    channels, via = whole.get("channels"), data.get("via")
    if not isinstance(via, list) or not via:
        reader.fault((*path, "via"), "via: expected a list of channels", show(via), "[webhook]")
        via = []
    for at, channel in enumerate(via):
        reader.known(channel, (*path, "via", at), "channel", channels if isinstance(channels, Mapping) else ())
    levels = _levels(reader, data, path)
    every_us, until, times = _repeat(reader, data, path, levels)
    return ChainStep(
        str(data.get("notify")), tuple(map(str, via)), reader.duration_us(data, "after", path),
        reader.word(data, "unless", path, MET, ""), levels, every_us, until, times,
    )  # fmt: skip


def _levels(reader: Reader, data: Mapping[str, object], path: Path) -> frozenset[Level]:
    written = data.get("levels", [])
    levels = written if isinstance(written, list) else [written]
    for level in levels:
        if not isinstance(level, str) or level not in LEVELS:
            reader.fault((*path, "levels"), "not a level", show(level), nearest_or_all(str(level), LEVELS))
    return frozenset(Level.of(level) for level in levels if isinstance(level, str) and level in LEVELS)


def _repeat(reader: Reader, data: Mapping[str, object], path: Path, levels: frozenset[Level]) -> tuple[int, str, int]:
    """How often a step is repeated, until what, and how often at most."""
    here: Path = (*path, "repeat")
    if "repeat" not in data:
        return 0, "", 0
    repeat = reader.check(data["repeat"], REPEAT, here)
    every_us = reader.duration_us(repeat, "every", here)
    if "every" in repeat and every_us < 1_000_000:
        reader.fault((*here, "every"), "repeats at most once a second", show(repeat["every"]), "5m")
    times = reader.count(repeat, "times", here, 0)
    if "times" in repeat and levels == frozenset({Level.RED}):
        what = "times: this step is for red alone, and red is repeated until somebody acts"
        reader.fault((*here, "times"), what, show(repeat["times"]), "leaving it out")
    return every_us, reader.word(repeat, "until", here, MET, ""), times
