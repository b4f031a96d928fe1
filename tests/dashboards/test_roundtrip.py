"""Every page through Grafana's own typed models and back: a key that does not come back is one that Grafana lacks."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pytest
from grafana_foundation_sdk.cog import encoder, plugins, runtime, variants

from dashboards.builder import POSTGRES, Json
from dashboards.pages import all_dashboards

pytestmark = pytest.mark.filterwarnings(
    "ignore:Prefer using dashboardv2:DeprecationWarning"
)  # we ship the classic format
BOARDS = all_dashboards("https://lifeline.example.org", "https://tiles.example.org/{z}/{x}/{y}.png")
_QUERY_KEYS = {"datasource", "refId", "format", "rawQuery", "editorMode", "rawSql", "hide"}


@dataclass
class PostgresQuery(variants.Dataquery):
    """A query of the PostgreSQL data source, which the models do not know: only its own keys come back."""

    known: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """The keys that were known."""
        return self.known

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Drops what no such query has."""
        return cls({key: value for key, value in data.items() if key in _QUERY_KEYS})


@pytest.fixture(scope="module", autouse=True)
def _registered() -> None:
    plugins.register_default_plugins()
    runtime.register_dataquery_variant(
        runtime.DataqueryConfig(identifier=POSTGRES, from_json_hook=PostgresQuery.from_json)
    )


def back_and_forth(board: Json) -> Json:
    """The page as the models write it again."""
    from grafana_foundation_sdk.models.dashboard import Dashboard  # it warns when it is read

    made = Dashboard.from_json(copy.deepcopy(board))
    written: Json = json.loads(json.dumps(made, cls=encoder.JSONEncoder))
    return written


def lost(sent: object, back: object, path: str = "") -> Iterator[str]:
    """Every key that did not come back, and every value that came back as another."""
    if isinstance(sent, dict) and isinstance(back, dict):
        for key, value in sent.items():
            if key in back:
                yield from lost(value, back[key], f"{path}.{key}")
            elif value is not None:
                yield f"{path}.{key}"
    elif isinstance(sent, list) and isinstance(back, list) and len(sent) == len(back):
        for place, (one, other) in enumerate(zip(sent, back, strict=True)):
            yield from lost(one, other, f"{path}[{place}]")
    elif sent != back:
        yield f"{path}: {sent!r} came back as {back!r}"


@pytest.mark.parametrize("uid", BOARDS)
def test_no_key_of_a_page_is_lost(uid: str) -> None:
    assert list(lost(BOARDS[uid], back_and_forth(BOARDS[uid]))) == []


def panel(board: Json, kind: str) -> Json:
    """The first panel of a type."""
    found: Json = next(one for one in board["panels"] if one["type"] == kind)
    return found


PLANTED: dict[str, Callable[[Json], Json]] = {
    "page": lambda board: board,
    "panel": lambda board: panel(board, "stat"),
    "place": lambda board: panel(board, "stat")["gridPos"],
    "options": lambda board: panel(board, "stat")["options"],
    "reducer": lambda board: panel(board, "stat")["options"]["reduceOptions"],
    "timeline": lambda board: panel(board, "state-timeline")["options"],
    "field": lambda board: panel(board, "stat")["fieldConfig"]["defaults"],
    "thresholds": lambda board: panel(board, "stat")["fieldConfig"]["defaults"]["thresholds"],
    "custom": lambda board: panel(board, "timeseries")["fieldConfig"]["defaults"]["custom"],
    "override": lambda board: panel(board, "table")["fieldConfig"]["overrides"][0],
    "property": lambda board: panel(board, "table")["fieldConfig"]["overrides"][0]["properties"][0],
    "query": lambda board: panel(board, "stat")["targets"][0],
    "map": lambda board: panel(board, "geomap")["options"]["view"],
    "layer": lambda board: panel(board, "geomap")["options"]["layers"][-1],
    "ground": lambda board: panel(board, "geomap")["options"]["basemap"],
    "variable": lambda board: board["templating"]["list"][-1],
    "link": lambda board: board["links"][0],
}


@pytest.mark.parametrize("place", PLANTED)
def test_a_key_that_grafana_does_not_know_is_found(place: str) -> None:
    board = copy.deepcopy(BOARDS["lifeline-wall"])
    PLANTED[place](board)["planted"] = True
    assert [path.rpartition(".")[2] for path in lost(board, back_and_forth(board))] == ["planted"]
