"""Where log lines go: to a bounded file, or to standard error."""

from __future__ import annotations

import logging
import logging.handlers
import os
from contextvars import ContextVar
from pathlib import Path

from city.errors import InputError
from lifeline.files import LOG_BYTES

FORM = "%(asctime)s %(levelname)s %(name)s: %(request)s%(message)s"

request: ContextVar[str] = ContextVar("lifeline_request", default="")
"""The id of the HTTP request that a line is about; it stands before the message."""


def _name_request(record: logging.LogRecord) -> bool:
    name = request.get()
    record.request = f"[{name}] " if name else ""
    return True


def log_to(path: Path | None) -> None:
    """Send this process's log to `path` (kept under twice `LOG_BYTES`), or to standard error for None.

    `LIFELINE_LOG_LEVEL` (default INFO) says from which level on.
    """
    handler: logging.Handler = (
        logging.StreamHandler()
        if path is None
        else logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    )
    handler.addFilter(_name_request)
    level = os.environ.get("LIFELINE_LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise InputError(f"LIFELINE_LOG_LEVEL: no such level, got {level!r}, try INFO or DEBUG")
    logging.basicConfig(level=level, format=FORM, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line per request otherwise
