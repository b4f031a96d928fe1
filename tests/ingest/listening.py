"""A link at work without a database: what it delivers is noted, and counts as committed when the test says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from city.clock import SystemClock
from ingest.intake import Delivery, Intake
from ingest.link import Link, LinkSettings
from ingest.mqtt.words import Version
from tests.running import PATIENCE_S


class Listening:
    """A link and a pretended writer; `held` set, nothing is committed."""

    def __init__(self, settings: LinkSettings, version: Version = Version.V5, max_rows: int = 40_000) -> None:
        self.link = Link(settings, SystemClock())
        self.link._version = version
        self.intake = Intake(max_rows, 32 << 20, self.link.wake)
        self.taken: list[Delivery] = []
        self.held = threading.Event()
        self.give_up = threading.Event()

    @property
    def payloads(self) -> list[bytes]:
        """What was taken (and committed, unless held), probes left out."""
        return [one.payload for one in self.taken if one.payload]

    def _write(self) -> None:
        while not self.give_up.is_set():
            if self.held.is_set():
                self.give_up.wait(0.01)
            elif batch := list(self.intake.take(1000, 0.05)):
                self.taken += batch
                self.intake.written()

    @contextmanager
    def running(self, *, drain: bool = True) -> Iterator[None]:
        """Run while the block does; at its end acknowledge what is committed, or (`drain` false) just vanish."""
        network = threading.Thread(target=self.link.run, args=(self.intake, self.give_up))
        writer = threading.Thread(target=self._write)
        network.start()
        writer.start()
        try:
            yield
            if drain:
                self.link.stop()
                network.join(PATIENCE_S)
        finally:
            self.give_up.set()
            self.link.wake()
            network.join(PATIENCE_S)
            writer.join(PATIENCE_S)
            self.link.close()
        assert not network.is_alive()
