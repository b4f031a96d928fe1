"""What a request must be to come in: declared with each router, or stricter with one route, and kept by `Need`.

A router is included with the need of all its routes; a route that needs more says so itself::

    @routes.post("/rules/reload", dependencies=[needs(Role.ENGINEER)])

`lifeline.http.guard` finds out who asks before anything else happens; here it is held against the need. Forms carry a
field `csrf` that only a page of the same session knows (the API's header `X-CSRF-Token`, see the guard).
"""

from __future__ import annotations

import hmac

from fastapi import Depends, HTTPException, Request
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute

from lifeline.http import who
from lifeline.http.who import Role

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Need:
    """The role that reading needs, and the one that everything else needs; None: open, the route itself looks."""

    def __init__(self, read: Role | None, write: Role | None) -> None:
        self.read, self.write = read, write

    def of(self, method: str) -> Role | None:
        """The role a request with this method needs."""
        return self.read if method in READING else self.write

    async def __call__(self, request: Request) -> None:
        """Let the request pass, or raise 401, 403; 422 for an unknown parameter: a mistyped filter shows more."""
        self._admit_who(request)
        if self.of(request.method) is not None:
            await _check_form(request)
        route = request.scope.get("route")
        if isinstance(route, APIRoute) and request.url.path.startswith("/api/"):
            known = [field.alias for field in route.dependant.query_params]
            if unknown := sorted(set(request.query_params) - set(known)):
                raise HTTPException(422, f"{unknown[0][:50]}: no such parameter, try {', '.join(known) or 'none'}")

    def _admit_who(self, request: Request) -> None:
        role, asks = self.of(request.method), who.current.get()
        if role is None:
            return
        if asks is None or asks.how == "link":
            raise HTTPException(401, "sign in first")
        if not asks.may(role):
            raise HTTPException(403, f"this needs the role {role.word}; {asks.name} is {asks.role.word}")


async def _check_form(request: Request) -> None:
    if request.method not in READING and getattr(request.state, "csrf_due", False):
        given = (await request.form()).get("csrf", "")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), request.state.csrf.encode()):
            raise HTTPException(403, "the form is of another session: load the page again, then send it")


def needs(role: Role, write: Role | None = None) -> Dependency:
    """A dependency: `role` for everything, or for reading when `write` says what the rest needs."""
    return Depends(Need(role, write or role))  # type: ignore[no-any-return]  # FastAPI's own type says Any


OPEN: Dependency = Depends(Need(None, None))
"""For what anybody may see, and for what a signed link opens: the crew page looks at the link itself."""
CONSOLE = needs(Role.VIEWER, Role.OPERATOR)
"""Whoever is signed in may look; saying something needs an operator."""
