"""The application as FastAPI sees it, with a description of the API that says how to sign in."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

ABOUT = """Incidents, alarms, notices, holds, duty and readings of a city, as JSON.

Programs send a token (`Authorization: Bearer lifeline_…`), made by `lifeline tokens create`. Pages of the console use
their session, and send its word as `X-CSRF-Token` with everything that changes something. An account sees its districts
only: what lies elsewhere is not found. Errors are problem documents (RFC 9457) whose `type` does not change. Lists come
in parts: what follows is behind `next`, also in the `Link` header. Commands about an incident need `If-Match` with the
ETag of what was read."""


class App(FastAPI):
    """FastAPI with a description that is whole."""

    def openapi(self) -> dict[str, Any]:
        """The description of the API, made once."""
        if not self.openapi_schema:
            made = super().openapi()
            made["info"]["description"] = ABOUT
            made.setdefault("components", {})["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer", "description": "A program's token."},
            }
            made["security"] = [{"token": []}]
            self.openapi_schema = made
        return self.openapi_schema
