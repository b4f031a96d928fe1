"""An MQTT client that tells what the broker answers: to its coming in, to what it says, to what it wants to hear."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from tests.running import PATIENCE_S


class Speaker:
    """One connection over TLS, MQTT 5.

    Parameters
    ----------
    port
        Of a broker on this machine.
    ca
        Whom to trust.
    user, password, certificate, client
        Who we say we are; `certificate` is the path of a PEM file, its key beside it as `.key`.
    keeps
        Whether the broker shall keep our session, and what waits in it, when we leave.
    """

    def __init__(
        self, port: int, ca: Path, user: str = "", password: str = "", certificate: Path | None = None,
        client: str = "", keeps: bool = False, patience_s: float = PATIENCE_S,
    ) -> None:  # fmt: skip
        self.heard: list[tuple[str, bytes]] = []
        self.code, self.connections = -1, 0
        self._came, self._answered = threading.Event(), threading.Event()
        self._codes: dict[int, int] = {}
        self._port, self._keeps, self._patience_s = port, keeps, patience_s
        made = self._client = Client(CallbackAPIVersion.VERSION2, client, protocol=MQTTv5, reconnect_on_failure=False)
        context = ssl.create_default_context(cafile=ca)
        if certificate is not None:
            context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        made.tls_set_context(context)
        if user:
            made.username_pw_set(user, password)
        made.on_connect, made.on_message = self._connected, self._message
        made.on_publish, made.on_subscribe = self._published, self._subscribed

    def __enter__(self) -> Self:
        kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's own class has no types
        kept.SessionExpiryInterval = 60 if self._keeps else 0
        self._client.connect("localhost", self._port, clean_start=not self._keeps, properties=kept)
        self._client.loop_start()
        self._came.wait(self._patience_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def welcome(self) -> bool:
        """Whether the broker let us in."""
        return self.code == 0

    def say(self, topic: str, payload: bytes = b"x", **more: str) -> bool:
        """Publish, with user properties; whether the broker took it (it says when it did not)."""
        self._answered.clear()
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's own class has no types
        if more:
            properties.UserProperty = list(more.items())
        number = self._client.publish(topic, payload, qos=1, properties=properties).mid
        while number not in self._codes:
            assert self._answered.wait(self._patience_s), f"no answer to {topic}"
            self._answered.clear()
        return self._codes.pop(number) < 0x80

    def listen(self, *topics: str) -> None:
        """Subscribe."""
        self._answered.clear()
        self._client.subscribe([(topic, 1) for topic in topics])
        assert self._answered.wait(self._patience_s), f"no answer to {topics}"

    def topics(self) -> set[str]:
        """The topics heard so far."""
        return {topic for topic, _ in self.heard}

    def _connected(
        self, _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        self.code = code.value
        self.connections += 1
        self._came.set()

    def _message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def _published(
        self, _client: Client, _data: object, number: int, code: ReasonCode, _more: Properties | None
    ) -> None:
        self._codes[number] = code.value
        self._answered.set()

    def _subscribed(self, *_: object) -> None:
        self._answered.set()
