"""`faults`: breaks what carries readings, at moments decided by a seed, and counts afterwards that nothing was lost.

Every fault is tried on gateways that measure a known truth (`bench.faultline.truth`), through real outboxes and agents,
a real broker, real recorders and a real database, each in a process of its own. After it, every reading that was sent
is a row or a rejection with its reason, none is there twice, and the ledger adds up.
"""

from __future__ import annotations

import contextlib
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.faultline.net import Network, NoNamespaces
from bench.faultline.report import FaultsReport, Outcome
from bench.faultline.truth import DISTRICT, Truth
from bench.faultline.world import Mosquitto, Trial, World, world
from bench.ingestload import Blaster
from bench.machine import describe, folder_for
from city.clock import stopwatch_s
from city.errors import InputError
from gateway.envelope import body, seal, topic

Progress = Callable[[str], None]
HOUR: Final = 60  # messages of a gateway: a minute each
_DISK_KIB: Final = 2_048  # for each gateway: an outbox, its log, and some room


class NotHere(Exception):
    """This machine cannot show the fault; the message says why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what it is, how it is played, and what its truth is beside the run's size."""

    name: str
    what: str
    play: Callable[[Trial], None]
    changes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Size:
    """How much: gateways, their sensors, messages of each, µs between them, kills, and how long to wait at the end."""

    gateways: int
    sensors: int
    messages: int
    step_us: int
    kills: int
    patience_s: float
    quick: bool


QUICK: Final = Size(4, 8, 40, 40_000, 3, 60.0, quick=True)
FULL: Final = Size(20, 25, 1_200, 50_000, 12, 180.0, quick=False)


def _kill(*victims: str) -> Callable[[Trial], None]:
    """Kill one of them after the other, or any of them by chance, each started again a moment later."""

    def play(trial: Trial) -> None:
        trial.begin()
        trial.start_gateways()
        chosen = [*victims, *trial.chance.choices(victims, k=max(0, trial.kills - len(victims)))]
        trial.chance.shuffle(chosen)
        for victim in chosen:
            trial.pause(0.1, 0.6 if trial.quick else 5.0)
            trial.kill(victim)
            trial.pause(0.0, 0.3 if trial.quick else 2.0)
            trial.restart(victim)

    return play


def _database_hour(trial: Trial) -> None:
    """An hour's messages come while there is no database: the broker holds them, memory stays flat."""
    trial.begin()
    trial.look()
    before_mib = trial.peak_mib
    trial.kill("database")
    trial.start_gateways()
    trial.pause(1.0 if trial.quick else 30.0)
    trial.note(f"recorder's memory grew by {trial.peak_mib - before_mib:.0f} MiB while there was no database")
    trial.restart("database")


def _database_frozen(trial: Trial) -> None:
    """It neither answers nor hangs up."""
    trial.begin()
    trial.start_gateways()
    for _ in range(1 if trial.quick else 3):
        trial.pause(0.3, 1.0)
        trial.freeze(on=True)
        trial.pause(0.6 if trial.quick else 20.0)
        trial.freeze(on=False)


def _broker_away(trial: Trial) -> None:
    """An hour's messages wait in the gateways' outboxes, behind what is measured now."""
    trial.backlog_per_s = 4_000.0
    trial.begin()
    trial.kill("broker")
    trial.start_gateways()
    trial.pause(0.5 if trial.quick else 30.0)
    trial.restart("broker")


def _offline(trial: Trial) -> None:
    """Thirteen hours wait when the line comes, and drain at a rate while what is measured now goes first."""
    trial.backlog_per_s = 300.0 * trial.truth.sensors
    trial.begin()
    trial.start_gateways()


def _disk_full(trial: Trial) -> None:
    """The outboxes' disk has no room left for a while."""
    folder = trial.folder / "disk"
    folder.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_KIB * trial.truth.gateways}k", "tmpfs", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - our own words
    if done.returncode:
        raise NotHere(f"only root may mount a small disk ({done.stderr.strip()})")
    try:
        trial.outboxes = folder / "outboxes"
        trial.begin()
        trial.start_gateways()
        for _ in range(trial.kills // 2):
            trial.pause(0.3, 0.6)
            _fill(folder / "ballast")
            trial.note("disk full")
            trial.pause(0.5 if trial.quick else 5.0)
            (folder / "ballast").unlink()
            trial.note("room again")
        trial.await_gateways()
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)  # noqa: S603, S607 - our own words


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(bytes(4096))


def _cut(far: str) -> Callable[[Trial], None]:
    """Packets vanish between `far` and everything else, now and then."""

    def play(trial: Trial) -> None:
        try:
            with Network() as network:
                trial.network, trial.far = network, far
                trial.begin()
                trial.start_gateways()
                for _ in range(1 if trial.quick else 4):
                    trial.pause(0.2, 0.8)
                    network.cut()
                    trial.note(f"network of the {far} cut")
                    trial.pause(*((1.0, 1.5) if trial.quick else (5.0, 60.0)))
                    network.mend()
                    trial.note("network mended")
                trial.await_gateways()
                trial.await_accounted()
        except NoNamespaces as reason:
            raise NotHere(str(reason)) from reason

    return play


def _shuffled(trial: Trial) -> None:
    """Messages come in any order, a third of them twice."""
    trial.begin()
    names, messages = trial.truth.names(), list[tuple[str, bytes]]()
    for at, (gateway, rows) in enumerate(trial.truth.all()):
        payload = seal(at % trial.truth.messages + 1, trial.truth.start_us, body(rows))
        messages += [(topic(DISTRICT, names[gateway], "readings"), payload)] * trial.chance.choice((1, 1, 2))
    trial.chance.shuffle(messages)
    with Blaster(trial.url) as blaster:
        blaster.publish(messages)
        blaster.drain()
    trial.note(f"{len(messages)} messages in any order")


def _clocks(trial: Trial) -> None:
    """Clocks jump hours ahead and behind while gateways measure, and one agent is killed meanwhile."""
    trial.begin()
    trial.start_gateways()
    trial.pause(0.5, 1.5)
    trial.kill("agent")
    trial.restart("agent")


def _shared(trial: Trial) -> None:
    """Two recorders share the city; now one is killed, now the other."""
    if trial.world.mosquitto is None:
        raise NotHere("two recorders share by MQTT 5: no mosquitto, try --mosquitto PROGRAM")
    with Mosquitto(trial.world.mosquitto, trial.folder) as broker:
        trial.url, trial.shared = broker.url, True
        trial.begin("one", "two")
        trial.start_gateways()
        for number in range(max(2, trial.kills)):
            victim = ("one", "two")[number % 2]
            trial.pause(0.2, 1.0 if trial.quick else 4.0)
            trial.kill(victim)
            trial.pause(0.1, 0.8 if trial.quick else 4.0)
            trial.restart(victim)
        trial.await_gateways()
        trial.await_accounted()


FAULTS: Final = (
    Fault("recorder killed", "kill -9 and start of the recorder", _kill("recorder")),
    Fault("broker killed", "kill -9 and start of the broker", _kill("broker")),
    Fault("database killed", "kill -9 and start of the database", _kill("database")),
    Fault("agent killed", "kill -9 and start of all gateways", _kill("agent")),
    Fault("any killed", "all four in turn and at random", _kill("recorder", "broker", "database", "agent")),
    Fault("database gone", "an hour's messages without a database", _database_hour, (("backlog", HOUR),)),
    Fault("database frozen", "it neither answers nor hangs up", _database_frozen),
    Fault("broker gone", "an hour's messages without a broker", _broker_away, (("backlog", HOUR),)),
    Fault("13 hours offline", "drained oldest first, what is new before it", _offline, (("backlog", 13 * HOUR),)),
    Fault("disk full", "on the gateways' outboxes", _disk_full),
    Fault("gateways cut off", "packets vanish between gateways and broker", _cut("agent")),
    Fault("recorder cut off", "packets vanish between recorder, broker and database", _cut("recorder")),
    Fault("shuffled", "any order, a third twice", _shuffled),
    Fault("clocks jump", "two hours ahead, an hour behind", _clocks, (("jumping", 1),)),
    Fault("two recorders", "one of two that share is killed", _shared),
)


def chosen(names: Sequence[str]) -> list[Fault]:
    """The faults of these names, all when there is none (InputError for a name that is none)."""
    known = {fault.name: fault for fault in FAULTS}
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"--only: no such fault, got {unknown[0]!r}, try one of {', '.join(known)}")
    return [known[name] for name in names] or list(FAULTS)


def run(
    *,
    quick: bool = False,
    seed: int = 7,
    only: Sequence[str] = (),
    mosquitto: Path | None = None,
    data: Path | None = None,
    progress: Progress = lambda _: None,
) -> FaultsReport:
    """Try faults one after the other, on servers of its own.

    Parameters
    ----------
    quick
        Small and impatient: a few seconds for each.
    seed
        Decides what is measured and when what is broken; the same seed breaks at the same moments of the stopwatch.
    only
        Names of faults; all when empty.
    mosquitto
        Its program, for what needs MQTT 5.
    """
    faults, size = chosen(only), QUICK if quick else FULL
    with folder_for(data) as folder, world(folder, mosquitto, durable=not quick) as running:
        outcomes = []
        for fault in faults:
            progress(fault.name)
            outcomes.append(play(running, fault, size, seed))
        machine = describe(running.postgres.dsn, embedded_broker=True)
    return FaultsReport(machine, seed, quick, tuple(outcomes))


def play(running: World, fault: Fault, size: Size, seed: int) -> Outcome:
    """Try one fault and count."""
    truth = Truth(seed, 0, size.gateways, size.sensors, size.messages, step_us=size.step_us)
    changes = dict(fault.changes)
    backlog = changes.get("backlog", 0)
    truth = replace(truth, backlog=backlog, messages=size.messages + backlog, jumping=bool(changes.get("jumping")))
    began_s = stopwatch_s()
    chance = random.Random(f"{seed} {fault.name}")  # noqa: S311 - decides moments, guards no secret
    with Trial(running, fault.name, truth, chance, size.kills, size.quick, size.patience_s) as trial:
        try:
            fault.play(trial)
        except NotHere as reason:
            return Outcome(fault.name, fault.what, None, (), 0.0, 0.0, str(reason))
        found = trial.settle()
        return Outcome(fault.name, fault.what, found, tuple(trial.done), trial.peak_mib, stopwatch_s() - began_s)
