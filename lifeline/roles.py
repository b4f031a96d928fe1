"""The roles of a run: what each child process does until it is told to stop."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from city.clock import Clock, process_clock
from city.errors import InputError, OutsideError
from lifeline.logs import log_to
from lifeline.settings import Settings, secret, split_address
from store import systemd

CORE = ("recorder", "watcher", "notifier", "api", "keeper")
DEMO = ("simulator", "crew")


def run_role(name: str, settings: Settings) -> None:
    """Run one role in the foreground until SIGTERM or SIGINT, then drain and return.

    Raises
    ------
    InputError
        Unknown role, or a setting it needs is missing.
    OutsideError
        What it depends on failed for good.
    """
    roles: dict[str, Callable[[Settings, Clock, threading.Event], None]] = {
        "recorder": _recorder,
        "watcher": _watcher,
        "notifier": _notifier,
        "api": _api,
        "keeper": _keeper,
        "simulator": _simulator,
        "crew": _crew,
    }
    if name not in roles:
        raise InputError(f"no role {name!r}, try {', '.join(CORE)}")
    if not settings.http:  # a role on its own, with no supervisor that found a free port
        settings = settings.model_copy(update={"http": "127.0.0.1:8080"})
    named = os.environ.get("LIFELINE_LOG")
    log_to(Path(named) if named else None)
    stop = stop_on_signals()
    log = logging.getLogger(__name__)
    os.umask(0o077)  # what a role writes may hold addresses and signed links
    log.info("start %s", name, extra={"action": "role.start"})
    try:
        if name in CORE:
            _check_fits(settings)
        roles[name](settings, process_clock(), stop)
    except Exception:
        log.exception("end %s by an error", name, extra={"action": "role.error"})
        raise
    log.info("end %s", name, extra={"action": "role.end"})


def _check_fits(settings: Settings) -> None:
    if why := misfit(settings):
        raise OutsideError(why)


def misfit(settings: Settings) -> str:
    """Why the program on disk cannot run on the database as it is; empty when it can, or the database is away."""
    import psycopg

    from store import migrate
    from store.connection import connect

    try:
        with connect(settings.database, autocommit=True, application_name="lifeline start") as conn:
            try:
                migrate.check_fits(conn)
            except OutsideError as error:
                return str(error)
    except (OutsideError, psycopg.Error) as error:  # roles wait for it themselves
        logging.getLogger(__name__).info("database away: %s", error, extra={"action": "role.waits"})
    return ""


class StopSignal(threading.Event):
    """Set when the process shall stop; `interrupted` when a person said so (SIGINT)."""

    interrupted = False


def stop_on_signals() -> StopSignal:
    """An event that SIGTERM or SIGINT sets (by a thread: a handler must not wait for a lock its own thread holds)."""
    stop = StopSignal()

    def tell(number: int, _frame: FrameType | None) -> None:
        stop.interrupted |= number == signal.SIGINT
        threading.Thread(target=end, name="stop").start()

    def end() -> None:
        stop.set()
        systemd.stopping()

    signal.signal(signal.SIGTERM, tell)
    signal.signal(signal.SIGINT, tell)
    return stop


def _recorder(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    from ingest.recorder import CLIENT_ID, RecorderSettings, run_recorder
    from ingest.wire import TlsFiles
    from lifeline import certwatch

    recorder = RecorderSettings(
        settings.database, settings.mqtt, clock,
        client_id=settings.mqtt_client_id or CLIENT_ID,
        share=settings.mqtt_share,
        tls=TlsFiles(settings.mqtt_ca, settings.mqtt_certificate, settings.mqtt_key),
    )  # fmt: skip
    with certwatch.watched(settings):
        run_recorder(recorder, stop)


def _watcher(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    from rules.watcher import WatcherSettings, run_watcher

    run_watcher(WatcherSettings(database_url=settings.database, clock=clock, city_folder=settings.city), stop)


def _notifier(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    from rules.notify import NotifierSettings, run_notifier

    run_notifier(
        NotifierSettings(
            database_url=settings.database, http_base_url=settings.address, secret=secret(settings), clock=clock
        ),
        stop,
    )


def _api(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    from lifeline.http.app import AppSettings, run_api

    host, port = split_address(settings.http)
    app = AppSettings(
        database_url=settings.database,
        secret=secret(settings),
        clock=clock,
        base_url=settings.address,
    )
    run_api(app, host, port, stop)


def _keeper(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    from store.keeper import KeeperSettings, run_keeper

    run_keeper(KeeperSettings(settings.database, clock), stop)


def _simulator(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    from city.tls import TlsFiles
    from gateway.simulate import SimulatorSettings, run_simulator
    from lifeline.story import Story, mishaps_of

    story = Story.read(settings.data)
    if story is None:
        raise InputError(f"{settings.data}: no story to play, try lifeline simulate or lifeline demo")
    folder, mishaps = settings.data / "gateways", mishaps_of(settings.data)
    tls = TlsFiles(settings.mqtt_ca, settings.mqtt_certificate, settings.mqtt_key)
    simulator = SimulatorSettings(settings.mqtt, folder, story.seed, story.start_us, clock, mishaps=mishaps, tls=tls)
    run_simulator(simulator, stop)


def _crew(settings: Settings, clock: Clock, stop: threading.Event) -> None:
    from lifeline.crew import run_crew

    run_crew(Path(settings.data), clock, stop)
