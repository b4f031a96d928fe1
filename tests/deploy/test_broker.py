"""A deployment's broker, a real mosquitto with the files that were written: nobody says or hears what is another's."""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from city.broker_address import BrokerAddress
from city.clock import SystemClock
from ingest.decoders import EXERCISES, TOPICS
from ingest.decoders.sparkplug import TOPICS as SPARKPLUG
from ingest.recorder import RecorderSettings
from ingest.wire import TlsFiles, Wire, tls_context
from lifeline import settings
from lifeline.cli import run_command
from lifeline.deployment.authority import Authority
from lifeline.deployment.brokerfiles import SPARKPLUG_HOST, hashed, passwords
from lifeline.deployment.plan import read_env
from lifeline.mqttprobe import probe
from tests.deploy.speaking import Speaker
from tests.running import PATIENCE_S, eventually
from tests.servers.stage import Service, Stage, start_broker, write_deployment

DRAIN, GAS, HILL = "gw-river-drain", "gw-river-gas", "gw-hill"
OWN = f"lifeline/v1/riverside/{DRAIN}"
OTHERS = [
    f"lifeline/v1/riverside/{GAS}/readings",
    f"lifeline/v1/riverside/{GAS}/config",
    f"lifeline/v1/hillside/{DRAIN}/readings",  # its own name in another district
    f"lifeline/v1/riverside/{DRAIN}x/readings",
    "lifeline/v1/_/recorder/readings",
    "lifeline/v1/riverside/readings",
    f"spBv1.0/riverside/NDATA/{DRAIN}",
    f"spBv1.0/hillside/NDATA/{HILL}",
    f"spBv1.0/hillside/NCMD/{HILL}",
    "spBv1.0/STATE/lifeline",
    "vendor/1/data",
    "$SYS/broker/uptime",
    "anything",
]

Coming = Callable[..., Speaker]


def password_of(deployment: Path, user: str) -> str:
    """What the user was handed."""
    own = {"lifeline-recorder": "recorder_mqtt_url", "lifeline-tools": "tools_mqtt_url"}
    if user in own:
        url = (deployment / "secrets" / own[user]).read_text()
    else:
        url = read_env(deployment / f"gateways/{user}.env")["LIFELINE_BROKER"]
    assert urlsplit(url).username == user
    return urlsplit(url).password or ""


@contextmanager
def agent(deployment: Path, gateway: str, port: int, box: Path, *files: str) -> Iterator[None]:
    """Lifeline's own agent on a box that was handed its file, the authority and, named by key, its certificate."""
    box.mkdir()
    shutil.copy(deployment / "tls/ca.crt", box / "ca.crt")
    for ending in (".crt", ".key") if files else ():
        shutil.copy(deployment / f"gateways/{gateway}{ending}", box / f"{gateway}{ending}")
    named = {key: f"{gateway}.{'key' if key.endswith('key') else 'crt'}" for key in files} | {"broker_ca": "ca.crt"}
    lines = ["version: 1", "district: riverside", f"gateway: {gateway}", "broker_env: LIFELINE_BROKER"]
    lines += [f"{key}: {name}" for key, name in named.items()]
    lines += [
        "outbox: {folder: outbox}",
        "sources:",
        "  - {id: one, type: file, path: one.csv, values: [{column: level, sensor: x, unit: cm}]}",
    ]
    (box / "gateway.yaml").write_text("\n".join(lines) + "\n")
    broker = read_env(deployment / f"gateways/{gateway}.env")["LIFELINE_BROKER"].replace(":8883", f":{port}")
    command = [sys.executable, "-m", "lifeline", "gateway", "run", "--config", str(box / "gateway.yaml")]
    environment = {**os.environ, "LIFELINE_BROKER": broker}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:  # noqa: S603 - ours
        try:
            yield
        finally:
            process.terminate()
        assert process.wait(PATIENCE_S) == 0


@pytest.fixture
def come(deployment: Path, stage: Stage, staged_broker: Service) -> Coming:
    """Come in as a user, with what they were handed."""
    assert staged_broker.healthy()

    def come_in(user: str, client: str = "", *, keeps: bool = False) -> Speaker:
        port, ca, password = stage.ports["broker"], deployment / "tls/ca.crt", password_of(deployment, user)
        return Speaker(port, ca, user, password, client=client, keeps=keeps)

    return come_in


def test_a_gateway_publishes_below_its_own_topic_and_nowhere_else(come: Coming) -> None:
    with come(DRAIN) as gateway:
        assert gateway.welcome
        for own in ("readings", "status", "senml", "exercise/d-1"):
            assert gateway.say(f"{OWN}/{own}"), own
        assert [topic for topic in OTHERS if gateway.say(topic)] == []


def test_a_gateway_hears_its_own_configuration_and_nothing_else(come: Coming) -> None:
    with come(DRAIN) as gateway, come(GAS) as other, come(HILL) as hill, come("lifeline-tools") as tools:
        gateway.listen("#", "lifeline/v1/+/+/readings", f"lifeline/v1/riverside/{GAS}/#", "spBv1.0/#", "$SYS/#")
        gateway.listen("$share/all/lifeline/v1/#")
        assert other.say(f"lifeline/v1/riverside/{GAS}/readings")
        assert other.say(f"lifeline/v1/riverside/{GAS}/status")
        assert hill.say(f"spBv1.0/hillside/NDATA/{HILL}")
        assert tools.say(f"lifeline/v1/riverside/{GAS}/config")
        assert tools.say(f"{OWN}/config")  # the last: what was sent before it has been delivered, or never is
        eventually(lambda: gateway.heard)
        assert gateway.topics() == {f"{OWN}/config"}


def test_a_sparkplug_node_speaks_for_itself_and_hears_its_commands(come: Coming) -> None:
    with come(HILL) as hill, come("lifeline-recorder") as recorder:
        for kind in ("NBIRTH", "NDATA", "NDEATH"):
            assert hill.say(f"spBv1.0/hillside/{kind}/{HILL}")
            assert not hill.say(f"spBv1.0/riverside/{kind}/{DRAIN}")
        assert hill.say(f"spBv1.0/hillside/DDATA/{HILL}/pump")
        assert not hill.say(f"spBv1.0/hillside/NCMD/{HILL}")
        hill.listen("#")
        assert recorder.say("spBv1.0/riverside/NCMD/gw-2")
        assert recorder.say("spBv1.0/STATE/lifeline")
        assert recorder.say(f"spBv1.0/hillside/NCMD/{HILL}")
        eventually(lambda: f"spBv1.0/hillside/NCMD/{HILL}" in hill.topics())
        assert hill.topics() == {f"spBv1.0/hillside/NCMD/{HILL}", "spBv1.0/STATE/lifeline"}


def test_lifelines_own_agent_comes_in_with_the_file_it_is_handed(
    come: Coming, deployment: Path, stage: Stage, tmp_path: Path
) -> None:
    with come("lifeline-recorder") as recorder:
        recorder.listen(f"lifeline/v1/riverside/{GAS}/status")
        with agent(deployment, GAS, stage.ports["broker"], tmp_path / "box"):
            eventually(lambda: recorder.heard)


def test_who_is_denied_a_topic_stays(come: Coming) -> None:
    with come(DRAIN) as gateway:
        assert not gateway.say("anything")
        assert gateway.say(f"{OWN}/readings")
        assert gateway.connections == 1


def test_the_recorder_hears_all_that_it_listens_to(come: Coming) -> None:
    with come("lifeline-recorder") as recorder, come(DRAIN) as gateway, come(HILL) as hill:
        recorder.listen(*TOPICS, EXERCISES, *SPARKPLUG, f"spBv1.0/STATE/{SPARKPLUG_HOST}", "vendor/+/data")
        for own in ("readings", "status", "senml", "exercise/d-1"):
            assert gateway.say(f"{OWN}/{own}")
        nodes = [f"spBv1.0/hillside/{kind}/{HILL}" for kind in ("NBIRTH", "NDATA", "NDEATH")]
        devices = [f"spBv1.0/hillside/{kind}/{HILL}/pump" for kind in ("DBIRTH", "DDATA", "DDEATH")]
        assert all(hill.say(topic) for topic in (*nodes, *devices))
        with come("source-vendor") as vendor:
            assert vendor.say("vendor/7/data")
            assert not vendor.say("lifeline/v1/riverside/gw-river-gas/readings")
        for drilled in (f"{OWN}/exercise/d-2",):
            with come("lifeline-tools") as tools:
                assert tools.say(drilled)
        assert recorder.say("lifeline/v1/_/recorder/readings")  # its probe comes back
        assert recorder.say("spBv1.0/STATE/lifeline")
        wanted = {f"{OWN}/{own}" for own in ("readings", "status", "senml", "exercise/d-1", "exercise/d-2")}
        wanted |= {*nodes, *devices, "vendor/7/data", "lifeline/v1/_/recorder/readings", "spBv1.0/STATE/lifeline"}
        eventually(lambda: recorder.topics() >= wanted)
        kept = {f"lifeline/v1/riverside/{GAS}/status"}  # what another test's gateway may have left there
        assert recorder.topics() - kept == wanted


def test_the_recorder_writes_only_its_probe_and_to_sparkplug_nodes(come: Coming) -> None:
    with come("lifeline-recorder") as recorder:
        assert not recorder.say(f"{OWN}/readings")
        assert not recorder.say(f"{OWN}/config")
        assert not recorder.say(f"spBv1.0/hillside/NDATA/{HILL}")
        assert not recorder.say("spBv1.0/STATE/other")
    with come("lifeline-tools") as tools:
        assert not tools.say(f"{OWN}/readings")
        assert not tools.say("lifeline/v1/_/recorder/readings")
    assert inspect.signature(RecorderSettings).parameters["sparkplug_host"].default == SPARKPLUG_HOST


def test_nobody_comes_in_without_the_right_password(deployment: Path, stage: Stage, staged_broker: Service) -> None:
    port, ca = stage.ports["broker"], deployment / "tls/ca.crt"
    stolen = password_of(deployment, GAS)
    tries = [("", ""), (DRAIN, ""), (DRAIN, "wrong"), (DRAIN, stolen), ("nobody", stolen), ("admin", "admin")]
    for user, password in tries:
        with Speaker(port, ca, user, password) as stranger:
            assert stranger.code in (0x86, 0x87), user


def test_nobody_speaks_without_tls_or_trusts_another_authority(
    deployment: Path, stage: Stage, staged_broker: Service, tmp_path: Path
) -> None:
    port = stage.ports["broker"]
    with socket.create_connection(("localhost", port), 60) as plain:
        plain.settimeout(60)
        plain.sendall(b"\x10\x0e\x00\x04MQTT\x04\x02\x00\x0a\x00\x02me")
        try:
            said = plain.recv(4)
        except ConnectionResetError:
            said = b""
        assert not said.startswith(b"\x20")  # no welcome
    wrong = tmp_path / "ca.crt"
    wrong.write_text(Authority.make(SystemClock().now()).pair.certificate)
    url = f"mqtts://{DRAIN}:{password_of(deployment, DRAIN)}@localhost:{port}"
    with pytest.raises(ssl.SSLCertVerificationError, match="CERTIFICATE_VERIFY_FAILED"):
        Wire(BrokerAddress.of(url), tls_context(TlsFiles(wrong)))
    Wire(BrokerAddress.of(url), tls_context(TlsFiles(deployment / "tls/ca.crt"))).close()
    context = ssl.create_default_context(cafile=deployment / "tls/ca.crt")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("localhost", port), 60) as sock,
        context.wrap_socket(sock, server_hostname="10.0.0.5") as secured,
    ):
        assert secured.version() == "TLSv1.2"
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("localhost", port), 60) as sock, pytest.raises(ssl.SSLError):
        old.wrap_socket(sock)


def _said(recorder: Speaker) -> list[bytes]:
    """What it heard of one gateway's readings; other tests' gateways leave retained words."""
    return [payload for topic, payload in recorder.heard if topic == f"{OWN}/readings"]


def test_nobody_takes_the_recorders_session_by_its_client_id(come: Coming) -> None:
    with come("lifeline-recorder", "lifeline-recorder") as recorder:
        recorder.listen(*TOPICS)
        with come(DRAIN, "lifeline-recorder") as thief:
            assert thief.welcome
            assert thief.say(f"{OWN}/readings", b"still heard")
            eventually(lambda: _said(recorder))
    assert _said(recorder) == [b"still heard"]


def test_what_waits_for_the_recorder_survives_the_brokers_restart(come: Coming, staged_broker: Service) -> None:
    with come("lifeline-recorder", keeps=True) as recorder:
        recorder.listen(*TOPICS)
    with come(DRAIN) as gateway:
        for number in range(1500):  # more than mosquitto keeps by default
            assert gateway.say(f"{OWN}/readings", str(number).encode())
    staged_broker.stop()
    staged_broker.start()
    staged_broker.until_healthy()
    with come("lifeline-recorder", keeps=True) as recorder:
        eventually(lambda: len(_said(recorder)) >= 1500)
    assert [int(payload) for payload in _said(recorder)] == list(range(1500))


def test_mosquitto_reads_the_passwords_as_its_own(server_programs: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    file.write_text(passwords({"gw-1": hashed("first")}))
    file.chmod(0o600)
    tool = server_programs[-1] / "mosquitto_passwd"
    subprocess.run([tool, "-b", file, "gw-2", "second"], check=True)  # noqa: S603 - Debian's own tool on our file
    ours, theirs = (line.split("$") for line in file.read_text().splitlines())
    assert [len(part) for part in ours[3:]] == [len(part) for part in theirs[3:]]
    assert ours[1] == theirs[1] == "7"


def test_with_certificates_a_gateway_is_who_its_certificate_says(
    city_folder: Path, server_folder: Path, server_programs: list[Path], tmp_path: Path
) -> None:
    deployment = write_deployment(tmp_path / "mutual", city_folder, "--client-certificates")
    stage = Stage(deployment, server_folder / "stage-mutual", server_programs)
    try:
        start_broker(stage)  # its own health check brings a certificate, too
        port, ca = stage.ports["broker"], deployment / "tls/ca.crt"
        with Speaker(port, ca, certificate=deployment / f"gateways/{DRAIN}.crt") as gateway:
            assert gateway.welcome
            assert gateway.say(f"{OWN}/readings")
            assert [topic for topic in OTHERS if gateway.say(topic)] == []
        named = Speaker(port, ca, GAS, "x", certificate=deployment / f"gateways/{DRAIN}.crt")
        with named:  # the name it gives counts for nothing
            assert not named.say(f"lifeline/v1/riverside/{GAS}/readings")
        with Speaker(port, ca, certificate=deployment / "tls/recorder/client.crt") as recorder:
            assert recorder.say("lifeline/v1/_/recorder/readings")
            recorder.listen(f"lifeline/v1/riverside/{GAS}/status")
            with agent(deployment, GAS, port, tmp_path / "box", "broker_certificate", "broker_key"):
                eventually(lambda: recorder.heard)
        for role in ("recorder", "tools"):  # as their variables say
            said = settings.load(stage.service(role).environment, folder=tmp_path)
            assert probe(said.mqtt, TlsFiles(said.mqtt_ca, said.mqtt_certificate, said.mqtt_key)) < PATIENCE_S
        stranger = Authority.make(SystemClock().now()).client(DRAIN, SystemClock().now())
        (tmp_path / "stranger.crt").write_text(stranger.certificate)
        (tmp_path / "stranger.key").write_text(stranger.key)
        for certificate in (tmp_path / "stranger.crt", None):
            with Speaker(port, ca, DRAIN, "x", certificate=certificate, patience_s=1.0) as speaker:
                assert not speaker.welcome  # TLS 1.3 says so after the greeting: there is no answer
    finally:
        stage.close()


def test_a_revoked_gateway_is_shut_out_and_nobody_else_is_disturbed(
    city_folder: Path, server_folder: Path, server_programs: list[Path], tmp_path: Path
) -> None:
    deployment = write_deployment(tmp_path / "revoking", city_folder, "--client-certificates")
    stage = Stage(deployment, server_folder / "stage-revoking", server_programs)
    stolen = [deployment / f"gateways/{GAS}{ending}" for ending in (".crt", ".key")]
    for file in stolen:
        shutil.copy(file, tmp_path)
    try:
        broker = start_broker(stage)
        port, ca = stage.ports["broker"], deployment / "tls/ca.crt"

        def come_in(certificate: Path, *, keeps: bool = False) -> Speaker:
            return Speaker(port, ca, certificate=certificate, keeps=keeps, patience_s=10.0)

        def take_over() -> None:
            broker.mount()
            assert broker.process is not None
            broker.process.send_signal(signal.SIGHUP)

        drain = deployment / f"gateways/{DRAIN}.crt"
        with (
            come_in(drain) as other,
            come_in(deployment / "tls/recorder/client.crt", keeps=True) as recorder,
            come_in(tmp_path / stolen[0].name) as thief,
        ):
            recorder.listen("lifeline/v1/#")
            assert thief.say(f"lifeline/v1/riverside/{GAS}/readings")
            assert run_command(["deploy", "certificates", str(deployment), "--revoke", GAS]) == 0
            take_over()
            # The one that is connected may say nothing any more, and none comes in with the certificate again.
            eventually(lambda: not thief.say(f"lifeline/v1/riverside/{GAS}/readings", b"late"))
            assert "CERTIFICATE_REVOKED" in _refusal(port, ca, tmp_path / stolen[0].name)
            assert other.say(f"{OWN}/readings", b"heard")
            eventually(lambda: _said(recorder) == [b"heard"])
            assert (other.connections, recorder.connections) == (1, 1)
            assert broker.healthy()
            # Let in again with a new certificate; the old one stays shut out.
            assert run_command(["deploy", "acl", str(deployment)]) == 0
            assert not stolen[0].exists(), "a list made anew lets nobody in who was revoked"
            assert run_command(["deploy", "acl", str(deployment), "--renew", GAS]) == 0
            take_over()
            with come_in(stolen[0]) as back:
                assert back.welcome
                eventually(lambda: back.say(f"lifeline/v1/riverside/{GAS}/readings", b"back"))
            assert "CERTIFICATE_REVOKED" in _refusal(port, ca, tmp_path / stolen[0].name)
            assert (other.connections, recorder.connections) == (1, 1)
        with come_in(drain) as other:
            assert other.welcome
    finally:
        stage.close()


def _refusal(port: int, ca: Path, certificate: Path) -> str:
    """What the broker says to a certificate while it greets."""
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    with (
        socket.create_connection(("localhost", port), PATIENCE_S) as sock,
        pytest.raises(ssl.SSLError) as refused,
        context.wrap_socket(sock, server_hostname="localhost") as secured,
    ):
        secured.recv(1)  # TLS 1.3 says so after the greeting
    return str(refused.value)
