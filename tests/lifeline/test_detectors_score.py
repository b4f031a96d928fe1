"""`lifeline detectors score`: one answer for each row of anybody's file, and every mistake in it by line."""

from __future__ import annotations

import csv
import gzip
import math
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lifeline.cli import run_command
from lifeline.scoring import HEAD

START = datetime(2026, 1, 1, tzinfo=UTC)


def history(rows: int, *, step_at: int = 10**9) -> list[tuple[datetime, float]]:
    """A daily wave every ten minutes with noise, and a lasting step."""
    rng = random.Random(7)
    return [
        (
            START + timedelta(minutes=10 * i),
            50 + 5 * math.sin(2 * math.pi * i / 144) + rng.gauss(0, 0.5) + 30 * (i >= step_at),
        )
        for i in range(rows)
    ]


def write(path: Path, rows: list[tuple[datetime, float]]) -> Path:
    lines = [f"{moment.isoformat()},{value:.3f}" for moment, value in rows]
    path.write_text("time,value\n" + "\n".join(lines) + "\n")
    return path


def scored(path: Path, *options: str) -> list[dict[str, str]]:
    out = path.parent / "out.csv"
    assert run_command(["detectors", "score", str(path), "--quantity", "thing", "--out", str(out), *options]) == 0
    with out.open() as lines:
        return list(csv.DictReader(lines))


def test_every_row_has_its_answer_and_a_step_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = scored(write(tmp_path / "in.csv", history(6000, step_at=5000)))
    assert len(rows) == 6000
    assert tuple(rows[0]) == HEAD
    assert rows[0]["verdict"] == "BLIND"
    assert rows[0]["reason"]
    told = next(i for i, row in enumerate(rows) if i >= 5000 and row["verdict"] == "ABNORMAL")
    assert told <= 5003
    assert rows[told]["direction"] == "up"
    assert float(rows[told]["return_period_years"]) >= 1
    assert float(rows[told]["low"]) <= float(rows[told]["expected"]) <= float(rows[told]["high"]) < 70
    said = capsys.readouterr().err
    assert "6,000 rows" in said
    assert "usually every 600 s" in said


def test_a_longer_file_says_the_same_of_its_start(tmp_path: Path) -> None:
    short = scored(write(tmp_path / "a.csv", history(20_000)[:1500]))
    long_ = scored(write(tmp_path / "a.csv", history(20_000)))
    assert len(long_) == 20_000
    assert long_[:1500] == short


def test_the_same_file_in_other_clothes_has_the_same_answers(tmp_path: Path) -> None:
    rows = history(1500)
    plain = scored(write(tmp_path / "a.csv", rows))
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write("when;nothing;level\n")
        for moment, value in rows:
            file.write(f"{round(moment.timestamp() * 1000)};;{value:.3f}\n")
    packed = scored(tmp_path / "b.csv.gz", "--value-column", "level")
    local = tmp_path / "c.csv"
    shifted = [f"{moment + timedelta(hours=8):%Y-%m-%d %H:%M:%S},{value:.3f}" for moment, value in rows]
    local.write_text("\ufefftimestamp,value\n" + "\n".join(shifted) + "\n", encoding="utf-8")
    naive = scored(local, "--timezone", "Asia/Shanghai")

    def answers(found: list[dict[str, str]]) -> list[tuple[str, ...]]:
        return [(row["value"], row["verdict"], row["score"], row["expected"]) for row in found]

    assert answers(packed) == answers(plain)
    assert [one[:2] for one in answers(naive)] == [one[:2] for one in answers(plain)]


def test_rows_that_cannot_be_used_are_blind_in_their_place_and_told_all_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(
        "time,value\n"
        "2026-01-01T00:00:00Z,1\n"
        "2026-01-01T00:10:00Z,NaN\n"
        "2026-01-01T00:10:00Z,2\n"
        "2026-01-01T00:05:00Z,3\n"
        "tomorrow,4\n"
        "2026-01-01T00:20:00Z,five\n"
        "2026-01-01T00:30:00Z,6,7\n"
        "2026-01-01T00:40:00Z,-9999\n"
        "2026-01-01T00:50:00,8\n"
        "2026-01-01T01:00:00Z,9\n"
    )
    rows = scored(path)
    assert [row["verdict"] for row in rows] == ["BLIND"] * 10
    assert [row["reason"] for row in rows[1:9]] == [
        "no value",
        "the same time as the row before",
        "not newer than the row before",
        "a time that cannot be read",
        "a value that is no number",
        "a row with another number of cells than the header",
        "no value",
        "a time without its offset",
    ]
    said = capsys.readouterr().err
    assert all(f"bad.csv:{line}:" in said for line in (4, 5, 6, 7, 8, 10))
    assert "blind: 100.0% of rows" in said


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("time,value\n2026-01-01 00:00,1\n", [], "in.csv:2:1: a time without its offset"),
        ("a,b,c\n1,2,3\n", [], "no column for the time"),
        ("a,b,c\n1,2,3\n", [], "no column for the value"),
        ("time,value\n1,2\n", ["--context", "rain"], "no column for a neighbour, got 'rain'"),
        ("time,value\n1,2\n", ["--timezone", "Mars/Olympus"], "--timezone: not one"),
        ("time,value\n1,2\n", ["--unit", "psi"], "has no unit of its own"),
        ("time,value\n1,2\n", [x for c in "abcde" for x in ("--context", c)], "at most 4"),
        ("", [], "no column for the time"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, options: list[str], expected: str
) -> None:
    (tmp_path / "in.csv").write_text(text)
    assert run_command(["detectors", "score", str(tmp_path / "in.csv"), "--quantity", "thing", *options]) == 1
    assert expected in capsys.readouterr().err


def test_a_file_that_breaks_off_is_an_outside_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = gzip.compress(write(tmp_path / "in.csv", history(500)).read_bytes())
    (tmp_path / "cut.csv.gz").write_bytes(whole[:-200])
    assert run_command(["detectors", "score", str(tmp_path / "cut.csv.gz"), "--quantity", "thing"]) == 2
    assert "cut.csv.gz" in capsys.readouterr().err


def test_known_quantities_have_units_and_ranges(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("time,value\n0,1\n60,100\n120,99999999\n")
    out = tmp_path / "out.csv"
    line = ["detectors", "score", str(path), "--quantity", "gas_pressure", "--unit", "psi", "--out", str(out)]
    assert run_command(line) == 0
    with out.open() as lines:
        rows = list(csv.DictReader(lines))
    assert float(rows[1]["value"]) == pytest.approx(689.476, abs=1e-3)
    assert rows[2]["reason"] == "beyond what such a sensor can report"


def test_rows_to_warm_up_are_learned_from_only(tmp_path: Path) -> None:
    path = write(tmp_path / "in.csv", history(3000, step_at=2000))
    rows = scored(path, "--warm-up", "2500")
    assert {row["verdict"] for row in rows[:2500]} == {"BLIND"}
    assert rows[2400]["reason"] == "warming up"
    assert rows[2400]["expected"]


def test_what_a_neighbour_says_in_the_same_row_is_not_yet_known(tmp_path: Path) -> None:
    def text(last: str) -> str:
        rows = [f"{600 * i},{value:.3f},{value:.3f}" for i, (_, value) in enumerate(history(1000))]
        return "time,value,peer\n" + "\n".join([*rows[:-1], rows[-1].rpartition(",")[0] + last]) + "\n"

    path = tmp_path / "in.csv"
    path.write_text(text(",0"))
    first = scored(path, "--context", "peer", "--value-column", "value")
    path.write_text(text(",100"))
    assert scored(path, "--context", "peer", "--value-column", "value") == first


def test_the_hour_that_comes_twice_is_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("time,value\n" + "".join(f"2026-10-25 02:{m:02}:00,1\n" for m in (0, 30, 0, 30)))
    rows = scored(path, "--timezone", "Europe/Berlin")
    assert all("newer" not in row["reason"] for row in rows)


def test_the_list_names_every_detector(capsys: pytest.CaptureFixture[str]) -> None:
    from detectors.registry import names

    assert run_command(["detectors", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in names())
