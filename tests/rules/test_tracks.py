"""Tracks in common columns hold what plain lists would, through growth, forgetting, compaction and freezing."""

from __future__ import annotations

import random

import numpy as np
import pytest

from city.levels import Flag
from city.reading import Sample
from rules.alarm.tracks import Tracks

SECOND_US = 1_000_000
REORDER_US, KEEP_US = 60 * SECOND_US, 100 * SECOND_US
Model = dict[str, list[Sample]]


def tracks_of(names: list[str]) -> Tracks:
    tracks = Tracks(REORDER_US)
    for name in names:
        tracks.add(name, "water_depth", "cm", 0)
        tracks.keep(name, KEEP_US, 50 * SECOND_US)
    return tracks


def append(tracks: Tracks, samples: list[Sample]) -> None:
    """Samples in order, many sensors at once."""
    rows = sorted(((tracks[s.sensor].row, s) for s in samples), key=lambda pair: (pair[0], pair[1].time_us))
    columns = list(zip(*((row, s.time_us, s.value, int(s.flag), s.received_us) for row, s in rows), strict=True))
    kinds = (np.int64, np.int64, np.float64, np.uint8, np.int64)
    tracks.append(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))


def check(tracks: Tracks, model: Model) -> None:
    """Every track is the end of what came: all that is needed, and one more."""
    assert tracks.samples() == sum(len(tracks[name].samples) for name in model)
    for name, came in model.items():
        track, kept = tracks[name], tracks[name].samples
        came.sort(key=lambda s: s.time_us)
        assert kept == came[len(came) - len(kept) :]
        assert track.newest_us == (came[-1].time_us if came else 0)
        needed = [s for s in came if s.time_us >= track.newest_us - KEEP_US]
        assert len(kept) >= min(len(came), len(needed) + 1)
        if came:
            middle_us = needed[len(needed) // 2].time_us
            expected = [s for s in came if middle_us <= s.time_us <= track.newest_us - SECOND_US]
            assert track.between(middle_us, track.newest_us - SECOND_US) == expected
            times, values, flags = track.values_between(middle_us, track.newest_us)
            assert [(*row,) for row in zip(times, values, flags, strict=True)] == [
                (s.time_us, s.value, s.flag) for s in came if s.time_us >= middle_us
            ]
            assert track.after(middle_us) == [s for s in came if s.time_us > middle_us]


@pytest.mark.parametrize("seed", range(4))
def test_tracks_hold_what_plain_lists_would(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"s{number}" for number in range(12)]
    tracks, model, now_s = tracks_of(names), {name: list[Sample]() for name in names}, 1000
    for turn in range(400):
        now_s += chance.choice([1, 1, 1, 30])
        some = chance.sample(names, chance.randint(1, len(names)))
        flag = chance.choice([Flag.PASS, Flag.FAIL])
        made = [Sample(name, now_s * SECOND_US, chance.random(), flag, (now_s + 2) * SECOND_US) for name in some]
        append(tracks, made)
        for sample in made:
            model[sample.sensor].append(sample)
        name = chance.choice(names)
        late = Sample(name, (now_s - chance.randint(1, 50)) * SECOND_US, -1.0, Flag.PASS, now_s * SECOND_US)
        known = late.time_us in {s.time_us for s in model[name]}
        assert (tracks[name].insert(late, ()) is None) == known
        if not known:
            model[name].append(late)
        if chance.random() < 0.02:
            tracks = Tracks.thaw(*tracks.freeze())
        if chance.random() < 0.02:
            name = chance.choice(names)
            tracks.drop(name)
            tracks.add(name, "water_depth", "cm", 0)
            tracks.keep(name, KEEP_US, SECOND_US)
            model[name] = []
        if turn % 7 == 0:
            check(tracks, model)


def test_a_long_flow_takes_less_than_thirty_bytes_a_sample() -> None:
    names = [f"s{number:05d}" for number in range(5_000)]
    tracks = Tracks(900 * SECOND_US)
    for name in names:
        tracks.add(name, "water_depth", "cm", 0)
        tracks.keep(name, 1500 * SECOND_US, 60 * SECOND_US)
    rows = np.array([tracks[name].row for name in names])
    order = np.argsort(rows)
    for minute in range(60):
        at_us = np.full(len(rows), minute * 60 * SECOND_US + 1)
        tracks.append(rows[order], at_us, np.ones(len(rows)), np.ones(len(rows), np.uint8), at_us)
    assert tracks.samples() >= len(names) * 26
    assert tracks.column_bytes() / tracks.samples() < 30


def test_what_a_pause_made_long_is_given_back() -> None:
    tracks = tracks_of(["a"])
    waits = [True]
    tracks.needed_us = lambda rows: np.zeros(len(rows), np.int64) if waits else tracks.newest_us[rows] - KEEP_US
    for second in range(1, 3000):
        append(tracks, [Sample("a", second * SECOND_US, 1.0, Flag.PASS, second * SECOND_US)])
    assert tracks.samples() == 2999
    waits.clear()
    for second in range(3000, 6000):
        append(tracks, [Sample("a", second * SECOND_US, 1.0, Flag.PASS, second * SECOND_US)])
    assert tracks.samples() < 150
    assert int(tracks.room.sum()) < 200
