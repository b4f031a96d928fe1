"""Every example of the gateway's page loads, and every key is explained."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from city import gatewaykeys as known
from gateway.config import GatewayConfig
from gateway.configfile import load_config

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
WHOLE = [block for block in BLOCKS if block.startswith("version:")]
SOURCES = [block for block in BLOCKS if block.startswith("- id:")]
HEAD = "version: 1\ndistrict: d\ngateway: g\nbroker: mqtt://a\noutbox: {folder: b}\nsources:\n"


def load(text: str) -> GatewayConfig:
    return load_config(text, "gateway.yaml", Path("/"))


def test_every_example_is_tried_and_every_kind_of_source_is_shown() -> None:
    assert len(WHOLE) == 1
    assert len(BLOCKS) == len(WHOLE) + len(SOURCES)
    assert {block.split("type: ")[1].split("\n")[0] for block in SOURCES} == set(known.SOURCES)


def test_the_whole_file_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITY_BROKER", "mqtts://gw:p@broker.example.org")
    assert load(WHOLE[0]).max_age_s == 30 * 86400


@pytest.mark.parametrize("block", SOURCES, ids=lambda block: block.split("type: ")[1].split("\n")[0])
def test_every_source_loads(block: str) -> None:
    assert len(load(HEAD + textwrap.indent(block, "  ")).sources) == 1


def test_every_key_stands_on_the_page() -> None:
    tables = [known.GATEWAY, known.OUTBOX, known.BACKLOG, known.TIME, known.VALUE, known.REGISTER]
    keys = {key for table in (*tables, *known.SOURCES.values()) for key in table}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", TEXT)] == []
