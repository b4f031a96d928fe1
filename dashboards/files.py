"""Dashboards as files: plain JSON, and a folder that Grafana provisions itself from (no token, works offline)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ruamel.yaml import YAML

from city.errors import InputError
from city.words import say
from dashboards import watchdog
from dashboards.builder import FOLDER_UID, POSTGRES, SOURCE_UID, Json
from dashboards.pages import all_dashboards, pages
from dashboards.palette import Theme
from store.connection import connect

PROVISIONED_AT = "/etc/grafana/provisioning/dashboards/lifeline"
DEFAULT_CONSOLE = "http://127.0.0.1:8080"
TIMESCALEDB = "EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"
_TIER = f"""\
SELECT {TIMESCALEDB},
       EXISTS (SELECT FROM pg_namespace WHERE nspname = 'lifeline' AND has_schema_privilege(oid, 'USAGE')),
       current_user"""  # noqa: S608 - a constant of this file


@dataclass(frozen=True, slots=True)
class DataSource:
    """How Grafana reaches the database. The password is never part of it: Grafana takes it from its environment.

    Parameters
    ----------
    host
        `host:port` as Grafana sees it.
    database, user
        Name of the database and of a role that may read schema `city`.
    sslmode
        `disable`, `require`, `verify-ca` or `verify-full`.
    timescaledb
        Whether the server has TimescaleDB.
    root_certificate
        File, as Grafana sees it, of the authority that signed the server's certificate; empty: the system's.
    """

    host: str = "127.0.0.1:5432"
    database: str = "lifeline"
    user: str = "grafana"
    sslmode: str = "require"
    timescaledb: bool = False
    root_certificate: str = ""

    @classmethod
    def of(cls, dsn: str, *, timescaledb: bool = False) -> DataSource:
        """The data source behind `postgresql://user@host:port/name?sslmode=…` (InputError when it is not one)."""
        parts = urlsplit(dsn)
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
            raise InputError("not a database address, try postgresql://grafana@db.example.org:5432/lifeline")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        loopback = parts.hostname in ("127.0.0.1", "localhost", "::1")
        return cls(
            host=f"{host}:{parts.port or 5432}",
            database=unquote(parts.path.lstrip("/")) or "lifeline",
            user=unquote(parts.username or "grafana"),
            sslmode=parse_qs(parts.query).get("sslmode", ["disable" if loopback else "require"])[0],
            timescaledb=timescaledb,
        )

    def json(self) -> Json:
        """The data source as Grafana's API and its provisioning files spell it, without the password."""
        return {
            "name": "Lifeline",
            "uid": SOURCE_UID,
            "type": POSTGRES,
            "access": "proxy",
            "url": self.host,
            "user": self.user,
            "jsonData": {
                "database": self.database,
                "sslmode": self.sslmode,
                "timescaledb": self.timescaledb,
                "postgresVersion": 1500,
                "timeInterval": "10s",
                "maxOpenConns": 5,
                "maxIdleConns": 2,
                "connMaxLifetime": 14400,
                **self._trusted(),
            },
        }

    def _trusted(self) -> Json:
        files = {"tlsConfigurationMethod": "file-path", "sslRootCertFile": self.root_certificate}
        return files if self.root_certificate else {}


def tier_of(dsn: str) -> bool:
    """Whether the database there has TimescaleDB.

    Raises
    ------
    InputError
        The address is none, or its role may see more than schema `city`: a dashboard's must not.
    OutsideError
        Nobody answers there, or refuses.
    """
    with connect(dsn) as connection:
        row = connection.execute(_TIER).fetchone()
    timescaledb, sees_more, user = row or (False, False, "")
    if sees_more:
        raise InputError(
            f"role {user} may see more than the public views; whoever edits a dashboard could read it all, "
            "try the address that lifeline store grant grafana --read prints"
        )
    return bool(timescaledb)


def build(
    language: str = "en", console_url: str = DEFAULT_CONSOLE, tiles: str = "", theme: Theme = "dark"
) -> dict[str, Json]:
    """Every dashboard in one language, by uid; the same arguments always give the same result."""
    return {board.uid: board.json() for board in pages(language, console_url, tiles, theme)}


def text(board: Json) -> str:
    """A dashboard's JSON as it stands in files."""
    return json.dumps(board, ensure_ascii=False, indent=2) + "\n"


def write(folder: Path, console_url: str = DEFAULT_CONSOLE, tiles: str = "", theme: Theme = "dark") -> list[Path]:
    """Write every dashboard in every language as `{uid}.json` into `folder`; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for uid, board in all_dashboards(console_url, tiles, theme).items():
        path = folder / f"{uid}.json"
        path.write_text(text(board), encoding="utf-8")
        written.append(path)
    return written


def export(
    folder: Path,
    console_url: str = DEFAULT_CONSOLE,
    tiles: str = "",
    source: DataSource | None = None,
    provisioned_at: str = PROVISIONED_AT,
    theme: Theme = "dark",
    password: str = "$LIFELINE_GRAFANA_PASSWORD",  # noqa: S107 - where Grafana finds it
) -> list[Path]:
    """Write what belongs into Grafana's provisioning folder; returns the files.

    ::

        datasources/lifeline.yaml     the database; its password is $LIFELINE_GRAFANA_PASSWORD of Grafana's environment
        dashboards/lifeline.yaml      says that the dashboards lie in `provisioned_at`
        dashboards/lifeline/*.json    the dashboards
        alerting/lifeline.yaml        the watchdog rules; whom they tell is left to the operator
    """
    source_text = _yaml(
        {
            "apiVersion": 1,
            "datasources": [(source or DataSource()).json() | {"secureJsonData": {"password": password}}],
        }
    )
    provider = {
        "name": "lifeline",
        "type": "file",
        "folder": say("dashboard.folder", "en"),
        "folderUid": FOLDER_UID,
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": provisioned_at},
    }
    files = {
        folder / "datasources" / "lifeline.yaml": source_text,
        folder / "dashboards" / "lifeline.yaml": _yaml({"apiVersion": 1, "providers": [provider]}),
        folder / "alerting" / "lifeline.yaml": _yaml(watchdog.provisioned()),
    }
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return [*files, *write(folder / "dashboards" / "lifeline", console_url, tiles, theme)]


def _yaml(data: dict[str, Any]) -> str:
    yaml = YAML(typ="rt")
    yaml.default_flow_style = False
    out = StringIO()
    yaml.dump(data, out)
    return out.getvalue()
