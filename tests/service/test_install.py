"""The install commands, in a root folder of their own: what lands where, who may read it, and that it is enough."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from psycopg import conninfo

from city.clock import SystemClock
from city.errors import OutsideError
from city.tls import TlsFiles
from lifeline.deployment import create
from lifeline.deployment.plan import Plan, read_env
from lifeline.mqttprobe import probe
from store.connection import connect
from tests.running import eventually, free_port, listens
from tests.service.conftest import CITY
from tests.service.units import FOLDER, ROLES, Unit, units

README = (FOLDER / "README.md").read_text()
UPGRADE = (FOLDER.parent / "upgrade.md").read_text()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder into which a deployment was installed, twice."""
    place = tmp_path_factory.mktemp("install")
    for name, text in CITY.files().items():
        (place / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "city" / name).write_text(text)
    create.create(place / "deployment", Plan(place / "city"), datetime(2026, 7, 1, tzinfo=UTC))
    root = place / "root"
    (root / "etc").mkdir(parents=True)
    for _ in range(2):
        words = [FOLDER / "install.sh", place / "deployment", root]
        done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - what ships
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return root


def test_everything_a_unit_asks_for_is_there_and_secrets_are_closed(installed: Path) -> None:
    system = installed / "etc" / "systemd" / "system"
    for unit in units().values():
        for source in unit.credentials().values():
            file = installed / source.lstrip("/")
            assert file.stat().st_size > 0, source
            assert file.stat().st_mode & 0o777 == 0o600, source
        for file in unit.files:
            assert (system / file.relative_to(FOLDER)).read_text() == file.read_text()
    assert (installed / "etc" / "lifeline" / "secrets").stat().st_mode & 0o777 == 0o700
    assert (installed / "var" / "lib" / "lifeline" / "secret").stat().st_mode & 0o777 == 0o600
    assert (installed / "etc" / "hosts").read_text().count("# Lifeline") == 1
    broker = (FOLDER / "mosquitto.conf").read_text()
    for place in re.findall(r"/etc/mosquitto/lifeline/\S+", broker):
        assert (installed / place.lstrip("/")).stat().st_mode & 0o777 == 0o600
    for place in re.findall(r"/etc/postgresql/lifeline/[\w.]+", (FOLDER / "postgresql.conf").read_text()):
        assert (installed / place.lstrip("/")).exists()


def test_what_people_edited_stays(installed: Path) -> None:
    edited = installed / "etc" / "lifeline" / "lifeline.env"
    edited.write_text(edited.read_text() + "LIFELINE_LOG_LEVEL=DEBUG\n")
    words = [FOLDER / "install.sh", installed.parent / "deployment", installed]
    subprocess.run(words, check=True)  # noqa: S603 - what ships
    assert edited.read_text().endswith("LIFELINE_LOG_LEVEL=DEBUG\n")
    done = subprocess.run([FOLDER / "install.sh", installed], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 1
    assert "no deployment in" in done.stderr


def test_the_account_is_one_that_systemd_can_make(installed: Path) -> None:
    program = shutil.which("systemd-sysusers")
    if program is None:
        pytest.skip("NOT CHECKED by systemd itself: no systemd-sysusers on this machine")
    words = [program, f"--root={installed}", "--dry-run", "lifeline.conf"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - systemd's
    assert "lifeline" in done.stdout + done.stderr


def test_the_database_is_made_and_an_administrator_s_command_reaches_it(
    installed: Path, database_settings: str, tmp_path: Path
) -> None:
    """By the scripts that ship, with Debian's psql; a second run changes nothing."""
    etc = installed / "etc" / "lifeline"
    given = conninfo.conninfo_to_dict(database_settings)
    programs = next(Path(os.environ.get("LIFELINE_TEST_TOOLS", FOLDER.parents[1] / ".tools")).glob("timescale-*"), None)
    psql = shutil.which("psql") or next(
        iter(programs.glob("usr/lib/postgresql/*/bin/psql")) if programs else iter(()), None
    )
    if psql is None:
        pytest.skip("NOT TESTED with psql: there is none on this machine")
    told = {"PGHOST": "localhost", "PGPORT": str(given["port"]), "PGUSER": str(given["user"]), "PGDATABASE": "postgres"}
    told |= {"PGPASSWORD": str(given["password"]), "LIFELINE_PSQL": str(psql), "LIFELINE_ETC": str(etc)}
    told |= {"LIFELINE_OWNER": "city_owner", "PATH": os.environ["PATH"], "PGSSLMODE": "require"}
    for _ in range(2):
        done = subprocess.run([FOLDER / "make-database.sh"], env=told, capture_output=True, text=True, check=False)  # noqa: S603
        assert done.returncode == 0, done.stderr
    password = (etc / "secrets" / "database_owner_password").read_text().strip()
    own = conninfo.make_conninfo(database_settings, user="city_owner", password=password, dbname="city_owner")
    with connect(own, autocommit=True) as conn:
        rights = "SELECT rolcreaterole, rolsuper FROM pg_roles WHERE rolname = current_user"
        assert conn.execute(rights).fetchone() == (True, False)
        assert conn.execute("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'").fetchone() == (1,)
    (etc / "secrets" / "owner_database_url").write_text(
        f"postgresql://city_owner:{password}@localhost:{given['port']}/city_owner?sslmode=verify-full&sslrootcert={given['sslrootcert']}"
    )
    program = tmp_path / "lifeline"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lifeline "$@"\n')
    program.chmod(0o755)
    told = {"LIFELINE_ETC": str(etc), "LIFELINE_PROGRAM": str(program), "PATH": os.environ["PATH"]}
    told |= {"LIFELINE_DATA": str(tmp_path), "PYTHONPATH": str(FOLDER.parents[1])}
    words = [str(FOLDER / "lifeline-admin"), "migrate", "--plan"]
    done = subprocess.run(words, env=told, capture_output=True, text=True, check=False)  # noqa: S603 - what ships
    assert done.returncode == 0, done.stderr
    assert "would apply 0001_house" in done.stdout


def test_where_gateways_have_certificates_the_broker_asks_for_them(
    installed: Path, server_folder: Path, mosquitto: Path
) -> None:
    """The broker as installed, twice, on Debian's mosquitto: the recorder comes in by what its settings name."""
    place, root = installed.parent, server_folder / "install-mutual"
    create.create(place / "mutual", Plan(place / "city", client_certificates=True), SystemClock().now())
    for _ in range(2):
        subprocess.run([FOLDER / "install.sh", place / "mutual", root], check=True)  # noqa: S603 - what ships
    port, etc = free_port(), root / "etc" / "lifeline"
    text = (root / "etc/mosquitto/conf.d/lifeline.conf").read_text()
    assert text.count("require_certificate true") == 1
    text = text.replace("/etc/mosquitto", str(root / "etc/mosquitto")).replace("listener 8883", f"listener {port}")
    account = "user root\n" if os.geteuid() == 0 else ""
    (root / "mosquitto.conf").write_text(account + text)
    settings = read_env(etc / "recorder.env")
    tls = TlsFiles(
        etc / "tls/ca.crt", *(root / settings[f"LIFELINE_MQTT_{name}"].lstrip("/") for name in ("CERTIFICATE", "KEY"))
    )
    with subprocess.Popen([mosquitto, "-c", root / "mosquitto.conf"], stderr=subprocess.DEVNULL) as broker:  # noqa: S603
        try:
            eventually(lambda: listens(port) or broker.poll() is not None)
            assert broker.poll() is None
            assert probe(f"mqtts://localhost:{port}", tls) > 0
            with pytest.raises(OutsideError):
                probe(f"mqtts://localhost:{port}", TlsFiles(tls.ca))
        finally:
            broker.terminate()


def _commands(page: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return [
        line.partition(" #")[0].strip() for block in blocks for line in block.splitlines() if line[:1] not in ("#", "")
    ]


@pytest.mark.parametrize("line", [*_commands(README), *_commands(UPGRADE)])
def test_every_command_of_the_pages_names_what_there_is(line: str) -> None:
    from typer.testing import CliRunner

    from lifeline.cli import app

    for path in re.findall(r"deploy/systemd/\S+", line):
        assert (FOLDER.parents[1] / path).is_file(), path
    for unit in re.findall(r"lifeline@(\w+)", line):
        assert unit in ROLES
    for unit in re.findall(r"lifeline\.target|lifeline-migrate", line):
        assert Unit(unit if "." in unit else f"{unit}.service").files[0].is_file()
    if found := re.search(r".*(?:bin/lifeline|lifeline-admin) ([a-z].*)", line):
        words = [word for word in found[1].split() if not word.startswith(("/", "--", "lifeline.example"))]
        done = CliRunner().invoke(app, [*words[: 2 if words[0] == "deploy" else 1], "--help"])
        assert done.exit_code == 0, line
        for option in re.findall(r"--[a-z-]+", found[1]):
            assert option in re.sub(r"\x1b\[[0-9;]*m", "", done.output), line
