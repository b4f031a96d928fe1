"""TLS to the database: verified against the authority and the name, or refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import conninfo

from city.errors import OutsideError
from store import backup, restore
from store.account import account_for
from store.binaries import Binaries
from store.connection import connect, pool
from store.embedded import EmbeddedPostgres
from store.migrate import migrate
from store.testing import drop_database, fresh_database
from tests.servers.debian import NotHere
from tests.servers.timescale import skip_or_fail, timescale_binaries
from tests.store.test_backup import AT


@pytest.fixture(scope="module")
def binaries() -> Binaries:
    """Debian 13's PostgreSQL 17, which speaks TLS (the wheel's does not)."""
    try:
        return timescale_binaries()
    except NotHere as reason:
        skip_or_fail(reason)


def _openssl(*words: str) -> None:
    subprocess.run(["/usr/bin/openssl", *words], check=True, capture_output=True)  # noqa: S603 - our own words


def _certificate(folder: Path, name: str, host: str) -> Path:
    """A self-signed certificate for `host` beside its key."""
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-keyout", str(key),
             "-out", str(certificate))  # fmt: skip
    return certificate


@pytest.fixture(scope="module")
def server(server_folder: Path, binaries: Binaries) -> Iterator[tuple[str, Path]]:
    """A server that takes TLS only, by the name localhost; its DSN and the folder with its certificate."""
    if not Path("/usr/bin/openssl").exists():
        skip_or_fail(NotHere("no openssl to make certificates with"))
    folder = server_folder / "tls"
    running = EmbeddedPostgres(folder, durable=False, binaries=binaries)
    running.start()
    running.stop()
    account = account_for(running.data)
    certificate = _certificate(running.data, "server", "localhost")
    for file in (certificate, certificate.with_suffix(".key")):
        account.own(file)
        file.chmod(0o600)
    (folder / "ca.crt").write_bytes(certificate.read_bytes())
    _certificate(folder, "stranger", "localhost")
    with (running.data / "postgresql.conf").open("a") as conf:
        conf.write("ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n")
    hba = running.data / "pg_hba.conf"
    hba.write_text("hostnossl postgres all 127.0.0.1/32 scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
    with running:
        yield running.dsn, folder


def _to(dsn: str, folder: Path, host: str = "localhost", authority: str = "ca.crt") -> str:
    return conninfo.make_conninfo(
        dsn, host=host, hostaddr="127.0.0.1", sslmode="verify-full", sslrootcert=str(folder / authority)
    )


def test_a_verified_server_serves_everything(
    server: tuple[str, Path], binaries: Binaries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = _to(*server)
    source, target = fresh_database(dsn), fresh_database(dsn)
    try:
        with connect(source) as conn:
            assert conn.pgconn.ssl_in_use
        with pool(source, 1) as pooled, pooled.connection() as conn:
            assert conn.pgconn.ssl_in_use
        assert migrate(source) == []
        # The backup's pg_dump must be as new as the server, and speak TLS.
        monkeypatch.setattr("store.tools.DEBIAN", Path("/nonexistent"))
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(OutsideError, match="made without TLS, which this server speaks; try your system's"):
            backup.write(source, tmp_path / "b.zip", {}, version="1", at=AT)
        monkeypatch.setenv("LIFELINE_PG_BIN", str(binaries.folder))
        backup.write(source, tmp_path / "b.zip", {}, version="1", at=AT)
        restore.read(target, tmp_path / "b.zip")
    finally:
        drop_database(source)
        drop_database(target)


def test_another_authority_or_name_or_no_tls_is_refused(server: tuple[str, Path]) -> None:
    for dsn, said in (
        (_to(*server, authority="stranger.crt"), "certificate verify failed.*sslrootcert"),
        (_to(*server, host="db.example.org"), 'does not match host name "db.example.org"'),
        (conninfo.make_conninfo(server[0], sslmode="disable"), "no encryption"),
    ):
        with pytest.raises(OutsideError, match=said):
            connect(dsn)
