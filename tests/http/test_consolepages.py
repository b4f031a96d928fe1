"""What the console's pages say: order, filters, figures, roles, and cities that are empty, stormy or strange."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from psycopg.types.json import Jsonb

from city.clock import SystemClock
from city.geo import Place
from lifeline.http import live, sitemap, timeline
from store.connection import connect
from tests.http.people import account, sign_in
from tests.http.test_accounts import cheap
from tests.running import PATIENCE_S

if TYPE_CHECKING:
    from tests.http.conftest import World

__all__ = ["cheap"]  # a fixture that every test here uses
PAGES = (
    "/", "/?state=any&q=x", "/shelves", "/maintenance", "/rosters", "/notices", "/floods", "/sensors", "/gateways",
    "/rejections", "/statistics", "/statistics?days=1&desk=x&district=y", "/health",
)  # fmt: skip


def text_of(page: httpx.Response) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)))


def rows_of(page: httpx.Response) -> list[str]:
    return re.findall(r'id="row-([^"]+)"', page.text)


def clock(world: World, incident: str, name: str, due_in_min: float, state: str = "running") -> None:
    world.run(
        "INSERT INTO lifeline.incident_clocks (incident, number, clock, level, began_at, due_at, state, settled_at)"
        " VALUES (%s, 1, %s, 4, %s, %s, %s, %s)",
        *(incident, name, world.ago(10), world.ago(-due_in_min), state, world.ago(1) if state == "met" else None),
    )


def test_urgent_is_what_is_grave_unanswered_overdue_and_due_soon(client: httpx.Client, world: World) -> None:
    world.incident("red-known", acknowledged=True, opened_at=world.ago(90))
    world.incident("red-late-clock", opened_at=world.ago(5))
    world.incident("red-soon", opened_at=world.ago(6))
    world.incident("red-overdue", opened_at=world.ago(4))
    world.incident("orange", level=3, opened_at=world.ago(400))
    world.incident("red-exercise", drill=True, drill_id="d", opened_at=world.ago(500))
    world.incident("closed", closed_at=world.ago(1), stage="closed")
    clock(world, "red-soon", "confirm", 2)
    clock(world, "red-late-clock", "confirm", 20)
    clock(world, "red-overdue", "acknowledge", -3, "missed")
    clock(world, "red-overdue", "confirm", 9)
    page = client.get("/", params={"lang": "en"})
    assert rows_of(page) == ["red-overdue", "red-soon", "red-late-clock", "red-known", "red-exercise", "orange"]
    said = text_of(page)
    assert re.search(r"acknowledge: overdue [3-9] min ago", said)  # three, and a slow machine
    assert re.search(r"confirm within (2 min|\d+ s)", said)
    assert re.search(r"red 4 not acknowledged: 3", said)  # the exercise is shown and not counted


def test_a_clock_that_was_missed_is_overdue_only_until_somebody_has_done_it(client: httpx.Client, world: World) -> None:
    world.incident(stage="on_site", acknowledged=True)
    for name in ("acknowledge", "confirm"):
        clock(world, "I-7", name, -9, "missed")
    clock(world, "I-7", "report", 30)
    said = text_of(client.get("/", params={"lang": "en"}))
    assert "overdue" not in said
    assert "report within" in said
    world.run("UPDATE lifeline.incident_clocks SET clock = 'close' WHERE clock = 'confirm'")
    assert "close: overdue" in text_of(client.get("/", params={"lang": "en"}))


def test_a_command_in_a_drill_is_found_again_by_its_row(client: httpx.Client, world: World) -> None:
    world.incident(drill=True, drill_id="D-20260701-0a1b2c3d")
    world.event("I-7", "acknowledge", "li", event="D-20260701-0a1b2c3d.17.0")
    waits = "The watcher has not handled it yet"
    assert waits not in text_of(client.get("/incidents/I-7", params={"lang": "en", "seq": "17"}))
    assert waits in text_of(client.get("/incidents/I-7", params={"lang": "en", "seq": "7"}))


def test_whom_a_digest_told_is_told_of_each_of_its_incidents(client: httpx.Client, world: World) -> None:
    for incident in ("I-1", "I-2"):
        world.incident(incident)
    world.run("INSERT INTO lifeline.floods VALUES ('F', 'city', '', %s, %s, NULL, 12, 12, 1)", world.now, world.now)
    world.run(
        "INSERT INTO lifeline.digest_entries VALUES ('e', 'digest', 'F', 'wang', 'east', 'waterlogging', 'I-1',"
        " 'raise', 1, 0, 0, '{A-I-1}', '{webhook}', 'person/wang', 4, %s)",
        world.now,
    )
    assert text_of(client.get("/", params={"lang": "en"})).count("no one yet") == 2  # it waits
    world.notice("digest", incident=None, target="wang", kind="digest")
    said = text_of(client.get("/", params={"lang": "en"}))
    assert said.count("no one yet") == 1
    assert "王伟 → sent" in said


def test_filters_are_plain_links_and_say_that_not_all_is_shown(client: httpx.Client, world: World) -> None:
    world.incident("I-1")
    world.incident("I-2", level=2, title=Jsonb({"en": "Gas at O'Hara's", "zh": "燃气"}))
    world.incident("I-3", level=2, closed_at=world.ago(3), stage="closed")
    world.notice("n", incident="I-2", target="li")

    def shown(**query: str) -> list[str]:
        return rows_of(client.get("/", params={"lang": "en", **query}))

    assert shown(level="yellow") == ["I-2"]
    assert shown(state="closed") == ["I-3"]
    assert shown(q="o'hara") == ["I-2"]
    assert shown(q="%") == []
    assert shown(district="east") == ["I-1", "I-2"]
    assert shown(district="west") == []
    assert shown(domain="gas") == []
    assert shown(desk="city") == ["I-1", "I-2"]
    assert shown(desk="none") == []
    assert "not all: only what was chosen" in text_of(client.get("/", params={"lang": "en", "level": "yellow"}))
    assert client.get("/", params={"state": "wrong"}).status_code == 422


def test_two_thousand_open_incidents_come_in_pages(client: httpx.Client, world: World) -> None:
    world.run(
        "INSERT INTO lifeline.incidents (incident, site, district, level, peak_level, stage, opened_at, title,"
        " first_alarm, chain, chain_version) SELECT 'S-' || lpad(n::text, 4, '0'), 'up-01', 'east',"
        " CASE WHEN n <= 12 THEN 4 ELSE 1 + n %% 3 END, 4, 'raised', %s - n * interval '1 second',"
        " '{\"en\": \"Storm\"}', 'A-' || n, 'c', 'v' FROM generate_series(1, 2000) AS n",
        world.now,
    )
    world.run(
        "INSERT INTO lifeline.alarms (alarm, rule, rule_version, scope, sensor, site, district, domain, level,"
        " peak_level, condition, raised_at, incident, title) SELECT 'A-' || n, 'r', 'v', 'wl-017', 'wl-017', 'up-01',"
        " 'east', 'waterlogging', 4, 4, 'active', %s, 'S-' || lpad(n::text, 4, '0'), '{\"en\": \"Storm\"}'"
        " FROM generate_series(1, 2000) AS n",
        world.now,
    )
    first = client.get("/", params={"lang": "en"})
    assert len(rows_of(first)) == 50
    assert "Open incidents 2000" in text_of(first)
    assert "page 1 of 40" in text_of(first)
    assert set(rows_of(first)[:12]) == {f"S-{n:04}" for n in range(1, 13)}
    seen = [row for page in (1, 2, 39, 40) for row in rows_of(client.get("/", params={"page": page}))]
    assert len(seen) == len(set(seen)) == 200
    assert client.get("/incidents/S-0001").status_code == 200


@pytest.mark.parametrize("language", ["en", "zh"])
def test_an_empty_city_has_every_page(language: str, database: str, serve: Callable[..., Any]) -> None:
    with connect(database, autocommit=True), serve() as client:
        for path in PAGES:
            page = client.get(path, params={**httpx.QueryParams(path.partition("?")[2]), "lang": language})
            assert page.status_code == 200, path
        assert client.get("/floods/none").status_code == client.get("/gateways/none").status_code == 404


def test_what_lifeline_says_of_itself_leads_to_its_checks_and_names_what_it_is_about(
    client: httpx.Client, world: World
) -> None:
    for incident, rule, scope in (("I-1", "platform-channel", "sms"), ("I-2", "gateway-silent", "gw-2")):
        world.incident(incident, 3)
        world.run(
            "UPDATE lifeline.alarms SET rule = %s, scope = %s, sensor = NULL, domain = 'platform' WHERE incident = %s",
            *(rule, scope, incident),
        )
    for page in ("/", "/incidents/I-1"):
        shown = client.get(page).text
        assert '<a href="/health">sms</a>' in shown
        assert "/gateways/sms" not in shown
    assert '<a href="/gateways/gw-2">gw-2</a>' in client.get("/incidents/I-2").text
    choices = client.get("/shelves").text
    assert "Renmin Road · sms</option>" in choices or "人民路 · sms</option>" in choices
    assert "· gw-2</option>" in choices


def test_what_the_register_does_not_know_is_no_link(client: httpx.Client, world: World) -> None:
    for gateway, sensor, reason in (("gw-1", "wl-l", "unknown_sensor"), ("gw-l", "wl-017", "unknown_gateway")):
        world.run(
            "INSERT INTO lifeline.rejections (received_at, gateway, sensor, reason, detail)"
            " VALUES (now(), %s, %s, %s, '')",
            *(gateway, sensor, reason),
        )
    for page in ("/rejections", "/gateways/gw-1"):
        shown = client.get(page).text
        assert "<td" in shown
        assert ">wl-l</td>" in shown
        linked = re.findall(r'href="(/(?:sensors|gateways)/[^"?#]+)"', shown)
        assert linked
        assert {path: client.get(path).status_code for path in linked} == dict.fromkeys(linked, 200)


def test_strange_names_are_shown_and_do_nothing(client: httpx.Client, world: World) -> None:
    evil = "O'Hara <script>alert(1)</script> \"&"
    world.run("UPDATE lifeline.sites SET name = %s, owner = %s", Jsonb({"en": evil, "zh": evil}), evil)
    world.run("UPDATE lifeline.sensors SET name = %s", evil)
    world.incident("I-'\"<7>", title=Jsonb({"en": evil}))
    world.event("I-'\"<7>", "confirm", evil, evil)
    world.notice("n1", incident="I-'\"<7>", answer=evil, state="failed", target=evil)
    world.run(
        "INSERT INTO lifeline.shelves VALUES ('H1', 'shelved', %s, 'r', 'wl-017', 2, true, %s, %s, %s, %s, 'x')",
        *(f"r/{evil}", world.ago(5), world.ago(-5), evil, evil),
    )
    for path in ("/", "/incidents/I-%27%22%3C7%3E", "/shelves", "/notices", "/sensors", "/sensors/wl-017"):
        page = client.get(path, params={"lang": "en"})
        assert page.status_code == 200, path
        assert "<script>alert" not in page.text, path
        assert "O&#39;Hara &lt;script&gt;" in page.text, path


def test_the_timeline_merges_all_and_says_who_and_from_where(
    client: httpx.Client, world: World, watcher: Callable[[str, str], None]
) -> None:
    world.incident()
    world.notice()
    world.run(
        "INSERT INTO lifeline.escalations (incident, round, step, repeat, due_at, state, reason, settled_at)"
        " VALUES ('I-7', 1, 0, 0, %s, 'fired', 'told roster/drainage-duty', %s)",
        *(world.ago(11), world.ago(11)),
    )
    clock(world, "I-7", "acknowledge", -2, "missed")
    world.event("I-7", "joined", "", "A-2: 120 m away, 3 min later", ago=9)
    watcher("", "by console")
    form = {"kind": "acknowledge", "actor": "Zhao Min", "note": "looking"}
    page = client.post("/incidents/I-7/commands?lang=en", data=form, follow_redirects=True)
    story = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text[page.text.index('class="story"') :]))
    order = [story.index(part) for part in ("Acknowledged Zhao Min", "acknowledge: overdue", "Alarm joined", "Step 1")]
    assert order == sorted(order)
    assert re.search(r"Acknowledged Zhao Min \(local (127\.0\.0\.1|::1)\)", story)
    assert "warning → 李娜 webhook" in story
    assert "above 40 cm for 1m" in story


def test_a_note_that_is_missing_is_asked_for_and_nothing_is_lost(client: httpx.Client, world: World) -> None:
    world.incident()
    page = client.post("/incidents/I-7/commands?lang=en", data={"kind": "false_alarm", "actor": "Zhao"})
    assert page.status_code == 422
    assert "It needs a note" in text_of(page)
    assert 'value="Zhao"' in page.text
    assert world.commands() == []
    assert client.post("/incidents/I-7/commands", data={"kind": "confirm", "actor": " "}).status_code == 422


def test_what_is_held_can_be_seen_asked_and_let_go(client: httpx.Client, world: World) -> None:
    world.incident()
    world.run(
        "INSERT INTO lifeline.shelves VALUES ('H1', 'shelved', 'underpass-depth/wl-018', 'underpass-depth', 'wl-018',"
        " 2, true, %s, %s, 'Zhao Min', 'valve work', 'console')",
        *(world.ago(50), world.ago(-200)),
    )
    world.run(
        "INSERT INTO lifeline.hold_events VALUES ('5.0', %s, 'underpass-depth/wl-017', 'asked_shelve', 'Zhao', 'x',"
        " 'api')",
        world.ago(3),
    )
    said = text_of(client.get("/shelves", params={"lang": "en"}))
    for part in ("Zhao asked to hold underpass-depth/wl-017", "valve work", "in 3 h · ends with the condition",
                 "red 15 min, orange 60 min, yellow 8 h, blue 24 h"):  # fmt: skip
        assert part in said, part
    form = {"kind": "shelve", "target": "underpass-depth/wl-017", "minutes": "15", "note": "pump test", "actor": "Li"}
    page = client.post("/holds", data=form)
    assert page.status_code == 303
    [command] = world.commands()
    assert (command["kind"], command["target"], command["via"]) == ("shelve", "underpass-depth/wl-017", "console")
    assert command["until_us"] - command["at_us"] == pytest.approx(15 * 60e6, abs=5e6)
    assert client.post("/holds", data=form | {"kind": "explode"}).status_code == 422
    assert client.post("/holds", data=form | {"minutes": "999999"}).status_code == 422


def test_figures_are_those_counted_by_hand(client: httpx.Client, world: World) -> None:
    world.run("UPDATE lifeline.bundles SET applied_at = %s", world.ago(60 * 24 * 40))
    world.incident("I-1", opened_at=world.ago(100), closed_at=world.ago(5), stage="closed")
    world.event("I-1", "acknowledge", "li", ago=98)
    world.event("I-1", "confirm", "li", ago=96)
    world.incident("I-2", opened_at=world.ago(200), acknowledged=True)
    world.event("I-2", "acknowledge", "li", ago=190)
    world.incident("I-3", opened_at=world.ago(300), drill=True, drill_id="d")
    world.event("I-3", "acknowledge", "li", ago=299)
    world.incident("I-4", opened_at=world.ago(400), stage="false_alarm")
    world.event("I-4", "false_alarm", "li", ago=390)
    clock(world, "I-1", "acknowledge", -95, "met")
    clock(world, "I-2", "acknowledge", -195, "missed")
    for n in range(13):  # twelve in one ten minutes that count, and one of the platform
        counted = n < 12
        world.run(
            "INSERT INTO lifeline.annunciations VALUES (%s, 'city', '', 'A-I-1', 'I-1', 'east', 'waterlogging', %s,"
            " false, %s)",
            *(f"n{n}", counted, world.ago(105) + timedelta(seconds=n)),
        )
    world.run(
        "INSERT INTO lifeline.annunciations VALUES ('d', 'city', 'drill', 'A-I-3', 'I-3', 'east', 'x', true, true, %s)",
        world.ago(90),
    )
    said = text_of(client.get("/statistics", params={"lang": "en", "days": "1"}))
    for part in (
        r"Alarms annunciated n: alarms told at a desk 12 ",
        r"An hour [^%]*? 0\.5 ≤ 6 ✓ good",
        r"Most in ten minutes max\(n per ten-minute bin\) 12 ≤ 10 ✗ poor",
        r"Floods count 1 ",
        r"Share of the ten most frequent [^✗]* 100\.0 % < 5 % ✗ poor",
        r"Chattering alarms [^✗]* 1 0 ✗ poor",
        r"Incidents opened neither diagnostics nor exercises 3 ",
        r"Mean response [^✓]* 7 min ≤ 7 min ✓ good",  # 4 and 10 minutes
        r"Acknowledged without action [^–]* 50\.0 %",
        r"False alarms [^–]* 50\.0 %",
        r"red 2 min / 10 min n = 2 in time 50 % \(1 of 2\)",
        r"Of 12 alarms in all",
    ):
        assert re.search(part, said), part
    same = client.get("/api/v1/statistics", params={"since": world.ago(24 * 60).isoformat()}).json()
    assert (same["raises"], round(same["per_hour"], 3), same["peak"], len(same["floods"])) == (12, 0.5, 12, 1)
    assert client.get("/api/v1/statistics", params={"desk": "other"}).json()["raises"] == 0


def test_who_may_only_look_sees_no_buttons_and_who_may_signs_with_the_account(
    client: httpx.Client, world: World, watcher: Callable[[str, str], None]
) -> None:
    world.incident()
    account(world, "eye", "viewer")
    account(world, "hand", "operator")
    assert sign_in(client, "eye").status_code == 303
    page = client.get("/incidents/I-7", params={"lang": "en"})
    assert "You may look, not act" in text_of(page)
    assert 'value="acknowledge"' not in page.text
    assert 'id="shelve"' not in client.get("/shelves").text
    assert client.post("/incidents/I-7/commands", data={"kind": "confirm"}).status_code == 403
    client.cookies.clear()
    assert sign_in(client, "hand").status_code == 303
    page = client.get("/incidents/I-7", params={"lang": "en"})
    assert "Signed as hand" in text_of(page)
    assert 'name="actor"' not in page.text
    [key] = set(re.findall(r'name="csrf" value="([^"]+)"', page.text[page.text.index('id="commands"') :]))
    watcher("", "by console")
    assert client.post("/incidents/I-7/commands", data={"kind": "confirm"}).status_code == 403  # without the key
    answer = client.post("/incidents/I-7/commands", data={"kind": "confirm", "csrf": key, "actor": "somebody else"})
    assert answer.status_code == 303
    [command] = world.commands()
    assert command["actor"] == "hand"


def test_an_account_of_a_district_sees_that_district_only(client: httpx.Client, world: World) -> None:
    world.incident("I-east")
    world.run("INSERT INTO lifeline.districts VALUES ('west', %s)", Jsonb({"en": "West"}))
    world.incident("I-west", district="west")
    account(world, "westerner", "operator", "west")
    assert sign_in(client, "westerner").status_code == 303
    page = client.get("/")
    assert rows_of(page) == ["I-west"]
    assert client.get("/incidents/I-east").status_code == 404
    for path in PAGES:
        assert client.get(path).status_code == 200, path


def test_pages_are_told_what_changed_and_never_what_it_is(client: httpx.Client, world: World) -> None:
    with client.stream("GET", "/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        assert [next(lines) for _ in range(2)] == ["retry: 2000", "event: hello"]
        # News may be said before this page listens: it is said again until it is heard.
        heard, stop = list[str](), threading.Event()

        def say() -> None:
            wall = SystemClock()
            while not stop.is_set():
                world.run("UPDATE lifeline.incidents SET acknowledged = true WHERE incident = 'none'")
                wall.pause_s(0.2, until=stop)

        speaker = threading.Thread(target=say)
        speaker.start()
        try:
            for line in lines:
                heard.append(line)
                if line == "data: incidents":
                    break
        finally:
            stop.set()
            speaker.join(PATIENCE_S)
    assert "event: changed" in heard


def test_no_more_pages_are_served_than_the_server_can_hold(
    monkeypatch: pytest.MonkeyPatch, client: httpx.Client
) -> None:
    monkeypatch.setattr(live, "MOST_PAGES", 1)
    with client.stream("GET", "/events") as held:
        lines = held.iter_lines()  # kept: letting go of it would end the stream
        assert next(lines) == "retry: 2000"
        with client.stream("GET", "/events") as refused:
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "30"


def test_the_map_keeps_scale_and_north() -> None:
    middle = Place(121.6, 38.9)
    window = sitemap.Window(middle, 500.0)
    east, north = Place(121.6 + 200 / 111_195 / 0.7782, 38.9), Place(121.6, 38.9 + 200 / 111_195)
    (x, y), (ex, _), (_, ny) = window.xy(middle), window.xy(east), window.xy(north)
    assert ex - x == pytest.approx(y - ny, rel=0.01)  # 200 m is as long to the east as to the north
    assert ny < y
    bar_m, bar = 200, 200 * window.pixels_per_m
    drawn = str(sitemap.draw(window, [sitemap.Spot("own", "<here>", middle, "red")], "map", "en"))
    assert f"{bar_m} m" in drawn
    assert f"h{bar:.1f}" in drawn
    assert "&lt;here&gt;" in drawn
    assert " style=" not in drawn


def test_the_story_is_newest_first_and_bounded() -> None:
    start = SystemClock().now()
    rows = [
        {"time": start + timedelta(seconds=n), "kind": "note", "actor": "li", "note": str(n), "event": f"{n}.0"}
        for n in range(timeline.MOST + 10)
    ]
    story = timeline.merged([], rows, [], [], [], {"409": "session 10.0.0.9"})
    assert len(story) == timeline.MOST
    assert story[0].note == str(timeline.MOST + 9)
    assert story[0].via == "session 10.0.0.9"
