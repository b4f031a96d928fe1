"""Connections speak UTC and fail with words a person can act on."""

import os
import socket
import sys

import pytest

from city.errors import InputError, OutsideError
from store.connection import connect, describe, pool


def test_a_session_speaks_utc_and_says_who_it_is(database: str) -> None:
    with connect(database, application_name="lifeline recorder") as conn:
        assert conn.execute("SELECT current_setting('timezone')").fetchone() == ("UTC",)
        assert conn.execute("SELECT current_setting('application_name')").fetchone() == ("lifeline recorder",)


def test_a_pool_hands_out_utc_sessions(database: str) -> None:
    with pool(database, 2) as connections, connections.connection() as conn:
        assert conn.execute("SELECT current_setting('timezone')").fetchone() == ("UTC",)


@pytest.mark.skipif(
    sys.platform != "linux", reason="NOT TESTED: how long a silent line is believed in is asked of Linux"
)
def test_a_server_that_vanished_without_a_word_is_given_up_after_a_minute(database: str) -> None:
    with connect(database) as conn, socket.socket(fileno=os.dup(conn.fileno())) as line:
        assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000  # said, and no answer to it
        assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1  # waiting for an answer
        idle, each, count = (
            line.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert idle + each * count == 60


def test_nobody_there_is_said_without_the_password() -> None:
    with pytest.raises(OutsideError) as caught:
        connect("postgresql://me:hush@127.0.0.1:1/city")
    assert "127.0.0.1:1/city" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_wrong_password_is_said_without_the_password(database: str) -> None:
    with pytest.raises(OutsideError, match="password authentication failed") as caught:
        connect(database + " password=hush-hush")
    assert "hush" not in str(caught.value)


def test_an_unreadable_url_is_the_users_mistake() -> None:
    with pytest.raises(InputError, match="postgresql://"):
        connect("not a url")
    assert describe("not a url") == "an unreadable database URL"
