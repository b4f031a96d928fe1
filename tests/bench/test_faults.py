"""Nothing is lost and nothing is there twice, whatever is broken: each fault of the benchmark in small, by a seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.faultline import gateways
from bench.faultline.count import Count, count, sent_by
from bench.faultline.report import FaultsReport, Outcome
from bench.faultline.truth import Truth
from bench.faultline.world import World, world
from bench.faults import FAULTS, QUICK, Fault, chosen, play
from bench.machine import local
from city.errors import InputError, OutsideError
from city.load import load_city
from gateway.envelope import body, seal
from store import bundle
from store.connection import Connection, connect
from tests.ingest.fed import START, START_US, Fed

SEED = 20260701


def test_gateways_that_begin_on_a_full_disk_begin_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = list[Path]()

    class Full:
        def __init__(self, path: Path, *, durable: bool) -> None:
            tries.append(path)
            if len(tries) < 3:
                raise OutsideError("database or disk is full")

    monkeypatch.setattr(gateways, "Outbox", Full)
    gateways._opened(tmp_path)
    assert tries == [tmp_path] * 3


@pytest.fixture(scope="module")
def running(server_folder: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """Servers that may be killed: not those of the other tests."""
    mosquitto = request.getfixturevalue("mosquitto")
    with world(server_folder / "faults", mosquitto, durable=False) as servers:
        yield servers


ALONE = ("recorder killed", "broker killed", "database killed", "agent killed")  # each is killed in "any killed" too
CASES = [fault for fault in FAULTS if fault.name not in ALONE]


@pytest.mark.parametrize("fault", CASES, ids=[fault.name for fault in CASES])
def test_nothing_is_lost_and_nothing_is_there_twice(running: World, fault: Fault) -> None:
    outcome = play(running, fault, replace(QUICK, kills=2, patience_s=120.0), SEED)
    if outcome.count is None:
        pytest.skip(f"NOT TESTED: {outcome.why}")
    assert outcome.count.holds, f"{fault.name}, seed {SEED}: {outcome.count} after {outcome.done}"
    assert outcome.count.sent > 1_280
    assert set(outcome.count.reasons) >= {"bad_unit", "conflict", "unknown_sensor"}


@pytest.fixture
def truth() -> Truth:
    return Truth(3, START_US, gateways=2, sensors=3, messages=30, step_us=1_000_000)


@pytest.fixture
def told(database: str, truth: Truth) -> Iterator[Connection]:
    """A database in which all of the truth was taken in."""
    with connect(database, autocommit=True) as conn:
        bundle.apply(conn, truth.files(), load_city(truth.files()), START)
        fed = Fed(conn)
        for number, name in enumerate(truth.names()):
            fed.topic = f"lifeline/v1/east/{name}/readings"
            rows = [truth.rows(number, each) for each in range(truth.messages)]
            fed.hear(*(seal(at + 1, START_US, body(each)) for at, each in enumerate(rows)), at_us=START_US + 60_000_000)
        yield conn


def test_a_truth_that_was_taken_in_whole_is_found_whole(told: Connection, truth: Truth) -> None:
    found = count(told, truth)
    assert found.holds, found
    assert (found.sent, found.missing) == (len(sent_by(truth)[0]), 0)
    assert found.stored == 2 * 3 * 30


@pytest.mark.parametrize(
    ("harm", "field"),
    [
        ("DELETE FROM lifeline.readings WHERE ctid IN (SELECT ctid FROM lifeline.readings LIMIT 1)", "missing"),
        ("DELETE FROM lifeline.rejections WHERE reason = 'bad_unit'", "missing"),
        ("UPDATE lifeline.readings SET value = value + 1 WHERE value < 5", "extra"),
        ("UPDATE lifeline.gateway_hours SET stored = stored - 1", "faults"),
        ("UPDATE lifeline.gateway_ledger SET missing = 4", "unnumbered"),
        ("DELETE FROM lifeline.journal", "twice"),
    ],
)
def test_any_harm_is_seen(told: Connection, truth: Truth, harm: str, field: str) -> None:
    told.execute(harm.encode())
    found = count(told, truth)
    assert getattr(found, field)
    assert not found.holds


def test_another_value_for_a_claim_of_the_future_is_told(database: str, truth: Truth) -> None:
    ahead = [("wl-000-000", START_US + 7_200_000_000, value, "", 0) for value in (1.0, 2.0)]
    with connect(database, autocommit=True) as conn:
        bundle.apply(conn, truth.files(), load_city(truth.files()), START)
        fed = Fed(conn, "lifeline/v1/east/gw-000/readings")
        for at, row in enumerate((*ahead, *ahead)):
            fed.hear(body([row]), at_us=START_US + at)
        rows = conn.execute("SELECT reason, payload FROM city.rejections ORDER BY rejection").fetchall()
        assert [(reason, json.loads(payload)["value"]) for reason, payload in rows] == [
            ("future_time", 1.0),
            ("conflict", 2.0),
        ]
        books = conn.execute("SELECT published, stored, repeated, rejected FROM city.gateways WHERE published > 0")
        assert books.fetchall() == [(4, 1, 2, 1)]
        assert conn.execute("SELECT count(*), max(value) FROM city.readings").fetchone() == (1, 1.0)


def test_the_page_names_every_fault_and_every_column() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "faults.md").read_text(encoding="utf-8")
    for fault in FAULTS:
        assert f"`{fault.name}`" in page
    for column in ("sent", "stored", "rejected", "again", "lost", "extra", "twice", "books", "MiB"):
        assert f"`{column}`" in page


def test_unknown_faults_are_the_users_mistake() -> None:
    assert [fault.name for fault in chosen(["shuffled"])] == ["shuffled"]
    with pytest.raises(InputError, match="no such fault, got 'rain', try one of recorder killed"):
        chosen(["rain"])


def test_a_report_tells_what_held_and_what_was_not_tried() -> None:
    good = Count(10, 8, 2, 1, 0, 0, 0, 0, {"bad_unit": 2}, (), "a", "a")
    outcomes = (
        Outcome("one", "this", good, ("1.00 s one killed",), 70.0, 3.0),
        Outcome("two", "that", None, (), 0.0, 0.0, "no root"),
    )
    report = FaultsReport(local(), SEED, True, outcomes)
    assert report.held
    assert "| one | this | 10 | 8 | 2 | 1 | 0 | 0 | 0 | add up | 70 | 3 | held |" in report.markdown()
    assert "NOT TRIED: no root" in report.markdown()
    bad = replace(outcomes[0], count=replace(good, stored=7, missing=1, found_sum="b"))
    broken = replace(report, outcomes=(bad,))
    assert not broken.held
    assert [one["holds"] for one in json.loads(broken.json())["outcomes"]] == [False]
    console = Console(width=200)
    with console.capture() as seen:
        console.print(broken.render())
    assert "1.00 s one killed" in seen.get()
