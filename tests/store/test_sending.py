"""Several statements and a COPY in one query: all of it happens, or the transaction is told why not."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest

from store.columns import integers, moments, understand
from store.connection import Connection, connect
from store.sending import copy_in

_QUERY = b"SAVEPOINT here; COPY taken FROM STDIN (FORMAT BINARY); INSERT INTO taken VALUES (-1); RELEASE here"
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)


@pytest.fixture
def conn(postgres_dsn: str) -> Iterator[Connection]:
    with connect(postgres_dsn, autocommit=True) as conn:
        conn.execute("CREATE TEMPORARY TABLE taken (number integer PRIMARY KEY)")
        yield conn


def _rows(numbers: range | list[int]) -> bytes:
    return _HEADER + b"".join(struct.pack("!hii", 1, 4, number) for number in numbers) + b"\xff\xff"


def _count(conn: Connection) -> int:
    return int(conn.execute("SELECT count(*) FROM taken").fetchall()[0][0])


def test_what_comes_before_and_after_a_copy_happens_with_it(conn: Connection) -> None:
    with conn.transaction():
        copy_in(conn, _QUERY, _rows(range(300_000)))  # more than what goes to the server in one piece
    assert _count(conn) == 300_001


def test_a_transaction_is_begun_where_none_is(conn: Connection) -> None:
    conn.autocommit = False
    copy_in(conn, _QUERY, _rows(range(3)))
    assert _count(conn) == 4
    conn.rollback()
    assert _count(conn) == 0


@pytest.mark.parametrize(
    ("query", "numbers", "error"),
    [
        (_QUERY, [1, 2, 1], psycopg.errors.UniqueViolation),
        (_QUERY, [1, -1], psycopg.errors.UniqueViolation),  # found by what comes after it
        (_QUERY.replace(b"taken", b"nowhere"), [1], psycopg.errors.UndefinedTable),
    ],
)
def test_a_refusal_is_told_and_the_transaction_goes_on(
    conn: Connection, query: bytes, numbers: list[int], error: type[psycopg.Error]
) -> None:
    with conn.transaction():
        conn.execute("SAVEPOINT before")
        with pytest.raises(error):
            copy_in(conn, query, _rows(numbers))
        conn.execute("ROLLBACK TO SAVEPOINT before")
        copy_in(conn, _QUERY, _rows([7]))
    assert _count(conn) == 2


@pytest.mark.parametrize("numbers", [[], [0, -1, 2**31 - 1, -(2**31)]])
def test_columns_are_parameters(conn: Connection, numbers: list[int]) -> None:
    understand(conn)
    times = np.array(numbers, np.int64) * 1_000
    found = conn.execute(
        "SELECT n, (extract(epoch FROM t) * 1000000)::bigint FROM unnest(%s, %s) AS c (n, t)",
        (integers(np.array(numbers)), moments(times)),
    ).fetchall()
    assert found == list(zip(numbers, times.tolist(), strict=True))
