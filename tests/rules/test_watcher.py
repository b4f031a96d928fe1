"""The watcher against a real database: exactly once, through restarts, reloads and refused folders."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city.clock import ManualClock, from_us
from city.load import load_city
from city.reading import Readings
from rules.watcher import WatcherSettings, run_watcher
from store import bundle, journal, register, roles
from store.connection import connect
from tests.rules.small_city import FILES, T0_US, city_files
from tests.running import eventually, running


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def watching(dsn: str, folder: Path | None, clock: ManualClock) -> AbstractContextManager[None]:
    return running(run_watcher, WatcherSettings(dsn, clock, folder))


def query(dsn: str, sql: str) -> list[tuple[Any, ...]]:
    with connect(dsn) as conn:
        return conn.execute(sql.encode()).fetchall()


def put(dsn: str, sensor: str, values: list[float], start_s: int = 0) -> None:
    """Journal readings, one a minute, as the recorder would."""
    with connect(dsn) as conn:
        number = register.ids(conn)[sensor]
        for at, value in enumerate(values):
            time_us = T0_US + (start_s + at * 60) * 1_000_000
            row = Readings.of([(number, time_us, time_us, value, 1, value)])
            journal.append(conn, "readings", journal.encode_readings(row), from_us(time_us))
            conn.commit()


def handled(dsn: str) -> bool:
    return query(
        dsn, "SELECT (SELECT coalesce(max(seq), 0) FROM lifeline.journal) <= (SELECT seq FROM lifeline.followers)"
    ) == [(True,)]


ALARMS = "SELECT rule, scope, peak_level, raised_at, cleared_at FROM city.alarms ORDER BY raised_at"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(from_us(T0_US))


def test_readings_become_an_alarm_an_incident_and_a_notice(database: str, tmp_path: Path, clock: ManualClock) -> None:
    folder = write(tmp_path / "city", dict(FILES))
    with watching(database, folder, clock):
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        put(database, "wl-1", [0, 50, 50, 50])
        eventually(lambda: query(database, "SELECT 1 FROM city.notices"))
    assert query(database, ALARMS) == [("depth", "wl-1", "red", from_us(T0_US + 120_000_000), None)]
    assert query(database, "SELECT level, stage, title_zh FROM city.incidents") == [
        ("red", "raised", "下穿积水 · 磨坊下穿")
    ]
    assert query(database, "SELECT target, state FROM city.notices") == [("li", "queued")]
    assert query(database, "SELECT kind FROM city.alarm_events") == [("raised",)]


def test_restarts_lose_nothing_and_repeat_nothing(database: str, tmp_path: Path, clock: ManualClock) -> None:
    folder = write(tmp_path / "city", dict(FILES))
    values = [0.0, 50.0, 50.0, 50.0, *[0.0] * 12]
    for at, value in enumerate(values):
        with watching(database, folder, clock):
            eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
            put(database, "wl-1", [value], start_s=at * 60)
            if at % 3 == 0:  # the others stop before the row is handled, most times
                eventually(lambda: handled(database))
    with watching(database, folder, clock):
        eventually(lambda: handled(database))
    start = T0_US + 120_000_000
    assert query(database, ALARMS) == [("depth", "wl-1", "red", from_us(start), from_us(start + 720_000_000))]
    assert query(database, "SELECT kind FROM city.alarm_events ORDER BY time") == [("raised",), ("cleared",)]


def test_nothing_is_behind_before_anything_came(database: str, tmp_path: Path, clock: ManualClock) -> None:
    folder = write(tmp_path / "city", dict(FILES))

    def lag_s() -> float | None:
        beats = query(database, "SELECT (detail ->> 'lag_s')::float8 FROM lifeline.roles WHERE role = 'watcher'")
        return beats[0][0] if beats else None

    with connect(database) as conn:  # as whoever starts the watcher does, some time before it works
        bundle.apply(conn, FILES, load_city(FILES), clock.now())
    clock.advance(155)
    with watching(database, folder, clock):
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.followers") and handled(database))
        assert eventually(lambda: None if (lag := lag_s()) is None else (lag,)) == (0,)
        put(database, "wl-1", [50])
        eventually(lambda: lag_s() == 155)


def test_a_broken_folder_is_refused_whole_and_the_old_one_goes_on(
    database: str, tmp_path: Path, clock: ManualClock
) -> None:
    folder = write(tmp_path / "city", dict(FILES))
    with watching(database, folder, clock):
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        good = query(database, "SELECT bundle FROM lifeline.current_bundle")
        write(folder, city_files(rules__depth=FILES["rules/depth.yaml"].replace("above: 40 cm", "abov: 40 cm")))
        fault = eventually(
            lambda: query(database, "SELECT advice FROM city.health WHERE name = 'city_folder' AND state = 'fault'")
        )
        assert "rules/depth.yaml:8:13: unknown key 'abov', try 'above'" in fault[0][0]
        put(database, "wl-1", [50, 50])
        eventually(lambda: query(database, ALARMS))
        assert query(database, "SELECT bundle FROM lifeline.current_bundle") == good
        write(folder, dict(FILES))
        eventually(lambda: query(database, "SELECT 1 FROM city.health WHERE name = 'city_folder' AND state = 'ok'"))


def test_time_alone_is_journaled_when_it_changes_something(database: str, tmp_path: Path, clock: ManualClock) -> None:
    folder = write(tmp_path / "city", dict(FILES))
    with watching(database, folder, clock):
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        put(database, "wl-1", [50])
        eventually(lambda: handled(database))
        clock.advance(400)
        with connect(database) as conn:
            roles.beat(conn, "recorder", 1, clock.now(), {})
        eventually(lambda: query(database, ALARMS))
        ticks = query(database, "SELECT count(*) FROM lifeline.journal WHERE kind = 'tick'")
        clock.advance(1)
        eventually(lambda: handled(database))
    assert query(database, "SELECT condition FROM city.alarms WHERE rule = 'depth'") == [("unknown",)]
    assert query(database, "SELECT count(*) FROM lifeline.journal WHERE kind = 'tick'")[0][0] <= ticks[0][0] + 1


def test_a_command_goes_through_the_journal(database: str, tmp_path: Path, clock: ManualClock) -> None:
    folder = write(tmp_path / "city", dict(FILES))
    with watching(database, folder, clock):
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        put(database, "wl-1", [50, 50])
        ((incident,),) = eventually(lambda: query(database, "SELECT incident FROM city.incidents"))
        command = {"id": "c1", "incident": incident, "kind": "acknowledge", "actor": "Li", "note": "", "via": "link"}
        with connect(database) as conn:
            journal.append(conn, "command", msgspec.json.encode(command), clock.now())
            conn.commit()
        eventually(lambda: query(database, "SELECT 1 FROM city.incidents WHERE acknowledged"))
    assert query(database, "SELECT actor FROM city.incident_events WHERE kind = 'acknowledge'") == [("Li",)]


def test_a_second_watcher_touches_nothing_while_the_first_holds_the_place(
    database: str, tmp_path: Path, clock: ManualClock
) -> None:
    folder = write(tmp_path / "city", dict(FILES))
    with watching(database, folder, clock):
        eventually(lambda: query(database, "SELECT 1 FROM lifeline.current_bundle"))
        eventually(lambda: handled(database))
    first = "SELECT seq, made_at FROM lifeline.snapshots"
    kept = query(database, first)
    with connect(database, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(hashtext('lifeline watcher'))")
        clock.advance(60)
        with watching(database, folder, clock):
            sessions = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
            eventually(lambda: holder.execute(sessions, ("lifeline watcher news",)).fetchone())
            put(database, "wl-1", [50, 50])
    assert query(database, first) == kept
    assert query(database, ALARMS) == []


def test_signs_and_bands_are_kept_once_through_a_restart(database: str, tmp_path: Path, clock: ManualClock) -> None:
    folder = write(tmp_path, city_files(rules__depth=None))
    hours = 2000
    steady = [2.0 + (at * 7919 % 13) / 50 for at in range(hours)]
    with watching(database, folder, clock):
        eventually(lambda: query(database, "SELECT 1 FROM city.sensors"))
        put_at_once(database, "wl-1", steady)
        eventually(lambda: handled(database))
    with watching(database, folder, clock):
        put_at_once(database, "wl-1", [60.0, 61.0, 62.0], hours)
        eventually(lambda: handled(database))
    told = """SELECT verdict, direction, low < expected AND expected < high, return_period_years >= 1, reason, time
              FROM city.findings WHERE detector = 'early_sign' ORDER BY time"""
    found = [row for row in query(database, told) if row[5] >= from_us(T0_US + hours * HOUR_US)]
    assert [row[:4] for row in found][:1] == [("abnormal", "up", True, True)]
    assert found[0][4].startswith(("a 1-in-", "rarer than 1 in 1000 years for this sensor: 60 cm"))
    [(sensor, drawn, wrong)] = query(
        database, "SELECT sensor, count(*), count(*) FILTER (WHERE low >= high) FROM city.bands GROUP BY 1"
    )
    assert (sensor, wrong) == ("wl-1", 0)
    assert 160 <= drawn <= 168  # a week, though three months were played
    assert query(database, "SELECT sensor, direction, together FROM city.signs") in ([("wl-1", "up", 1)], [])


HOUR_US = 3_600_000_000


def put_at_once(dsn: str, sensor: str, values: list[float], start_h: int = 0) -> None:
    """One an hour, as one batch."""
    with connect(dsn) as conn:
        number = register.ids(conn)[sensor]
        times = [T0_US + (start_h + at) * HOUR_US for at in range(len(values))]
        rows = Readings.of([(number, at, at, value, 1, value) for at, value in zip(times, values, strict=True)])
        journal.append(conn, "readings", journal.encode_readings(rows), from_us(times[-1]))
        conn.commit()
