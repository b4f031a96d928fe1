"""Migrations go forward, once, unchanged, and one migrator at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from city.errors import OutsideError
from store.connection import connect
from store.migrate import Tier, detect_tier, migrate, plan, steps
from store.testing import drop_database, named


@pytest.fixture
def empty(postgres_dsn: str) -> Iterator[str]:
    """A database without anything in it."""
    with connect(postgres_dsn, autocommit=True) as conn:
        conn.execute("CREATE DATABASE test_empty")
    dsn = named(postgres_dsn, "test_empty")
    yield dsn
    drop_database(dsn)


def _folder(path: Path, **texts: str) -> Path:
    path.mkdir(exist_ok=True)
    for name, text in texts.items():
        (path / f"{name.replace('__', '.')}.sql").write_text(text)
    return path


def test_an_empty_database_gets_every_step_once(empty: str) -> None:
    assert [step.name for step in migrate(empty)][:2] == ["0001_house", "0002_readings"]
    assert migrate(empty) == []
    with connect(empty) as conn:
        assert plan(conn) == []
        assert conn.execute("SELECT count(*) FROM lifeline.migrations").fetchone() == (len(steps(detect_tier(conn))),)


def test_concurrent_migrators_apply_each_step_once(empty: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = [step.name for done in threads.map(migrate, [empty] * 4) for step in done]
    assert sorted(applied) == sorted({step.name for step in steps(Tier.PLAIN)})


def test_a_file_changed_after_it_was_applied_is_refused(empty: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "m", a="ignored", **{"0001_first": "CREATE TABLE lifeline.a ()"})
    migrate(empty, folder=folder)
    _folder(folder, **{"0001_first": "CREATE TABLE lifeline.b ()", "0002_second": "CREATE TABLE lifeline.c ()"})
    with pytest.raises(OutsideError, match="0001_first has changed since"):
        migrate(empty, folder=folder)
    with connect(empty) as conn:
        assert conn.execute("SELECT to_regclass('lifeline.c')").fetchone() == (None,)


def test_a_database_newer_than_the_program_is_refused(empty: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "m", **{"0001_first": "SELECT 1", "0002_second": "SELECT 1"})
    migrate(empty, folder=folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(OutsideError, match="0002_second was applied"):
        migrate(empty, folder=folder)


def test_a_step_that_fails_leaves_nothing_behind(empty: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path / "m", **{"0001_first": "CREATE TABLE lifeline.a (); SELECT 1 / 0"})
    with pytest.raises(OutsideError, match="0001_first: the database refused it, got: division by zero"):
        migrate(empty, folder=folder)
    with connect(empty) as conn:
        assert conn.execute("SELECT to_regclass('lifeline.a')").fetchone() == (None,)
    _folder(folder, **{"0001_first": "CREATE TABLE lifeline.a ()"})
    assert len(migrate(empty, folder=folder)) == 1


def test_the_most_specific_variant_wins(tmp_path: Path) -> None:
    names = ("0001_a", "0001_a__timescale", "0001_a__community", "0002_b", "0002_b__plain")
    folder = _folder(tmp_path / "m", **dict.fromkeys(names, "SELECT 1"))
    chosen = {tier: [step.variant for step in steps(tier, folder)] for tier in Tier}
    assert chosen == {Tier.PLAIN: ["", "plain"], Tier.APACHE: ["timescale", ""], Tier.COMMUNITY: ["community", ""]}


def test_a_tier_without_its_variant_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="0001_a: no variant for tier plain"):
        steps(Tier.PLAIN, _folder(tmp_path / "m", **{"0001_a__timescale": "SELECT 1"}))


def test_the_tier_is_what_the_server_offers_and_stays(store_server: str, request: pytest.FixtureRequest) -> None:
    with connect(store_server, autocommit=True) as conn:
        conn.execute("CREATE DATABASE test_tier")
    dsn = named(store_server, "test_tier")
    try:
        assert migrate(dsn)
        with connect(dsn) as conn:
            tier = detect_tier(conn)
            assert f"[{tier}]" in request.node.name
            assert conn.execute("SELECT value FROM lifeline.meta WHERE key = 'tier'").fetchone() == (tier.value,)
            hypertable = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"
            assert conn.execute(hypertable).fetchone() == (tier is not Tier.PLAIN,)
    finally:
        drop_database(dsn)


def test_a_new_database_can_be_kept_plain_for_good(timescale_dsn: str) -> None:
    with connect(timescale_dsn, autocommit=True) as conn:
        conn.execute("CREATE DATABASE test_plain")
    dsn = named(timescale_dsn, "test_plain")
    try:
        migrate(dsn, tier=Tier.PLAIN)
        assert migrate(dsn) == []
        with connect(dsn) as conn:
            assert detect_tier(conn) is Tier.PLAIN
            assert conn.execute(
                "SELECT relkind FROM pg_class WHERE oid = 'lifeline.readings'::regclass"
            ).fetchone() == ("p",)
    finally:
        drop_database(dsn)
