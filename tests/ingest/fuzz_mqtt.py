"""A fuzz target for the MQTT reader: any bytes, cut anywhere, give packets or ProtocolError, and bounded memory.

Run it as a program with the options of libFuzzer (`-max_total_time=60`).
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ingest.mqtt"]):
    from ingest.mqtt.client import Client, Wishes
    from ingest.mqtt.reader import Reader
    from ingest.mqtt.words import ProtocolError, Version

_WHOLE = 256


def one(content: bytes) -> None:
    """The first byte chooses the version, the second how it is cut; the rest is the stream."""
    if len(content) < 2:
        return
    version = Version.V5 if content[0] & 1 else Version.V311
    step, stream = content[1] % 16 + 1, content[2:]
    pieces = [stream[at : at + step] for at in range(0, len(stream), step)]
    reader = Reader(version, 10, _WHOLE)
    try:
        for piece in pieces:
            reader.feed(piece)
            held = sum(map(len, reader._parts))
            assert held <= _WHOLE + step + 5, held
    except ProtocolError:
        pass
    client = Client(Wishes("fuzz", version, whole=_WHOLE), 0.0)
    try:
        client.receive(b"\x20\x03\x00\x00\x00" if version == Version.V5 else b"\x20\x02\x00\x00", 0.0)
        client.subscribe(["a", "b"])
        for at, piece in enumerate(pieces):
            client.receive(piece, float(at))
    except ProtocolError:
        pass


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
