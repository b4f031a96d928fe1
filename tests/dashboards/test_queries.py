"""What the wall says of a small city whose state is known, as Grafana would ask it of a real database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from city.words import languages
from dashboards.builder import Json
from dashboards.files import build
from dashboards.proof import Frame, Range, expand, frame, to_wide
from store.connection import Connection, connect

WALLS = {language: next(iter(build(language).values())) for language in languages}
EVERYWHERE = ["north", "so'uth"]


def ask(connection: Connection, target: Json, span: Range, districts: list[str]) -> Frame:
    """The frame a panel gets; Grafana's own limits are 10 000 rows here and five seconds."""
    sql = expand(target["rawSql"], span, {"district": districts})
    connection.execute("SET statement_timeout = '5s'")
    cursor = connection.execute(sql.encode())
    types = connection.adapters.types
    columns = [(c.name, getattr(types.get(c.type_code), "name", "?")) for c in cursor.description or ()]
    rows = cursor.fetchmany(10_001)
    assert len(rows) <= 10_000
    return frame(columns, rows, target["format"])


def shown(
    dsn: str,
    kind: str,
    now: datetime,
    districts: list[str] = EVERYWHERE,
    language: str = "en",
    nth: int = 0,
    target: int = 0,
) -> Frame:
    """What the nth panel of a kind gets over the last six hours."""
    found = [p for p in WALLS[language]["panels"] if p["type"] == kind][nth]
    with connect(dsn) as connection:
        return ask(
            connection, found["targets"][target], Range(now - timedelta(hours=6), now + timedelta(minutes=1)), districts
        )


def row(made: Frame, place: int = 0) -> dict[str, Any]:
    return dict(zip(made.kinds, made.rows[place], strict=True))


@pytest.mark.parametrize("language", languages)
def test_the_drop_down_lists_each_district_once(seeded_city: str, language: str) -> None:
    variable = next(v for v in WALLS[language]["templating"]["list"] if v["type"] == "query")
    with connect(seeded_city) as connection:
        cursor = connection.execute(variable["query"].encode())
        assert [c.name for c in cursor.description or ()] == ["__text", "__value"]
        assert cursor.fetchall() == [("north", "north"), ("so'uth", "so'uth")]


def test_counts_per_level_leave_out_exercises_and_what_is_held_back(seeded_city: str, now: datetime) -> None:
    assert row(shown(seeded_city, "stat", now)) == {"red": 1, "orange": 1, "yellow": 1, "blue": 0}
    assert row(shown(seeded_city, "stat", now, ["so'uth"])) == {"red": 1, "orange": 0, "yellow": 0, "blue": 0}
    assert row(shown(seeded_city, "stat", now, nth=3)) == {
        "shelved": 1, "suppressed": 1, "out_of_service": 0, "maintenance": 1,
    }  # fmt: skip


def test_worst_state_per_domain_says_unknown_when_nobody_can_see(seeded_city: str, now: datetime) -> None:
    states = row(shown(seeded_city, "stat", now, nth=1))
    assert states == {"gas": 4, "waterlogging": 3, "bridge": -1, "settlement": 0.5, "weather": None, "platform": 2}


def test_what_cannot_be_seen_is_counted(seeded_city: str, empty_city: str, now: datetime) -> None:
    assert row(shown(seeded_city, "stat", now, nth=2)) == {"stale": 2, "gateways": 1}
    assert row(shown(empty_city, "stat", now, nth=2)) == {"stale": 0, "gateways": 0}


def test_the_platform_tells_its_faults_its_undelivered_notices_and_its_silence(
    seeded_city: str, empty_city: str, now: datetime
) -> None:
    told = row(shown(seeded_city, "stat", now, nth=4))
    assert (told["faults"], told["undelivered"]) == (1, 1)
    assert 5 <= told["newest"] < 300
    assert row(shown(empty_city, "stat", now, nth=4)) == {"faults": 0, "undelivered": 0, "newest": None}


def test_what_is_not_as_usual_is_told_apart(seeded_city: str, empty_city: str, now: datetime) -> None:
    made = shown(seeded_city, "table", now, nth=1)
    assert list(zip(made.column("kind"), made.column("title"), made.column("page"), strict=True)) == [
        ("flood", "city", "floods"),
        ("drill", "Night drill", "operations"),
        ("maintenance", "Pipe works", "maintenance"),
    ]
    assert not shown(empty_city, "table", now, nth=1).rows


def test_the_map_draws_the_worst_on_top_and_the_blind_otherwise(seeded_city: str, now: datetime) -> None:
    made = shown(seeded_city, "geomap", now)
    assert list(zip(made.column("site"), made.column("level"), strict=True)) == [
        ("t1", 0.5), ("b1", 2), ("u1", 3), ("g1", 4),
    ]  # fmt: skip
    assert row(made, 2)["name"] == "North underpass"
    assert made.column("sensor") == ["l1", "s1", "w1", "m1"]
    assert row(shown(seeded_city, "geomap", now, language="zh"), 2)["name"] == "北下穿"
    blind = shown(seeded_city, "geomap", now, target=1)
    assert (blind.column("site"), blind.column("level")) == (["b2"], [-1])


def test_open_incidents_come_worst_first_and_exercises_last_and_marked(seeded_city: str, now: datetime) -> None:
    made = shown(seeded_city, "table", now)
    assert made.column("incident") == ["I-2", "I-1", "I-3"]
    assert made.column("level") == [4, 3, 14]
    assert made.column("first_out") == ["m1", "w1", "m1"]
    assert 300 <= made.column("age")[0] < 900
    assert shown(seeded_city, "table", now, language="zh").column("title") == ["Gas", "积水", "Leak"]


def test_the_timeline_shows_the_state_before_the_range_and_what_cannot_be_seen(seeded_city: str, now: datetime) -> None:
    drawn = next(p for p in WALLS["en"]["panels"] if p["type"] == "state-timeline")
    with connect(seeded_city) as connection:
        span = Range(now - timedelta(minutes=30), now)
        wide = to_wide(ask(connection, drawn["targets"][0], span, EVERYWHERE))
    water = list(wide["North underpass · w1"].values())
    assert water[0] == 4  # raised ten minutes before the range began
    assert [v for v, before in zip(water[1:], water, strict=False) if v != before] == [3, 3.5]
    gas = list(wide["Main 1 · m1"].values())
    assert (gas[0], gas[-1]) == (0, 4)
    assert set(wide["Old bridge · gw3"].values()) == {2}


def test_the_timeline_never_loses_a_short_alarm(seeded_city: str, now: datetime) -> None:
    drawn = next(p for p in WALLS["en"]["panels"] if p["type"] == "state-timeline")
    with connect(seeded_city) as connection:
        span = Range(now - timedelta(days=365), now)  # one step is more than a day
        wide = to_wide(ask(connection, drawn["targets"][0], span, EVERYWHERE))
    assert max(v or 0 for v in wide["North underpass · w1"].values()) == 4


def test_the_alarm_rate_counts_every_alarm_once_and_shows_quiet_windows(seeded_city: str, now: datetime) -> None:
    made = shown(seeded_city, "timeseries", now)
    assert sum(made.column("rate")) == 7
    assert 0 in made.column("rate")
