"""compose.yaml: valid, closed to what need not be open, and complete: what it names, `lifeline deploy init` wrote."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from lifeline.cli import run_command
from lifeline.deployment.layout import ACCOUNTS, LOGINS
from lifeline.deployment.plan import read_env
from lifeline.roles import CORE
from lifeline.settings import KEYS
from tests.servers.stage import ROOT, compose, interpolated

FILE = ROOT / "deploy" / "compose.yaml"
RUNS = {"database": "database", "broker": "broker", "grafana": "grafana"}  # the others run as Lifeline's account
OF_LIFELINE = (*CORE, "migrate", "tools")


@pytest.fixture(scope="module")
def said(deployment: Path) -> Mapping[str, Any]:
    return compose(deployment)


@pytest.fixture(scope="module")
def services(said: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = said["services"]
    assert set(found) == {*OF_LIFELINE, *RUNS}
    return found


def test_it_is_a_compose_file(deployment: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own file
    assert done.returncode == 0, done.stdout
    assert (deployment / "compose.yaml").read_text() == FILE.read_text()


def test_every_service_is_held_to_little(services: Mapping[str, Mapping[str, Any]]) -> None:
    for name, service in services.items():
        account = ACCOUNTS[RUNS.get(name, "lifeline")]
        assert service["user"] == f"{account}:{account}", name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert {"mem_limit", "cpus", "pids_limit", "logging"} <= set(service), name
        assert service["memswap_limit"] == service["mem_limit"], f"{name} would swap"
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices", "extra_hosts"} & set(service), (
            name
        )
        once = name in ("migrate", "tools")
        assert ("test" in service["healthcheck"]) is not once, name
        assert service["restart"] == ("no" if once else "unless-stopped"), name


def test_what_is_kept_lies_in_volumes_and_the_rest_in_memory(services: Mapping[str, Mapping[str, Any]]) -> None:
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source, _, *how = volume.split(":")
            assert how == ["ro"] or source in ("database", "broker", "grafana", "compiled"), f"{name}: {volume}"
        for memory in service["tmpfs"]:
            assert re.match(r"/[\w/]+:size=\d+m,", memory), f"{name}: {memory} has no bound"


def test_images_are_pinned(services: Mapping[str, Mapping[str, Any]]) -> None:
    images = {name: service["image"] for name, service in services.items()}
    minor = re.fullmatch(r"timescale/timescaledb-ha:pg17\.(\d+)-ts\d+\.\d+\.\d+", images["database"])
    assert minor is not None
    assert minor[1] != "12"  # its TimescaleDB jobs fail
    for name in ("broker", "grafana"):
        assert re.fullmatch(r"[\w/-]+:\d+\.\d+\.\d+", images[name])
    assert len({images[name] for name in OF_LIFELINE}) == 1
    assert all(services[name]["pull_policy"] == "never" for name in OF_LIFELINE)


def test_services_reach_only_what_they_must(said: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]) -> None:
    networks = {name: set(service["networks"]) for name, service in services.items()}
    reach = {frozenset(pair) for pair in combinations(services, 2) if networks[pair[0]] & networks[pair[1]]}
    needed = {frozenset(("database", name)) for name in (*OF_LIFELINE, "grafana")}
    needed |= {frozenset(("broker", name)) for name in ("recorder", "tools")}
    among = {frozenset(pair) for pair in combinations(OF_LIFELINE, 2)}  # one network leads them all to the database
    assert reach - among == needed
    outward = {name for name, network in said["networks"].items() if not network.get("internal")}
    open_ = {name: networks[name] & outward for name in services if networks[name] & outward}
    assert open_ == {"broker": {"gateways"}, "api": {"people"}, "grafana": {"wall"}, "notifier": {"outside"}}


def test_ports_are_this_machines_alone_until_somebody_says_otherwise(
    services: Mapping[str, Mapping[str, Any]], city_folder: Path, tmp_path: Path
) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    usual = {"broker": ["127.0.0.1:8883:8883"], "api": ["127.0.0.1:8080:8080"], "grafana": ["127.0.0.1:3000:3000"]}
    assert ports == usual
    arguments = ["deploy", "init", str(tmp_path / "wide"), "--city", str(city_folder), "--host", "10.0.0.5"]
    assert run_command([*arguments, "--mqtt-listen", "10.0.0.5:18883"]) == 0
    wide = compose(tmp_path / "wide")["services"]
    assert {name: wide[name]["ports"] for name in usual} == usual | {"broker": ["10.0.0.5:18883:8883"]}
    letter = read_env(tmp_path / "wide/gateways/gw-river-gas.env")
    assert letter["LIFELINE_BROKER"].endswith("@10.0.0.5:18883")


def test_each_service_holds_only_its_own_secrets(services: Mapping[str, Mapping[str, Any]]) -> None:
    held = {name: {_name(one) for one in service.get("secrets", ())} for name, service in services.items()}
    assert held == {
        "database": {"database_admin_password", "database_owner_password"},
        "broker": {"broker_health"},
        "migrate": {
            *(f"{role}_database_url" for role in (*LOGINS, "owner", "wall")), "console_admin_password",
        },
        "recorder": {"recorder_database_url", "recorder_mqtt_url"},
        "watcher": {"watcher_database_url"},
        "notifier": {"notifier_database_url", "links"},
        "api": {"api_database_url", "links"},
        "keeper": {"owner_database_url"},
        "tools": {"owner_database_url", "tools_mqtt_url"},
        "grafana": {"grafana_admin_password", "grafana_secret_key", "grafana_database_password"},
    }  # fmt: skip


def test_whatever_it_names_was_written_and_nothing_else(
    deployment: Path, said: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]
) -> None:
    named = {secret["file"] for secret in said["secrets"].values()}
    assert {path.name for path in (deployment / "secrets").iterdir()} == set(said["secrets"])
    assert {_name(one) for service in services.values() for one in service.get("secrets", ())} == set(said["secrets"])
    for service in services.values():
        named |= {volume.split(":")[0] for volume in service.get("volumes", ()) if volume.startswith((".", "/"))}
        named |= set(service.get("env_file", ()))
    for name in named:
        assert (deployment / name).exists(), name
    kept = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    assert {name for name in kept if not name.startswith((".", "/"))} == set(said["volumes"])
    assert {name for service in services.values() for name in service["networks"]} == set(said["networks"])


def test_its_variables_are_those_that_env_gives_and_lifeline_reads(
    deployment: Path, services: Mapping[str, Mapping[str, Any]]
) -> None:
    given = read_env(deployment / ".env")
    needed = set(re.findall(r"\$\{(\w+):\?", FILE.read_text()))
    assert needed <= {name for name, value in given.items() if value}
    settings = {f"LIFELINE_{key.upper()}{ending}" for key in KEYS for ending in ("", "_FILE")} | {"LIFELINE_ROLE"}
    for name in OF_LIFELINE:
        ours = {one for one in services[name]["environment"] if one.startswith("LIFELINE_")}
        assert ours <= settings, name


def test_its_commands_are_commands(
    services: Mapping[str, Mapping[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in OF_LIFELINE:
        words = [word for word in services[name]["command"] if not word.startswith("-")]
        words = [word for word in words if word not in CORE and not word.startswith("/")]
        assert run_command([*words, "--help"]) == 0, name
        flags = [word for word in services[name]["command"] if word.startswith("--")]
        assert all(flag in capsys.readouterr().out for flag in flags), name
    for name in CORE:
        service = services[name]
        assert service["command"] == ["run", "--role", name]
        assert service["environment"]["LIFELINE_ROLE"] == name
        assert service["healthcheck"]["test"] == ["CMD", "lifeline", "alive"]


def test_grafana_finds_its_files_and_the_database_with_nothing_secret_in_them(
    deployment: Path, services: Mapping[str, Mapping[str, Any]]
) -> None:
    provisioning = deployment / "grafana/provisioning"
    source = (provisioning / "datasources/lifeline.yaml").read_text()
    for told in (
        "url: database:5432", "user: grafana", "sslmode: verify-full", "tlsConfigurationMethod: file-path",
        "sslRootCertFile: /etc/lifeline/tls/ca.crt", "timescaledb: true",
        "$__file{/run/secrets/grafana_database_password}",
    ):  # fmt: skip
        assert told in source
    targets = {volume.split(":")[1] for volume in services["grafana"]["volumes"]}
    assert {"/etc/grafana/provisioning", "/etc/lifeline/tls/ca.crt"} <= targets
    pages = list((provisioning / "dashboards/lifeline").glob("*.json"))
    assert len(pages) > 10
    assert all(json.loads(page.read_text())["uid"].startswith("lifeline") for page in pages)
    for name, value in services["grafana"]["environment"].items():
        assert not ("PASSWORD" in name or "SECRET" in name) or value.startswith("/run/secrets/"), name


def test_what_is_missing_is_said_before_anything_starts() -> None:
    assert interpolated("${A:-x} ${B-y} $${C} ${A-z}", {"A": "", "B": ""}) == "x  ${C} "
    with pytest.raises(AssertionError, match="LIFELINE_IMAGE is needed"):
        interpolated("${LIFELINE_IMAGE:?}", {"LIFELINE_IMAGE": ""})


def _name(secret: str | Mapping[str, str]) -> str:
    return secret if isinstance(secret, str) else secret["source"]
