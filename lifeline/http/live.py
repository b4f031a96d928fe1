"""`/events`: tells open pages that something changed, so that they fetch themselves again.

Only names of what changed are sent (`incidents`, `notices`, `holds`), never content: a page that fetches itself again
sees what its own account may see. One thread listens for the database's notifications, for all pages together.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import psycopg
from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from city.clock import SystemClock
from city.errors import OutsideError
from lifeline.http.problem import problem
from store.connection import connect

CHANNEL = "lifeline_console"
MOST_PAGES = 200
HEARTBEAT_S = 15.0
LONGEST_S = 600.0  # browsers come again by themselves, and are asked again who they are
GATHER_S = 0.25  # what changes together is told together
LOOK_S = 1.0
EVERYTHING = "all"
TOPICS = frozenset({"incidents", "notices", "holds"})  # whoever reads the database may notify too, but not anything
_RETRY_S = 2.0
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Page:
    """An open page: what changed since it was last told (a set of few names, so it cannot grow)."""

    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    topics: set[str] = field(default_factory=set)


class Live:
    """Wakes open pages when the database says that something changed.

    Parameters
    ----------
    database_url
        Listened to with a connection of its own, in a thread of its own.
    """

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._pages: set[_Page] = set()
        self._thread = threading.Thread(target=self._listen, name="live", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """End all streams and the thread (twice is fine)."""
        self._stop.set()
        self.tell({EVERYTHING})
        if self._thread.is_alive():
            self._thread.join(5.0)

    def tell(self, topics: set[str]) -> None:
        """Wake every page, if there is something to tell."""
        if not topics:
            return
        with self._lock:
            pages = list(self._pages)
        for page in pages:
            try:
                page.loop.call_soon_threadsafe(self._wake, page, topics)
            except RuntimeError:  # its loop has ended, and so has the page
                self._leave(page)

    def router(self) -> APIRouter:
        """The route of `/events`."""
        routes = APIRouter(include_in_schema=False)

        @routes.get("/events")
        async def events() -> Response:
            page = _Page(asyncio.get_running_loop())
            with self._lock:
                full = len(self._pages) >= MOST_PAGES
                if not full:
                    self._pages.add(page)
            if full:
                answer = problem(503, "Too many open pages", "pages go on by asking now and then")
                answer.headers["Retry-After"] = "30"
                return answer
            headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
            return StreamingResponse(self._stream(page), media_type="text/event-stream", headers=headers)

        return routes

    @staticmethod
    def _wake(page: _Page, topics: set[str]) -> None:
        page.topics |= topics
        page.woken.set()

    def _leave(self, page: _Page) -> None:
        with self._lock:
            self._pages.discard(page)

    async def _stream(self, page: _Page) -> AsyncIterator[str]:
        until = page.loop.time() + LONGEST_S
        try:
            yield "retry: 2000\nevent: hello\ndata: \n\n"
            while not self._stop.is_set() and page.loop.time() < until:
                try:
                    await asyncio.wait_for(page.woken.wait(), HEARTBEAT_S)
                except TimeoutError:
                    yield ": still here\n\n"
                    continue
                page.woken.clear()
                topics, page.topics = page.topics, set()
                if not self._stop.is_set():
                    yield f"event: changed\ndata: {' '.join(sorted(topics))}\n\n"
        finally:
            self._leave(page)

    def _listen(self) -> None:
        wall = SystemClock()
        while not self._stop.is_set():
            try:
                self._follow()
            except (psycopg.Error, OutsideError) as error:
                _log.warning("live_lost %s", error, extra={"action": "live_lost"})
                wall.pause_s(_RETRY_S, until=self._stop)

    def _follow(self) -> None:
        wall = SystemClock()
        with connect(self._url, autocommit=True, application_name="lifeline live") as conn:
            conn.execute(f"LISTEN {CHANNEL}")
            self.tell({EVERYTHING})  # what was said while nobody listened
            while not self._stop.is_set():
                first = next(conn.notifies(timeout=LOOK_S, stop_after=1), None)
                if first is None:
                    continue
                wall.pause_s(GATHER_S, until=self._stop)
                said = {first.payload, *(note.payload for note in conn.notifies(timeout=0))}
                self.tell(said & TOPICS)
