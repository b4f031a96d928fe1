"""A gateway's encrypted line: a broker of a private authority that asks who comes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from city.clock import SystemClock
from city.errors import FaultyInput, InputError
from city.tls import TlsFiles
from gateway.agent import Agent, AgentSettings
from gateway.configfile import load_config
from gateway.outbox import Outbox
from tests.gateway.test_agent import one, running
from tests.gateway.test_config import GOOD
from tests.ingest.test_link_brokers import Certificates, certificates, encrypted

__all__ = ["certificates"]  # a fixture


async def test_a_gateway_shows_its_certificate_and_trusts_the_authority_of_its_file(
    mosquitto: Path, tmp_path: Path, certificates: Certificates
) -> None:
    key = certificates.client[1]
    (tmp_path / "gw.pem").write_bytes(certificates.client[0].read_bytes())
    text = GOOD + f"broker_ca: {certificates.ca}\nbroker_certificate: gw.pem\nbroker_key: {key}\n"
    files = load_config(text, "gateway.yaml", tmp_path).tls
    assert files == TlsFiles(certificates.ca, tmp_path / "gw.pem", key)
    with encrypted(mosquitto, tmp_path, certificates, mutual=True) as (_, address), Outbox(tmp_path / "box") as outbox:
        outbox.put([one(0)], now_us=0)
        agent = Agent(
            f"mqtts://127.0.0.1:{address.port}", "east", "gw", outbox, SystemClock(), AgentSettings(tls=files)
        )
        async with running(agent):
            await eventually_published(agent)
        assert outbox.readings == 0


def test_files_that_cannot_be_used_are_told_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("no key")
    for lines, told in (
        ("broker_ca: missing.pem", "6:12: broker_ca: cannot be read"),
        ("broker_key: key.pem", "6:13: broker_key without broker_certificate"),
        ("broker_certificate: key.pem", "6:21: broker_certificate: cannot be used"),
    ):
        head, sources = GOOD.split("sources:")
        with pytest.raises(FaultyInput) as caught:
            load_config(f"{head}{lines}\nsources:{sources}", "gateway.yaml", tmp_path)
        assert str(caught.value.faults[0]).startswith(f"gateway.yaml:{told}")


def test_a_wrong_file_stops_the_start(tmp_path: Path) -> None:
    settings = AgentSettings(tls=TlsFiles(tmp_path / "missing.pem"))
    with Outbox(tmp_path / "box") as outbox, pytest.raises(InputError, match="mqtt_ca"):
        Agent("mqtts://127.0.0.1", "east", "gw", outbox, SystemClock(), settings)


async def eventually_published(agent: Agent) -> None:
    """Await that all is confirmed."""
    async with asyncio.timeout(60):
        while agent.published == 0:
            await SystemClock().sleep_s(0.01)
