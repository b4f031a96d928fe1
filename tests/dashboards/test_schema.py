"""What each value of a page is, held against a schema: Grafana's own models look at keys alone."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dashboards.builder import Json
from dashboards.pages import all_dashboards

SCHEMA = json.loads(Path(__file__).with_name("dashboard.schema.json").read_text(encoding="utf-8"))
BOARDS = {theme: all_dashboards("https://lifeline.example.org", theme=theme) for theme in ("dark", "light")}


def refusals(board: Json) -> list[str]:
    """What the schema says of a page, each with its place."""
    return [f"{error.json_path}: {error.message[:200]}" for error in Draft202012Validator(SCHEMA).iter_errors(board)]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("uid", BOARDS["dark"])
def test_every_page_holds(uid: str) -> None:
    assert [refusal for boards in BOARDS.values() for refusal in refusals(boards[uid])] == []


def first(board: Json, kind: str) -> Json:
    """The first panel of a type."""
    found: Json = next(panel for panel in board["panels"] if panel["type"] == kind)
    return found


SPOILED: dict[str, Callable[[Json], None]] = {
    "an older format": lambda board: board.update(schemaVersion=39),
    "a uid with a blank": lambda board: board.update(uid="lifeline wall"),
    "no title": lambda board: board["panels"][0].update(title=" "),
    "a width as text": lambda board: board["panels"][0]["gridPos"].update(w="12"),
    "beyond the grid": lambda board: board["panels"][0]["gridPos"].update(x=24),
    "a type of panel nobody has": lambda board: board["panels"][0].update(type="graph"),
    "a data source of somebody else's": lambda board: board["panels"][0]["datasource"].update(uid="PCC52D03280B7034C"),
    "no SQL": lambda board: first(board, "stat")["targets"][0].update(rawSql=""),
    "a colour by name": lambda board: first(board, "stat")["fieldConfig"]["defaults"]["thresholds"]["steps"][0].update(
        color="red"
    ),
    "a step as text": lambda board: first(board, "stat")["fieldConfig"]["defaults"]["thresholds"]["steps"].append(
        {"color": "#FF0000", "value": "1"}
    ),
    "decimals as text": lambda board: first(board, "stat")["fieldConfig"]["defaults"].update(decimals="0"),
    "a meaning that was not painted": lambda board: first(board, "stat")["fieldConfig"]["defaults"]["thresholds"][
        "steps"
    ][0].update(color="@red"),
    "an object as a variable's query": lambda board: board["templating"]["list"][-1].update(query={"rawSql": "SELECT"}),
    "a value for all": lambda board: board["templating"]["list"][-1].update(allValue="*"),
    "several as text": lambda board: board["templating"]["list"][-1].update(multi="true"),
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILED)
def test_a_page_with_a_wrong_value_is_refused(how: str) -> None:
    board = copy.deepcopy(BOARDS["dark"]["lifeline-wall"])
    SPOILED[how](board)
    assert refusals(board)
