"""Looks at what time alone has made due: at everything at once, with the same answers as one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from city.levels import Flag
from city.reading import Sample
from rules.alarm.silence import silent_since_us
from rules.book import Watch
from rules.engine import Engine
from rules.inputs import ReadingsIn, StatusIn
from tests.rules.small_city import T0_US, Desk, city_files, desk_of

SENSORS = ["wl-1", "wl-2", "rain-1"]
PLATFORM = """
version: 1
rules:
  - id: gateway-silent
    watch: {gateways: all}
    ladder: {yellow: {silent: 5m}}
  - id: gateway-lost
    watch: {gateways: all}
    ladder: {orange: {silent: 50m}}
  - id: sensor-silent
    watch: {quantity: water_depth}
    ladder: {blue: {silent: 10m}}
  - id: rain-silent
    watch: {quantity: rainfall}
    ladder: {blue: {silent: 2m}}
"""
FILES = city_files(rules__platform=PLATFORM)
HAPPENINGS = st.one_of(
    st.tuples(
        st.just("readings"),
        st.lists(st.tuples(st.sampled_from(SENSORS), st.sampled_from([0.0, 20.0, 60.0])), min_size=1, max_size=4),
    ),
    st.tuples(st.just("online"), st.sampled_from(["g1", "g2", "nobody"])),
    st.tuples(st.sampled_from(["tick", "listening", "restart", "reload"]), st.none()),
)


def silent_one_by_one(engine: Engine, until_us: int) -> list[tuple[Watch, int]]:
    """What has turned silent, asked of each watch by itself."""
    hearing, tracks = engine.state.hearing, engine.state.tracks
    assert engine.book is not None
    asked = [
        (watch, silent_since_us(hearing, watch, tracks, until_us))
        for watch in engine.book.watches.values()
        if watch.key not in hearing.alarms
    ]
    return [(watch, since_us) for watch, since_us in asked if since_us is not None]


def missing_one_by_one(engine: Engine, until_us: int) -> set[str]:
    """The folds that missing data would change, asked of each by itself."""
    assert engine.book is not None
    found = set()
    for key, fold in engine.state.folds.items():
        instance = engine.book.instances[key]
        due_us = fold.silence_due_us(instance, engine.heard(instance, until_us))
        if due_us is not None and due_us <= until_us:
            found.add(key)
    return found


def look(desk: Desk, now_s: int, heard_s: int) -> None:
    """Both looks, held against the plain ones."""
    until_us = T0_US + heard_s * 1_000_000
    for until in (until_us, until_us - 60_000_000, T0_US + now_s * 1_000_000):
        assert desk.engine.newly_silent(until) == silent_one_by_one(desk.engine, until)
        found = list(desk.engine.missing(until))
        assert len(found) == len(set(found))
        assert set(found) == missing_one_by_one(desk.engine, until)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(HAPPENINGS, st.sampled_from([0, 1, 20, 61, 121, 301, 700, 4000]), st.sampled_from([0, 0, 1, 90])),
        min_size=5,
        max_size=40,
    )
)
def test_a_look_finds_what_asking_one_by_one_finds(story: list[tuple[tuple[str, object], int, int]]) -> None:
    desk, now_s, listening_s = desk_of(FILES), 0, 0
    for (kind, what), wait_s, behind_s in story:
        now_s += wait_s
        heard_s = max(0, now_s - behind_s)
        if kind == "readings":
            assert isinstance(what, list)
            rows = {s: Sample(s, T0_US + now_s * 1_000_000, v, Flag.PASS, T0_US + heard_s * 1_000_000) for s, v in what}
            desk.step(ReadingsIn(tuple(rows.values())), now_s)
        elif kind == "online":
            desk.step(StatusIn(str(what), True, 0, T0_US + heard_s * 1_000_000), now_s)
        elif kind == "restart":
            desk.restart()
        elif kind == "reload":
            desk.reload(FILES, now_s)
        else:
            listening_s = now_s if kind == "listening" else listening_s
            desk.tick(now_s, heard_s, listening_s)
        look(desk, now_s, heard_s)
