"""The page of the public views: names and types from a migrated database, sentences from `store/viewlist.py`."""

from __future__ import annotations

from collections.abc import Mapping

from store.connection import connect
from store.viewlist import GROUPS, column_says
from tests.docs.reference.markdown import code, page, prose, table

INTRO = """\
The views of schema `city`: what dashboards, GIS and auditors read. Columns are added, never renamed or taken away
within a version. They speak ids and units as text; values are in the quantity's [canonical unit](codes.md#quantities).
What a log-in held to some districts sees is cut to these. `lifeline store grant` makes a log-in; see
[dashboards](../dashboards.md)."""
_COLUMNS = """SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
              FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
              WHERE c.relnamespace = 'city'::regnamespace AND a.attnum > 0 ORDER BY c.relname, a.attnum"""
_SHORT = {"timestamp with time zone": "time", "double precision": "number", "smallint": "whole number",
          "integer": "whole number", "bigint": "whole number", "numeric": "number", "boolean": "true or false",
          "text[]": "list of text", "jsonb": "JSON", "bytea": "bytes"}  # fmt: skip


def columns(dsn: str) -> dict[str, dict[str, str]]:
    """Every view's columns with their types, in their order."""
    found: dict[str, dict[str, str]] = {}
    with connect(dsn) as conn:
        for view, column, kind in conn.execute(_COLUMNS).fetchall():
            found.setdefault(view, {})[column] = kind
    return found


def views_page(there: Mapping[str, Mapping[str, str]]) -> str:
    """The page."""
    parts = [INTRO]
    for group, views in GROUPS.items():
        parts.append(f"## {group}")
        for view, says in views.items():
            rows = (
                (code(column), _SHORT.get(kind, kind), prose(column_says(view, column)))
                for column, kind in there.get(view, {}).items()
            )
            parts += [f"### city.{view}", prose(says), table(("column", "type", "meaning"), rows)]
    return page("Views", *parts)
