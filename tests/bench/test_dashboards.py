"""Every question of every page is fast on a month of a city, and the benchmark says which is not."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from bench import dashboards
from bench.dashboards import LIMIT_MS, Asked, DashboardsReport
from bench.storecity import Scale
from dashboards.files import build
from dashboards.proof import questions

SMALL = Scale(sensors=100, minutes=5, days=30, runs=2)


@pytest.fixture(scope="module")
def report(postgres_dsn: str) -> DashboardsReport:
    """A small city with a month behind it."""
    return dashboards.run(SMALL, dsn=postgres_dsn)


def test_every_question_of_every_page_answers_within_a_second(report: DashboardsReport) -> None:
    assert report.slow == ()
    asked = {(one.page, one.question) for one in report.asked}
    assert asked == {(uid, question.where) for uid, board in build("en").items() for question in questions(board)}
    assert {one.hours for one in report.asked} == {6, 720}


def test_it_asks_a_city_that_has_something_to_say(report: DashboardsReport) -> None:
    assert report.sensors == 100
    assert report.hourly_rows == 100 * (30 * 24 + 23)  # the newest hour is still open
    month = [one for one in report.asked if one.hours == 720]
    assert sum(one.rows > 0 for one in month) > 0.8 * len(month)


def test_a_slow_question_is_named(report: DashboardsReport) -> None:
    slow = Asked("lifeline-wall", "panel 1, query A", 6, 1, 900.0, LIMIT_MS + 1)
    told = replace(report, asked=(*report.asked, slow))
    console = Console(width=200, file=StringIO(), record=True)
    console.print(told.render())
    assert "above 1000 ms: lifeline-wall: panel 1, query A, 6 h" in console.export_text()
    assert len(json.loads(told.json())["asked"]) == len(report.asked) + 1
