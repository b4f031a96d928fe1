"""`lifeline demo`: a simulated city on the whole of Lifeline, on a faster clock, kept across restarts and kills."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

import psycopg
from rich.console import Console

from city import duration
from city.clock import FastClock, ManualClock, SystemClock, from_us, stopwatch_s
from city.errors import OutsideError
from city.words import say
from lifeline import crew
from lifeline import story as stories
from lifeline.cityclock import ClockKeeper, resumed_us
from lifeline.cityfolder import read_checked
from lifeline.files import DataLock
from lifeline.glance import Glance, Summary, look, sum_up
from lifeline.logs import log_to
from lifeline.ports import kept_port
from lifeline.roles import CORE, DEMO, StopSignal, stop_on_signals
from lifeline.screen import Screen, Setting, summary_table
from lifeline.settings import Settings, prepare_data, secret
from lifeline.supervisor import Supervisor
from store import health
from store.connection import Connection, connect
from store.ports import LOOPBACK

log = logging.getLogger(__name__)
T = TypeVar("T")

DEFAULT_SEED = 7
STORY_S = 3 * 3600.0  # city seconds played in the past when no start is given


@dataclass(frozen=True)
class Wish:
    """What the command line asked for; None where it did not say."""

    speed: float
    for_s: float | None
    seed: int | None
    start_us: int | None
    fresh: bool
    plain: bool
    language: str


def play(settings: Settings, wish: Wish, console: Console) -> int:
    """Play until the end of `--for` (0) or Ctrl-C (130); everything is stopped then, and a summary shown."""
    stop = stop_on_signals()
    wall = SystemClock()
    story = _prepare(settings, wish, wall.now_us())
    log_to(settings.data / "log" / "supervisor.log")  # the screen is not for it
    settings = settings.model_copy(update={"city": settings.data / "city"})
    city_us = resumed_us(settings.data, story.start_us)
    supervisor = Supervisor(settings, (*CORE, *DEMO), clock=ManualClock(from_us(city_us)))
    keeper: ClockKeeper | None = None
    summary = Summary()
    console.print(say("demo.starting", wish.language), style="dim")
    try:
        supervisor.open()
        clock = FastClock(city_us, wall.now_us(), wish.speed)
        keeper = ClockKeeper(settings.data, clock, story.start_us)
        keeper.start()
        with connect(supervisor.settings.database, autocommit=True, application_name="lifeline demo") as conn:
            health.keep_clock(conn, clock)
        secret_hex = secret(settings, "webhook.secret").hex()
        page = supervisor.start_roles({"LIFELINE_CLOCK": clock.spell(), crew.SECRET_VARIABLE: secret_hex}, stop).http
        setting = Setting(page, str(settings.data), wish.speed, wish.language, _zone(settings))
        _show(supervisor, clock, Screen(console, setting, wish.plain), stop, wish.for_s)
        console.print(say("demo.stopping", wish.language), style="dim")
        supervisor.stop_roles()
        with _Looker(supervisor) as looker:
            summary = looker.sum_up() or summary
    finally:
        if keeper is not None:
            keeper.stop()
        supervisor.close()
    played = duration.write(round((clock.now_us() - story.start_us) / 1e6))
    console.print(summary_table(summary, played, sum(supervisor.restarts.values()), wish.language))
    console.print(say("demo.data_kept", wish.language, folder=settings.data), style="dim")
    return 130 if stop.interrupted else 0


def _prepare(settings: Settings, wish: Wish, wall_us: int) -> stories.Story:
    """Make the folder, its story, its city folder and the crew's address."""
    data = settings.data
    prepare_data(settings)
    lock = DataLock(data)
    lock.take()  # nothing is emptied or rewritten under a running demonstration
    try:
        if wish.fresh:
            stories.forget(data)
            prepare_data(settings)
        span_s = STORY_S if wish.for_s is None else wish.for_s * wish.speed
        default = stories.Story(DEFAULT_SEED, wall_us - int(span_s * 1e6))
        story = stories.take_story(data, wish.seed, wish.start_us, default)
        stories.write_city(data, story, f"http://{LOOPBACK}:{kept_port(data / 'crew.port')}/crew")
    finally:
        lock.give_back()
    return story


def _show(supervisor: Supervisor, clock: FastClock, screen: Screen, stop: StopSignal, for_s: float | None) -> None:
    """Keep the system alive and the screen fresh until `stop` or the end of `for_s` wall seconds."""
    ends_s = None if for_s is None else stopwatch_s() + for_s
    next_s = stopwatch_s()
    wall = SystemClock()
    with screen, _Looker(supervisor) as looker:
        while not wall.pause_s(0.1, stop) and (ends_s is None or stopwatch_s() < ends_s):
            supervisor.tick()
            if stopwatch_s() >= next_s:
                next_s = stopwatch_s() + 1.0
                screen.update(clock.now(), looker.look(), sum(supervisor.restarts.values()))


class _Looker:
    """Looks at the database over one connection, made anew when the server was restarted."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._conn: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def look(self) -> Glance | None:
        """The city at a glance, None while the database is away."""
        return self._ask(look)

    def sum_up(self) -> Summary | None:
        """What happened, None while the database is away."""
        return self._ask(sum_up)

    def _ask(self, question: Callable[[Connection], T]) -> T | None:
        try:
            if self._conn is None:
                url = self._supervisor.settings.database
                self._conn = connect(url, autocommit=True, application_name="lifeline demo")
            return question(self._conn)
        except (OutsideError, psycopg.Error) as error:
            log.info("look failed: %s", error, extra={"action": "demo.look"})
            self.__exit__()
            return None


def _zone(settings: Settings) -> ZoneInfo:
    """The simulated city's own time zone."""
    _, checked = read_checked(settings.data / "city")
    return ZoneInfo(checked.city.timezone)
