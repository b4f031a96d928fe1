"""One connection to a broker, to see whether it takes us."""

from __future__ import annotations

import asyncio
import secrets

import aiomqtt

from city.broker_address import BrokerAddress
from city.clock import stopwatch_s
from city.errors import OutsideError
from ingest.wire import NO_FILES, TlsFiles, tls_context

TIMEOUT_S = 5.0


def probe(url: str, tls: TlsFiles = NO_FILES) -> float:
    """Seconds a CONNECT took (OutsideError when it is refused or nobody answers)."""
    return asyncio.run(_probe(BrokerAddress.of(url), tls))


async def _probe(address: BrokerAddress, tls: TlsFiles) -> float:
    began_s = stopwatch_s()
    try:
        async with aiomqtt.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            tls_context=tls_context(tls) if address.encrypted else None,
            identifier=f"lifeline-doctor-{secrets.token_hex(4)}",
            timeout=TIMEOUT_S,
        ):
            return stopwatch_s() - began_s
    except (aiomqtt.MqttError, OSError) as error:
        raise OutsideError(
            f"broker {address}: cannot connect, got: {error}, try whether it runs, and LIFELINE_MQTT_URL"
        ) from error
