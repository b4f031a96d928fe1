"""Brings a deployment's database to where its services can start: schema, city, log-ins, a first account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from city.errors import InputError, OutsideError
from lifeline.cityfolder import read_checked
from lifeline.deployment.layout import LOGINS
from lifeline.settings import Settings
from store.connection import Connection, connect

FIRST: Final = "admin"  # the name of the first account
_APPLICATION: Final = "lifeline deploy"


def prepare(settings: Settings, secrets: Path, now: datetime) -> list[str]:
    """Migrate, put the city folder in force, make the log-ins that are missing; safe to repeat. What was done.

    Parameters
    ----------
    settings
        The database's address is its owner's.
    secrets
        Folder of `{role}_database_url` for each role and `wall` (Grafana), and of `console_admin_password`.
    now
        City time, for the first account and the city folder.

    Raises
    ------
    InputError
        A secret or the city folder is missing or faulty.
    OutsideError
        The database cannot be reached, or its owner may not make log-ins.
    """
    from store import migrate

    done = [f"applied {step.name}" for step in migrate.migrate(settings.database)]
    with connect(settings.database, autocommit=True, application_name=_APPLICATION) as conn:
        done += _apply(conn, settings, now)
        for role in LOGINS:
            done += _log_in(conn, _secret(secrets, f"{role}_database_url"), write=True)
        done += _log_in(conn, _secret(secrets, "wall_database_url"), write=False)
        done += _first_account(conn, secrets, now)
    return done


def _apply(conn: Connection, settings: Settings, now: datetime) -> Iterator[str]:
    from store import bundle

    if settings.city is None:
        if bundle.current(conn) is None:
            raise InputError("no city folder, try LIFELINE_CITY=DIR")
        return
    files, checked = read_checked(settings.city)
    if bundle.apply(conn, files, checked.city, now):
        yield f"city folder {settings.city} in force"


def _log_in(conn: Connection, url: str, *, write: bool) -> Iterator[str]:
    """Make the log-in of an address, or give it the password there; nothing when it works already."""
    from store import grants

    parts = urlsplit(url)
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not name or not password:
        raise InputError("a log-in's address without user or password, try lifeline deploy init in a new folder")
    known: Mapping[str, str] = {login: kind for login, kind, _ in grants.logins(conn)}
    if known.get(name) == ("write" if write else "read") and _opens(url):
        return  # as it was left, with the districts that an administrator may have held it to
    if write:
        grants.grant_writer(conn, name, password=password)
    else:
        grants.grant_reader(conn, name, password=password)
    yield f"log-in {name}"


def _opens(url: str) -> bool:
    try:
        connect(url, application_name=_APPLICATION).close()
    except OutsideError:
        return False
    return True


def _first_account(conn: Connection, secrets: Path, now: datetime) -> Iterator[str]:
    from lifeline.http import passwords
    from store import accounts
    from store.audit import Deed

    if accounts.exist(conn):
        return
    kept = passwords.hashed(_secret(secrets, "console_admin_password"))
    accounts.add(
        conn, FIRST, kept, accounts.Rights("admin"), Deed("deployment (command line)", "", role="admin", how="cli"), now
    )
    yield f"account {FIRST}"


def _secret(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InputError(f"{folder / name}: {error.strerror}, try lifeline deploy own on the deployment") from error
