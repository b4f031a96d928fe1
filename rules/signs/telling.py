"""What the watch for early signs says: findings from the fleet's columns, and their sentences.

Sentences are kept in English, made of the parts in `city/words/signs.toml`; `retold` says them in another language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from math import isfinite

from city.display import unit_name
from city.words import catalogue, say
from detectors.columns import ABNORMAL, BLIND, Found
from detectors.early.channels import BLIND_REASONS, CHANNELS
from detectors.protocol import Finding, Verdict
from rules.alarm.track import EARLY_SIGN

_DIRECTIONS = {1: "up", -1: "down"}
_VERDICTS = (Verdict.NORMAL, Verdict.ABNORMAL, Verdict.BLIND)
_YEAR_DAYS, _RAREST = 365.25, 1000
_NUMBER = r"[-+]?(?:\d[\d.]*(?:e[-+]?\d+)?|inf|nan)"
_EXPECTED = rf", expected (?P<expected>{_NUMBER}) \((?P<low>{_NUMBER}) to (?P<high>{_NUMBER})\)"
_VALUE = rf"(?P<value>{_NUMBER}) (?P<unit>\S{{1,20}})"
_RARE = re.compile(
    rf"(?:a 1-in-(?P<n>\d+)-(?P<of>years|days) reading|rarer than 1 in (?P<most>\d+) years) for this sensor: "
    rf"{_VALUE}(?:{_EXPECTED})?, (?P<channel>[a-z][a-z0-9_ ]{{1,80}})(?:, (?P<direction>up|down))?"
)
_OVER = re.compile(rf"no longer unusual for this sensor: {_VALUE}(?:{_EXPECTED})?")
_UNSEEN = re.compile(r"not to be judged: (?P<why>[a-z ]{1,80})")

Parts = Mapping[str, str | None]


def finding(sensor: str, time_us: int, value: float, unit: str, found: Found, at: int) -> Finding:
    """The finding of one answer, with its sentence.

    Parameters
    ----------
    value, unit
        What was measured.
    found, at
        The answers, and the place of this one.
    """
    verdict, channel = _VERDICTS[found.verdict[at]], CHANNELS[found.channel[at]]
    direction = _DIRECTIONS.get(int(found.direction[at]), "")
    columns = (found.expected, found.low, found.high, found.return_period_years)
    expected, low, high, years = (float(c[at]) if isfinite(c[at]) else None for c in columns)
    parts: dict[str, str | None] = {"value": f"{value:.4g}", "unit": unit, "channel": _word(channel)}
    parts |= {"direction": direction or None, **_rare(years)}
    if expected is not None and low is not None and high is not None:
        parts |= {"expected": f"{expected:.4g}", "low": f"{low:.4g}", "high": f"{high:.4g}"}
    if found.verdict[at] == BLIND:
        reason = say("signs.unseen", "en", why=BLIND_REASONS[found.reason[at]])
    else:
        reason = (_say_rare if found.verdict[at] == ABNORMAL else _say_over)(parts, "en")
    return Finding(
        sensor, time_us, EARLY_SIGN, channel, verdict, float(found.score[at]), direction, expected, low, high, years,
        reason,
    )  # fmt: skip


def retold(reason: str, language: str) -> str | None:
    """One of these sentences in another language; None when it is none."""
    if match := _RARE.fullmatch(reason):
        return _say_rare(_named(match, language), language)
    if match := _OVER.fullmatch(reason):
        return _say_over(_named(match, language), language)
    if (match := _UNSEEN.fullmatch(reason)) and match["why"] in BLIND_REASONS:
        key = f"signs.why_{BLIND_REASONS.index(match['why'])}"
        return say("signs.unseen", language, why=say(key, language) if key in catalogue() else match["why"])
    return None


def _named(match: re.Match[str], language: str) -> Parts:
    return {**match.groupdict(), "unit": unit_name(match["unit"], language)}


def _rare(years: float | None) -> dict[str, str | None]:
    """How rare, in whole years, or days where it is less than two."""
    if years is None or years > _RAREST:
        return {"most": str(_RAREST)}
    if years < 2:
        return {"n": str(max(round(years * _YEAR_DAYS), 1)), "of": "days"}
    return {"n": str(round(years)), "of": "years"}


def _say_rare(parts: Parts, language: str) -> str:
    if parts.get("n"):
        rare = say(f"signs.in_{parts['of']}", language, n=parts["n"])
    else:
        rare = say("signs.rarest", language, n=parts["most"])
    direction, channel = parts.get("direction"), str(parts["channel"])
    key = _channels().get(channel)
    return say(
        "signs.early_sign", language, rare=rare, value=parts["value"], unit=parts["unit"],
        expected=_say_expected(parts, language), channel=say(key, language) if key else channel,
        direction=say(f"signs.{direction}", language) if direction else "",
    )  # fmt: skip


def _say_over(parts: Parts, language: str) -> str:
    expected = _say_expected(parts, language)
    return say("signs.over", language, value=parts["value"], unit=parts["unit"], expected=expected)


def _say_expected(parts: Parts, language: str) -> str:
    return say("signs.expected", language, **parts) if parts.get("expected") else ""


def say_channel(channel: str, language: str) -> str:
    """A detector's channel in words; its id when it has none."""
    key = f"signs.channel_{channel}"
    return say(key, language) if key in catalogue() else channel


def _word(channel: str) -> str:
    return say_channel(channel, "en")


@cache
def _channels() -> Mapping[str, str]:
    """Keys of the catalogue by how channels are called in English."""
    return {say(key, "en"): key for key in catalogue() if key.startswith("signs.channel_")}
