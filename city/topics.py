"""MQTT topic filters: whether they are right, what they match, whether two can match the same."""

from __future__ import annotations


def filter_problem(text: str) -> str:
    """What is wrong with a topic filter; empty when it is one."""
    levels = text.split("/")
    if not text or "\0" in text or len(text.encode(errors="replace")) > 65_535:
        return "a topic filter is text"
    if text.startswith("$"):
        return "topics that begin with $ are the broker's own"
    if any(("+" in level and level != "+") or ("#" in level and level != "#") for level in levels):
        return "+ and # stand for whole levels"
    if "#" in levels[:-1]:
        return "# stands at the end only"
    return ""


def matches(pattern: str, topic: str) -> bool:
    """Whether a topic filter matches a topic."""
    return not topic.startswith("$") and overlap(pattern, topic)


def overlap(one: str, other: str) -> bool:
    """Whether two topic filters can match the same topic."""
    return _overlap(one.split("/"), other.split("/"))


def _overlap(one: list[str], other: list[str]) -> bool:
    for at, (mine, its) in enumerate(zip(one, other, strict=False)):
        if "#" in (mine, its):
            return True
        if mine != its and "+" not in (mine, its):
            return False
        if at + 1 in (len(one), len(other)):
            rest = one[at + 1 :] or other[at + 1 :]
            return not rest or rest == ["#"]
    return False
