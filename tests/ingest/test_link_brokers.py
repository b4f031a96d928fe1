"""The link against real brokers: mosquitto by MQTT 5, 3.1.1, TLS and mutual TLS, and nats-server."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from city.broker_address import BrokerAddress
from ingest import link as links
from ingest.broker import EmbeddedBroker
from ingest.link import LinkSettings
from ingest.mqtt.words import Version
from ingest.wire import TlsFiles
from tests.ingest.listening import Listening
from tests.running import PATIENCE_S, eventually, free_port, listens

TOPIC = "lifeline/v1/north/gw-1/readings"


@dataclass(frozen=True)
class Broker:
    """Where gateways publish (plain), and how the link reaches the same broker."""

    plain: BrokerAddress
    link: BrokerAddress
    version: Version = Version.V5
    tls: TlsFiles = TlsFiles()  # noqa: RUF009 - frozen
    exact: bool = True
    """It sends again in order, and only what nobody acknowledged; nats-server does both in its own time."""

    def settings(self, client_id: str = "recorder", share: str = "") -> LinkSettings:
        """Of a link."""
        return LinkSettings(self.link, client_id, share, self.tls)

    def heard(self, payloads: Sequence[bytes]) -> list[bytes]:
        """What came, to be compared: as it came, or each once where the broker may do otherwise."""
        return list(payloads) if self.exact else sorted(set(payloads))

    def publish(self, payloads: Sequence[bytes], qos: int = 1) -> None:
        """Publish and wait until the broker has acknowledged all."""
        client = Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set(self.plain.username, self.plain.password)
        client.max_inflight_messages_set(200)
        client.connect(self.plain.host, self.plain.port)
        client.loop_start()
        for told in [client.publish(TOPIC, payload, qos) for payload in payloads]:
            told.wait_for_publish(PATIENCE_S)
        client.disconnect()
        client.loop_stop()


class Certificates:
    """An authority of a test's own, a server's certificate for 127.0.0.1 and a client's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.ca = self._write("ca", self._key, self._signed("ca", self._key, None))
        self.server, self.client = self._issue("server"), self._issue("client")

    def _issue(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return self._write(name, key, self._signed(name, key, names)), self._folder / f"{name}.key"

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, names: x509.SubjectAlternativeName | None
    ) -> x509.Certificate:
        now = datetime.now(UTC)  # noqa: TID251 - certificates live by the wall clock
        subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, "ca"))
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
        made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        made = made.not_valid_after(now + timedelta(days=1))
        made = made.add_extension(x509.BasicConstraints(ca=names is None, path_length=None), critical=True)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = made.add_extension(identifier, critical=False)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if names is not None:
            made = made.add_extension(names, critical=False)
        return made.sign(self._key, hashes.SHA256())

    def _write(self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> Path:
        plain = serialization.NoEncryption()
        pem = serialization.Encoding.PEM
        (self._folder / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain)
        )
        (self._folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        return self._folder / f"{name}.pem"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def mosquitto_at(binary: Path, folder: Path, *more: str) -> Iterator[BrokerAddress]:
    """A mosquitto with a plain listener and whatever `more` says."""
    port = free_port()
    config = folder / "mosquitto.conf"
    lines = ["user root", f"listener {port} 127.0.0.1", "allow_anonymous true"]
    config.write_text("\n".join([*lines, "max_queued_messages 0", *more, ""]))
    process = subprocess.Popen([binary, "-c", config], stderr=subprocess.DEVNULL)  # noqa: S603 - our own server
    try:
        eventually(lambda: process.poll() is None and listens(port))
        yield BrokerAddress.of(f"mqtt://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=["mosquitto 5", "mosquitto 3.1.1", "mosquitto TLS", "mosquitto mutual TLS", "nats-server"])
def any_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    if request.param == "nats-server":
        server = EmbeddedBroker(tmp_path / "broker")  # its own: what others retained would be heard too
        address = BrokerAddress.of(server.start())
        yield Broker(address, address, exact=False)
        server.stop()
        return
    binary, version = request.getfixturevalue("mosquitto"), Version.V5
    with ExitStack() as running:
        if "TLS" not in request.param:
            plain = running.enter_context(mosquitto_at(binary, tmp_path))
            version = Version.V311 if request.param.endswith("3.1.1") else Version.V5
            yield Broker(plain, plain, version)
            return
        made: Certificates = request.getfixturevalue("certificates")
        plain, address = running.enter_context(encrypted(binary, tmp_path, made, mutual="mutual" in request.param))
        files = TlsFiles(made.ca, *made.client) if "mutual" in request.param else TlsFiles(made.ca)
        yield Broker(plain, address, tls=files)


@contextmanager
def encrypted(
    binary: Path, folder: Path, made: Certificates, *, mutual: bool
) -> Iterator[tuple[BrokerAddress, BrokerAddress]]:
    port = free_port()
    certificate, key = made.server
    lines = [f"listener {port} 127.0.0.1", f"cafile {made.ca}", f"certfile {certificate}"]
    lines += [f"keyfile {key}", f"require_certificate {str(mutual).lower()}"]
    with mosquitto_at(binary, folder, *lines) as plain:
        yield plain, BrokerAddress.of(f"mqtts://127.0.0.1:{port}")


def numbered(first: int, last: int, size: int = 0) -> list[bytes]:
    return [f"{number} {'x' * size}".encode() for number in range(first, last)]


def test_a_session_is_kept_while_nobody_listens(any_broker: Broker, request: pytest.FixtureRequest) -> None:
    name = request.node.name
    sent = numbered(0, 400, 1000)
    first = Listening(any_broker.settings(name), any_broker.version)
    with first.running():
        eventually(lambda: first.link.connected)
        any_broker.publish(sent[:200])
        eventually(lambda: len(first.payloads) == 200)
    any_broker.publish(sent[200:])
    second = Listening(any_broker.settings(name), any_broker.version)
    with second.running():
        eventually(lambda: {*first.payloads, *second.payloads} >= set(sent))
    heard = first.payloads + second.payloads
    assert any_broker.heard(heard) == any_broker.heard(sent), "what was acknowledged does not come again"


def test_what_was_not_acknowledged_comes_again(any_broker: Broker, request: pytest.FixtureRequest) -> None:
    name = request.node.name
    first = Listening(any_broker.settings(name), any_broker.version)
    first.held.set()
    with first.running(drain=False):  # as if killed
        eventually(lambda: first.link.connected)
        any_broker.publish(numbered(0, 100))
        eventually(lambda: first.intake.rows >= 20)  # mosquitto sends so many ahead to a client of 3.1.1
    second = Listening(any_broker.settings(name), any_broker.version)
    with second.running():
        eventually(lambda: {*second.payloads} >= set(numbered(0, 100)))
    assert any_broker.heard(second.payloads) == any_broker.heard(numbered(0, 100))


def test_big_messages_and_every_qos_arrive(any_broker: Broker, request: pytest.FixtureRequest) -> None:
    rig = Listening(any_broker.settings(request.node.name), any_broker.version)
    sizes = {0: 10, 1: 700_000, 2: 700_000}  # a broker may drop a big one of QoS 0
    with rig.running():
        eventually(lambda: rig.link.connected)
        for qos, size in sizes.items():
            any_broker.publish([b"%d" % qos + bytes(size)], qos)
        eventually(lambda: len(rig.payloads) == 3)
    assert {int(payload[:1]): len(payload) - 1 for payload in rig.payloads} == sizes


@pytest.fixture
def mosquitto_5(mosquitto: Path, tmp_path: Path) -> Iterator[Broker]:
    with mosquitto_at(mosquitto, tmp_path) as plain:
        yield Broker(plain, plain)


def test_no_more_than_the_window_is_under_way(mosquitto_5: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "WINDOW", 10)
    rig = Listening(mosquitto_5.settings())
    rig.held.set()
    with rig.running():
        eventually(lambda: rig.link.connected)
        mosquitto_5.publish(numbered(0, 100))
        eventually(lambda: rig.intake.rows >= 10)
        assert rig.intake.rows == 10
        rig.held.clear()
        eventually(lambda: len(rig.payloads) == 100)
    assert rig.payloads == numbered(0, 100)


def test_two_that_share_get_all_between_them_and_each_message_once(mosquitto_5: Broker) -> None:
    pair = [Listening(mosquitto_5.settings(f"recorder-{number}", "city")) for number in (1, 2)]
    with pair[0].running():
        with pair[1].running():
            eventually(lambda: all(one.link.connected for one in pair))
            mosquitto_5.publish(numbered(0, 600))
            eventually(lambda: sum(len(one.payloads) for one in pair) >= 600)
        mosquitto_5.publish(numbered(600, 700))
        eventually(lambda: len(pair[0].payloads) + len(pair[1].payloads) >= 650)
        back = Listening(mosquitto_5.settings("recorder-2", "city"))
        with back.running():  # what went to the session of the one that was away waits there for it
            eventually(lambda: sum(len(one.payloads) for one in (*pair, back)) >= 700)
    assert all(len(one.payloads) > 100 for one in pair)
    assert sorted(payload for one in (*pair, back) for payload in one.payloads) == sorted(numbered(0, 700))


@pytest.mark.parametrize("wrong", ["no certificate", "another authority"])
def test_a_broker_that_does_not_know_us_or_that_we_do_not_know_is_not_spoken_to(
    mosquitto: Path, tmp_path: Path, certificates: Certificates, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    (tmp_path / "other").mkdir()
    files = TlsFiles(certificates.ca) if wrong == "no certificate" else TlsFiles(Certificates(tmp_path / "other").ca)
    with encrypted(mosquitto, tmp_path, certificates, mutual=True) as (_, address):
        rig = Listening(LinkSettings(address, tls=files))
        with rig.running(drain=False):
            eventually(lambda: "connection lost" in caplog.text)
    assert not rig.link.connects
    assert ("certificate verify failed" in caplog.text) == (wrong == "another authority")
