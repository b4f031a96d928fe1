"""What becomes of maintenance windows, as effects; and the places that people put under maintenance themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from city.clock import from_us
from city.model import City
from rules.alarm.windows import Turned
from rules.desk.stamp import Stamp
from rules.effects import Effect, HoldEvent, MaintenanceOver, MaintenanceSet
from rules.reasons import because

_PLACES = ("sensor", "site", "gateway")


def whys(turned: Iterable[Turned]) -> dict[str, str]:
    """Windows that are over, with the words for the alarms they held."""
    return {
        f"window/{one.id}": because("window_over", target=one.id) for one in turned if one.state in ("ended", "dropped")
    }


def turned_effects(turned: Iterable[Turned], city: City, stamp: Stamp) -> list[Effect]:
    """The record of windows that were planned, began, ended or left the folder."""
    effects: list[Effect] = []
    for one in turned:
        effects.append(_row(one, city))
        if one.began and one.now is not None:
            note = because("window_began", time=from_us(one.now.end_us).isoformat(), note=one.now.window.reason)
            effects.append(_said(one, "maintenance_began", one.now.window.approver, note, stamp))
        elif one.began:
            effects.append(_said(one, "maintenance_ended", "", "", stamp))
    return effects


def _row(one: Turned, city: City) -> Effect:
    if one.now is None:
        return MaintenanceOver(one.occurrence, one.state)
    window = one.now.window
    return MaintenanceSet(
        one.occurrence, window.id, dict(window.title), window.selector.spelled(),
        tuple(sorted(window.selector.districts_in(city))), one.now.start_us, one.now.end_us, window.up_to,
        window.approver, window.reason, one.state,
    )  # fmt: skip


def _said(one: Turned, kind: str, actor: str, note: str, stamp: Stamp) -> HoldEvent:
    return HoldEvent(stamp.next_id(), stamp.now_us, f"window/{one.id}", kind, actor, note, "calendar")


def unknown_place(city: City, target: str) -> str:
    """Why nothing can be put under maintenance there (empty: it can)."""
    kind, _, name = target.partition("/")
    known: Mapping[str, Mapping[str, object]] = {"sensor": city.sensors, "site": city.sites, "gateway": city.gateways}
    if kind not in _PLACES or not name:
        return because("not_a_place", quoted=repr(target))
    return "" if name in known[kind] else because("unknown_place", place=kind, quoted=repr(name))
