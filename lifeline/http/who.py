"""Who asks: the account behind a request, what it may do, and which districts it sees."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What an account may do; each may do what the ones before it may."""

    VIEWER = 1
    OPERATOR = 2
    ENGINEER = 3
    ADMIN = 4

    @property
    def word(self) -> str:
        """Its name in lower case."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Who:
    """The account behind a request.

    Attributes
    ----------
    name
        What its commands are signed with.
    role
        What it may do.
    districts
        What it sees; None: all of the city.
    person
        Who of `escalation.yaml` it is; empty when it is none of them.
    how
        `session`, `token`, `link` (a crew page) or `local` (this machine, before there are accounts).
    address
        Where the request came from.
    incidents
        What it sees of them; None: all in its districts. A crew's link sees those its notice speaks of.
    """

    name: str
    role: Role
    districts: frozenset[str] | None = None
    person: str = ""
    how: str = "local"
    address: str = ""
    incidents: frozenset[str] | None = None

    def may(self, role: Role) -> bool:
        """Whether it may do what `role` may."""
        return self.role >= role


current: ContextVar[Who | None] = ContextVar("lifeline_who", default=None)
"""Set for each request by `lifeline.http.guard`; read by `Data` (rows of the account's districts only) and by pages."""
