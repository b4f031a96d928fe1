"""The city's name and time zone, from the bundle in force, read again only when the bundle changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from city.errors import FaultyInput
from city.yamlfile import parse
from rules.notify import outbox
from rules.notify.display import zone_of
from store.connection import Connection


@dataclass(frozen=True, slots=True)
class Home:
    """What notices and pages need to know of the city."""

    name: Mapping[str, str] = field(default_factory=dict)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @classmethod
    def read(cls, text: str) -> Home:
        """From the text of `city.yaml`; UTC and no name when it cannot be read (a notice goes out all the same)."""
        try:
            data, _ = parse(text, "city.yaml")
        except FaultyInput:
            return cls()
        if not isinstance(data, dict):
            return cls()
        name = data.get("name")
        if not isinstance(name, dict):
            name = {"en": name or ""}
        names = {str(key): str(value) for key, value in name.items()}
        return cls(names, zone_of(data.get("timezone") or "UTC"))


class HomeFinder:
    """Remembers the `Home` of the bundle last seen."""

    def __init__(self) -> None:
        self._bundle = ""
        self._home = Home()

    def home(self, conn: Connection) -> Home:
        """The city in force now."""
        if outbox.bundle(conn) != self._bundle:
            self._bundle, text = outbox.city_file(conn)
            self._home = Home.read(text)
        return self._home
