"""SQL of a page from `dashboards/sql/<page>.sql`, in the reader's language.

In such a file `{t.name}` and `{a.title}` stand for that column in the reader's language, `{domains.d}` for the word of
`d.domain`, `{units.s}` for `s.unit` as people write it, `{words.gap}` for words of the page, and `{raised}` for the
statement of that name: a part that several questions share. How the rest is written, because Grafana rewrites it first:

- A variable always stands as `${name:sqlstring}` inside `ARRAY[…]::text[]`: right quoting on every version, and an
  empty choice is an empty array instead of a syntax error.
- A macro's arguments end at the first closing parenthesis, so none has a parenthesis inside.
- A `time_series` question has a column named `time`, in ascending order.
- Age is measured by `city.now()`, for a city may live on a faster clock; no column is an `interval`.
- Whatever is counted is counted without exercises.
"""

from __future__ import annotations

import re

from city.words import say
from dashboards.queries.common import in_words, unit
from store.statements import statements

_PLACE = re.compile(r"(?<!\$)\{(\w+)(?:\.(\w+))?\}")


def asked(page: str, name: str, language: str) -> str:
    """The question `name` of a page in one language (KeyError when there is none)."""
    written = statements(page, package="dashboards")

    def fill(match: re.Match[str]) -> str:
        table, column = match[1], match[2]
        if column is None:
            return _PLACE.sub(fill, written[table])
        if table == "domains":
            return in_words(f"{column}.domain", "domains", language)
        if table == "units":
            return unit(column, language)
        if table == "words":
            return "'" + say(f"board_{page}.{column}", language).replace("'", "''") + "'"
        return f"coalesce({table}.{column}_zh, {table}.{column})" if language == "zh" else f"{table}.{column}"

    return _PLACE.sub(fill, written[name])
