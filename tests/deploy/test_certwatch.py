"""How long certificates last: seen where they are used, also when they have ended, and told before that."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from city.clock import SystemClock
from lifeline import certwatch
from lifeline.deployment.authority import SERVER_DAYS, Authority
from lifeline.settings import Settings

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def ended(tmp_path: Path) -> Iterator[int]:
    """The port of a server whose certificate ended a while ago."""
    made = SystemClock().now() - timedelta(days=SERVER_DAYS + 3)
    pair = Authority.make(made).server("broker", ("localhost",), made)
    (tmp_path / "server.pem").write_text(pair.certificate + pair.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            sock, _ = server.accept()
            with sock, context.wrap_socket(sock, server_side=True) as secured:
                secured.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_one_that_has_ended_is_seen_and_said(ended: int, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, mqtt_url=f"mqtts://localhost:{ended}", database_url="postgresql:///city?host=/x")
    row = certwatch.judge(list(certwatch.look(settings)), SystemClock().now())
    assert (row.name, row.state, row.text) == ("certificates", "fault", "broker ended")
    assert "lifeline deploy certificates" in row.advice
    assert row.value == pytest.approx(-3, abs=0.1)


def test_the_first_to_end_decides() -> None:
    def judged(*days: float) -> tuple[str, str]:
        names = ("broker", "database", "recorder")
        found = [(name, NOW + timedelta(days=one)) for name, one in zip(names, days, strict=False)]
        row = certwatch.judge(found, NOW)
        return row.state, row.text

    assert judged(300, 200) == ("ok", "database 200 days, broker 300 days")
    assert judged(300, 31) == ("ok", "database 31 days, broker 300 days")
    assert judged(300, 200, 29)[0] == "warning"
    assert judged(6, 200)[0] == "fault"


def test_who_speaks_plainly_or_not_at_all_has_none(postgres_dsn: str, broker: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    for database, mqtt in ((postgres_dsn, broker), (f"postgresql://127.0.0.1:{port}/x", f"mqtts://127.0.0.1:{port}")):
        settings = Settings(data=tmp_path, mqtt_url=mqtt, database_url=database)
        assert list(certwatch.look(settings)) == []
