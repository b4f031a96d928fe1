"""What a push would change: each thing of ours in a Grafana, compared with what is shipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from city.words import say
from dashboards import watchdog
from dashboards.builder import FOLDER_UID, SOURCE_UID, Json
from dashboards.client import Grafana
from dashboards.files import DataSource

TAG = "lifeline"
State = Literal["create", "update", "same", "foreign", "gone"]
Kind = Literal["folder", "data source", "dashboard", "watchdogs"]
SERVERS_OWN = ("id", "version", "iteration", "pluginVersion")  # what Grafana adds to a dashboard by itself
MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of ours: what a push (or for `gone` a prune) would do, why, and what is there now.

    `foreign` stands where ours should go but belongs to someone else; nothing is pushed while there is one.
    """

    kind: Kind
    uid: str
    state: State
    note: str = ""
    standing: Json | None = None

    def __str__(self) -> str:
        return f"{self.state:<8}{self.kind:<12}{self.uid}" + (f": {self.note}" if self.note else "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is shipped: dashboards by uid, perhaps a data source (with a new password or without), perhaps watchdogs."""

    boards: Mapping[str, Json]
    source: DataSource | None = None
    new_password: bool = False
    watchdogs: bool = True
    language: str = "en"


def plan(server: Grafana, wanted: Wanted) -> list[Entry]:
    """Every entry, folders first; only questions are asked.

    Raises
    ------
    InputError, OutsideError
        See `Grafana.ask`.
    """
    entries = [_folder(server, FOLDER_UID)]
    if wanted.source is not None:
        entries.append(_source(server, wanted.source, new_password=wanted.new_password))
    entries += [_dashboard(server, board) for board in wanted.boards.values()]
    entries += gone(server, wanted.boards)
    if wanted.watchdogs:
        entries += [_folder(server, watchdog.FOLDER_UID), _watchdogs(server, wanted.language)]
    return entries


def is_done(entries: list[Entry]) -> bool:
    """Whether the Grafana holds exactly what is shipped."""
    return all(entry.state == "same" for entry in entries)


def gone(server: Grafana, boards: Mapping[str, Json]) -> list[Entry]:
    """Dashboards of our folder and tag that are no longer shipped."""
    found = server.tagged(FOLDER_UID, TAG)
    lost = sorted((row["uid"], str(row.get("title", ""))) for row in found if row["uid"] not in boards)
    return [Entry("dashboard", uid, "gone", f"“{title}” is no longer shipped") for uid, title in lost]


def folder_title(uid: str) -> str:
    """What a folder of ours is called."""
    return say("dashboard.folder" if uid == FOLDER_UID else "watchdog.folder", "en")


def _folder(server: Grafana, uid: str) -> Entry:
    found = server.find("look for the folder", lambda: server.api.folder.get_folder(uid))
    return Entry("folder", uid, "create" if found is None else "same", standing=found)


def _source(server: Grafana, source: DataSource, *, new_password: bool) -> Entry:
    found = server.find("look for the data source", lambda: server.api.datasource.get_datasource_by_uid(SOURCE_UID))
    if found is None:
        return Entry("data source", SOURCE_UID, "create")
    changed = [path for path in differences(source.json(), found) if not path.startswith("+")]
    if found.get("readOnly") and changed:
        return Entry("data source", SOURCE_UID, "foreign", "it comes from provisioning files", found)
    if changed:
        return Entry("data source", SOURCE_UID, "update", _named(changed), found)
    if new_password and not found.get("readOnly"):
        return Entry("data source", SOURCE_UID, "update", "a password cannot be compared", found)
    return Entry("data source", SOURCE_UID, "same", standing=found)


def _dashboard(server: Grafana, board: Json) -> Entry:
    uid = board["uid"]
    found = server.find("look for a dashboard", lambda: server.api.dashboard.get_dashboard(uid))
    if found is None:
        return Entry("dashboard", uid, "create")
    meta = found.get("meta", {})
    folder = meta.get("folderUid", "")
    changed = list(differences(board, found.get("dashboard", {})))
    if meta.get("provisioned") and (changed or folder != FOLDER_UID):
        return Entry("dashboard", uid, "foreign", "it comes from provisioning files", found)
    if folder != FOLDER_UID:
        return Entry("dashboard", uid, "foreign", f"it lies in folder {folder or 'General'!r}, not in ours", found)
    if changed:
        return Entry("dashboard", uid, "update", _named(changed), found)
    return Entry("dashboard", uid, "same", standing=found)


def _watchdogs(server: Grafana, language: str) -> Entry:
    def question() -> Any:  # noqa: ANN401 - JSON of the client library
        return server.api.alertingprovisioning.get_rule_group(watchdog.FOLDER_UID, watchdog.GROUP)

    found = server.find("look for the watchdog rules", question)
    if found is None or not found.get("rules"):
        return Entry("watchdogs", watchdog.GROUP, "create")
    wanted = watchdog.group(language, found)
    changed = [path for path in differences(wanted, found) if not path.startswith("+") and not path.endswith("orgID")]
    if not changed:
        return Entry("watchdogs", watchdog.GROUP, "same", standing=found)
    if any(one.get("provenance") == "file" for one in found["rules"]):
        return Entry("watchdogs", watchdog.GROUP, "foreign", "they come from provisioning files", found)
    return Entry("watchdogs", watchdog.GROUP, "update", _named(changed), found)


def differences(ours: object, theirs: object, path: str = "") -> Iterator[str]:
    """Where two pieces of JSON differ: `panels[2].title`; `+key` where only theirs has it."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in [*ours, *(key for key in theirs if key not in ours)]:
            here = f"{path}.{key}" if path else str(key)
            if key not in ours:
                if key not in SERVERS_OWN:
                    yield f"+{here}"
            elif key not in theirs:
                yield here
            else:
                yield from differences(ours[key], theirs[key], here)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, (mine, yours) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(mine, yours, f"{path}[{place}]")
    elif ours != theirs or isinstance(ours, bool) != isinstance(theirs, bool):
        yield path


def _named(paths: list[str]) -> str:
    more = len(paths) - MOST_NAMED
    return ", ".join(paths[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
