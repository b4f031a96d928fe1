"""Where deploy/RUNBOOK.md says what to do: each alarm that Lifeline raises about itself has an entry there."""

from __future__ import annotations

from typing import Final

PLACE: Final = "RUNBOOK.md#"
_OPEN_ENDED: Final = ("channel", "webhook host")  # findings of the doctor that name something of the city


def of_health(name: str) -> str:
    """The entry about a line of `city.health` (the view says the same)."""
    return "channel" if name.startswith("channel_") else name


def of_platform(name: str) -> str:
    """The entry about an alarm that Lifeline raises of itself (rule `platform-NAME`)."""
    return f"platform_{name}".replace("-", "_")


def of_doctor(name: str) -> str:
    """The entry about a finding of `lifeline doctor`."""
    if name.startswith("health: "):
        return of_health(name.removeprefix("health: "))
    if name.startswith("role "):
        return name.replace(" ", "_")
    for word in _OPEN_ENDED:
        if name.startswith(f"{word} "):
            name = word
    return f"doctor_{name.replace(' ', '_')}"
