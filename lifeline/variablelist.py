"""Every environment variable beside the settings, and what it is for; the book reads these tables."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

VARIABLES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "LIFELINE_CONFIG": "The settings' file (lifeline.toml in the working folder).",
        "LIFELINE_LOG_LEVEL": "From which level on lines are written: DEBUG, INFO, WARNING, ERROR (INFO).",
        "LIFELINE_LOG_FORMAT": "How lines are written: json, text, or auto: text on a terminal, else JSON (auto).",
        "LIFELINE_ROLE": "The role that `lifeline alive` asks about, when no argument names it.",
        "LIFELINE_GRAFANA_TOKEN": "Token of a service account with role Editor, for `lifeline dashboards`.",
        "LIFELINE_GRAFANA_PASSWORD": "Password of Grafana's log-in at the database, for its data source.",
        "LIFELINE_TO_DATABASE_URL": "Address of the new database for `lifeline store upgrade-tier`.",
        "LIFELINE_PG_BIN": "Folder with the PostgreSQL programs of the embedded server, its backup and restore.",
        "LIFELINE_NATS_SERVER": "Program of the embedded broker.",
        "LIFELINE_NO_NUMBA": "Set to anything: the detection engine runs without being compiled.",
        "LIFELINE_CLOCK": "Set by `lifeline demo` for its processes: the fast clock that they share.",
        "LIFELINE_LOG": "Set by the supervisor for its processes: the file that each writes its log to.",
        "LIFELINE_DATA_DIR": "Folder with recorded data, for tests and benchmarks that measure on them.",
        "LIFELINE_PYTHON": "The Python that `bin/lifeline` and `bin/test` make their environment with.",
        "SOURCE_DATE_EPOCH": "The date that `lifeline deploy sbom` writes, in seconds since 1970.",
    }
)

DEPLOYMENT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "LIFELINE_IMAGE": "Lifeline's image.",
        "LIFELINE_CITY_FOLDER": "The city folder on this machine.",
        "LIFELINE_HOSTS": "Names and addresses of this machine, the one gateways use first; commas between them.",
        "LIFELINE_PUBLIC_URL": "How people's browsers and phones reach the operations page.",
        "LIFELINE_GRAFANA_URL": "How people's browsers reach Grafana.",
        "LIFELINE_MQTT_LISTEN": "Where this machine listens for gateways (MQTT with TLS).",
        "LIFELINE_HTTP_LISTEN": "Where this machine listens for the operations page and the API.",
        "LIFELINE_GRAFANA_LISTEN": "Where this machine listens for Grafana.",
        "LIFELINE_SPARKPLUG": "Gateways that are Sparkplug edge nodes; commas between them.",
        "LIFELINE_CLIENT_CERTIFICATES": "Whether the broker knows gateways by certificates: yes or no.",
        "LIFELINE_MQTT_CERTIFICATE": "The recorder's own certificate in its container, where the broker asks for one.",
        "LIFELINE_MQTT_KEY": "Its key.",
        "LIFELINE_DATABASE_BUFFERS": "shared_buffers of the database (512MB).",
        "LIFELINE_DATABASE_CACHE": "effective_cache_size of the database (1536MB).",
        "LIFELINE_DATABASE_MEMORY": "Memory that the database's container may take (2g).",
        "LIFELINE_BROKER_MEMORY": "Memory that the broker's container may take (2g).",
    }
)
