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
from lifeline.deployment.ledger import FILE as ISSUED
from lifeline.deployment.ledger import Ledger
from lifeline.deployment.plan import Plan

PASSWORDS: Final = "mosquitto/passwords"
LIST: Final = "mosquitto/acl"
_CLIENTS: Final = {RECORDER: "tls/recorder/client", TOOLS: "tls/tools/client", HEALTH: "tls/broker/health"}
_INSIDE: Final = "/mosquitto/tls"  # where the broker's container sees tls/broker
CRL_LINE: Final = f"crlfile {_INSIDE}/revoked.crl"


def users_of(plan: Plan) -> list[User]:
    """Everybody the city folder of a deployment names for the broker (all faults of the folder at once)."""
    files, checked = read_checked(plan.city)
    return brokerfiles.users(checked.city, files, plan.sparkplug)


def renew(
    folder: Path, plan: Plan, authority: Authority | None, now: datetime, again: Collection[str] = ()
) -> list[str]:
    """Write password file and access list anew from the city folder; what changed, a line each.

    Who was known keeps their password or certificate, but those in `again`, whose old ones no longer count; who is gone
    is shut out, and their certificate revoked. Who was revoked stays out until they are in `again`.

    Raises
    ------
    InputError
        The city folder is faulty, `again` names nobody, or a certificate is due and the authority's key is not there.
    """
    everybody = users_of(plan)
    if unknown := sorted(set(again) - {user.name for user in everybody}):
        raise InputError(f"--renew: nobody of that name, got {', '.join(unknown)}, try ids of gateways.csv")
    ledger = Ledger.read(folder)
    known = [user for user in everybody if user.name in again or user.name not in ledger.barred()]
    before = brokerfiles.parts(_text(folder / LIST))
    hashed = brokerfiles.read_passwords(_text(folder / PASSWORDS))
    listed = brokerfiles.acl(known)
    kept = set(before) if plan.client_certificates else set(before) & set(hashed)
    fresh = [user for user in known if user.name not in kept or user.name in again]
    gone = sorted(set(before) - {user.name for user in known})
    struck = ledger.revoke({*again, *gone}, now)
    needed = {user.name for user in fresh} | set(struck)
    signer = _signer(authority, needed) if plan.client_certificates and needed else None
    hashes = {user.name: hashed[user.name] for user in known if user.name in hashed}
    for user in fresh:
        hashes.update(_hand_over(folder, user, plan, signer, now, ledger))
    if signer is not None:
        ledger.write(folder, signer, now)  # first: who is gone from the list below is found by it no more
    for name in gone:
        _take_away(folder, name)
    put(folder, PASSWORDS, brokerfiles.passwords(hashes))
    put(folder, LIST, listed)
    changed = _changes(before, brokerfiles.parts(listed), [user.name for user in fresh], gone)
    return [*changed, *(f"revoked: the old certificate of {name}" for name in struck)]


def revoke(folder: Path, plan: Plan, authority: Authority, now: datetime, names: Collection[str]) -> list[str]:
    """Shut users out: their certificates no longer count, and the access list knows them no more. Who that was.

    Raises
    ------
    InputError
        The deployment has passwords, the broker's settings name no list of the revoked, or somebody has no certificate
        that counts, or is Lifeline itself.
    """
    if not plan.client_certificates:
        hint = "try lifeline deploy acl DIR --renew GATEWAY, which gives it another"
        raise InputError(f"--revoke: this deployment knows gateways by passwords, {hint}")
    if own := sorted(set(names) & set(brokerfiles.OWN)):
        raise InputError(f"--revoke: Lifeline's own, got {', '.join(own)}, try lifeline deploy acl DIR --renew")
    conf = folder / "mosquitto/mosquitto.conf"
    if "crlfile" not in _text(conf):
        hint = f"try adding {CRL_LINE!r}; afterwards restart the broker"
        raise InputError(f"{conf}: names no list of the revoked, {hint}")
    ledger = Ledger.read(folder)
    struck = ledger.revoke(names, now)
    if unknown := sorted(set(names) - set(struck)):
        hint = f"try names of {folder / ISSUED}"
        raise InputError(f"--revoke: no certificate of that name counts, got {', '.join(unknown)}, {hint}")
    ledger.write(folder, authority, now)
    for name in struck:
        _take_away(folder, name)
    put(folder, LIST, brokerfiles.without(_text(folder / LIST), struck))  # who else is in it is `acl`'s business
    return struck


def due(folder: Path, now: datetime) -> dict[str, int]:
    """Whole days until the certificate of each user whom the broker knows ends."""
    known = brokerfiles.parts(_text(folder / LIST))
    ends = sorted(Ledger.read(folder).ends().items())
    return {name: (until - now).days for name, until in ends if name in known}


def reissue(folder: Path, plan: Plan, authority: Authority, now: datetime, names: Collection[str]) -> list[str]:
    """New certificates for users whose old ones count until they end, so that there is time to hand them over.

    Gives whose these are: not of those in `names` whom the city folder knows no more.
    """
    ledger = Ledger.read(folder)
    fresh = [user for user in users_of(plan) if user.name in names]
    for user in fresh:
        _hand_over(folder, user, plan, authority, now, ledger)
    ledger.write(folder, authority, now)
    return [user.name for user in fresh]


def _signer(authority: Authority | None, names: Collection[str]) -> Authority:
    if authority is None:
        raise InputError(
            f"certificates are to be made or revoked for {', '.join(sorted(names))}, try --authority ca.key"
        )
    return authority


def _take_away(folder: Path, name: str) -> None:
    for ending in (".env", ".crt", ".key"):
        (folder / "gateways" / f"{name}{ending}").unlink(missing_ok=True)


def _changes(before: dict[str, str], after: dict[str, str], fresh: Sequence[str], gone: Sequence[str]) -> list[str]:
    told = [f"new: {name}" if name not in before else f"new credentials: {name}" for name in fresh]
    told += [f"other topics: {name}" for name in after if name in before and after[name] != before[name]]
    return [*told, *(f"gone: {name}" for name in gone)]


def _hand_over(
    folder: Path, user: User, plan: Plan, signer: Authority | None, now: datetime, ledger: Ledger
) -> dict[str, str]:
    """Make a user's credentials and write them where they are used; their line of the password file, if any.

    Without a signer they have a password.
    """
    if signer is not None:
        pair = signer.client(user.name, now)
        ledger.add(user.name, pair.certificate)
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
