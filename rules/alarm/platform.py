"""What Lifeline says of itself: a part of it that fails raises a diagnostic alarm, and clears it when it works again.

A channel that delivers nothing is the plainest case. The alarm's rule is `platform-<name>` and its scope the part
(`platform-channel` on `sms`); no rule book knows it, so no reload changes it.
"""

from __future__ import annotations

from collections.abc import Iterable

from city.levels import Level
from city.words import catalogue, languages, say
from rules.alarm.alarm import Alarm, Move, Moved, alarm_id, happen
from rules.conditions.truth import Evidence
from rules.inputs import PlatformIn
from rules.reasons import because

PREFIX = "platform-"
CHANNEL = f"{PREFIX}channel"


def take_platform(alarms: dict[str, Alarm], said: PlatformIn, chain: str) -> list[Moved]:
    """Raise, raise higher, or clear the alarm of a part of the platform.

    Parameters
    ----------
    alarms
        Those that stand, by key; changed.
    chain
        The chain whose people are told (empty: it is only shown).
    """
    key = f"{PREFIX}{said.name}/{said.scope}"
    alarm = alarms.get(key)
    if said.state == "ok":
        if alarm is None:
            return []
        del alarms[key]
        at_us = max(said.at_us, alarm.raised_us)
        return [happen(alarm, Move.CLEARED, at_us, said.detail or because("works_again"), level=Level.NONE)]
    if alarm is not None and alarm.level >= said.level:
        return []  # known
    seen = (Evidence(said.scope, said.name, "", None, said.at_us, 0, said.detail, "true"),)
    if alarm is not None:
        return [happen(alarm, Move.ROSE, said.at_us, said.detail, seen, level=said.level)]
    alarms[key] = alarm = _alarm(said, chain)
    return [happen(alarm, Move.RAISED, said.at_us, said.detail, seen, level=said.level)]


def failing_channels(alarms: Iterable[Alarm]) -> frozenset[str]:
    """The channels that an alarm says do not deliver."""
    return frozenset(alarm.scope for alarm in alarms if alarm.rule == CHANNEL and alarm.stands)


def of_platform(alarm: Alarm) -> bool:
    """Whether Lifeline says it of itself."""
    return alarm.rule.startswith(PREFIX) and alarm.sensor is None and not alarm.gateway


def _alarm(said: PlatformIn, chain: str) -> Alarm:
    rule = f"{PREFIX}{said.name}"
    return Alarm(
        id=alarm_id(rule, said.scope, said.at_us), rule=rule, rule_version="", scope=said.scope, sensor=None, site="",
        district="", domain="platform", title=_words("title", said.name, said.scope), raised_us=said.at_us,
        level=said.level, peak_level=said.level, late=False, guidance=_words("guidance", said.name, said.scope),
        escalate=chain, diagnostic=True,
    )  # fmt: skip


def recall(alarm: Alarm, chain: str) -> None:
    """Give an alarm read from its row what the row does not say."""
    alarm.guidance, alarm.escalate = _words("guidance", alarm.rule.removeprefix(PREFIX), alarm.scope), chain


def _words(what: str, name: str, scope: str) -> dict[str, str]:
    key = f"platform.{what}_{name}"
    key = key if key in catalogue() else f"platform.{what}"
    return {language: say(key, language, name=name, scope=scope) for language in languages}
