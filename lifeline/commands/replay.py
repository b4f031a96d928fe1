"""`lifeline replay`: recorded data through the gateway agent."""

from __future__ import annotations

from lifeline.commands.options import MqttUrl


def replay(mqtt_url: MqttUrl = None) -> None:
    """Publish recorded data (CSV, Parquet, JSON lines) over MQTT by a small mapping."""
