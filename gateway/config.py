"""What `gateway.yaml` says, as values: consistent by construction, equal when they mean the same."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from city.tls import NO_FILES, TlsFiles
from gateway.mapping import TimeColumn, Value


@dataclass(frozen=True, slots=True)
class Rows:
    """How the rows of a source become readings: values, time (None: when a row came), the list they stand in."""

    values: tuple[Value, ...]
    time: TimeColumn | None = None
    each: str = ""
    missing: frozenset[str] = frozenset({"", "nan", "null", "none"})


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """Topics of a local broker."""

    id: str
    priority: int
    broker: str = field(repr=False)
    topics: tuple[str, ...]
    rows: Rows


@dataclass(frozen=True, slots=True)
class Register:
    """One value in a device's tables: `form` is its type, `value * scale + offset` the reading."""

    sensor: str
    table: str
    address: int
    form: str
    scale: float
    offset: float
    unit: str
    little_bytes: bool
    little_words: bool
    every_s: float


@dataclass(frozen=True, slots=True)
class ModbusConfig:
    """A Modbus TCP device."""

    id: str
    priority: int
    host: str
    port: int
    device: int
    timeout_s: float
    registers: tuple[Register, ...]


@dataclass(frozen=True, slots=True)
class FileConfig:
    """A file that grows, and is rotated now and then."""

    id: str
    priority: int
    path: Path
    format: str
    delimiter: str
    every_s: float
    rows: Rows


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """A JSON document that is asked for again and again."""

    id: str
    priority: int
    url: str
    every_s: float
    timeout_s: float
    rows: Rows


@dataclass(frozen=True, slots=True)
class PostConfig:
    """A loopback address that accepts JSON; port 0 takes a free one."""

    id: str
    priority: int
    host: str
    port: int
    rows: Rows


@dataclass(frozen=True, slots=True)
class SerialConfig:
    """A serial line whose lines match a pattern."""

    id: str
    priority: int
    port: str
    baud: int
    pattern: re.Pattern[str]
    rows: Rows


SourceConfig = MqttConfig | ModbusConfig | FileConfig | HttpConfig | PostConfig | SerialConfig


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """A whole `gateway.yaml`. Durations in seconds; `max_age_s` None: no end."""

    district: str
    gateway: str
    broker: str = field(repr=False)
    folder: Path
    max_bytes: int
    max_age_s: float | None
    hold_when_full: bool
    backlog_per_s: float
    gather_s: float
    status_every_s: float
    accept_push: bool
    sources: tuple[SourceConfig, ...]
    tls: TlsFiles = NO_FILES

    @property
    def fixed(self) -> tuple[object, ...]:
        """What a running agent cannot change: who it is, where it sends, and its outbox."""
        return (
            self.district,
            self.gateway,
            self.broker,
            self.folder,
            self.max_bytes,
            self.max_age_s,
            self.hold_when_full,
            self.backlog_per_s,
            self.tls,
        )
