"""paho-mqtt as an oracle: what it writes for a packet, and what it reads from bytes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties

from ingest.mqtt.words import Version


def client(version: Version, name: str = "x") -> Client:
    """A paho client of one protocol version."""
    protocol = MQTTProtocolVersion.MQTTv5 if version == Version.V5 else MQTTProtocolVersion.MQTTv311
    return Client(CallbackAPIVersion.VERSION2, name, protocol=protocol, clean_session=None if version == 5 else False)


def written(paho: Client, send: Callable[[Client], object]) -> bytes:
    """What paho writes when told to `send`."""
    paho._out_packet.clear()
    paho.on_socket_register_write = lambda *_: None  # packets stay in their queue
    with socket.socket() as nowhere:
        paho._sock = nowhere
        send(paho)
        paho._sock = None
    return b"".join(bytes(one["packet"]) for one in paho._out_packet)


def read(version: Version, content: bytes) -> list[MQTTMessage]:
    """The messages that paho reads from `content`."""
    near, far = socket.socketpair()
    with closing(near), closing(far):
        paho, messages = client(version), list[MQTTMessage]()
        paho.on_message = lambda _client, _data, message: messages.append(message)
        paho._sock = near
        near.setblocking(False)
        far.sendall(content)
        while paho._packet_read() == 0:
            pass
        paho._sock = None
    return messages


def packed(properties: Properties | None) -> bytes:
    """Properties as paho writes them."""
    return b"\0" if properties is None else bytes(properties.pack())  # type: ignore[no-untyped-call] # paho does not say
