"""Topics of a local MQTT broker. A message is acknowledged to it only once its readings are in the outbox."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator

import aiomqtt

from city.broker_address import BrokerAddress
from gateway.config import MqttConfig
from gateway.sources.rows import RowReader
from gateway.sources.source import SourceFailed, Surroundings, Take

_MOST_BYTES = 1 << 20
_MOST_WAITING = 100  # messages that the broker may send before the first is acknowledged; the rest waits there


class MqttSource:
    """A persistent session at QoS 1: what comes while the agent is away waits at the broker."""

    def __init__(self, config: MqttConfig, around: Surroundings) -> None:
        self._config, self._around = config, around
        self._reader = RowReader(config.rows, around.clock)

    async def takes(self) -> AsyncGenerator[Take, None]:
        """One take for each message. Columns `topic`, `topic.0`, `topic.1` … hold its topic and the parts of it."""
        address = BrokerAddress.of(self._config.broker)
        try:
            client = aiomqtt.Client(
                address.host,
                address.port,
                username=address.username,
                password=address.password,
                identifier=f"lifeline-{self._around.gateway}-{self._config.id}",
                clean_session=False,
                max_queued_incoming_messages=0,  # bounded by what is not acknowledged yet
                max_inflight_messages=_MOST_WAITING,
                tls_context=ssl.create_default_context() if address.encrypted else None,
            )
            client._client.manual_ack_set(True)  # aiomqtt has no public way to acknowledge later
            async with client:
                for topic in self._config.topics:
                    await client.subscribe(topic, qos=1)
                async for message in client.messages:
                    yield self._take(client, message)
        except (aiomqtt.MqttError, OSError, TimeoutError) as error:
            raise SourceFailed(f"broker {address}: {str(error) or type(error).__name__}, try: start it") from error

    def _take(self, client: aiomqtt.Client, message: aiomqtt.Message) -> Take:
        def acknowledge() -> None:
            client._client.ack(message.mid, message.qos)

        topic, payload = message.topic.value, message.payload
        if len(payload) > _MOST_BYTES:
            return Take([], 1, f"{topic}: over 1 MiB", kept=acknowledge)
        parts = {f"topic.{n}": part for n, part in enumerate(topic.split("/"))}
        found = self._reader.read_json(payload, {"topic": topic, **parts})
        return Take(found.rows, found.bad, found.why, kept=acknowledge)
