"""Photos with a report: made anew, bounded, kept with the command, shown to who may see them."""

from __future__ import annotations

import io
import random
import re
import threading
from contextlib import suppress
from html import unescape
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from PIL import Image

from lifeline.http import commands
from lifeline.http.photos import LONGEST_PHOTO, LONGEST_SIDE, PhotoRefusedError, read_photo
from tests.running import PATIENCE_S

if TYPE_CHECKING:
    from tests.http.conftest import World


def drawn(width: int = 64, height: int = 48, form: str = "JPEG", seed: int = 0, **how: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    """A picture whose left upper corner is red."""
    picture = Image.new("RGB", (width, height), (seed * 37 % 256, seed * 91 % 256, 200))
    picture.paste((220, 0, 0), (0, 0, width // 2, height // 2))
    out = io.BytesIO()
    picture.save(out, form, **how)
    return out.getvalue()


def test_what_a_photo_says_of_its_maker_and_place_is_not_kept() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "PhoneMaker"  # held upright: to be turned by 90 degrees
    exif.get_ifd(0x8825)[1] = "N"
    kept = read_photo(drawn(640, 480, exif=exif, comment=b"where I live"))
    assert (kept.width, kept.height) == (480, 640)
    assert b"PhoneMaker" not in kept.content
    assert b"where I live" not in kept.content
    with Image.open(io.BytesIO(kept.content)) as again:
        assert again.format == "JPEG"
        assert not again.getexif()
        red = again.convert("RGB").getpixel((470, 10))  # the corner has moved with the picture
        assert isinstance(red, tuple)
        assert red[0] > 180
        assert red[2] < 60


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_large_photos_become_small(form: str) -> None:
    kept = read_photo(drawn(5000, 2500, form))
    assert (kept.width, kept.height) == (LONGEST_SIDE, LONGEST_SIDE // 2)


def test_what_is_clear_becomes_white() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(out, "PNG")
    with Image.open(io.BytesIO(read_photo(out.getvalue()).content)) as kept:
        assert kept.getpixel((5, 5)) == (255, 255, 255)


def bomb(side: int) -> bytes:
    out = io.BytesIO()
    Image.new("1", (side, side)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "unreadable"),
        (drawn(form="GIF"), "unreadable"),
        (drawn(400, 400, seed=9)[:-200], "unreadable"),
        (bomb(8000), "large"),
        (bomb(14000), "large"),
        (b"\xff" * (LONGEST_PHOTO + 1), "large"),
    ],
)
def test_what_is_no_fit_photo_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(PhotoRefusedError) as caught:
        read_photo(content)
    assert caught.value.why == why


def test_noise_never_breaks_the_reader() -> None:
    whole, dice = drawn(200, 200), random.Random(7)
    for _ in range(100):
        broken = bytearray(whole)
        for _ in range(5):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        with suppress(PhotoRefusedError):
            assert read_photo(bytes(broken)).width <= LONGEST_SIDE


@pytest.fixture
def link(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(commands, "PATIENCE_S", 0.05)
    world.incident(stage="on_site", acknowledged=True)
    world.notice()
    return f"/n/{world.token()}?lang=en"


def form_of(client: httpx.Client, link: str, note: str = "water pumped out") -> dict[str, str]:
    mark = re.search(r'name="mark" value="([^"]+)"', client.get(link).text)
    assert mark is not None
    return {"kind": "report", "note": note, "mark": mark[1]}


def sent(*contents: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("photo", (f"{n}.jpg", content, "image/jpeg")) for n, content in enumerate(contents)]


def kept(world: World) -> list[tuple[Any, ...]]:
    return world.conn.execute(
        "SELECT attachment, incident, person, command, width FROM city.attachments ORDER BY at, attachment"
    ).fetchall()


def test_a_report_brings_its_photos_and_they_are_shown(client: httpx.Client, link: str, world: World) -> None:
    form = form_of(client, link)
    for _ in range(2):  # sent twice is one
        answer = client.post(link, data=form, files=sent(drawn(seed=1), drawn(seed=2)))
        assert answer.status_code == 303
    [command] = world.commands()
    assert command["note"] == "water pumped out"
    rows = kept(world)
    assert len(rows) == 2
    assert {row[1:4] for row in rows} == {("I-7", "li", command["id"])}
    world.event("I-7", "report", "li", "water pumped out", ago=0)
    page = unescape(client.get(link).text)
    addresses = re.findall(r'href="(/n/[^"]+/photos/[^"]+)"', page)
    assert len(addresses) == 2
    photo = client.get(addresses[0])
    assert photo.headers["content-type"] == "image/jpeg"
    assert photo.headers["x-content-type-options"] == "nosniff"
    with Image.open(io.BytesIO(photo.content)) as shown:
        assert shown.size == (64, 48)
    world.incident("I-8")
    world.notice("bb22", "I-8")
    other = addresses[0].replace(link.partition("?")[0], f"/n/{world.token('bb22', incident='I-8')}")
    assert client.get(other).status_code == 404  # another incident's link shows nothing of this one
    assert client.get(f"{other[:-3]}xyz").status_code == 404


def test_a_refused_photo_leaves_nothing_and_keeps_the_words(client: httpx.Client, link: str, world: World) -> None:
    for contents, words in (
        ((drawn(), b"no photo"), "could not be read"),
        ((b"\xff" * (LONGEST_PHOTO + 1),), "too large"),
        (tuple(drawn(seed=n) for n in range(4)), "At most 3 photos"),
    ):
        answer = client.post(link, data=form_of(client, link), files=sent(*contents))
        assert answer.status_code == 422
        assert words in answer.text
        assert "water pumped out" in answer.text
    assert world.commands() == []
    assert kept(world) == []


def test_an_incident_has_at_most_twenty_photos_even_when_reports_race(
    client: httpx.Client, link: str, world: World
) -> None:
    for n in range(6):
        files = sent(*(drawn(seed=3 * n + m) for m in range(3)))
        assert client.post(link, data=form_of(client, link, f"round {n}"), files=files).status_code == 303
    forms = [form_of(client, link, f"racer {n}") for n in range(3)]
    answers: list[int] = []

    def race(n: int) -> None:
        files = sent(drawn(seed=100 + n), drawn(seed=200 + n))
        answers.append(client.post(link, data=forms[n], files=files).status_code)

    racers = [threading.Thread(target=race, args=(n,)) for n in range(3)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(PATIENCE_S)
    assert sorted(answers) == [303, 422, 422]
    assert len(kept(world)) == 20
    assert len(world.commands()) == 7


def test_only_a_report_may_be_large(client: httpx.Client, link: str) -> None:
    body = b"x" * 100_000
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert client.post(link, content=body, headers=headers).status_code == 413
    elsewhere = client.post("/incidents/I-7/commands", files={"photo": ("a.jpg", body)})
    assert elsewhere.status_code == 413
    forged = client.post("/n/nonsense", files={"photo": ("a.jpg", body)})
    assert forged.status_code == 403
