"""Clocks of gateways: how far they are off, and times made right where a city asks for that."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from city.load import load_city
from ingest.clocks import Clocks, Skew
from ingest.corrections import Corrections, Step
from store import bundle
from store.connection import Connection, connect
from tests.ingest.fed import START, START_US, Fed, message

S = 1_000_000
MINUTE = 60 * S


def heard(
    way_s: Callable[[int], float], *, behind_s: Callable[[int], float] = lambda _: 0.0, minutes: int = 20
) -> Skew:
    """What is known of a clock that is `behind_s` after messages every 15 s that take `way_s`, by the second."""
    clocks, skew = Clocks(), Skew(None, None, None)
    order = random.Random(4)
    came = [(at + way_s(at) + order.random() * 0.05, at - behind_s(at)) for at in range(0, minutes * 60, 15)]
    for received_s, sent_s in sorted(came):
        skew = clocks.hear("gw", START_US + round(received_s * S), START_US + round(sent_s * S))
    return skew


def test_a_right_clock_is_right_and_surely_so() -> None:
    skew = heard(lambda _: 0.1)
    assert skew.known
    assert skew.skew_s == pytest.approx(0.12, abs=0.05)


@pytest.mark.parametrize("off_s", [-86_400 * 9_000.0, -400.0, -3.0, 5.0, 700.0, 86_400.0])
def test_a_wrong_clock_is_known_and_since_when(off_s: float) -> None:
    skew = heard(lambda _: 0.2, behind_s=lambda _: off_s)
    assert skew.known
    assert skew.skew_s == pytest.approx(off_s + 0.22, abs=0.05)
    assert skew.since_us == pytest.approx(START_US, abs=5 * S)


def test_messages_that_are_held_up_now_and_then_say_nothing_of_the_clock() -> None:
    skew = heard(lambda at: 30.0 if at % 4 == 0 else 0.1)
    assert skew.known
    assert skew.skew_s == pytest.approx(0.1, abs=0.1)


def test_a_backlog_that_drains_is_no_clock_that_is_behind() -> None:
    clocks = Clocks()
    for at in range(200):  # an hour's messages, held since, come within ten minutes
        received_us, sent_us = START_US + 3_600 * S + at * 3 * S, START_US + at * 18 * S
        skew = clocks.hear("gw", received_us, sent_us)
        assert not (skew.known and (skew.skew_s or 0) > 60), at
    for at in range(40):
        skew = clocks.hear("gw", START_US + (4_210 + at * 15) * S, START_US + (4_210 + at * 15) * S - 100_000)
    assert skew.known
    assert skew.skew_s == pytest.approx(0.1, abs=0.1)


@pytest.mark.parametrize(("before", "after"), [(0.0, 3_600.0), (3_600.0, 0.0), (-50.0, 20.0)])
def test_a_clock_that_is_set_is_known_within_minutes(before: float, after: float) -> None:
    def behind_s(at: int) -> float:
        return before if at < 1_200 else after

    assert heard(lambda _: 0.1, behind_s=behind_s, minutes=34).skew_s == pytest.approx(after + 0.12, abs=0.1)
    between = heard(lambda _: 0.1, behind_s=behind_s, minutes=23)
    assert (
        not between.known
        or between.skew_s == pytest.approx(before, abs=0.2)
        or between.skew_s == pytest.approx(after, abs=0.2)
    )


def test_too_little_is_told_and_not_acted_on() -> None:
    skew = Clocks().hear("gw", START_US, START_US - 7 * S)
    assert (skew.skew_s, skew.uncertainty_s, skew.known) == (7, None, False)


@example([(1, -118), (1, -118), (1, -118)])
@given(st.lists(st.tuples(st.integers(1, 400), st.integers(-118, 400)), max_size=6))
def test_corrected_time_never_runs_backwards(steps: list[tuple[int, int]]) -> None:
    """Steps of a clock that drifts: each takes less than two minutes away."""
    own, from_us, offset_us = Corrections(), START_US, 0
    for later_s, change_s in steps:
        from_us, offset_us = from_us + later_s * S, offset_us + min(change_s, 0) * S + max(change_s, 0) * 1000
        own.add(Step(from_us, offset_us, from_us + offset_us))
    claimed = np.arange(START_US - MINUTE, from_us + 30 * MINUTE, S // 2)
    corrected = own.correct(claimed).tolist()
    assert all(early < late for early, late in pairwise(corrected))
    assert corrected[0] == claimed[0], "before the first step nothing is known"
    assert own.correct(claimed[::7]).tolist() == corrected[::7]


class Box:
    """A gateway with a clock of its own, which measures and sends every ten seconds of true time."""

    def __init__(self, fed: Fed) -> None:
        self.fed, self.now_us, self.behind_us, self.sent = fed, START_US, 0, list[tuple[int, bytes]]()

    def run(self, minutes: int) -> None:
        for number in range(minutes * 6):
            self.now_us += 10 * S
            claimed_us = self.now_us - self.behind_us
            value = (self.now_us - START_US) / S / 100  # says when it was truly measured
            one = message([("wl-000", claimed_us, value)], sent_at=claimed_us // 1000, seq=len(self.sent))
            self.sent.append((self.now_us + 200_000, one))
            if number % 6 == 5:
                self.fed.hear_each(self.sent[-6:])


@pytest.fixture
def box(conn: Connection, files: dict[str, str]) -> Box:
    files["gateways.csv"] = "gateway,district,interval_s,clock\ngw-1,north,10,correct\ngw-2,south,60,\n"
    files["sensors.csv"] = files["sensors.csv"].replace(
        "wl-000,gw-1,s1,water_depth,cm,10,0,100,,", "wl-000,gw-1,s1,water_depth,cm,10,,,,"
    )
    bundle.apply(conn, files, load_city(files), START)
    return Box(Fed(conn))


def away(conn: Connection, minutes: int) -> list[float]:
    """How far the readings of the last minutes stand from when they were truly measured, in seconds."""
    found = conn.execute("SELECT date_part('epoch', time), value FROM city.readings ORDER BY value").fetchall()
    return [at_s - (START_US / S + value * 100) for at_s, value in found][-6 * minutes :]


@pytest.mark.parametrize("behind_s", [4, 90, 3_600, -20, -100, -7_200])
def test_a_clock_that_is_off_is_corrected(conn: Connection, box: Box, behind_s: int) -> None:
    box.behind_us = behind_s * S
    box.run(12)
    assert max(map(abs, away(conn, 5))) < 0.5
    gateway = conn.execute(
        "SELECT skew_s, skew_uncertainty_s, corrected_by_s FROM city.gateways WHERE gateway = 'gw-1'"
    )
    skew_s, unsure_s, corrected_s = gateway.fetchone() or (0, 0, 0)
    assert skew_s == pytest.approx(behind_s + 0.2)
    assert unsure_s == pytest.approx(0)
    assert corrected_s == pytest.approx(behind_s + 0.2)
    claims = conn.execute("SELECT claimed_at FROM city.readings ORDER BY value DESC LIMIT 1").fetchone()
    assert claims is not None
    assert claims[0].timestamp() == pytest.approx((box.now_us - box.behind_us) / S), "the claim is kept"
    stored = conn.execute("SELECT value FROM city.readings ORDER BY time").fetchall()
    if behind_s > -3_600:  # a jump that is hours ahead was never believed
        assert stored == sorted(stored), "the gateway's own order stays"


def test_what_comes_again_is_not_stored_twice(conn: Connection, box: Box, city_database: str) -> None:
    box.behind_us = 1_800 * S
    box.run(6)
    box.behind_us = 1_795 * S
    box.run(25)
    before = conn.execute("SELECT count(*), count(DISTINCT value) FROM city.readings").fetchone()
    assert before == (len(box.sent), len(box.sent))
    with connect(city_database, autocommit=True) as other:
        for at, fed in enumerate((Fed(other), box.fed)):
            fed.hear(*(one for _, one in box.sent[at::2][::-1]), at_us=box.now_us + 40 * MINUTE)
    assert conn.execute("SELECT count(*) FROM city.readings").fetchone() == (len(box.sent),)
    assert conn.execute("SELECT count(*) FROM city.rejections").fetchone() == (0,)


def test_a_clock_that_is_set_back_claims_its_times_again(conn: Connection, box: Box) -> None:
    box.behind_us = -1_800 * S  # half an hour ahead
    box.run(10)
    early = box.sent[40:]
    box.behind_us = 0
    box.run(25)
    assert max(map(abs, away(conn, 8))) < 0.5
    count = conn.execute("SELECT count(*) FROM city.readings").fetchone()
    box.fed.hear(*(one for _, one in early), at_us=box.now_us)
    assert conn.execute("SELECT count(*) FROM city.readings").fetchone() == count


def test_a_clock_is_trusted_unless_the_city_says_otherwise(conn: Connection) -> None:
    box = Box(Fed(conn))
    box.behind_us = 3_600 * S
    box.run(5)
    assert set(away(conn, 5)) == {-3_600.0}
    assert conn.execute("SELECT count(*) FROM city.clock_corrections").fetchone() == (0,)
