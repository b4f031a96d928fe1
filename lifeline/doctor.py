"""`lifeline doctor`: everything a running system needs, each with its state and what to do."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from rich.text import Text

from city.clock import Clock
from city.errors import FaultyInput, InputError, LifelineError, OutsideError
from lifeline import certwatch, runbook
from lifeline.endpoints import running
from lifeline.settings import Settings
from rules.book import Book
from rules.desk.plan import Escalation
from rules.desk.rosterwatch import RosterWatch
from store import bundle, migrate, roles, vitals
from store.connection import Connection, connect, describe
from store.health import State, graded, judge

STYLE: Mapping[State, str] = {"ok": "green", "warning": "yellow", "fault": "bold red"}
SKEW_S = (1.0, 60.0)  # system against database clock: from here a warning, a fault
FREE_BYTES = (5 << 30, 1 << 30)  # disk: below a warning, a fault
MOST_SHOWN = 1000  # characters of one finding
BEAT_S = (5.0, 30.0)  # age of a role's last sign of life


@dataclass(frozen=True, slots=True)
class Report:
    """One thing examined: what was found, and what to do unless it is fine. `code` is the exit code of a fault."""

    name: str
    state: State
    found: str
    advice: str = ""
    code: int = OutsideError.exit_code
    health: str = ""  # the line of city.health that it is

    @property
    def entry(self) -> str:
        """Where the runbook says more."""
        return runbook.PLACE + (runbook.of_health(self.health) if self.health else runbook.of_doctor(self.name))


def examine(settings: Settings, clock: Clock) -> list[Report]:
    """Examine everything; never raises for what it finds."""
    reports = [_disk(settings.data)]
    files: Mapping[str, str] | None = None
    try:
        with connect(settings.database, autocommit=True, application_name="lifeline doctor") as conn:
            reports += _database(conn, settings, clock)
            files = _files_in_force(conn)
    except LifelineError as error:
        reports.append(_fault("database", error))
    except psycopg.Error as error:
        reports.append(Report("database", "fault", str(error).strip(), "see the server's log"))
    reports += [_broker(settings), *_certificates(settings, clock), *_city(settings, files, clock)]
    return reports


def exit_code(reports: list[Report]) -> int:
    """0 without a fault, else 2 when something outside is at fault, else 1."""
    return max((report.code for report in reports if report.state == "fault"), default=0)


def lines(reports: list[Report]) -> Text:
    """The reports for a terminal: a line each, and under it what to do."""
    text = Text()
    for report in reports:
        text.append(f"{report.state:8}", style=STYLE[report.state])
        text.append(f"{report.name}: {report.found[:MOST_SHOWN]}\n")
        if report.advice:
            text.append(f"{'':8}-> {report.advice}", style="bold")
            text.append(f"{'' if report.state == 'ok' else f' ({report.entry})'}\n", style="dim")
    faults = sum(report.state == "fault" for report in reports)
    text.append(f"{faults} faults\n" if faults != 1 else "1 fault\n", style="bold red" if faults else "green")
    return text


def _fault(name: str, error: LifelineError) -> Report:
    found, _, advice = str(error).partition(", try ")
    return Report(name, "fault", found, f"try {advice}" if advice else "", error.exit_code)


def _disk(data: Path) -> Report:
    place = next(folder for folder in (data, *data.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    state = graded(free, FREE_BYTES)
    return Report("disk", state, f"{free / (1 << 30):.1f} GiB free for {data}", "" if state == "ok" else "make room")


def _database(conn: Connection, settings: Settings, clock: Clock) -> Iterator[Report]:
    version = conn.info.server_version
    yield Report("database", "ok", f"{describe(settings.database)}, PostgreSQL {version // 10000}.{version % 10000}")
    row = conn.execute("SELECT extract(epoch FROM clock_timestamp())::float8").fetchone()
    skew_s = abs(clock.now_us() / 1e6 - (row[0] if row else 0.0))
    state = graded(skew_s, SKEW_S)
    advice = "" if state == "ok" else "let both machines follow one NTP server"
    yield Report("clocks", state, f"database and this machine differ by {skew_s:.3f} s", advice)
    steps = migrate.plan(conn)
    if steps:
        yield Report("migrations", "fault", f"{len(steps)} not applied", "lifeline migrate", InputError.exit_code)
        return
    yield Report("migrations", "ok", "up to date")
    yield from _roles(conn, settings)
    now = judge(vitals.measure(conn))
    yield from (Report(row.name.replace("_", " "), row.state, row.text, row.advice, health=row.name) for row in now)
    for name, state, advice in conn.execute("SELECT name, state, advice FROM city.health WHERE state <> 'ok'"):
        if not name.startswith("role_") and name not in {"roster_gaps", *(row.name for row in now)}:
            yield Report(f"health: {name}", state, advice)


def _roles(conn: Connection, settings: Settings) -> Iterator[Report]:
    found = running(settings)
    if found is None and not roles.beats(conn):
        yield Report("roles", "warning", "none has ever run on this database", "lifeline run")
        return
    if found is not None and (often := {name: n for name, n in found[1].restarts.items() if n}):
        counts = ", ".join(f"{name} {count}" for name, count in often.items())
        yield Report("restarts", "warning", f"since the start: {counts}", f"see the logs in {settings.data / 'log'}")
    for name, beat in sorted(roles.beats(conn).items()):
        state = graded(beat.age_s, BEAT_S)
        advice = "" if state == "ok" else f"lifeline run, or see {settings.data / 'log' / f'{name}.log'}"
        yield Report(f"role {name}", state, f"last sign of life {beat.age_s:.1f} s ago (process {beat.pid})", advice)


def _files_in_force(conn: Connection) -> Mapping[str, str] | None:
    try:
        found = bundle.current(conn)
    except psycopg.errors.UndefinedTable:
        return None
    return found[1] if found else None


def _broker(settings: Settings) -> Report:
    from ingest.wire import TlsFiles
    from lifeline.mqttprobe import probe

    try:
        took_s = probe(settings.mqtt, TlsFiles(settings.mqtt_ca, settings.mqtt_certificate, settings.mqtt_key))
    except LifelineError as error:
        return _fault("broker", error)
    place = urlsplit(settings.mqtt)
    return Report("broker", "ok", f"{place.hostname}:{place.port}, connected in {took_s * 1000:.0f} ms")


def _certificates(settings: Settings, clock: Clock) -> Iterator[Report]:
    """How long those that are in use here last; nothing where none are. The recorder tells of its own."""
    if found := list(certwatch.look(settings, "its own")):
        row = certwatch.judge(found, clock.now())
        yield Report(row.name, row.state, row.text, row.advice, health=row.name)


def _city(settings: Settings, in_force: Mapping[str, str] | None, clock: Clock) -> Iterator[Report]:
    """The city folder that a start would apply, else the one in force; then its rules, rosters and channels."""
    from city.folder import bundle_hash, read_folder
    from rules.check import load_files

    files = in_force
    if settings.city is not None:
        try:
            files = read_folder(settings.city)
        except LifelineError as error:
            yield _fault("city folder", error)
            return
    if files is None:
        yield Report("city folder", "fault", "none", "lifeline init DIR, then LIFELINE_CITY=DIR", InputError.exit_code)
        return
    try:
        checked = load_files(files)
    except FaultyInput as error:
        yield Report("city folder", "fault", str(error), "mend them; the running system keeps the old one", 1)
        return
    note = ""
    if in_force is not None and bundle_hash(files) != bundle_hash(in_force):
        note = " (differs from the one in force: a running watcher will apply it)"
    yield Report("city folder", "ok", f"{settings.city or 'as last applied'}, {len(files)} files{note}")
    yield _rules(checked.book)
    if checked.escalation.rosters:
        yield _rosters(checked.escalation, clock.now_us())
    yield from _channels(checked.escalation, settings)


def _rules(book: Book) -> Report:
    """How many rules there are, and how many sensors no rule looks at for what they measure."""
    named = {instance.rule.id for instance in book.instances.values()} | {w.rule.id for w in book.watches.values()}
    unwatched = set(book.city.sensors) - set(book.of_sensor) - set(book.near_sensor)
    said = f"{len(named)} rules, {len(unwatched)} of {len(book.city.sensors)} sensors are in none but silence rules"
    return (
        Report("rules", "ok", said)
        if named
        else Report("rules", "warning", "none: nothing will alarm", "add rules/*.yaml")
    )


def _rosters(escalation: Escalation, now_us: int) -> Report:
    """Whether somebody can be told at every hour of the next days."""
    seen = RosterWatch(escalation).look({}, now_us)
    if seen is not None and seen.count:
        found, _, advice = seen.advice.partition("; fill")
        return Report("rosters", "warning", found, f"fill{advice}")
    return Report("rosters", "ok", f"{len(escalation.rosters)} rosters without gaps in the next 14 days")


def _channels(escalation: Escalation, settings: Settings) -> Iterator[Report]:
    if not escalation.people:
        yield Report("channels", "warning", "no people in escalation.yaml: nobody will be told", "name some")
    for name, channel in escalation.channels.items():
        yield _channel(name, channel, settings)
    if escalation.heartbeat is not None:
        yield _channel("heartbeat", {"type": "leaves the house", "url_env": escalation.heartbeat.url_env}, settings)
    hosts = {urlsplit(person.reach.get("webhook", "")).hostname for person in escalation.people.values()}
    for host in sorted(host for host in hosts if host):
        yield _resolvable(f"webhook host {host}", host)


def _surroundings(settings: Settings) -> tuple[Mapping[str, str], str]:
    """The variables the notifier has, as far as we may look; else this shell's, and a word that says so."""
    found = running(settings)
    try:
        pid = found[1].pid["notifier"] if found else 0
        pairs = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except (KeyError, OSError):
        return os.environ, " (looked for in this shell only)"
    return dict(pair.split("=", 1) for pair in pairs if "=" in pair), ""


def _channel(name: str, channel: Mapping[str, object], settings: Settings) -> Report:
    variables, where = _surroundings(settings)
    missing = [str(value) for key, value in channel.items() if key.endswith("_env") and not variables.get(str(value))]
    if missing:
        advice = f"set {', '.join(missing)} where Lifeline runs{where}"
        return Report(f"channel {name}", "warning", f"{', '.join(missing)} not set", advice)
    host = channel.get("host")
    if isinstance(host, str):
        return _resolvable(f"channel {name}", host)
    return Report(f"channel {name}", "ok", str(channel.get("type", "")))


def _resolvable(name: str, host: str) -> Report:
    resolve: Callable[..., object] = socket.getaddrinfo
    try:
        resolve(host, None)
    except OSError as error:
        return Report(name, "warning", f"{host}: {error.strerror or error}", "try another name, or mend DNS")
    return Report(name, "ok", f"{host} resolves")
