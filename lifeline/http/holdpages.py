"""Pages to come."""

from __future__ import annotations

from fastapi import APIRouter

from lifeline.http.console import Console


def router(console: Console) -> APIRouter:
    """No route yet."""
    return APIRouter(include_in_schema=False)
