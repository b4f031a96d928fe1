"""What people really see, in Debian's chromium."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.running import PATIENCE_S

if TYPE_CHECKING:
    from tests.http.conftest import World

pytestmark = pytest.mark.browser
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture
def shoot(tmp_path: Path, client: httpx.Client, world: World) -> Callable[..., Path]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed: apt-get install chromium fonts-noto-cjk")
    world.incident()
    world.incident("I-8", level=2, acknowledged=True, stage="dispatched", opened_at=world.ago(95))
    world.incident("I-9", level=0, peak_level=1, stage="reported", acknowledged=True, opened_at=world.ago(300))
    world.notice()
    world.notice("f0", state="failed", answer="HTTP 404", target="wang")
    world.event("I-8", "acknowledge", "li", "by link", ago=90)
    world.run("INSERT INTO lifeline.escalations VALUES ('I-7', 1, 0, 0, now(), 'fired', 'told roster/drainage-duty')")
    for role in ("recorder", "watcher", "notifier"):
        world.beat(role, rate_per_s=120.5, lag_s=0.4, waiting=0, oldest_s=0)
    world.run(
        "UPDATE lifeline.latest SET received_at = now(), time = now() WHERE received_at > now() - interval '9 min'"
    )

    def shot(name: str, path: str, width: int, height: int, *more: str) -> Path:
        file = tmp_path / f"{name}.png"
        command = [chromium, *FLAGS, *more, f"--user-data-dir={tmp_path / name}", f"--screenshot={file}"]
        command += [f"--window-size={width},{height}", f"{client.base_url}{path}"]
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)  # noqa: S603 - fixed words
        return file

    return shot


def size(picture: Path) -> tuple[int, int]:
    data = picture.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    return int(width), int(height)


@pytest.mark.parametrize(
    ("name", "path", "width", "height"),
    [
        ("operations", "/?lang=en", 1400, 1100),
        ("operations-zh-360", "/?lang=zh", 360, 2400),
        ("incident", "/incidents/I-7?lang=en", 1400, 1500),
        ("sensor", "/sensors/wl-017?lang=zh", 1100, 1200),
        ("crew-zh", "", 360, 1300),
    ],
)
def test_pages_are_drawn(
    name: str, path: str, width: int, height: int, shoot: Callable[..., Any], world: World
) -> None:
    picture = shoot(name, path or f"/n/{world.token()}", width, height)
    assert size(picture) == (width, height)
    assert picture.stat().st_size > 8_000  # an empty page is far smaller


def test_the_dark_console_and_the_warning_over_stale_data_are_drawn(shoot: Callable[..., Any], world: World) -> None:
    world.run("UPDATE lifeline.latest SET received_at = received_at - interval '1 hour'")
    dark = shoot("dark", "/?lang=en", 1400, 1000, "--blink-settings=preferredColorScheme=0")
    assert size(dark) == (1400, 1000)
    assert size(shoot("forged", "/n/nonsense", 360, 600)) == (360, 600)
