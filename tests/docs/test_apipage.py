"""The page about the API is true: its routes are those there are, and its examples work."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from city.clock import SystemClock
from lifeline.http.app import AppSettings
from lifeline.http.gate import new_token
from lifeline.http.problem import KINDS
from store import accounts
from store.accounts import Rights
from store.audit import Deed
from store.connection import connect
from tests.running import PATIENCE_S, serving

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
INCIDENT = """INSERT INTO lifeline.incidents (incident, site, district, level, peak_level, stage, opened_at, title,
              first_alarm, chain, chain_version, version)
              VALUES ('I-7', 's', 'd', 4, 4, 'raised', now(), '{}', 'A', 'c', 'v', 3)"""


@pytest.fixture
def served(database: str) -> Iterator[dict[str, str]]:
    """A server with one incident; what the examples need to know."""
    shown, public, secret = new_token()
    with connect(database, autocommit=True) as conn:
        conn.execute(INCIDENT)
        by, now = Deed("root", "", how="cli"), SystemClock().now()
        accounts.add_token(conn, public, "docs", secret, Rights("admin"), None, by, now)
    with serving(AppSettings(database, b"0123456789abcdef", SystemClock(), "http://localhost")) as address:
        yield {"LIFELINE": address, "KEY": shown, "INCIDENT": "I-7"}


def test_the_routes_are_those_there_are(served: dict[str, str]) -> None:
    key = {"Authorization": f"Bearer {served['KEY']}"}
    paths = httpx.get(f"{served['LIFELINE']}/api/v1/openapi.json", headers=key, timeout=60).json()["paths"]
    there = {f"{method.upper()} {path.removeprefix('/api/v1')}" for path, found in paths.items() for method in found}
    named = re.findall(r"^\| `((?:GET|POST|PATCH|DELETE) [^`]+)`", TEXT, re.MULTILINE)
    assert sorted(named) == sorted(there)


def test_every_problem_is_named() -> None:
    for name, _, advice in KINDS.values():
        assert f"`{name}`" in TEXT, name
        assert advice


def test_the_examples_work(served: dict[str, str], tmp_path: Path) -> None:
    said = []
    for example in EXAMPLES:
        done = subprocess.run(  # noqa: S603 - the page's own lines
            ["/bin/sh", "-ec", example], env={"PATH": "/usr/bin:/bin", **served}, cwd=tmp_path,
            capture_output=True, text=True, check=True, timeout=PATIENCE_S,
        )  # fmt: skip
        said.append(done.stdout)
    assert '"name":"docs"' in said[0]
    assert '"incident":"I-7"' in said[1]
    assert 'etag: "v3"' in said[2]
    assert '"state":"waiting"' in said[2], "no engine runs here"
    assert '"status":412' in said[3]
