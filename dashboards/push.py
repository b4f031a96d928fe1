"""Dashboards into a running Grafana through its API, touching nothing but our own folder.

The token needs: dashboards and folders writer (role Editor), and for a data source also `datasources:write`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import niquests.exceptions
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaServerError, GrafanaTimeoutError

from city.clock import Clock, SystemClock
from city.errors import InputError, LifelineError, OutsideError
from city.words import say
from dashboards.builder import FOLDER_UID, SOURCE_UID, Json
from dashboards.files import DEFAULT_CONSOLE, DataSource
from dashboards.pages import all_dashboards

TRIES = 3
PAUSE_S = 1.0
TIMEOUT_S = 10.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pushed:
    """What now stands in Grafana: dashboard uid to address, and whether the data source was written."""

    dashboards: dict[str, str]
    data_source: bool


def push(
    url: str,
    token: str,
    *,
    console_url: str = DEFAULT_CONSOLE,
    tiles: str = "",
    source: DataSource | None = None,
    password: str = "",
    clock: Clock | None = None,
) -> Pushed:
    """Write every dashboard in every language into the folder `lifeline` of the Grafana at `url`.

    A push may be repeated at will: it writes what is there over itself. It tries three times when Grafana is busy.

    Parameters
    ----------
    url
        Address of Grafana, with its sub-path if it has one.
    token
        A service account's token.
    source, password
        Also write the data source `lifeline`; an empty password leaves the one that Grafana has.

    Raises
    ------
    InputError
        The address or token is wrong, the token may not write, or a dashboard of ours lies in someone else's folder.
    OutsideError
        Grafana cannot be reached, fails, or has the same dashboards from files.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise InputError(f"not an address of Grafana, got {url!r}, try https://grafana.example.org")
    base = url.rstrip("/") + "/"  # without the slash a sub-path would run into `api`
    with closing(_Server(base, token, clock or SystemClock())) as server:
        server.ensure_folder()
        if source is not None:
            server.put_source(source, password)
        boards = all_dashboards(console_url, tiles)
        return Pushed({uid: server.put_dashboard(board) for uid, board in boards.items()}, source is not None)


class _Server:
    def __init__(self, url: str, token: str, clock: Clock) -> None:
        self._api: Any = GrafanaApi.from_url(url, credential=token, timeout=TIMEOUT_S)  # its methods carry no types
        self._url, self._clock = url, clock

    def close(self) -> None:
        """Let go of the connections."""
        self._api.client.s.close()

    def ensure_folder(self) -> None:
        if self._find(lambda: self._api.folder.get_folder(FOLDER_UID)) is None:
            title = say("dashboard.folder", "en")
            self._ask("create the folder", lambda: self._api.folder.create_folder(title, FOLDER_UID), tries=1)

    def put_source(self, source: DataSource, password: str) -> None:
        body = source.json() | ({"secureJsonData": {"password": password}} if password else {})
        if self._find(lambda: self._api.datasource.get_datasource_by_uid(SOURCE_UID)) is None:
            self._ask("create the data source", lambda: self._api.datasource.create_datasource(body), tries=1)
        else:
            self._ask("update the data source", lambda: self._api.datasource.update_datasource_by_uid(SOURCE_UID, body))

    def put_dashboard(self, board: Json) -> str:
        uid = board["uid"]
        found = self._find(lambda: self._api.dashboard.get_dashboard(uid))
        if found is not None and (folder := found.get("meta", {}).get("folderUid", "")) != FOLDER_UID:
            raise InputError(
                f"dashboard {uid} of {self._url} lies in folder {folder or 'General'!r}, not in ours, "
                f"try moving it to folder {FOLDER_UID!r} or deleting it"
            )
        body = {"dashboard": board | {"id": None}, "folderUid": FOLDER_UID, "overwrite": True, "message": "lifeline"}
        answer = self._ask(f"write dashboard {uid}", lambda: self._api.dashboard.update_dashboard(body))
        log.info("dashboard_pushed %s", uid, extra={"action": "dashboard_pushed"})
        return self._url.rstrip("/") + str(answer.get("url", f"/d/{uid}"))

    def _find(self, question: Callable[[], Json]) -> Json | None:
        """The answer, or None when Grafana does not know it."""
        try:
            return self._ask("look", question)
        except _Missing:
            return None

    def _ask(self, what: str, question: Callable[[], Json], tries: int = TRIES) -> Json:
        """The answer; a question that may be repeated is, when Grafana is busy or gone for a moment."""
        for attempt in range(1, tries + 1):
            try:
                return question()
            except (GrafanaException, niquests.exceptions.RequestException, ValueError) as error:
                if attempt == tries or not _worth_repeating(error):
                    raise self._explained(what, error) from error
                self._clock.pause_s(PAUSE_S * attempt)
        raise AssertionError("unreachable")

    def _explained(self, what: str, error: Exception) -> LifelineError:
        where = f"Grafana at {self._url}"
        if isinstance(error, GrafanaTimeoutError | niquests.exceptions.Timeout):
            return OutsideError(f"{where} did not answer within {TIMEOUT_S:g} s, try again or look at its log")
        if isinstance(error, GrafanaClientError):
            return _refused(where, what, error.status_code, str(error.message))
        if isinstance(error, GrafanaException):
            return OutsideError(f"{where} failed to {what}: {error.message}; look at its log")
        if isinstance(error, niquests.exceptions.ConnectionError):
            return OutsideError(f"{where} cannot be reached, try its address and whether it runs")
        return OutsideError(
            f"{where} did not answer like Grafana, try the address of Grafana itself, sub-path included"
        )


class _Missing(InputError):
    """Grafana answered 404."""


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, GrafanaServerError):
        return bool(error.status_code in (502, 503, 504))
    if isinstance(error, GrafanaClientError):
        return bool(error.status_code == 429)
    return isinstance(error, GrafanaTimeoutError | niquests.exceptions.ConnectionError | niquests.exceptions.Timeout)


def _refused(where: str, what: str, status: int, message: str) -> LifelineError:
    if status == 401:
        return InputError(f"{where} refused the token, try a new service account token (role Editor)")
    if status == 403:
        return InputError(f"{where}: this token may not {what}, try a service account with role Editor")
    if status == 404:
        return _Missing(f"{where} has nothing to {what} at this address, try the address of Grafana, sub-path included")
    if status in (409, 412):
        return OutsideError(f"{where} would not {what}: {message}; someone else changed it just now, try again")
    if status == 400 and "provision" in message.lower():
        return OutsideError(f"{where} has these dashboards from provisioning files, try changing the files instead")
    if status == 429:
        return OutsideError(f"{where} is busy, try again later")
    return OutsideError(f"{where} would not {what}: {message}")
