"""Where things are: flags, then `LIFELINE_*` variables, then `lifeline.toml`, then defaults.

Each key of `Settings` stands in the file as it is, and as variable in capitals behind `LIFELINE_`.

A variable with `_FILE` behind its name (`LIFELINE_DATABASE_URL_FILE`) names a file whose content is the value: the way
of secrets that an environment must not show.

The file is `lifeline.toml` in the working folder, or the one `LIFELINE_CONFIG` names; paths in it are relative to it.
"""

from __future__ import annotations

import difflib
import os
import re
import secrets
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from city.errors import InputError, OutsideError
from lifeline.files import write_atomic

WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 - for comparison
_MQTT_FILES = ("mqtt_ca", "mqtt_certificate", "mqtt_key")
_PATHS = ("city", "data", *_MQTT_FILES)
KEYS = ("city", "database_url", "mqtt_url", *_MQTT_FILES, "mqtt_client_id", "mqtt_share", "http", "public_url", "data")


class Settings(BaseModel):
    """Where things are. `None` (or an empty `http`) means: Lifeline brings its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: Path = Field(
        description="Folder for everything kept: /var/lib/lifeline for root, else lifeline below $XDG_DATA_HOME or "
        "~/.local/share."
    )
    city: Path | None = Field(default=None, description="City folder; without one the last applied one stays.")
    database_url: str | None = Field(
        default=None, description="postgresql://user:password@host:5432/name; without one a private server."
    )
    mqtt_url: str | None = Field(
        default=None, description="mqtt://user:password@host:port or mqtts://…; without one a private broker."
    )
    mqtt_ca: Path | None = Field(default=None, description="Certificates to trust (PEM); without them the system's.")
    mqtt_certificate: Path | None = Field(
        default=None, description="Our own certificate (PEM), for a broker that asks for it."
    )
    mqtt_key: Path | None = Field(
        default=None, description="Its key (PEM); without it the one in the certificate's file."
    )
    mqtt_client_id: str = Field(default="", description="Name of the recorder's session at the broker.")
    mqtt_share: str = Field(
        default="", description="Name of a shared subscription, for several recorders with a client id each (MQTT 5)."
    )
    http: str = Field(
        default="", description="host:port to listen on; without it a free loopback port, which is then kept."
    )
    public_url: str = Field(
        default="", description="How phones reach that address; without it http:// and the address."
    )

    @field_validator("database_url")
    @classmethod
    def _database(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"postgres(ql)?://|\w+ ?=", url):  # libpq's own `host=… dbname=…` too
            raise ValueError("not a database address, try postgresql://user:password@host:5432/name")
        return url

    @field_validator("mqtt_url")
    @classmethod
    def _mqtt(cls, url: str | None) -> str | None:
        if url is not None and (urlsplit(url).scheme not in ("mqtt", "mqtts") or not urlsplit(url).hostname):
            raise ValueError("not a broker address, try mqtt://user:password@host:1883")
        return url

    @field_validator("mqtt_share")
    @classmethod
    def _share(cls, name: str) -> str:
        if set(name) & set("/+#"):
            raise ValueError("not a name of a shared subscription, try letters and digits")
        return name

    @field_validator(*_MQTT_FILES)
    @classmethod
    def _mqtt_file(cls, path: Path | None) -> Path | None:
        if path is not None and not path.expanduser().is_file():
            raise ValueError("no such file")
        return path

    @field_validator("http")
    @classmethod
    def _http(cls, address: str) -> str:
        if address and split_address(address)[1] == 0:
            raise ValueError("port 0 is nowhere to come back to, try leaving http out: a free port is then kept")
        return address

    @field_validator("public_url")
    @classmethod
    def _public(cls, url: str) -> str:
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise ValueError("not a web address, try https://lifeline.example.org")
        return url.rstrip("/")

    @property
    def address(self) -> str:
        """How people reach the API and pages: `public_url`, or what follows from `http`."""
        if self.public_url or not self.http:
            return self.public_url
        host, port = split_address(self.http)
        return f"http://{socket.gethostname() if host in WILDCARDS else host}:{port}"

    @property
    def database(self) -> str:
        """The database address (InputError when none is known)."""
        if self.database_url is None:
            raise InputError("no database known, try LIFELINE_DATABASE_URL=… or start `lifeline run` first")
        return self.database_url

    @property
    def mqtt(self) -> str:
        """The broker address (InputError when none is known)."""
        if self.mqtt_url is None:
            raise InputError("no broker known, try LIFELINE_MQTT_URL=… or start `lifeline run` first")
        return self.mqtt_url

    def environment(self) -> dict[str, str]:
        """These settings as the variables that `load` reads in a child process."""
        # Those without a value too, empty, so that nothing of the parent's own surroundings shows through.
        plain = {f"LIFELINE_{key.upper()}": str(getattr(self, key) or "") for key in KEYS}
        return plain | {f"{name}_FILE": "" for name in plain}


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[v6]:port` (ValueError when it is not one)."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError("not an address to listen on, try 127.0.0.1:8080")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 - `:8080` asks for every interface in so many words


def default_data(environment: Mapping[str, str] | None = None, *, is_root: bool | None = None) -> Path:
    """/var/lib/lifeline for root, else lifeline under $XDG_DATA_HOME or ~/.local/share."""
    environment = os.environ if environment is None else environment
    if os.geteuid() == 0 if is_root is None else is_root:
        return Path("/var/lib/lifeline")
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "lifeline"


def load(
    environment: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    data_default: Path | None = None,
    **flags: object,
) -> Settings:
    """The settings of this process.

    Parameters
    ----------
    environment
        Variables (default: this process's).
    folder
        Where `lifeline.toml` is looked for (default: the working folder).
    data_default
        Data folder when nobody names one (default: `default_data`).
    flags
        Values of command-line flags by key; None when the flag was not given.

    Raises
    ------
    InputError
        A value or the file is wrong; the message says where it stood.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, object] = {}
    origin: dict[str, str] = {}
    for key, value, where in (*_from_file(environment, folder or Path.cwd()), *_from_environment(environment)):
        values[key], origin[key] = value, where
    for key, value in flags.items():
        if value is not None:
            values[key], origin[key] = value, f"--{key.replace('_', '-')}"
    values.setdefault("data", data_default or default_data(environment))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise InputError("\n".join(_sentence(one["loc"], one["msg"], origin) for one in error.errors())) from error
    named = {key: path for key in _PATHS if (path := getattr(settings, key)) is not None}
    return settings.model_copy(update={key: path.expanduser().absolute() for key, path in named.items()})


def _sentence(where: tuple[int | str, ...], message: str, origin: Mapping[str, str]) -> str:
    key = str(where[0])
    return f"{origin.get(key, key)}: {message.removeprefix('Value error, ')}"  # never the value: it may hold a password


def _from_environment(environment: Mapping[str, str]) -> list[tuple[str, object, str]]:
    found: list[tuple[str, object, str]] = []
    for key in KEYS:
        name = f"LIFELINE_{key.upper()}"
        given, file = environment.get(name), environment.get(f"{name}_FILE")
        if given and file:
            raise InputError(f"{name} and {name}_FILE are both set, try one of them")
        if file:
            found.append((key, _secret_text(f"{name}_FILE", Path(file)), f"{name}_FILE"))
        elif given:
            found.append((key, given, name))
    return found


def _secret_text(name: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: cannot be read, got {path}: {error}, try a file this user may read") from error
    if not text:
        raise InputError(f"{name}: empty, got {path}, try writing the value into it")
    return text


def _from_file(environment: Mapping[str, str], folder: Path) -> list[tuple[str, object, str]]:
    named = environment.get("LIFELINE_CONFIG")
    path = Path(named) if named else folder / "lifeline.toml"
    try:
        text = path.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except FileNotFoundError as error:
        if named:
            raise InputError(f"LIFELINE_CONFIG: no file {path}, try the path of a lifeline.toml") from error
        return []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    if faults := [_unknown(path, text, key) for key in table if key not in KEYS]:
        raise InputError("\n".join(faults))
    for key in _PATHS:
        if isinstance(table.get(key), str):
            table[key] = path.parent / Path(table[key]).expanduser()
    return [(key, value, f"{path}: {key}") for key, value in table.items()]


def _unknown(path: Path, text: str, key: str) -> str:
    line = next((n for n, row in enumerate(text.splitlines(), 1) if row.lstrip(" [\"'").startswith(key)), 1)
    near = difflib.get_close_matches(key, KEYS, 1)
    return f"{path}:{line}:1: unknown key {key!r}, try {near[0] if near else ', '.join(KEYS)}"


def prepare_data(settings: Settings) -> None:
    """Make the data folder and its log folder (InputError when that fails: the user can choose another)."""
    # A server that root lets an unprivileged account run must be able to pass through, not to look around.
    mode = 0o711 if os.geteuid() == 0 else 0o700
    try:
        if not settings.data.is_dir():
            settings.data.mkdir(parents=True)
            settings.data.chmod(mode)
        log = settings.data / "log"
        log.mkdir(exist_ok=True)
        log.chmod(0o700)
    except OSError as error:
        raise InputError(f"{settings.data}: cannot be used as data folder: {error.strerror}, try --data DIR") from error


def secret(settings: Settings, name: str = "secret") -> bytes:
    """The 32 random bytes kept in the data folder under `name` (0600), made on first use."""
    path = settings.data / name
    try:
        if not path.exists():
            write_atomic(path, secrets.token_hex(32))
        kept = bytes.fromhex(path.read_text())
    except OSError as error:
        raise OutsideError(f"{path}: {error.strerror}, try --data DIR") from error
    except ValueError:
        kept = b""
    if len(kept) != 32:
        raise InputError(f"{path}: not a secret, try removing it (links in notices already sent stop working)")
    return kept
