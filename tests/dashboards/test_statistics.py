"""The page of alarm statistics counts in the database what `rules.statistics` counts from the same alarms."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from city.clock import SystemClock, to_us
from city.levels import COLOURS, Level
from dashboards.asked import asked
from dashboards.proof import Range, send
from rules.response import spread
from rules.statistics import Raise, load
from store.connection import Connection, connect
from store.testing import drop_database, fresh_database

LAST = SystemClock().now().replace(microsecond=0)
FIRST = LAST - timedelta(days=7)
SEEDS = range(6)


def raises(seed: int) -> list[tuple[Raise, datetime, datetime | None]]:
    """A week of alarms with bursts, repeats and some that stay; some before the range and some after it."""
    chance = random.Random(seed)
    found = []
    at = FIRST - timedelta(hours=3)
    while at < LAST + timedelta(hours=1):
        burst = chance.random() < 0.03
        for _ in range(chance.randint(8, 60) if burst else 1):
            at += timedelta(seconds=chance.choice([0, 0, 1, 20, 59.9, 60]) if burst else chance.expovariate(1 / 2400))
            age = timedelta(seconds=chance.choice([3, 9.999999, 10, 600, 86_400, 200_000]))
            cleared = None if chance.random() < 0.05 else at + age
            level = chance.choices(COLOURS, weights=(80, 15, 5, 1))[0]
            key = (
                f"rule-{chance.randint(0, 1 if burst else 3)}/s{int(chance.paretovariate(0.7)) % (4 if burst else 40)}"
            )
            found.append((Raise(key, level, to_us(at), to_us(cleared) if cleared else None), at, cleared))
    return found


def tell(conn: Connection, seed: int) -> None:
    """Write one seed's alarms, told at the desk of its name; again as drills, diagnostics, in another district."""
    alarms, told = [], []
    for number, (one, at, cleared) in enumerate(raises(seed)):
        rule, scope = one.key.split("/")
        for noise, (drill, counted, district) in enumerate(
            [("", True, "d1"), ("D-1", True, "d1"), ("", False, "d1"), ("", True, "d2")]
        ):
            alarm = f"A-{seed}-{number}-{noise}"
            alarms.append((alarm, rule, scope, scope, district, int(one.level), at, cleared, drill))
            told.append((f"N-{alarm}", f"desk {seed}", drill, alarm, district, counted, at))
    with conn.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level,
                                            peak_level, condition, raised_at, cleared_at, drill, title)
               VALUES (%s, %s, '1', %s, %s, 'u', %s, 'gas', 0, %s, 'normal', %s, %s, %s, '{"en": "t", "zh": "警"}')""",
            alarms,
        )
        cursor.executemany(
            """INSERT INTO lifeline.annunciations (annunciation, desk, drill, alarm, incident, district, domain,
                                                   counted, first, at)
               VALUES (%s, %s, %s, %s, 'I', %s, 'gas', %s, false, %s)""",
            told,
        )


@pytest.fixture(scope="module")
def told_city(postgres_dsn: str) -> Iterator[str]:
    """A city whose desks were told of much."""
    dsn = fresh_database(postgres_dsn)
    with connect(dsn) as conn:
        conn.execute("INSERT INTO lifeline.clock (origin, wall, speed) VALUES (%s, now(), 1e-9)", (LAST,))
        for seed in SEEDS:
            tell(conn, seed)
    yield dsn
    drop_database(dsn)


def rows(
    dsn: str, name: str, desks: Sequence[str], language: str = "en", page: str = "statistics"
) -> list[Mapping[str, Any]]:
    """The rows of a question, over the week."""
    values = {"desk": list(desks), "district": ["d1"]}
    with connect(dsn) as conn:
        cursor = conn.execute(send(asked(page, name, language), Range(FIRST, LAST), values).sql.encode())
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize("seeds", [*([seed] for seed in SEEDS), SEEDS], ids=str)
def test_the_page_counts_what_the_formulae_count(told_city: str, seeds: Sequence[int]) -> None:
    seen = load([one for seed in seeds for one, _, _ in raises(seed)], to_us(FIRST), to_us(LAST))
    desks = [f"desk {seed}" for seed in seeds]
    (rate,), (floods,), (frequent,), (stale,) = (
        rows(told_city, name, desks) for name in ("rate", "floods", "frequent", "stale")
    )
    assert seen.floods
    assert seen.chattering
    assert seen.fleeting
    assert rate == {
        "raises": seen.raises,
        "per_hour": pytest.approx(seen.per_hour),
        "per_bin": pytest.approx(seen.per_bin),
        "peak": seen.peak,
        "bins_over": pytest.approx(seen.bins_over),
    }
    assert floods == {
        "flood_share": pytest.approx(seen.flood_share),
        "floods": len(seen.floods),
        "longest": pytest.approx(max(flood.to_us - flood.from_us for flood in seen.floods) / 1e6),
        "flood_peak": max(flood.peak for flood in seen.floods),
    }
    assert frequent == {
        "top_share": pytest.approx(seen.top_share),
        "chattering": len(seen.chattering),
        "fleeting": seen.fleeting,
    }
    assert (stale["stale"], stale["stale_peak"]) == (seen.standing, seen.standing_peak)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ten_most_frequent_and_the_levels_are_those_of_the_formulae(told_city: str, seed: int) -> None:
    seen = load([one for one, _, _ in raises(seed)], to_us(FIRST), to_us(LAST))
    top = rows(told_city, "top", [f"desk {seed}"])
    assert tuple((row["key"], row["n"]) for row in top) == seen.top
    assert {row["key"] for row in top if row["chatters"]} == set(seen.chattering) & {key for key, _ in seen.top}
    mix = rows(told_city, "mix", [f"desk {seed}"])
    assert {Level(row["level"]): row["share"] for row in mix} == pytest.approx(dict(seen.shares))
    assert {Level(row["level"]) for row in mix if row["rating"] == 2} == set(seen.off_target)
    assert rows(told_city, "top", [f"desk {seed}"], "zh")[0]["title"] == "警"


def test_every_alarm_is_in_the_trend_once_and_quiet_steps_are_there(told_city: str) -> None:
    seen = load([one for one, _, _ in raises(0)], to_us(FIRST), to_us(LAST))
    trend = rows(told_city, "rate_over_time", ["desk 0"])
    (width,) = {later["time"] - earlier["time"] for earlier, later in pairwise(trend)}
    assert sum(row["rate"] for row in trend) * (width / timedelta(minutes=10)) == pytest.approx(seen.raises)
    assert len(trend) <= 300
    assert min(row["rate"] for row in trend) == 0


def test_a_range_from_before_the_first_folder_begins_with_it(told_city: str) -> None:
    began = LAST - timedelta(days=2)
    with connect(told_city) as conn, conn.transaction(force_rollback=True):
        conn.execute("INSERT INTO lifeline.bundles VALUES ('b', '{}', %s)", (began,))
        values = {"desk": ["desk 1"], "district": ["d1"]}
        row = conn.execute(send(asked("statistics", "rate", "en"), Range(FIRST, LAST), values).sql.encode()).fetchone()
    seen = load([one for one, _, _ in raises(1)], to_us(began), to_us(LAST))
    assert row is not None
    assert (row[0], row[1]) == (seen.raises, pytest.approx(seen.per_hour))


def test_nothing_chosen_is_nothing_counted(told_city: str) -> None:
    (rate,), (floods,), (frequent,) = (rows(told_city, name, []) for name in ("rate", "floods", "frequent"))
    assert (rate["raises"], rate["per_hour"], rate["peak"]) == (0, 0, 0)
    assert (floods["flood_share"], floods["floods"]) == (0, 0)
    assert frequent == {"top_share": None, "chattering": 0, "fleeting": 0}
    assert {row["share"] for row in rows(told_city, "mix", [])} == {None}


@pytest.fixture(scope="module")
def answered_city(postgres_dsn: str) -> Iterator[str]:
    """Ten orange incidents that people answered, one of them a drill, one of them never looked at; their notices."""
    dsn = fresh_database(postgres_dsn)
    with connect(dsn) as conn:
        conn.execute("INSERT INTO lifeline.clock (origin, wall, speed) VALUES (%s, now(), 1e-9)", (LAST,))
        for number in range(10):
            answer(conn, number)
        for statement in SEEN.split(";\n"):
            conn.execute(statement.encode(), {"first": FIRST})
    yield dsn
    drop_database(dsn)


# A sign half an hour before the first incident, one that only late data showed, and one long before.
SEEN = """
INSERT INTO lifeline.sites (site, kind, name, district, lon, lat) VALUES ('u', 'x', '{}', 'd1', 1, 2);
INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat)
VALUES ('s', 'g', 'u', 'water_depth', 'waterlogging', 'cm', 60, 1, 2);
INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score) VALUES
  (%(first)s + interval '30 min', 's', 'd', 'level', 'abnormal', 2),
  (%(first)s + interval '10 min', 's', 'd', 'late_detected', 'abnormal', 2),
  (%(first)s + interval '20 min', 's', 'rule:r', 'near_miss', 'normal', 0),
  (%(first)s + interval '30 min', 's', 'rule:r', 'near_miss', 'normal', 0),
  (%(first)s - interval '30 min', 's', 'rule:r', 'near_miss', 'normal', 0),
  (%(first)s - interval '3 d', 's', 'd', 'level', 'abnormal', 2)"""


def answer(conn: Connection, number: int) -> None:
    """Incident `number`: acknowledged after so many minutes, confirmed as real (7 is false) after twice as many."""
    opened = FIRST + timedelta(hours=number + 1)
    drill = number == 9
    conn.execute(
        """INSERT INTO lifeline.incidents (incident, site, district, level, peak_level, stage, opened_at, title,
                                           first_alarm, chain, chain_version, drill)
           VALUES (%s, 'u', 'd1', 3, 3, 'raised', %s, '{"en": "t"}', %s, 'c', '1', %s)""",
        (f"I{number}", opened, f"A{number}", drill),
    )
    conn.execute(
        """INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level,
                                        peak_level, condition, raised_at, incident, title)
           VALUES (%s, 'r', '1', 's', 's', 'u', 'd1', 'gas', 3, 3, 'active', %s, %s, '{"en": "t"}')""",
        (f"A{number}", opened, f"I{number}"),
    )
    conn.execute(
        """INSERT INTO lifeline.alarm_events (event, time, recorded_at, alarm, kind, from_level, to_level,
                                              from_condition, to_condition, reason, evidence)
           VALUES (%s, %s, %s, %s, 'raised', 0, 3, 'normal', 'active', '', '[]')""",
        (f"E{number}", opened, opened + timedelta(seconds=2), f"A{number}"),
    )
    conn.execute(
        "INSERT INTO lifeline.annunciations VALUES (%s, 'desk', %s, %s, %s, 'd1', 'gas', true, false, %s)",
        (f"N{number}", "D" if drill else "", f"A{number}", f"I{number}", opened),
    )
    said = [("acknowledge", number), ("false_alarm" if number == 7 else "confirm", 2 * number)] if number else []
    for kind, minutes in said if number != 5 else said[:1]:
        conn.execute(
            "INSERT INTO lifeline.incident_events VALUES (%s, %s, %s, %s, 'li', '', 'li')",
            (f"{number}{kind}", opened + timedelta(minutes=minutes), f"I{number}", kind),
        )
    conn.execute(
        """INSERT INTO lifeline.incident_clocks VALUES (%s, 1, 'acknowledge', 3, %s, %s, %s, NULL, '')""",
        (f"I{number}", opened, opened + timedelta(minutes=5), "met" if 0 < number <= 5 else "missed"),
    )
    if number in (0, 8):
        conn.execute("INSERT INTO lifeline.escalations VALUES (%s, 1, 1, 0, %s, 'fired', '')", (f"I{number}", opened))
    conn.execute(
        """INSERT INTO lifeline.notices (notice, incident, kind, round, step, target, via, channel, state, level,
                                         content, created_at, next_try_at, sent_at, drill, fallback_of)
           VALUES (%s, %s, 'raise', 1, 0, 'li', 'li', %s, %s, 3, '{}', %s, %s, %s, %s, %s)""",
        (
            f"T{number}", f"I{number}", "sms" if number % 2 else "email", "failed" if number == 3 else "sent", opened,
            opened, None if number == 3 else opened + timedelta(seconds=3 + number), drill,
            "T3" if number == 1 else None,
        ),
    )  # fmt: skip


def test_how_soon_people_answered_beside_what_they_were_given(answered_city: str) -> None:
    done = {row["step"]: row for row in rows(answered_city, "responses", ["desk"])}
    known = spread(60.0 * number for number in range(1, 9))
    assert known is not None
    assert done["acknowledge"] == {
        "level": 3, "step": "acknowledge", "n": 8, "p50": known.p50_s, "p90": known.p90_s, "allowed": 300.0,
        "met": pytest.approx(5 / 9),
    }  # fmt: skip
    assert done["confirm"]["n"] == 6
    assert "close" not in done


def test_figures_of_people_are_those_counted_by_hand(answered_city: str) -> None:
    (people,) = rows(answered_city, "people", ["desk"])
    acted_s = [120.0 * number for number in (1, 2, 3, 4, 6, 7, 8)]
    assert people == {
        "incidents": 9,
        "mean_response": pytest.approx(sum(acted_s) / 7),
        "idle": pytest.approx(1 / 8),
        "escalated": pytest.approx(2 / 9),
        "false_share": pytest.approx(1 / 7),
        "lead": 4.5 * 3600,  # nine incidents, half an hour to eight and a half after the sign
        "late_detected": 1,
        "near_misses": 2,
    }


def test_delivery_is_timed_from_the_event_and_from_its_arrival(answered_city: str) -> None:
    by_channel = {row["channel"]: row for row in rows(answered_city, "deliveries", ["desk"])}
    email, sms = by_channel["email"], by_channel["sms"]
    assert (email["n"], email["event_p50"], email["event_p95"]) == (5, 7.0, 11.0)
    assert (email["ingest_p50"], email["ingest_p95"], email["failed"]) == (5.0, 9.0, 0.0)
    assert (sms["n"], sms["failed"], sms["fallback"], sms["twice"]) == (4, 0.25, 0.25, 0)
    assert sms["event_p95"] == 10.0  # the drill, the one that failed and the one that took over are left out


def test_holds_are_counted_with_those_that_are_too_long_or_unsigned(answered_city: str) -> None:
    shelf = (
        """INSERT INTO lifeline.shelves VALUES (%s, %s, %s, 'r', 'w1', %s, false, %s, %s, %s, 'why', 'web', %s, '')"""
    )
    with connect(answered_city) as conn:
        conn.execute(
            """INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat)
               VALUES ('w1', 'g', 'u', 'water_depth', 'waterlogging', 'cm', 60, 1, 2)"""
        )
        for name, hold, level, hours, who, over in (
            ("S1", "shelved", 2, 2, "li", True),  # two hours of at most eight
            ("S2", "shelved", 4, 4, "li", True),  # a red one: at most a quarter of an hour
            ("S3", "shelved", 1, 1, "", False),
            ("S4", "out_of_service", 0, 1, "li", False),
        ):
            since = LAST - timedelta(hours=10)
            ended = since + timedelta(hours=hours) if over else None
            conn.execute(shelf, (name, hold, f"r/{name}", level, since, LAST + timedelta(days=1), who, ended))
            if who:
                conn.execute(
                    "INSERT INTO lifeline.hold_events VALUES (%s, %s, %s, 'shelve', 'li', '', 'web')",
                    (name, since, f"r/{name}"),
                )
    (held,) = rows(answered_city, "suppression", ["desk"])
    assert (held["shelved"], held["out_of_service"], held["over_limit"], held["unauthorised"]) == (1, 1, 1, 1)
    assert held["mean_shelf"] == pytest.approx((2 + 4 + 10) / 3 * 3600)
