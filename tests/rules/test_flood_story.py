"""Whatever comes: floods begin and end by the counts, reds go singly, and everybody hears of every alarm once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from city.levels import Level
from rules.check import Checked, load_files
from rules.inputs import CommandKind, HoldKind
from rules.statistics import floods as by_counts
from tests.rules.small_city import T0_US, Desk
from tests.rules.storm import annunciated, floods, gathered, queued, storm_files

MANY = 40


@cache
def checked() -> Checked:
    """The city, read once."""
    return load_files(storm_files(MANY))


class Story(RuleBasedStateMachine):
    """Alarms come and go in bursts, people answer and shelve, the watcher restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(checked())
        self.now = 0
        self.value = dict.fromkeys((f"{kind}{at}" for kind in "wm" for at in range(MANY)), 0.0)

    def _to(self, wait: int) -> None:
        """Time goes on; whatever falls due on the way happens when it is due."""
        until = self.now + wait
        while (due_us := self.desk.engine._desk.due_us()) is not None:  # type: ignore[union-attr]  # it has a book
            at = max(self.now, -(-(due_us - T0_US) // 1_000_000))
            if at > until:
                break
            before = due_us
            self.now = at
            self.desk.tick(at, heard_s=0)
            if self.desk.engine._desk.due_us() == before:  # type: ignore[union-attr]  # it has a book
                raise AssertionError("what was due is still due")
        self.now = until

    @rule(
        first=st.integers(0, MANY - 1), count=st.integers(1, MANY), kind=st.sampled_from("wwwm"),
        value=st.sampled_from([0.0, 0.0, 20.0, 20.0, 20.0, 30.0, 50.0]), wait=st.sampled_from([1, 5, 70]),
    )  # fmt: skip
    def burst(self, first: int, count: int, kind: str, value: float, wait: int) -> None:
        self._to(wait)
        sensors = [f"{kind}{at}" for at in range(first, min(first + count, MANY))]
        self.value.update(dict.fromkeys(sensors, value))
        self.desk.feed([(name, self.now, value) for name in sensors])

    @rule(first=st.integers(0, MANY - 1), value=st.sampled_from([20.0, 50.0]))
    def trickle(self, first: int, value: float) -> None:
        for at in range(first, min(first + 13, MANY)):
            self._to(2)
            self.desk.feed([(f"w{at}", self.now, value)])

    @rule(wait=st.sampled_from([10, 60, 300, 700]))
    def calm(self, wait: int) -> None:
        self._to(wait)

    @rule(kind=st.sampled_from([CommandKind.ACKNOWLEDGE, CommandKind.CLOSE]), at=st.integers(0, 100))
    def command(self, kind: CommandKind, at: int) -> None:
        incidents = self.desk.incidents()
        if incidents:
            self.desk.command(kind, incidents[at % len(incidents)].id, self.now, note="seen")

    @rule(at=st.integers(0, MANY - 1), level=st.sampled_from([Level.YELLOW, Level.ORANGE]))
    def shelve(self, at: int, level: Level) -> None:
        self.desk.hold(HoldKind.SHELVE, f"depth/w{at}", self.now, until_s=self.now + 400, level=level)

    @rule()
    def restart(self) -> None:
        self.desk.restart()

    @invariant()
    def it_begins_and_ends_by_the_counts(self) -> None:
        times = [a.at_us for a in annunciated(self.desk) if a.counted]
        true = [(f.from_us, f.to_us, f.peak) for f in by_counts(times, T0_US + self.now * 1_000_000)]
        told = [(f.started_us, f.ended_us or T0_US + self.now * 1_000_000, f.peak) for f in floods(self.desk)]
        assert told == true

    @invariant()
    def reds_wait_for_no_digest(self) -> None:
        assert all(entry.level < Level.RED for entry in gathered(self.desk))

    @invariant()
    def what_is_due_is_found_without_looking_at_all(self) -> None:
        desk = self.desk.engine._desk
        assert desk is not None
        every = [at for i in desk.incidents.values() if (at := desk.next_us(i)) is not None]
        assert desk._agenda.due_us() == min(every, default=None)

    def teardown(self) -> None:
        self._to(700)
        while any(flow.flood for flow in self.desk.engine._desk.floods.flows.values()):  # type: ignore[union-attr]  # as above
            self._to(60)  # a shelf that ended just now let alarms go, and they wait for their digest
        self._told_once()
        self._lists_are_whole()
        names = {notice.id for notice in queued(self.desk)}
        assert {entry.digest for entry in gathered(self.desk)} <= names

    def _told_once(self) -> None:
        """Of each flood, each person hears of an alarm as news at most once, and of each at least once."""
        for person in ("li", "bo"):
            own = [n for n in queued(self.desk) if n.target == person]
            told = {n.incident for n in own} | {e.incident for e in gathered(self.desk) if e.person == person}
            heard = {alarm for n in own for alarm in _alarms(n.content)}
            assert {a.alarm for a in annunciated(self.desk) if a.first and a.incident in told} <= heard
            for flood in floods(self.desk):
                span = (flood.started_us, flood.ended_us or T0_US + self.now * 1_000_000)
                came = {a.alarm for a in annunciated(self.desk) if span[0] <= a.at_us < span[1] and a.incident in told}
                assert came <= heard, (person, flood.id)
        for flood in floods(self.desk):
            for person in ("li", "bo"):
                news = [
                    alarm
                    for n in queued(self.desk)
                    if n.target == person and n.content.get("flood") == flood.id and n.kind == "digest"
                    for alarm in n.content["new"]
                ]
                assert len(news) == len(set(news))

    def _lists_are_whole(self) -> None:
        for flood in floods(self.desk):
            for end in queued(self.desk, "flood_end"):
                if end.content["flood"] == flood.id:
                    came = {
                        a.alarm
                        for a in annunciated(self.desk)
                        if flood.since_us <= a.at_us <= (flood.ended_us or 0)
                        and (a.counted or a.at_us >= flood.started_us)
                    }
                    assert {line["alarm"] for line in end.content["facts"]["lines"]} == came


def _alarms(content: Mapping[str, Any]) -> list[str]:
    """Every alarm that a notice names."""
    if "lines" in content["facts"]:
        lines = content["facts"]["lines"]
        return [a["alarm"] for line in lines for a in line.get("alarms", [line])] + [
            a for line in lines for a in line.get("also", [])
        ]
    return list(content["alarms"])


Story.TestCase.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
test_story = Story.TestCase
