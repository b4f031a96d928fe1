"""Snapshots give back what was there, also those of the shape before."""

from __future__ import annotations

import copyreg
from dataclasses import fields

import pytest

from rules import snapshot
from rules.alarm.alarm import Alarm
from rules.desk.incidents import Incident
from rules.state import State
from tests.rules.small_city import Desk


def assert_same(one: State, other: State) -> None:
    assert one.folds == other.folds
    assert one.incidents == other.incidents
    assert one.holds == other.holds
    assert one.hearing == other.hearing


@pytest.mark.parametrize("shape", [2, 3])
def test_a_state_is_given_back_with_what_its_parts_share(
    desk: Desk, shape: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.series("wl-1", [50.0, 50.0])
    desk.series("wl-2", [20.0] * 4, start_s=60)
    state = desk.engine.state
    if shape == 2:
        older = {kind: make for kind, make in snapshot._REDUCERS.items() if kind not in (Alarm, Incident)}
        monkeypatch.setattr(snapshot, "_REDUCERS", older)
        monkeypatch.setattr(snapshot, "SHAPE", 2)
    found = snapshot.load(snapshot.dump(state))
    assert_same(found, state)
    assert len(found.incidents) == 2
    for incident in found.incidents.values():
        for alarm in incident.alarms.values():
            assert alarm is found.folds[alarm.key].alarm is found.holds.listed[alarm.id]


@pytest.mark.parametrize("kind", [Alarm, Incident])
def test_what_an_older_version_did_not_know_gets_its_default(
    desk: Desk, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.series("wl-1", [50.0, 50.0])
    every = [field.name for field in fields(kind)]
    names = tuple(every[: every.index("gateway" if kind is Alarm else "released")])

    def older(value: object) -> tuple[object, ...]:
        return (copyreg.__newobj__, (kind,), (names, tuple(getattr(value, n) for n in names)))  # type: ignore[attr-defined]  # pickle's own

    monkeypatch.setattr(snapshot, "_REDUCERS", {**snapshot._REDUCERS, kind: older})
    body = snapshot.dump(desk.engine.state)
    found = snapshot.load(body)
    (incident,) = found.incidents.values()
    (alarm,) = incident.alarms.values()
    assert (alarm.gateway if kind is Alarm else incident.released) == ("" if kind is Alarm else {})
    assert (incident.version > 0, incident.clocks, incident.crew) == (kind is Alarm, [], {})
    assert alarm.id in desk.engine.state.holds.listed
