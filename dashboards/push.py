"""Dashboards into a running Grafana through its API, touching nothing but our own folders, tag and data source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from city.errors import InputError
from dashboards import watchdog
from dashboards.builder import FOLDER_UID, SOURCE_UID, Json
from dashboards.client import Grafana
from dashboards.plan import Entry, Wanted, folder_title, gone, plan

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was found, each entry of it carried out; and the address of every dashboard by uid."""

    entries: list[Entry]
    dashboards: dict[str, str]


def push(server: Grafana, wanted: Wanted, password: str = "") -> Pushed:
    """Make what is shipped stand in a Grafana; what stands already is left as it is.

    A push may be repeated at will. All is looked at before the first change, so that one that cannot succeed changes
    nothing. An empty password leaves the one that Grafana has.

    Raises
    ------
    InputError
        The token may not write, or something of someone else stands where ours should.
    OutsideError
        Grafana cannot be reached, fails, or has the same from files.
    """
    entries = plan(server, wanted)
    foreign = [entry for entry in entries if entry.state == "foreign"]
    if foreign:
        listed = "; ".join(f"{entry.kind} {entry.uid}: {entry.note}" for entry in foreign)
        raise InputError(f"Grafana at {server.url}: {listed}; nothing was changed, try moving or deleting these first")
    addresses = {uid: f"{server.url}/d/{uid}" for uid in wanted.boards}
    for entry in entries:
        if entry.state in ("create", "update"):
            answer = _carry_out(server, entry, wanted, password)
            if entry.kind == "dashboard" and "url" in answer:
                addresses[entry.uid] = _address(server.url, str(answer["url"]))
            log.info("grafana_written %s %s", entry.kind, entry.uid, extra={"action": "grafana_written"})
        elif entry.kind == "dashboard" and entry.standing and (path := entry.standing.get("meta", {}).get("url")):
            addresses[entry.uid] = _address(server.url, str(path))
    return Pushed(entries, addresses)


def prune(server: Grafana, boards: Mapping[str, Json], *, yes: bool) -> list[Entry]:
    """Delete dashboards of our folder and tag that `boards` no longer holds; only tell them unless `yes`."""
    entries = gone(server, boards)
    for entry in entries if yes else ():
        server.find(f"delete dashboard {entry.uid}", partial(server.api.dashboard.delete_dashboard, entry.uid))
        log.info("grafana_deleted %s", entry.uid, extra={"action": "grafana_deleted"})
    return entries


def _carry_out(server: Grafana, entry: Entry, wanted: Wanted, password: str) -> Json:
    api = server.api
    match entry.kind:
        case "folder":
            title = folder_title(entry.uid)
            server.create(
                "create the folder",
                lambda: api.folder.create_folder(title, entry.uid),
                lambda: api.folder.get_folder(entry.uid),
            )
        case "data source":
            _put_source(server, entry, wanted, password)
        case "dashboard":
            board = wanted.boards[entry.uid] | {"id": None}
            body = {"dashboard": board, "folderUid": FOLDER_UID, "overwrite": True, "message": "lifeline"}
            return dict(server.ask(f"write dashboard {entry.uid}", lambda: api.dashboard.update_dashboard(body)))
        case "watchdogs":
            group = watchdog.group(wanted.language, entry.standing)
            server.ask("write the watchdog rules", _rule_writer(server, group))
    return {}


def _put_source(server: Grafana, entry: Entry, wanted: Wanted, password: str) -> None:
    if wanted.source is None:
        raise InputError("no data source was given, try --database-url")
    body = wanted.source.json() | ({"secureJsonData": {"password": password}} if password else {})
    sources = server.api.datasource
    if entry.state == "create":
        server.create(
            "create the data source",
            lambda: sources.create_datasource(body),
            lambda: sources.get_datasource_by_uid(SOURCE_UID),
        )
    else:
        server.ask("update the data source", lambda: sources.update_datasource_by_uid(SOURCE_UID, body))


def _rule_writer(server: Grafana, group: Json) -> Callable[[], Json]:
    """Editable in Grafana afterwards: whom a rule tells is the operator's to say."""
    writer = server.api.alertingprovisioning.update_rule_group
    return lambda: dict(writer(watchdog.FOLDER_UID, watchdog.GROUP, group, disable_provenance=True) or {})


def _address(base: str, path: str) -> str:
    """A path that Grafana told, which on newer versions holds its sub-path, as an address."""
    root, _, sub = base.partition("://")[2].partition("/")
    scheme = base.partition("://")[0]
    return f"{scheme}://{root}{path}" if sub and path.startswith(f"/{sub}/") else base + path
