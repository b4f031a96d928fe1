"""Several things said to the server on one way there and back.

A writer of batches shares its machine's cores with the server: each answer it waits for costs both a turn of the
scheduler, which under load is more than what was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from psycopg import errors, generators, pq
from psycopg.abc import PQGen

from store.connection import Connection

_PIECE_BYTES = 1 << 18


def copy_in(
    conn: Connection, query: bytes, data: bytes, heard: Callable[[Sequence[pq.abc.PGresult]], object] | None = None
) -> None:
    """Run a query of several statements, one of which is a COPY … FROM STDIN that takes `data`.

    `heard` is told what the statements up to the COPY gave, before it is known how the COPY ends; it must not raise.

    Two ways: to the COPY, and to the end; psycopg's own COPY must stand alone in its query. As with psycopg's, a
    transaction is begun where none is.

    Raises
    ------
    psycopg.Error
        What the server said of the first statement that failed; those after it were not run.
    """
    if conn.info.transaction_status == pq.TransactionStatus.IDLE and not conn.autocommit:
        query = b"BEGIN;" + query
    with conn.lock:
        conn.wait(_copying(conn.pgconn, query, data, conn.info.encoding, heard))


def _copying(
    pgconn: pq.abc.PGconn,
    query: bytes,
    data: bytes,
    encoding: str,
    heard: Callable[[Sequence[pq.abc.PGresult]], object] | None,
) -> PQGen[None]:
    pgconn.send_query(query)
    results = yield from generators.execute(pgconn)
    _check(results, encoding)
    if heard is not None:
        heard(results)
    view = memoryview(data)
    for at in range(0, len(view), _PIECE_BYTES):
        yield from generators.copy_to(pgconn, view[at : at + _PIECE_BYTES])
    pgconn.put_copy_end()
    _check((yield from generators.execute(pgconn)), encoding)


def _check(results: Iterable[pq.abc.PGresult], encoding: str) -> None:
    for result in results:
        if result.status in (pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE):
            raise errors.error_from_result(result, encoding=encoding)
