"""Makes a deployment's folder, and renews its certificates."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from city.errors import InputError, OutsideError
from dashboards.files import DataSource, export
from lifeline.cityfolder import read_checked
from lifeline.deployment import credentials
from lifeline.deployment.authority import AUTHORITY_RENEW_DAYS, RENEW_DAYS, Authority, Pair, days_left
from lifeline.deployment.layout import LOGINS, OWNER, WALL, put, settle, shipped, token
from lifeline.deployment.plan import FILE, Plan, default_image
from rules.desk.plan import Escalation

AUTHORITY_KEY: Final = "authority/ca.key"
_AUTHORITY: Final = "tls/ca.crt"
SERVERS: Final = ("broker", "database")
_TRUSTING: Final = ("tls/broker", "tls/database", "tls/recorder", "tls/tools")  # folders that hold the authority too
_STATIC: Final = ("compose.yaml", "database/pg_hba.conf", "database/10-lifeline.sh")
_LOOPBACK: Final = ("localhost", "127.0.0.1")
_DATABASE: Final = "database:5432/lifeline?sslmode=verify-full&sslrootcert=/etc/lifeline/tls/ca.crt"
_CERTIFICATES: Final = f"""
# Gateways are who their certificates say.
require_certificate true
use_identity_as_username true
# Those that no longer count; `lifeline deploy certificates --revoke` writes it, and a reload takes it over.
{credentials.CRL_LINE}
"""


def create(folder: Path, plan: Plan, now: datetime) -> None:
    """Write a whole deployment into `folder`, or nothing.

    Raises
    ------
    InputError
        There is something in the folder already, the city folder is faulty, or the plan is.
    OutsideError
        The disk refuses.
    """
    plan.check()
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        there = "a deployment" if (folder / FILE).exists() else "something"
        hint = "try lifeline deploy acl or lifeline deploy certificates to renew it, or another folder"
        raise InputError(f"{folder}: there is {there} already, {hint}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise OutsideError(f"{folder.parent}: cannot be written: {error.strerror}, try another folder") from error
    try:
        _fill(unfinished, plan, now)
        settle(unfinished)
        if folder.exists():
            folder.rmdir()
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def certificates(folder: Path, now: datetime, key: Path | None = None, *, everything: bool = False) -> list[str]:
    """Renew what ends within `RENEW_DAYS` days (or all): of the servers, and of users of the broker. What was renewed.

    Raises
    ------
    InputError
        There is no deployment, or the authority's key is not where it was said to be.
    """
    plan = Plan.read(folder)
    due = [name for name, left in left_days(folder, now) if everything or left < RENEW_DAYS]
    clients = [name for name, left in credentials.due(folder, now).items() if left < RENEW_DAYS]
    if not due and not clients:
        return []
    authority = authority_of(folder, key)
    for name in due:
        _serve(folder, plan, authority, name, now)
    return [*due, *(credentials.reissue(folder, plan, authority, now, clients) if clients else [])]


def left_days(folder: Path, now: datetime) -> Iterator[tuple[str, int]]:
    """Each server whose certificate ends, with the whole days until then."""
    for name in SERVERS:
        yield name, days_left(folder / f"tls/{name}/server.crt", now)


def lasting(folder: Path, now: datetime) -> list[tuple[str, int, bool]]:
    """Each certificate: whose it is, the whole days it lasts, and whether it is time for another."""
    own = days_left(folder / _AUTHORITY, now)
    others = [*left_days(folder, now), *credentials.due(folder, now).items()]
    return [("authority", own, own < AUTHORITY_RENEW_DAYS), *((name, left, left < RENEW_DAYS) for name, left in others)]


def authority_of(folder: Path, key: Path | None = None) -> Authority:
    """The authority of a deployment (InputError when its key is not there)."""
    return Authority.read(folder / _AUTHORITY, key or folder / AUTHORITY_KEY)


def _fill(folder: Path, plan: Plan, now: datetime) -> None:
    _, checked = read_checked(plan.city)
    authority = Authority.make(now)
    put(folder, FILE, plan.text())
    for name in _STATIC:
        put(folder, name, (shipped() / name).read_text(encoding="utf-8"))
    broker = (shipped() / "mosquitto/mosquitto.conf").read_text(encoding="utf-8")
    put(folder, "mosquitto/mosquitto.conf", broker + (_CERTIFICATES if plan.client_certificates else ""))
    put(folder, _AUTHORITY, authority.pair.certificate)
    put(folder, AUTHORITY_KEY, authority.pair.key)
    for place in _TRUSTING:
        put(folder, f"{place}/ca.crt", authority.pair.certificate)
    for server in SERVERS:
        _serve(folder, plan, authority, server, now)
    _secrets(folder)
    (folder / "gateways").mkdir(mode=0o700)
    credentials.renew(folder, plan, authority, now)
    put(folder, "notifier.env", "".join(_notifier(checked.escalation)))
    _grafana(folder, plan)


def _serve(folder: Path, plan: Plan, authority: Authority, server: str, now: datetime) -> None:
    """A server's certificate: for its name among the services, this machine, and whatever outside calls it."""
    outside: Sequence[str] = plan.hosts if server == "broker" else ()
    pair: Pair = authority.server(server, list(dict.fromkeys((server, *_LOOPBACK, *outside))), now)
    put(folder, f"tls/{server}/server.key", pair.key)
    put(folder, f"tls/{server}/server.crt", pair.certificate)


def _secrets(folder: Path) -> None:
    owner, wall = token(), token()
    kept = {
        "database_admin_password": token(),
        "database_owner_password": owner,
        "owner_database_url": f"postgresql://{OWNER}:{owner}@{_DATABASE}",
        "wall_database_url": f"postgresql://{WALL}:{wall}@{_DATABASE}",
        "grafana_database_password": wall,
        "grafana_admin_password": token(),
        "grafana_secret_key": token(),
        "console_admin_password": token(),
        "links": secrets.token_hex(32),
    }
    kept |= {f"{role}_database_url": f"postgresql://lifeline_{role}:{token()}@{_DATABASE}" for role in LOGINS}
    for name, content in kept.items():
        put(folder, f"secrets/{name}", content)


def _notifier(escalation: Escalation) -> Iterator[str]:
    """The variables that the city's channels ask for, to be filled in."""
    yield "# What the channels of escalation.yaml ask for. Fill in, then: docker compose up -d notifier\n"
    channels: list[dict[str, object]] = [dict(channel) for channel in escalation.channels.values()]
    if escalation.heartbeat is not None:
        channels.append({"url_env": escalation.heartbeat.url_env})
    names = {str(value) for channel in channels for key, value in channel.items() if key.endswith("_env")}
    yield from (f"{name}=\n" for name in sorted(names))


def _grafana(folder: Path, plan: Plan) -> None:
    source = DataSource(
        "database:5432", "lifeline", WALL, "verify-full", timescaledb=True,
        root_certificate="/etc/lifeline/tls/ca.crt",
    )  # fmt: skip
    provisioning = folder / "grafana" / "provisioning"
    password = "$__file{/run/secrets/grafana_database_password}"  # noqa: S105 - where Grafana reads it
    for path in export(provisioning, plan.public_url, source=source, password=password):
        path.chmod(0o644)
    for empty in ("plugins", "notifiers"):  # looked for at every start
        (provisioning / empty).mkdir()


def next_steps(folder: Path, plan: Plan, *, closed: Sequence[str]) -> str:
    """What a person does after `create`, in order."""
    steps = [
        "docker build -f deploy/Dockerfile -t " + (plan.image or default_image()) + " .   # in a checkout of Lifeline",
        f"keep {folder / AUTHORITY_KEY} elsewhere (a safe, not this machine): whoever has it can be any server",
        f"fill in {folder / 'notifier.env'}, so that people can be told",
        f"cd {folder} && docker compose up -d   # then: docker compose run --rm tools doctor",
        f"sign in at {plan.public_url} as admin, password in secrets/console_admin_password; change it",
        f"sign in at {plan.grafana_url} as admin, password in secrets/grafana_admin_password; change it",
        f"hand each file of {folder / 'gateways'} with tls/ca.crt to its installer, then delete it here",
    ]
    if closed:
        steps.insert(
            0, f"sudo lifeline deploy own {folder}   # gives {len(closed)} secrets to the accounts that read them"
        )
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    return f"{folder} is ready. Next:\n{numbered}"


def city_problem(city: Path) -> str:
    """Why Lifeline's account could not read the city folder; empty when it can."""
    for path in (city, *city.parents):
        if not os.access(path, os.X_OK):
            return f"{path} is closed"
    shut = [path for path in (city, *city.rglob("*")) if not path.stat().st_mode & (0o005 if path.is_dir() else 0o004)]
    return f"{shut[0]} is closed to other accounts, try chmod -R o+rX {city}" if shut else ""
