"""A bounded run of the fuzz targets beside this file; each is a program that can run for longer by hand."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from ingest.mqtt import encode, fields
from ingest.mqtt.words import Version

HERE = Path(__file__).parent
SECONDS = 4
READING = {"sensor": "wl-001", "time": "2026-07-01T08:00:00+08:00", "value": 1.5, "unit": "cm", "flag": 1}
SERIES = {"sensor": "wl-001", "start": 1782864000000, "step_ms": 20, "values": [1, 2, 3]}
SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "fuzz_mqtt.py": (
        b"\x01\x07" + encode.publish(Version.V5, "a/b", b"x", 1, 7, said={fields.ALIAS: 3, fields.USER: [("k", "v")]}),
        b"\x00\x02" + encode.publish(Version.V311, "a/b", b"x" * 300, 1, 7) + b"\x90\x04\x00\x01\x01\x80",
        b"\x01\x0f\x20\x03\x00\x00\x00\x90\x05\x00\x01\x00\x01\x87\xd0\x00\x62\x02\x00\x08\xe0\x02\x8b\x00",
    ),
    "fuzz_decoders.py": (
        b"\x00" + json.dumps({"seq": 3, "sent_at": 1782864000000, "readings": [READING], "series": [SERIES]}).encode(),
        b"\x01" + b'[{"bn":"wl-","bt":1782864000,"bu":"cm"},{"n":"001","v":1.5},{"n":"002","t":5,"vs":"x"}]',
        b"\x01" + bytes.fromhex("81a30063776c2d21fb40f0000000000000021901f4"),
        b"\x02" + b'{"online":true,"time":1782864000000,"buffered":3,"version":"1"}',
        b"\x04" + bytes.fromhex("08e8071214 0a056c6576656c1001180120095501020304").replace(b" ", b""),
        b"\x09" + b'{"Pump":[{"ts":1782864000000,"values":{"level":"1.5"}}]}',
        b"\x0a" + b'{"time":"2026-07-01T00:00:00Z","deviceInfo":{"deviceName":"b"},"object":{"level":1}}',
        b"\x0b" + b'{"data":[{"ts":"2026-07-01 08:00:00","station":"s1","quality":"good","extra":{"bat":"3.6"}}]}',
    ),
}


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="NOT FUZZED: atheris is not installed for this Python"
)
def test_no_bytes_make_a_reader_or_a_decoder_fail(tmp_path: Path) -> None:
    running = []
    for target, seeds in SEEDS.items():
        corpus = tmp_path / target
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / str(number)).write_bytes(seed)
        command = [
            sys.executable,
            str(HERE / target),
            f"-max_total_time={SECONDS}",
            "-max_len=600",
            "-verbosity=0",
            str(corpus),
        ]
        surroundings = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
        running.append(
            subprocess.Popen(  # noqa: S603 - our own programs
                command, cwd=tmp_path, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
    for process in running:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said[-4000:]
