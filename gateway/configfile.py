"""Reads `gateway.yaml`: every fault at once, with file:line:column and what to try."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from city import gatewaykeys as known
from city.broker_address import BrokerAddress
from city.duration import parse_s
from city.errors import Fault, FaultyInput, InputError
from city.folder import read_text
from city.keys import Key, Kind, optional, required
from city.positions import Positions, check_keys, nearest_or_all, show
from city.tls import TlsFiles, tls_context
from city.units import parse as parse_unit
from city.yamlfile import read
from gateway.config import (
    FileConfig,
    GatewayConfig,
    HttpConfig,
    ModbusConfig,
    MqttConfig,
    PostConfig,
    Register,
    Rows,
    SerialConfig,
    SourceConfig,
)
from gateway.mapping import Template, TimeColumn, Value

_At = tuple[str | int, ...]
_Data = Mapping[str, object]
_SIZES = {"bit": 1, "int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2}
_LEAST_S = 0.01


def read_config(path: Path) -> GatewayConfig:
    """The configuration in a file (FaultyInput with every fault; OutsideError when it cannot be read)."""
    return load_config(read_text(path, "gateway"), path.name, path.parent)


def load_config(text: str, file: str, folder: Path) -> GatewayConfig:
    """The configuration written as `text`; `folder` is where relative paths begin (FaultyInput with every fault)."""
    found = read(text, file)
    reader = _Reader(found.positions, folder)
    config = reader.config(found.data) if found.data is not None or found.whole else None
    faults = [*found.faults, *found.positions.fresh(reader.faults)]
    if not found.whole:  # what is missing may stand in the part that could not be read
        faults = [fault for fault in faults if not fault.what.startswith("missing key")]
    if faults or config is None:
        raise FaultyInput(faults)
    return config


@dataclass
class _Reader:
    """One file being read; faults are collected, and what is faulty is filled with something harmless."""

    positions: Positions
    folder: Path
    faults: list[Fault] = field(default_factory=list)

    def fault(self, at: _At, what: str, got: object = "", hint: str = "") -> None:
        self.faults.append(self.positions.fault(at, what, show(got) if got != "" else "", hint))

    # -- values by their kind ------------------------------------------------------------------------------------

    def keys(self, data: object, at: _At, table: Mapping[str, Key]) -> _Data:
        """The mapping, with every value of a plain kind checked; those that are faulty are left out."""
        self.faults += check_keys(data, at, self.positions, required=required(table), optional=optional(table))
        if not isinstance(data, Mapping):
            return {}
        return {key: data[key] for key in data if key in table and self.fits(table[key], data[key], (*at, key))}

    def fits(self, key: Key, value: object, at: _At) -> bool:
        name = at[-1]
        match key.kind:
            case Kind.WORD if key.words and value not in key.words:
                self.fault(at, f"{name}: not one", value, nearest_or_all(str(value), key.words))
            case Kind.TEXT | Kind.ID if not isinstance(value, str) or not value.strip():
                self.fault(at, f"{name}: expected text", value, "quotes around it")
            case Kind.ID if len(str(value)) > 64 or set(str(value)) & set("/+# \t\n\0"):
                self.fault(at, f"{name}: not a short name", value, "letters, digits and -")
            case Kind.YES if not isinstance(value, bool):
                self.fault(at, f"{name}: expected true or false", value)
            case Kind.COUNT if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                self.fault(at, f"{name}: expected a whole number, 1 or more", value)
            case Kind.NUMBER if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                self.fault(at, f"{name}: expected a number above 0", value)
            case Kind.PLAIN if isinstance(value, bool) or not isinstance(value, int | float):
                self.fault(at, f"{name}: expected a number", value)
            case Kind.WORDS if not isinstance(value, list) or not value or not all(_plain(each) for each in value):
                self.fault(at, f"{name}: expected a list of texts", value, f"[{value}]" if _plain(value) else "")
            case Kind.MAPPINGS if not isinstance(value, list) or not value:
                self.fault(
                    at, f"{name}: expected a list with at least one entry", value, "entries that begin with '- '"
                )
            case Kind.DURATION:
                return self.duration(value, at) is not None
            case _:
                return True
        return False

    def duration(self, value: object, at: _At) -> float | None:
        try:
            seconds = parse_s(value if isinstance(value, str) else "")
        except InputError:
            self.fault(at, f"{at[-1]}: not a duration", value, "30s, 5m or 1h30m")
            return None
        if seconds < _LEAST_S:
            self.fault(at, f"{at[-1]}: too short", value, "10ms or more")
            return None
        return seconds

    @staticmethod
    def seconds(data: _Data, key: str, usual: float) -> float:
        value = data.get(key)
        return parse_s(value) if isinstance(value, str) else usual

    def unit(self, data: _Data, at: _At) -> str:
        text = str(data.get("unit", ""))
        if text:
            try:
                parse_unit(text)
            except InputError as error:
                self.faults.append(self.positions.fault((*at, "unit"), str(error)))
        return text

    def broker(self, data: _Data, at: _At) -> str:
        """The address, from the file or the environment; never shown in a fault."""
        if ("broker" in data) == ("broker_env" in data):
            self.fault(at, "exactly one of broker and broker_env says where the broker is", hint="broker_env: NAME")
            return ""
        key = "broker" if "broker" in data else "broker_env"
        url = str(data[key])
        if key == "broker_env":
            named = os.environ.get(url, "")
            if not named:
                self.fault((*at, key), f"{key}: the environment has no such variable", url, f"export {url}=mqtt://…")
                return ""
            url = named
        try:
            BrokerAddress.of(url)
        except InputError as error:
            self.faults.append(self.positions.fault((*at, key), str(error)))
        return url

    # -- the file ------------------------------------------------------------------------------------------------

    def config(self, data: object) -> GatewayConfig | None:
        top = self.keys(data, (), known.GATEWAY)
        if not isinstance(data, Mapping):
            return None
        if top.get("version", 1) != 1:
            self.fault(("version",), "unknown version of gateway files", top["version"], "version: 1")
        outbox = self.keys(top.get("outbox", {"folder": "."}), ("outbox",), known.OUTBOX)
        backlog = self.keys(top.get("backlog", {}), ("backlog",), known.BACKLOG)
        return GatewayConfig(
            district=str(top.get("district", "")),
            gateway=str(top.get("gateway", "")),
            broker=self.broker(top, ()),
            folder=self.folder / str(outbox.get("folder", ".")),
            max_bytes=round(_number(outbox.get("size_mb"), 200.0) * 1e6),
            max_age_s=self.seconds(outbox, "age", 0.0) or None,
            hold_when_full=outbox.get("when_full") == "hold",
            backlog_per_s=_number(backlog.get("rate"), 1000.0),
            gather_s=self.seconds(top, "gather", 0.5),
            status_every_s=self.seconds(top, "status_every", 60.0),
            accept_push=top.get("accept_push") is True,
            sources=self.sources(top.get("sources")),
            tls=self.tls(top),
        )

    def tls(self, data: _Data) -> TlsFiles:
        """The files for an encrypted line, beside this file; tried at once: a wrong one is told with its line."""
        given = [self.folder / str(data[key]) if key in data else None for key in known.TLS]
        files = TlsFiles(*given)
        named = next((key for key in known.TLS if key in data), None)
        if named is None:
            return files
        try:
            tls_context(files, "broker_")
        except InputError as error:
            key = str(error).partition(":")[0].split(" ")[0]
            self.faults.append(self.positions.fault((key if key in data else named,), str(error)))
        return files

    def sources(self, entries: object) -> tuple[SourceConfig, ...]:
        found: list[SourceConfig] = []
        seen: dict[str, int] = {}
        for n, entry in enumerate(entries if isinstance(entries, list) else ()):
            at: _At = ("sources", n)
            kind = entry.get("type") if isinstance(entry, Mapping) else None
            if not isinstance(kind, str) or kind not in known.SOURCES:
                if not isinstance(entry, Mapping) or "type" not in entry:
                    self.fault(at, "a source needs a type", hint=", ".join(known.SOURCES))
                else:
                    self.fault((*at, "type"), "type: not one", kind, nearest_or_all(str(kind), known.SOURCES))
                continue
            data = self.keys(entry, at, known.SOURCES[kind])
            name = str(data.get("id", ""))
            if name and seen.setdefault(name, n) != n:
                line, _ = self.positions.at(("sources", seen[name], "id"))
                self.fault((*at, "id"), f"id: a second source of this name (the first is in line {line})", name)
            found.append(self.source(kind, data, at))
        return tuple(found)

    def source(self, kind: str, data: _Data, at: _At) -> SourceConfig:
        name = str(data.get("id", ""))
        priority = known.PRIORITIES.index(str(data.get("priority", "normal")))
        match kind:
            case "mqtt":
                topics = data.get("topics")
                texts = tuple(map(str, topics)) if isinstance(topics, list) else ()
                return MqttConfig(name, priority, self.broker(data, at), texts, self.rows(data, at))
            case "modbus":
                return self.modbus(name, priority, data, at)
            case "file":
                return self.file(name, priority, data, at)
            case "http":
                url = str(data.get("url", "http://x"))
                if not re.match(r"https?://[^/\s]", url):
                    self.fault((*at, "url"), "url: not an http address", url, "http://127.0.0.1:8080/values")
                every_s, timeout_s = self.seconds(data, "every", 60.0), self.seconds(data, "timeout", 10.0)
                return HttpConfig(name, priority, url, every_s, timeout_s, self.rows(data, at))
            case "post":
                host, port = self.listen(data, at)
                return PostConfig(name, priority, host, port, self.rows(data, at))
            case _:
                return self.serial(name, priority, data, at)

    def modbus(self, name: str, priority: int, data: _Data, at: _At) -> ModbusConfig:
        device = _whole(data.get("device"), 1)
        if device > 255:
            self.fault((*at, "device"), "device: beyond 255", device, "1")
        entries = data.get("registers")
        registers = [
            self.register(entry, data, (*at, "registers", n))
            for n, entry in enumerate(entries if isinstance(entries, list) else ())
        ]
        return ModbusConfig(
            name, priority, str(data.get("host", "")), self.port(data, at, 502), device,
            self.seconds(data, "timeout", 3.0), tuple(registers),
        )  # fmt: skip

    def port(self, data: _Data, at: _At, usual: int) -> int:
        port = _whole(data.get("port"), usual)
        if port > 65535:
            self.fault((*at, "port"), "port: beyond 65535", port, str(usual))
        return port

    def register(self, entry: object, source: _Data, at: _At) -> Register:
        data = self.keys(entry, at, known.REGISTER)
        table = str(data.get("table", "holding"))
        bits = table in ("coil", "discrete")
        form = str(data.get("type", "bit" if bits else "uint16"))
        if bits != (form == "bit"):
            self.fault((*at, "type"), f"type: a {table} table does not hold it", form, "bit" if bits else "uint16")
        address, size = data.get("address", 0), _SIZES.get(form, 4)
        if not isinstance(address, int) or not 0 <= address <= 65536 - size:
            self.fault((*at, "address"), "address: expected a whole number", address, f"0 to {65536 - size}")
            address = 0
        return Register(
            sensor=str(data.get("sensor", "")),
            table=table,
            address=address,
            form=form,
            scale=_number(data.get("scale"), 1.0),
            offset=_number(data.get("offset"), 0.0),
            unit=self.unit(data, at),
            little_bytes=data.get("byte_order", source.get("byte_order")) == "little",
            little_words=data.get("word_order", source.get("word_order")) == "little",
            every_s=self.seconds(data, "every", self.seconds(source, "every", 60.0)),
        )

    def file(self, name: str, priority: int, data: _Data, at: _At) -> FileConfig:
        path = self.folder / str(data.get("path", "x.csv"))
        form = str(data.get("format", "csv" if path.suffix == ".csv" else "jsonl"))
        delimiter = str(data.get("delimiter", ","))
        if len(delimiter) != 1:
            self.fault((*at, "delimiter"), "delimiter: expected one character", delimiter, '";"')
            delimiter = ","
        return FileConfig(
            name, priority, path, form, delimiter, self.seconds(data, "every", 1.0), self.rows(data, at)
        )  # fmt: skip

    def serial(self, name: str, priority: int, data: _Data, at: _At) -> SerialConfig:
        text = str(data.get("pattern", ""))
        try:
            pattern = re.compile(text)
        except re.error as error:
            self.fault((*at, "pattern"), f"pattern: not a regular expression ({error})", text)
            pattern = re.compile("")
        columns = None if not text or not pattern.pattern else tuple(pattern.groupindex)
        rows = self.rows(data, at, columns)
        return SerialConfig(name, priority, str(data.get("port", "")), _whole(data.get("baud"), 9600), pattern, rows)

    def listen(self, data: _Data, at: _At) -> tuple[str, int]:
        text = str(data.get("listen", "127.0.0.1:8090"))
        host, _, port = text.rpartition(":")
        host = host.strip("[]")
        try:
            loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
        except ValueError:
            loopback = False
        if not loopback or not port.isdecimal() or not 0 <= int(port) <= 65535:
            self.fault((*at, "listen"), "listen: not a loopback address with a port", text, "127.0.0.1:8090")
            return "127.0.0.1", 0
        return host, int(port)

    # -- rows ----------------------------------------------------------------------------------------------------

    def rows(self, data: _Data, at: _At, columns: tuple[str, ...] | None = None) -> Rows:
        """How rows become readings; `columns` are all there are, when that is known."""
        entries = data.get("values")
        values = [
            self.value(entry, (*at, "values", n), columns)
            for n, entry in enumerate(entries if isinstance(entries, list) else ())
        ]
        missing = data.get("missing")
        words = {str(each).strip().lower() for each in missing} if isinstance(missing, list) else set()
        return Rows(
            values=tuple(values),
            time=self.time(data["time"], (*at, "time"), columns) if "time" in data else None,
            each=str(data.get("each", "")),
            missing=frozenset({"", "nan", "null", "none", *words}),
        )

    def value(self, entry: object, at: _At, columns: tuple[str, ...] | None) -> Value:
        data = self.keys(entry, at, known.VALUE)
        sensor = Template(str(data.get("sensor", "")))
        column = str(data.get("column", ""))
        if "column" in data:
            self.column(column, (*at, "column"), columns)
        for each in sensor.columns:
            self.column(each, (*at, "sensor"), columns)
        return Value(column, self.unit(data, at), sensor=sensor)

    def column(self, name: str, at: _At, columns: tuple[str, ...] | None) -> None:
        if columns is not None and name not in columns:
            hint = nearest_or_all(name, columns) if columns else "a named group: (?P<level>…)"
            self.fault(at, f"no column {name!r} in the pattern", hint=hint)

    def time(self, entry: object, at: _At, columns: tuple[str, ...] | None) -> TimeColumn:
        data = self.keys(entry, at, known.TIME)
        column, name, zone = str(data.get("column", "")), str(data.get("zone", "")), None
        if "column" in data:
            self.column(column, (*at, "column"), columns)
        form = str(data.get("format", "iso"))
        if form not in ("iso", "unix_s", "unix_ms") and "%" not in form:
            self.fault((*at, "format"), "format: not one", form, nearest_or_all(form, ("iso", "unix_s", "unix_ms")))
        if name:
            try:
                zone = ZoneInfo(name)
            except (KeyError, ValueError, OSError):
                self.fault((*at, "zone"), "no such time zone", name, "UTC or Asia/Shanghai")
        elif form != "iso" and "%" in form and "%z" not in form:
            self.fault(at, "times without an offset need a zone", hint="zone: Asia/Shanghai")
        return TimeColumn((column,), form, zone)


def _plain(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and value != ""


def _number(value: object, usual: float) -> float:
    return float(value) if isinstance(value, int | float) else usual


def _whole(value: object, usual: int) -> int:
    return value if isinstance(value, int) else usual
