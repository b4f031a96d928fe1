"""The link against brokers that misbehave: half-open, cut off, slow, generous, wrong; each is a few lines of socket."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from city.broker_address import BrokerAddress
from city.clock import SystemClock
from city.errors import InputError
from ingest import link as links
from ingest.link import Link, LinkSettings
from ingest.mqtt import encode
from ingest.mqtt.words import Version
from ingest.wire import TlsFiles
from tests.ingest.listening import Listening
from tests.running import eventually

TOPIC = "lifeline/v1/north/gw-1/readings"


class Peer:
    """One accepted connection, from the broker's side."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(60)
        self._file = sock.makefile("rb")

    def packet(self) -> tuple[int, bytes]:
        """The next packet: its first byte and its content; (0, b"") at the end."""
        head = self._file.read(1)
        if not head:
            return 0, b""
        length = shift = 0
        while True:
            byte = self._file.read(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return head[0], self._file.read(length)

    def welcome(self) -> bytes:
        """Read CONNECT and SUBSCRIBE and say yes to both; the CONNECT."""
        kind, connect = self.packet()
        assert kind == 0x10
        five = connect[6] == 5
        self.sock.sendall(b"\x20\x03\x00\x00\x00" if five else b"\x20\x02\x00\x00")
        kind, asked = self.packet()
        assert kind == 0x82
        codes = b"\x01" * asked.count(b"lifeline/v1/")
        content = asked[:2] + (b"\0" if five else b"") + codes
        self.sock.sendall(bytes((0x90, len(content))) + content)
        return connect

    def publish(self, number: int, payload: bytes = b"{}", version: Version = Version.V5) -> None:
        """Deliver one message at QoS 1."""
        self.sock.sendall(encode.publish(version, TOPIC, payload, 1, number))

    def acks(self, count: int) -> list[int]:
        """The numbers of the next acknowledgements."""
        found: list[int] = []
        while len(found) < count:
            kind, content = self.packet()
            assert kind, "the link has gone"
            if kind == 0x40:
                found.append(int.from_bytes(content[:2], "big"))
        return found

    def close(self) -> None:
        """Be gone."""
        self._file.close()
        self.sock.close()


class Server:
    """A listening socket that a test answers by hand."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.settimeout(60)
        self._peers: list[Peer] = []
        self.address = BrokerAddress.of(f"mqtt://127.0.0.1:{self.sock.getsockname()[1]}")

    def accept(self) -> Peer:
        """The next connection."""
        self._peers.append(Peer(self.sock.accept()[0]))
        return self._peers[-1]

    def close(self) -> None:
        """Be gone, with all connections."""
        for peer in self._peers:
            peer.close()
        self.sock.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_a_broker_that_falls_silent_is_left_and_met_again(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "KEEPALIVE_S", 1)
    rig = Listening(LinkSettings(server.address))
    with rig.running():
        silent = server.accept()
        silent.welcome()
        eventually(lambda: rig.link.connected)
        assert silent.packet()[0] == 0xC0, "it asks"
        assert silent.packet() == (0xE0, b"\x8d"), "and says why it goes: keep alive timeout"
        again = server.accept()
        again.welcome()
        eventually(lambda: rig.link.connects == 2)


def test_no_two_messages_arrive_in_one_microsecond(server: Server) -> None:
    """Claims of the future are stored under their arrival: two of a sensor would meet there as a conflict."""
    rig = Listening(LinkSettings(server.address))
    with rig.running():
        peer = server.accept()
        peer.welcome()
        for first in range(1, 301, 100):  # a hundred in one piece of what is read
            together = range(first, first + 100)
            peer.sock.sendall(b"".join(encode.publish(Version.V5, TOPIC, b"{}", 1, number) for number in together))
        peer.acks(300)
    arrived = [one.received_us for one in rig.taken]
    assert sorted(set(arrived)) == arrived
    assert len(arrived) == 300


def test_the_word_of_the_host_is_no_message_to_one_that_is_not_the_host(server: Server) -> None:
    """It still comes to a session of a time when this recorder was the host."""
    rig = Listening(LinkSettings(server.address, share="two", sparkplug_host="city"))
    with rig.running():
        peer = server.accept()
        peer.welcome()
        word = b'{"online":false,"timestamp":1}'
        peer.sock.sendall(encode.publish(Version.V5, "spBv1.0/STATE/city", word, 1, 1))
        assert peer.acks(1) == [1]
    assert [(one.message, one.payload) for one in rig.taken] == [(None, b"")]


def test_a_broker_that_closes_in_the_middle_of_a_packet_delivers_it_again(server: Server) -> None:
    rig = Listening(LinkSettings(server.address))
    with rig.running():
        peer = server.accept()
        peer.welcome()
        peer.publish(1, b"whole")
        assert peer.acks(1) == [1]
        peer.sock.sendall(encode.publish(Version.V5, TOPIC, b"cut off", 1, 2)[:-3])
        peer.close()
        peer = server.accept()
        peer.welcome()
        peer.publish(2, b"cut off")
        assert peer.acks(1) == [2]
    assert rig.payloads == [b"whole", b"cut off"]


def test_acknowledgements_wait_for_a_broker_that_does_not_read(server: Server) -> None:
    count = 20_000
    rig = Listening(LinkSettings(server.address))
    with rig.running():
        server.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer = server.accept()
        peer.welcome()
        packet = b"".join(encode.publish(Version.V5, TOPIC, b"{}", 1, number + 1) for number in range(count))
        peer.sock.sendall(packet)  # ten times the window: mosquitto 2.0.11 does that too
        eventually(lambda: len(rig.taken) == count)
        assert peer.acks(count) == list(range(1, count + 1)), "in order of receipt"


def test_it_stops_reading_while_too_much_is_pending(server: Server) -> None:
    rig = Listening(LinkSettings(server.address), max_rows=10)
    rig.held.set()
    with rig.running():
        peer = server.accept()
        peer.welcome()
        peer.publish(1)
        eventually(lambda: rig.intake.rows == 1)
        peer.sock.settimeout(0.5)
        content = b"".join(encode.publish(Version.V5, TOPIC, b"x" * 100_000, 1, number) for number in range(2, 500))
        with pytest.raises(TimeoutError):
            peer.sock.sendall(content)
        assert rig.intake.rows < 20
        peer.sock.settimeout(60)
        rig.held.clear()
        assert peer.acks(rig.intake.rows)[:2] == [1, 2]


def test_only_the_connection_that_delivered_is_acknowledged(server: Server) -> None:
    rig = Listening(LinkSettings(server.address))
    rig.held.set()
    with rig.running():
        peer = server.accept()
        peer.welcome()
        peer.publish(7, b"first")
        eventually(lambda: rig.intake.rows)
        batch = rig.intake.take(10, 1.0)  # as the writer does: on its way to the database when the connection breaks
        assert len(batch) == 1
        peer.close()
        peer = server.accept()
        peer.welcome()
        eventually(lambda: rig.link.connects == 2)
        rig.intake.written()
        rig.held.clear()
        peer.publish(8, b"second")
        assert peer.acks(1) == [8], "7 is another message's number by now"


def test_a_number_that_comes_again_before_its_acknowledgement_counts_once(server: Server) -> None:
    rig = Listening(LinkSettings(server.address))
    rig.held.set()
    with rig.running():
        peer = server.accept()
        peer.welcome()
        peer.publish(7, b"once")
        peer.publish(7, b"once")
        peer.publish(8, b"next")
        eventually(lambda: rig.intake.rows == 2)
        rig.held.clear()
        assert peer.acks(2) == [7, 8]
    assert rig.payloads == [b"once", b"next"]


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"\x36\x02ab", 0x81), (b"\x20\x03\x00\x00\x00", 0x82), (b"\x30\x07\x00\x01a\x03\x23\xff\xff", 0x94)],
)
def test_a_malformed_packet_closes_the_connection_with_its_reason(server: Server, content: bytes, code: int) -> None:
    rig = Listening(LinkSettings(server.address))
    with rig.running():
        peer = server.accept()
        peer.welcome()
        peer.sock.sendall(content)
        while (packet := peer.packet())[0] not in (0, 0xE0):
            pass
        assert packet == (0xE0, bytes((code,)))


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b""], ids=["311", "5", "closes"])
def test_a_broker_that_does_not_speak_5_is_spoken_to_in_311(server: Server, answer: bytes) -> None:
    rig = Listening(LinkSettings(server.address))
    with rig.running():
        peer = server.accept()
        assert peer.packet()[1][6] == 5
        peer.sock.sendall(answer)
        peer.close()
        peer = server.accept()
        assert peer.welcome()[6] == 4
        peer.sock.sendall(encode.publish(Version.V311, TOPIC, b"old", 1, 3))
        assert peer.acks(1) == [3]
    assert rig.payloads == [b"old"]


def test_a_refusal_is_told_in_words(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    rig = Listening(LinkSettings(server.address))
    with rig.running():
        peer = server.accept()
        peer.packet()
        peer.sock.sendall(b"\x20\x03\x00\x86\x00")
        eventually(lambda: "refused, got: bad user name or password" in caplog.text)


def test_files_for_tls_are_looked_at_before_anything_starts(server: Server) -> None:
    encrypted = BrokerAddress.of("mqtts://127.0.0.1:1")
    with pytest.raises(InputError, match="try mqtts"):
        Link(LinkSettings(server.address, tls=TlsFiles(ca=Path("x"))), SystemClock())
    with pytest.raises(InputError, match=r"mqtt_ca: cannot be read, got nowhere.pem"):
        Link(LinkSettings(encrypted, tls=TlsFiles(ca=Path("nowhere.pem"))), SystemClock())
    with pytest.raises(InputError, match=r"mqtt_certificate: cannot be used, got nowhere.pem"):
        Link(LinkSettings(encrypted, tls=TlsFiles(certificate=Path("nowhere.pem"))), SystemClock())
    with pytest.raises(InputError, match="mqtt_key without mqtt_certificate"):
        Link(LinkSettings(encrypted, tls=TlsFiles(key=Path("nowhere.pem"))), SystemClock())
