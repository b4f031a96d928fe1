"""Apprise: what it is handed, for services that take little and much; and that it can hold nobody up."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote

import httpx
import msgspec
import pytest
from apprise import NotifyBase

from city.clock import ManualClock
from city.levels import Level
from rules.notify import services
from rules.notify.letter import Answer, GiveUp, Letter, Retry, Sent, Tools
from tests.notify.wires import answering, hanging, web
from tests.running import PATIENCE_S

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
LETTER = Letter(
    "key-1", {"phone": "+86 471/0", "name": "李娜"}, "Red warning", "in full\nlink code", "", b"{}", "en", Level.RED,
    NOW, short="in brief", person="li",
)  # fmt: skip


def deliver(url: str, letter: Letter = LETTER, timeout_s: float = PATIENCE_S) -> Answer:
    with httpx.Client() as http:
        tools = Tools(http, ManualClock(NOW), {"CHAT": url}, timeout_s)
        return services.send(letter, {"type": "apprise", "url_env": "CHAT"}, tools)


def test_the_persons_part_of_the_address_is_filled_in_and_quoted() -> None:
    with web(answering(200)) as end:
        assert isinstance(deliver(f"json://127.0.0.1:{end.port}/sms/{{phone}}/{{person}}/{{name}}"), Sent)
    [(_, body, path)] = end.seen
    assert unquote(path.split("/")[2]) == "+86 471/0"  # one part of the path: the slash in it is quoted
    assert path.split("/")[3] == "li"
    said = msgspec.json.decode(body)
    assert said["title"] == "Red warning"
    assert said["message"] == "in full\nlink code"
    assert said["type"] == "failure"


def test_a_service_for_text_messages_is_told_in_brief(monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.custom_json import NotifyJSON

    monkeypatch.setattr(NotifyJSON, "body_maxlen", 160)
    with web(answering(200)) as end:
        assert isinstance(deliver(f"json://127.0.0.1:{end.port}/"), Sent)
    assert [msgspec.json.decode(body)["message"] for _, body, _ in end.seen] == ["in brief"]


def test_a_long_list_goes_in_one_message_that_leads_to_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    from apprise.plugins.custom_json import NotifyJSON

    monkeypatch.setattr(NotifyJSON, "body_maxlen", 2048)
    long = replace(LETTER, text="\n".join(f"alarm {n}: water standing in an underpass" for n in range(2000)))
    with web(answering(200)) as end:
        assert isinstance(deliver(f"json://127.0.0.1:{end.port}/", long), Sent)
    [(_, body, _)] = end.seen
    said = msgspec.json.decode(body)["message"]
    assert len(said) <= 2048
    assert said.startswith("alarm 0:")
    assert said.endswith("underpass\n…\nin brief")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_whatever_the_service_did_not_take_is_tried_again(status: int) -> None:
    with web(answering(status)) as end:
        assert isinstance(deliver(f"json://127.0.0.1:{end.port}/"), Retry)


def test_an_address_that_is_none_is_given_up_and_never_shown() -> None:
    answer = deliver("pigeon://secret-token@roof")
    assert isinstance(answer, GiveUp)
    assert answer.broken
    assert "secret-token" not in answer.reason


def test_calls_that_never_come_back_are_left_behind_a_few_at_most() -> None:
    release = threading.Event()

    def ask() -> Answer:
        release.wait(PATIENCE_S)
        return Sent()

    for _ in range(services.LEFT_BEHIND):
        assert services.within(0.01, ask) == Retry("no answer within 0.01 s")
    refused = services.within(0.01, ask)
    assert isinstance(refused, Retry)
    assert "not come back" in refused.reason
    release.set()
    assert isinstance(services.within(PATIENCE_S, Sent), Sent)


def test_a_service_that_hangs_is_left_in_time_and_one_that_breaks_says_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()
    with web(hanging(release)) as end:
        assert deliver(f"json://127.0.0.1:{end.port}/", timeout_s=0.2) == Retry("no answer within 0.2 s")
        release.set()

    def fail(self: NotifyBase, **values: object) -> bool:
        raise OSError("POST https://chat.example/secret-token failed")

    monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.notify", fail)
    assert deliver("json://127.0.0.1:1/") == Retry("OSError")
