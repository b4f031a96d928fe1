"""Gateways' accounts are posted beside the batches: soon, at the end, each once, whoever is killed or away."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from city.clock import ManualClock
from ingest import posting
from ingest.decoders import Decoders
from ingest.intake import Delivery
from ingest.ledger import post
from ingest.newest import Newest
from ingest.posting import Posting
from ingest.writer import BatchWriter
from store.connection import Connection, connect
from tests.ingest.fed import START, START_US, TOPIC, message
from tests.running import eventually


class Recording:
    """A recorder's writer, fed by hand; `posted` is what posts for it, if anything does."""

    def __init__(self, conn: Connection, newest: Newest, posted: Posting) -> None:
        self.writer = BatchWriter(conn, ManualClock(START), newest, posting=posted)

    def hear(self, *seqs: int) -> None:
        made = list[Delivery]()
        for seq in seqs:
            payload = message([("wl-003", START_US + seq * 1_000_000, 1.0), ("nobody", START_US, 1.0)], seq=seq)
            made.append(Delivery(Decoders().decode(TOPIC, payload, START_US), START_US, payload, 1, 1, 2))
        self.writer.commit(made)


def books(conn: Connection) -> tuple[int, ...] | None:
    return conn.execute(
        "SELECT published, stored, rejected, missing, messages FROM city.gateways WHERE gateway = 'gw-1'"
    ).fetchone()


def entries(conn: Connection) -> int:
    row = conn.execute("SELECT count(*) FROM lifeline.ledger_entries").fetchone()
    return int(row[0]) if row else -1


class Asleep(Posting):
    """One that was killed before it posted anything."""

    def __init__(self) -> None:
        pass

    def hear(self) -> None:
        pass


def test_accounts_are_posted_soon_and_at_the_end(conn: Connection, city_database: str) -> None:
    with closing(Newest(city_database)) as newest, closing(Posting(city_database)) as beside:
        recording = Recording(conn, newest, beside)
        recording.hear(1, 2)
        eventually(lambda: books(conn) == (4, 2, 2, 0, 2))
        recording.hear(4)
        recording.hear(5)
    assert (books(conn), entries(conn)) == ((8, 4, 4, 1, 4), 0)


def test_what_a_killed_recorder_entered_the_next_one_posts_once(conn: Connection, city_database: str) -> None:
    with closing(Newest(city_database)) as newest:
        Recording(conn, newest, Asleep()).hear(1)
        Recording(conn, newest, Asleep()).hear(3)
        with connect(city_database) as killed:  # in the middle of posting
            assert post(killed, 10) == (2, [])
            assert books(killed) == (4, 2, 2, 1, 2)
            killed.rollback()
    assert (books(conn), entries(conn)) == ((0, 0, 0, 0, 0), 2)
    with closing(Posting(city_database)), closing(Posting(city_database)):
        pass
    assert (books(conn), entries(conn)) == ((4, 2, 2, 1, 2), 0)


def test_a_batch_that_is_rolled_back_enters_nothing(conn: Connection, city_database: str) -> None:
    with closing(Newest(city_database)) as newest:
        recording = Recording(conn, newest, Asleep())
        recording.hear(1)
        conn.execute("ALTER TABLE lifeline.journal RENAME TO gone")
        with pytest.raises(psycopg.errors.UndefinedTable):
            recording.hear(2)
    assert entries(conn) == 1


def test_many_entries_go_in_several_transactions(
    conn: Connection, city_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "_MOST", 3)
    with closing(Newest(city_database)) as newest:
        recording = Recording(conn, newest, Asleep())
        for seq in range(1, 12):
            recording.hear(seq)
    Posting(city_database).close()
    assert (books(conn), entries(conn)) == ((22, 11, 11, 0, 11), 0)


def test_what_could_not_be_posted_is_posted_later(conn: Connection, city_database: str, away_once: list[str]) -> None:
    with closing(Newest(city_database)) as newest, closing(Posting(city_database)) as beside:
        Recording(conn, newest, beside).hear(1)
        eventually(lambda: books(conn) == (2, 1, 1, 0, 1))
    assert len(away_once) > 1


def test_what_is_left_at_the_end_is_posted_although_the_line_broke(conn: Connection, city_database: str) -> None:
    with closing(Newest(city_database)) as newest, closing(Posting(city_database)) as beside:
        recording = Recording(conn, newest, beside)
        recording.hear(1)
        eventually(lambda: books(conn) == (2, 1, 1, 0, 1))
        cut = conn.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'lifeline recorder posting'"
        ).fetchone()
        Recording(conn, newest, Asleep()).hear(2)
    assert cut == (1,)
    assert (books(conn), entries(conn)) == ((4, 2, 2, 0, 2), 0)


def aside(conn: Connection) -> list[tuple[bytes, str]]:
    return conn.execute("SELECT entry, reason FROM lifeline.spoiled_entries ORDER BY id").fetchall()


_TOO_MANY = b'[[["gw-1",%d,[0,%d,0,0,0,0,0]]],{}]' % (START_US // 3_600_000_000, 2**70)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (b"", "truncated"),
        (b"?", "DecodeError"),
        (b'[["gw-1"],{}]', "ValidationError"),
        (b'[[["gw\\u0000",1,[1]]],{}]', "NUL"),
        (_TOO_MANY, "out of range"),
    ],
)
def test_an_entry_that_means_nothing_is_put_aside_and_the_others_are_posted(
    conn: Connection, city_database: str, caplog: pytest.LogCaptureFixture, entry: bytes, why: str
) -> None:
    with closing(Newest(city_database)) as newest:
        Recording(conn, newest, Asleep()).hear(1)
        conn.execute("INSERT INTO lifeline.ledger_entries (entry) VALUES (%s)", (entry,))
        Recording(conn, newest, Asleep()).hear(3)
        with connect(city_database) as killed:  # in the middle of posting
            assert post(killed, 10).taken == 3
            killed.rollback()
        assert (aside(conn), entries(conn)) == ([], 3)
        with closing(Posting(city_database)) as beside:
            eventually(lambda: books(conn) == (4, 2, 2, 1, 2))
            Recording(conn, newest, beside).hear(2)
            eventually(lambda: books(conn) == (6, 3, 3, 0, 3))
    ((kept, reason),) = aside(conn)
    assert kept == entry
    assert why in reason
    assert "accounts of 1 batches are put aside" in caplog.text
    assert entries(conn) == 0


def test_what_was_put_aside_is_put_back_as_the_runbook_says(conn: Connection, city_database: str) -> None:
    runbook = (Path(__file__).parents[2] / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")
    (back,) = re.findall(r"'(WITH back AS [^']*)'", runbook)
    with closing(Newest(city_database)) as newest:
        Recording(conn, newest, Asleep()).hear(1)
    conn.execute("INSERT INTO lifeline.ledger_entries (entry) VALUES ('?')")
    conn.execute(
        "WITH taken AS (DELETE FROM lifeline.ledger_entries RETURNING *)"
        " INSERT INTO lifeline.spoiled_entries SELECT id, entry, entered_at, now(), 'newer' FROM taken"
    )
    conn.execute(back)
    Posting(city_database).close()
    assert books(conn) == (2, 1, 1, 0, 1)
    assert [entry for entry, _ in aside(conn)] == [b"?"], "what nobody can read comes here again"
