"""The systemd units: what they allow, that each command in them runs and says it works, and that a hang is seen."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import conninfo, sql

from lifeline.settings import KEYS
from store.connection import connect
from store.migrate import plan
from tests.running import PATIENCE_S, eventually, free_port
from tests.service.conftest import CITY, Broker
from tests.service.units import FOLDER, PROGRAM, ROLES, Service, Unit, units

ALIVE = "WATCHDOG=1"
HARDENED = "# --- what it may not do ---"


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("NOT CHECKED by systemd itself: no systemd-analyze on this machine")
    return found


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder with the units in it, and the targets of this machine's systemd."""
    root = tmp_path_factory.mktemp("root")
    shutil.copytree(FOLDER, root / "etc" / "systemd" / "system")
    theirs = root / "usr" / "lib" / "systemd" / "system"
    theirs.mkdir(parents=True)
    for file in Path("/lib/systemd/system").glob("*.target"):
        if file.is_file() and not file.is_symlink():
            shutil.copy(file, theirs)
    program = root / PROGRAM.lstrip("/")
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return root


@pytest.mark.parametrize("name", ["lifeline.target", *units()])
def test_systemd_finds_nothing_wrong(analyze: str, machine: Path, name: str) -> None:
    words = [analyze, "verify", f"--root={machine}", "--man=no", "--recursive-errors=no", name]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603 - systemd's
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", units())
def test_every_service_is_exposed_little(analyze: str, machine: Path, name: str) -> None:
    words = [analyze, "security", "--offline=true", f"--root={machine}", "--no-pager", name]
    done = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603 - systemd's
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert level is not None, done.stdout
    assert float(level[1]) < 3.0


def test_all_services_may_do_equally_little() -> None:
    texts = [(FOLDER / name).read_text() for name in ("lifeline@.service", "lifeline-migrate.service")]
    ends = [[line for line in text.partition(HARDENED)[2].splitlines() if line[:1] not in ("", "#")] for text in texts]
    assert ends[0] == ends[1]
    assert len(ends[0]) > 20


def test_the_target_starts_every_role_and_no_unit_carries_a_secret() -> None:
    wanted = " ".join(Unit("lifeline.target").settings["Wants"]).split()
    assert sorted(wanted) == sorted(units())
    for unit in units().values():
        given = unit.environment(FOLDER, Path("/var/lib/lifeline"), Path("/run/credentials"))
        known = {f"LIFELINE_{key.upper()}{end}" for key in KEYS for end in ("", "_FILE")}
        known |= {"LIFELINE_LOG_LEVEL", "LIFELINE_ROLE", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"}
        assert set(given) <= known, "a variable that nobody reads"
        assert "LIFELINE_DATABASE_URL" not in given
        assert "LIFELINE_MQTT_URL" not in given


@pytest.fixture(scope="module")
def etc(tmp_path_factory: pytest.TempPathFactory, database_settings: str, mosquitto_settings: Broker) -> Path:
    """/etc/lifeline of a machine with a database and a broker of its own, nothing migrated yet."""
    folder = tmp_path_factory.mktemp("etc")
    (folder / "secrets").mkdir()
    owner = database_settings
    words = urlsplit(owner)
    for name in ("recorder", "watcher", "notifier", "api", "wall"):
        address = f"{words.hostname}:{words.port}{words.path}?{words.query}"
        url = f"postgresql://lifeline_{name}:{secrets.token_urlsafe(24)}@{address}"
        (folder / "secrets" / f"{name}_database_url").write_text(f"{url}\n")
    (folder / "secrets" / "owner_database_url").write_text(owner)
    (folder / "secrets" / "console_admin_password").write_text(secrets.token_urlsafe(24))
    (folder / "secrets" / "recorder_mqtt_url").write_text(mosquitto_settings.url)
    (folder / "tls").mkdir()
    shutil.copy(mosquitto_settings.ca, folder / "tls")
    for name, text in CITY.files().items():
        (folder / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "city" / name).write_text(text)
    shutil.copy(FOLDER / "lifeline.env", folder)
    with (folder / "lifeline.env").open("a") as out:
        out.write(f"LIFELINE_HTTP=127.0.0.1:{free_port()}\n")
    return folder


@pytest.fixture(scope="module")
def services(etc: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    """Every role as its unit runs it, once it has said that it works."""
    place = tmp_path_factory.mktemp("run")
    dsn = (etc / "secrets" / "owner_database_url").read_text().strip()
    with connect(dsn) as conn:
        new = bool(plan(conn))
    if new:  # not when other modules' tests came between those of this one: the server stays, and is migrated then
        early = Service(Unit("lifeline@keeper.service"), etc, place / "early")
        early.start()
        assert early.process is not None
        assert early.process.wait(PATIENCE_S) == 2, "a role refuses a schema that is too old for it"
        assert "try `lifeline migrate`" in early.log()
        early.stop()
    migration = Service(Unit("lifeline-migrate.service"), etc, place)
    migration.start()
    assert migration.process is not None
    assert migration.process.wait(PATIENCE_S) == 0, migration.log()
    migration.stop()
    with connect(dsn) as conn:
        assert plan(conn) == []
    running = {role: Service(Unit(f"lifeline@{role}.service"), etc, place) for role in ROLES}
    for service in running.values():
        service.start()
    try:
        for service in running.values():
            service.wait_for("READY=1")
        yield running
    finally:
        codes = {role: service.stop() for role, service in running.items()}
    assert codes == dict.fromkeys(ROLES, 0), "a stop is clean"
    for role, service in running.items():
        assert service.words.count("STOPPING=1") == 1, role
        assert service.words.count("READY=1") == 1, role


def _alive(services: dict[str, Service], turns: int) -> None:
    """Every role's loop goes round so often from now on."""
    wanted = {role: service.hear().count(ALIVE) + turns for role, service in services.items()}
    for role, service in services.items():
        service.wait_for(ALIVE, wanted[role])


def test_every_role_says_that_its_loop_goes_round(services: dict[str, Service]) -> None:
    _alive(services, 2)


def test_a_role_that_hangs_is_seen(services: dict[str, Service], etc: Path) -> None:
    """Their loops wait for a lock for ever; the page's loop serves on, and its timer thread does not speak for them."""
    dsn = (etc / "secrets" / "owner_database_url").read_text().strip()
    hanging = [services[role] for role in ("recorder", "watcher", "notifier", "keeper")]
    with psycopg.connect(dsn) as conn:
        conn.execute("LOCK TABLE lifeline.roles IN ACCESS EXCLUSIVE MODE")
        blocked = (
            "SELECT count(DISTINCT application_name) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted"
        )
        eventually(lambda: (conn.execute(blocked).fetchone() or (0,))[0] >= len(hanging))
        before = [service.hear().count(ALIVE) for service in hanging]
        services["api"].wait_for(ALIVE, services["api"].hear().count(ALIVE) + 3)
        assert [service.hear().count(ALIVE) for service in hanging] == before
    _alive(services, 1)


def test_a_database_that_is_away_restarts_nobody(services: dict[str, Service], etc: Path) -> None:
    dsn = (etc / "secrets" / "owner_database_url").read_text().strip()
    name = conninfo.conninfo_to_dict(dsn)["dbname"]
    door = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with connect(conninfo.make_conninfo(dsn, dbname="postgres"), autocommit=True) as conn:
        conn.execute(door.format(sql.Identifier(str(name)), sql.Literal(False)))
        try:
            conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            _alive(services, 1)
        finally:
            conn.execute(door.format(sql.Identifier(str(name)), sql.Literal(True)))
    with connect(dsn, autocommit=True) as conn:
        late = "SELECT count(*) FROM lifeline.roles WHERE beat_at > %s"
        moment = (conn.execute("SELECT now()").fetchone() or (None,))[0]
        # pools take their time before they try again
        eventually(lambda: (conn.execute(late, (moment,)).fetchone() or (0,))[0] >= 3)


def test_the_settings_that_ship_are_in_force(database_settings: str, mosquitto_settings: Broker) -> None:
    with connect(database_settings, autocommit=True) as conn:
        judged = """SELECT f.name, f.error FROM pg_file_settings f LEFT JOIN pg_settings s USING (name)
                    WHERE f.error IS NOT NULL AND s.source IS DISTINCT FROM 'command line'"""
        wrong = conn.execute(judged).fetchall()
        assert wrong == []
        shown = "SELECT name FROM pg_settings WHERE sourcefile LIKE '%/conf.d/%'"
        there = {name for (name,) in conn.execute(shown).fetchall()}
        assert there >= {"shared_buffers", "wal_compression", "log_destination", "ssl"}
        assert conn.execute("SHOW shared_buffers").fetchone() == ("1GB",)
        assert conn.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)
        assert conn.execute("SHOW timescaledb.telemetry_level").fetchone() == ("off",)
    said = mosquitto_settings.log.read_text()  # from warnings on
    faults = [line for line in said.splitlines() if "Error" in line and "OpenSSL" not in line]
    assert faults == [], "but for clients that go without a word"


def test_broker_settings_are_those_of_the_containers() -> None:
    """But for places, and what Debian's own file says already."""

    def settings(path: Path) -> dict[str, str]:
        lines = (line.partition(" ") for line in path.read_text().splitlines() if line and not line.startswith("#"))
        own = ("log_", "persistence", "password_file", "acl_file", "cafile", "certfile", "keyfile")
        return {key: value for key, _, value in lines if not key.startswith(own)}

    ours = settings(FOLDER / "mosquitto.conf")
    ours.pop("connection_messages")
    assert ours == settings(FOLDER.parent / "mosquitto" / "mosquitto.conf")
