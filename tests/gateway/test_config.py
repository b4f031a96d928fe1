"""`gateway.yaml`: every fault at once, each where it stands, with what to try."""

from __future__ import annotations

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from city.errors import FaultyInput
from city.yamlfile import parse
from gateway.config import GatewayConfig
from gateway.configfile import load_config
from lifeline.cli import run_command
from rules.schemas import schema

HEAD = "version: 1\ndistrict: east\ngateway: gw\nbroker: mqtt://127.0.0.1\noutbox: {folder: box}\nsources:\n"
GOOD = HEAD + "  - {id: a, type: file, path: a.csv, values: [{column: v, sensor: s, unit: cm}]}\n"


def load(text: str) -> GatewayConfig:
    return load_config(text, "gateway.yaml", Path("/etc/x"))


def faults(text: str) -> list[str]:
    with pytest.raises(FaultyInput) as caught:
        load(text)
    return [str(fault).removeprefix("gateway.yaml:") for fault in caught.value.faults]


def test_what_is_not_said_is_usual() -> None:
    config = load(GOOD)
    assert (config.max_bytes, config.max_age_s, config.hold_when_full) == (200_000_000, None, False)
    assert (config.backlog_per_s, config.gather_s, config.accept_push) == (1000.0, 0.5, False)
    assert config.folder == Path("/etc/x/box")
    assert [source.id for source in config.sources] == ["a"]


def test_every_fault_is_told_at_once_with_its_place_and_the_nearest_name() -> None:
    text = """\
version: 1
district: east/1
gateway: gw
broker: http://127.0.0.1
outbox: {folder: box, size_mb: -1, age: soon, when_ful: hold}
sources:
  - {id: a, type: modbuss, host: h}
  - {id: b, type: modbus, host: h, every: 5s, registers: [{sensor: p, address: 70000, unit: quux, type: flaot32}]}
  - {id: b, type: file, path: a.csv, values: [{column: v, sensr: s}], time: {column: t, zone: Mars, format: unixms}}
  - {id: d, type: serial, port: /dev/x, pattern: "D=(?P<depth>.*)", values: [{column: dept, sensor: "{nam}"}]}
  - {id: e, type: post, listen: "0.0.0.0:80", values: []}
  - {type: mqtt, broker: mqtt://a, broker_env: B, topics: x, values: [{column: v, sensor: s}]}
  - {id: g, type: serial, port: /dev/x, pattern: "(", values: [{column: v, sensor: s}]}
"""
    assert faults(text) == [
        "2:11: district: not a short name, got 'east/1', try letters, digits and -",
        "4:9: broker address: not an MQTT address, got 'http://127.0.0.1', try mqtt://user:password@host:1883",
        "5:32: size_mb: expected a number above 0, got -1",
        "5:41: age: not a duration, got 'soon', try 30s, 5m or 1h30m",
        "5:47: unknown key 'when_ful', try 'when_full'",
        "7:19: type: not one, got 'modbuss', try 'modbus'",
        "8:80: address: expected a whole number, got 70000, try 0 to 65535",
        "8:93: unknown unit, got 'quux', try cm, mm/h, kPa or %LEL",
        "8:105: type: not one, got 'flaot32', try 'float32'",
        "9:10: id: a second source of this name (the first is in line 8), got 'b'",
        "9:47: missing key 'sensor', try adding 'sensor: …'",
        "9:59: unknown key 'sensr', try 'sensor'",
        "9:95: no such time zone, got 'Mars', try UTC or Asia/Shanghai",
        "9:109: format: not one, got 'unixms', try 'unix_ms'",
        "10:87: no column 'dept' in the pattern, try 'depth'",
        "10:101: no column 'nam' in the pattern, try depth",
        "11:33: listen: not a loopback address with a port, got '0.0.0.0:80', try 127.0.0.1:8090",
        "11:55: values: expected a list with at least one entry, got a list, try entries that begin with '- '",
        "12:5: exactly one of broker and broker_env says where the broker is, try broker_env: NAME",
        "12:5: missing key 'id', try adding 'id: …'",
        "12:59: topics: expected a list of texts, got 'x', try [x]",
        "13:50: pattern: not a regular expression (missing ), unterminated subpattern at position 0), got '('",
    ]


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITY_BROKER", "mqtt://gw:secret@127.0.0.1")
    text = GOOD.replace("broker: mqtt://127.0.0.1", "broker_env: CITY_BROKER")
    assert load(text).broker == "mqtt://gw:secret@127.0.0.1"
    assert "secret" not in repr(load(text))
    monkeypatch.setenv("CITY_BROKER", "mqtx://gw:secret@127.0.0.1")
    assert "secret" not in "".join(faults(text))
    monkeypatch.delenv("CITY_BROKER")
    assert "no such variable, got 'CITY_BROKER'" in faults(text)[0]


def test_the_schema_of_editors_takes_and_refuses_the_same() -> None:
    check = Draft202012Validator(schema("gateway"))
    assert list(check.iter_errors(parse(GOOD, "f")[0])) == []
    wrong = (GOOD.replace("path", "pat"), GOOD.replace("file", "fil"), GOOD.replace("version: 1", "version: 2"))
    for text in (*wrong, GOOD.replace("folder: box", "folder: box, when_full: stop")):
        assert faults(text)
        assert list(check.iter_errors(parse(text, "f")[0]))


@pytest.mark.parametrize("text", ["", "[]", "version: 1", GOOD + "  - *x\n", GOOD.replace("sources:", "sources: [")])
def test_what_is_hardly_a_file_is_refused_in_words(text: str) -> None:
    assert all(fault[0].isdigit() for fault in faults(text))


def test_the_command_checks_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(GOOD)
    assert run_command(["gateway", "check", str(path)]) == 0
    assert "fine (east/gw, 1 sources)" in capsys.readouterr().out
    path.write_text(GOOD.replace("district", "distrikt"))
    assert run_command(["gateway", "check", str(path)]) == 1
    assert "gateway.yaml:2:1: unknown key 'distrikt', try 'district'" in capsys.readouterr().err
    assert run_command(["gateway", "check", str(tmp_path / "none.yaml")]) == 1
