"""What docs/notices.md says of states, kinds, the body, the signature and the heartbeat is so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from city.clock import SystemClock
from city.levels import Level
from rules.notify import lanes, notifier, outcomes, policy
from rules.notify.heartbeat import Heartbeat
from rules.notify.outbox import Notice
from rules.notify.render import render
from rules.notify.webhook import signature
from rules.notify.wording import GATHERED, HEADS, Links
from rules.notify.zone import Home
from store.connection import connect, pool
from tests.notify.conftest import FACTS, T0

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "notices.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
SECTIONS = dict(part.split("\n", 1) for part in TEXT.split("\n## ")[1:])


def rows(section: str, which: int = 0) -> list[str]:
    """The words in the first column of a table, as far as they are code."""
    tables = re.findall(r"(?:^\|.*\n)+", SECTIONS[section], re.MULTILINE)
    return [word for line in tables[which].splitlines()[2:] for word in re.findall(r"`(\w+)`", line.split("|")[1])]


def test_the_example_tells_our_notices_from_others() -> None:
    [example] = CODE
    said: dict[str, Any] = {}
    exec(example, said)  # noqa: S102 - the page's own example
    check: Callable[[bytes, str, bytes, float], bool] = said["is_from_lifeline"]
    header = signature(b"secret", 1000, b"{}")
    assert check(b"secret", header, b"{}", 1000.0)
    assert check(b"secret", header, b"{}", 1299.0)
    for secret, given, body, now_s in (
        (b"other", header, b"{}", 1000.0), (b"secret", header, b"{ }", 1000.0), (b"secret", header, b"{}", 1301.0),
        (b"secret", "", b"{}", 1000.0), (b"secret", "t=1000", b"{}", 1000.0), (b"secret", "t=x,v1=y", b"{}", 1000.0),
    ):  # fmt: skip
        assert not check(secret, given, body, now_s)


def test_every_state_and_kind_is_explained(database: str) -> None:
    with connect(database) as conn:
        found = conn.execute(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'notices_state_check'"
        ).fetchone()
    assert found is not None
    assert sorted(rows("States")) == sorted(re.findall(r"'(\w+)'", str(found[0])))
    assert sorted(rows("What a notice says", 1)) == sorted({*HEADS, *GATHERED})


def test_every_key_of_the_body_is_named() -> None:
    content = {"facts": FACTS, "to": {}, "raised": {}, "settings": {}}
    notice = Notice(
        "n", "I-1", "clear", 0, 0, "li", "v", "webhook", "webhook", Level.NONE, content, T0, 1, False, False
    )
    keys = json.loads(render(notice, Links("x"), ZoneInfo("UTC")).body)
    named = set(re.findall(r"`(\w+)`", SECTIONS["Receiving webhooks"]))
    assert [key for key in keys if key not in named] == []


def test_the_numbers_are_those_in_force() -> None:
    assert notifier.NotifierSettings.workers == 16
    assert (outcomes.IN_A_ROW, outcomes.OVER_US) == (3, 60_000_000)
    assert (policy.FIRST_DELAY_S, policy.LONGEST_DELAY_S, policy.RED_FALLBACK_AFTER_S) == (1, 300, 60)
    assert (policy.GIVE_UP_AFTER_S, policy.LONGEST_ASKED_S) == (4 * 3600, 3600)
    room = lanes.Lanes(16)
    for n in range(8):
        room.enter(lanes.Place("sms", f"sms {n}", red=False))
    now = room.room()
    assert now is not None
    assert now.channels == ["sms"]  # half of them


def test_the_heartbeat_is_as_shown(database: str) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    with pool(database, 1) as connections, connections.connection() as conn:
        heart = Heartbeat(connections, {}, SystemClock(), lambda: 0.0)
        body = heart._body(conn, Home(), T0)
    assert list(json.loads(shown)) == list(body)
