"""The words of a page in one language."""

from __future__ import annotations

from city.levels import Level
from city.words import catalogue, say
from dashboards.queries.common import EXERCISE, HELD

STAGES = ("raised", "confirmed", "false_alarm", "analysed", "dispatched", "on_site", "reported", "closed")


class Words:
    """The words of `city/words/<topic>.toml` in one language: `words("map")`."""

    def __init__(self, language: str, topic: str = "dashboard") -> None:
        self.language, self.topic = language, topic
        self.ask = f"?lang={language}"  # the operations page in the reader's language

    def __call__(self, key: str) -> str:
        """The words of one key of the topic."""
        return say(f"{self.topic}.{key}", self.language)

    def level(self, level: Level) -> str:
        """A level as pages show it: loud in capitals, calm in small letters."""
        return say(f"levels.{level.word}", self.language).upper() if level else say("dashboard.normal", self.language)

    @property
    def unknown(self) -> str:
        """What cannot be seen: a mark and a word."""
        return "? " + say("levels.unknown", self.language).upper()

    @property
    def held(self) -> str:
        """What stands and is held back: a mark and a word."""
        return "‖ " + say("dashboard.held_word", self.language)

    def levels(self) -> dict[str, str]:
        """The words for a level's number: -1 for unknown, a half for held back."""
        found = {str(int(level)): self.level(level) for level in Level}
        return found | {"-1": self.unknown, str(HELD): self.held}

    def levels_or_exercise(self) -> dict[str, str]:
        """The same, and the words for what an exercise made."""
        drill = say("dashboard.exercise", self.language)
        return self.levels() | {str(EXERCISE + int(level)): f"{drill} · {self.level(level)}" for level in Level}

    def levels_in_time(self) -> dict[str, str]:
        """The words of a timeline: half a level more is one that nobody can see now, a quarter is held back."""
        found = {str(int(level)): self.level(level) for level in Level}
        return found | {f"{int(level)}.5": f"{self.level(level)}?" for level in Level if level} | {"0.25": self.held}

    def stages(self) -> dict[str, str]:
        """The words of an incident's stages."""
        return {stage: say(f"dashboard.stage_{stage}", self.language) for stage in STAGES}

    def many(self, *prefixes: str) -> dict[str, str]:
        """Every sentence of the catalogue whose `topic.key` begins with a prefix, by the rest of its key."""
        return {
            key.removeprefix(prefix): say(key, self.language)
            for prefix in prefixes
            for key, sentence in catalogue().items()
            if key.startswith(prefix) and not any("{" in text for text in sentence.values())
        }
