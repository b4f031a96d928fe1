"""Real street floods, replayed live: a backtest of what the database then holds is the live alarm log, exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from city.clock import to_us
from gateway.floodnet import write_floodnet_city
from lifeline import endpoints
from rules.trials.sources import Span
from store.connection import connect
from tests.lifeline.test_recorded_floods import lived, replay, running
from tests.trials.test_backtest_live import backtest, live, told

pytestmark = pytest.mark.faults  # starts a whole system


def test_replayed_floods_decided_on_again_are_the_live_log(data: Path, recorded_data: Path) -> None:
    home, folder = data / "home", data / "city"
    home.mkdir(mode=0o711)
    write_floodnet_city(recorded_data / "floodnet", folder)
    with running(home, folder):
        replay(home, recorded_data, "--from", "2023-07-01T00:00:00Z", "--to", "2023-10-01T00:00:00Z")
        alarms, _ = lived(home)
        found = endpoints.read(home)
        assert found is not None
        with connect(found.database) as conn:
            row = conn.execute("SELECT min(time), max(time) FROM city.readings").fetchone()
        assert row is not None
        span = Span(to_us(row[0]), to_us(row[1]) + 1)
        outcome, log = backtest(found.database, span), live(found.database, span)
    assert told(outcome) == log
    assert len(outcome.occurrences) == len(alarms) > 40
    assert outcome.missing == 0
