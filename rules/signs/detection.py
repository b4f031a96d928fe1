"""What a city says about detection, as a value: `rules.signs.detectionfile` reads it from `detection.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from detectors.early.settings import Settings
from detectors.subject import Subject


@dataclass(frozen=True, slots=True)
class Detection:
    """Sane without a word.

    Attributes
    ----------
    settings
        The fleet engine's: budgets and channels.
    context
        By quantity: the quantities whose nearest sensors count as neighbours, where the register names none.
    unwatched
        Quantities whose sensors nobody watches.
    """

    settings: Settings = field(default_factory=Settings)
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unwatched: frozenset[str] = frozenset()

    def watches(self, subject: Subject) -> bool:
        """Whether a sensor is watched."""
        return subject.quantity not in self.unwatched
