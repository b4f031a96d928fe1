"""The bill of materials: valid CycloneDX, complete, the same again, and silent about where packages come from."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from typer.testing import CliRunner

from city.errors import InputError
from lifeline.cli import app, run_command
from lifeline.deployment.sbom import read_lock

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"


def _bill(monkeypatch: pytest.MonkeyPatch, epoch: str | None = None) -> str:
    if epoch is None:
        monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    else:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    done = CliRunner().invoke(app, ["deploy", "sbom", str(LOCK)], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_it_is_valid_and_holds_every_package_of_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    text = _bill(monkeypatch)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    pinned = [line.split()[0] for line in LOCK.read_text().splitlines() if "==" in line and not line.startswith(" ")]
    assert sorted(f"{one['name']}=={one['version']}" for one in bill["components"]) == sorted(pinned)
    assert sum(len(one["hashes"]) for one in bill["components"]) == LOCK.read_text().count("--hash=sha256:")
    refs = {one["ref"] for one in bill["dependencies"]}
    needed = next(one["dependsOn"] for one in bill["dependencies"] if one["ref"].startswith("pkg:pypi/fastapi@"))
    assert {ref for ref in refs if ref.startswith("pkg:pypi/pydantic@")} <= set(needed)
    if _installed("urban-lifeline"):
        own = f"pkg:pypi/urban-lifeline@{metadata.version('urban-lifeline')}"
        assert bill["metadata"]["component"]["bom-ref"] == own
        assert len(next(one["dependsOn"] for one in bill["dependencies"] if one["ref"] == own)) > 20


def test_licences_are_named_where_the_package_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {one["name"]: one.get("licenses") for one in json.loads(_bill(monkeypatch))["components"]}
    assert found["fastapi"] == [{"expression": "MIT"}]
    here = [name for name in found if _installed(name)]
    named = [name for name in here if found[name]]
    assert len(named) >= 0.95 * len(here), sorted(set(here) - set(named))


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def test_it_is_the_same_again_and_dated_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    once = _bill(monkeypatch)
    assert _bill(monkeypatch) == once
    assert "timestamp" not in json.loads(once)["metadata"]
    dated = _bill(monkeypatch, "1782864000")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(dated) is None
    assert json.loads(dated)["metadata"]["timestamp"] == "2026-07-01T00:00:00Z"
    assert "http" not in once.replace("httpx", "").replace("httpcore", "").replace("httptools", "")


def test_a_lock_without_checksums_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "a.lock"
    lock.write_text("fastapi==1.0\nnumpy>=2 --hash=sha256:" + "0" * 64 + "\n")
    with pytest.raises(InputError) as told:
        read_lock(lock)
    assert str(told.value).count("not a version with its checksums") == 2
    assert run_command(["deploy", "sbom", str(tmp_path / "none")]) == 1
    assert "cannot be read" in capsys.readouterr().err
