"""A fuzz target for the decoders: any payload under any topic gives a message that can be counted, never an exception.

Run it as a program with the options of libFuzzer (`-max_total_time=60`).
"""

from __future__ import annotations

import math
import sys

import atheris

with atheris.instrument_imports(include=["ingest.decoders", "cbor2"]):
    from city.mapping import load_mappings
    from ingest.decoders import Decoders
    from ingest.message import ReadingsMessage, Refusal
    from ingest.reasons import Reason

MAPPINGS = {
    "mappings/acme.yaml": """\
version: 1
topic: acme/+/data
gateway: "gw-{topic.2}"
each: $.data[*]
time: {path: "@.ts", format: "%Y-%m-%d %H:%M:%S", zone: Asia/Shanghai}
values: [{path: "@.extra.*", sensor: "{@.station}-{key}", unit: mm}]
flag: {path: "@.quality", map: {good: 1, poor: 3}}
numeric_text: true
""",
    "mappings/things.yaml": "version: 1\ntopic: v1/gateway/telemetry\nformat: thingsboard\ngateway: gw-1\n",
    "mappings/radio.yaml": "version: 1\ntopic: application/+/device/+/event/up\nformat: chirpstack\ngateway: gw-1\n",
}
TOPICS = (
    "lifeline/v1/north/gw-1/readings", "lifeline/v1/north/gw-1/senml", "lifeline/v1/north/gw-1/status",
    "lifeline/v1/north/gw-1/exercise/storm", "spBv1.0/north/NBIRTH/gw-1", "spBv1.0/north/NDATA/gw-1",
    "spBv1.0/north/DBIRTH/gw-1/pump", "spBv1.0/north/DDATA/gw-1/pump", "spBv1.0/north/NDEATH/gw-1",
    "v1/gateway/telemetry", "application/a/device/b/event/up", "acme/1/data",
)  # fmt: skip
decoders = Decoders()


def one(content: bytes) -> None:
    """The first byte chooses the topic; the rest is the payload."""
    if not content:
        return
    message = decoders.decode(TOPICS[content[0] % len(TOPICS)], content[1:], 1_782_864_000_000_000)
    if isinstance(message, Refusal):
        assert message.reason is not Reason.DECODER_FAULT, message.detail
    if isinstance(message, ReadingsMessage):
        message.spread()
        columns = (message.sensor, message.time_us, message.value, message.unit, message.flag)
        assert len({len(column) for column in columns}) == 1
        assert all(math.isfinite(value) for value in message.value)


if __name__ == "__main__":
    decoders.mappings = tuple(load_mappings(MAPPINGS)[0])
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
