"""Runs the two sides of a backtest, each in a process of its own: one core decides by the old rules, one by the new."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from city.errors import InputError, OutsideError
from city.folder import bundle_hash, read_folder, read_text
from gateway.floodnet import floodnet_mapping
from gateway.mapping import read_mapping
from lifeline.endpoints import with_running
from lifeline.settings import Settings, load
from rules.check import load_files
from rules.inputs import BundleIn
from rules.trials.backtest import Outcome, as_it_was, under
from rules.trials.report import Report, Side
from rules.trials.scores import Event, Scored, read_events, score
from rules.trials.sources import ColumnSource, DatabaseSource, Span
from store import bundle
from store.connection import Connection, connect, describe

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Job:
    """One side: a city folder's files (None: as it was), over a database or a folder of columns."""

    name: str
    files: Files | None
    span: Span
    database_url: str = ""
    columns: Path | None = None


def files_of(path: Path, base: Files) -> Files:
    """The files of a city folder; or `base` with the rules of a folder, or of one file, in place of its own.

    A folder of rules replaces all rules; a file replaces the one of its name, or is added.

    Raises
    ------
    InputError
        There is no such path, or no rules in it.
    """
    if path.is_file():
        return {**base, f"rules/{path.name}": read_text(path, "rules")}
    files = read_folder(path)
    if "city.yaml" in files:
        return files
    rules = {name: text for name, text in files.items() if name.endswith((".yaml", ".yml"))}
    if not rules:
        raise InputError(f"{path}: no rules in it, try a city folder, a folder of rules/*.yaml, or one of those files")
    others = {name: text for name, text in base.items() if not name.startswith("rules/")}
    return {**others, **{f"rules/{name.removeprefix('rules/')}": text for name, text in rules.items()}}


def run(jobs: Sequence[Job], progress: Callable[[str, int, int], None]) -> dict[str, Outcome]:
    """Run jobs side by side; their outcomes by name.

    Parameters
    ----------
    progress
        Takes a job's name, readings done, and readings in all.

    Raises
    ------
    InputError, OutsideError
        What went wrong in one of them; the others are stopped.
    """
    context = multiprocessing.get_context("spawn")
    pipes: dict[Pipe, Job] = {}
    processes = []
    for job in jobs:
        mine, its = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(job, its), name=f"lifeline backtest {job.name}", daemon=True)
        process.start()
        its.close()
        processes.append(process)
        pipes[mine] = job
    outcomes: dict[str, Outcome] = {}
    try:
        while pipes:
            for pipe in wait(list(pipes)):
                if isinstance(pipe, Pipe):
                    _hear(pipe, pipes, outcomes, progress)
    finally:
        for process in processes:
            if process.is_alive() and pipes:
                process.terminate()
            process.join()
    return outcomes


def _hear(
    pipe: Pipe, pipes: dict[Pipe, Job], outcomes: dict[str, Outcome], progress: Callable[[str, int, int], None]
) -> None:
    job = pipes[pipe]
    try:
        kind, *said = pipe.recv()
    except EOFError as error:
        raise OutsideError(
            f"backtest: the process for the {job.name} rules ended early, try with more memory"
        ) from error
    match kind:
        case "progress":
            progress(job.name, *said)
        case "outcome":
            outcomes[job.name] = said[0]
            del pipes[pipe]
        case "input":
            raise InputError(f"{job.name} rules: {said[0]}")
        case _:
            raise OutsideError(f"{job.name} rules: {said[0]}")


def _work(job: Job, pipe: Pipe) -> None:
    """The other process: a terminal's interrupt is for the first one, which then stops this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pipe.send(("outcome", outcome(job, lambda done, total: pipe.send(("progress", done, total)))))
    except InputError as error:
        pipe.send(("input", str(error)))
    except Exception as error:  # noqa: BLE001 - told by the first process, which ends with it
        pipe.send(("outside", f"{type(error).__name__}: {error}"))


def outcome(job: Job, progress: Callable[[int, int], None]) -> Outcome:
    """Run one side here."""
    if job.columns is not None:
        return _over(job, ColumnSource(job.columns, job.span), _no_folder, progress)
    with (
        connect(job.database_url, autocommit=True, application_name="lifeline backtest") as conn,
        connect(job.database_url, autocommit=True, application_name="lifeline backtest folders") as folders,
    ):
        return _over(job, DatabaseSource(conn, job.span), lambda name: _folder(folders, name), progress)


def _over(
    job: Job,
    source: ColumnSource | DatabaseSource,
    folder: Callable[[str], BundleIn],
    progress: Callable[[int, int], None],
) -> Outcome:
    def tell(done: int) -> None:
        progress(done, source.readings)

    if job.files is None:
        return as_it_was(source, job.span, folder, tell)
    given = bundle_in(job.files)
    if isinstance(source, ColumnSource):
        given = _covered(given, source.sensors)
    return under(source, job.span, given, tell)


def _covered(given: BundleIn, sensors: frozenset[str]) -> BundleIn:
    """Without the silence of what the file does not cover at all: it was not recorded, not silent."""
    book = given.book
    gateways = {book.city.sensors[name].gateway for name in sensors}
    watches = {
        key: watch
        for key, watch in book.watches.items()
        if (watch.sensor.id in sensors if watch.sensor else watch.gateway.id in gateways)
    }
    return replace(given, book=replace(book, watches=watches))


def bundle_in(files: Files) -> BundleIn:
    """What the engine takes, from a city folder's files (FaultyInput with every fault)."""
    checked = load_files(files)
    return BundleIn(bundle_hash(files), checked.book, checked.escalation)


def _folder(conn: Connection, name: str) -> BundleIn:
    files = bundle.get(conn, name)
    if files is None:
        raise OutsideError(f"city folder {name[:12]}: not in the database any more, try --against with a folder")
    return bundle_in(files)


def _no_folder(name: str) -> BundleIn:
    raise InputError("a file does not say which rules were in force, try --rules")


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asks for.

    Parameters
    ----------
    rules, against
        New and old rules (`files_of`); without `rules` what was in force; without `against` the old ones are what was
        in force (database) or the city's own (file).
    data, mapping
        Recorded files and how to read them; with no mapping `data` is a running system's folder.
    city
        City folder; without one the running system's.
    events, lead_us
        Labelled events, and how long before one an alarm still belongs to it.
    """

    span: Span
    rules: Path | None
    against: Path | None
    data: Path | None
    mapping: str | None
    city: Path | None
    events: Path | None
    lead_us: int
    database_url: str | None


def report(request: Request, scratch: Path, progress: Callable[[str, int, int], None]) -> Report:
    """Do what is asked for; `scratch` is an empty folder for a file's columns.

    Raises
    ------
    InputError, OutsideError
        What is asked for does not fit together, or something outside failed.
    """
    _sane(request)
    settings = _settings(request)
    base = _base(request, settings)
    new = None if request.rules is None else files_of(request.rules, base)
    old = None if request.against is None else files_of(request.against, base)
    for files in (new, old):
        if files is not None:
            load_files(files)  # every fault now, not in the middle of a run
    if request.mapping is not None and request.data is not None:
        where: dict[str, Any] = {"columns": _columns(request, base, scratch, progress)}
        old, source = base if old is None else old, str(request.data)
    else:
        where = {"database_url": settings.database_url}
        source = f"database {describe(settings.database_url or '')}"
    jobs = [Job("new", new, request.span, **where)]
    if request.rules is not None:
        jobs.append(Job("old", old, request.span, **where))
    events = _events(request, [files for files in (base, new, old) if files is not None])  # faults before the run
    outcomes = run(jobs, progress)
    names = {"new": request.rules, "old": request.against}

    def side(job: Job) -> Side:
        return Side(
            job.name, _named(names[job.name], job), outcomes[job.name], _scored(request, events, job, base, outcomes)
        )

    sides = {job.name: side(job) for job in jobs}
    return Report(request.span, sides["new"], sides.get("old"), source)


def _named(path: Path | None, job: Job) -> str:
    return str(path) if path is not None else "as it was" if job.files is None else "the city's own"


def _sane(request: Request) -> None:
    if request.span.to_us <= request.span.from_us:
        raise InputError("--to: not after --from, try a later time")
    if request.mapping is not None and request.data is None:
        raise InputError("--mapping: without --data, try --data FILE")
    if request.data is not None and request.data.is_file() and request.mapping is None:
        raise InputError(f"--data {request.data}: a file needs --mapping, try --mapping mapping.yaml")
    if request.mapping is not None and request.rules is None:
        raise InputError("--rules: a file does not say which rules were in force, try --rules with a city folder")
    if request.against is not None and request.rules is None:
        raise InputError("--against: without --rules there is nothing to compare, try --rules")


def _settings(request: Request) -> Settings:
    folder = None if request.mapping is not None else request.data
    found = with_running(load(data=folder, city=request.city, database_url=request.database_url))
    if request.mapping is None and found.database_url is None:
        raise InputError(
            "backtest: no running system or database known, try --database-url, or --data FILE --mapping M"
        )
    return found


def _base(request: Request, settings: Settings) -> Files:
    """The city folder that rules are laid over: the one given, the new rules' own, or the one in force."""
    for folder in (request.city, request.rules, request.against, settings.city):
        if folder is not None and (folder / "city.yaml").is_file():
            return read_folder(folder)
    if settings.database_url:
        with connect(settings.database_url, autocommit=True, application_name="lifeline backtest") as conn:
            if (current := bundle.current(conn)) is not None:
                return current[1]
    raise InputError("backtest: which city? try --city DIR, or a city folder for --rules")


def _columns(request: Request, base: Files, scratch: Path, progress: Callable[[str, int, int], None]) -> Path:
    from lifeline.trialfiles import read_columns

    mapping = floodnet_mapping() if request.mapping == "floodnet" else read_mapping(Path(request.mapping or ""))
    city = load_files(base).city
    read_columns(request.data or Path(), mapping, city, scratch, lambda done: progress("reading", done, 0))
    return scratch


def _events(request: Request, folders: Sequence[Files]) -> list[Event] | None:
    if request.events is None:
        return None
    checked = [load_files(files) for files in folders]
    rules = {instance.rule.id for one in checked for instance in one.book.instances.values()}
    try:
        text = request.events.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{request.events}: {error}, try a CSV in UTF-8") from error
    return read_events(text, request.events.name, checked[0].city, rules)


def _scored(
    request: Request, events: list[Event] | None, job: Job, base: Files, outcomes: Mapping[str, Outcome]
) -> Scored | None:
    if events is None:
        return None
    checked = load_files(job.files or base)
    kinds = {event.kind for event in events}
    watched = frozenset(
        instance.sensor.id
        for instance in checked.book.instances.values()
        if "" in kinds or kinds & {instance.rule.id, instance.sensor.quantity.id, instance.sensor.quantity.domain}
    )
    return score(events, outcomes[job.name].occurrences, checked.city, watched, request.span, request.lead_us)
