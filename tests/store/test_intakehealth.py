"""Whether all that gateways send is there, as health says it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from city.model import City
from store import bundle, intakehealth, journal
from store.connection import Connection, connect
from store.health import Row

NOW = datetime.now(UTC)  # noqa: TID251 - hours are the server's


@pytest.fixture
def conn(database: str, small_city: City) -> Iterator[Connection]:
    with connect(database, autocommit=True) as opened:
        bundle.apply(opened, {"city.yaml": "x"}, small_city, NOW)
        opened.execute("INSERT INTO lifeline.gateway_ledger (gateway) VALUES ('gw-1')")
        yield opened


def rows(conn: Connection) -> dict[str, Row]:
    return {row.name: row for row in intakehealth.measure(conn)}


def test_all_is_well_before_anything_came(conn: Connection) -> None:
    found = rows(conn)
    assert {row.state for row in found.values()} == {"ok"}
    assert set(found) == {"gateway_clocks", "gateway_books", "messages_missing", "broker_session", "journal_kept"}


def test_a_clock_that_is_off_is_a_warning_unless_it_is_corrected_or_unsure(conn: Connection) -> None:
    def skew(skew_s: float, unsure_s: float | None) -> Row:
        query = "UPDATE lifeline.gateway_ledger SET skew_s = %s, skew_uncertainty_s = %s, skew_since = %s"
        conn.execute(query, (skew_s, unsure_s, NOW))
        return rows(conn)["gateway_clocks"]

    assert skew(20, 0.1).state == "ok"
    assert skew(300, 280).state == "ok"
    assert skew(-300, 0.1).state == "warning"
    assert "gw-1, 300.0 s (± 0.1 s) ahead since" in skew(-300, 0.1).text
    correct = "INSERT INTO lifeline.clock_corrections (gateway, from_claimed, offset_us, made_at) "
    conn.execute(correct + "VALUES ('gw-1', now(), -299000000, now())")
    assert skew(-300, 0.1).state == "ok"


def test_books_that_are_open_missing_messages_and_lost_sessions_are_told(conn: Connection) -> None:
    hour = NOW.replace(minute=0, second=0, microsecond=0)
    for at, missing in ((hour, 3), (hour - timedelta(days=3), 99), (hour - timedelta(days=500), 1)):
        conn.execute(
            "INSERT INTO lifeline.gateway_hours (gateway, hour, missing) VALUES ('gw-1', %s, %s)", (at, missing)
        )
    assert rows(conn)["messages_missing"].value == 3
    assert conn.execute("SELECT count(*) FROM lifeline.gateway_hours").fetchone() == (2,), "hours of long ago go"
    conn.execute("UPDATE lifeline.gateway_hours SET published = 5, stored = 4 WHERE hour = %s", (hour,))
    assert (rows(conn)["gateway_books"].state, rows(conn)["gateway_books"].value) == ("fault", 1)
    conn.execute("INSERT INTO lifeline.broker_sessions VALUES ('one at mqtt://b:1', %s, true, %s)", (NOW, NOW))
    assert rows(conn)["broker_session"].state == "warning"
    assert "one at mqtt://b:1" in rows(conn)["broker_session"].text


def test_accounts_that_nobody_posts_are_told(conn: Connection) -> None:
    conn.execute("INSERT INTO lifeline.ledger_entries (entry) VALUES ('')")
    assert rows(conn)["gateway_books"].state == "ok"
    conn.execute("UPDATE lifeline.ledger_entries SET entered_at = now() - interval '2 minutes'")
    assert rows(conn)["gateway_books"].state == "warning"
    assert "the accounts of 1 batches wait" in rows(conn)["gateway_books"].text


def test_accounts_that_were_put_aside_are_told_until_somebody_deals_with_them(conn: Connection) -> None:
    add = "INSERT INTO lifeline.spoiled_entries VALUES (%s, '?', now() - %s, now(), %s)"
    conn.execute(add, (1, timedelta(hours=1), "older"))
    conn.execute(add, (2, timedelta(), "DecodeError: cut off"))
    conn.execute(add, (3, timedelta(days=401), "of hours that are let go"))
    row = rows(conn)["gateway_books"]
    assert (row.state, row.value) == ("fault", 2)
    assert "2 batches" in row.text
    assert "DecodeError: cut off" in row.text
    conn.execute("DELETE FROM lifeline.spoiled_entries")
    assert rows(conn)["gateway_books"].state == "ok"


def test_a_journal_that_was_cut_before_its_follower_is_a_fault(conn: Connection) -> None:
    with conn.transaction():
        numbers = [journal.append(conn, "tick", b"{}", NOW) for _ in range(3)]
    journal.set_checkpoint(conn, "watcher", numbers[0], NOW)
    assert rows(conn)["journal_kept"].state == "ok"
    conn.execute("DELETE FROM lifeline.journal WHERE seq <= %s", (numbers[1],))
    assert (rows(conn)["journal_kept"].state, rows(conn)["journal_kept"].value) == ("fault", 1)
