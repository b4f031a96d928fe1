"""Without a snapshot, floods and maintenance windows go on as if nothing had happened."""

from __future__ import annotations

from typing import Any

import pytest

from city.clock import from_us
from rules.desk.floods import Floods
from rules.engine import Engine
from rules.inputs import BundleIn, HoldKind
from rules.persist import persist
from rules.rebuild import rebuild
from store import bundle, journal
from store.connection import Connection, connect
from tests.rules.small_city import T0_US, Desk, desk_of
from tests.rules.storm import rise, storm_files

WINDOWS = """
maintenance:
  - id: pumps
    selector: {sites: [u50]}
    start: "2026-07-01T18:00"
    duration: 2h
    repeat: FREQ=DAILY;COUNT=3
    reason: pump service
  - id: later
    selector: {districts: [south]}
    start: "2026-07-02T18:00"
    duration: 2h
    reason: cleaning
"""


def made_again(conn: Connection, desk: Desk, at_s: float) -> Engine:
    """The engine that the tables give back after all that the desk has told."""
    at = from_us(T0_US + round(at_s * 1e6))
    bundle.apply(conn, dict(storm_files()), desk.checked.city, from_us(T0_US))
    persist(conn, [(effect, at, 1) for effect in desk.effects])
    journal.set_checkpoint(conn, "watcher", 1, at)
    conn.commit()
    engine, _ = rebuild(conn, BundleIn("b", desk.checked.book, desk.checked.escalation), "watcher")
    conn.rollback()
    return engine


def shape(floods: Floods, at_s: float) -> dict[str, Any]:
    """All that decides what floods do next."""
    found: dict[str, Any] = {}
    for name, flow in floods.flows.items():
        found[name] = [(s.at_us, s.alarm.id) for s in flow.recent if s.at_us > T0_US + (at_s - 600) * 1e6]
        if (flood := flow.flood) is not None:
            found["flood"] = (flood.row(), list(flood.alarms), flood.zones, list(flood.firsts), flood.said)
            found["told"] = {person: (ways, via) for person, (_, ways, via) in flood.told.items()}
            found["waiting"] = {
                key: (one.id, one.opened_us, one.channels, one.via,
                      {i: (e.kinds, set(e.alarms)) for i, e in one.entries.items()})
                for key, one in flood.waiting.items()
            }  # fmt: skip
    return found


@pytest.mark.parametrize("until", ["before", "begun", "waiting", "sent", "over"])
def test_a_flood_goes_on(database: str, until: str) -> None:
    desk = desk_of(storm_files())
    at = 0
    for at in range(8):
        rise(desk, [at], at)
    if until != "before":
        rise(desk, range(8, 20), 10)
        at = 10
    if until in ("waiting", "sent", "over"):
        rise(desk, [3, 30], 20, 50.0)
        desk.feed([(f"m{n}", 30, 20.0) for n in range(6)])
        at = 30
    if until in ("sent", "over"):
        desk.tick(75)
        rise(desk, range(40, 44), 80)
        rise(desk, [5], 90, 0.0)
        rise(desk, [5], 160, 0.0)
        at = 160
    if until == "over":
        desk.tick(2000)
        at = 2000
    with connect(database) as conn:
        assert shape(made_again(conn, desk, at).state.floods, at) == shape(desk.engine.state.floods, at)


def test_windows_and_what_people_hold_go_on(database: str) -> None:
    files = {**storm_files(), "calendar.yaml": WINDOWS}
    desk = desk_of(files)
    desk.hold(HoldKind.MAINTAIN, "site/u1", 1, until_s=7200)
    rise(desk, [1, 50], 5)
    with connect(database) as conn:
        state = made_again(conn, desk, 5).state
        assert state.holds.planned == desk.engine.state.holds.planned
        assert state.holds.maintained == desk.engine.state.holds.maintained
        rows = conn.execute(
            'SELECT "window", kind, running, by, up_to FROM city.maintenance ORDER BY kind, "window"'
        ).fetchall()
    assert [row[1:] for row in rows] == [
        ("ad_hoc", True, "Li", "orange"), ("file", False, "", "orange"), ("file", True, "", "orange"),
    ]  # fmt: skip
    assert rows[2][0] == "pumps"


def test_the_views_show_the_flood(database: str) -> None:
    desk = desk_of(storm_files())
    rise(desk, range(20), 10)
    rise(desk, [4], 20, 0.0)
    rise(desk, [4], 90, 0.0)
    desk.tick(100)
    desk.tick(2000)
    with connect(database) as conn:
        made_again(conn, desk, 2000)
        (flood,) = conn.execute("SELECT desk, alarms, peak, digests, ended_at FROM city.floods").fetchall()
        shown = conn.execute("SELECT alarm, stands, first, title FROM city.flood_alarms").fetchall()
        entries = conn.execute("SELECT count(DISTINCT digest) FROM city.digest_entries").fetchone()
    assert flood[:3] == ("city", 20, 20)
    assert flood[4] == from_us(T0_US + 610_000_000)
    assert {row[0] for row in shown} == {alarm.id for alarm in desk.alarms()}
    assert [row[1] for row in shown].count(False) == 1
    assert [row[2] for row in shown].count(True) == 2  # north and south
    assert entries == (flood[3],)
