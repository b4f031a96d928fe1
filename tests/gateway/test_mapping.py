"""Mappings: every fault at once with its place; rows become readings or are refused with a reason."""

import gzip
import json
import zipfile
from pathlib import Path

import pytest

from city.errors import FaultyInput, InputError
from gateway.mapping import Mapping, load_mapping
from gateway.recorded import BadRow, Row, find_files, read_rows
from gateway.sorting import Sorter
from gateway.translate import Reading, Refused, Source, Translator

HEAD = """\
version: 1
files: ["*.csv"]
sensor: "{id}"
gateway: gw-1
district: old
"""
LONG = HEAD + "time: {column: at, zone: UTC}\nvalue: {column: depth, unit: in}\n"


def mapping(text: str) -> Mapping:
    return load_mapping(text, "mapping.yaml")


def translate(text: str, row: dict[str, object]) -> list[Reading | Refused]:
    return list(Translator(mapping(text)).readings(row))


def one(text: str, row: dict[str, object]) -> Reading:
    (found,) = translate(text, row)
    assert isinstance(found, Reading)
    return found


def moment(text: str, time: str) -> str:
    from datetime import UTC, datetime

    us = one(HEAD + text + "\nvalue: {column: depth}\n", {"id": "a", "at": time, "depth": 1}).time_us
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat()


def test_every_fault_is_told_with_its_place() -> None:
    text = """\
version: 2
files: []
format: xls
time: {column: at, zone: Mars/Olympus}
sensor: "{id}"
gateway: gw
distrikt: old
value: {column: depth, unit: furlongz}
derive: {x: {from: id, match: "("}}
plausible: {n: [9, 1]}
"""
    with pytest.raises(FaultyInput) as caught:
        load_mapping(text, "m.yaml")
    told = [str(fault) for fault in caught.value.faults]
    for place, what in [
        ("m.yaml:1:10", "version"),
        ("m.yaml:2:8", "files"),
        ("m.yaml:3:9", "format"),
        ("m.yaml:4:26", "zone"),
        ("m.yaml:7:1", "'district'"),
        ("m.yaml:8:30", "unit"),
        ("m.yaml:9:31", "regular expression"),
        ("m.yaml:10:16", "least"),
    ]:
        assert any(line.startswith(place) and what in line for line in told), (place, what, told)
    with pytest.raises(FaultyInput, match="exactly one of value, values and profile"):
        mapping(HEAD + "time: {column: at}\n")


def test_times_are_read_as_the_mapping_says() -> None:
    assert moment("time: {column: at, zone: America/New_York}", "2026-07-01T08:00:00") == "2026-07-01T12:00:00+00:00"
    assert moment("time: {column: at, zone: UTC}", "2026-07-01 08:00:00+08:00") == "2026-07-01T00:00:00+00:00"
    assert moment('time: {column: at, zone: UTC, format: "%d/%m/%Y %H:%M"}', "11/04/2022 10:00")[:10] == "2022-04-11"
    assert moment("time: {column: at, format: unix_ms}", "1782892800000") == "2026-07-01T08:00:00+00:00"
    assert moment("time: {column: at, format: unix_s}", "1782892800.5") == "2026-07-01T08:00:00.500000+00:00"
    two = HEAD + "time: {column: [day, hour], zone: UTC}\nvalue: {column: depth}\n"
    assert one(two, {"id": "a", "day": "2026-07-01", "hour": "08:00", "depth": 1}).time_us == 1_782_892_800_000_000
    with pytest.raises(InputError, match="has no offset"):
        moment("time: {column: at}", "2026-07-01T08:00:00")


def test_local_times_that_never_were_or_came_twice() -> None:
    text = HEAD + "time: {column: at, zone: America/New_York}\nvalue: {column: depth}\n"
    translator = Translator(mapping(text))
    with pytest.raises(Refused, match=r"bad_time.*no such local time"):
        list(translator.readings({"id": "a", "at": "2024-03-10T02:30:00", "depth": 1}))
    assert translator.ambiguous == 0
    (twice,) = translator.readings({"id": "a", "at": "2024-11-03T01:30:00", "depth": 1})
    assert isinstance(twice, Reading)
    assert translator.ambiguous == 1
    assert twice.time_us % 86_400_000_000 == 5.5 * 3600e6


@pytest.mark.parametrize("time", ["", "yesterday", "2026-13-01T00:00:00", "99999-01-01"])
def test_a_bad_time_refuses_the_row(time: str) -> None:
    with pytest.raises(Refused, match="bad_time"):
        translate(LONG, {"id": "a", "at": time, "depth": 1})


def test_missing_values_are_counted_and_bad_ones_refused() -> None:
    translator = Translator(mapping(LONG + "missing: [-9999, n/a]\n"))
    row = {"id": "a", "at": "2026-07-01"}
    for absent in ("", " NaN ", "-9999", "-9999.0", -9999, "N/A", None, float("nan")):
        assert list(translator.readings({**row, "depth": absent})) == []
    assert translator.missing == 8
    for bad in ("wet", "inf", True):
        (found,) = translator.readings({**row, "depth": bad})
        assert isinstance(found, Refused)
        assert found.why == "bad_value"


def test_units_in_column_names_and_several_values_a_row() -> None:
    text = HEAD.replace('"{id}"', '"{id}-x"') + "time: {column: at, zone: UTC}\nvalues:\n"
    text += '  - {match: "(?P<name>\\\\w+) \\\\[(?P<unit>.+)\\\\]", sensor: "{id}-{name}"}\n'
    text += "  - {column: volt, unit_column: vu}\n"
    found = translate(text, {"id": "a", "at": "2026-07-01", "depth [in]": "2", "air [°C]": 20, "volt": 3.6, "vu": "V"})
    assert [(r.source.sensor, r.value, r.source.unit) for r in found if isinstance(r, Reading)] == [
        ("a-depth", 2.0, "in"), ("a-air", 20.0, "°C"), ("a-x", 3.6, "V"),
    ]  # fmt: skip


def test_profiles_flags_derived_names_and_impossible_rows() -> None:
    text = """\
version: 1
files: ["*.csv"]
time: {column: at, zone: UTC}
derive: {borough: {from: id, match: "([A-Z]+)-.*", map: {BK: brooklyn}}}
sensor: "{id}"
gateway: "fn-{borough}"
district: "{borough}"
profile: {values: depth, offsets_s: secs, unit: in}
flag: {column: q, map: {good: 1, bad: 4}}
plausible: {onset: [0, 1000]}
"""
    row: dict[str, object] = {"id": "BK-1", "at": "2026-07-01", "q": "good", "onset": "5", "depth": "[1, null, 2.5, 3]"}
    row["secs"] = "[0, 60, 120.5, -7]"
    found = translate(text, row)
    source = Source("brooklyn", "fn-brooklyn", "BK-1", "in")
    start = 1_782_864_000_000_000
    assert [r for r in found if isinstance(r, Reading)] == [
        Reading(start, source, 1.0, 1), Reading(start + 120_500_000, source, 2.5, 1),
    ]  # fmt: skip
    assert [r.why for r in found if isinstance(r, Refused)] == ["bad_time"]
    for change, why in [
        ({"onset": "1379016.5"}, "implausible"),
        ({"id": "XX-1"}, "bad_name"),
        ({"q": "odd"}, "bad_flag"),
        ({"depth": "[1, 2"}, "bad_profile"),
        ({"depth": "[1]"}, "bad_profile"),
    ]:
        with pytest.raises(Refused, match=why):
            translate(text, {**row, **change})
    with pytest.raises(InputError, match="no column 'secs'"):
        translate(text, {key: value for key, value in row.items() if key != "secs"})


def test_files_of_every_kind_give_the_same_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    plain = "id,at,depth\na,2026-07-01,1.5\nb,2026-07-01\nc,2026-07-02,2.5\n"
    (tmp_path / "a.csv").write_text("\ufeff" + plain)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(plain.encode()))
    with zipfile.ZipFile(tmp_path / "c.csv.zip", "w") as archive:
        archive.writestr("c.csv", plain)
    rows = [{"id": "a", "at": "2026-07-01", "depth": 1.5}, {"id": "c", "at": "2026-07-02", "depth": 2.5}]
    lines = [json.dumps(rows[0]), "{broken", json.dumps(rows[1]), "", "[]"]
    (tmp_path / "d.jsonl").write_text("\n".join(lines))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "e.parquet")
    every = mapping(LONG.replace('["*.csv"]', '["*"]'))
    for path in find_files(tmp_path, every):
        found = list(read_rows(path, every))
        good = [(row.cells["id"], float(str(row.cells["depth"]))) for row in found if isinstance(row, Row)]
        assert good == [("a", 1.5), ("c", 2.5)], path
        bad = [(row.number, row.why) for row in found if isinstance(row, BadRow)]
        assert len(bad) == {".jsonl": 2, ".parquet": 0}.get(path.suffix, 1)
        if "csv" in path.name:
            assert bad == [(3, "2 cells under 3 columns")]
    with pytest.raises(InputError, match="no file matches"):
        find_files(tmp_path, mapping(LONG.replace("*.csv", "*.nothing")))


@pytest.mark.parametrize("chunk", [3, 1000])
def test_sorting_is_by_time_and_stable_however_much_was_spilled(chunk: int) -> None:
    source = Source("old", "gw", "a", "")
    given = [Reading((n * 7919) % 10 * 1_000_000, source, float(n), 0) for n in range(50)]
    with Sorter(chunk) as sorter:
        for reading in given:
            sorter.add(reading)
        assert list(sorter) == sorted(given, key=lambda reading: reading.time_us)
        assert (sorter.count, sorter.first_us, sorter.last_us) == (50, 0, 9_000_000)
