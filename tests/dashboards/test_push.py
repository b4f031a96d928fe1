"""Planning, pushing and pruning through the real client library, to a server that answers like Grafana's API."""

from __future__ import annotations

import copy
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from city.clock import ManualClock
from city.errors import InputError, LifelineError, OutsideError
from dashboards import client, watchdog
from dashboards.client import grafana_at
from dashboards.files import DataSource
from dashboards.plan import Entry, Wanted, differences, is_done, plan
from dashboards.push import Pushed, prune, push
from lifeline.cli import app
from tests.dashboards.fake_grafana import CONTRACT, SILENT, VIEWER, WRITER, FakeGrafana, Mishap, served

BOARDS = {
    uid: {"uid": uid, "title": title, "tags": ["lifeline"], "panels": [{"id": 1, "type": "stat", "title": title}]}
    for uid, title in (("lifeline-wall", "City wall"), ("lifeline-wall-zh", "城市生命线总览"))
}
START = datetime(2026, 7, 1, tzinfo=UTC)
WALL = "lifeline-wall"
SECRET = "glsa_" + "x" * 8


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    with served() as fake:
        yield fake
        assert fake.unheard == []  # nothing was asked that is not in the contract


def wanted(**more: Any) -> Wanted:  # noqa: ANN401 - passed on
    return Wanted(BOARDS, **{"source": DataSource(), **more})


def send(
    fake: FakeGrafana,
    token: str = WRITER,
    clock: ManualClock | None = None,
    password: str = "",
    **more: Any,  # noqa: ANN401 - passed on
) -> Pushed:
    with grafana_at(fake.url, token, clock=clock or ManualClock(START)) as server:
        return push(server, wanted(new_password=bool(password), **more), password)


def planned(fake: FakeGrafana, token: str = VIEWER, **more: Any) -> list[Entry]:  # noqa: ANN401 - passed on
    with grafana_at(fake.url, token, clock=ManualClock(START)) as server:
        return plan(server, wanted(**more))


def states(entries: list[Entry]) -> dict[str, str]:
    return {f"{entry.kind} {entry.uid}": entry.state for entry in entries}


def test_a_push_makes_folders_source_dashboards_and_watchdogs(grafana: FakeGrafana) -> None:
    pushed = send(grafana, password=SECRET)
    assert set(grafana.folders) == {"lifeline", "lifeline-watchdogs"}
    assert set(grafana.dashboards) == set(BOARDS) == set(pushed.dashboards)
    assert all(board["meta"]["folderUid"] == "lifeline" for board in grafana.dashboards.values())
    assert pushed.dashboards[WALL] == f"{grafana.url}/d/{WALL}/page"
    assert grafana.sources["lifeline"]["secureJsonData"] == {"password": SECRET}
    assert {rule["uid"] for rule in grafana.groups[watchdog.GROUP]["rules"]} == {d.uid for d in watchdog.WATCHDOGS}
    assert not any("policies" in line or "contact-points" in line for line in grafana.asked)


def test_rules_stay_editable_in_grafana(grafana: FakeGrafana) -> None:
    send(grafana)
    [heads] = [h for line, h in zip(grafana.asked, grafana.headers, strict=True) if line.startswith("PUT /api/v1")]
    assert heads["X-Disable-Provenance"] == "true"


def test_what_stands_already_is_not_written_again(grafana: FakeGrafana) -> None:
    send(grafana)
    assert is_done(planned(grafana))
    grafana.asked.clear()
    again = send(grafana)
    assert grafana.writes() == []
    assert set(states(again.entries).values()) == {"same"}
    assert again.dashboards[WALL] == f"{grafana.url}/d/{WALL}/page"


def test_a_plan_only_asks_and_names_what_differs(grafana: FakeGrafana) -> None:
    assert set(states(planned(grafana)).values()) == {"create"}
    assert grafana.writes() == []
    send(grafana)
    grafana.dashboards[WALL]["dashboard"] = copy.deepcopy(grafana.dashboards[WALL]["dashboard"])
    grafana.dashboards[WALL]["dashboard"]["panels"][0]["title"] = "Mine"
    grafana.sources["lifeline"]["url"] = "elsewhere:5432"
    by_uid = {entry.uid: entry for entry in planned(grafana) if entry.state != "same"}
    assert {uid: (entry.state, entry.note) for uid, entry in by_uid.items()} == {
        WALL: ("update", "panels[0].title"),
        "lifeline": ("update", "url"),
    }
    assert not is_done(list(by_uid.values()))
    send(grafana)
    assert is_done(planned(grafana))


def test_differences_ignore_what_the_server_adds_by_itself() -> None:
    ours = {"title": "a", "panels": [{"id": 1, "type": "stat"}]}
    theirs = {"title": "a", "id": 7, "version": 3, "panels": [{"id": 1, "type": "stat", "pluginVersion": "12.0"}]}
    assert list(differences(ours, theirs)) == []
    assert list(differences(ours, theirs | {"weekStart": "monday"})) == ["+weekStart"]
    assert list(differences(ours, theirs | {"panels": []})) == ["panels"]
    assert list(differences({"a": 1}, {"a": True})) == ["a"]


def test_the_data_source_keeps_its_password_when_none_is_given(grafana: FakeGrafana) -> None:
    send(grafana, password=SECRET)
    send(grafana, source=DataSource(user="other"))
    assert grafana.sources["lifeline"]["secureJsonData"] == {"password": SECRET}
    assert grafana.sources["lifeline"]["user"] == "other"
    assert "lifeline" not in {e.uid for e in planned(grafana, source=None) if e.kind == "data source"}


@pytest.mark.parametrize("standing", ["another's folder", "from files", "source from files", "rules from files"])
def test_what_is_someone_elses_stops_the_push_before_anything_is_written(grafana: FakeGrafana, standing: str) -> None:
    send(grafana)
    match standing:
        case "another's folder":
            grafana.dashboards[WALL]["meta"]["folderUid"] = "desk"
        case "from files":
            grafana.dashboards[WALL] = {"dashboard": {"uid": WALL}, "meta": {"provisioned": True, "folderUid": "x"}}
        case "source from files":
            grafana.sources["lifeline"] |= {"readOnly": True, "url": "elsewhere:5432"}
        case "rules from files":
            grafana.groups[watchdog.GROUP]["rules"][0] |= {"provenance": "file", "for": "9m"}
    grafana.asked.clear()
    assert "foreign" in states(planned(grafana)).values()
    with pytest.raises(InputError, match="nothing was changed"):
        send(grafana)
    assert grafana.writes() == []


def test_what_the_operator_gave_a_rule_stays(grafana: FakeGrafana) -> None:
    send(grafana)
    rule = grafana.groups[watchdog.GROUP]["rules"][0]
    rule |= {"notification_settings": {"receiver": "night desk"}, "isPaused": True}
    assert is_done(planned(grafana))
    rule["for"] = "9m"
    assert not is_done(planned(grafana))
    send(grafana)
    again = grafana.groups[watchdog.GROUP]["rules"][0]
    assert (again["for"], again["notification_settings"], again["isPaused"]) == (
        "1m", {"receiver": "night desk"}, True,
    )  # fmt: skip


def test_prune_deletes_only_ours_that_is_no_longer_shipped(grafana: FakeGrafana) -> None:
    send(grafana)
    theirs = {"title": "Mine", "tags": ["lifeline"]}
    grafana.dashboards |= {
        "old-page": {"dashboard": {"title": "Old", "tags": ["lifeline", "en"]}, "meta": {"folderUid": "lifeline"}},
        "untagged": {"dashboard": {"title": "Mine", "tags": []}, "meta": {"folderUid": "lifeline"}},
        "elsewhere": {"dashboard": theirs, "meta": {"folderUid": "desk"}},
    }
    assert [e.uid for e in planned(grafana) if e.state == "gone"] == ["old-page"]
    with grafana_at(grafana.url, WRITER) as server:
        assert [entry.uid for entry in prune(server, BOARDS, yes=False)] == ["old-page"]
        assert "old-page" in grafana.dashboards
        prune(server, BOARDS, yes=True)
        assert prune(server, BOARDS, yes=True) == []
    assert set(grafana.dashboards) == {*BOARDS, "untagged", "elsewhere"}


def test_a_search_of_many_pages_is_read_to_its_end(grafana: FakeGrafana, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE_ROWS", 2)
    for n in range(5):
        board = {"dashboard": {"tags": ["lifeline"]}, "meta": {"folderUid": "lifeline"}}
        grafana.dashboards[f"old-{n}"] = board
    with grafana_at(grafana.url, WRITER) as server:
        assert len(prune(server, {}, yes=False)) == 5


@pytest.mark.parametrize(
    ("mishaps", "waited_s"),
    [
        ([Mishap(503, "starting"), Mishap(502), Mishap(504)], 1 + 2 + 4),
        ([Mishap(429, "slow down", {"Retry-After": "7"})], 7),
        ([Mishap(429, "slow down", {"Retry-After": "86400"})], client.LONGEST_PAUSE_S),
        ([Mishap(0)], 1),
        ([Mishap(0, done=True)], 1),
    ],
    ids=["busy", "told how long", "told for ever", "dropped", "answer lost"],
)
@pytest.mark.parametrize("where", [("POST", "/api/dashboards/db"), ("POST", "/api/folders"), ("GET", "/api/search")])
def test_a_busy_grafana_is_asked_again(
    grafana: FakeGrafana, where: tuple[str, str], mishaps: list[Mishap], waited_s: float
) -> None:
    grafana.mishaps = {where: copy.deepcopy(mishaps)}
    clock = ManualClock(START)
    send(grafana, clock=clock)
    assert set(grafana.dashboards) == set(BOARDS)
    assert (clock.now() - START).total_seconds() == waited_s


def test_a_grafana_that_says_nothing_is_asked_again_and_given_up(
    grafana: FakeGrafana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "TIMEOUT_S", 0.2)
    grafana.mishaps = {("GET", "/api/search"): [Mishap(SILENT)]}
    assert not is_done(planned(grafana))
    grafana.mishaps = {("GET", "/api/search"): [Mishap(SILENT) for _ in range(client.TRIES)]}
    with pytest.raises(OutsideError, match=r"did not answer within 0\.2 s"):
        planned(grafana)


def test_a_busy_grafana_is_not_asked_for_ever(grafana: FakeGrafana) -> None:
    grafana.mishaps = {("GET", "/api/search"): [Mishap(503, "starting") for _ in range(9)]}
    with pytest.raises(OutsideError, match="failed to search dashboards, got 503 starting"):
        send(grafana)
    assert sum("search" in line for line in grafana.asked) == client.TRIES


@pytest.mark.parametrize(
    ("where", "mishap", "kind", "message"),
    [
        (("GET", "/api/folders"), Mishap(403, "denied"), InputError, "may not look for the folder"),
        (("POST", "/api/folders"), Mishap(404, "no such"), InputError, "sub-path"),
        (("POST", "/api/folders"), Mishap(412, "a folder of that name"), OutsideError, "a folder of that name"),
        (("POST", "/api/dashboards/db"), Mishap(412, "version mismatch"), OutsideError, "changed it just now"),
        (("POST", "/api/dashboards/db"), Mishap(409, "conflict"), OutsideError, "changed it just now"),
        (
            ("POST", "/api/dashboards/db"),
            Mishap(400, "Cannot save provisioned dashboard"),
            OutsideError,
            "changing the files",
        ),
        (("POST", "/api/datasources"), Mishap(403, "read-only data source"), OutsideError, "changing the files"),
        (("PUT", "/api/v1"), Mishap(409, "cannot change provenance"), OutsideError, "changing the files"),
        (("POST", "/api/dashboards/db"), Mishap(400, "too odd"), OutsideError, "would not write dashboard .*: too odd"),
        (("POST", "/api/dashboards/db"), Mishap(500, "boom"), OutsideError, "got 500 boom; look at its log"),
    ],
)
def test_every_refusal_says_what_to_try(
    grafana: FakeGrafana, where: tuple[str, str], mishap: Mishap, kind: type[LifelineError], message: str
) -> None:
    grafana.mishaps = {where: [mishap]}
    with pytest.raises(kind, match=message):
        send(grafana)


def test_a_wrong_token_is_the_users_mistake_and_is_not_repeated(grafana: FakeGrafana) -> None:
    with pytest.raises(InputError, match="refused the token") as caught:
        send(grafana, token=SECRET)
    assert SECRET not in str(caught.value)
    assert len(grafana.asked) == 1


def test_a_token_that_may_only_look_can_plan_and_not_push(grafana: FakeGrafana) -> None:
    assert not is_done(planned(grafana, token=VIEWER))
    with pytest.raises(InputError, match="may not create the folder, try a service account with role Editor"):
        send(grafana, token=VIEWER)


def test_a_grafana_that_is_not_there_is_tried_a_few_times() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        clock = ManualClock(START)
        gone = FakeGrafana()
        gone.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OutsideError, match="cannot be reached"):
            send(gone, clock=clock)
    assert (clock.now() - START).total_seconds() == 1 + 2 + 4


@pytest.mark.parametrize(
    "address", ["grafana.example.org", "https://", "https://admin:x@g.example.org", "http://g/?a=1"]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(InputError, match="try https://") as caught, grafana_at(address, WRITER):
        pass
    assert "admin" not in str(caught.value)


def test_something_else_than_grafana_is_named_so(grafana: FakeGrafana) -> None:
    grafana.answer = lambda *_: (200, "<html>a router</html>")  # type: ignore[method-assign]  # a page in its place
    with pytest.raises(LifelineError, match="did not answer like Grafana"):
        send(grafana)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_sub_path_is_kept(slash: str) -> None:
    with served("/grafana") as fake:
        address, fake.url = fake.url, fake.url + slash
        pushed = send(fake)
        assert pushed.dashboards[WALL] == f"{address}/d/{WALL}/page"
        assert set(fake.dashboards) == set(BOARDS)
        fake.url = address.removesuffix("/grafana")
        with pytest.raises(LifelineError, match="sub-path"):
            send(fake)


def run(*arguments: str, token: str = WRITER) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["dashboards", *arguments], env={"LIFELINE_GRAFANA_TOKEN": token})
    return done.exit_code if done.exception is None or done.exit_code else 2, done.output + str(done.exception or "")


def test_the_commands_from_plan_to_prune(grafana: FakeGrafana, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIFELINE_DATA", str(tmp_path))
    assert run("plan", grafana.url)[0] == 1
    code, said = run("push", grafana.url, "--dry-run")
    assert (code, grafana.writes()) == (0, [])
    assert f"would create  dashboard   {WALL}" in said
    code, said = run("push", grafana.url)
    assert (code, f"{WALL}: {grafana.url}/d/{WALL}/page" in said) == (0, True)
    assert run("plan", grafana.url)[0] == 0
    assert run("prune", grafana.url) == (0, "nothing to delete\n")
    old = {"dashboard": {"title": "Old", "tags": ["lifeline"]}, "meta": {"folderUid": "lifeline"}}
    grafana.dashboards["lifeline-old"] = old
    assert run("plan", grafana.url)[0] == 1
    assert "would delete lifeline-old" in run("prune", grafana.url)[1]
    assert "would delete lifeline-old" in run("prune", grafana.url, "--yes", "--dry-run")[1]
    assert run("prune", grafana.url, "--yes")[1].startswith("deleted lifeline-old")
    assert "lifeline-old" not in grafana.dashboards
    assert "LIFELINE_GRAFANA_TOKEN is not set" in run("plan", grafana.url, token="")[1]


def test_everything_asked_is_in_the_contract(grafana: FakeGrafana) -> None:
    send(grafana)
    send(grafana, source=DataSource(user="other"))
    rows = [line.split()[:2] for line in CONTRACT.splitlines() if not line.startswith("any")]
    known = [(method, re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$")) for method, path in rows]
    for line in grafana.asked:
        method, path = line.split(" ", 1)
        assert any(m == method and p.match(path.partition("?")[0]) for m, p in known), line
