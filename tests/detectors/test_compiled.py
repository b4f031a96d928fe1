"""Where the compiled engine is kept: read-only installations, no place at all, damaged files, two processes at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import detectors

pytest.importorskip("numba")

# A small function of the engine, compiled as all of it is; says its value and whether it was read back from disk.
PROGRAM = """
import numpy as np
from detectors.early import layout
from detectors.early.compiled import compiled
from detectors.early.transforms import transformed
p = np.zeros(layout.NATURE_WIDTH)
p[layout.TRANSFORM], p[layout.OFFSET] = 2, 2.0
made = compiled(transformed, "f8(f8, f8[::1])")
print(made(3.0, p) == transformed(3.0, p), sum(made.stats.cache_hits.values()))
"""


class _Installation:
    """A copy of the engine whose own folder cannot take files, whoever runs it."""

    def __init__(self, root: Path) -> None:
        shutil.copytree(Path(detectors.__path__[0]), root / "detectors", ignore=shutil.ignore_patterns("__pycache__"))
        for folder in (root / "detectors", root / "detectors" / "early"):
            (folder / "__pycache__").touch()  # a file where the folder would be
        self.root, self.user = root, root / "user"

    def start(self, **environment: str) -> subprocess.Popen[str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "LIFELINE", "COV"))}
        told = inherited | {"PYTHONPATH": str(self.root), "XDG_CACHE_HOME": str(self.user)} | environment
        return subprocess.Popen(  # noqa: S603 - our own interpreter and program
            [sys.executable, "-c", PROGRAM], env=told, cwd=self.root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, **environment: str) -> tuple[str, str]:
        return _said(self.start(**environment))


def _said(process: subprocess.Popen[str]) -> tuple[str, str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip(), err


@pytest.fixture
def installation(tmp_path: Path) -> _Installation:
    return _Installation(tmp_path)


def test_a_read_only_installation_keeps_it_in_the_users_cache(installation: _Installation) -> None:
    assert installation.run() == ("True 0", "")
    assert list(installation.user.rglob("*.nbc"))
    assert installation.run() == ("True 1", "")


def test_without_any_place_or_with_a_damaged_file_it_is_compiled_anew_and_said_so(installation: _Installation) -> None:
    installation.user.touch()
    out, err = installation.run()
    assert out == "True 0"
    assert "engine_not_kept" in err
    kept = installation.root / "kept"
    assert installation.run(NUMBA_CACHE_DIR=str(kept)) == ("True 0", "")
    for file in kept.rglob("*.nbc"):
        file.write_bytes(file.read_bytes()[:100])
    out, err = installation.run(NUMBA_CACHE_DIR=str(kept))
    assert out == "True 0"
    assert "engine_not_kept" in err


def test_two_processes_may_compile_at_once(installation: _Installation) -> None:
    both = [installation.start(NUMBA_CACHE_DIR=str(installation.root / "kept")) for _ in range(2)]
    assert {_said(one)[0] for one in both} <= {"True 0", "True 1"}
    assert installation.run(NUMBA_CACHE_DIR=str(installation.root / "kept")) == ("True 1", "")
