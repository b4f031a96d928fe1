"""Values of finished pieces are kept as whole numbers where that is exact: whoever reads them sees what was said."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from psycopg import errors

from city.clock import to_us
from city.reading import Readings
from store import decimals
from store.columns import Marks
from store.connection import Connection, connect
from store.decimals import pack
from store.readings import ReadingWriter

DAY = datetime(2026, 5, 1, tzinfo=UTC)
SPAN = (DAY, DAY + timedelta(days=31))
SEEN = """SELECT sensor_id, time, flag, float8send(value), received_at, float8send(raw), tests, claimed_at
          FROM lifeline.measured ORDER BY 1, 2"""
MARKED = "SELECT * FROM lifeline.dirty_buckets ORDER BY 1, 2, 3"
ODD = [
    0.0,
    -0.0,
    0.1,
    -0.1,
    0.1 + 0.2,
    1e15,
    1e15 + 0.3,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    1 / 3,
]
ODD += [2.0**53, 2.0**53 - 1, 2.0**52 + 0.5, 4.35, 1.005, 0.000000001, 0.1234567891, 123456789.123456789, -273.15]


@pytest.fixture
def conn(database: str) -> Iterator[Connection]:
    """A connection of the tables' owner, as the keeper has one."""
    with connect(database, autocommit=True) as opened:
        yield opened


def _write(
    conn: Connection, value: NDArray[np.float64], sensor: int = 1, raw: NDArray[np.float64] | None = None
) -> None:
    many = len(value)
    time_us = to_us(DAY) + np.arange(many) * 1_000_000
    numbers, flag = np.full(many, sensor, np.int32), np.ones(many, np.uint8)
    readings = Readings(numbers, time_us, time_us + 5, value, flag, value.copy() if raw is None else raw)
    marks = Marks((np.arange(many) % 5 == 0).astype(np.int16) * 255, time_us - (np.arange(many) % 7 == 0) * 1_000_000)
    with conn.transaction():
        ReadingWriter(conn).write(readings, marks)


def _pack(conn: Connection) -> None:
    for piece, first, past in conn.execute("SELECT * FROM lifeline.pieces('readings')").fetchall():
        assert pack(conn, piece, (first, past), lambda _: True)


def _packed(conn: Connection) -> dict[int, int]:
    """Packed values of each sensor."""
    rows = conn.execute("SELECT sensor_id, count(*) - count(value) FROM lifeline.readings GROUP BY 1").fetchall()
    return dict(rows)


def test_every_double_comes_back_bit_for_bit(conn: Connection) -> None:
    chance = np.random.default_rng(3)
    wild = chance.integers(0, 2**64, 3000, dtype=np.uint64).view(np.float64)
    _write(conn, wild[np.isfinite(wild)], 10)
    _write(conn, np.array(ODD), 11)
    for digits in range(1, 10):
        _write(conn, np.round(chance.uniform(-1e5, 1e5, 500), digits), digits)
    calibrated = np.round(chance.uniform(0, 50, 300), 2)
    _write(conn, calibrated * 1.0173 + 0.21, 12, raw=calibrated)
    _write(conn, np.round(chance.uniform(0, 50, 300)), 13)
    seen, marked = conn.execute(SEEN).fetchall(), conn.execute(MARKED).fetchall()
    _pack(conn)
    assert conn.execute(SEEN).fetchall() == seen
    assert conn.execute(MARKED).fetchall() == marked, "for the roll-ups nothing changed"
    packed = _packed(conn)
    assert {digits: packed[digits] for digits in range(1, 10)} == dict.fromkeys(range(1, 10), 500)
    assert packed[12] == 0, "calibrated: seventeen digits"
    assert packed[13] == 0, "whole numbers as they are"
    _pack(conn)
    assert conn.execute(SEEN).fetchall() == seen, "and once more"


@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False) | st.decimals(-9999, 9999, places=3).map(float), min_size=1
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_whatever_a_sensor_said(conn: Connection, said: list[float]) -> None:
    with conn.transaction(force_rollback=True):
        _write(conn, np.array(said))
        seen = conn.execute(SEEN).fetchall()
        _pack(conn)
        assert conn.execute(SEEN).fetchall() == seen


def test_one_odd_value_does_not_lengthen_the_others(conn: Connection) -> None:
    value = np.round(np.linspace(3, 4, 1000), 2)
    value[500] = 0.123456789
    _write(conn, value)
    _pack(conn)
    assert _packed(conn) == {1: 999}
    assert conn.execute("SELECT DISTINCT tests >> 8, max(raw) FROM lifeline.readings WHERE value IS NULL GROUP BY 1"
                        ).fetchall() == [(2, 400.0)]  # fmt: skip


def test_a_repeat_and_a_conflict_are_told_of_packed_values(conn: Connection) -> None:
    _write(conn, np.array([1.25, 2.5, 3.75]))
    _pack(conn)
    assert _packed(conn) == {1: 3}
    at = to_us(DAY)
    again = [(1, at, at, 1.25, 1, 1.25), (1, at + 1_000_000, at, 9.0, 1, 9.0), (1, at + 500_000, at, 4.5, 1, 4.5)]
    with conn.transaction():
        written = ReadingWriter(conn).write(Readings.of(again))
    assert written.repeated.tolist() == [True, False, False]
    assert written.conflicting.tolist() == [False, True, False]
    assert written.new.tolist() == [False, False, True]
    assert written.stored.tolist() == [1.25, 2.5, 4.5]
    _pack(conn)
    assert _packed(conn) == {1: 4}, "what came late, too"


class _Stops:
    """Lets so many steps through."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def __call__(self, _took_s: float) -> bool:
        self._left -= 1
        return self._left >= 0


def test_it_goes_on_where_it_was_stopped(conn: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decimals, "_ROWS", 100)
    _write(conn, np.round(np.linspace(0, 9, 1000), 1))
    seen, piece = conn.execute(SEEN).fetchall(), "lifeline.readings_2026_05"
    for steps in (0, 3):
        last = DAY + timedelta(seconds=1000)
        assert not pack(conn, piece, (DAY, last), _Stops(steps))
        assert _packed(conn) == {1: 100 * steps}
        assert conn.execute(SEEN).fetchall() == seen
    _pack(conn)
    assert _packed(conn) == {1: 1000}
    assert conn.execute(SEEN).fetchall() == seen


def test_a_row_has_its_value_once(conn: Connection) -> None:
    _write(conn, np.array([1.25]))
    _pack(conn)
    for half in ("value = 5", "raw = NULL", "tests = NULL", "tests = 2560"):
        with pytest.raises(errors.CheckViolation):
            conn.execute(b"UPDATE lifeline.readings SET " + half.encode())


_READS = re.compile(r"\b(?:FROM|JOIN|USING)\s+(?:ONLY\s+)?lifeline\.readings\b(?!\w)", re.IGNORECASE)
_SAYS = re.compile(r"\b(?:value|raw|tests)\b|(?<!count\()\*", re.IGNORECASE)
_ROOMS = ("city", "detectors", "rules", "ingest", "lifeline", "store", "notify", "dashboards", "bench", "examples")


def _statements(path: Path) -> list[str]:
    """What a file says to the database: its blocks of SQL, or its texts."""
    text = path.read_text(encoding="utf-8")
    if "lifeline.readings" not in text:
        return []
    if path.suffix == ".sql":
        return [re.sub(r"--.*", "", block) for block in text.split("-- name:")]
    found = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return [one for one in found if isinstance(one, str)]


def test_nobody_reads_values_past_the_view() -> None:
    """A reader of the table itself would find nothing where a value is packed."""
    root = Path(str(files("store"))).parent
    found = {
        f"{path.relative_to(root)}: {' '.join(statement.split())[:120]}"
        for room in _ROOMS
        for path in sorted([*root.glob(f"{room}/**/*.sql"), *root.glob(f"{room}/**/*.py")])
        if "migrations" not in path.parts
        for statement in _statements(path)
        if _READS.search(statement) and _SAYS.search(statement)
    }
    assert not found
    assert _READS.search("select value from lifeline.readings")
    assert _SAYS.search("SELECT r.value")


def test_no_view_and_no_function_of_the_database_does(conn: Connection) -> None:
    views = """SELECT DISTINCT v.relname FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
               JOIN pg_class v ON v.oid = r.ev_class
               WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = 'lifeline.readings'::regclass"""
    assert conn.execute(views).fetchall() == [("measured",)]
    bodies = "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'lifeline'::regnamespace"
    assert not [name for name, body in conn.execute(bodies).fetchall() if _READS.search(body)]
