"""One Grafana over its API: asks again where that is safe, and says in words what to try where it is not.

The token needs: dashboards, folders and alert rules writer (role Editor), and for a data source `datasources:write`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import niquests.exceptions
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaServerError, GrafanaTimeoutError

from city.clock import Clock, SystemClock
from city.errors import InputError, LifelineError, OutsideError
from dashboards.builder import Json

TRIES = 4
PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0
TIMEOUT_S = 10.0
PAGE_ROWS = 1000
Answer = Callable[[], Any]  # one call of the client library, which carries no types
BUSY = (429, 502, 503, 504)


class Missing(InputError):
    """Grafana answered 404."""


class Conflict(OutsideError):
    """Grafana answered 409 or 412: it is there already, or someone else changed it just now."""


@contextmanager
def grafana_at(url: str, token: str, *, clock: Clock | None = None, ca_file: Path | None = None) -> Iterator[Grafana]:
    """The Grafana at `url`, as long as the block runs.

    Parameters
    ----------
    url
        Address of Grafana, with its sub-path if it has one.
    token
        A service account's token.
    ca_file
        Certificate of the authority that signed Grafana's, when the system does not know it.

    Raises
    ------
    InputError
        The address is none, or carries a user, a query or a fragment.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"not an address of Grafana, got {url!r}, try https://grafana.example.org")
    if parts.username or parts.query or parts.fragment:
        raise InputError("Grafana's address: no user, query or fragment, try https://grafana.example.org and a token")
    if ca_file is not None and not ca_file.is_file():
        raise InputError(f"{ca_file}: no such file, try the authority's certificate in PEM format")
    with closing(Grafana(url.rstrip("/"), token, clock or SystemClock(), ca_file)) as server:
        yield server


class Grafana:
    """Questions to one Grafana. Whatever may be repeated is, when it is busy or gone for a moment."""

    def __init__(self, url: str, token: str, clock: Clock, ca_file: Path | None = None) -> None:
        # Its methods carry no types. Without the slash a sub-path would run into `api`.
        self.api: Any = GrafanaApi.from_url(url + "/", credential=token, timeout=TIMEOUT_S)
        if ca_file is not None:
            self.api.client.verify = str(ca_file)
        self.url, self._clock = url, clock
        self._retry_after_s: float | None = None
        self.api.client.s.hooks["response"].append(self._heard)

    def close(self) -> None:
        """Let go of the connections."""
        self.api.client.s.close()

    def find(self, what: str, question: Answer) -> Json | None:
        """The answer, or None when Grafana does not know it."""
        try:
            return dict(self.ask(what, question) or {})
        except Missing:
            return None

    def create(self, what: str, question: Answer, look: Answer) -> None:
        """Ask for something new. A conflict is none when `look` then finds it: an answer of a moment ago was lost."""
        try:
            self.ask(what, question)
        except Conflict:
            if self.find(what, look) is None:
                raise

    def tagged(self, folder: str, tag: str) -> list[Json]:
        """Every dashboard of a folder that carries a tag, as Grafana's search tells it."""
        found: list[Json] = []
        for page in range(1, 100):

            def search(page: int = page) -> Any:  # noqa: ANN401 - see Answer
                return self.api.search.search_dashboards(
                    tag=tag, type_="dash-db", folder_uids=[folder], limit=PAGE_ROWS, page=page
                )

            rows = self.ask("search dashboards", search)
            # Older versions do not know the folder's parameter and answer with everything.
            found += [row for row in rows if row.get("folderUid") == folder and tag in row.get("tags", ())]
            if len(rows) < PAGE_ROWS:
                break
        return found

    def ask(self, what: str, question: Answer, tries: int = TRIES) -> Any:  # noqa: ANN401 - an object, or a list of them
        """The answer to a question that may be repeated (`tries` times at most).

        Raises
        ------
        InputError
            The address or token is wrong, or the token may not do it.
        OutsideError
            Grafana cannot be reached, fails or refuses.
        """
        for attempt in range(1, tries + 1):
            self._retry_after_s = None
            try:
                answer = question()
            except (GrafanaException, niquests.exceptions.RequestException, ValueError) as error:
                if attempt == tries or not _worth_repeating(error):
                    raise self._explained(what, error) from error
                self._clock.pause_s(self._pause_s(attempt))
                continue
            if isinstance(answer, str):  # a page of something else: the library passes text on
                raise self._explained(what, ValueError("not JSON"))
            return answer
        raise AssertionError("unreachable")

    def _heard(self, response: Any, **_: object) -> None:  # noqa: ANN401 - a response of the HTTP library
        """Keep what the client library drops: how long Grafana asks us to wait."""
        said = response.headers.get("Retry-After", "")
        self._retry_after_s = float(said) if said.isdecimal() else None

    def _pause_s(self, attempt: int) -> float:
        asked_s = self._retry_after_s
        return min(LONGEST_PAUSE_S, PAUSE_S * 2 ** (attempt - 1) if asked_s is None else asked_s)

    def _explained(self, what: str, error: Exception) -> LifelineError:
        where = f"Grafana at {self.url}"
        if isinstance(error, GrafanaTimeoutError | niquests.exceptions.Timeout):
            return OutsideError(f"{where} did not answer within {TIMEOUT_S:g} s, try again or look at its log")
        if isinstance(error, GrafanaClientError | GrafanaServerError):
            return _refused(where, what, error.status_code, _said(error))
        if isinstance(error, GrafanaException):
            return OutsideError(f"{where} failed to {what}: {error.message}; look at its log")
        if isinstance(error, niquests.exceptions.SSLError):
            return OutsideError(f"{where}: its certificate is not one this machine trusts, try --ca-file")
        if isinstance(error, niquests.exceptions.ConnectionError):
            return OutsideError(f"{where} cannot be reached, try its address and whether it runs")
        return OutsideError(
            f"{where} did not answer like Grafana, try the address of Grafana itself, sub-path included"
        )


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, GrafanaServerError | GrafanaClientError):
        return error.status_code in BUSY
    if isinstance(error, niquests.exceptions.SSLError):
        return False
    return isinstance(error, GrafanaTimeoutError | niquests.exceptions.ConnectionError | niquests.exceptions.Timeout)


def _said(error: GrafanaException) -> str:
    """Grafana's own words."""
    answer = error.response
    return str(answer.get("message", "")) if isinstance(answer, dict) else " ".join(str(answer).split())[:200]


def _refused(where: str, what: str, status: int, message: str) -> LifelineError:
    said = message.lower()
    if status != 401 and any(word in said for word in ("provision", "provenance", "read-only", "readonly")):
        return OutsideError(f"{where} has it from provisioning files ({message}), try changing the files instead")
    match status:
        case 401:
            return InputError(f"{where} refused the token, try a new service account token (role Editor)")
        case 403:
            return InputError(f"{where}: this token may not {what}, try a service account with role Editor")
        case 404:
            return Missing(
                f"{where} has nothing to {what} at this address, try the address of Grafana, sub-path included"
            )
        case 409 | 412:
            return Conflict(f"{where} would not {what}: {message}; someone else changed it just now, try again")
        case 429:
            return OutsideError(f"{where} is busy, try again later")
        case status if status >= 500:
            return OutsideError(f"{where} failed to {what}, got {status} {message}; look at its log")
    return OutsideError(f"{where} would not {what}: {message}")
