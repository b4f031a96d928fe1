"""Every question of every page, as Grafana would send it, on real databases of each tier, as a reader may ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import product

import psycopg
import pytest

from city.words import languages
from dashboards.builder import Json
from dashboards.pages import PAGES, all_dashboards
from dashboards.proof import CHOICES, Answer, Choice, ProofError, Range, ask, choose, panels, questions
from store.connection import Connection, connect
from store.migrate import migrate
from store.testing import drop_database, fresh_database
from tests.dashboards.proofcity import NOW, as_reader, reader, storm
from tests.dashboards.shapes import faults, panel_faults
from tests.servers.community import community_server
from tests.servers.debian import NotHere

BOARDS = all_dashboards("https://lifeline.example.org")
HOURS = (6, 720)
CITIES = ("empty", "storm")
# What a storm need not show: pages of one thing show the first of its kind, which may be calm.
# Late readings are marked while single readings are drawn, and over a month they are not.
MAY_BE_EMPTY: set[str] = {
    f"{uid}: panel {panel['id']} {panel['title']}, query D"
    for uid, board in BOARDS.items()
    for panel in panels(board)
    if any(" AND late " in target["rawSql"] for target in panel["targets"])
}


def boards_of(page: str) -> list[Json]:
    """One page in every language."""
    return [BOARDS[page if language == "en" else f"{page}-{language}"] for language in languages]


@pytest.fixture(scope="module", params=["postgres_dsn", "timescale_dsn"], ids=["plain", "timescale"])
def cities(request: pytest.FixtureRequest) -> Iterator[dict[str, Connection]]:
    """An empty city and one in a storm on one tier, each as its reader sees it; and whether it has TimescaleDB."""
    server: str = request.getfixturevalue(request.param)
    with ExitStack() as open_ones:
        found = {}
        for city in CITIES:
            dsn = fresh_database(server)
            open_ones.callback(drop_database, dsn)
            if city == "storm":
                with connect(dsn, autocommit=True) as conn:
                    storm(conn)
            found[city] = open_ones.enter_context(reader(dsn))
        yield found


def has_timescale(conn: Connection) -> bool:
    """Whether the data source would say `timescaledb`."""
    return conn.execute("SELECT FROM pg_extension WHERE extname = 'timescaledb'").fetchone() is not None


class Proof:
    """One page asked on one database; equal statements are asked once."""

    def __init__(self, conn: Connection) -> None:
        self.conn = conn
        self.timescaledb = has_timescale(conn)
        self.wrong: list[str] = []
        self.empty: set[str] = set()

    def page(self, board: Json, hours: int, choice: Choice) -> None:
        """Ask everything that one page asks, for one range and one choice."""
        first = NOW - timedelta(hours=hours)
        asked = questions(board)
        told = f"{hours} h, {choice}"
        span = Range(first, NOW)
        try:
            values = choose(self.conn, board, span, choice, timescaledb=self.timescaledb)
        except (ProofError, psycopg.Error) as error:
            self.conn.rollback()
            self.wrong.append(f"{board['uid']} ({told}): variables: {error}")
            return
        answers: dict[int, list[Answer]] = {}
        for question in asked:
            try:
                answer = ask(self.conn, question, question.within(first, NOW), values, timescaledb=self.timescaledb)
            except (ProofError, psycopg.Error) as error:
                self.conn.rollback()
                self.wrong.append(f"{question.name} ({told}): {type(error).__name__}: {error}")
                continue
            self.wrong += [f"{question.name} ({told}): {fault}" for fault in faults(question, answer)]
            if not answer.frame.rows:
                self.empty.add(question.name)
            if question.panel is not None:
                answers.setdefault(question.panel["id"], []).append(answer)
        for panel in panels(board):
            if panel["id"] in answers:
                where = f"{board['uid']}: panel {panel['id']} {panel['title']} ({told})"
                self.wrong += [f"{where}: {fault}" for fault in panel_faults(panel, answers[panel["id"]])]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("city", CITIES)
def test_every_question_gets_a_frame_its_panel_can_draw(cities: dict[str, Connection], city: str, page: str) -> None:
    proof = Proof(cities[city])
    english, *others = boards_of(page)
    for hours, choice in product(HOURS, CHOICES):
        proof.page(english, hours, choice)
    for board in others:
        proof.page(board, HOURS[0], "all")
    assert not proof.wrong, "\n".join(proof.wrong)


@pytest.mark.parametrize("page", PAGES)
def test_in_a_storm_every_question_finds_something(cities: dict[str, Connection], page: str) -> None:
    empty = []
    for hours in HOURS:  # marks of single readings are drawn over short ranges only
        proof = Proof(cities["storm"])
        for board in boards_of(page):
            proof.page(board, hours, "all")
        empty.append(proof.empty)
    assert set.intersection(*empty) == set()


def test_a_reader_sees_views_and_nothing_else(cities: dict[str, Connection]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        cities["storm"].execute("SELECT * FROM lifeline.alarms")
    cities["storm"].rollback()


def test_every_question_runs_under_the_community_licence_too() -> None:
    """One session of the real extension: each page once, over six hours, everything chosen, in a storm."""
    with ExitStack() as running:
        try:
            dsn = running.enter_context(community_server())
        except NotHere as reason:
            pytest.skip(f"NOT TESTED on TimescaleDB under its community licence: {reason}")
        migrate(dsn)
        with connect(dsn, autocommit=True) as conn:
            storm(conn, days=1, rolled=False)
            with as_reader(conn):
                proof = Proof(conn)
                assert proof.timescaledb
                for page in PAGES:
                    proof.page(BOARDS[page], HOURS[0], "all")
        assert not proof.wrong, "\n".join(proof.wrong)
