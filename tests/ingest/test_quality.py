"""Quality flags as they are stored: with their reasons, the same after a restart, and never worse than they must be."""

from __future__ import annotations

import pytest

from city.clock import ManualClock
from city.load import load_city
from ingest.quarantine import Wish, replay
from store import bundle, journal
from store.connection import Connection
from tests.ingest.fed import START, START_US, Fed, message

SECOND_US = 1_000_000


def put(conn: Connection, files: dict[str, str], quality: str) -> None:
    files["city.yaml"] += f"quality: {quality}\n"
    bundle.apply(conn, files, load_city(files), START)


def flags(conn: Connection, sensor: str = "wl-000") -> list[tuple[float, int, str]]:
    query = "SELECT value, flag, flag_reasons FROM city.readings WHERE sensor = %s ORDER BY time"
    return conn.execute(query, (sensor,)).fetchall()


def steady(*values: float, first: int = 0) -> list[bytes]:
    return [message([("wl-000", START_US + at * 10 * SECOND_US, value)]) for at, value in enumerate(values, first)]


def test_every_flag_says_why(conn: Connection, files: dict[str, str]) -> None:
    put(conn, files, "{water_depth: {spike: {change: 5 cm}, rate: {change: 8 cm, within: 20s}}}")
    fed = Fed(conn)
    fed.hear(*steady(1, 1.5, 7.5, 1, 12, 120, 9000))
    said = [(value, flag, why) for value, flag, why in flags(conn)]
    assert said == [
        (1, 1, ""), (1.5, 1, ""), (7.5, 3, "spike"), (1, 1, ""), (12, 3, "rate"),
        (120, 3, "range, spike, rate"), (9000, 4, "range"),
    ]  # fmt: skip
    fed.hear(b'{"readings": [{"sensor": "wl-002", "time": %d, "value": 1, "flag": 3}]}' % (START_US // 1000))
    assert flags(conn, "wl-002") == [(1, 3, "gateway")]
    journaled = [journal.decode_readings(one.payload) for one in journal.read(conn, 0, 10) if one.kind == "readings"]
    assert journaled[0].flag.tolist() == [1, 1, 3, 1, 3, 3, 4], "rules and detectors see the same flags"
    assert conn.execute("SELECT flag FROM city.latest WHERE sensor = 'wl-000'").fetchone() == (4,)


def test_a_recorder_that_starts_again_judges_as_the_one_before(conn: Connection, files: dict[str, str]) -> None:
    put(conn, files, "{water_depth: {spike: {change: 5 cm}, rate: {as: none}, flat_line: {for: 50s}}}")
    values = [3, 1, 1, 9, 9, 9.5, 9.5, 9.5, 9.5, 9.5, 9.5, 20, 9.5]
    fed = Fed(conn)
    for one in steady(*values):
        fed.hear(one)
    expected = flags(conn)
    assert [why for _, _, why in expected] == ["", "", "", "spike", *[""] * 6, "flat_line", "spike", ""]
    conn.execute("DELETE FROM lifeline.readings")
    for one in steady(*values):
        Fed(conn).hear(one)
    assert flags(conn) == expected


@pytest.mark.parametrize("twice", [False, True])
def test_batches_with_repeats_keep_their_reasons(conn: Connection, files: dict[str, str], twice: bool) -> None:
    put(conn, files, "{water_depth: {spike: {change: 5 cm}}}")
    fed = Fed(conn)
    messages = steady(1, 1, 9, 1, 1.5)
    if twice:
        fed.hear(messages[0])
    fed.hear(*messages, *messages)
    assert [why for _, _, why in flags(conn)] == ["", "", "spike", "", ""]
    fed.hear(*messages)
    assert [why for _, _, why in flags(conn)] == ["", "", "spike", "", ""]


def test_what_was_rolled_back_was_not_said(conn: Connection, files: dict[str, str]) -> None:
    put(conn, files, "{water_depth: {spike: {change: 5 cm}}}")
    fed = Fed(conn)
    fed.hear(*steady(1, 1))
    conn.execute("ALTER TABLE lifeline.readings ADD CONSTRAINT poison CHECK (value <> 66)")
    fed.hear(message([("wl-000", START_US + 20 * SECOND_US, 66)]))
    fed.hear(*steady(60, first=3))
    assert flags(conn)[-1][2] == "spike, rate", "66 was never stored: 60 stands alone"


def test_a_future_claim_keeps_its_claim(conn: Connection) -> None:
    ahead_us = START_US + 600 * SECOND_US
    Fed(conn).hear(message([("wl-000", ahead_us, 1.0)]))
    found = conn.execute("SELECT time, claimed_at - time, flag, flag_reasons FROM city.readings").fetchall()
    assert [(time, away.total_seconds(), flag, why) for time, away, flag, why in found] == [(START, 600, 3, "future")]


def test_what_is_taken_in_late_is_no_spike_among_what_came_after(conn: Connection, files: dict[str, str]) -> None:
    fed = Fed(conn)
    fed.hear(*[message([("new-1", START_US + at * 10 * SECOND_US, 50.0)]) for at in range(3)])
    files["sensors.csv"] += "new-1,gw-1,s1,water_depth,cm,10,,,,\n"
    bundle.apply(conn, files, load_city(files), START)
    fed.hear(message([("new-1", START_US + 30 * SECOND_US, 2.0)]))
    assert replay(conn, Wish(), ManualClock(START).now).stored == 3
    assert flags(conn, "new-1") == [(50, 1, ""), (50, 1, ""), (50, 1, ""), (2, 1, "")]
