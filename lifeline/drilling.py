"""Runs a drill from the command line: says what it will do, plays it, shows what happens, ends it and reports."""

from __future__ import annotations

import getpass
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from city.clock import Clock, SystemClock, stopwatch_s, to_us
from city.display import span
from city.errors import InputError, OutsideError
from city.folder import read_text
from city.positions import nearest_or_all
from detectors.registry import create
from ingest.wire import TlsFiles
from lifeline import drillplayer, drillreport
from lifeline.drillpage import tables
from lifeline.roles import StopSignal
from lifeline.settings import Settings
from rules.check import Checked, load_files
from rules.drillplan import DrillPlan
from rules.inputs import BundleIn
from rules.trials.rehearsal import Rehearsal, rehearse
from rules.trials.scenario import FOLDER, Scenario, is_drill, read_scenario
from store import bundle, drills, health
from store.connection import Connection

LOOK_S = 0.5  # wall seconds
_SETTLE_S = 20.0  # wall seconds for the last notices to get away
_TOLD = {"sent": "notice to", "delivered": "notice arrived at", "failed": "notice failed for"}


def scenario_in(name: str, files: dict[str, str], checked: Checked) -> Scenario:
    """A storyline by its path, or by its name in the city folder in force (`drills/NAME.yaml`).

    Raises
    ------
    InputError
        There is none (FaultyInput: it is wrong, with every fault).
    """
    if Path(name).is_file():
        return read_scenario(read_text(Path(name), "scenario"), name, checked.book, checked.escalation)
    own = {Path(file).stem: file for file in files if is_drill(file)}
    if name.removeprefix(FOLDER).removesuffix(".yaml") not in own:
        hint = nearest_or_all(name, own) if own else f"the path of a file, or one in {FOLDER} of the city folder"
        raise InputError(f"scenario: no file of this name, and no drill of the city in force, got {name!r}, try {hint}")
    file = own[name.removeprefix(FOLDER).removesuffix(".yaml")]
    return read_scenario(files[file], file, checked.book, checked.escalation)


@dataclass
class City:
    """The running system as a drill sees it."""

    conn: Connection
    clock: Clock
    bundle: str
    files: dict[str, str]
    checked: Checked

    @classmethod
    def of(cls, conn: Connection) -> Self:
        """The city in force (InputError when there is none)."""
        found = bundle.current(conn)
        if found is None:
            raise InputError("no city folder is in force, try LIFELINE_CITY=… lifeline run")
        return cls(conn, health.city_clock(conn), found[0], found[1], load_files(found[1]))

    def plan(self, scenario: Scenario, people: Sequence[str] = (), for_us: int | None = None) -> DrillPlan:
        """A plan that ends `for_us` from now (InputError for people whom nobody knows)."""
        known = self.checked.escalation.people
        if unknown := [name for name in people if name not in known]:
            raise InputError(
                f"--people: nobody of that name, got {unknown[0]!r}, try {nearest_or_all(unknown[0], known)}"
            )
        until_us = self.clock.now_us() + (for_us or scenario.for_us)
        return DrillPlan(
            scenario.file, scenario.digest, scenario.title, scenario.sensors, tuple(people) or scenario.people,
            until_us, scenario.wishes,
        )  # fmt: skip

    def rehearse(self, scenario: Scenario, plan: DrillPlan) -> Rehearsal:
        """What comes of it when nobody answers."""
        book = BundleIn(self.bundle, self.checked.book, self.checked.escalation)
        return rehearse(create, book, scenario, self.clock.now_us(), plan)


def preview(plan: DrillPlan, found: Rehearsal, checked: Checked) -> list[Table | str]:
    """What a drill will do, and whom it will tell when nobody answers."""
    made: list[Table | str] = [
        f"EXERCISE: {plan.title.get('en') or next(iter(plan.title.values()), plan.scenario)} ({plan.scenario})",
        f"{len(plan.sensors)} sensors: {', '.join(plan.sensors[:8])}{' …' if len(plan.sensors) > 8 else ''}; "
        "real readings go on untouched.",
    ]
    alarms = Table(title="What it raises", title_justify="left")
    for head in ("after", "alarm", "level"):
        alarms.add_column(head)
    for at_us, key, level in found.raised:
        alarms.add_row(span(at_us / 1e6, "en"), key, level.word)
    made.append(alarms if found.raised else "It raises nothing: no rule's level is reached.")
    people = Table(title="Whom it tells, if nobody answers", title_justify="left")
    for head in ("after", "person", "name", "channel"):
        people.add_column(head)
    for (person, channel), at_us in sorted(found.told.items(), key=lambda item: item[1]):
        name = checked.escalation.people[person].name
        people.add_row(span(at_us / 1e6, "en"), person, name.get("en", person), channel)
    made.append(people if found.told else "It tells nobody.")
    if plan.people:
        made.append(f"Nobody but {', '.join(plan.people)} is told.")
    return made


@dataclass
class Screen:
    """Shows what happens, once each, as lines; the state of things below them where there is a terminal."""

    console: Console
    _shown: set[str] = field(default_factory=set)

    def update(self, found: dict[str, list[dict[str, Any]]], began_us: int) -> None:
        """Show what is new."""
        lines = [*self._events(found["events"]), *self._notices(found["notices"])]
        for at, key, text in sorted(lines, key=lambda line: line[0]):
            if key not in self._shown:
                self._shown.add(key)
                after = span(max(0.0, (to_us(at) - began_us) / 1e6), "en")
                self.console.print(f"[dim]{after:>8}[/dim]  {text}", highlight=False)

    def _events(self, events: Iterable[dict[str, Any]]) -> Iterable[tuple[Any, str, str]]:
        for event in events:
            who = f" by {event['actor']}" if event["actor"] else ""
            note = f": {event['note']}" if event["note"] else ""
            yield event["time"], event["event"], f"{event['incident']} {event['kind']}{who}{note}"

    def _notices(self, notices: Iterable[dict[str, Any]]) -> Iterable[tuple[Any, str, str]]:
        for one in notices:
            if one["state"] in _TOLD:
                at = one["delivered_at"] or one["sent_at"] or one["created_at"]
                text = f"{one['incident']} {_TOLD[one['state']]} {one['target']} by {one['channel']} ({one['kind']})"
                yield at, f"{one['notice']}/{one['state']}", text


def run(city: City, broker: Settings, scenario: Scenario, plan: DrillPlan, console: Console, stop: StopSignal) -> str:
    """Play a drill until its incidents are closed, its time is up, or `stop`; its id."""
    actor = getpass.getuser()
    row = drillplayer.begin(city.conn, city.clock, plan, actor)
    drill, began_us = str(row["drill"]), to_us(row["started_at"])
    console.print(f"EXERCISE {drill} runs; Ctrl-C ends it.", style="bold")
    screen, why = Screen(console), ""
    player = drillplayer.Player(
        broker.mqtt, city.clock, city.checked.city, scenario, drill, began_us, to_us(row["until"]),
        TlsFiles(broker.mqtt_ca, broker.mqtt_certificate, broker.mqtt_key),
    )  # fmt: skip
    with player, console.status("") as status:
        looked_s = 0.0
        while not why:
            if player.turn(stop):
                why = "interrupted"
            elif stopwatch_s() - looked_s > LOOK_S:
                looked_s = stopwatch_s()
                why = _look(city, drill, player, screen)
                left = max(0.0, (player.until_us - city.clock.now_us()) / 1e6)
                status.update(f"EXERCISE {drill}: {player.sent} readings sent, ends by itself in {span(left, 'en')}")
    _end(city, drill, actor, why, console)
    screen.update(drillreport.facts(city.conn, drill), began_us)
    return drill


def _look(city: City, drill: str, player: drillplayer.Player, screen: Screen) -> str:
    """Show what is new; why the drill should end now (empty: it should not)."""
    found = drillreport.facts(city.conn, drill)
    screen.update(found, player.began_us)
    if drills.states(city.conn, [drill]).get(drill) != "running":
        return "over"
    closed = [incident["closed_at"] is not None for incident in found["incidents"]]
    return "all its incidents are closed" if player.told and closed and all(closed) else ""


def _end(city: City, drill: str, actor: str, why: str, console: Console) -> None:
    if why != "over" and drillplayer.end(city.conn, city.clock, drill, actor, why) is None:
        raise OutsideError(f"drill {drill}: no watcher ended it yet; it ends as soon as one runs, try lifeline doctor")
    with console.status("waiting for the last notices"):
        wall, began_s = SystemClock(), stopwatch_s()
        while drillreport.unsettled(city.conn, drill) and stopwatch_s() - began_s < _SETTLE_S:
            wall.pause_s(0.1, threading.Event())


def reported(conn: Connection, drill: str) -> dict[str, Any]:
    """A drill's report, kept with it once it is over (InputError when there is no such drill)."""
    row = drills.one(conn, drill)
    if row is None:
        known = [one["drill"] for one in drills.listed(conn)]
        raise InputError(
            f"no drill {drill!r} here, try {nearest_or_all(drill, known) if known else 'lifeline drill list'}"
        )
    found = drillreport.report(row, drillreport.facts(conn, drill))
    if row["state"] != "running":
        if row["report"] is not None and len(row["report"]["incidents"]) > len(found["incidents"]):
            return dict(row["report"])  # its incidents have left the database since
        drills.keep_report(conn, drill, found)
    return found


def show(report: dict[str, Any], console: Console) -> None:
    """Print a report."""
    console.print(*tables(report), sep="\n")
