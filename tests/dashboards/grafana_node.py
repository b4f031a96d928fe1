"""Grafana's own library `@grafana/data` in Node, where bin/test has put it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

_TOOLS = Path(os.environ.get("LIFELINE_TEST_GRAFANA", Path(__file__).resolve().parents[2] / ".tools" / "grafana"))
_LIBRARY = _TOOLS / "node_modules" / "@grafana" / "data"
MISSING = (
    "" if _LIBRARY.is_dir() and shutil.which("node") else f"NOT TESTED: @grafana/data is not in {_TOOLS} (bin/test)"
)
_LONGEST_S = 60.0


def check(**given: object) -> dict[str, Any]:
    """What `node/check.cjs` finds."""
    script = Path(__file__).with_name("node") / "check.cjs"
    done = subprocess.run(  # noqa: S603 - our own program and arguments
        ["node", str(script), str(_TOOLS)],  # noqa: S607 - whichever node is first on the path
        input=json.dumps(given), capture_output=True, text=True, timeout=_LONGEST_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
