"""How long the certificates of broker, database and recorder still last, as whoever connects to them sees it."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from city.clock import SystemClock
from store.health import Row, State, graded

if TYPE_CHECKING:
    from lifeline.settings import Settings

DAYS: Final = (30.0, 7.0)  # left: below a warning, a fault; `lifeline deploy certificates` renews from 45 on
EVERY_S: Final = 3600.0
_PATIENCE_S: Final = 5.0
_DAY_S: Final = 86_400.0
_ASKS_FOR_TLS: Final = bytes.fromhex("0000000804d2162f")  # PostgreSQL's SSLRequest
_log = logging.getLogger(__name__)

Ends = tuple[str, datetime]


def look(settings: Settings, own: str = "recorder") -> Iterator[Ends]:
    """Each certificate in use with its end, that of `settings` by the name `own`.

    Who speaks without TLS, or does not answer, is left out.
    """
    from city.broker_address import BrokerAddress

    broker = BrokerAddress.of(settings.mqtt)
    if broker.encrypted and (end := _shown(broker.host, broker.port)):
        yield "broker", end
    if (place := _database_place(settings.database)) and (end := _shown(*place, first=_ASKS_FOR_TLS)):
        yield "database", end
    if settings.mqtt_certificate is not None and (end := _of_file(settings.mqtt_certificate)):
        yield own, end


def judge(found: Sequence[Ends], now: datetime) -> Row:
    """One line for all of them, one at least; its value is the days that the first of them lasts."""
    left = sorted(((end - now).total_seconds() / _DAY_S, name) for name, end in found)
    state: State = graded(left[0][0], DAYS)
    said = ", ".join(f"{name} {'ended' if days < 0 else f'{days:,.0f} days'}" for days, name in left)
    advice = "lifeline deploy certificates DIR, then let broker and database read theirs again"
    return Row("certificates", state, said, left[0][0], "d", "" if state == "ok" else advice)


@contextmanager
def watched(settings: Settings) -> Iterator[None]:
    """Keep the line in `city.health` while the block runs, from a thread, once an hour."""
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(settings, stop), name="certificates", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(1.0)


def _watch(settings: Settings, stop: threading.Event) -> None:
    while True:
        if found := list(look(settings)):
            _report(settings, judge(found, SystemClock().now()))
        if SystemClock().pause_s(EVERY_S, stop):
            return


def _report(settings: Settings, row: Row) -> None:
    import psycopg

    from city.errors import OutsideError
    from store.connection import connect
    from store.health import report_row

    try:
        with connect(settings.database, autocommit=True, application_name="lifeline recorder") as conn:
            report_row(conn, row)
    except (OutsideError, psycopg.Error) as error:  # in an hour again
        _log.warning("certificates_untold %s", error, extra={"action": "certificates_untold"})


def _shown(host: str, port: int, first: bytes = b"") -> datetime | None:
    """The end of the certificate that a server shows, which need not be good any more; None for no answer in TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Whoever is there: only the date is read, nothing is said, and an ended certificate must be read, too.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), _PATIENCE_S) as sock:
            if first:
                sock.sendall(first)
                if sock.recv(1) != b"S":
                    return None
            with context.wrap_socket(sock, server_hostname=host) as secured:
                der = secured.getpeercert(binary_form=True)
    except OSError:
        return None
    return _end(ssl.DER_cert_to_PEM_cert(der).encode()) if der else None


def _database_place(dsn: str) -> tuple[str, int] | None:
    """Host and port of a database that is asked over a network."""
    from psycopg import ProgrammingError, conninfo

    try:
        given = conninfo.conninfo_to_dict(dsn)
    except ProgrammingError:
        return None
    host = str(given.get("hostaddr") or given.get("host") or "").split(",")[0]
    port = str(given.get("port") or 5432).split(",")[0]
    return (host, int(port)) if host and not host.startswith(("/", "@")) and given.get("sslmode") != "disable" else None


def _of_file(path: Path) -> datetime | None:
    try:
        return _end(path.read_bytes())
    except OSError:
        return None


def _end(pem: bytes) -> datetime | None:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc
    except ValueError:
        return None
