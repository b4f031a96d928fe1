"""Whatever people, levels, time, kills and reloads do, in whatever order: the promises of the closed loop hold."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from city.levels import Level
from detectors.registry import create
from rules.check import load_files
from rules.effects import ClockSet, Effect, EscalationSet, IncidentEvent, IncidentSet, NoticeQueued
from rules.engine import Engine
from rules.inputs import BundleIn, CommandKind, HoldKind, Input, PlatformIn
from tests.rules.loop_world import ESCALATION, loop_city
from tests.rules.small_city import T0_US, Desk

NIGHT = ESCALATION.replace("mon, tue, wed, thu, fri", "sun")  # nobody is on duty
OTHER = (
    ESCALATION.replace("after: 4m", "after: 9m")
    .replace("person/wu", "person/li")
    .replace("falls_after: 5m", "falls_after: 0s")
)
CITIES = tuple(load_files(loop_city(text)) for text in (ESCALATION, NIGHT, OTHER))
ACTORS = ("li", "Li Na", "Bo", "wu", "a stranger")
SETTLED = {"fired", "skipped", "cancelled", "met", "missed"}


@dataclass
class Kept(Desk):
    """A desk that remembers what it was given."""

    given: list[tuple[Input, int]] = field(default_factory=list)

    def step(self, entry: Input, at_s: float) -> list[Effect]:
        self.given.append((entry, T0_US + round(at_s * 1e6)))
        return super().step(entry, at_s)


class Loop(RuleBasedStateMachine):
    """Levels that go up and down at two places, people who say things in any order, time, kills, reloads."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Kept(CITIES[0])
        self.now = 0
        self.seen = 0
        self.rows: dict[tuple[object, ...], str] = {}
        self.notices: set[str] = set()
        self.versions: dict[str, int] = {}

    @initialize()
    def begin(self) -> None:
        self.water("wl-1", 50.0, 2)

    @rule(
        sensor=st.sampled_from(["wl-1", "wl-2"]),
        value=st.sampled_from([0.0, 20.0, 30.0, 50.0]),
        minutes=st.sampled_from([1, 2, 4, 12]),
    )
    def water(self, sensor: str, value: float, minutes: int) -> None:
        for _ in range(minutes):
            self.now += 60
            self.desk.feed([(sensor, self.now, value)])
            self.desk.tick(self.now)

    @rule(seconds=st.sampled_from([10, 61, 200, 301, 900, 3600, 5 * 3600, 30 * 3600]))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.desk.tick(self.now)
        for incident in self.desk.engine.state.incidents.values():
            if incident.open:
                dues = [due.due_us for due in incident.due] + [clock.due_us for clock in incident.clocks]
                late = [due_us for due_us in dues if due_us <= T0_US + self.now * 1_000_000]
                assert late == [], incident.id

    @rule(
        kind=st.sampled_from(list(CommandKind)),
        at=st.integers(0, 20),
        actor=st.sampled_from(ACTORS),
        note=st.sampled_from(["", "seen"]),
        behind=st.sampled_from([None, None, 0, 0, 1]),
    )
    def command(self, kind: CommandKind, at: int, actor: str, note: str, behind: int | None) -> None:
        known = self.desk.engine.state.incidents
        if not known:
            return
        incident = known[sorted(known)[at % len(known)]]
        before = copy.deepcopy(incident)
        expected = None if behind is None else incident.version - behind
        done = self.desk.command(kind, incident.id, self.now, note, actor, expected=expected)
        event = next(e for e in done if isinstance(e, IncidentEvent))
        if event.kind.startswith("refused_"):
            assert incident == before
            assert [e for e in done if isinstance(e, NoticeQueued | EscalationSet | ClockSet | IncidentSet)] == []
            return
        assert before.open
        assert behind in (None, 0)
        assert incident.version > before.version
        if kind in (CommandKind.NOTE, CommandKind.CANNOT_GO):
            assert incident.stage == before.stage
        if kind is CommandKind.CLOSE and incident.peak_level is Level.RED:
            assert "".join(actor.split()).casefold() not in before.crew

    @rule(kind=st.sampled_from([HoldKind.SHELVE, HoldKind.UNSHELVE]), minutes=st.sampled_from([5, 14, 50]))
    def hold(self, kind: HoldKind, minutes: int) -> None:
        for actor in ("Li", "Bo"):
            self.desk.hold(kind, "depth/wl-1", self.now, actor=actor, until_s=self.now + 60 * minutes)

    @rule(channel=st.sampled_from(["webhook", "mail"]), state=st.sampled_from(["fault", "ok"]))
    def platform(self, channel: str, state: str) -> None:
        self.desk.step(PlatformIn("channel", channel, state, "no answer", T0_US + self.now * 1_000_000), self.now)

    @rule(number=st.integers(0, len(CITIES) - 1))
    def reload(self, number: int) -> None:
        self.desk.checked = CITIES[number]
        self.desk.step(BundleIn("c", self.desk.checked.book, self.desk.checked.escalation), self.now)

    @rule()
    def kill(self) -> None:
        self.desk.restart()

    @invariant()
    def every_row_is_settled_once_and_no_notice_is_made_twice(self) -> None:
        for effect in self.desk.effects[self.seen :]:
            match effect:
                case EscalationSet():
                    self._row(("step", effect.incident, effect.round, effect.step, effect.repeat), effect.state, "due")
                case ClockSet():
                    self._row(("clock", effect.incident, effect.number, effect.clock), effect.state, "running")
                case NoticeQueued():
                    assert effect.id not in self.notices, effect
                    self.notices.add(effect.id)
                case IncidentSet():
                    assert effect.version >= self.versions.get(effect.id, 0)
                    self.versions[effect.id] = effect.version
                case _:
                    pass
        self.seen = len(self.desk.effects)

    def _row(self, key: tuple[object, ...], state: str, open_: str) -> None:
        if state == open_:
            assert key not in self.rows, key
        else:
            assert state in SETTLED
            assert self.rows.get(key, open_) == open_, key
        self.rows[key] = state

    @invariant()
    def what_waits_is_what_the_rows_say(self) -> None:
        waiting = {key for key, state in self.rows.items() if state in ("due", "running")}
        kept: set[tuple[object, ...]] = set()
        for incident in self.desk.engine.state.incidents.values():
            kept |= {("step", incident.id, due.round, due.step, due.repeat) for due in incident.due}
            kept |= {("clock", incident.id, clock.number, clock.name) for clock in incident.clocks}
        assert waiting == kept

    @invariant()
    def a_red_one_has_told_somebody(self) -> None:
        for incident in self.desk.engine.state.incidents.values():
            if incident.open and incident.level is Level.RED:
                assert incident.told, incident.id

    @invariant()
    def levels_go_up_at_once_and_closed_ones_rest(self) -> None:
        for incident in self.desk.engine.state.incidents.values():
            if incident.open:
                assert incident.level >= incident.standing()
                assert incident.standing() is not Level.NONE or incident.level is Level.NONE
            else:
                assert (incident.due, incident.clocks, incident.falls_us) == ([], [], None)

    def teardown(self) -> None:
        """The journal stepped through again by an engine that was never killed tells exactly the same."""
        engine = Engine(create)
        again = [e for seq, (entry, at_us) in enumerate(self.desk.given, 1) for e in engine.step(seq, entry, at_us)]
        assert again == self.desk.effects


Loop.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
test_loop = Loop.TestCase
