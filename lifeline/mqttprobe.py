"""One connection to a broker, to see whether it takes us."""

from __future__ import annotations

import asyncio
import secrets

import aiomqtt

from city.clock import stopwatch_s
from city.errors import OutsideError
from gateway.address import Address

TIMEOUT_S = 5.0


def probe(url: str) -> float:
    """Seconds a CONNECT took (OutsideError when it is refused or nobody answers)."""
    return asyncio.run(_probe(Address.of(url)))


async def _probe(address: Address) -> float:
    began_s = stopwatch_s()
    try:
        async with aiomqtt.Client(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            tls_context=address.tls(),
            identifier=f"lifeline-doctor-{secrets.token_hex(4)}",
            timeout=TIMEOUT_S,
        ):
            return stopwatch_s() - began_s
    except (aiomqtt.MqttError, OSError) as error:
        raise OutsideError(
            f"broker {address}: cannot connect, got: {error}, try whether it runs, and LIFELINE_MQTT_URL"
        ) from error
