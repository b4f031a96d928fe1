"""Pushing to a server that answers like Grafana, kindly and not."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any

import pytest

from city.clock import ManualClock
from city.errors import InputError, OutsideError
from dashboards.files import DataSource
from dashboards.push import Pushed, push

WALLS = {"lifeline-wall", "lifeline-wall-zh"}


GOOD, WRONG = "good", "glsa_wrong"


def send(grafana: Any, token: str = GOOD, **more: Any) -> Pushed:  # noqa: ANN401 - the double of conftest.py
    return push(grafana.url, token, clock=ManualClock(datetime(2026, 7, 1, tzinfo=UTC)), **more)


def test_a_push_makes_our_folder_and_both_walls(grafana: Any) -> None:  # noqa: ANN401 - the double of conftest.py
    pushed = send(grafana, console_url="https://lifeline.example.org")
    assert set(grafana.folders) == {"lifeline"}
    assert set(grafana.dashboards) == WALLS == set(pushed.dashboards)
    assert all(board["meta"]["folderUid"] == "lifeline" for board in grafana.dashboards.values())
    assert pushed.dashboards["lifeline-wall"] == f"{grafana.url}/d/lifeline-wall/wall"
    assert not pushed.data_source
    assert not grafana.sources


def test_a_second_push_writes_the_same_over_itself(grafana: Any) -> None:  # noqa: ANN401 - the double of conftest.py
    send(grafana)
    before = dict(grafana.dashboards)
    send(grafana)
    assert grafana.dashboards == before
    assert grafana.asked.count("POST /api/folders") == 1


def test_the_data_source_keeps_its_password_when_none_is_given(grafana: Any) -> None:  # noqa: ANN401 - the double
    assert send(grafana, source=DataSource(), password=GOOD).data_source
    assert grafana.sources["lifeline"]["secureJsonData"] == {"password": GOOD}
    send(grafana, source=DataSource())
    assert "secureJsonData" not in grafana.sources["lifeline"]


def test_nothing_outside_our_folder_is_touched(grafana: Any) -> None:  # noqa: ANN401 - the double of conftest.py
    grafana.dashboards["lifeline-wall"] = theirs = {
        "dashboard": {"uid": "lifeline-wall"},
        "meta": {"folderUid": "desk"},
    }
    with pytest.raises(InputError, match="lies in folder 'desk'"):
        send(grafana)
    assert grafana.dashboards["lifeline-wall"] is theirs


def test_a_busy_grafana_is_asked_again(grafana: Any) -> None:  # noqa: ANN401 - the double of conftest.py
    grafana.fail = {("POST", "/api/dashboards/db"): [(503, "starting"), (429, "slow down")]}
    assert set(send(grafana).dashboards) == WALLS


@pytest.mark.parametrize(
    ("where", "status", "said", "kind", "message"),
    [
        (("GET", "/api/folders"), 403, "denied", InputError, "may not"),
        (("POST", "/api/folders"), 404, "no such", InputError, "sub-path"),
        (("POST", "/api/dashboards/db"), 412, "version mismatch", OutsideError, "changed it just now"),
        (("POST", "/api/dashboards/db"), 400, "Cannot save provisioned dashboard", OutsideError, "changing the files"),
        (("POST", "/api/dashboards/db"), 400, "too odd", OutsideError, "would not"),
        (("POST", "/api/dashboards/db"), 500, "boom", OutsideError, "look at its log"),
    ],
)
def test_every_refusal_says_what_to_try(
    grafana: Any,  # noqa: ANN401 - the double of conftest.py
    where: tuple[str, str],
    status: int,
    said: str,
    kind: type[Exception],
    message: str,
) -> None:
    grafana.fail = {where: [(status, said)]}
    with pytest.raises(kind, match=message):
        send(grafana)


def test_a_wrong_token_is_the_users_mistake_and_is_not_repeated(grafana: Any) -> None:  # noqa: ANN401 - the double
    with pytest.raises(InputError, match="refused the token") as caught:
        send(grafana, token=WRONG)
    assert WRONG not in str(caught.value)


def test_a_grafana_that_is_not_there(grafana: Any) -> None:  # noqa: ANN401 - the double of conftest.py
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        grafana.url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OutsideError, match="cannot be reached"):
            send(grafana)


def test_an_address_that_is_none(grafana: Any) -> None:  # noqa: ANN401 - the double of conftest.py
    grafana.url = "grafana.example.org"
    with pytest.raises(InputError, match="try https://"):
        send(grafana)


def test_a_sub_path_is_kept(grafana: Any) -> None:  # noqa: ANN401 - the double of conftest.py
    grafana.url += "/grafana"
    with pytest.raises(InputError, match="sub-path"):
        send(grafana)
    assert grafana.asked[0] == "GET /grafana/api/folders/lifeline"
