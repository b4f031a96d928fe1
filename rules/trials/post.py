"""The notifier of a trial: what becomes of each notice while channels work or do not, by the notifier's own policy.

Nothing is sent. A channel that is up takes a notice at once; one that is down answers "try later". When to try again,
when another channel takes over and what a clear makes pointless is `rules.notify.policy`, as in the running system.
Delivery decides nothing in the engine, so all of it can be worked out afterwards, up to any instant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from city.clock import from_us, to_us
from city.levels import Level
from rules.effects import NoticeQueued
from rules.notify.letter import Answer, Retry, Sent
from rules.notify.policy import ASKS, RED_FALLBACK_AFTER_S, REPLACES, after, fallback_key


@dataclass(frozen=True, slots=True)
class Down:
    """A channel that takes nothing from `from_us` until before `to_us`."""

    channel: str
    from_us: int
    to_us: int


@dataclass(slots=True)
class Posted:
    """A notice on its way.

    Attributes
    ----------
    notice
        What the engine queued.
    key, channel, spare
        Its own key, where it goes, and the channels that may still take over.
    state
        `queued`, `sent`, `failed` or `superseded`.
    created_us, next_us, sent_us
        When it was queued, when it is tried next, when it was taken (0: not yet).
    """

    notice: NoticeQueued
    key: str
    channel: str
    spare: tuple[str, ...]
    created_us: int
    next_us: int
    state: str = "queued"
    attempts: int = 0
    sent_us: int = 0
    answer: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """Whom it tells about what on which channel: later ones to the same place may speak for it."""
        return self.notice.incident, self.notice.target, self.channel


@dataclass
class Post:
    """All notices of a trial. `down`: when which channel does not work."""

    down: Sequence[Down] = ()
    posted: list[Posted] = field(default_factory=list)
    closed: dict[str, int] = field(default_factory=dict)  # incident -> when people were done with it

    def queue(self, notice: NoticeQueued, at_us: int) -> None:
        """Take a notice from the engine; one queued before is the same one."""
        if any(posted.key == notice.id for posted in self.posted):
            return
        spare = tuple(notice.content.get("fallback", ()))
        self.posted.append(Posted(notice, notice.id, notice.channel, spare, at_us, at_us))

    def work(self, until_us: int) -> None:
        """Do everything that is due up to and with an instant, in order."""
        while True:
            waiting = [(at_us, *self._urgency(one), one) for one in self.posted if (at_us := self._due_us(one)) >= 0]
            due = min(waiting, key=lambda it: it[:-1], default=None)
            if due is None or due[0] > until_us:
                return
            self._try(due[-1], due[0])

    def _urgency(self, one: Posted) -> tuple[int, str]:
        return -int(one.notice.level), one.key

    def _due_us(self, one: Posted) -> int:
        """When something is to be done about a notice; -1: never."""
        if one.state != "queued":
            return -1
        slow_us = one.created_us + round(RED_FALLBACK_AFTER_S * 1e6)
        if one.notice.level is Level.RED and one.attempts and one.spare:
            return min(one.next_us, max(slow_us, one.created_us))
        return one.next_us

    def _try(self, one: Posted, at_us: int) -> None:
        if at_us < one.next_us:  # a slow red: another channel beside it
            self._hand_on(one, at_us)
            return
        if self._pointless(one, at_us):
            return
        one.attempts += 1
        for older in self._older(one):
            older.state, older.answer = "superseded", f"one message with notice {one.key}"
        answer = self._answer(one, at_us)
        then = after(answer, one.key, one.notice.level, from_us(one.created_us), one.attempts, from_us(at_us))
        one.state, one.answer, one.next_us = then.state, then.answer, to_us(then.next_try_at)
        if then.state == "sent":
            one.sent_us = at_us
        if then.hand_on:
            self._hand_on(one, at_us)

    def _answer(self, one: Posted, at_us: int) -> Answer:
        off = any(d.channel == one.channel and d.from_us <= at_us < d.to_us for d in self.down)
        return Retry(f"{one.channel} is down") if off else Sent("taken")

    def _pointless(self, one: Posted, at_us: int) -> bool:
        """Whether people are done with the incident, or one that was queued meanwhile speaks for this one."""
        closed_us = self.closed.get(one.notice.incident)
        if one.notice.kind in ASKS and closed_us is not None and closed_us <= at_us:
            one.state, one.answer = "superseded", "people were done with the incident before this could be delivered"
        elif one.notice.incident and any(
            other.place == one.place and other.state == "queued" and one.created_us <= other.created_us <= at_us
            and one.notice.kind in REPLACES.get(other.notice.kind, ())
            and (other.notice.kind != one.notice.kind or (other.created_us, other.key) > (one.created_us, one.key))
            for other in self.posted
        ):  # fmt: skip
            one.state, one.answer = "superseded", "one message with a later notice"
        return one.state == "superseded"

    def _older(self, one: Posted) -> list[Posted]:
        kinds = REPLACES.get(one.notice.kind, ()) if one.notice.incident else ()
        return [
            other for other in self.posted
            if other is not one and other.place == one.place and other.state == "queued"
            and other.notice.kind in kinds and other.created_us <= one.created_us
        ]  # fmt: skip

    def _hand_on(self, one: Posted, at_us: int) -> None:
        if not one.spare:
            return
        channel, *rest = one.spare
        one.spare = ()
        key = fallback_key(one.key, channel)
        self.posted.append(Posted(one.notice, key, channel, tuple(rest), at_us, at_us))
