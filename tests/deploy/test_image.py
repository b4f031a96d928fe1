"""The image: what its Dockerfile copies is the wheel and no more, and how it runs leaves little to attack."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from lifeline.deployment.layout import ACCOUNTS
from tests.servers.stage import ROOT

FILE = ROOT / "deploy" / "Dockerfile"
ROOMS = ("bench", "city", "dashboards", "detectors", "gateway", "ingest", "lifeline", "rules", "store")


def instructions() -> list[list[tuple[str, str]]]:
    """The Dockerfile's stages, each a list of (instruction, rest), lines put together and comments left out."""
    text = re.sub(r"(?m)^#.*\n", "", FILE.read_text()).replace("\\\n", " ")
    stages: list[list[tuple[str, str]]] = [[]]
    for line in text.splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            if word == "FROM":
                stages.append([])
            stages[-1].append((word, re.sub(r"\s+", " ", rest).strip()))
    return stages


def tracked() -> list[str]:
    """Files that belong to the project, as git knows them."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def copied() -> list[str]:
    """Files that the Dockerfile copies into the builder from a checkout, as far as .dockerignore lets them through."""
    let_in = [line[1:] for line in _ignoring() if line.startswith("!")]
    shut_out = [line for line in _ignoring() if not line.startswith("!")]
    assert shut_out[0] == "*"
    sources = [
        source
        for word, rest in instructions()[1]
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    sent = [name for name in tracked() if any(name == one or name.startswith(f"{one}/") for one in let_in)]
    sent = [name for name in sent if not any(fnmatch(f"/{name}", f"*/{one[3:]}*") for one in shut_out[1:])]
    return [name for name in sent if any(name == one or name.startswith(f"{one}/") for one in sources)]


def _ignoring() -> list[str]:
    lines = FILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def wheel_of(names: list[str], folder: Path, version: str = "standard") -> dict[str, int]:
    """The files of a wheel built from a tree of only these files, with their checksums."""
    for name in names:
        target = folder / "tree" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    command = [sys.executable, "-m", "hatchling", "build", "--target", f"wheel:{version}", "--directory",
               str(folder / "dist")]  # fmt: skip
    done = subprocess.run(command, cwd=folder / "tree", capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr
    (built,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as wheel:
        return {one.filename: one.CRC for one in wheel.infolist() if ".dist-info/" not in one.filename}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """The wheel as the Dockerfile's builder makes it."""
    return wheel_of(copied(), tmp_path_factory.mktemp("image"))


def test_hadolint_finds_nothing() -> None:
    tool = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([tool, FILE], capture_output=True, text=True, check=False)  # noqa: S603 - our own file
    assert (done.returncode, done.stdout) == (0, "")


def test_the_images_files_are_the_wheels(image: dict[str, int], tmp_path: Path) -> None:
    assert image == wheel_of(tracked(), tmp_path)


def test_the_wheel_holds_every_file_of_every_room(image: dict[str, int]) -> None:
    rooms = [name for name in tracked() if name.partition("/")[0] in ROOMS]
    assert [name for name in rooms if name not in image] == []
    kinds = {Path(name).suffix for name in rooms}
    assert {".py", ".sql", ".html", ".css", ".toml", ".yaml", ".json"} <= kinds  # none of them went unnoticed
    files = [name for name in tracked() if name.startswith("deploy/")]
    assert {f"lifeline/deployment/files/{name.removeprefix('deploy/')}" for name in files} <= set(image)
    assert not any(name.startswith("tests/") for name in image)


def test_an_installation_that_follows_a_clone_leaves_no_folder_before_its_packages(tmp_path: Path) -> None:
    """A folder `lifeline` in site-packages is found before the clone's package, and has no code."""
    assert {Path(name).parent for name in wheel_of(tracked(), tmp_path, "editable")} == {Path()}


def test_only_locked_wheels_with_hashes_are_installed() -> None:
    installs = [
        part for stage in instructions() for _, rest in stage for part in rest.split("&&") if " install " in part
    ]
    pips = [part for part in installs if "pip" in part.split("install")[0]]
    assert len(pips) == 3
    for part in pips:
        assert "--require-hashes --only-binary :all:" in part or "--no-deps --no-index" in part, part


def test_the_final_stage_runs_as_nobody_in_particular_and_can_build_nothing() -> None:
    *_, final = instructions()
    said = dict(final)
    account = ACCOUNTS["lifeline"]
    assert said["USER"] == f"{account}:{account}"
    assert said["ENTRYPOINT"] == '["lifeline"]'
    assert 'CMD ["lifeline", "alive"]' in said["HEALTHCHECK"]
    assert [rest for word, rest in final if word == "COPY"] == ["--from=build /opt/lifeline /opt/lifeline"]
    run = " ".join(rest for word, rest in final if word == "RUN")
    assert not re.search(r"\b(gcc|build-essential|python3-dev|git|curl|wget|make)\b", run)
    assert re.search(r"pip uninstall --yes .*pip\b", run)
    build = " ".join(rest for word, rest in instructions()[1] if word == "RUN")
    assert re.search(r"uninstall --yes .*\bhatchling\b", build)
    for variable, place in _written(said["ENV"]):
        assert place.startswith(("/tmp", "/var/lib/lifeline", "/var/cache/lifeline")), variable  # noqa: S108 - in the image


def _written(variables: str) -> Iterator[tuple[str, str]]:
    pairs = dict(pair.split("=", 1) for pair in variables.split())
    for name in ("HOME", "LIFELINE_DATA", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        yield name, pairs[name]


def test_the_engine_compiles_into_the_folder_it_is_given(tmp_path: Path) -> None:
    code = "from numba import njit\n@njit(cache=True)\ndef twice(x):\n    return 2 * x\n"
    module = tmp_path / "module"
    module.mkdir()
    (module / "doubled.py").write_text(code)
    environment = {
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": str(module),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", "import doubled; assert doubled.twice(2) == 4"]
    subprocess.run(command, env=environment, check=True)  # noqa: S603 - our own words
    assert list((tmp_path / "cache").rglob("*.nbi"))
    assert [path.name for path in module.iterdir()] == ["doubled.py"]
