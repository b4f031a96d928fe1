"""Data quality, the platform itself and the page for the public: what a small city is shown, counted by hand."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from city.clock import to_us
from city.reading import Readings
from dashboards.asked import asked
from dashboards.pages import all_dashboards
from dashboards.proof import Range, send
from store.connection import Connection, connect
from store.grants import dsn_of, grant_reader, revoke
from store.health import report
from store.readings import ReadingWriter
from store.testing import drop_database, fresh_database

LAST = datetime(2026, 7, 2, 9, tzinfo=UTC)  # city.now() stands still at it
FIRST = LAST - timedelta(hours=6)
MINUTE = timedelta(minutes=1)

CITY = """
INSERT INTO lifeline.clock (origin, wall, speed) VALUES (%(now)s, now(), 1e-9);
INSERT INTO lifeline.districts VALUES
  ('d1', '{"en": "One", "zh": "一区"}'), ('d2', '{"en": "Two"}'), ('d3', '{"en": "Three"}');
INSERT INTO lifeline.sites (site, kind, name, district, lon, lat) VALUES
  ('u', 'underpass', '{"en": "Underpass", "zh": "下穿"}', 'd1', 1, 2), ('g', 'gas_main', '{}', 'd2', 1, 2);
INSERT INTO lifeline.gateways (gateway, district, interval_s) VALUES ('gw1', 'd1', 60), ('gw2', 'd2', 60);
INSERT INTO lifeline.gateway_ledger
  (gateway, online, last_seen, skew_s, published, stored, repeated, rejected, missing) VALUES
  ('gw1', true, %(now)s - interval '5 s', 1.5, 100, 90, 4, 6, 0),
  ('gw2', false, %(now)s - interval '2 h', -75, 50, 40, 5, 3, 7);
INSERT INTO lifeline.sensors
  (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat, range_min, range_max) VALUES
  ('full', 'gw1', 'u', 'water_depth', 'waterlogging', 'cm', 60, 1, 2, 0, 100),
  ('half', 'gw1', 'u', 'water_depth', 'waterlogging', 'cm', 60, 1, 2, 0, 100),
  ('flat', 'gw2', 'g', 'methane', 'gas', '%%LEL', 60, 1, 2, 0, 100),
  ('broken', 'gw2', 'g', 'methane', 'gas', '%%LEL', 60, 1, 2, 0, 100);
INSERT INTO lifeline.shelves VALUES ('S', 'out_of_service', 'broken', '', 'broken', 0, false, %(now)s - interval '1 h',
  %(now)s + interval '1 h', 'li', 'being replaced', 'web', NULL, '');
INSERT INTO lifeline.rejections (received_at, gateway, reason) VALUES
  (%(now)s - interval '1 h', 'gw1', 'bad_time'), (%(now)s - interval '1 h', 'gw1', 'bad_time'),
  (%(now)s - interval '2 h', 'gw2', 'conflict'), (%(now)s - interval '3 h', '', 'unknown_gateway'),
  (%(now)s - interval '7 h', 'gw1', 'bad_unit');
INSERT INTO lifeline.deafness (since, until) VALUES (%(now)s - interval '4 h', %(now)s - interval '5 h');
INSERT INTO lifeline.bundles VALUES ('old', '{}', %(now)s - interval '9 d'), ('new', '{}', %(now)s - interval '2 h');
INSERT INTO lifeline.current_bundle (bundle) VALUES ('new');
INSERT INTO lifeline.roles (role, pid, started_at, beat_at, detail) VALUES  -- the watcher beats on and on
  ('recorder', 1, now() - interval '1 h', now() - interval '90 s', '{"rate_per_s": 12.5, "lag_s": 3}'),
  ('watcher', 1, now() - interval '1 h', now() + interval '1 h', '{"lag_s": 0.5}');
INSERT INTO lifeline.sizes VALUES (%(now)s - interval '2 h', 1000), (%(now)s - interval '1 h', 3000);
INSERT INTO lifeline.notices
  (notice, kind, round, step, target, via, channel, state, level, content, created_at, next_try_at) VALUES
  ('N1', 'raise', 1, 0, 'li', 'li', 'sms', 'queued', 4, '{}', %(now)s - interval '90 s', %(now)s),
  ('N2', 'raise', 1, 0, 'li', 'li', 'sms', 'failed', 4, '{}', %(now)s - interval '10 min', %(now)s),
  ('N3', 'raise', 1, 0, 'li', 'li', 'email', 'delivered', 4, '{}', %(now)s - interval '20 min', %(now)s),
  ('N4', 'raise', 1, 0, 'li', 'li', 'email', 'sent', 4, '{}', %(now)s - interval '3 d', %(now)s);
INSERT INTO lifeline.alarms
  (alarm, rule, rule_version, scope, sensor, site, district, domain, level, peak_level, condition, hold, raised_at,
   drill, title)
VALUES
  ('A1', 'r', '1', 'full', 'full', 'u', 'd1', 'waterlogging', 2, 4, 'active', '', %(now)s, '', '{"en": "Li Wei\'\'s"}'),
  ('A2', 'r', '1', 'full', 'full', 'u', 'd1', 'waterlogging', 4, 4, 'active', '', %(now)s, 'D-1', '{}'),
  ('A3', 'r', '1', 'half', 'half', 'u', 'd1', 'waterlogging', 4, 4, 'active', 'maintenance', %(now)s, '', '{}')
"""


def readings(conn: Connection) -> Readings:
    """Six hours: `full` every minute and once out of its range; `half` in the first three hours; `flat` always 5."""
    numbers: dict[str, int] = dict(conn.execute("SELECT sensor, sensor_id FROM lifeline.sensors").fetchall())
    rows = []
    for minute in range(360):
        at = FIRST + minute * MINUTE
        values = {"full": 900.0 if minute == 200 else float(minute % 7), "flat": 5.0}
        if minute < 180:
            values["half"] = 0.0
        for sensor, value in values.items():
            flag = 4 if value > 100 else 3 if (sensor, minute) == ("full", 10) else 1
            at_us = to_us(at)
            rows.append((numbers[sensor], at_us, at_us + 2_000_000, value, flag, value))
    return Readings.of(sorted(rows, key=lambda row: row[1]))


@pytest.fixture(scope="module")
def small(postgres_dsn: str) -> Iterator[str]:
    """A small city with something wrong of each kind."""
    dsn = fresh_database(postgres_dsn)
    with connect(dsn) as conn:
        for statement in CITY.replace("\\'\\'", "''").split(";\n"):
            conn.execute(statement.encode(), {"now": LAST})
        ReadingWriter(conn).write(readings(conn))
        report(conn, "journal_oldest", "ok", 4.0, "s")
        report(conn, "store_days_left", "fault", 3.0, "d", "make room", "full in 3 days")
    yield dsn
    drop_database(dsn)


def rows(
    dsn: str, page: str, name: str, districts: Sequence[str] = ("d1", "d2"), language: str = "en", hours: float = 6
) -> list[Mapping[str, Any]]:
    """The rows of a question over the last hours."""
    span = Range(LAST - timedelta(hours=hours), LAST)
    with connect(dsn) as conn:
        cursor = conn.execute(send(asked(page, name, language), span, {"district": list(districts)}).sql.encode())
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_completeness_is_what_came_of_what_was_due(small: str) -> None:
    (one,) = rows(small, "quality", "whole", ["d1"])
    due = 2 * (5 * 60 + 59)  # of the last hour one minute may still be on its way
    assert one["complete"] == pytest.approx((5 * 60 + 59 + 180) / due)
    assert (one["stale"], one["sensors"]) == (1, 2)
    (other,) = rows(small, "quality", "whole", ["d2"])
    assert (other["complete"], other["sensors"]) == (pytest.approx(1), 1)  # the one that is out of service owes nothing
    (nothing,) = rows(small, "quality", "whole", ["d3"])
    assert nothing == {"complete": None, "stale": 0, "sensors": 0}


@pytest.mark.parametrize(("hours", "pieces"), [(6, 6), (60, 4)])
def test_completeness_by_domain_has_every_hour_or_day(small: str, hours: int, pieces: int) -> None:
    found = rows(small, "quality", "completeness", hours=hours)
    gas = {row["time"]: row["complete"] for row in found if row["metric"] == "gas"}
    water = {row["time"]: row["complete"] for row in found if row["metric"] == "waterlogging"}
    assert len(gas) == len(water) == pieces
    if hours == 6:
        assert list(water.values()) == [100, 100, 100, 50, 50, 50]
        assert set(gas.values()) == {100}
    else:
        assert list(gas.values()) == [0, 0, 0, 67]  # today began nine hours ago


def test_the_least_complete_sensor_stands_first_with_each_of_its_hours(small: str) -> None:
    found = rows(small, "quality", "least_complete")
    assert [row["complete"] for row in found if row["metric"] == "half"] == [100, 100, 100, 0, 0, 0]
    assert [row["metric"] for row in found][:3] == ["half", "flat", "full"]


def test_silent_sensors_are_listed_but_those_out_of_service(small: str) -> None:
    (silent,) = rows(small, "quality", "stale", language="zh")
    assert (silent["sensor"], silent["site"], silent["age"]) == ("half", "下穿", pytest.approx(181 * 60))


def test_flat_lines_and_impossible_values_are_found_and_a_dry_zero_is_none(small: str) -> None:
    full, flat = rows(small, "quality", "suspicious")
    assert (full["sensor"], full["flat"], full["outside"], full["high"]) == ("full", 0, pytest.approx(1 / 6), 900)
    assert (flat["sensor"], flat["flat"], flat["outside"], flat["low"]) == ("flat", 1, 0, 5)


def test_flags_are_shares_of_sensor_hours(small: str) -> None:
    found = rows(small, "quality", "flags")
    assert [row["suspect"] for row in found] == pytest.approx([1 / 3, 0, 0, 0, 0, 0])
    assert [row["failed"] for row in found] == pytest.approx([0, 0, 0, 1 / 2, 0, 0])


def test_the_ledger_adds_up_or_says_how_much_does_not(small: str) -> None:
    (sums,) = rows(small, "quality", "ledger")
    assert sums == {
        "published": 150, "stored": 130, "repeated": 9, "rejected": 9, "lost": 2, "missing": 7, "skewed": 1,
    }  # fmt: skip
    worst, fine = rows(small, "quality", "gateways")
    assert (worst["gateway"], worst["silent"], worst["lost"], worst["skew"]) == ("gw2", 1, 2, -75)
    assert (fine["gateway"], fine["silent"], fine["lost"]) == ("gw1", 0, 0)


def test_refusals_are_counted_once_each_by_reason(small: str) -> None:
    counts: dict[str, float] = {}
    found = rows(small, "quality", "rejections")
    for row in found:
        counts[row["metric"]] = counts.get(row["metric"], 0) + row["refused"]
    assert counts == {"bad_time": 2, "conflict": 1, "unknown_gateway": 1}
    assert len(found) == 3 * 40
    only = {row["metric"] for row in rows(small, "quality", "rejections", ["d2"])}
    assert only == {"conflict", "unknown_gateway"}


def test_spans_in_which_the_platform_heard_nothing_are_marked(small: str) -> None:
    (gap,) = rows(small, "quality", "deaf", language="zh")
    assert (gap["time"], gap["timeend"]) == (LAST - timedelta(hours=5), LAST - timedelta(hours=4))
    assert gap["text"] == "平台自身未接收"
    assert rows(small, "quality", "deaf", hours=2) == []


def test_late_sensors_are_those_that_send_old_values(small: str) -> None:
    (late,) = rows(small, "quality", "late")
    assert (late["late"], late["skew"], late["worst_skew"]) == (0, 1.5, 75)
    with connect(small) as conn, conn.transaction(force_rollback=True):
        conn.execute("UPDATE lifeline.latest SET time = time - interval '10 min', received_at = %s", (LAST,))
        sent = send(asked("quality", "late", "en"), Range(FIRST, LAST), {"district": ["d1"]})
        assert (conn.execute(sent.sql.encode()).fetchone() or ())[0] == 2


def test_health_says_what_is_wrong_first_and_how_old_that_is(small: str) -> None:
    found = rows(small, "platform", "health")
    assert [(row["name"], row["state"]) for row in found] == [
        ("role_recorder", 2), ("store_days_left", 2), ("journal_oldest", 0), ("role_watcher", 0),
    ]  # fmt: skip
    assert found[0]["age"] >= 90
    assert (found[1]["text"], found[1]["advice"], found[1]["age"]) == ("full in 3 days", "make room", pytest.approx(0))
    assert rows(small, "platform", "faults") == [{"faults": 2, "warnings": 0, "checks": 4}]


def test_lags_are_those_that_the_roles_report(small: str) -> None:
    (lags,) = rows(small, "platform", "lags")
    assert lags == {
        "rate": 12.5, "ingest": 3, "journal": 4, "deciding": 0.5, "outbox": pytest.approx(90), "rollups": None,
    }  # fmt: skip
    (beat, _) = rows(small, "platform", "roles")
    assert beat["role"] == "recorder"
    assert 3600 <= beat["running"] < 7200
    assert rows(small, "platform", "room")[0]["days_left"] == 3


def test_the_sign_of_life_ages_from_the_last_time_it_was_said(small: str) -> None:
    (silent,) = rows(small, "platform", "watchdog")
    assert silent == {"heartbeat": None, "silent": 0, "bundle": 7200}
    with connect(small) as conn, conn.transaction(force_rollback=True):
        report(conn, "heartbeat", "ok", 60, "s")
        conn.execute("UPDATE lifeline.health SET reported_at = reported_at - interval '200 s' WHERE name = 'heartbeat'")
        sent = send(asked("platform", "watchdog", "en"), Range(FIRST, LAST), {}).sql.encode()
        assert conn.execute(sent).fetchone() == (pytest.approx(200), 0, 7200)
        report(conn, "heartbeat", "ok", 60, "s")
        assert conn.execute(sent).fetchone() == (pytest.approx(0), 0, 7200)
        conn.execute(
            "UPDATE lifeline.health SET state = 'fault', since = since - interval '1 h' WHERE name = 'heartbeat'"
        )
        assert conn.execute(sent).fetchone() == (pytest.approx(3600), 1, 7200)


@pytest.mark.parametrize(("hours", "steps"), [(1, 12), (6, 6), (60, 1)])
def test_the_rate_of_readings_in_short_and_long_ranges(small: str, hours: int, steps: int) -> None:
    found = rows(small, "platform", "ingest", hours=hours)
    assert len(found) == steps
    whole = {1: 2 / 60, 6: (360 * 2 + 180) / 21600, 60: (360 * 2 + 180) / (9 * 3600)}[hours]
    assert sum(row["rate"] for row in found) / steps == pytest.approx(whole)


def test_the_outbox_by_channel_and_the_size_over_time(small: str) -> None:
    sms, email = rows(small, "platform", "outbox")
    assert sms == {"channel": "sms", "waiting": 1, "oldest": 90, "sent": 0, "delivered": 0, "failed": 1, "lost": 1}
    assert (email["waiting"], email["oldest"], email["delivered"], email["sent"]) == (0, None, 1, 0)
    assert [row["size"] for row in rows(small, "platform", "sizes")] == [1000, 3000]
    notices = rows(small, "platform", "delivery")
    assert (sum(row["made"] for row in notices), sum(row["failed"] for row in notices)) == (3, 1)


def test_the_public_sees_real_warnings_by_district_and_what_is_not_known(small: str) -> None:
    one, three, two = rows(small, "public", "state")
    assert one == {"district": "One", "gas": None, "waterlogging": 2, "bridge": None, "settlement": None}
    assert (two["district"], two["gas"]) == ("Two", 0)
    assert set(three.values()) == {"Three", None}
    assert rows(small, "public", "city") == [{"gas": 0, "waterlogging": 2, "bridge": None, "settlement": None}]
    assert rows(small, "public", "updated") == [{"age": pytest.approx(60)}]
    assert {row["district"] for row in rows(small, "public", "state", language="zh")} == {"一区", "Two", "Three"}


def test_a_district_of_which_nothing_is_heard_is_not_called_safe(small: str) -> None:
    with connect(small) as conn, conn.transaction(force_rollback=True):
        conn.execute("UPDATE lifeline.latest SET received_at = received_at - interval '1 h'")
        sent = send(asked("public", "state", "en"), Range(FIRST, LAST), {}).sql.encode()
        states = {row[0]: row[1:3] for row in conn.execute(sent).fetchall()}
    assert states["Two"] == (-1, None)
    assert states["One"] == (None, 2)  # a warning that stands is told all the same


@pytest.mark.parametrize("uid", ["lifeline-public", "lifeline-public-zh"])
def test_the_page_for_the_public_names_nobody_and_leads_nowhere(small: str, uid: str) -> None:
    board = all_dashboards("https://console.example.org")[uid]
    written = json.dumps(board)
    assert "console" not in written
    assert "/d/" not in written
    shown = {column for panel in board["panels"] for column in re.findall(r" AS (\w+)", _shown(panel))}
    assert not shown & {"sensor", "gateway", "site", "incident", "title", "person", "name"}
    for name in ("state", "city", "updated"):
        said = json.dumps(rows(small, "public", name), default=str)
        assert not any(secret in said for secret in ("full", "half", "gw1", "Underpass", "Li Wei"))


def _shown(panel: Mapping[str, Any]) -> str:
    """The columns that a panel's question gives out."""
    return str(panel["targets"][0]["rawSql"]).rpartition("SELECT")[2]


def test_a_reader_of_one_district_is_shown_that_one_alone(small: str) -> None:
    with connect(small, autocommit=True) as conn:
        for district in ("d1", "d2"):
            conn.execute(
                "INSERT INTO lifeline.annunciations VALUES (%s, 'desk', '', 'A1', 'I', %s, 'gas', true, false, %s)",
                (f"told in {district}", district, LAST),
            )
        name = f"figures_{secrets.token_hex(4)}"
        login = grant_reader(conn, name, ["d1"])
        try:
            with connect(dsn_of(small, login)) as reader:
                told = reader.execute("SELECT annunciation FROM city.annunciations").fetchall()
                holds = reader.execute("SELECT shelf FROM city.shelf_history").fetchall()
                districts = reader.execute("SELECT district FROM city.districts").fetchall()
                sent = send(asked("statistics", "suppression", "en"), Range(FIRST, LAST), {"district": ["d1", "d2"]})
                held = reader.execute(sent.sql.encode()).fetchone()
        finally:
            revoke(conn, name)
            conn.execute("DELETE FROM lifeline.annunciations")
    assert (told, holds, districts) == ([("told in d1",)], [], [("d1",)])  # the hold is on a sensor of the other
    assert held is not None
    assert held[1] == 0
