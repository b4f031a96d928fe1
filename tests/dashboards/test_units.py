"""Units on the pages of Grafana are those that people write, in tables and on axes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from dashboards.pages import all_dashboards
from dashboards.proof import Range, ask, questions
from store.connection import connect

BOARDS = all_dashboards("https://lifeline.example.org")


@pytest.mark.parametrize("page", ["lifeline-bridge", "lifeline-bridge-zh", "lifeline-sensor", "lifeline-sensor-zh"])
def test_a_strain_is_told_in_microstrain(page: str, seeded_city: str, now_of_module: datetime) -> None:
    span = Range(now_of_module - timedelta(hours=3), now_of_module, 30)
    chosen = {"district": ["north", "so'uth"], "sensor": ["s1"], "quantity": ["strain"]}
    told = set()
    with connect(seeded_city, autocommit=True) as conn:
        for question in questions(BOARDS[page]):
            frame = ask(conn, question, span, chosen).frame
            told |= {str(row["unit"]) for row in frame.dicts() if "unit" in row}
    assert {"µε", "suffix: µε"} <= told
    assert not any("um/m" in unit for unit in told)
