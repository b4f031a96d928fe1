"""Whether all that gateways send is there: their clocks, their books, missing messages, lost sessions, the journal."""

from __future__ import annotations

from typing import Any, Final, LiteralString

from store.connection import Connection
from store.health import Row
from store.statements import statements

_SQL = statements("intake")
CLOCK_LIMIT_S: Final = 60.0


def measure(conn: Connection) -> list[Row]:
    """Look now, in the caller's transaction; hours of long ago are let go."""
    conn.execute(_SQL["forget_hours"])
    conn.execute(_SQL["forget_aside"])
    return [_clocks(conn), _books(conn), _missing(conn), _session(conn), _journal(conn)]


def _clocks(conn: Connection) -> Row:
    off, known, gateway, skew_s, unsure_s, since = _one(conn, _SQL["clocks"], {"limit_s": CLOCK_LIMIT_S})
    if not known:
        return Row("gateway_clocks", "ok", "no gateway said when it sent anything", None, "s")
    sure = "" if unsure_s is None else f" (± {unsure_s:,.1f} s)"
    side = "behind" if skew_s >= 0 else "ahead"
    most = f"the most {gateway}, {abs(skew_s):,.1f} s{sure} {side}"
    text = f"{off} of {known} are off by more than {CLOCK_LIMIT_S:.0f} s; {most}"
    if not off:
        return Row("gateway_clocks", "ok", text, abs(skew_s), "s")
    advice = f"set the clock of {gateway} (NTP), or let it be corrected: clock, correct, in gateways.csv"
    return Row("gateway_clocks", "warning", f"{text} since {since:%Y-%m-%d %H:%M}Z", abs(skew_s), "s", advice)


def _books(conn: Connection) -> Row:
    open_, gateway = _one(conn, _SQL["open_books"])
    if not open_:
        return _entries(conn)
    advice = "a fault of Lifeline: report it with the rows of city.gateway_hours"
    return Row(
        "gateway_books", "fault", f"{open_:,} readings open, the most of {gateway}", float(open_), "readings", advice
    )


def _entries(conn: Connection) -> Row:
    """Whether the books hold everything that was entered."""
    aside, first, last, why = _one(conn, _SQL["put_aside"])
    if aside:
        span = f"{first:%Y-%m-%d %H:%M}Z" + (
            f" to {last:%Y-%m-%d %H:%M}Z" if f"{last:%F%H%M}" != f"{first:%F%H%M}" else ""
        )
        text = f"the accounts of {aside:,} batches of {span} cannot be read and are put aside: {why}"
        advice = "the books miss these batches, no reading is lost; put them back or let them go"
        return Row("gateway_books", "fault", text, float(aside), "batches", advice)
    waiting, since = _one(conn, _SQL["unposted"])
    if waiting:
        text = f"the accounts of {waiting:,} batches wait to be posted since {since:%Y-%m-%d %H:%M}Z"
        advice = "see whether a recorder runs, and posting_held in its log; nothing is lost meanwhile"
        return Row("gateway_books", "warning", text, float(waiting), "batches", advice)
    return Row("gateway_books", "ok", "published = stored + repeated + rejected, everywhere", 0.0, "readings")


def _missing(conn: Connection) -> Row:
    count, gateways, gateway = _one(conn, _SQL["missing"])
    if not count:
        return Row("messages_missing", "ok", "none in a day", 0.0, "messages")
    text = f"{count:,} in a day, of {gateways} gateways, the most of {gateway}"
    advice = "see city.gateway_hours: what the gateway dropped (its outbox, its log), or a broker that lost messages"
    return Row("messages_missing", "warning", text, float(count), "messages", advice)


def _session(conn: Connection) -> Row:
    count, client, began, heard_until = _one(conn, _SQL["sessions"])
    if not count:
        return Row("broker_session", "ok", "kept for a day", 0.0, "lost")
    since = f" after {heard_until:%H:%M:%S}Z" if heard_until else ""
    text = f"{count} not kept in a day, last of {client} at {began:%Y-%m-%d %H:%M:%S}Z: what it held{since} is gone"
    advice = "let the broker keep sessions and queues on disk, and longer than a recorder may be away (docs/ingest.md)"
    return Row("broker_session", "warning", text, float(count), "lost", advice)


def _journal(conn: Connection) -> Row:
    count, follower = _one(conn, _SQL["journal_lost"])
    if not count:
        return Row("journal_kept", "ok", "every follower has what comes next", 0.0, "rows")
    advice = "its decisions miss these rows: run the span through lifeline rules backtest; see who cut the journal"
    return Row(
        "journal_kept", "fault", f"{count:,} rows gone that {follower} never took in", float(count), "rows", advice
    )


def _one(conn: Connection, query: LiteralString, values: dict[str, Any] | None = None) -> tuple[Any, ...]:
    return conn.execute(query, values).fetchone() or (0, 0, None, None, None, None)
