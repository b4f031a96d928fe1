"""The source for a configuration."""

from __future__ import annotations

from gateway.config import FileConfig, HttpConfig, ModbusConfig, MqttConfig, PostConfig, SerialConfig, SourceConfig
from gateway.sources.files import FileSource
from gateway.sources.http import HttpSource, PostSource
from gateway.sources.mqtt import MqttSource
from gateway.sources.source import Source, SourceFailed, Surroundings


def make(config: SourceConfig, around: Surroundings) -> Source:
    """A source, not yet read (SourceFailed when what it needs is not installed)."""
    match config:
        case MqttConfig():
            return MqttSource(config, around)
        case FileConfig():
            return FileSource(config, around)
        case HttpConfig():
            return HttpSource(config, around)
        case PostConfig():
            return PostSource(config, around)
        case ModbusConfig() | SerialConfig():
            try:
                return _extra(config, around)
            except ImportError as error:
                raise SourceFailed(f"{config.id}: {error}, try: pip install 'urban-lifeline[edge]'") from error


def _extra(config: ModbusConfig | SerialConfig, around: Surroundings) -> Source:
    """Those whose libraries only a gateway agent needs."""
    if isinstance(config, ModbusConfig):
        from gateway.sources.modbus import ModbusSource

        return ModbusSource(config, around)
    from gateway.sources.serialline import SerialSource

    return SerialSource(config, around)
