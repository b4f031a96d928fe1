"""Passing over what provably changes nothing changes nothing: all effects and all state are those of the slow road."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from city.levels import Flag
from city.reading import Sample
from detectors.registry import create
from rules import snapshot
from rules.check import Checked, load_files
from rules.engine import Engine
from rules.inputs import BundleIn, Input, ReadingsIn, TickIn
from rules.signs.memory import Signs
from rules.state import State
from tests.rules.small_city import T0_US, city_files

MINUTE_US = 60_000_000
RULES = """
version: 1
rules:
  - id: high
    watch: {quantity: rainfall}
    ladder: {yellow: {above: 8 mm, for: 2m}}
    clear_after: 3m
  - id: rise
    watch: {quantity: water_depth}
    ladder: {blue: {rising: 4 cm, within: 6m}}
    clear_after: 4m
  - id: rain-and-rise
    watch: {quantity: water_depth, site_kind: underpass}
    ladder:
      orange: {all: [{above: 6 cm}, {near: {quantity: rainfall, within: 2 km}, sum: 10m, above: 9 mm}], for: 1m}
    clear_after: 2m
  - id: rain-only
    watch: {quantity: rainfall}
    ladder: {blue: {all: [{near: {quantity: water_depth, within: 2 km}, max: 10m, above: 12 cm}]}}
    clear_after: 2m
"""
BOOKS = (RULES, RULES.replace("above: 8 mm", "above: 7 mm"))
SENSORS = ("wl-1", "wl-2", "rain-1", "stranger")

readings = st.tuples(
    st.sampled_from(SENSORS),
    st.integers(-40, 4),  # half minutes from now: most late, some too late
    st.sampled_from([0.0, 0.0, 1.0, 1.5, 2.0, 5.0, 6.0, 7.9, 8.0, 13.0, 45.0]),
    st.sampled_from([Flag.PASS, Flag.PASS, Flag.PASS, Flag.SUSPECT, Flag.FAIL]),
)
depths = st.sampled_from([0.0, 1.0, 1.0, 3.0, 4.9, 6.5, 9.0])
rains = st.sampled_from([0.0, 1.0, 5.0, 9.0])
steps = st.one_of(
    st.tuples(st.just("feed"), st.lists(readings, min_size=1, max_size=6)),
    st.tuples(st.just("flow"), st.tuples(depths, rains, st.sampled_from([0, 0, 1, 3, 8]))),
    st.tuples(st.just("flow"), st.tuples(depths, rains, st.just(3))),
    st.tuples(st.just("pause"), st.integers(1, 12)),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("reload"), st.sampled_from([0, 1])),
)


class Pair:
    """Two engines under the same rules, one of which looks at everything."""

    def __init__(self, books: tuple[Checked, ...]) -> None:
        self.books, self.book, self.seq, self.now_us = books, books[0], 0, T0_US
        self.engines = [Engine(create, glance=True), Engine(create, glance=False)]
        self.step(self.bundle())

    def bundle(self) -> BundleIn:
        return BundleIn("b", self.book.book, self.book.escalation)

    def step(self, entry: Input) -> None:
        self.seq += 1
        quick, slow = (engine.step(self.seq, entry, self.now_us) for engine in self.engines)
        assert quick == slow
        assert content(self.engines[0].state) == content(self.engines[1].state)

    def feed(self, rows: list[tuple[str, int, float, Flag]]) -> None:
        half_us, now_us = MINUTE_US // 2, self.now_us
        self.step(
            ReadingsIn(Sample(name, now_us + at * half_us, value, flag, now_us) for name, at, value, flag in rows)
        )

    def do(self, what: str, how: Any) -> None:  # noqa: ANN401 - by what is done
        match what:
            case "feed":
                self.feed(how)
            case "flow":  # one reading of each sensor, in order, the rain so many half minutes behind
                depth, rain, lag = how
                self.now_us += MINUTE_US
                self.feed([(name, 0, depth, Flag.PASS) for name in SENSORS[:2]])
                self.feed([("rain-1", -lag, rain, Flag.PASS)])
            case "pause":
                self.now_us += how * MINUTE_US
                tick = TickIn(self.now_us, self.now_us, T0_US)
                due = [engine.due(tick) for engine in self.engines]
                assert due[0] == due[1]
                if due[0]:
                    self.step(tick)
            case "restart":
                states = [snapshot.load(snapshot.dump(engine.state)) for engine in self.engines]
                self.engines = [Engine(create, state, glance=not at) for at, state in enumerate(states)]
                for engine in self.engines:
                    engine.use(self.bundle())
            case _:
                self.book = self.books[how]
                self.step(self.bundle())


def frozen(signs: Signs) -> tuple[object, bytes]:
    small, blocks = signs.freeze()
    return small, b"".join(blocks)


def content(state: State) -> Mapping[str, Any]:
    own = {name: value for name, value in vars(state).items() if name != "tracks"}
    tracks = {name: (track.samples, track.newest_us, track.received_us) for name, track in state.tracks.items()}
    return {**own, "signs": frozen(state.signs), "tracks": tracks}


CHECKED = tuple(load_files(city_files(rules__more=rules)) for rules in BOOKS)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, max_size=60))
def test_what_is_passed_over_changes_nothing(story: list[tuple[str, Any]]) -> None:
    pair = Pair(CHECKED)
    for what, how in story:
        pair.do(what, how)


def test_a_calm_flow_leaves_nothing_to_remember_and_a_rise_in_it_is_still_found() -> None:
    pair = Pair(CHECKED)
    for _ in range(40):
        pair.do("flow", (1.0, 1.0, 1))
    assert pair.engines[0].state.folds == {}
    pair.do("flow", (45.0, 45.0, 0))
    assert {"high/rain-1", "depth/wl-1", "rain-only/rain-1"} <= set(pair.engines[0].state.folds)
