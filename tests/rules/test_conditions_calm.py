"""What calls a sample calm never passes over one that could begin a level; what sequences remember is exact."""

from __future__ import annotations

from collections.abc import Sequence as Rows
from itertools import combinations_with_replacement

from hypothesis import example, given, settings
from hypothesis import strategies as st

from city.levels import Level
from rules.alarm.ladder import Ladder, LadderState, Rung
from rules.alarm.track import Track
from rules.conditions.calm import Calm
from rules.conditions.condition import (
    All,
    Any_,
    Beside,
    Compare,
    Condition,
    CountOf,
    Memory,
    Moment,
    Not,
    Reaches,
    Sequence,
    Trend,
    Window,
    holds,
    remember,
)
from rules.conditions.truth import Truth
from tests.rules.series_world import at_us, moment, world

small = st.integers(-6, 6).map(float)
spans = st.integers(1, 9).map(lambda minutes: minutes * 60_000_000)


@st.composite
def compares(draw: st.DrawFn) -> Compare:
    low, high = draw(small), draw(small)
    side = draw(st.sampled_from(["above", "below", "outside"]))
    low, high = min(low, high), max(low, high) + 0.5
    return Compare(None if side == "above" else low, None if side == "below" else high, side)


@st.composite
def leaves(draw: st.DrawFn) -> Condition:
    match draw(st.integers(0, 5)):
        case 0:
            return draw(compares())
        case 1:
            need = draw(st.integers(1, 3))
            return CountOf(draw(compares()), need, need + draw(st.integers(0, 2)), draw(spans), "n of m")
        case 2:
            aggregate = draw(st.sampled_from(["sum", "mean", "min", "max", "last", "range", "count", "extreme"]))
            return Window(aggregate, draw(spans), draw(compares()), aggregate)
        case 3:
            return Trend(draw(st.sampled_from([-4.0, -1.0, 1.0, 4.0])), draw(spans), "trend")
        case 4:
            return Reaches(draw(small), draw(st.booleans()), draw(spans), draw(spans), "reaches")
        case _:
            return Beside(draw(st.sampled_from(["", "main"])), 1.0, 30.0, "gas_main", "beside")


def conditions() -> st.SearchStrategy[Condition]:
    def deeper(part: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
        parts = st.lists(part, min_size=1, max_size=3).map(tuple)
        ordered = st.lists(compares(), min_size=2, max_size=3).map(tuple)
        return st.one_of(
            parts.map(All), parts.map(Any_), part.map(Not),
            st.builds(Sequence, ordered, spans, st.integers(0, 10**9), st.just("in order")),
        )  # fmt: skip

    return st.recursive(leaves(), deeper, max_leaves=4)


values = st.one_of(small, st.floats(-8, 8))
tracks = st.lists(st.tuples(st.integers(1, 200), values), min_size=1, max_size=20).map(
    lambda steps: [(float(sum(gap for gap, _ in steps[: at + 1])), value) for at, (_, value) in enumerate(steps)]
)


def says_calm(quiet: Calm, track: Track, now: Moment) -> bool:
    """The promise of `Calm`, word by word."""
    to_us = now.sample.time_us
    around = [s.value for s in track.between(to_us - quiet.since_us, to_us)] if quiet.since_us else [now.sample.value]
    close = [s.value for s in track.between(to_us - quiet.span_us, to_us)]
    return all(quiet.low < value < quiet.high for value in around) and max(close) - min(close) < quiet.range_below


@given(conditions(), tracks)
@settings(max_examples=300)
@example(
    All(
        (Compare(None, 0.5, "a"), Not(Sequence((Compare(0.0, None, "b"), Compare(None, 0.5, "c")), 60_000_000, 0, "")))
    ),
    [(1.0, 0.0)],
)
def test_what_is_called_calm_begins_nothing_and_is_not_remembered(
    condition: Condition, rows: Rows[tuple[float, float]]
) -> None:
    ladder = Ladder((Rung(Level.BLUE, condition, 0, 0.0, "hold", 0),), 10**15)
    quiet = ladder.calm
    if quiet is None:
        return
    of_track, state = world({"own": rows}), LadderState()
    for seconds, _ in rows:
        now = moment(of_track, seconds)
        before = LadderState(memory=dict(state.memory))
        ladder.sample(before, now)
        if says_calm(quiet, of_track["own"], now):
            assert before.idle, (condition, quiet)
            since_us = {sequence.slot: at_us(seconds) - sequence.within_us for sequence in ladder.sequences}
            assert before.memory == {
                slot: held for slot, held in state.memory.items() if max(held[1]) >= since_us[slot]
            }
        state = LadderState(memory=before.memory)


answers = st.sampled_from([Truth.TRUE, Truth.FALSE, Truth.FALSE, Truth.UNKNOWN])


@given(st.lists(st.tuples(st.integers(1, 100), st.lists(answers, min_size=3, max_size=3)), min_size=1, max_size=12),
       st.integers(50, 400))  # fmt: skip
@settings(max_examples=300)
def test_a_sequence_is_what_trying_every_choice_of_instants_says(
    held: list[tuple[int, list[Truth]]], within_s: int
) -> None:
    rows = [(float(sum(gap for gap, _ in held[: at + 1])), 0.0) for at in range(len(held))]
    truths = {at_us(seconds): said for (seconds, _), (_, said) in zip(rows, held, strict=True)}
    parts = tuple(_Scripted(place) for place in range(3))
    order = Sequence(parts, within_s * 1_000_000, 0, "in order")  # type: ignore[arg-type]  # parts that answer by a script
    of_track, memory = world({"own": rows}), dict[int, Memory]()
    _SCRIPT.clear()
    _SCRIPT.update(truths)
    for at, (seconds, _) in enumerate(rows):
        now = moment(of_track, seconds, memory=memory)
        remember(order, now, memory, may_raise=True)
        remember(order, now, memory, may_raise=True)  # the same sample again changes nothing
        times = [at_us(s) for s, _ in rows[: at + 1] if at_us(s) >= at_us(seconds) - within_s * 1_000_000]
        choices = [
            [truths[t][place] for place, t in enumerate((*earlier, at_us(seconds)))]
            for earlier in combinations_with_replacement(times, 2)
        ]
        certain = any(all(t is Truth.TRUE for t in choice) for choice in choices)
        possible = any(all(t is not Truth.FALSE for t in choice) for choice in choices)
        expected = Truth.TRUE if certain else Truth.UNKNOWN if possible else Truth.FALSE
        assert holds(order, now, 0.0) is expected


class _Scripted:
    """A condition that answers by a script."""

    def __init__(self, place: int) -> None:
        self.place = place


_SCRIPT: dict[int, list[Truth]] = {}


@holds.register
def _(  # type: ignore[misc]  # not one of the kinds there are
    condition: _Scripted, moment: Moment, deadband: float, seen: object = None
) -> Truth:
    return _SCRIPT[moment.sample.time_us][condition.place]
