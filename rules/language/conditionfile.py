"""Reads conditions from rule books: checks keys, words, units and durations by the tables of `rules.language.grammar`.

Reading has two stages, so that a fault is told once and not for every sensor: `read_condition` turns YAML into a
`Plan` for one quantity, and the plan makes the condition for one sensor of that quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from city.duration import write as write_duration
from city.positions import Path, check_keys, show
from city.quantity import Quantity
from rules.conditions.kinds import All, Any_, Not, Only, Sequence, Silent
from rules.language.calendarfile import read_only
from rules.language.grammar import ANYWHERE, COMPARISONS, FORMS, HEADS, Key, optional, required
from rules.language.nearfile import beside_plan, near_plan
from rules.language.plainfile import compare_plan, detector_plan, reaches_plan, trend_plan, window_plan
from rules.language.reader import ANY, Plan, Reader, fixed


def read_condition(
    reader: Reader, data: object, path: Path, quantity: Quantity, beside: Mapping[str, Key] | None = None
) -> Plan | None:
    """A condition for sensors of `quantity`; None when it has faults. `beside`: keys the caller reads itself."""
    before, beside = len(reader.faults), beside or {}
    if not isinstance(data, Mapping):
        reader.fault(path, "expected a condition", show(data), "{above: 15 cm}")
        return None
    form = _form(reader, data, path, beside)
    if form is None:
        return None
    keys = FORMS[form].keys
    known = [*optional(keys), *ANYWHERE, *(key for key in beside if key not in keys)]
    reader.faults += check_keys(data, path, reader.positions, required=required(keys), optional=known)
    plan = _READERS[form](reader, data, path, quantity)
    if "only" in data:
        plan = _only(reader, data["only"], (*path, "only"), plan)
    return plan if len(reader.faults) == before else None


def _form(reader: Reader, data: Mapping[str, object], path: Path, beside: Mapping[str, Key]) -> str | None:
    """Which form a condition has, by its heads; None with a fault when that is not clear."""
    if "near" in data:
        return "near"
    heads = [key for key in data if key in HEADS and not (key == "count" and "of" in data)]
    found = list(dict.fromkeys(name for name, form in FORMS.items() for head in heads if head in form.heads))
    if "window" in found:  # what it is compared with is no form of its own
        found = [name for name in found if name != "compare"]
        heads = [head for head in heads if head not in COMPARISONS]
    if len(found) == 1 and len(heads) == 1:
        return found[0]
    strange = [] if heads else [key for key in data if key not in beside and key not in ANYWHERE]
    if strange:
        reader.faults += check_keys(dict.fromkeys(strange), path, reader.positions, optional=HEADS)
    else:
        got = ", ".join(heads) or "nothing"
        hint = "one of " + ", ".join(HEADS) + ", or all: [...]"
        reader.fault(path, "a condition has exactly one form", got, hint)
    return None


def _only(reader: Reader, data: object, path: Path, plan: Plan | None) -> Plan | None:
    calendar = read_only(data, path, reader.positions, reader.faults, reader.calendars)
    if calendar is None or plan is None:
        return None
    return Plan(lambda sensor: Only(calendar, plan.make(sensor), f"only {calendar.written}"), plan.shared)


def _read_list(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity, form: str) -> list[Plan]:
    parts = data[form]
    if not isinstance(parts, list) or not parts:
        hint = f"{form}: [{{above: …}}, {{…}}]"
        reader.fault((*path, form), f"{form}: expected a list of conditions", show(parts), hint)
        return []
    plans = [read_condition(reader, part, (*path, form, at), quantity) for at, part in enumerate(parts)]
    return [plan for plan in plans if plan is not None]


def _read_parts(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan:
    form = "all" if "all" in data else "any"
    plans = _read_list(reader, data, path, quantity, form)
    join = All if form == "all" else Any_
    return Plan(lambda sensor: join(tuple(plan.make(sensor) for plan in plans)), all(plan.shared for plan in plans))


def _read_not(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan | None:
    plan = read_condition(reader, data["not"], (*path, "not"), quantity)
    return None if plan is None else Plan(lambda sensor: Not(plan.make(sensor)), plan.shared)


def _read_sequence(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan:
    plans = _read_list(reader, data, path, quantity, "sequence")
    if isinstance(parts := data["sequence"], list) and len(parts) == 1:
        reader.fault((*path, "sequence"), "a sequence has two parts or more", "1", "the condition itself")
    within_us = reader.span_us(data, "within", path)
    slot, reader.slots = reader.slots, reader.slots + 1
    written = f"sequence within {data.get('within')}"
    return Plan(
        lambda sensor: Sequence(tuple(plan.make(sensor) for plan in plans), within_us, slot, written),
        all(plan.shared for plan in plans),
    )


def _read_silent(reader: Reader, data: Mapping[str, object], path: Path, quantity: Quantity) -> Plan:
    after_us = reader.span_us(data, "silent", path)
    if quantity is not ANY:
        what = "silent is the only condition of a rule of silence"
        reader.fault((*path, "silent"), what, hint="a rule of its own, or near: {…} with silent")
    return fixed(Silent(after_us, f"silent {write_duration(after_us / 1e6)}"))


_READERS: Mapping[str, Callable[[Reader, Mapping[str, object], Path, Quantity], Plan | None]] = {
    "compare": compare_plan,
    "window": window_plan,
    "trend": trend_plan,
    "reaches": reaches_plan,
    "detector": detector_plan,
    "near": near_plan,
    "beside": beside_plan,
    "sequence": _read_sequence,
    "silent": _read_silent,
    "all": _read_parts,
    "any": _read_parts,
    "not": _read_not,
}
