"""Fences around bare root packages, imports between rooms, and what must not stand in the tree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.docs.fenced import ROOT, fenced

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
ROOMS = [name for name in WHEEL["only-include"] if name not in WHEEL["sources"]]  # the rest is no package
# Spelled apart, so that this file does not find itself. Package indexes' hosts, and addresses of one machine.
INDEXES = (r"\bpy" r"pi\.org", r"python" r"hosted\.org", r"registry\.npm" r"js", r"proxy\.gol" r"ang")
FOREIGN = re.compile("|".join((*INDEXES, r"/wo" r"rk/")))


@pytest.mark.parametrize("room", ROOMS)
def test_no_other_distribution_owns_a_room(room: str) -> None:
    assert set(packages_distributions().get(room, [])) <= {"urban-lifeline"}
    spec = find_spec(room)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).resolve().is_relative_to(ROOT)


def test_the_project_cannot_be_uploaded_by_mistake() -> None:
    assert "Private :: Do Not Upload" in PROJECT["project"]["classifiers"]
    assert PROJECT["tool"]["hatch"]["build"]["dev-mode-exact"] is True


def test_every_room_is_packaged_checked_and_fenced() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(ROOMS) == set(PROJECT["tool"]["importlinter"]["root_packages"])
    assert packages | {"tests"} == set(PROJECT["tool"]["mypy"]["packages"])


def test_arrows_between_rooms_point_down() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - our own tool
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_the_drawing_in_the_readme_has_each_room_above_those_it_may_import() -> None:
    [drawing] = fenced("README.md", "text")
    row = {name: at for at, line in enumerate(drawing.text.splitlines()) for name in re.findall("[a-z]+", line)}
    assert set(row) == set(ROOMS) - {"bench"}
    for layers in [one["layers"] for one in PROJECT["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]:
        rows = [row[room] for room in layers if room in row]
        assert rows == sorted(set(rows)), layers


def test_nothing_in_the_tree_names_an_index_or_one_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)  # noqa: S607 - git
    if listed.returncode:
        pytest.skip("not a git checkout: cannot tell the project's files from others")
    found = []
    for name in listed.stdout.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and path.suffix not in (".png", ".gz", ".parquet"):
            text = path.read_text(encoding="utf-8", errors="replace")
            found += [f"{name}: {match[0]}" for match in FOREIGN.finditer(text)]
    assert found == []


def test_modules_stay_small_enough_to_hold() -> None:
    sizes = {
        path: len(path.read_text(encoding="utf-8").splitlines())
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
    }
    assert {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size >= 400} == {}
