"""Where log lines go: to a bounded file, or to standard error."""

from __future__ import annotations

import logging
import logging.handlers
import os
from pathlib import Path

from city.errors import InputError
from lifeline.files import LOG_BYTES

FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_to(path: Path | None) -> None:
    """Send this process's log to `path` (kept under twice `LOG_BYTES`), or to standard error for None.

    `LIFELINE_LOG_LEVEL` (default INFO) says from which level on.
    """
    handler: logging.Handler = (
        logging.StreamHandler()
        if path is None
        else logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    )
    level = os.environ.get("LIFELINE_LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise InputError(f"LIFELINE_LOG_LEVEL: no such level, got {level!r}, try INFO or DEBUG")
    logging.basicConfig(level=level, format=FORM, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line per request otherwise
