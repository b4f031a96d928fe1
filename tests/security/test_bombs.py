"""Files and messages made to burst, to lead elsewhere or to be run: each is refused, soon, and in little memory."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from city import jsonfile, yamlfile
from city.errors import FaultyInput, InputError, OutsideError
from city.folder import read_folder
from gateway import recorded
from gateway.mapping import read_mapping
from ingest.decoders import decode
from ingest.message import Refusal
from lifeline import custody
from lifeline.http.photos import PhotoRefusedError, read_photo
from lifeline.seriesfile import Layout, SeriesFile
from rules.cap import checks
from rules.desk.icalfile import read_calendar
from store import backup, script, sheet
from tests.http.conftest import World

SOON_S = 5.0  # of the processor, whatever else it does: minutes when it is not refused, a second or less when it is


@contextmanager
def soon(what: str, most_mb: float = 0) -> Iterator[None]:
    """Within `SOON_S`, and with `most_mb` MB at most where that is said (which takes longer to find out)."""
    if most_mb:
        tracemalloc.start()
    began_s = sum(os.times()[:2])
    try:
        yield
        took_s = sum(os.times()[:2]) - began_s
        assert took_s < SOON_S, f"{what}: took {took_s:.1f} s"
        if most_mb:
            assert tracemalloc.get_traced_memory()[1] < most_mb * 1e6, what
    finally:
        if most_mb:
            tracemalloc.stop()


SIZE = yamlfile.MAX_BYTES - 8
YAMLS: dict[str, str] = {
    "sixties": "a: 1:" + "59:" * (SIZE // 3 - 4) + "1",
    "flow in flow": "[" * SIZE,
    "maps in maps": "{a: " * (SIZE // 4),
    "complex keys": "? " * (SIZE // 2),
    "laughs": "a: &a [x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
    ),
    "one key a million times": "a: 1\n" * (SIZE // 5),
    "a scalar of a megabyte": 'a: "' + "\\n" * (SIZE // 2 - 4) + '"',
    "digits": "a: 0" + "7" * (SIZE - 8),
    "base 16": "a: 0x" + "f" * (SIZE - 8),
    "open quotes": "a: 'x\n" * (SIZE // 6),
    "tabs": "\ta: 1\n" * (SIZE // 6),
    "comments": "# x\n" * (SIZE // 4),
    "code": "- !!python/object/apply:os.system [x]\n" * (SIZE // 40),
}  # fmt: skip


@pytest.mark.parametrize("what", YAMLS)
def test_no_yaml_bursts_its_reader(what: str) -> None:
    """Every YAML that the program reads goes through this one reader; depth and count are in tests/city too."""
    with soon(what):
        found = yamlfile.read(YAMLS[what], "x.yaml")
    assert found.faults or found.data is None or what == "a scalar of a megabyte"
    assert len(found.faults) <= yamlfile.MAX_FAULTS + 1


def test_there_is_one_reader_of_yaml_and_none_of_other_peoples_objects() -> None:
    """What would read YAML, XML or pickles in another way is found by looking through the source."""
    root = Path(__file__).resolve().parents[2]
    allowed = {
        "YAML(": {"city/yamlfile.py", "dashboards/files.py"},  # the second one only writes
        "yaml.load": set(), "yaml.safe_load": set(), "marshal.load": set(), "shelve.": set(), "jsonpickle": set(),
        "pickle.loads": {"detectors/river_adapter.py"},  # see deploy/SECURITY.md: who may write to the database
        "os.system": set(), "shell=True": set(), " eval(": set(), " exec(": set(), "mktemp(": set(),
        "verify=False": set(),
        "CERT_NONE": {"lifeline/certwatch.py"},  # reads when a certificate ends, also of one that has; says nothing
        "|safe": set(), "extractall": set(),
    }  # fmt: skip
    rooms = ("city", "dashboards", "detectors", "gateway", "ingest", "lifeline", "rules", "store")
    files = [path for room in rooms for path in sorted((root / room).rglob("*")) if path.suffix in (".py", ".html")]
    assert len(files) > 300
    for path in files:
        text, name = path.read_text(), path.relative_to(root).as_posix()
        for word, where in allowed.items():
            assert word not in text or name in where, f"{name}: {word}"
        for line in text.splitlines():
            if "etree.fromstring(" in line:
                assert "PARSER" in line or "resolve_entities=False" in line, f"{name}: {line.strip()}"


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("deep", "[" * 500_000),
        ("objects", '{"a":' * 200_000),
        ("digits", "[" + "9" * 1_000_000 + "]"),
        ("keys", "{" + ",".join(f'"{n}":1' for n in [*range(20_000), 19_999]) + "}"),
        ("constant", "[NaN]"),
    ],
)
def test_no_json_bursts_its_readers(what: str, text: str) -> None:
    with soon(what), pytest.raises(FaultyInput):
        jsonfile.parse(text, "x.json")
    with soon(what):
        decoded = decode("lifeline/v1/d/g/readings", text.encode())
    assert isinstance(decoded, Refusal)


def packed(folder: Path, name: str, piece: bytes, pieces: int) -> Path:
    """A file of a few hundred kilobytes that unpacks to `pieces` MiB."""
    path = folder / name
    if name.endswith(".gz"):
        with gzip.open(path, "wb", compresslevel=9) as out:
            for _ in range(pieces):
                out.write(piece)
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.csv", "w") as inside:
            for _ in range(pieces):
                inside.write(piece)
    return path


def test_a_packed_recording_without_line_ends_fills_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_LONGEST", 1 << 20)
    example = Path(recorded.__file__).parent / "examples/floodnet/mapping.yaml"
    mapping = replace(read_mapping(example), format="csv", encoding="utf-8", skip_lines=0, delimiter=",")
    for name in ("x.csv.gz", "x.csv.zip"):
        path = packed(tmp_path, name, b"0" * (1 << 20), 64)
        assert path.stat().st_size < 200_000
        with soon(name, most_mb=24), pytest.raises(InputError, match="a line of more than 1048576 characters"):
            list(recorded.read_rows(path, mapping))
        if name.endswith(".gz"):
            with soon(name, most_mb=24), pytest.raises(InputError, match="a line of more than"):
                list(SeriesFile(path, Layout("water_depth")).chunks())
    damaged = tmp_path / "d.csv.gz"
    whole = gzip.compress(b"a,b\n1,2\n" * 9000)
    damaged.write_bytes(whole[:60] + b"\xff" * 40 + whole[100:])
    with pytest.raises(OutsideError):
        list(recorded.read_rows(damaged, mapping))


def test_a_backup_that_would_burst_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "b.backup"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open(backup.MANIFEST, "w", force_zip64=True) as inside,
    ):
        for _ in range(101):
            inside.write(b" " * 1_000_000)
    assert path.stat().st_size < 200_000
    with soon("manifest", most_mb=20), pytest.raises(InputError, match="100000000 are the most"), backup.opened(path):
        pass


@pytest.mark.parametrize(
    "name", ["files/../../etc/cron.d/x", "/etc/passwd", "data/../../x", "city/../data/secret", "x"]
)
def test_a_backup_puts_files_into_its_own_folders_only(name: str, tmp_path: Path) -> None:
    check, _ = custody.placer(tmp_path / "data", tmp_path / "city")
    manifest = backup.Manifest(1, "", "", "", "", "plain", {}, [], [], {name: "0" * 64})
    with pytest.raises(InputError, match="outside its folders"):
        check(manifest)


def test_a_script_in_a_backup_says_one_thing_a_line(world: World) -> None:
    """Rows and the places of sequences: what stands behind them would be run with every right."""
    known = {"meta", "journal_seq_seq", "audit"}
    for line in (
        b"COPY lifeline.meta (key, value) FROM stdin; DROP TABLE lifeline.audit; --() FROM stdin;",
        b"COPY lifeline.meta (key) FROM PROGRAM 'id'; COPY lifeline.meta (key) FROM stdin;",
        b"COPY lifeline.meta (key, (SELECT 1)) FROM stdin;",
        b"SELECT pg_catalog.setval('lifeline.journal_seq_seq', 1, true); CREATE TABLE public.mine (x int);",
        b"SELECT pg_catalog.setval('lifeline.journal_seq_seq', (SELECT 1), true);",
        b"DROP TABLE lifeline.audit;",
        b"\\! id",
    ):
        with pytest.raises(OutsideError, match="says what no backup says"):
            script.play(world.conn, [line, b"\\.\n"], known, known)
    tables = "SELECT to_regclass('lifeline.audit') IS NOT NULL, to_regclass('public.mine') IS NULL"
    assert world.conn.execute(tables).fetchone() == (True, True)


def test_a_city_folder_reads_what_is_in_it(tmp_path: Path) -> None:
    """Folders behind links are not entered, other endings not read; one calendar is named by its name in the folder."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret.yaml").write_text("a: 1")
    (tmp_path / "city").mkdir()
    (tmp_path / "city" / "city.yaml").write_text("a: 1")
    (tmp_path / "city" / "linked").symlink_to(tmp_path / "out")
    (tmp_path / "city" / "passwd").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "city" / "waits.yaml")
    with soon("a pipe"):
        assert list(read_folder(tmp_path / "city")) == ["city.yaml"]


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("own zones", "".join(f"BEGIN:VTIMEZONE\nTZID:Z/{n}\nEND:VTIMEZONE\n" for n in range(30_000))),
        ("nested", "BEGIN:VTIMEZONE\n" * 50_000 + "END:VTIMEZONE\n" * 50_000),
        ("seconds", "BEGIN:VEVENT\nUID:1\nDTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY\nEND:VEVENT\n"),
        ("often", "BEGIN:VEVENT\nUID:1\nDTSTART:20260101T000000Z\n"
                  "RRULE:FREQ=YEARLY;BYHOUR=1;BYMINUTE=1;BYSECOND=" + ",".join(map(str, range(60))) + "\nEND:VEVENT\n"),
        ("parameters", "BEGIN:VEVENT\nDTSTART" + ";a=" * 300_000 + "\nEND:VEVENT\n"),
    ],
)  # fmt: skip
def test_no_calendar_bursts_its_reader(what: str, body: str) -> None:
    with soon(what):
        feed, faults = read_calendar("x.ics", f"BEGIN:VCALENDAR\nVERSION:2.0\n{body}END:VCALENDAR\n", {})
    assert feed is None
    assert faults


def test_xml_is_read_without_entities_files_and_addresses(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("geheim")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha"}">' for n in range(12))
    for doctype, use in (
        (f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>', "&e;"),
        ('<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', ""),
        (f"<!DOCTYPE x [{laughs}]>", "&l11;"),
    ):
        xml = f'{doctype}<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>a{use}</identifier></alert>'
        with soon("entities"):
            found = checks.faults(xml.encode())
        assert found
        assert "geheim" not in repr(found)
        assert "ha" * 50 not in repr(found)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def png(side: int = 40) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(out, "PNG")
    return out.getvalue()


def with_chunk(kind: bytes, content: bytes) -> bytes:
    whole = png()
    return whole[:33] + chunk(kind, content) + whole[33:]  # behind the header


PICTURES: dict[str, Callable[[], bytes]] = {
    "a text that unpacks to 64 MB": lambda: with_chunk(b"zTXt", b"k\0\0" + zlib.compress(b"0" * (1 << 26), 9)),
    "a profile that unpacks to 64 MB": lambda: with_chunk(b"iCCP", b"k\0\0" + zlib.compress(b"0" * (1 << 26), 9)),
    "a header of 2 billion pixels": lambda: png()[:16] + (2**31 - 1).to_bytes(4, "big") * 2 + png()[24:],
    "a page behind a picture": lambda: png() + b"<html><script>alert(1)</script></html>",
    "a page within a picture": lambda: with_chunk(b"tEXt", b"Comment\0<script>alert(1)</script>"),
}  # fmt: skip


@pytest.mark.parametrize("what", PICTURES)
def test_no_picture_bursts_its_reader_or_brings_more_than_a_picture(what: str) -> None:
    """Sizes, broken files and what EXIF says of places are in tests/http/test_photos.py."""
    content = PICTURES[what]()
    with soon(what):
        try:
            kept = read_photo(content).content
        except PhotoRefusedError:
            return
    assert kept.startswith(b"\xff\xd8\xff")
    assert b"<script>" not in kept
    assert len(kept) < 100_000
    assert PngImagePlugin.MAX_TEXT_CHUNK <= 1 << 20


def test_every_text_of_a_sheet_comes_back_and_none_is_run(tmp_path: Path) -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201"]
    texts += ["'=1", "''=1", "'tis", "plain", "1-1", "a=1", "'", ""]
    file = tmp_path / "x.csv"
    with sheet.csv_sheet(file, [sheet.Column("text", "text"), sheet.Column("value", "float8")]) as out:
        out.write([(text, -1.5) for text in texts])
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.reader(opened))[1:]
    assert {value for _, value in rows} == {"-1.5"}, "numbers stay numbers"
    for text, (cell, _) in zip(texts, rows, strict=True):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")), text
        marked = cell.startswith("'") and cell.lstrip("'").startswith(sheet.RUN)
        assert (cell[1:] if marked else cell) == text
    assert json.dumps(texts)
