"""The watchdog rules: what their SQL answers on a real database, and that they fire when nothing answers at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ruamel.yaml import YAML

from city.words import say
from dashboards import watchdog
from dashboards.files import export
from dashboards.proof import frame
from dashboards.watchdog import WATCHDOGS
from store.connection import Connection, connect
from store.testing import drop_database, fresh_database

READER = "city_reader"
ROLES = ("recorder", "watcher", "notifier", "api", "keeper")
PLACES = """\
INSERT INTO lifeline.sites (site, kind, name, district, lon, lat) VALUES ('u', 'underpass', '{}', 'n', 121.4, 31.2);
INSERT INTO lifeline.gateways (gateway, district, interval_s) VALUES ('g', 'n', 60);
INSERT INTO lifeline.sensors (sensor, gateway, site, quantity, domain, unit, interval_s, lon, lat)
VALUES ('w', 'g', 'u', 'water_depth', 'waterlogging', 'cm', 60, 121.4, 31.2)"""
DOGS = {dog.name: dog for dog in WATCHDOGS}


@pytest.fixture(scope="module")
def lively(postgres_dsn: str) -> Iterator[str]:
    """A database whose platform is well: every role beats, a reading came now, nothing waits."""
    dsn = fresh_database(postgres_dsn)
    with connect(dsn) as connection:
        for role in ROLES:
            connection.execute(
                "INSERT INTO lifeline.roles (role, pid, started_at, beat_at) VALUES (%s, 1, now(), now())", (role,)
            )
        connection.execute(PLACES.encode())
        connection.execute("INSERT INTO lifeline.latest SELECT sensor_id, now(), 1, 1, now() FROM lifeline.sensors")
        connection.execute(
            "INSERT INTO lifeline.health (name, value, state, since)"
            " VALUES ('heartbeat', 60, 'ok', now()), ('recorder_lag', 2, 'ok', now())"
        )
    yield dsn
    drop_database(dsn)


@pytest.fixture
def platform(lively: str) -> Iterator[Connection]:
    """The lively platform, alive now, however long ago it was made; what a test does to it is undone."""
    with connect(lively) as connection:
        connection.execute("UPDATE lifeline.roles SET beat_at = now()")
        connection.execute("UPDATE lifeline.latest SET time = now(), received_at = now()")
        yield connection
        connection.rollback()


def asked(connection: Connection, name: str) -> float:
    """What a rule's query answers, as Grafana's reader; one row of one number and nothing else."""
    connection.execute(f"SET LOCAL ROLE {READER}".encode())
    cursor = connection.execute(DOGS[name].sql.encode())
    types = connection.adapters.types
    columns = [(c.name, getattr(types.get(c.type_code), "name", "?")) for c in cursor.description or ()]
    made = frame(columns, cursor.fetchall(), "table")
    connection.execute("RESET ROLE")
    assert list(made.kinds.values()) == ["number"]
    [[value]] = made.rows
    assert value is not None
    return float(value)


def fires(connection: Connection, name: str) -> bool:
    return asked(connection, name) > DOGS[name].limit


@pytest.mark.parametrize("name", DOGS)
def test_all_are_quiet_on_a_platform_that_is_well(platform: Connection, name: str) -> None:
    assert not fires(platform, name)


NOTICE = """\
INSERT INTO lifeline.incidents
  (incident, site, district, level, peak_level, stage, opened_at, title, first_alarm, chain, chain_version, drill)
VALUES ('I', 'u', 'n', 4, 4, 'raised', now(), '{}', 'A', 'c', '1', false);
INSERT INTO lifeline.notices
  (notice, incident, kind, round, step, target, via, channel, state, level, content, created_at, next_try_at)
VALUES ('N', 'I', 'raise', 1, 0, 'li', 'li', 'sms', 'queued', 4, '{}', """
BEAT = "UPDATE lifeline.roles SET beat_at = now() - interval '2 min' WHERE role "


@pytest.mark.parametrize(
    ("mishap", "barking"),
    [
        (BEAT + "IS NOT NULL", {"platform", "watcher", "notifier", "ingest"}),
        (BEAT + "= 'watcher'", {"watcher"}),
        (BEAT + "= 'notifier'", {"notifier"}),
        ("DELETE FROM lifeline.roles WHERE role = 'notifier'", {"notifier"}),
        ("UPDATE lifeline.latest SET time = now() - interval '6 min'", {"readings"}),
        ("DELETE FROM lifeline.latest", {"readings"}),
        ("UPDATE lifeline.health SET value = 130 WHERE name = 'recorder_lag'", {"ingest"}),
        (BEAT + "= 'keeper'", {"ingest"}),
        ("UPDATE lifeline.health SET state = 'fault' WHERE name = 'heartbeat'", {"heartbeat"}),
        (NOTICE + "now() - interval '4 min', now() - interval '4 min')", {"outbox"}),
        (NOTICE + "now() - interval '4 min', now() + interval '1 min')", set()),
        (NOTICE + "now() - interval '1 min', now() - interval '1 min')", set()),
    ],
)
def test_each_mishap_wakes_its_watchdogs_and_no_other(platform: Connection, mishap: str, barking: set[str]) -> None:
    platform.execute(mishap.encode())
    assert {name for name in DOGS if fires(platform, name)} == barking


def test_a_database_that_never_saw_lifeline_run_is_not_taken_for_calm(empty_city: str) -> None:
    with connect(empty_city) as connection:
        assert {name for name in DOGS if fires(connection, name)} == {
            "platform", "readings", "watcher", "notifier", "ingest",
        }  # fmt: skip


def test_a_reader_may_ask_them_and_nothing_below(platform: Connection) -> None:
    platform.execute(f"SET LOCAL ROLE {READER}".encode())
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        platform.execute("SELECT * FROM lifeline.roles")


def test_no_answer_is_an_alarm_and_nobody_is_named(tmp_path: Path) -> None:
    export(tmp_path)
    [made] = YAML(typ="safe").load((tmp_path / "alerting/lifeline.yaml").read_text(encoding="utf-8"))["groups"]
    assert (made["interval"], len(made["rules"])) == ("30s", len(WATCHDOGS))
    assert made["folder"] != say("dashboard.folder", "en")  # else Grafana makes that folder with a uid of its own
    for rule in made["rules"]:
        assert (rule["noDataState"], rule["execErrState"]) == ("Alerting", "Alerting")
        assert re.fullmatch(r"[1-9]m", rule["for"])
        assert re.fullmatch("[A-Za-z0-9_-]{1,40}", rule["uid"])
        assert "notification_settings" not in rule
        query, threshold = rule["data"]
        assert rule["condition"] == threshold["refId"] == "B"
        assert threshold["model"]["expression"] == query["refId"]
        assert threshold["model"]["type"] == "threshold"
        assert query["model"]["format"] == "table"
        assert "city." in query["model"]["rawSql"]
        assert "$" not in rule["title"] + str(rule["annotations"])  # Grafana would look for a variable of its own


def test_the_file_and_the_api_say_the_same_rules() -> None:
    from_file = watchdog.provisioned()["groups"][0]["rules"]
    through_api = watchdog.group()["rules"]
    added = {"folderUID", "ruleGroup", "orgID"}
    assert [{k: v for k, v in rule.items() if k not in added} for rule in through_api] == from_file


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_rule_tells_what_is_wrong_and_what_to_do_in_both_languages(language: str) -> None:
    rules: list[dict[str, Any]] = watchdog.group(language)["rules"]
    for dog, rule in zip(WATCHDOGS, rules, strict=True):
        assert rule["title"] == say(f"watchdog.{dog.name}", language)
        both = {text for key, text in rule["annotations"].items() if key.startswith("summary")}
        assert len(both) == 2
        assert any(re.search("[\u4e00-\u9fff]", text) for text in both)
