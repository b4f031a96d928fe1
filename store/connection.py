"""Connections: UTC, named, and with an error a person can act on. The password never reaches a message."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from city.errors import InputError, OutsideError

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]

CONNECT_TIMEOUT_S = 10
# A server that vanished without a word (its network, its power) is given up after a minute; the system waits hours.
_GIVEN_UP = {"keepalives_idle": 15, "keepalives_interval": 15, "keepalives_count": 3, "tcp_user_timeout": 60_000}


def _parameters(dsn: str, application_name: str) -> dict[str, Any]:
    try:
        parameters: dict[str, Any] = conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise InputError(
            "database URL: not one PostgreSQL understands, try postgresql://user:password@host:5432/database"
        ) from error
    parameters["options"] = f"{parameters.get('options') or ''} -c timezone=UTC".strip()
    for name, value in {"connect_timeout": CONNECT_TIMEOUT_S, **_GIVEN_UP}.items():
        parameters.setdefault(name, value)
    parameters["application_name"] = application_name
    return parameters


def describe(dsn: str) -> str:
    """Where a DSN leads, as `host:port/database`, for messages: no user, no password."""
    try:
        parameters = conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return "an unreadable database URL"
    host = parameters.get("host") or parameters.get("hostaddr") or "local socket"
    return f"{host}:{parameters.get('port') or 5432}/{parameters.get('dbname') or ''}"


def _unreachable(dsn: str, error: Exception) -> OutsideError:
    said = " ".join(str(error).split()) or type(error).__name__
    if secret := conninfo.conninfo_to_dict(dsn).get("password"):
        said = said.replace(str(secret), "…")
    tls = "sslrootcert=… of the authority that signed the server's certificate, and the name it was signed for, or "
    return OutsideError(
        f"database {describe(dsn)}: cannot connect, got: {said}; try {tls if 'certificate' in said else ''}"
        "whether the server runs, and LIFELINE_DATABASE_URL (or --database-url) names its host, user and password"
    )


def connect(dsn: str, *, autocommit: bool = False, application_name: str = "lifeline") -> Connection:
    """Open a connection whose session speaks UTC.

    Raises
    ------
    InputError
        When the DSN cannot be read.
    OutsideError
        When nobody answers or refuses; the message names host and database, never the password.
    """
    parameters = _parameters(dsn, application_name)
    try:
        return psycopg.connect(autocommit=autocommit, **parameters)
    except psycopg.OperationalError as error:
        raise _unreachable(dsn, error) from error


def pool(
    dsn: str, size: int = 4, *, application_name: str = "lifeline", patience_s: float = 30.0
) -> ConnectionPool[Connection]:
    """An open pool of 1 to `size` autocommit connections; the caller closes it.

    Parameters
    ----------
    patience_s
        How long whoever wants a connection waits for one, before PoolTimeout.

    Raises
    ------
    OutsideError
        When the first connection cannot be made within the connect timeout.
    """
    connect(dsn, autocommit=True, application_name=application_name).close()  # says clearly why, where a pool times out
    parameters = _parameters(dsn, application_name) | {"autocommit": True}
    made: ConnectionPool[Connection] = ConnectionPool(
        kwargs=parameters,
        min_size=1,
        max_size=size,
        open=False,
        check=ConnectionPool.check_connection,
        timeout=patience_s,
    )
    try:
        made.open(wait=True, timeout=CONNECT_TIMEOUT_S)
    except PoolTimeout as error:
        made.close()
        raise _unreachable(dsn, error) from error
    return made
