"""What is exported is what the database holds: every row, to the last digit, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from city.clock import to_us
from city.errors import InputError
from city.model import City
from city.reading import Readings
from store import register
from store.connection import connect
from store.export import FORMATS, KINDS, Format, Kind, Wish, export
from store.readings import ReadingWriter
from store.sheet import safe
from store.testing import drop_database, fresh_database

AT = datetime(2026, 7, 1, 8, 0, tzinfo=UTC)
SEED = """
INSERT INTO lifeline.incidents (incident, site, district, level, peak_level, stage, opened_at, title, first_alarm,
                                chain, chain_version)
VALUES ('i-1', 'under', 'd1', 4, 4, 'raised', '2026-07-01 08:00:00.5Z', '{"en": "=SUM(1,2)", "zh": "水, \\"深\\""}',
        'a-1', 'drainage', 'v'),
       ('i-2', 'under', 'd1', 4, 4, 'raised', '2026-07-09 08:00Z', '{"en": "later"}', 'a-2', 'drainage', 'v');
INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level, peak_level,
                             condition, raised_at, incident, title)
VALUES ('a-1', 'depth', 'v', 'wl-1', 'wl-1', 'under', 'd1', 'waterlogging', 4, 4,
        'active', '2026-07-01 08:00Z', 'i-1', '{}'),
       ('a-2', 'silent', 'v', 'gw-1', NULL, 'under', 'd1', 'platform', 1, 2, 'active', '2026-07-01 09:00Z', NULL, '{}');
INSERT INTO lifeline.findings (time, sensor, detector, channel, verdict, score, reason)
VALUES ('2026-07-01 08:00Z', 'wl-1', 'jump', 'value', 'abnormal', -0.1, '-1 is not a formula but looks like one');
"""


@pytest.fixture(scope="module")
def filled(request: pytest.FixtureRequest, postgres_dsn: str, small_city: City) -> Iterator[str]:
    """Two sensors' readings over three days, across midnights, and a little of everything else; nobody changes it."""
    chance = np.random.default_rng(7)
    apache = getattr(request, "param", "plain") == "apache"
    server = request.getfixturevalue("timescale_dsn") if apache else postgres_dsn
    database = fresh_database(server)
    with connect(database) as conn:
        register.sync(conn, small_city)
        conn.execute(SEED)
        conn.execute("INSERT INTO lifeline.districts VALUES ('d9', '{}')")  # where nothing is
        seconds = chance.choice(3 * 86_400, 30_000, replace=False).tolist()
        values = chance.normal(size=30_000).tolist()
        start_us = to_us(AT)
        rows = [
            (1 + n % 2, start_us + s * 1_000_000 + n % 1000, start_us + s * 1_000_000 + 5_000_000, v, 1 + n % 4, v)
            for n, (s, v) in enumerate(zip(seconds, values, strict=True))
        ]
        ReadingWriter(conn).write(Readings.of(rows))
    yield database
    drop_database(database)


def _cell(text: str, kind: str) -> Any:  # noqa: ANN401 - whatever the column holds
    """A CSV cell back as what the database holds."""
    if text == "":
        return None
    if kind == "timestamptz":
        return datetime.fromisoformat(text)
    if kind in ("int2", "int4", "int8", "float8"):
        return float(text)
    return text == "true" if kind == "bool" else text.removeprefix("'")


def _rows(path: Path, form: Format) -> list[tuple[Any, ...]]:
    if form == "parquet":
        import pyarrow.parquet as pq

        return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]
    kinds = [column["type"] for column in _note(path)["columns"]]
    with path.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    return [tuple(map(_cell, row, kinds)) for row in rows]


def _note(path: Path) -> Any:  # noqa: ANN401 - JSON
    return msgspec.json.decode(Path(f"{path}.meta.json").read_bytes())


def _take(dsn: str, path: Path, kind: Kind, form: Format = "csv", **chosen: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401
    rows = export(dsn, Wish(kind, form, **chosen), path, at=AT)
    found = _rows(path, form)
    note = _note(path)
    assert (note["rows"], len(found)) == (rows, rows)
    assert note["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.mark.parametrize("filled", ["plain", "apache"], indirect=True)
@pytest.mark.parametrize("form", FORMATS)
def test_readings_are_the_databases_to_the_last_digit(filled: str, tmp_path: Path, form: Format) -> None:
    found = _take(filled, tmp_path / "r", "readings", form)
    with connect(filled) as conn:
        held = conn.execute(
            """SELECT r.time, r.sensor, site, district, domain, quantity, value, unit, flag, received_at, late
               FROM city.readings r JOIN city.sensors USING (sensor) ORDER BY 1, 2"""
        ).fetchall()
    assert len(found) == 30_000
    assert found == held
    assert {"quantity": "water_depth", "unit": "cm"} in _note(tmp_path / "r")["units"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "readings"])
def test_the_others_are_the_views(filled: str, tmp_path: Path, kind: Kind, form: Format) -> None:
    found = _take(filled, tmp_path / "x", kind, form)
    names = [column["name"] for column in _note(tmp_path / "x")["columns"]]
    shared = [n for n in names if n not in ("site", "unit", "domain", "district", "quantity")]
    with connect(filled) as conn:
        held = conn.execute(f"SELECT {', '.join(shared)} FROM city.{kind} ORDER BY 1".encode()).fetchall()  # noqa: S608 - names of columns
    assert len(found) == len(held) > 0
    empty = "" if form == "parquet" else None  # in CSV no value and an empty text are the same cell
    held = [tuple(empty if cell == "" else cell for cell in row) for row in held]
    ours = [tuple(row[names.index(name)] for name in shared) for row in found]
    assert sorted(ours, key=str) == sorted(held, key=str)


@pytest.mark.parametrize("filled", ["plain", "apache"], indirect=True)
def test_time_is_from_and_before(filled: str, tmp_path: Path) -> None:
    everything = [row[0] for row in _take(filled, tmp_path / "all", "readings")]
    first, past = everything[1000], everything[25_000]
    some = _take(filled, tmp_path / "some", "readings", first=first, past=past)
    assert [row[0] for row in some] == everything[1000:25_000]
    assert len(_take(filled, tmp_path / "i", "incidents", past=AT + timedelta(days=1))) == 1
    assert _take(filled, tmp_path / "none", "readings", past=AT - timedelta(days=1)) == []


@pytest.mark.parametrize(
    ("chosen", "kind", "expected"),
    [
        ({"sensors": ("wl-1",)}, "readings", {"wl-1"}),
        ({"domain": "waterlogging"}, "readings", {"wl-1"}),
        ({"district": "d1", "sensors": ("rg-1",)}, "readings", {"rg-1"}),
        ({"domain": "waterlogging"}, "alarms", {"a-1"}),
        ({"district": "d1"}, "alarms", {"a-1", "a-2"}),
        *(({"district": "d9"}, kind, set()) for kind in ("readings", "findings", "alarms", "incidents")),
        ({"sensors": ("rg-1",)}, "alarms", set()),
        ({"domain": "waterlogging"}, "incidents", {"i-1"}),
        ({"sensors": ("rg-1",)}, "incidents", set()),
        ({"district": "d1"}, "incidents", {"i-1", "i-2"}),
        ({"sensors": ("wl-1",)}, "findings", {"wl-1"}),
    ],
)
def test_what_is_chosen(filled: str, tmp_path: Path, chosen: dict[str, Any], kind: Kind, expected: set[str]) -> None:
    past = AT + timedelta(hours=2) if kind == "readings" else None
    found = _take(filled, tmp_path / "x", kind, past=past, **chosen)
    assert {row[1 if kind in ("readings", "findings") else 0] for row in found} == expected


def test_no_spreadsheet_runs_a_text_and_numbers_are_untouched(filled: str, tmp_path: Path) -> None:
    export(filled, Wish("incidents", "csv"), tmp_path / "i.csv", at=AT)
    text = (tmp_path / "i.csv").read_text(encoding="utf-8")
    assert '"\'=SUM(1,2)"' in text
    assert '"水, ""深"""' in text
    assert "2026-07-01T08:00:00.500000Z" in text
    export(filled, Wish("findings", "csv"), tmp_path / "f.csv", at=AT)
    assert ",-0.1," in (tmp_path / "f.csv").read_text(encoding="utf-8")
    for hostile in ("=1", "+1", "-1", "@x", "\t=1", "\r=1"):
        assert safe(hostile) == f"'{hostile}"
    assert [safe(one) for one in (-1, -0.5, "a=1", None, True)] == [-1, -0.5, "a=1", None, "true"]


def test_what_cannot_be_is_refused_and_leaves_nothing(
    filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wish, said in (
        (Wish("readings", "csv", sensors=("wl-2",)), "--sensor: not known in this city, got 'wl-2', try wl-1"),
        (Wish("readings", "csv", district="d2"), "--district: not known in this city, got 'd2', try d1"),
        (Wish("readings", "csv", domain="waterloging"), "--domain: .* try waterlogging"),
    ):
        with pytest.raises(InputError, match=said):
            export(filled, wish, tmp_path / "x", at=AT)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"needs pyarrow, try pip install 'urban-lifeline\[parquet\]'"):
        export(filled, Wish("alarms", "parquet"), tmp_path / "x", at=AT)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        export(filled, Wish("alarms", "csv"), tmp_path / "x", at=AT)
    assert (tmp_path / "x").read_text() == "mine"
    assert get_args(Kind) == KINDS
