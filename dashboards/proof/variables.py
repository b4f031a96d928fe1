"""What the browser does: variables in SQL, titles and links are replaced by what is chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

Values = Mapping[str, str | Sequence[str]]  # a string where one may be chosen, a sequence where several may

ALL = "$__all"  # how a link or a stored choice says "all of them"
VARIABLE = re.compile(r"\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}")
_REGEX_MARKS = re.compile(r"[-/\\^$*+?.()|\[\]{}]")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ProofError(Exception):
    """Grafana would show an error instead of the panel, or something else than was meant."""


def interpolate(text: str, values: Values) -> str:
    """The text with every known variable replaced as the browser does it; unknown ones stay as they are.

    `$name` and `${name}` join several values as `{a,b}`, which is the rule everywhere but in SQL.
    """

    def replace(match: re.Match[str]) -> str:
        name, path, spelled = match[1] or match[2] or match[4], match[5], match[3] or match[6] or "glob"
        if name not in values or path:
            return match[0]
        return formatted(name, values[name], spelled)

    return VARIABLE.sub(replace, text)


def formatted(name: str, value: str | Sequence[str], spelled: str) -> str:
    """What `${name:spelled}` becomes (ProofError for a format Grafana does not have)."""
    several = [value] if isinstance(value, str) else list(value)
    match spelled.partition(":")[0]:
        case "csv" | "raw":
            return ",".join(several)
        case "text":
            return " + ".join(several)
        case "pipe":
            return "|".join(several)
        case "glob":
            return several[0] if len(several) == 1 else "{" + ",".join(several) + "}"
        case "regex":
            escaped = [_REGEX_MARKS.sub(r"\\\g<0>", one) for one in several]
            return escaped[0] if len(escaped) == 1 else "(" + "|".join(escaped) + ")"
        case "sqlstring":
            return ",".join("'" + one.replace("'", "''") + "'" for one in several)
        case "singlequote":
            return ",".join("'" + one.replace("'", r"\'") + "'" for one in several)
        case "doublequote":
            return ",".join('"' + one.replace('"', r"\"") + '"' for one in several)
        case "json":
            plain: str | list[str] = value if isinstance(value, str) else several
            return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        case "percentencode":
            return quote(interpolate("${x}", {"x": several}), safe="")
        case "queryparam":
            return "&".join(f"var-{quote(name, safe='')}={quote(one, safe='')}" for one in several)
        case "date":
            return _date(several[0], spelled)
    raise ProofError(f"${{{name}:{spelled}}}: Grafana knows no format {spelled!r}")


def _date(value: str, spelled: str) -> str:
    """A moment in ms since 1970 as ISO text, or as seconds."""
    at = _EPOCH + timedelta(milliseconds=int(value))
    match spelled.partition(":")[2]:
        case "" | "iso":
            return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"
        case "seconds":
            return str(int(value) // 1000)
    raise ProofError(f"{spelled}: write date, date:iso or date:seconds; other patterns are not proven here")
