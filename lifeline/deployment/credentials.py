"""Users of the broker: who is new, who is gone, and the file that each of them is handed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from city.errors import InputError
from lifeline.cityfolder import read_checked
from lifeline.deployment import brokerfiles
from lifeline.deployment.authority import Authority
from lifeline.deployment.brokerfiles import User
from lifeline.deployment.layout import HEALTH, RECORDER, TOOLS, put, token
from lifeline.deployment.plan import Plan

PASSWORDS: Final = "mosquitto/passwords"
LIST: Final = "mosquitto/acl"
_CLIENTS: Final = {RECORDER: "tls/recorder/client", TOOLS: "tls/tools/client", HEALTH: "tls/broker/health"}
_INSIDE: Final = "/mosquitto/tls"  # where the broker's container sees tls/broker


def users_of(plan: Plan) -> list[User]:
    """Everybody the city folder of a deployment names for the broker (all faults of the folder at once)."""
    files, checked = read_checked(plan.city)
    return brokerfiles.users(checked.city, files, plan.sparkplug)


def renew(
    folder: Path, plan: Plan, authority: Authority | None, now: datetime, again: Collection[str] = ()
) -> list[str]:
    """Write password file and access list anew from the city folder; what changed, a line each.

    Who was known keeps their password or certificate, but those in `again`; who is gone is shut out.

    Raises
    ------
    InputError
        The city folder is faulty, `again` names nobody, or a certificate is due and the authority's key is not there.
    """
    known = users_of(plan)
    if unknown := sorted(set(again) - {user.name for user in known}):
        raise InputError(f"--renew: nobody of that name, got {', '.join(unknown)}, try ids of gateways.csv")
    before = brokerfiles.parts(_text(folder / LIST))
    hashed = brokerfiles.read_passwords(_text(folder / PASSWORDS))
    listed = brokerfiles.acl(known)
    kept = set(before) if plan.client_certificates else set(before) & set(hashed)
    fresh = [user for user in known if user.name not in kept or user.name in again]
    if fresh and plan.client_certificates and authority is None:
        raise InputError(f"certificates are due for {', '.join(one.name for one in fresh)}, try --authority ca.key")
    hashes = {user.name: hashed[user.name] for user in known if user.name in hashed}
    for user in fresh:
        hashes.update(_hand_over(folder, plan, user, authority, now))
    gone = sorted(set(before) - {user.name for user in known})
    for name in gone:
        for ending in (".env", ".crt", ".key"):
            (folder / "gateways" / f"{name}{ending}").unlink(missing_ok=True)
    put(folder, PASSWORDS, brokerfiles.passwords(hashes))
    put(folder, LIST, listed)
    return _changes(before, brokerfiles.parts(listed), [user.name for user in fresh], gone)


def _changes(before: dict[str, str], after: dict[str, str], fresh: Sequence[str], gone: Sequence[str]) -> list[str]:
    told = [f"new: {name}" if name not in before else f"new credentials: {name}" for name in fresh]
    told += [f"other topics: {name}" for name in after if name in before and after[name] != before[name]]
    return [*told, *(f"gone: {name}" for name in gone)]


def _hand_over(folder: Path, plan: Plan, user: User, authority: Authority | None, now: datetime) -> dict[str, str]:
    """Make a user's credentials and write them where they are used; their line of the password file, if any."""
    if plan.client_certificates and authority is not None:
        pair = authority.client(user.name, now)
        base = _CLIENTS.get(user.name, f"gateways/{user.name}")
        put(folder, f"{base}.crt", pair.certificate)
        put(folder, f"{base}.key", pair.key)
        password, who = "", ""
    else:
        password = token()
        who = f"{user.name}:{password}@"
    if user.name == HEALTH:
        put(folder, "secrets/broker_health", _health(password))
    elif user.kind == "own":
        role = {RECORDER: "recorder", TOOLS: "tools"}[user.name]
        put(folder, f"secrets/{role}_mqtt_url", f"mqtts://{who}broker:8883\n")
    else:
        put(folder, f"gateways/{user.name}.env", _letter(plan, user, who, password))
    return {user.name: brokerfiles.hashed(password)} if password else {}


def _health(password: str) -> str:
    """Options of mosquitto_sub: one message of the broker's own, over TLS."""
    told = ["-h localhost", "-p 8883", f"--cafile {_INSIDE}/ca.crt", "-t $SYS/broker/uptime", "-C 1", "-W 5"]
    told += [f"-u {HEALTH}", f"-P {password}"] if password else [
        f"--cert {_INSIDE}/health.crt", f"--key {_INSIDE}/health.key",
    ]  # fmt: skip
    return "\n".join(told) + "\n"


def _letter(plan: Plan, user: User, who: str, password: str) -> str:
    """What an installer needs, as variables of an agent's environment, with the same in words for other devices."""
    host = plan.hosts[0]
    shown = f"[{host}]" if ":" in host else host
    own = "" if password else f", broker_certificate: {user.name}.crt, broker_key: {user.name}.key"
    lines = [
        f"# For the installer of {user.name} alone: hand it over with tls/ca.crt, then delete it here.",
        f"# Host {host}, port {plan.mqtt_port}, TLS with our own authority (ca.crt).",
        f"# User {user.name}, password {password}." if password else f"# Certificate {user.name}.crt and .key.",
        f"# Lifeline's agent, in gateway.yaml: broker_env: LIFELINE_BROKER, broker_ca: ca.crt{own}.",
        *(f"# May publish to {topic}" for topic in user.writes),
        *(f"# May subscribe to {topic}" for topic in user.reads),
        f"LIFELINE_BROKER=mqtts://{who}{shown}:{plan.mqtt_port}",
    ]
    return "\n".join(lines) + "\n"


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
