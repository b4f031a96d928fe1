"""`/metrics`: what a strict reader of the two formats asks, the table of metrics, and what it says of a city."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest
from psycopg.types.json import Jsonb

from lifeline.http.metriclist import METRICS
from lifeline.http.metrics import exposition
from store import roles

if TYPE_CHECKING:
    from tests.http.conftest import World

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\\\|\\"|\\n)*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (\S+)")
UNITS = ("seconds", "bytes", "bytes_per_second", "")


def read(text: str, *, open_metrics: bool = False) -> dict[str, dict[str, float]]:
    """Samples by family and labels; fails at anything the format does not allow."""
    assert text.endswith("\n")
    lines = text.split("\n")[:-1]
    if open_metrics:
        assert lines.pop() == "# EOF"
    found: dict[str, dict[str, float]] = {}
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    family = ""
    for line in lines:
        if line.startswith("#"):
            _, word, name, said = line.split(" ", 3)
            assert said.strip(), line
            if word == "HELP":
                assert name not in helped, f"{name} twice"
                helped.add(name)
                family = name
            elif word == "TYPE":
                assert name == family
                kinds[name] = said
            else:
                assert open_metrics, line
                assert word == "UNIT", line
                assert name == family, line
                assert name.endswith(f"_{said}"), line
            continue
        sample = _SAMPLE.fullmatch(line)
        assert sample, line
        name, labels, value = sample[1], sample[2] or "", float(sample[3])
        suffix = "_total" if kinds[family] == "counter" and open_metrics else ""
        assert name == family + suffix, line
        assert labels not in found.setdefault(name, {}), f"{line} twice"
        found[name][labels] = value
    return found


def test_the_table_keeps_to_the_rules_of_names() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"lifeline_[a-z0-9_]+", metric.name)
        assert metric.unit in UNITS, metric.name
        bare = metric.name.removesuffix("_total")
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric.name
        assert not metric.unit or bare.endswith(f"_{metric.unit}"), metric.name
        assert metric.unit or not re.search(r"_(seconds|bytes|ms|minutes)$", bare), metric.name
        assert metric.sentence[0].isupper() or metric.sentence[0].isdigit(), metric.name
        assert metric.sentence.endswith("."), metric.name
        assert all(metric.labels.values()), metric.name


def fill(world: World) -> None:
    """Something for every family: alarms, notices on their way, all roles, a follower that lags, lines of health."""
    world.incident()
    world.notice()
    world.notice("b2", state="queued", sent_at=None)
    for role in ("recorder", "watcher", "notifier", "api", "keeper"):
        roles.beat(world.conn, role, 1, detail=DETAIL.get(role, {}))
    for name, value in (("store_size", 5e9), ("store_growth", 8.64e8), ("store_days_left", 12.0), ("rollup_lag", 3.0),
        ("certificates", 40.0),
    ):  # fmt: skip
        world.run(
            "INSERT INTO lifeline.health (name, value, unit, state, since) VALUES (%s, %s, '', 'ok', now())",
            name,
            value,
        )
    world.run("INSERT INTO lifeline.followers VALUES ('watcher', 1, now())")
    world.run("INSERT INTO lifeline.snapshots VALUES ('watcher', 1, now() - interval '20 s', 'b', 'x')")
    for seq in (1, 2, 3):
        world.run(
            "INSERT INTO lifeline.journal (seq, kind, recorded_at, payload) OVERRIDING SYSTEM VALUE"
            " VALUES (%s, 'tick', now() - interval '9 s', 'x')",
            seq,
        )
    world.run(
        "INSERT INTO lifeline.hearing (seq, kind, recorded_at, rows, first_at, last_at)"
        " VALUES (4, 'readings', now(), 70, now() - interval '3 s', now() - interval '1 s')"
    )


DETAIL: dict[str, dict[str, object]] = {
    "recorder": {"connected": True, "connects": 2, "messages": 5, "commits": 4, "pending": 0, "lag_s": 0.25},
    "watcher": {"lag_s": 0.5, "evaluated": 900, "unlearned": 3, "snapshot_copy_s": 0.1, "snapshot_write_s": 0.2},
    "notifier": {"in_flight": 1, "sent": 7, "retried": 2, "failed": 1},
    "keeper": {"computed": 12},
}


@pytest.mark.parametrize("open_metrics", [False, True])
def test_every_family_of_the_table_is_said_of_a_running_city(
    client: httpx.Client, world: World, open_metrics: bool
) -> None:
    fill(world)
    accept = {"Accept": "application/openmetrics-text"} if open_metrics else {}
    answer = client.get("/metrics", headers=accept)
    assert answer.headers["content-type"].startswith("application/openmetrics-text" if open_metrics else "text/plain")
    found = read(answer.text, open_metrics=open_metrics)
    assert set(found) == {metric.name for metric in METRICS}
    for metric in METRICS:
        for labels in found[metric.name]:
            assert set(re.findall(r'(\w+)="', labels)) == set(metric.labels), metric.name


def test_the_figures_are_right(client: httpx.Client, world: World) -> None:
    fill(world)
    found = read(client.get("/metrics").text)
    assert found["lifeline_gateways"] == {'district="east",state="heard"': 1, 'district="east",state="silent"': 1}
    assert found["lifeline_readings_total"]['district="east",what="stored"'] == 200
    assert found["lifeline_notices_waiting"] == {'channel="webhook"': 1}
    assert found["lifeline_outbox_age_seconds"]['channel="webhook"'] > 600
    assert found["lifeline_follower_lag_rows"] == {'follower="watcher"': 2}
    assert found["lifeline_follower_lag_seconds"]['follower="watcher"'] >= 9
    assert found["lifeline_snapshot_age_seconds"]['follower="watcher"'] >= 20
    assert 2.9 < found["lifeline_commit_lag_max_seconds"][""] < 3.1
    assert found["lifeline_database_full_seconds"][""] == 12 * 86_400
    assert found["lifeline_database_growth_bytes_per_second"][""] == pytest.approx(10_000)
    assert found["lifeline_notifier_attempts_total"]['outcome="retried"'] == 2
    assert found["lifeline_role_restarts_total"]['role="api"'] == 0
    assert found["lifeline_role_resident_memory_bytes"]['role="watcher"'] > 1e6
    assert found["lifeline_incidents_in_stage"] == {'stage="raised"': 1}


def test_a_name_from_outside_cannot_forge_a_line(client: httpx.Client, world: World) -> None:
    evil = 'x"} 1\nlifeline_alarms_standing{level="red"} 99\n\\'
    world.run("INSERT INTO lifeline.districts VALUES (%s, %s)", evil, Jsonb({"en": "x"}))
    world.run("INSERT INTO lifeline.gateways VALUES ('gw-9', %s, '', 30)", evil)
    found = read(client.get("/metrics").text)
    assert found["lifeline_alarms_standing"]['level="red"'] == 0
    assert any("lifeline_alarms_standing" in labels for labels in found["lifeline_gateways"])


def test_what_the_table_does_not_name_is_not_said() -> None:
    with pytest.raises(AssertionError, match="lifeline_unheard_of"):
        exposition({"lifeline_unheard_of": [({}, 1.0)]})


def test_a_role_that_begins_anew_is_counted_even_under_the_same_number(
    client: httpx.Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from store import process

    roles.beat(world.conn, "keeper", 1)
    for n in (1, 2):  # in a container every process is number 1
        monkeypatch.setattr(process, "BORN_AT", process.BORN_AT + timedelta(seconds=n))
        roles.beat(world.conn, "keeper", 1)
        roles.beat(world.conn, "keeper", 1)
    assert read(client.get("/metrics").text)["lifeline_role_restarts_total"]['role="keeper"'] == 2
