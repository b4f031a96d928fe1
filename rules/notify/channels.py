"""The channels there are, by the `type` their settings give."""

from __future__ import annotations

from collections.abc import Mapping

from rules.notify import mail, mqtt, services, webhook
from rules.notify.letter import Answer, GiveUp, Letter, Send, Tools

CHANNELS: Mapping[str, Send] = {
    "apprise": services.send,
    "mqtt": mqtt.send,
    "smtp": mail.send,
    "webhook": webhook.send,
}
WITH_PICTURE = ("smtp",)


def send(letter: Letter, settings: Mapping[str, object], tools: Tools) -> Answer:
    """Deliver a letter by the channel that `settings["type"]` names; an unknown one is given up, never passed over."""
    kind = str(settings.get("type", ""))
    channel = CHANNELS.get(kind)
    if channel is None:
        return GiveUp(f"channel type {kind!r} is not known, try {' or '.join(sorted(CHANNELS))}", broken=True)
    return channel(letter, settings, tools)
