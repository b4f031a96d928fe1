"""Drives an engine through written-down time: the watcher's part, without its database and its clock.

Live, the watcher steps the engine with every journal row and looks every moment whether time alone makes something due.
`Run` does the same over any span at once: before each arrival it asks whether anything became due since the last one,
and only then looks for the very instant (halving the span), so that a quiet week costs its readings and nothing else.

Nothing here decides anything. What arrives at an instant is stepped before what time makes due at that instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from city.reading import Sample
from detectors.protocol import Detector
from detectors.registry import create
from rules import snapshot
from rules.effects import Effect
from rules.engine import Engine
from rules.inputs import BundleIn, Input, ReadingsIn, TickIn

LOOK_US = 300_000  # how often the watcher looks; after a tick that leaves something due, the next look

_SHORT, _LONG = 4, 256  # instants taken in one go

Sink = Callable[[int, Sequence[Effect]], None]
"""Takes the time of a row (microseconds) and what the engine told on it."""


def readings_in(samples: Iterable[Sample]) -> ReadingsIn:
    """What the engine takes, from samples: the one place where trials make it."""
    return ReadingsIn(tuple(samples))


@dataclass
class Run:
    """An engine under way.

    Parameters
    ----------
    bundle
        The book to begin with.
    start_us
        When it begins; nothing was silent before that.
    sink
        Is given everything the engine tells, in order.
    make
        Builds detectors by name.
    hearing
        At a time: (up to when all that was sent has been fed, since when we listen without a break). Neither falls as
        time goes on. None: all of it, since the start.
    """

    bundle: BundleIn
    start_us: int
    sink: Sink
    make: Callable[[str], Detector] = create
    hearing: Callable[[int], tuple[int, int]] | None = None
    engine: Engine = field(init=False)
    now_us: int = field(init=False)
    seq: int = 0

    def __post_init__(self) -> None:
        self.now_us = self.start_us
        self.engine = Engine(self.make)
        self._step(self.bundle, self.start_us)

    def feed(self, entry: Input, at_us: int) -> Sequence[Effect]:
        """One journal row at a time not before the last one; what it told (what fell due before it goes to the sink).

        A `BundleIn` is the book from here on.
        """
        self.pass_to(at_us - 1)
        if isinstance(entry, BundleIn):
            self.bundle = entry
        return self._step(entry, max(at_us, self.now_us))

    def take(self, samples: Iterable[Sample], at_us: int) -> Sequence[Effect]:
        """Readings that arrive together."""
        return self.feed(readings_in(samples), at_us)

    def take_all(self, arriving: Sequence[tuple[int, Sequence[Sample]]]) -> None:
        """Readings of many instants, in order of arrival: as `take` for each, and faster where nothing happens.

        Stretches of readings that come when they are measured are given in one go. When that told nothing, and nothing
        was due without them either, no order of steps could have told anything: alarms do not depend on how readings
        are batched. Otherwise the engine is put back, and takes them instant by instant.
        """
        at, ahead = 0, _LONG
        while at < len(arriving):
            stretch = self._undisturbed(arriving[at : at + ahead])
            if len(stretch) >= _SHORT and self._glide(stretch):
                ahead = min(ahead * 2, _LONG)
            else:
                stretch = stretch or arriving[at : at + 1]
                for at_us, samples in stretch:
                    self.take(samples, at_us)
                ahead = max(ahead // 4, _SHORT)
            at += len(stretch)

    def _undisturbed(self, stretch: Sequence[tuple[int, Sequence[Sample]]]) -> Sequence[tuple[int, Sequence[Sample]]]:
        """As much of a stretch's beginning as comes when it is measured, and makes nothing due.

        Neither if none of it came, nor if only the gateways were heard and none of their sensors.
        """
        calm = takewhile(lambda one: all(sample.time_us == one[0] for sample in one[1]), stretch)
        stretch = stretch[: sum(1 for _ in calm)]
        if stretch:
            self.pass_to(stretch[0][0] - 1)
        while len(stretch) >= _SHORT and (self._due(stretch[-1][0]) or self._due_when_heard(stretch)):
            stretch = stretch[: len(stretch) // 2]
        return stretch

    def _glide(self, stretch: Sequence[tuple[int, Sequence[Sample]]]) -> bool:
        """Take an undisturbed stretch in one go; False, and nothing changed, when something happens in it."""
        last_us = stretch[-1][0]
        kept = snapshot.dump(self.engine.state)
        self._hear(stretch)
        entry = readings_in(sample for _, samples in stretch for sample in samples)
        if self.engine.step(self.seq + len(stretch), entry, last_us):
            self.engine = Engine(self.make, snapshot.load(kept))
            self.engine.use(self.bundle)
            return False
        self.seq, self.now_us = self.seq + len(stretch), last_us
        return True

    def _due_when_heard(self, stretch: Sequence[tuple[int, Sequence[Sample]]]) -> bool:
        """Whether something is due at the end of a stretch of which only the gateways are known, or one paused."""
        hearing = self.engine.state.hearing
        heard_us, back_us = dict(hearing.heard_us), dict(hearing.back_us)
        self._hear(stretch)
        due = hearing.back_us != back_us or self._due(stretch[-1][0])
        hearing.heard_us, hearing.back_us = heard_us, back_us
        return due

    def _hear(self, stretch: Sequence[tuple[int, Sequence[Sample]]]) -> None:
        """Hear the gateways instant by instant, not once at the end: a stretch is no pause."""
        city = self.bundle.book.city
        for at_us, samples in stretch:
            gateways = {city.sensors[s.sensor].gateway: at_us for s in samples if s.sensor in city.sensors}
            self.engine.state.hearing.hear(self.bundle.book, gateways)

    def pass_to(self, until_us: int) -> None:
        """Let time pass, up to and with `until_us`; everything that arrived by then has been fed."""
        from_us = self.now_us
        while from_us <= until_us and self._due(until_us):
            at_us = self._first_due_us(from_us, until_us)
            self._step(self._tick(at_us), at_us)
            from_us = at_us + LOOK_US if self._due(at_us) else at_us
        self.now_us = max(self.now_us, until_us)

    def restart(self) -> None:
        """Go on as after a kill: with what a snapshot gives back, and nothing else."""
        self.engine = Engine(self.make, snapshot.load(snapshot.dump(self.engine.state)))
        self.engine.use(self.bundle)

    def _tick(self, at_us: int) -> TickIn:
        heard_us, listening_us = self.hearing(at_us) if self.hearing else (at_us, self.start_us)
        return TickIn(at_us, heard_us, listening_us)

    def _due(self, at_us: int) -> bool:
        return self.engine.due(self._tick(at_us))

    def _first_due_us(self, low_us: int, high_us: int) -> int:
        """The first instant of a span at which something is due; it is at its end."""
        if self._due(low_us):
            return low_us
        while high_us - low_us > 1:
            middle_us = (low_us + high_us) // 2
            if self._due(middle_us):
                high_us = middle_us
            else:
                low_us = middle_us
        return high_us

    def _step(self, entry: Input, at_us: int) -> Sequence[Effect]:
        self.seq += 1
        self.now_us = at_us
        effects = self.engine.step(self.seq, entry, at_us)
        if effects:
            self.sink(at_us, effects)
        return effects
