"""What the bundle in force says of the city and of its channels, read again only when the bundle changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from city.duration import parse_s
from city.errors import FaultyInput, InputError
from city.yamlfile import parse
from rules.notify import outbox
from rules.notify.display import zone_of
from store.connection import Connection

HEARTBEAT_S = 60.0


@dataclass(frozen=True, slots=True)
class Home:
    """What notices and pages need to know of the city.

    Attributes
    ----------
    channels
        The type of each channel, by its name.
    heartbeat_env, heartbeat_s
        The environment variable with the address that hears our sign of life (empty: none does), and how often it does,
        in seconds.
    """

    name: Mapping[str, str] = field(default_factory=dict)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    channels: Mapping[str, str] = field(default_factory=dict)
    heartbeat_env: str = ""
    heartbeat_s: float = HEARTBEAT_S

    @classmethod
    def read(cls, text: str) -> Home:
        """From the text of `city.yaml`; UTC and no name when it cannot be read (a notice goes out all the same)."""
        data = _mapping(text, "city.yaml")
        if not data:
            return cls()
        name = data.get("name")
        if not isinstance(name, dict):
            name = {"en": name or ""}
        names = {str(key): str(value) for key, value in name.items()}
        return cls(names, zone_of(data.get("timezone") or "UTC"))

    def with_escalation(self, text: str) -> Home:
        """With what `escalation.yaml` says of channels and the heartbeat (it was checked before it came into force)."""
        data = _mapping(text, "escalation.yaml")
        channels, beat = data.get("channels"), data.get("heartbeat")
        types = {str(n): str(c.get("type", "")) for n, c in channels.items()} if isinstance(channels, dict) else {}
        if not isinstance(beat, dict):
            return replace(self, channels=types)
        try:
            every_s = parse_s(str(beat.get("every", "1m")))
        except InputError:
            every_s = HEARTBEAT_S
        return replace(self, channels=types, heartbeat_env=str(beat.get("url_env", "")), heartbeat_s=every_s)


def _mapping(text: str, file: str) -> Mapping[str, object]:
    try:
        data, _ = parse(text, file)
    except FaultyInput:
        return {}
    return data if isinstance(data, dict) else {}


class HomeFinder:
    """Remembers the `Home` of the bundle last seen."""

    def __init__(self) -> None:
        self.bundle = ""  # its hash; empty before the first
        self._home = Home()

    def home(self, conn: Connection) -> Home:
        """The city in force now."""
        if outbox.bundle(conn) != self.bundle:
            bundle, text = outbox.city_file(conn)
            self._home = Home.read(text).with_escalation(outbox.escalation_file(conn))
            self.bundle = bundle
        return self._home
