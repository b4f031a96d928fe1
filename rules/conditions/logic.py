"""Conditions made of conditions, by Kleene's logic; and sequences, which remember."""

from __future__ import annotations

from collections.abc import MutableMapping

from rules.conditions.kinds import All, Any_, Not, Only, Presumed, Sequence
from rules.conditions.moment import Memory, Moment, holds, note
from rules.conditions.truth import Evidence, Truth, all_of, any_of, negation


@holds.register
def _(condition: All, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    if seen is None:
        return all_of(holds(part, moment, deadband) for part in condition.parts)
    return all_of([holds(part, moment, deadband, seen) for part in condition.parts])  # show every part's evidence


@holds.register
def _(condition: Any_, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    if seen is None:
        return any_of(holds(part, moment, deadband) for part in condition.parts)
    return any_of([holds(part, moment, deadband, seen) for part in condition.parts])


@holds.register
def _(condition: Not, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    return negation(holds(condition.part, moment, deadband, seen))


@holds.register
def _(condition: Presumed, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    return Truth.of(holds(condition.part, moment, deadband, seen) is not Truth.FALSE)


@holds.register
def _(condition: Only, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    sample = moment.sample
    inside = Truth.of(condition.calendar.holds(sample.time_us))
    if inside is Truth.FALSE:
        return note(seen, moment.track, sample.value, sample.time_us, sample.flag, condition.written, inside)
    return holds(condition.part, moment, deadband, seen)


@holds.register
def _(condition: Sequence, moment: Moment, deadband: float, seen: list[Evidence] | None = None) -> Truth:
    if moment.memory is None:
        began_us, chain = 0, Truth.UNKNOWN
    else:
        certain, possible = moment.memory.get(condition.slot, ((0,), (0,)))
        since_us = max(moment.sample.time_us - condition.within_us, 1)
        began_us = certain[-1] if certain[-1] >= since_us else possible[-1] if possible[-1] >= since_us else 0
        chain = Truth.TRUE if certain[-1] >= since_us else Truth.UNKNOWN if began_us else Truth.FALSE
    note(seen, moment.track, None, began_us, 0, f"{condition.written}: its first part", chain)
    if chain is Truth.FALSE and seen is None:
        return chain
    return all_of([chain, holds(condition.parts[-1], moment, deadband, seen)])


def remember(condition: Sequence, moment: Moment, memory: MutableMapping[int, Memory], *, may_raise: bool) -> None:
    """Take the moment's sample into a sequence's memory. The same sample a second time changes nothing.

    For each part but the last it keeps when the newest chain of answers that got so far began: once counting what is
    unknown as false (certain), once as true (possible). What began too long ago to matter is dropped.

    Parameters
    ----------
    memory
        By slot. The sequences inside this one must have been remembered before.
    may_raise
        Whether the sample's flag may raise; if not, what holds only may hold.
    """
    at_us = moment.sample.time_us
    stages = condition.parts[:-1]
    before = memory.get(condition.slot)
    certain, possible = (list(b) for b in before) if before else ([0] * len(stages), [0] * len(stages))
    for at, part in enumerate(stages):
        truth = holds(part, moment, 0.0)
        for chains, counts in ((certain, truth is Truth.TRUE and may_raise), (possible, truth is not Truth.FALSE)):
            if counts:
                chains[at] = at_us if at == 0 else max(chains[at], chains[at - 1])
    since_us = at_us - condition.within_us
    if max(possible) < since_us:
        memory.pop(condition.slot, None)
    else:
        memory[condition.slot] = (tuple(certain), tuple(possible))
