"""What a deployment is told: `.env` beside its compose.yaml. Nothing in it is secret."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from city.errors import InputError
from lifeline.deployment.authority import host_problem
from lifeline.settings import split_address

FILE: Final = ".env"
_HEAD: Final = """\
# What `docker compose` fills in, and `lifeline deploy` goes by. Nothing here is secret.
# LISTEN: where this machine listens. 127.0.0.1 is this machine alone; gateways elsewhere need an address they reach.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a deployment's city is, how it is reached, and who may come in.

    Attributes
    ----------
    city
        The city folder.
    hosts
        Names and addresses of this machine, the one gateways use first; the broker's certificate is for them.
    public_url, grafana_url
        How people's browsers reach the operations page and Grafana.
    mqtt_listen, http_listen, grafana_listen
        `address:port` of this machine.
    client_certificates
        Whether the broker knows gateways by certificates instead of passwords.
    sparkplug
        Gateways that are Sparkplug edge nodes.
    image
        Lifeline's image.
    """

    city: Path
    hosts: tuple[str, ...] = ("localhost",)
    public_url: str = "http://127.0.0.1:8080"
    grafana_url: str = "http://127.0.0.1:3000"
    mqtt_listen: str = "127.0.0.1:8883"
    http_listen: str = "127.0.0.1:8080"
    grafana_listen: str = "127.0.0.1:3000"
    client_certificates: bool = False
    sparkplug: tuple[str, ...] = ()
    image: str = ""

    @property
    def mqtt_port(self) -> int:
        """Where gateways connect."""
        return split_address(self.mqtt_listen)[1]

    def check(self) -> None:
        """Raise InputError with everything that is wrong."""
        if faults := list(self._faults()):
            raise InputError("\n".join(faults))

    def _faults(self) -> Iterator[str]:
        if not self.hosts:
            yield "--host: none, try the name gateways reach this machine by"
        for host in self.hosts:
            if problem := host_problem(host):
                yield f"--host: {problem}, got {host!r}, try lifeline.example.org or 10.0.0.5"
        for name in ("mqtt_listen", "http_listen", "grafana_listen"):
            try:
                split_address(getattr(self, name))
            except ValueError as error:
                yield f"{_flag(name)}: {error}, got {getattr(self, name)!r}"
        for name in ("public_url", "grafana_url"):
            parts = urlsplit(getattr(self, name))
            if parts.scheme not in ("http", "https") or not parts.hostname:
                yield f"{_flag(name)}: not a web address, got {getattr(self, name)!r}, try https://lifeline.example.org"
        if bad := [text for text in (str(self.city), self.image) if set(text) & set("\"'\n$#\\")]:
            yield f"{', '.join(bad)}: quotes, $, # and \\ cannot stand in .env, try another path"

    def text(self) -> str:
        """The file's content."""
        values = {
            "LIFELINE_IMAGE": self.image or default_image(),
            "LIFELINE_CITY_FOLDER": str(self.city),
            "LIFELINE_HOSTS": ",".join(self.hosts),
            "LIFELINE_PUBLIC_URL": self.public_url,
            "LIFELINE_GRAFANA_URL": self.grafana_url,
            "LIFELINE_MQTT_LISTEN": self.mqtt_listen,
            "LIFELINE_HTTP_LISTEN": self.http_listen,
            "LIFELINE_GRAFANA_LISTEN": self.grafana_listen,
            "LIFELINE_SPARKPLUG": ",".join(self.sparkplug),
            "LIFELINE_CLIENT_CERTIFICATES": "yes" if self.client_certificates else "no",
            "LIFELINE_MQTT_CERTIFICATE": "/etc/lifeline/tls/client.crt" if self.client_certificates else "",
            "LIFELINE_MQTT_KEY": "/etc/lifeline/tls/client.key" if self.client_certificates else "",
        }
        return _HEAD + "".join(f"{name}={value}\n" for name, value in values.items())

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """The plan of a deployment (InputError when there is none in `folder`, or it is faulty)."""
        values = read_env(folder / FILE)
        try:
            plan = cls(
                city=Path(values["LIFELINE_CITY_FOLDER"]),
                hosts=_list(values["LIFELINE_HOSTS"]),
                public_url=values["LIFELINE_PUBLIC_URL"],
                grafana_url=values["LIFELINE_GRAFANA_URL"],
                mqtt_listen=values["LIFELINE_MQTT_LISTEN"],
                http_listen=values["LIFELINE_HTTP_LISTEN"],
                grafana_listen=values["LIFELINE_GRAFANA_LISTEN"],
                client_certificates=values["LIFELINE_CLIENT_CERTIFICATES"] == "yes",
                sparkplug=_list(values["LIFELINE_SPARKPLUG"]),
                image=values["LIFELINE_IMAGE"],
            )
        except KeyError as error:
            raise InputError(f"{folder / FILE}: {error.args[0]} is missing, try adding it") from error
        plan.check()
        return plan


def default_image() -> str:
    """The image of this version."""
    try:
        return f"urban-lifeline:{version('urban-lifeline')}"
    except PackageNotFoundError:  # a checkout that nobody installed
        return "urban-lifeline:local"


def read_env(path: Path) -> dict[str, str]:
    """The values of a file of `NAME=value` lines (InputError when it is not there)."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        hint = f"try lifeline deploy init {path.parent} --city CITYDIR"
        raise InputError(f"{path.parent}: no deployment there ({error}), {hint}") from error
    pairs = (line.partition("=") for line in lines if line.strip() and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _list(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
