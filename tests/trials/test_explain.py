"""Explanations: what they say of each level, what was known when, and where they find the readings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from city.clock import from_us
from city.errors import InputError
from city.folder import bundle_hash
from city.levels import Flag, Level
from city.load import load_city
from city.reading import Readings, Sample
from lifeline.cli import run_command
from rules.check import load_files
from rules.effects import Effect
from rules.inputs import BundleIn
from rules.persist import persist
from rules.trials.explain import Explanation, Node, Rise, begin_us, document, explain, find, looked_at
from rules.trials.explaintext import lines
from rules.trials.run import Run
from rules.trials.story import Story
from store import bundle, register
from store.connection import connect
from store.readings import ReadingWriter
from tests.rules.small_city import T0_US, city_files
from tests.rules.test_watcher import write

MINUTE_US = 60_000_000
RULES = """
version: 1
rules:
  - id: depth
    watch: {quantity: water_depth}
    ladder:
      red: {above: 40 cm, for: 1m, deadband: 5 cm}
      yellow:
        any:
          - {above: 15 cm}
          - all:
              - {rising: 4 cm, within: 10m}
              - {near: {quantity: rainfall, within: 2 km}, sum: 30m, above: 3 mm}
        for: 3m
        deadband: 3 cm
    clear_after: 10m
    stale_after: 5m
    escalate: drainage
"""
FILES = city_files(rules__depth=RULES)


def samples(sensor: str, values: list[float], flag: Flag = Flag.PASS, late_s: int = 0) -> list[Sample]:
    times = (T0_US + minute * MINUTE_US for minute in range(len(values)))
    return [Sample(sensor, at, v, flag, at + late_s * 1_000_000) for at, v in zip(times, values, strict=True)]


def said(readings: list[Sample], minute: float, rule: str = "depth", scope: str = "wl-1") -> Explanation:
    checked = load_files(FILES)
    return explain(checked, find(checked.book, rule, scope), T0_US + round(minute * MINUTE_US), readings)


def text(explanation: Explanation) -> str:
    return "\n".join(lines(explanation, lambda at_us: from_us(at_us).isoformat()))


def level(explanation: Explanation, which: Level) -> Rise:
    return next(rise for rise in explanation.levels if rise.level is which)


def leaves(node: Node | None) -> list[tuple[str, str]]:
    assert node is not None
    return [leaf for part in node.parts for leaf in leaves(part)] if node.parts else [(node.says, node.truth)]


def test_each_phase_of_a_level_is_told_with_what_comes_next() -> None:
    flood = samples("wl-1", [2.0] * 10 + [20.0] * 10 + [2.0] * 20)
    idle, pending = level(said(flood, 9), Level.YELLOW), level(said(flood, 12), Level.YELLOW)
    standing, clearing = level(said(flood, 14), Level.YELLOW), level(said(flood, 25), Level.YELLOW)
    assert [rise.phase for rise in (idle, pending, standing, clearing)] == ["idle", "pending", "standing", "clearing"]
    assert "yellow waits for: above 15 cm (is 2 cm)" in idle.next
    assert (pending.since_us, pending.due_us) == (T0_US + 10 * MINUTE_US, T0_US + 13 * MINUTE_US)
    assert pending.next.startswith("yellow raises if this stays true")
    assert standing.due_us is None
    assert (clearing.since_us, clearing.due_us) == (T0_US + 20 * MINUTE_US, T0_US + 30 * MINUTE_US)


@pytest.mark.parametrize("minute", [10, 12, 20, 25])
def test_what_is_foretold_happens_when_nothing_changes(minute: int) -> None:
    flood = samples("wl-1", [2.0] * 10 + [20.0] * 10 + [2.0] * 40)
    rise = level(said(flood, minute), Level.YELLOW)
    assert rise.due_us is not None
    later = (rise.due_us - T0_US) / MINUTE_US
    assert level(said(flood, later - 1), Level.YELLOW).phase == rise.phase
    assert level(said(flood, later), Level.YELLOW).phase != rise.phase


def test_every_condition_is_told_with_its_answer_and_its_evidence() -> None:
    rain = samples("rain-1", [0.0] * 5 + [1.0] * 10)
    found = said([*samples("wl-1", [2.0] * 5 + [2.0 + i for i in range(10)]), *rain], 14)
    yellow = level(found, Level.YELLOW)
    assert leaves(yellow.condition) == [
        ("above 15 cm", "false"),
        ("rising 4 cm within 10m", "true"),
        ("rainfall within 2 km: sum over 30m above 3 mm", "true"),
    ]
    assert yellow.condition is not None
    assert yellow.condition.truth == "true"
    seen = yellow.condition.parts[1].parts[1].evidence[0]
    assert (seen.sensor, seen.value, seen.time_us) == ("rain-1", 10.0, T0_US + 14 * MINUTE_US)
    assert found.readings == {"rain-1": 15, "wl-1": 15}
    without = level(said(samples("wl-1", [2.0] * 5 + [2.0 + i for i in range(10)]), 14), Level.YELLOW)
    assert without.condition is not None
    assert without.condition.truth == "unknown"
    assert "rainfall within 2 km: sum over 30m above 3 mm (cannot be judged)" in without.next


def test_only_what_had_arrived_counts() -> None:
    late = samples("wl-1", [45.0] * 10, late_s=1200)
    found = said(late, 10)
    assert (found.verdict, found.last, found.unknown_then) == ("nothing stands", None, 10)
    assert "10 more were measured by then and arrived later" in text(found)
    assert said(late, 30).verdict == "red stands"


def test_gaps_and_flags_are_told() -> None:
    readings = [*samples("wl-1", [2.0] * 10, Flag.SUSPECT), *samples("wl-1", [2.0] * 30)[20:]]
    found = said(readings, 30)
    assert [((g.from_us - T0_US) // MINUTE_US, (g.to_us - T0_US) // MINUTE_US) for g in found.gaps] == [(9, 20)]
    assert found.flags == {"suspect": 10}


def test_it_says_what_the_engine_says() -> None:
    flood = samples("wl-1", [2.0] * 10 + [20.0] * 5 + [45.0] * 10 + [2.0] * 25)
    for minute in range(0, 50, 3):
        checked = load_files(FILES)
        run = Run(BundleIn("b", checked.book, checked.escalation), T0_US, Story().take)
        for sample in flood[: minute + 1]:
            run.take([sample], sample.received_us)
        fold = run.engine.state.folds.get("depth/wl-1")
        standing = fold.alarm if fold is not None else None
        found = said(flood, minute)
        stands = found.alarm if found.alarm is not None and found.alarm.stands else None
        assert (stands and (stands.id, stands.level)) == (standing and (standing.id, standing.level))


def test_silence_is_explained_too() -> None:
    found = said(samples("wl-1", [2.0] * 10), 11, "gateway-silent", "g1")
    assert found.silence == "g1 was heard 120 s ago; it is called silent in 180 s if nothing comes"
    found = said(samples("wl-1", [2.0] * 10), 15, "gateway-silent", "g1")
    assert found.verdict == "yellow stands"
    assert "it is called silent after 300 s" in text(found)


def test_who_asks_for_what_is_not_there_is_told_what_is() -> None:
    book = load_files(FILES).book
    with pytest.raises(InputError, match="no such rule, got 'dpth', try 'depth'"):
        find(book, "dpth", "wl-1")
    with pytest.raises(
        InputError, match="depth does not watch it, got 'rain-1'; no rule watches rain-1, try one of wl-1, wl-2"
    ):
        find(book, "depth", "rain-1")
    with pytest.raises(InputError, match="no such sensor, got 'wl-11', try 'wl-1'"):
        find(book, "depth", "wl-11")
    assert looked_at(load_files(FILES), find(book, "depth", "wl-1")) == ["rain-1", "wl-1"]


def test_an_explanation_as_json_is_plain() -> None:
    flood = samples("wl-1", [2.0] * 10 + [20.0] * 10)
    made = json.loads(json.dumps(document(said(flood, 12), lambda at_us: from_us(at_us).isoformat())))
    assert made["verdict"] == "yellow pending"
    yellow = made["levels"][1]
    assert (yellow["level"], yellow["phase"], yellow["for_s"]) == ("yellow", "pending", 180.0)
    assert yellow["due"] == from_us(T0_US + 13 * MINUTE_US).isoformat()
    assert made["last"]["value"] == 20.0


def _ask(*more: str, minute: float = 13, rule: str = "depth") -> list[str]:
    at = (from_us(T0_US) + timedelta(minutes=minute)).isoformat()
    return ["rules", "explain", rule, "--sensor", "wl-1", "--at", at, *more]


def test_readings_can_come_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, table = write(tmp_path / "city", FILES), tmp_path / "readings.csv"
    rows = [f"wl-1,{from_us(T0_US + i * MINUTE_US).isoformat()},{0.2 if i > 9 else 0.02},m" for i in range(20)]
    table.write_text("\n".join(["sensor,time,value,unit", *rows]) + "\n", encoding="utf-8")
    given = ["--city", str(folder), "--readings", str(table), "--data", str(tmp_path / "data")]
    assert run_command(_ask(*given)) == 0
    told = capsys.readouterr().out
    assert told.startswith("depth on wl-1 at 2026-07-01T18:13:00+08:00: yellow stands")
    assert "last reading: 20 cm at 18:13:00 (0s old)" in told
    assert run_command(_ask(*given, "--format", "json", minute=12)) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "yellow pending"
    table.write_text("sensor,time,value\nwl-1,2026-07-01T10:00:00Z,deep\nwl-1,soon,2\n", encoding="utf-8")
    assert run_command(_ask(*given)) == 1
    faults = capsys.readouterr().err.splitlines()
    assert [fault.partition(": not a reading")[0] for fault in faults] == [f"{table}:2:1", f"{table}:3:1"]


def test_readings_and_records_come_from_the_database(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flood = [*samples("wl-1", [2.0] * 10 + [20.0] * 10), *samples("rain-1", [0.0] * 20)]
    checked = load_files(FILES)
    told: list[tuple[Effect, datetime, int]] = []

    def keep(at_us: int, effects: Sequence[Effect]) -> None:
        told.extend((effect, from_us(at_us), 1) for effect in effects)

    with connect(database) as conn:
        bundle.apply(conn, FILES, load_city(FILES), from_us(T0_US))
        ids = register.ids(conn)
        rows = [(ids[s.sensor], s.time_us, s.received_us, s.value, int(s.flag), s.value) for s in flood]
        ReadingWriter(conn).write(Readings.of(rows))
        name = bundle_hash(FILES)
        run = Run(BundleIn(name, checked.book, checked.escalation), T0_US, keep)
        for sample in sorted(flood, key=lambda s: s.received_us):
            run.take([sample], sample.received_us)
        persist(conn, told)
        conn.commit()
    given = ["--database-url", database, "--data", str(tmp_path)]
    assert run_command(_ask(*given, minute=15)) == 0
    said_ = capsys.readouterr().out
    assert "yellow stands" in said_
    assert "what the running system recorded:" in said_
    assert "raised" in said_.partition("what the running system recorded:")[2]
    assert run_command(_ask(*given, "--format", "json", minute=12)) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["verdict"], made["readings"]) == ("yellow pending", {"rain-1": 13, "wl-1": 13})
    assert made["recorded"] == []


def test_without_a_system_it_says_where_readings_could_come_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIFELINE_DATABASE_URL", raising=False)
    assert run_command(_ask("--data", str(tmp_path))) == 1
    assert "no running system and no database is known" in capsys.readouterr().err


def test_it_begins_early_enough_for_what_a_rule_looks_back() -> None:
    book = load_files(FILES).book
    assert begin_us(find(book, "depth", "wl-1"), T0_US) <= T0_US - 24 * 60 * MINUTE_US
