"""Every query of the wall, as Grafana would send it, on a real database."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from city.words import languages
from dashboards.builder import Json
from dashboards.files import build
from dashboards.proof import Frame, Range, expand, frame, to_wide
from store.connection import Connection, connect

WALLS = {language: next(iter(build(language).values())) for language in languages}
PANELS = [(language, panel["id"]) for language, wall in WALLS.items() for panel in wall["panels"]]
EVERYWHERE = ["north", "so'uth"]


def panel(language: str, panel_id: int) -> Json:
    return next(p for p in WALLS[language]["panels"] if p["id"] == panel_id)


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
    dsn: str, kind: str, now: datetime, districts: list[str] = EVERYWHERE, language: str = "en", nth: int = 0
) -> Frame:
    """What the nth panel of a kind gets over the last six hours."""
    found = [p for p in WALLS[language]["panels"] if p["type"] == kind][nth]
    with connect(dsn) as connection:
        return ask(
            connection, found["targets"][0], Range(now - timedelta(hours=6), now + timedelta(minutes=1)), districts
        )


def row(made: Frame, place: int = 0) -> dict[str, Any]:
    return dict(zip(made.kinds, made.rows[place], strict=True))


@pytest.mark.parametrize(("language", "panel_id"), PANELS)
@pytest.mark.parametrize("hours", [6, 720])
@pytest.mark.parametrize("districts", [EVERYWHERE, ["north"], []], ids=["all", "one", "none"])
@pytest.mark.parametrize("city", ["empty_city", "seeded_city"])
def test_every_panel_gets_a_frame_its_type_can_draw(
    request: pytest.FixtureRequest,
    city: str,
    districts: list[str],
    hours: int,
    language: str,
    panel_id: int,
    now: datetime,
) -> None:
    drawn = panel(language, panel_id)
    with connect(request.getfixturevalue(city)) as connection:
        made = ask(connection, drawn["targets"][0], Range(now - timedelta(hours=hours), now), districts)
    named = {o["matcher"]["options"] for o in drawn["fieldConfig"]["overrides"]}
    assert named <= set(made.kinds)
    match drawn["type"]:
        case "stat":
            assert set(made.kinds.values()) == {"number"}
            assert len(made.rows) == 1
        case "geomap":
            assert {made.kinds[c] for c in ("latitude", "longitude", "level", "size")} == {"number"}
            assert len(set(made.column("site"))) == len(made.rows)
        case "state-timeline":
            assert list(made.kinds) == ["time", "metric", "value"]
            assert all(None not in series.values() for series in to_wide(made).values())
        case "timeseries":
            assert made.rows
        case "table":
            assert "text" not in {made.kinds[c] for c in ("level", "age", "acknowledged")}


@pytest.mark.parametrize("language", languages)
def test_the_drop_down_lists_each_district_once(seeded_city: str, language: str) -> None:
    variable = next(v for v in WALLS[language]["templating"]["list"] if v["type"] == "query")
    with connect(seeded_city) as connection:
        cursor = connection.execute(variable["query"].encode())
        assert [c.name for c in cursor.description or ()] == ["__text", "__value"]
        assert cursor.fetchall() == [("north", "north"), ("so'uth", "so'uth")]


def test_a_reader_of_schema_city_can_ask_everything(seeded_city: str, now: datetime) -> None:
    with connect(seeded_city) as connection:
        connection.execute("SET ROLE wall_reader")
        for drawn in WALLS["en"]["panels"]:
            ask(connection, drawn["targets"][0], Range(now - timedelta(hours=6), now), EVERYWHERE)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM lifeline.alarms")


def test_counts_per_level_and_silent_sensors(seeded_city: str, now: datetime) -> None:
    assert row(shown(seeded_city, "stat", now)) == {"red": 1, "orange": 1, "yellow": 1, "blue": 0, "stale": 1}
    assert row(shown(seeded_city, "stat", now, ["so'uth"])) == {
        "red": 1,
        "orange": 0,
        "yellow": 0,
        "blue": 0,
        "stale": 0,
    }


def test_worst_state_per_domain_says_unknown_when_nobody_can_see(seeded_city: str, now: datetime) -> None:
    states = row(shown(seeded_city, "stat", now, nth=1))
    assert states == {"gas": 4, "waterlogging": 3, "bridge": -1, "settlement": None, "weather": None, "platform": 2}


def test_the_platform_tells_its_faults_and_undelivered_notices(seeded_city: str, now: datetime) -> None:
    assert row(shown(seeded_city, "stat", now, nth=2)) == {"faults": 1, "undelivered": 1}


def test_gateways_that_fell_silent(seeded_city: str, empty_city: str, now: datetime) -> None:
    assert row(shown(seeded_city, "stat", now, nth=3)) == {"silent": 1, "registered": 3}
    assert row(shown(empty_city, "stat", now, nth=3)) == {"silent": 0, "registered": 0}


def test_ingest_lag_is_the_newest_message_and_the_usual_way(seeded_city: str, empty_city: str, now: datetime) -> None:
    lag = row(shown(seeded_city, "stat", now, nth=4))
    assert 5 <= lag["newest"] < 300
    assert lag["transit"] == 1.0
    assert row(shown(empty_city, "stat", now, nth=4)) == {"newest": None, "transit": None}


def test_the_map_draws_the_worst_on_top(seeded_city: str, now: datetime) -> None:
    made = shown(seeded_city, "geomap", now)
    assert list(zip(made.column("site"), made.column("level"), strict=True)) == [("b1", 2), ("u1", 3), ("g1", 4)]
    assert row(made, 1)["name"] == "North underpass"
    assert made.column("sensor") == ["s1", "w1", "m1"]
    assert row(shown(seeded_city, "geomap", now, language="zh"), 1)["name"] == "北下穿"


def test_open_incidents_come_worst_first_and_a_drill_says_so(seeded_city: str, now: datetime) -> None:
    made = shown(seeded_city, "table", now)
    assert made.column("incident") == ["I-2", "I-1"]
    assert made.column("title") == ["EXERCISE Gas", "Water"]
    assert made.column("level") == [4, 3]
    assert 300 <= made.column("age")[0] < 900
    assert shown(seeded_city, "table", now, language="zh").column("title") == ["演练 Gas", "积水"]


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
    assert sum(made.column("rate")) == 4
    assert 0 in made.column("rate")
