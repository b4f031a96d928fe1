"""The audit log is only ever added to, and whoever gets round that is found out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import errors

from store import audit
from store.audit import Deed, Head
from store.connection import Connection, connect

AT = datetime(2026, 7, 1, 8, tzinfo=UTC)
texts = st.text(max_size=12)


@pytest.fixture
def conn(store_database: str) -> Iterator[Connection]:
    """The owner's connection to a log of five rows."""
    with connect(store_database, autocommit=True) as opened:
        for n in range(5):
            with opened.transaction():
                audit.append(opened, Deed("li", f"command.{n}", incident="I-7", detail={"note": f"n{n}"}), AT)
        yield opened


def verdict(conn: Connection, *anchors: Head) -> audit.Verdict:
    with conn.transaction():
        return audit.verify(conn, anchors)


def tamper(conn: Connection, statement: str) -> None:
    """What only the tables' owner can do, and only on purpose."""
    conn.execute("ALTER TABLE lifeline.audit DISABLE TRIGGER append_only")
    conn.execute(statement.encode())
    conn.execute("ALTER TABLE lifeline.audit ENABLE TRIGGER append_only")


def test_a_log_nobody_touched_is_sound(conn: Connection) -> None:
    head = audit.head(conn)
    assert verdict(conn, head, Head(0, audit.START)) == audit.Verdict(5, head)
    assert Head.of(str(head)) == head
    assert [row["action"] for row in audit.listed(conn, incident="I-7", limit=2)] == ["command.4", "command.3"]


@pytest.mark.parametrize("statement", ["UPDATE lifeline.audit SET actor = 'x'", "DELETE FROM lifeline.audit"])
def test_even_the_owner_is_refused(conn: Connection, statement: str) -> None:
    for one in (statement, "TRUNCATE lifeline.audit"):
        with pytest.raises(errors.InsufficientPrivilege, match="append-only"):
            conn.execute(one.encode())


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE lifeline.audit SET actor = 'wang' WHERE seq = 3", "row 3: edited"),
        ("UPDATE lifeline.audit SET at = at + interval '1 microsecond' WHERE seq = 1", "row 1: edited"),
        ("""UPDATE lifeline.audit SET detail = '{"note": "other"}' WHERE seq = 4""", "row 4: edited"),
        ("UPDATE lifeline.audit SET action = target, target = action WHERE seq = 2", "row 2: edited"),
        ("DELETE FROM lifeline.audit WHERE seq = 3", "row 3: missing"),
        ("DELETE FROM lifeline.audit WHERE seq IN (2, 3)", "rows 2 to 3: missing"),
        ("DELETE FROM lifeline.audit WHERE seq = 1", "row 1: missing"),
        (
            "DELETE FROM lifeline.audit WHERE seq = 3; UPDATE lifeline.audit SET seq = seq - 1 WHERE seq > 3",
            "row 3: ed",
        ),
    ],
)
def test_the_first_row_that_is_not_as_it_was_is_named(conn: Connection, statement: str, fault: str) -> None:
    tamper(conn, statement)
    assert verdict(conn).fault.startswith(fault)


def test_a_row_made_anew_with_its_own_hash_breaks_the_next_one(conn: Connection) -> None:
    row = audit.listed(conn, before=4, limit=1)[0]
    before = audit.listed(conn, before=3, limit=1)[0]
    forged = audit.digest(row | {"actor": "wang", "prev_hash": before["hash"]}).hex()
    tamper(conn, f"UPDATE lifeline.audit SET actor = 'wang', hash = '\\x{forged}' WHERE seq = 3")  # noqa: S608 - a hash
    assert verdict(conn).fault.startswith("row 4: does not follow row 3")
    head = audit.head(conn)
    tamper(conn, "DELETE FROM lifeline.audit WHERE seq > 3")  # so that nothing follows the forged row
    assert not verdict(conn).fault, "what an anchor is for"
    assert verdict(conn, Head(3, bytes(row["hash"]))).fault.startswith("row 3: its hash is not the one written down")
    assert verdict(conn, head).fault.startswith("row 4: the end is cut off; there was a row 5")


@pytest.mark.sessions
def test_rows_written_at_once_are_one_chain(store_database: str) -> None:
    def write() -> None:
        with connect(store_database, autocommit=True) as conn:
            for _ in range(20):
                with conn.transaction():
                    audit.append(conn, Deed("li", "login"))

    threads = [Thread(target=write) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with connect(store_database, autocommit=True) as conn:
        assert verdict(conn).rows == 60
        with pytest.raises(ValueError, match="open transaction"):
            audit.append(conn, Deed("li", "login"))
        with conn.transaction(), pytest.raises(TypeError, match="whole numbers"):
            audit.append(conn, Deed("li", "x", detail={"share": 0.5}))  # type: ignore[dict-item]  # what is refused


rows = st.fixed_dictionaries(
    {
        "seq": st.integers(1, 10**9),
        "at": st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - given its zone
        **dict.fromkeys(("actor", "role", "how", "address", "action", "target", "incident"), texts),
        "detail": st.dictionaries(texts, st.none() | st.booleans() | st.integers() | texts, max_size=3),
        "prev_hash": st.binary(min_size=32, max_size=32),
    }
)


@given(rows, rows)
def test_no_two_rows_are_written_alike(one: dict[str, object], other: dict[str, object]) -> None:
    assert (audit.encode(one) == audit.encode(other)) == (repr(one) == repr(other) or one == other)


@given(rows, st.sampled_from(["actor", "role", "how", "address", "action", "target"]), texts)
def test_text_cannot_move_from_one_field_to_the_next(row: dict[str, str], name: str, text: str) -> None:
    names = ["actor", "role", "how", "address", "action", "target", "incident"]
    following = names[names.index(name) + 1]
    moved = row | {name: row[name] + text, following: row[following]}
    other = row | {name: row[name], following: text + row[following]}
    assert (audit.encode(moved) == audit.encode(other)) == (text == "")


def test_odd_texts_come_back_as_they_were_hashed(conn: Connection) -> None:
    odd = "\0\ud800\u202e李娜 \U0001f600" + "x" * 5000
    with conn.transaction():
        audit.append(conn, Deed(odd, "note", detail={"note": odd, "n": 10**30, "list": [None, True, {"k\0": odd}]}))
    assert verdict(conn).fault == ""
