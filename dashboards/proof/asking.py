"""Every question a page asks (panels, variables, annotations), and asking it on a database as Grafana would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from dashboards.builder import Json
from dashboards.proof.frames import Frame, frame
from dashboards.proof.macros import Fill, Range, interval_s, send
from dashboards.proof.variables import ProofError, Values
from dashboards.queries.incident import FIRST_LISTED
from store.connection import Connection

Choice = Literal["all", "one", "none"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
SCREEN_PX, GRID_COLUMNS = 1920, 24
SOURCE_INTERVAL_S = 10  # the data source's shortest interval, as `dashboards.files` sets it


@dataclass(frozen=True, slots=True)
class Question:
    """One query: of which page, where on it, of what (`stat` …, `variable`, `annotation`), and in which format."""

    page: str
    where: str
    kind: str
    sql: str
    format: str = "table"
    panel: Json | None = None

    @property
    def name(self) -> str:
        """Its name for people."""
        return f"{self.page}: {self.where}"

    def within(self, first: datetime, last: datetime) -> Range:
        """The range with the interval that the browser chooses for this panel on a screen 1920 pixels wide."""
        panel = self.panel or {"gridPos": {"w": GRID_COLUMNS}}
        least_s = interval_s(panel["interval"]) if panel.get("interval") else SOURCE_INTERVAL_S
        return Range.of(first, last, int(panel["gridPos"]["w"] * SCREEN_PX / GRID_COLUMNS), least_s)

    def scoped(self, values: Values) -> Values:
        """The values as this panel sees them: one that repeats has one value of its variable, here the first."""
        name = (self.panel or {}).get("repeat", "")
        return {**values, name: list(values[name])[:1]} if name else values


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, PostgreSQL's name for each column's type, and what fills its gaps."""

    frame: Frame
    types: Mapping[str, str]
    fill: Fill | None = None


def panels(board: Json) -> Iterator[Json]:
    """Every panel of a page, those inside folded rows too."""
    for panel in board["panels"]:
        yield panel
        yield from panel.get("panels", ())


def questions(board: Json) -> list[Question]:
    """Every question of a page, variables first."""
    page = board["uid"]
    found = [
        Question(page, f"variable {variable['name']}", "variable", _plain(variable))
        for variable in board["templating"]["list"]
        if variable["type"] == "query"
    ]
    found += [
        Question(
            page, f"annotation {note['name']}", "annotation", note["target"]["rawSql"], note["target"].get("format", "")
        )
        for note in board["annotations"]["list"]
        if "rawSql" in note.get("target", {})
    ]
    for panel in panels(board):
        for target in panel.get("targets", ()):
            where = f"panel {panel['id']} {panel['title']}, query {target['refId']}"
            shape = target.get("format", "time_series")
            found.append(Question(page, where, panel["type"], target["rawSql"], shape, panel))
    return found


def _plain(variable: Json) -> str:
    """A variable's query (ProofError for an object: older versions break on it)."""
    if not isinstance(variable["query"], str):
        raise ProofError(f"variable {variable['name']}: its query must be a plain string")
    return variable["query"]


def ask(
    connection: Connection, question: Question, span: Range, values: Values, *, timescaledb: bool = False
) -> Answer:
    """What a question gets from a database (ProofError when Grafana would refuse it, psycopg.Error of the server)."""
    sent = send(question.sql, span, question.scoped(values), timescaledb=timescaledb)
    cursor = connection.execute(sent.sql.encode())
    types = connection.adapters.types
    columns = [(c.name, getattr(types.get(c.type_code), "name", "?")) for c in cursor.description or ()]
    return Answer(frame(columns, cursor.fetchall(), question.format), dict(columns), sent.fill)


def choose(
    connection: Connection, board: Json, span: Range, choice: Choice = "all", *, timescaledb: bool = False
) -> dict[str, str | Sequence[str]]:
    """A value for every variable of a page, from its own questions.

    `all` takes every option where several may be chosen; `one` the first; `none` no option at all, which for a variable
    of one value is the empty text.
    """
    values: dict[str, str | Sequence[str]] = {}
    for variable, question in _with_questions(board):
        options = _options(variable)
        if question is not None:
            options = offered(ask(connection, question, span, values, timescaledb=timescaledb).frame)
        if variable["type"] == "textbox" and choice != "none":
            options = _typed(connection, variable["name"]) or options
        fixed = variable["type"] in ("constant", "datasource", "textbox")
        values[variable["name"]] = _chosen(variable, options, "one" if fixed else choice)
    return values


def _typed(connection: Connection, name: str) -> list[str]:
    """What a link would write into a field to type into."""
    asked = {"incident": FIRST_LISTED}.get(name)
    return [row[0] for row in connection.execute(asked.encode()).fetchall()] if asked else []


def offered(made: Frame) -> list[str]:
    """The values a variable's rows offer (ProofError unless labels are unique texts beside values)."""
    if list(made.kinds) != ["__text", "__value"]:
        raise ProofError(f"a variable's columns are __text and __value, got {', '.join(made.kinds)}")
    if set(made.kinds.values()) != {"text"}:
        raise ProofError(f"a variable's columns are texts, got {made.kinds}")
    labels = made.column("__text")
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise ProofError(f"rows with equal labels become one: {', '.join(twice)}")
    return made.column("__value")


def _with_questions(board: Json) -> Iterator[tuple[Json, Question | None]]:
    asked = {question.where: question for question in questions(board)}
    for variable in board["templating"]["list"]:
        yield variable, asked.get(f"variable {variable['name']}")


def _options(variable: Mapping[str, Any]) -> list[str]:
    """The values of a variable that asks no database."""
    match variable["type"]:
        case "constant" | "textbox":
            return [variable["query"]]
        case "datasource":
            return [variable["current"]["value"]]
        case "custom" | "interval":
            return [one.rpartition(" : ")[2].strip() for one in variable["query"].split(",")]
    return []


def _chosen(variable: Mapping[str, Any], options: Sequence[str], choice: Choice) -> str | Sequence[str]:
    if not variable.get("multi"):
        return options[0] if options and choice != "none" else ""
    return list(options) if choice == "all" else list(options)[: choice == "one"]
