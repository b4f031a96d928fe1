"""Log lines: one each, of JSON for programs or of text for a terminal; to a bounded file, or to standard error.

Nothing that came from outside can make a second line, colour one or move a cursor; passwords and signed links are
taken out wherever they stand. What a line is about is its `action`, one of `lifeline.logevents`.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from city.errors import InputError
from lifeline.display import harmless
from lifeline.files import LOG_BYTES

FORMATS: Final = ("auto", "json", "text")
MORE: Final = "  | "  # stands before what follows the first line of a message, in text
HIDDEN: Final = "•••"
OWN: Final = ("bench", "city", "dashboards", "detectors", "gateway", "ingest", "lifeline", "rules", "store")

request: ContextVar[str] = ContextVar("lifeline_request", default="")
"""The id of the HTTP request that a line is about; it stands before the message."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request"}
_SHORTEST: Final = 6  # a shorter secret would take ordinary words with it
# Words of a variable's name, between underscores: PASSWORD anywhere, KEY only where the name ends, so that neither
# KEYS nor KEY_COLUMN nor MONKEY takes what is no secret out of the log.
_SECRET_NAME: Final = re.compile(
    r"(?:^|_)(?:PG)?(?:(?:SECRETS?|PASSWORDS?|PASSWD|PASSPHRASE)(?:_|$)|(?:TOKEN|KEY|APIKEY|URL|DSN)(?:_?\d+)?$)", re.I
)
_FILE: Final = "_FILE"  # behind the name of a variable that names the file of a value
_LARGEST_FILE: Final = 65536
_SHAPES: Final = (
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/@:]*):[^\s@/]+@"), rf"\1:{HIDDEN}@"),  # the password of a URL
    (re.compile(r"(?i)\b(password|passwd|pwd)(\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s,;&]+)"), rf"\1\2{HIDDEN}"),
    (re.compile(r"(?i)\b(authorization\W{1,5}(?:bearer|basic)\s+|bearer\s+)[\w.~+/=-]{8,}"), rf"\1{HIDDEN}"),
    (re.compile(r"(?i)\b((?:set-)?cookie\W{1,5})[^\r\n]+"), rf"\1{HIDDEN}"),
    (re.compile(r"/n/[\w.~-]{16,}"), f"/n/{HIDDEN}"),  # a signed link
    (re.compile(r"(?i)([?&](?:\w*[_-])?(?:token|key|secret|password|sign|signature)=)[^\s&#\"']+"), rf"\1{HIDDEN}"),
)


def log_to(path: Path | None) -> None:
    """Send this process's log to `path` (kept under twice `LOG_BYTES`), or to standard error for None.

    `LIFELINE_LOG_LEVEL` (default INFO) says from which level on; `LIFELINE_LOG_FORMAT` (json, text, or auto: text on a
    terminal, else JSON) how lines are written. Libraries never say less than warnings' worth: their lines of debugging
    hold headers.
    """
    handler: logging.Handler = (
        logging.StreamHandler()
        if path is None
        else logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    )
    level = os.environ.get("LIFELINE_LOG_LEVEL", "INFO").upper()
    if level not in logging.getLevelNamesMapping():
        raise InputError(f"LIFELINE_LOG_LEVEL: no such level, got {level!r}, try INFO or DEBUG")
    handler.setFormatter(Lines(as_json=_wants_json(path), hide=secrets_of(os.environ)))
    number = logging.getLevelNamesMapping()[level]
    logging.basicConfig(level=max(number, logging.INFO), handlers=[handler], force=True)
    for name in OWN:
        logging.getLogger(name).setLevel(number)
    for name in ("httpx", "httpcore"):  # one line per request otherwise
        logging.getLogger(name).setLevel(logging.WARNING)


def _wants_json(path: Path | None) -> bool:
    chosen = os.environ.get("LIFELINE_LOG_FORMAT", "") or "auto"
    if chosen not in FORMATS:
        raise InputError(f"LIFELINE_LOG_FORMAT: not one, got {chosen!r}, try {', '.join(FORMATS)}")
    return chosen == "json" or (chosen == "auto" and not (path is None and sys.stderr.isatty()))


def secrets_of(environment: os._Environ[str] | dict[str, str]) -> tuple[str, ...]:
    """The secrets that this process was given in variables, or in files that variables name with `_FILE`.

    Whole values, and passwords and keys inside of URLs.
    """
    found: set[str] = set()
    for name, given in environment.items():
        if not _SECRET_NAME.search(name.removesuffix(_FILE)):
            continue
        value = _content(given) if name.endswith(_FILE) else given
        if "://" in value:
            found |= _inside(value)
        elif not value.startswith("/"):
            found |= {value, *re.findall(r"password\s*=\s*'?([^\s']+)", value)}
    return tuple(sorted((secret for secret in found if len(secret) >= _SHORTEST), key=len, reverse=True))


def _content(path: str) -> str:
    try:
        with Path(path).open(encoding="utf-8") as file:
            return file.read(_LARGEST_FILE).strip()
    except (OSError, UnicodeDecodeError):
        return ""  # who needs it says so


def _inside(url: str) -> set[str]:
    """The password of a URL as written and as meant; the long parts of a path or query, which may be keys."""
    try:
        parts = urlsplit(url)
        password = parts.password or ""
    except ValueError:
        return set()
    web = parts.scheme in ("http", "https")
    keys = re.findall(r"[\w.~-]{20,}", f"{parts.path} {parts.query}") if web else []
    return {password, unquote(password), *keys}


class Lines(logging.Formatter):
    """Writes a record as one line of JSON, or as text whose further lines cannot be taken for lines of their own."""

    def __init__(self, *, as_json: bool, hide: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._json, self._hide = as_json, hide

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        trouble = self.formatException(record.exc_info) if record.exc_info else ""
        more = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        if self._json:
            return self._as_json(record, at, trouble, more)
        name = request.get()
        text = "\n".join(part for part in (self._clean(record.getMessage()), self._clean(trouble)) if part)
        first, *rest = [harmless(line) for line in re.split(r"\r\n|\r|\n", text)] or [""]
        about = f"[{harmless(name)}] " if name else ""
        trace = f" trace={harmless(self._clean(str(more['trace'])))}" if more.get("trace") else ""
        lines = [f"{at} {record.levelname} {record.name}: {about}{first}{trace}", *(MORE + line for line in rest)]
        return "\n".join(lines)

    def _as_json(self, record: logging.LogRecord, at: str, trouble: str, more: dict[str, Any]) -> str:
        said: dict[str, Any] = {
            "time": at, "level": record.levelname, "action": more.pop("action", ""), "logger": record.name,
            "message": self._clean(record.getMessage()), "pid": record.process,
        }  # fmt: skip
        if name := request.get():
            said["request"] = name
        said |= {key: self._plain(value) for key, value in more.items() if key not in said}
        if trouble:
            said["error"] = self._clean(trouble)
        return _one_line(json.dumps(said, ensure_ascii=False))

    def _plain(self, value: object) -> object:
        return value if isinstance(value, bool | int | float) or value is None else self._clean(str(value))

    def _clean(self, text: str) -> str:
        for secret in self._hide:
            text = text.replace(secret, HIDDEN)
        for shape, written in _SHAPES:
            text = shape.sub(written, text)
        return text


def _one_line(text: str) -> str:
    r"""JSON with what is unsafe to show written as \uXXXX, which means the same."""
    return "".join(sign if harmless(sign) == sign else f"\\u{ord(sign):04x}" for sign in text) if _odd(text) else text


def _odd(text: str) -> bool:
    return harmless(text) != text
