"""deploy/README.md tells commands that are there, for services that are there, and they do what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lifeline.cli import run_command
from tests.servers.stage import ROOT, compose

TEXT = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
DOCKER = TEXT[TEXT.index("## With Docker") : TEXT.index("## Without Docker")]
LINES = [line for block in re.findall(r"```sh\n(.*?)```", DOCKER, re.DOTALL) for line in block.splitlines() if line]


def test_lifelines_own_commands_do_what_is_told(city_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "media/safe").mkdir(parents=True)
    folder = tmp_path / "srv/lifeline"
    for line in (line for line in LINES if line.startswith("lifeline ")):
        here = line.replace("/srv/city", str(city_folder)).replace("/srv/", f"{tmp_path}/srv/")
        if "--authority" in line:
            (folder / "authority/ca.key").rename(tmp_path / "media/safe/ca.key")
        assert run_command(shlex.split(here.replace("/media/", f"{tmp_path}/media/"))[1:]) == 0, line
    written = {f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir()}
    told = set(re.findall(r"^\| `([\w./]+)`", DOCKER, re.MULTILINE))
    assert {name.replace("authority/ca.key", "authority/") for name in told} == written - {"database/"}
    assert (folder / "gateways/gw-hill.env").is_file()


def test_dockers_commands_name_services_and_commands_that_are_there(deployment: Path) -> None:
    services = set(compose(deployment)["services"])
    for line in (line for line in LINES if line.startswith("docker compose")):
        words = shlex.split(line)[2:]
        if words[0] == "kill":
            assert set(words[3:]) <= services, line
        if words[0] == "run":
            at = words.index("tools")
            assert run_command([*[word for word in words[at + 1 :] if word[0] not in "-/"], "--help"]) == 0, line


@pytest.mark.parametrize("name", ["DATABASE_MEMORY", "DATABASE_BUFFERS", "DATABASE_CACHE", "BROKER_MEMORY"])
def test_sizes_are_those_of_the_compose_file(name: str) -> None:
    said = re.search(rf"\$\{{LIFELINE_{name}:-(\w+)\}}", (ROOT / "deploy" / "compose.yaml").read_text())
    assert said is not None
    assert f"`LIFELINE_{name}`" in DOCKER
    assert said[1] in DOCKER
