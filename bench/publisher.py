"""A fast MQTT publisher with a bounded number of messages in flight; loopback brokers only."""

from __future__ import annotations

import ipaddress
import threading
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from city.broker_address import BrokerAddress
from city.errors import InputError, OutsideError

PATIENCE_S = 60.0


class Publisher:
    """Publishes at QoS 1 and waits for a place while `window` messages are unacknowledged.

    Parameters
    ----------
    url
        `mqtt://user:password@127.0.0.1:port`; a load generator on somebody else's broker would be an attack.
    window
        Messages in flight, at least 1.
    """

    def __init__(self, url: str, window: int = 256) -> None:
        address = BrokerAddress.of(url)
        if address.encrypted or not _is_loopback(address.host):
            raise InputError(f"bench publishes to loopback brokers only, got {address}, try mqtt://127.0.0.1:1883")
        self._address = address
        self._places, self._window = threading.BoundedSemaphore(window), window
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="lifeline-bench", protocol=mqtt.MQTTv311)
        if address.username is not None:
            self._client.username_pw_set(address.username, address.password)
        self._client.max_inflight_messages_set(window)
        self._connected = threading.Event()
        self._client.on_publish = self._acknowledged
        self._client.on_connect = self._welcomed

    def __enter__(self) -> Self:
        try:
            self._client.connect(self._address.host, self._address.port)
        except OSError as error:
            raise OutsideError(f"broker {self._address} cannot be reached, got {error}") from error
        self._client.loop_start()
        if not self._connected.wait(PATIENCE_S):
            raise OutsideError(f"broker {self._address} did not let us in within {PATIENCE_S:g} s")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Hand one message over (OutsideError when the broker stops acknowledging)."""
        self._take()
        self._client.publish(topic, payload, qos=1)

    def drain(self) -> None:
        """Wait until every message is acknowledged."""
        for _ in range(self._window):
            self._take()
        for _ in range(self._window):
            self._places.release()

    def _take(self) -> None:
        if not self._places.acquire(timeout=PATIENCE_S):
            raise OutsideError(f"broker {self._address} acknowledged nothing for {PATIENCE_S:g} s")

    def _welcomed(self, *_: Any) -> None:  # noqa: ANN401 - paho's five arguments, none of them needed
        self._connected.set()

    def _acknowledged(self, *_: Any) -> None:  # noqa: ANN401 - paho's five arguments, none of them needed
        self._places.release()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
