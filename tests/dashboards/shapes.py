"""What each type of panel needs of the frames it gets; whatever is wrong is said in words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from dashboards.builder import Json
from dashboards.proof import Answer, Question, to_wide

ROWS = 10_000
_PLAIN = {"int2", "int4", "int8", "float4", "float8", "numeric", "text", "varchar", "bool", "timestamptz", "date"}
_FIELD = re.compile(r"\$\{__data\.fields\.(\w+)")
_NO_QUERY = {"text", "row", "alertlist", "dashlist"}
_MAY_BE_BLANK = {"geomap", "timeseries", "heatmap"}  # an empty ground says enough; their "No data" is Grafana's


def _says_nothing_came(panel: Json) -> bool:
    return bool(panel["fieldConfig"]["defaults"].get("noValue"))


def faults(question: Question, answer: Answer) -> Iterator[str]:
    """What is wrong with one answer."""
    made, types = answer.frame, answer.types
    if len(made.rows) > ROWS:
        yield f"{len(made.rows)} rows"
    if odd := {name: kind for name, kind in types.items() if kind not in _PLAIN}:
        yield f"columns that Grafana shows as text or not at all: {odd}"
    for row in made.rows:
        if any(isinstance(value, float) and not math.isfinite(value) for value in row):
            yield f"not a number: {row}"
            break
    if question.kind == "annotation":
        if made.kinds.get("time") != "time" or made.kinds.get("text") != "text":
            yield f"an annotation has time and text, got {dict(made.kinds)}"
    elif question.kind != "variable":
        yield from _of_kind(question, answer)


def _of_kind(question: Question, answer: Answer) -> Iterator[str]:
    made = answer.frame
    kinds = [kind for name, kind in made.kinds.items() if name != "time"]
    assert question.panel is not None  # only variables and annotations have none
    if not made.rows and question.kind not in _MAY_BE_BLANK and not _says_nothing_came(question.panel):
        yield "nothing came and the panel has no words for that"
    match question.kind:
        case "stat" | "gauge" | "bargauge":
            if "number" not in kinds and not question.panel["options"]["reduceOptions"]["fields"]:
                yield f"no number in {dict(made.kinds)}"
        case "geomap":
            yield from _map(question, answer)
        case "state-timeline":
            if made.kinds.get("time") != "time":
                yield "no time"
            series = to_wide(made, answer.fill) if question.format == "time_series" else {}
            if cut := [name for name, values in series.items() if None in values.values()]:
                yield f"bars are cut: {cut}"
        case "timeseries" | "heatmap":
            if question.format == "time_series" and made.kinds.get("time") != "time":
                yield "no time"
        case "barchart":
            if sum(kind in ("text", "time") for kind in made.kinds.values()) != 1 or "number" not in kinds:
                yield f"a bar chart has one text or time and numbers, got {dict(made.kinds)}"
        case "histogram" | "piechart":
            if "number" not in kinds:
                yield f"no number in {dict(made.kinds)}"
        case "table":
            if twice := [n for n in made.kinds if list(made.kinds).count(n) > 1]:
                yield f"columns twice: {twice}"
        case kind:
            if kind not in _NO_QUERY:
                yield f"no rule for panels of type {kind}"


def _map(question: Question, answer: Answer) -> Iterator[str]:
    made = answer.frame
    assert question.panel is not None  # it is a map
    for name in ("latitude", "longitude"):
        if made.kinds.get(name) != "number":
            yield f"no number {name} in {dict(made.kinds)}"
            return
    if question.format != "table":
        yield "a map reads a table"
    identity = [name for name in ("sensor", "site", "district") if name in made.kinds]
    rows = [tuple(row[name] for name in identity) for row in made.dicts()]
    if len(set(rows)) != len(rows):
        yield f"a place stands on the map twice: {sorted(row for row in rows if rows.count(row) > 1)[:3]}"
    if any(row["latitude"] is None or row["longitude"] is None for row in made.dicts()):
        yield "a place without a place"


def panel_faults(panel: Json, answers: Sequence[Answer]) -> Iterator[str]:
    """What a panel names that none of its answers has: columns of overrides, of links and of layers."""
    known = {name for answer in answers for name in answer.frame.kinds}
    known |= {str(value) for value in _strings(panel.get("transformations", []))}
    by_series = any(_labelled(answer) for answer in answers)  # names then come with the rows
    named = {o["matcher"]["options"] for o in panel["fieldConfig"]["overrides"] if o["matcher"]["id"] == "byName"}
    if (lost := named - known) and not by_series:
        yield f"overrides of columns that do not come: {sorted(lost)}, there are {sorted(known)}"
    if lost := set(_FIELD.findall(json.dumps(panel["fieldConfig"]) + json.dumps(panel["links"]))) - known:
        yield f"links to columns that do not come: {sorted(lost)}"
    for layer in panel["options"].get("layers", ()):
        style = layer.get("config", {}).get("style", {})
        fields = {style[part]["field"] for part in ("color", "size", "text") if "field" in style.get(part, {})}
        if lost := fields - known:
            yield f"layer {layer['name']} draws columns that do not come: {sorted(lost)}"


def _labelled(answer: Answer) -> bool:
    return answer.frame.kinds.get("time") == "time" and "text" in answer.frame.kinds.values()


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
