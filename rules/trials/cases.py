"""Runs rule tests: the live engine over what a test says, and its expectations held against it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from city.reading import Sample
from rules.effects import Effect, IncidentSet, NoticeQueued
from rules.inputs import BundleIn, CommandIn, CommandKind, HoldKind, StatusIn
from rules.notify.policy import OVER
from rules.trials.arrivals import Measured, arrivals
from rules.trials.casefile import Case
from rules.trials.expectfile import Check
from rules.trials.happenings import Ask, Mishap, Reload, Restart, Said
from rules.trials.judge import Failure, Look
from rules.trials.post import Down, Post
from rules.trials.run import Run
from rules.trials.story import Story
from rules.trials.tale import since


@dataclass
class Outcome:
    """What became of a test. `readings`: how many arrived."""

    case: Case
    story: Story
    post: Post
    failures: list[Failure] = field(default_factory=list)
    readings: int = 0

    @property
    def passed(self) -> bool:
        """Whether everything was as expected."""
        return not self.failures


def play(case: Case) -> Outcome:
    """Run a test.

    At one instant, readings arrive first, then events happen in the order written, then what time makes due, and last
    the expectations are held against all that.
    """
    return _Play(case).all()


class _Play:
    """A test under way."""

    def __init__(self, case: Case) -> None:
        self.case = case
        story, post = Story(), Post([h for h in case.happenings if isinstance(h, Down)])
        self.outcome = Outcome(case, story, post)
        self.run = Run(self._bundle(0), case.start_us, self._told)

    def all(self) -> Outcome:
        case = self.case
        mishaps = [h for h in case.happenings if isinstance(h, Mishap)]
        arriving = arrivals(_in_order(case), mishaps, case.books[0].city.sensors)
        others = [h for h in case.happenings if not isinstance(h, Mishap | Down)]
        moments = [(at_us, 0, at, samples) for at, (at_us, samples) in enumerate(arriving.items())]
        doings = sorted((h.at_us, 1, at, h) for at, h in enumerate(others))
        checks = sorted((check.at_us, 2, at, check) for at, check in enumerate(case.checks))
        last_us = checks[-1][0]
        waiting: list[tuple[int, list[Sample]]] = []
        for at_us, _, _, what in heapq.merge(moments, doings, checks, key=lambda it: it[:3]):
            if at_us > last_us:
                break
            if isinstance(what, list):
                waiting.append((at_us, what))
                continue
            self._take(waiting)
            match what:
                case Check():
                    self.run.pass_to(at_us + 1)  # what falls due at an instant is told just after it
                    self.outcome.failures += self._look().judge(what)
                case Ask():
                    self._ask(what)
                case Said():
                    self.run.feed(StatusIn(what.gateway, what.online, at_us, at_us), at_us)
                case Restart():
                    self.run.pass_to(at_us)
                    self.run.restart()
                case Reload():
                    self.run.feed(self._bundle(what.book), at_us)
        return self.outcome

    def _take(self, waiting: list[tuple[int, list[Sample]]]) -> None:
        """Give the engine what has arrived."""
        self.outcome.readings += sum(len(samples) for _, samples in waiting)
        self.run.take_all(waiting)
        waiting.clear()

    def _bundle(self, number: int) -> BundleIn:
        book = self.case.books[number]
        return BundleIn(str(number), book.book, book.escalation)

    def _look(self) -> Look:
        return Look(self.case, self.run, self.outcome.story, self.outcome.post, self.run.now_us)

    def _told(self, at_us: int, effects: Sequence[Effect]) -> None:
        self.outcome.story.take(at_us, effects)
        for effect in effects:
            if isinstance(effect, NoticeQueued):
                self.outcome.post.queue(effect, at_us)
            elif isinstance(effect, IncidentSet) and effect.stage in OVER:
                self.outcome.post.closed.setdefault(effect.id, effect.closed_us or at_us)

    def _ask(self, ask: Ask) -> None:
        """Give a person's command; refused when that was not expected, or taken when it was, it fails the test."""
        self.run.pass_to(ask.at_us)
        story, at = self.outcome.story, since(self.case.start_us)(ask.at_us)
        command = self._command(ask)
        if command is None:
            self._fail(ask, f"at {at}: {ask.kind} {ask.about}: there is nothing of it yet")
            return
        before = len(story.said), len(story.holds)
        self.run.feed(command, ask.at_us)
        told = [(event.kind, event.note) for _, event in story.said[before[0] :]]
        told += [(event.kind, event.note) for _, event in story.holds[before[1] :]]
        refusals = [note for kind, note in told if kind.startswith("refused_")]
        if bool(refusals) != ask.refused:
            why = f"was refused: {refusals[0]}" if refusals else "was taken, and was to be refused"
            self._fail(ask, f"at {at}: {ask.kind} {ask.about}: {why}")

    def _command(self, ask: Ask) -> CommandIn | None:
        """The command as the journal would have it; None when there is nothing yet that it could speak of."""
        name, look = f"test-{self.run.seq}", self._look()
        if ask.kind not in set(HoldKind):
            incident = look.incident(ask.about)
            if incident is None:
                return None
            return CommandIn(name, incident.id, CommandKind(ask.kind), ask.actor, ask.note, "test")
        kind, target = HoldKind(ask.kind), ask.about
        if kind is HoldKind.RESET:
            alarm = look.alarm(ask.about)
            if alarm is None:
                return None
            target = alarm.id
        return CommandIn(name, "", kind, ask.actor, ask.note, "test", target, ask.until_us, ask.one_shot, ask.level)

    def _fail(self, ask: Ask, what: str) -> None:
        story = tuple(self._look().tale(ask.about))
        self.outcome.failures.append(Failure(self.case.file, ask.line, ask.column, what, story))


def _in_order(case: Case) -> Iterator[Measured]:
    """All readings, by the time they were taken."""
    streams: Iterable[Iterator[Measured]] = [series.measured() for series in case.series]
    return heapq.merge(*streams, key=lambda one: (one.time_us, one.sensor))
