"""A deployment at work: every command, variable and health check of its compose file, as processes of this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from city.clock import SystemClock
from lifeline.deployment.authority import Authority
from lifeline.deployment.layout import LOGINS
from lifeline.deployment.plan import read_env
from lifeline.roles import CORE
from tests.deploy.speaking import Speaker
from tests.deploy.test_broker import DRAIN, GAS, OWN, password_of
from tests.notify.wires import WebEnd, web
from tests.running import eventually
from tests.servers.stage import (
    Service,
    Stage,
    start_broker,
    start_database,
    write_city,
    write_deployment,
)

OUTER = {  # what the notifier is told by its variables
    "LIFELINE_WEBHOOK_SECRET": "outer-Webhook-Secret-1",
    "LIFELINE_SMTP_PASSWORD": "outer-Smtp-Password-2",
    "LIFELINE_HEARTBEAT_URL": "http://127.0.0.1:PORT/alive/outer-heartbeat-key-0003",
}
GIVEN = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def outside() -> Iterator[WebEnd]:
    """Whom the notifier calls: takes signs of life; the first notice fails, and what is said of it is the secret."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        first = handler.path == "/hook" and not failed
        failed.extend([handler.path] * first)
        handler.send_response(503 if first else 200, OUTER["LIFELINE_WEBHOOK_SECRET"])
        handler.send_header("Retry-After", "1")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    failed: list[str] = []
    with web(behave) as end:
        yield end


@pytest.fixture(scope="module")
def city_folder(tmp_path_factory: pytest.TempPathFactory, outside: WebEnd) -> Path:
    """The example city; its people are on this machine, and it gives signs of life."""
    folder = write_city(tmp_path_factory.mktemp("city") / "city")
    said = re.sub(r"https://crew\.example\.org/\w+", outside.url, (folder / "escalation.yaml").read_text())
    said = re.sub(r"via: \[\w+, \w+\]", "via: [webhook]", said)
    (folder / "escalation.yaml").write_text(said + "heartbeat: {url_env: LIFELINE_HEARTBEAT_URL, every: 10s}\n")
    return folder


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, city_folder: Path, outside: WebEnd) -> Path:
    """A deployment of it, with what its channels ask for."""
    made = write_deployment(tmp_path_factory.mktemp("deployment") / "lifeline", city_folder)
    asked = set(read_env(made / "notifier.env"))
    assert asked == set(OUTER), "lifeline deploy init names what the channels ask for"
    given = {name: value.replace("PORT", str(outside.port)) for name, value in OUTER.items()}
    (made / "notifier.env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
    return made


@pytest.fixture(scope="module")
def prepared(stage: Stage) -> Service:
    """Its database, with the one-shot service run."""
    service = start_database(stage)
    done = stage.service("migrate").call()
    assert done.returncode == 0, done.stderr
    assert "account admin" in done.stdout
    return service


def address(stage: Stage, role: str) -> str:
    """A log-in's address as its service reads it."""
    name = "migrate" if role in ("owner", "wall") else role
    return stage.service(name).inside(f"/run/secrets/{role}_database_url").read_text().strip()


def administrator(service: Service, stage: Stage) -> psycopg.Connection[tuple[Any, ...]]:
    """The administrator, who comes in from the server's own machine alone."""
    password = Path(service.environment["POSTGRES_PASSWORD_FILE"]).read_text()
    place = str(service.inside("/var/run/postgresql"))
    return psycopg.connect(
        dbname="lifeline", user="postgres", password=password, host=place, port=stage.ports["database"]
    )


def test_the_server_takes_every_setting(prepared: Service, stage: Stage) -> None:
    said = dict(word[2:].split("=", 1) for word in prepared.command if word.startswith("-c"))
    with administrator(prepared, stage) as conn:
        for name, value in said.items():
            row = conn.execute("SELECT current_setting(%s)", (name,)).fetchone()
            assert row is not None
            megabytes = {"1536MB": ("1536MB", "1.5GB")}.get(value, (value,))
            assert row[0] in (*megabytes, prepared.here(value)), name
        assert conn.execute("SELECT extname FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
        owner = conn.execute("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = 'lifeline'")
        assert owner.fetchone() == (False, True, False)


def test_the_one_shot_may_be_repeated(prepared: Service, stage: Stage) -> None:
    again = stage.service("migrate").call()
    assert (again.returncode, again.stdout) == (0, "nothing to do\n")


def test_each_log_in_may_what_it_must_and_no_more(prepared: Service, stage: Stage) -> None:
    for role in LOGINS:
        with psycopg.connect(address(stage, role)) as conn:
            assert conn.execute("SELECT count(*) FROM lifeline.districts").fetchone() != (0,)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute("DELETE FROM lifeline.readings")
    with psycopg.connect(address(stage, "wall")) as conn:
        assert conn.execute("SELECT count(*) FROM city.sensors").fetchone() != (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT count(*) FROM lifeline.readings")
    given = stage.service("grafana").inside("/run/secrets/grafana_database_password").read_text()
    assert f"grafana:{given}@" in address(stage, "wall")


def test_the_database_opens_to_nobody_else(prepared: Service, stage: Stage, tmp_path: Path) -> None:
    owner, admin = address(stage, "owner"), Path(prepared.environment["POSTGRES_PASSWORD_FILE"]).read_text()
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(owner.replace("sslmode=verify-full", "sslmode=disable"))
    for database in ("lifeline", "postgres"):
        asked = f"postgresql://postgres:{admin}@localhost:{stage.ports['database']}/{database}?sslmode=require"
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
            psycopg.connect(asked)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(owner, password="lifeline")  # noqa: S106 - the point: it is not
    wrong = tmp_path / "ca.crt"
    wrong.write_text(Authority.make(SystemClock().now()).pair.certificate)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(owner, sslrootcert=str(wrong))
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        psycopg.connect(owner, host="lifeline.example.org", hostaddr="127.0.0.1")


@pytest.fixture(scope="module")
def running(prepared: Service, stage: Stage) -> Iterator[Stage]:
    """All services, healthy by their own checks."""
    start_broker(stage)
    roles = [stage.service(name) for name in CORE]
    assert not roles[0].healthy()
    assert not stage.service("api").healthy()
    for role in roles:
        # What is compiled is compiled by the engine's own tests; here it would only take long.
        role.start(LIFELINE_NO_NUMBA="1", LIFELINE_LOG_LEVEL="DEBUG")
    with administrator(prepared, stage) as conn:
        conn.autocommit = True
        eventually(lambda: {row[0] for row in conn.execute("SELECT role FROM lifeline.roles")} >= set(CORE))
    for role in roles:
        role.until_healthy()
    yield stage
    assert [role.stop() for role in roles] == [0] * len(roles)
    for role in roles:
        assert [path for path in role.writes if not role.may_write(path)] == [], f"{role.name} needs a root to write to"


def test_a_reading_goes_from_a_gateway_to_the_page(running: Stage, deployment: Path) -> None:
    password = password_of(deployment, DRAIN)
    now_ms = SystemClock().now_us() // 1000
    reading = {"seq": 1, "readings": [{"sensor": "wl-river-1", "time": now_ms, "value": 3.5}]}
    with (
        Speaker(running.ports["broker"], deployment / "tls/ca.crt", DRAIN, password) as gateway,
        psycopg.connect(address(running, "wall"), autocommit=True) as wall,
    ):
        assert gateway.say(f"{OWN}/readings", json.dumps(reading).encode())
        found = "SELECT value FROM city.readings WHERE sensor = 'wl-river-1'"
        eventually(lambda: wall.execute(found).fetchone() == (3.5,), lambda: running.service("recorder").log[-3000:])
        # The probe came back, too: the recorder knows how far it is.
        eventually(
            lambda: wall.execute("SELECT 1 FROM city.health WHERE name = 'recorder_lag' AND state = 'ok'").fetchone()
        )
    at = f"http://127.0.0.1:{running.ports['api']}"
    assert httpx.get(f"{at}/", follow_redirects=False, timeout=60).status_code in (302, 303, 307, 401)
    password = (deployment / "secrets/console_admin_password").read_text()
    with httpx.Client(base_url=at, headers={"origin": at}, timeout=60) as person:
        person.get("/login")
        entered = person.post("/login", data={"name": "admin", "password": password})
        assert entered.status_code in (200, 302, 303), entered.text
    living = "SELECT 1 FROM city.health WHERE name = 'heartbeat' AND state = 'ok'"
    with psycopg.connect(address(running, "wall"), autocommit=True) as wall:
        eventually(lambda: wall.execute(living).fetchone(), lambda: running.service("notifier").log[-3000:])
    tools = running.service("tools")
    told = tools.call()
    assert told.stdout.endswith("0 faults\n"), told.stdout
    for words in ("ok      broker:", "ok      migrations:", "ok      role recorder:", "ok      city folder:"):
        assert words in told.stdout
    lasting = "SELECT state, text FROM city.health WHERE name = 'certificates'"
    with psycopg.connect(address(running, "wall"), autocommit=True) as wall:
        eventually(lambda: wall.execute(lasting).fetchone() == ("ok", "broker 397 days, database 397 days"))
    assert "ok      certificates: broker 397 days, database 397 days\n" in told.stdout
    kept = tools.inside("/tmp/before.lifeline")  # noqa: S108 - in the container
    saved = tools.call(["lifeline", "backup", str(kept)], LIFELINE_PG_BIN=running.path.split(":")[0])
    assert saved.returncode == 0, saved.stderr
    assert kept.stat().st_size > 0


def test_one_trace_leads_from_a_message_to_its_notice(running: Stage, deployment: Path, outside: WebEnd) -> None:
    """From the gateway's own trace over the journal and the incident to what the phone is sent, and the logs."""
    now_ms = SystemClock().now_us() // 1000
    gas = {"seq": 1, "readings": [{"sensor": "ch4-river-101", "time": now_ms, "value": 55.0}]}
    with Speaker(running.ports["broker"], deployment / "tls/ca.crt", GAS, password_of(deployment, GAS)) as gateway:
        topic = f"lifeline/v1/riverside/{GAS}/readings"
        assert gateway.say(topic, json.dumps(gas).encode(), traceparent=f"00-{GIVEN}-00f067aa0ba902b7-01")
    with psycopg.connect(address(running, "wall"), autocommit=True) as wall:
        sent = "SELECT decided FROM city.notices WHERE state IN ('sent', 'delivered') AND attempts > 1"
        eventually(
            lambda: wall.execute(sent).fetchone(),
            lambda: running.service("notifier").log[-3000:],
        )
        (trace,) = wall.execute(sent).fetchone() or ("",)
        given = wall.execute("SELECT given FROM city.given_traces WHERE trace = %s", (trace,)).fetchone()
        assert given == (GIVEN,), "the notice's trace is that of the row which the gateway's message came into"
    notices = [headers["traceparent"] for headers, _, path in outside.seen if path == "/hook"]
    assert {one.split("-")[1] for one in notices} == {trace}
    assert len(notices) > 1, "the first was not taken, and tried again"
    for role, event in (("recorder", "batch"), ("notifier", "notice_sent")):
        said = [json.loads(line) for line in running.service(role).log.splitlines() if line.startswith("{")]
        assert trace in {line.get("trace") for line in said if line["action"] == event}, role
    told = running.service("tools").call(["lifeline", "trace", GIVEN])
    assert told.returncode == 0, told.stderr
    stations = ("arrived", "committed", "alarm raised", "incident opened", "notice queued", "notice sent")
    places = [told.stdout.index(station) for station in stations]
    assert places == sorted(places), told.stdout


def test_nothing_that_is_secret_is_said_anywhere(running: Stage, deployment: Path, outside: WebEnd) -> None:
    """All of a deployment's secrets, a key and a session, against all that its services say, at debug level."""
    tools = running.service("tools")
    made = tools.call(["lifeline", "tokens", "create", "metrics", "--role", "admin", "--days", "1"])
    assert made.returncode == 0, made.stderr
    key = made.stdout.split()[-1]
    at = f"http://127.0.0.1:{running.ports['api']}"
    password = (deployment / "secrets/console_admin_password").read_text()
    pages = ("/metrics", "/health", "/api/v1/health", "/api/v1/audit", "/api/v1/tokens", "/api/v1/none", "/none")
    with httpx.Client(base_url=at, headers={"origin": at}, timeout=60) as person:
        person.get("/login")
        person.post("/login", data={"name": "admin", "password": password})
        session = person.cookies["lifeline_session"]
        said = {page: person.get(page, headers={"Authorization": f"Bearer {key}"}).text for page in pages}
    eventually(
        lambda: any(path.startswith("/alive/") for *_, path in outside.seen),
        lambda: running.service("notifier").log[-3000:],
    )
    for words in (["status", "--once"], ["status", "--json"], ["doctor"], ["trace", GIVEN], ["trace", "none"]):
        told = tools.call(["lifeline", *words], LIFELINE_LOG_LEVEL="DEBUG")
        said[" ".join(words)] = told.stdout + told.stderr
    assert all(said.values())
    logs = {file.name: file.read_text(errors="replace") for file in running.folder.glob("*.log")}
    assert {f"{name}.log" for name in (*CORE, "broker", "database")} <= set(logs)
    assert any('"level": "DEBUG"' in log for log in logs.values())
    secrets = {"key": key.rpartition("_")[2], "session": session} | dict(_secrets(deployment))
    assert len(secrets) > 25
    for place, text in (said | logs).items():
        assert [name for name, secret in secrets.items() if secret in text] == [], place


def _secrets(deployment: Path) -> Iterator[tuple[str, str]]:
    """Every secret of a deployment by its name; of an address its password, of a heartbeat's the key in it."""
    kept = {path.name: path.read_text().strip() for path in (deployment / "secrets").iterdir()}
    kept |= {path.name: read_env(path)["LIFELINE_BROKER"] for path in (deployment / "gateways").glob("*.env")}
    kept |= {name: value.rpartition("/")[2] for name, value in OUTER.items()}
    kept["broker_health"] = kept["broker_health"].rpartition("-P ")[2]
    for name, text in kept.items():
        yield name, (urlsplit(text).password or "") if "://" in text else text
