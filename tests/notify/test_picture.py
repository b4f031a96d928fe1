"""The picture of the last 24 hours: small, in a font that has every character, never waited for long, kept bounded."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from psycopg_pool import ConnectionPool

from city.levels import Level
from rules.notify import gallery as galleries
from rules.notify import picture
from rules.notify.gallery import KEPT, Gallery, thresholds
from rules.notify.picture import MOST_BYTES, Point, Scene, draw
from store.connection import Connection, pool
from tests.running import PATIENCE_S

if TYPE_CHECKING:
    from tests.notify.conftest import Outbox

UNTIL = datetime(2026, 7, 1, 8, tzinfo=UTC)
LEVELS = {8.0: Level.BLUE, 15.0: Level.YELLOW, 27.0: Level.ORANGE, 40.0: Level.RED}


def points(many: int, jagged: float = 0.0) -> list[Point]:
    found = []
    for n in range(many):
        value = 20.0 + (n * 7919 % 1000) / 1000 * jagged
        found.append(Point(UNTIL - timedelta(days=1) * (many - n) / many, value, value - jagged, value + jagged))
    return found


def scene(language: str = "en", many: int = 288, jagged: float = 0.0, title: str = "Water · Renmin Road") -> Scene:
    gap, raised, zone = timedelta(minutes=18), UNTIL - timedelta(hours=1), ZoneInfo("Asia/Shanghai")
    return Scene(title, "wl-017", "cm", points(many, jagged), UNTIL, gap, LEVELS, raised, zone, language)


def colours(made: bytes) -> set[tuple[int, ...]]:
    image = Image.open(io.BytesIO(made)).convert("RGB")
    return {colour for _, colour in image.getcolors(1 << 20) or [] if isinstance(colour, tuple)}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_it_is_a_small_png_with_every_level(language: str) -> None:
    made = draw(scene(language))
    image = Image.open(io.BytesIO(made))
    assert (image.format, image.size) == ("PNG", (640, 320))
    assert len(made) <= MOST_BYTES
    seen = colours(made)
    for wanted in ((0xC0, 0, 0), (0xC0, 0x50, 0), (0x8A, 0x6D, 0), (0x1F, 0x5F, 0xBF)):
        assert any(max(abs(a - b) for a, b in zip(wanted, one, strict=True)) < 40 for one in seen), wanted


def test_the_wildest_day_still_fits() -> None:
    assert 0 < len(draw(scene(many=3000, jagged=500.0))) <= MOST_BYTES


def test_one_reading_and_none_are_drawn() -> None:
    assert draw(scene(many=1))
    assert draw(scene(many=0))


def test_dollar_signs_are_text_and_not_mathematics() -> None:
    assert draw(scene(title="a $ b $ {c_ _d"))


def test_without_a_chinese_font_it_says_less_and_draws_no_boxes(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    faces = picture._faces()
    monkeypatch.setattr(picture, "_faces", lambda: faces[:1])  # as where matplotlib's own is the only one
    with caplog.at_level(logging.WARNING):
        made = draw(scene("zh", title="下穿通道积水 · 人民路"))
    assert made
    assert not recwarn.list  # matplotlib warns of every character that it has no shape for
    assert "Glyph" not in caplog.text
    assert picture._said("raised_mark", "zh") == "raised"


@pytest.fixture
def gallery(database: str) -> Iterator[Gallery]:
    with pool(database, 2) as connections, Gallery(connections, PATIENCE_S) as made:
        yield made


def test_what_was_drawn_once_is_kept_for_whoever_else_is_told(gallery: Gallery) -> None:
    drawn = []

    def make() -> bytes:
        drawn.append(1)
        return b"picture"

    assert [gallery.ask(("I-1", 42.0), make, urgent=True) for _ in range(5)] == [b"picture"] * 5
    assert len(drawn) == 1


def test_it_is_not_waited_for_and_is_there_the_next_time(database: str) -> None:
    release = threading.Event()

    def make() -> bytes:
        release.wait(PATIENCE_S)
        return b"picture"

    with pool(database, 2) as connections, Gallery(connections, 0.2) as gallery:
        assert gallery.ask(("I-1",), make, urgent=True) == b"", "before it is drawn"
        release.set()
        assert gallery._made[("I-1",)].result(PATIENCE_S) == b"picture"
        assert gallery.ask(("I-1",), make, urgent=True) == b"picture"


def test_a_brush_that_breaks_is_no_reason_not_to_send(gallery: Gallery) -> None:
    def fail() -> bytes:
        raise RuntimeError("no brush")

    assert gallery.ask(("I-1",), fail, urgent=True) == b""


def test_what_is_kept_is_bounded(gallery: Gallery) -> None:
    for n in range(3 * KEPT):
        assert gallery.ask((n,), lambda: b"x", urgent=True) == b"x"
    assert len(gallery._made) == KEPT


def test_a_flood_of_e_mails_draws_a_fifth_of_the_time_but_reds_always_may(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [100.0]
    monkeypatch.setattr(galleries, "stopwatch_s", lambda: now_s[0])
    gallery._at_s = now_s[0]

    def costly() -> bytes:
        now_s[0] += 2.0
        return b"x"

    made = [gallery.ask((n,), costly, urgent=False) for n in range(20)]
    assert made.count(b"x") == 4  # five seconds at first, less what they cost
    assert gallery.ask(("red",), costly, urgent=True) == b"x"
    now_s[0] += 30.0
    assert gallery.ask(("later",), costly, urgent=False) == b"x"


def test_thresholds_are_those_listed_or_those_that_evidence_names() -> None:
    listed = {"thresholds": [{"value": 15, "level": "yellow"}, {"value": 40.0, "level": "red"}, {"value": "x"}]}
    assert thresholds(listed, "wl-017", []) == {15.0: Level.YELLOW, 40.0: Level.RED}
    named = {
        "level": "red",
        "evidence": [{"sensor": "wl-017", "test": "above 40 cm"}, {"sensor": "b", "test": "above 1"}],
    }
    seen = [("above 15 cm", Level.YELLOW), ("rising 2 cm in 10 min", Level.BLUE)]
    assert thresholds(named, "wl-017", seen) == {15.0: Level.YELLOW, 40.0: Level.RED}
    assert thresholds({}, "wl-017", []) == {}


def test_a_sensor_that_speaks_often_is_drawn_from_five_minutes_at_a_time(
    outbox: Outbox, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = [UNTIL - timedelta(seconds=20 * n) for n in range(360, 0, -1)]
    outbox.sensor("st-1", [(at, float(at.second)) for at in times])
    outbox.conn.execute("UPDATE lifeline.sensors SET interval_s = 20")
    scenes = list[Scene]()

    def keep(scene: Scene) -> bytes:
        scenes.append(scene)
        return b"x"

    monkeypatch.setattr(picture, "draw", keep)
    outbox.notice("n", created_at=UNTIL, content={"facts": {"sensor": "st-1", "what": "Strain", "value": 1.0}})
    outbox.conn.execute(
        "INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level,"
        " peak_level, condition, raised_at, incident, title) VALUES ('A-1', 'strain', '1', 'st-1', 'st-1', 'up-01',"
        " 'd1', 'bridge', 2, 2, 'active', %s, 'I-1', '{}')",
        (UNTIL,),
    )
    limits = "INSERT INTO lifeline.limits VALUES ('st-1', 'strain', 2, 'high', 15), ('st-1', 'strain', 4, 'high', 40),"
    outbox.conn.execute(f"{limits} ('st-1', 'another', 3, 'high', 99)")
    from rules.notify import outbox as box
    from rules.notify.lanes import Room

    room = Room(others=True, red_channels=[], red_endpoints=[], channels=[], endpoints=[])
    row = box.claim(outbox.conn, room, UNTIL, UNTIL)
    assert row is not None
    connections: ConnectionPool[Connection]
    with pool(database, 2) as connections, Gallery(connections) as gallery:
        assert gallery.picture(row, ZoneInfo("UTC")) == b"x"
    [seen] = scenes
    assert seen.thresholds == {15.0: Level.YELLOW, 40.0: Level.RED}  # also those that it has not reached
    assert len(seen.points) == 24
    assert {(point.low, point.value, point.high) for point in seen.points} == {(0.0, 20.0, 40.0)}
    assert [point.time for point in seen.points] == sorted(point.time for point in seen.points)
