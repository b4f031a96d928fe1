"""The transformations that our pages use, on frames; what is not among them is an error, not left out in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from dashboards.builder import Json
from dashboards.proof import Frame, ProofError, Wide


@dataclass(frozen=True, slots=True)
class Data:
    """What one query of a panel got: its rows and, of a time series, its series."""

    ref_id: str
    frame: Frame
    wide: Wide | None = None
    thresholds: Mapping[str, float] | None = None  # from a query of limits, by column
    unit: str = ""  # from a query of its own


def reshape(made: list[Data], transformations: list[Json]) -> list[Data]:
    """The data after a panel's transformations (ProofError for one that is not known here)."""
    for one in transformations:
        try:
            step = STEPS[one["id"]]
        except KeyError:
            raise ProofError(f"the preview does not know transformation {one['id']}") from None
        made = step(made, one.get("options", {}))
    return made


def _config_from_data(made: list[Data], options: Json) -> list[Data]:
    """Limits from a query of their own become the other queries' thresholds."""
    ref_id = options.get("configRefId", "")
    limits = next((one for one in made if one.ref_id == ref_id), None)
    if limits is None or not limits.frame.rows:
        return [one for one in made if one.ref_id != ref_id]
    row = next(limits.frame.dicts())
    handled = {str(one.get("handlerKey", "")): row.get(one["fieldName"]) for one in options.get("mappings", ())}
    found = {key: float(value) for key, value in handled.items() if key.startswith("threshold") and value is not None}
    unit = str(handled.get("unit") or "")
    rest = [one for one in made if one.ref_id != ref_id]
    return [replace(one, thresholds={**(one.thresholds or {}), **found}, unit=unit or one.unit) for one in rest]


def _organize(made: list[Data], options: Json) -> list[Data]:
    """Columns left out, ordered and renamed."""
    away = {name for name, hidden in options.get("excludeByName", {}).items() if hidden}
    order, names = options.get("indexByName", {}), options.get("renameByName", {})
    done = []
    for one in made:
        kept = [name for name in one.frame.kinds if name not in away]
        kept.sort(key=lambda name: order.get(name, len(order)))
        kinds = {names.get(name, name): one.frame.kinds[name] for name in kept}
        rows = [[row[name] for name in kept] for row in one.frame.dicts()]
        done.append(replace(one, frame=Frame(kinds, rows)))
    return done


def _merge(made: list[Data], _: Json) -> list[Data]:
    """One row's columns beside the others' when every query gave one row; else rows below each other."""
    if not made:
        return made
    kinds: dict[str, Any] = {}
    for one in made:
        kinds |= one.frame.kinds
    if all(len(one.frame.rows) == 1 for one in made):
        row: dict[str, Any] = {}
        for one in made:
            row |= next(one.frame.dicts())
        return [Data(made[0].ref_id, Frame(kinds, [[row[name] for name in kinds]]))]
    rows = [[row.get(name) for name in kinds] for one in made for row in one.frame.dicts()]
    return [Data(made[0].ref_id, Frame(kinds, rows))]


STEPS: Mapping[str, Callable[[list[Data], Json], list[Data]]] = {
    "configFromData": _config_from_data,
    "organize": _organize,
    "merge": _merge,
}
