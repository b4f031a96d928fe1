"""Every block of the page on formats works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from city.mapping import FLAG, MAPPING, TIME, VALUE, Mapping, load_mapping
from ingest.decoders import Decoders
from ingest.message import ReadingsMessage, StatusMessage

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+) ?(\S*)\n(.*?)```", TEXT, re.DOTALL)
RECEIVED_US = 1_782_864_100_000_000
EXPECTED = {  # readings that come out of each sample, in order
    "lifeline/v1/north/gw-1/readings": [["wl-001", "st-003", "st-003", "st-003"]],
    "lifeline/v1/north/gw-1/senml": [["wl-001", "wl-002", "flow-1", "flow-1-sum"], ["wl-001"]],
    "spBv1.0/north/NBIRTH/gw-1": [["b-1"]],
    "acme/1/data": [["wl-s1", "battery-1"]],
    "v1/gateway/telemetry": [["wl-001", "Tank-level"]],
    "application/1/device/24e124136b502217/event/up": [["24e124136b502217-level", "24e124136b502217-battery"]],
}


def mappings() -> list[Mapping]:
    return [load_mapping(text, f"mappings/{at}.yaml") for at, (kind, _, text) in enumerate(BLOCKS) if kind == "yaml"]


def test_every_sample_gives_its_readings_and_refuses_nothing() -> None:
    decoders = Decoders(mappings())
    found: dict[str, list[list[str]]] = {}
    for kind, topic, text in BLOCKS:
        if kind not in ("json", "hex"):
            continue
        message = decoders.decode(topic, bytes.fromhex(text) if kind == "hex" else text.encode(), RECEIVED_US)
        assert isinstance(message, ReadingsMessage | StatusMessage), message
        assert not message.refused, (topic, message.refused)
        if isinstance(message, ReadingsMessage):
            found.setdefault(topic, []).append([sensor for sensor, *_ in message.rows()])
            assert set(message.time_us) & {1_782_864_000_000_000, 1_782_864_000_775_023}
    assert found == EXPECTED


def test_every_kind_of_block_is_tried() -> None:
    assert {kind for kind, _, _ in BLOCKS} == {"json", "hex", "yaml", "text"}
    assert len(mappings()) == 3
    assert TEXT.count("```") == 2 * len(BLOCKS)


def test_the_values_are_those_the_page_tells() -> None:
    decoders = Decoders(mappings())
    samples = {topic: text for kind, topic, text in BLOCKS if kind == "json"}
    message = decoders.decode("acme/1/data", samples["acme/1/data"].encode())
    assert isinstance(message, ReadingsMessage)
    assert (message.gateway, message.district) == ("gw-1", "north")
    assert list(zip(message.value, message.unit, message.flag, strict=True)) == [(167.0, "mm", 1), (3.6, None, 1)]
    senml = decoders.decode("lifeline/v1/north/gw-1/senml", samples["lifeline/v1/north/gw-1/senml"].encode())
    assert isinstance(senml, ReadingsMessage)
    assert list(zip(senml.value, senml.unit, strict=True)) == [
        (16.2, "cm"), (3.0, "cm"), (0.5, "m3/s"), (1800.0, "m3"),
    ]  # fmt: skip


def test_the_commands_of_the_page_are_commands() -> None:
    from typer.main import get_command

    from lifeline.cli import app

    known = get_command(app).commands["quarantine"].commands  # type: ignore[attr-defined] # a group, as typer makes it
    assert set(re.findall(r"^lifeline quarantine (\w+)", TEXT, re.MULTILINE)) == set(known)


def test_every_key_of_a_mapping_is_on_the_page() -> None:
    missing = {key for table in (MAPPING, TIME, VALUE, FLAG) for key in table if not re.search(rf"\b{key}\b", TEXT)}
    assert missing == set()
