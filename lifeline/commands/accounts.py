"""`lifeline accounts`, `tokens` and `audit`: who may come in through the API, and what was done.

Whoever can run these commands reads the data folder or the database's address anyway: they are the way in when nobody
can sign in. What they change is in the audit log under the name of the system's user.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lifeline.commands.options import Data, DatabaseUrl

if TYPE_CHECKING:
    from store.accounts import Rights
    from store.audit import Deed
    from store.connection import Connection

app = typer.Typer(no_args_is_help=True, help="Who may sign in, and what they may do.")
tokens_app = typer.Typer(no_args_is_help=True, help="Keys of programs that use the API.")

Name = Annotated[str, typer.Argument(help="The account, such as li.na.", show_default=False)]
RoleName = Annotated[str, typer.Option(help="viewer, operator, engineer or admin.", show_default=False)]
Districts = Annotated[
    list[str] | None, typer.Option("--district", help="Only this district (may be said again).", show_default=False)
]
Person = Annotated[str, typer.Option(help="Who of escalation.yaml it is.", show_default=False)]
PasswordFile = Annotated[
    Path | None,
    typer.Option(help="Read the password from a file's first line; - for standard input.", show_default=False),
]


@app.command("add")
def add(
    name: Name,
    role: RoleName,
    district: Districts = None,
    person: Person = "",
    password_file: PasswordFile = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make an account; the first one must be an administrator, and from then on everybody signs in."""
    from city.clock import SystemClock
    from lifeline.http import passwords
    from store import accounts

    kept = passwords.hashed(_password(name, password_file))
    with _database(data, database_url) as conn:
        accounts.add(conn, name, kept, _rights(role, district, person), _by(), SystemClock().now())
        _tell_unknown(conn, person)
    typer.echo(f"{name} may sign in as {role}{_where(district)}")


@app.command("password")
def password(
    name: Name, password_file: PasswordFile = None, data: Data = None, database_url: DatabaseUrl = None
) -> None:
    """Give an account a new password; it is signed out everywhere."""
    from city.clock import SystemClock
    from lifeline.http import passwords
    from store import accounts

    kept = passwords.hashed(_password(name, password_file))
    with _database(data, database_url) as conn:
        accounts.set_password(conn, name, kept, _by(), SystemClock().now())
    typer.echo(f"{name} has a new password and is signed out everywhere")


@app.command("role")
def role_(
    name: Name,
    role: Annotated[str, typer.Option(help="viewer, operator, engineer or admin.", show_default=False)] = "",
    district: Districts = None,
    all_districts: Annotated[bool, typer.Option("--all-districts", help="Of the whole city.")] = False,
    person: Annotated[
        str | None, typer.Option(help='Who of escalation.yaml it is; "" for nobody.', show_default=False)
    ] = None,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Change what an account may do, in which districts, or who it is; what is left out stays, and it holds at once."""
    from city.clock import SystemClock
    from city.errors import InputError
    from store import accounts

    if not (role or district or all_districts or person is not None) or (district and all_districts):
        raise InputError("accounts role: say one of --role, --district or --all-districts, --person")
    with _database(data, database_url) as conn, conn.transaction():
        was = accounts.rights(conn, name)
        of_city = all_districts or (role == "admin" and not district)
        districts = None if of_city else district or was.districts
        now = accounts.Rights(role or was.role, districts, was.person if person is None else person)
        accounts.set_rights(conn, name, now, _by(), SystemClock().now())
        _tell_unknown(conn, person or "")
    typer.echo(f"{name} is {now.role} in {_named(now.districts)}{f', as {now.person}' if now.person else ''}")


@app.command("disable")
def disable(name: Name, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Shut an account out, at once."""
    from store import accounts

    with _database(data, database_url) as conn:
        accounts.set_disabled(conn, name, disabled=True, by=_by())
    typer.echo(f"{name} is shut out")


@app.command("enable")
def enable(name: Name, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Let an account in again."""
    from store import accounts

    with _database(data, database_url) as conn:
        accounts.set_disabled(conn, name, disabled=False, by=_by())
    typer.echo(f"{name} may sign in again")


@app.command("unlock")
def unlock(name: Name, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Let an account try at once that gave wrong passwords."""
    from store import accounts

    with _database(data, database_url) as conn:
        accounts.unlock(conn, name, _by())
    typer.echo(f"{name} may try again")


@app.command("list")
def list_(data: Data = None, database_url: DatabaseUrl = None) -> None:
    """List the accounts: name, role, districts, person, and whether one is shut out or waits."""
    from city.clock import SystemClock
    from store import accounts

    now = SystemClock().now()
    with _database(data, database_url) as conn:
        for row in accounts.accounts(conn):
            waits = row["locked_until"] is not None and row["locked_until"] > now
            state = "disabled" if row["disabled"] else f"waits until {row['locked_until']:%H:%M:%S}Z" if waits else "ok"
            typer.echo("\t".join((row["account"], row["role"], _named(row["districts"]), row["person"] or "-", state)))


@tokens_app.command("create")
def create(
    name: Name,
    role: RoleName,
    district: Districts = None,
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="Good for so many days.", show_default=False)] = 365,
    data: Data = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Make a key for a program; it is shown this once."""
    from city.clock import SystemClock
    from lifeline.http.gate import new_token
    from store import accounts

    shown, public, secret = new_token()
    now = SystemClock().now()
    ends = now + timedelta(days=days) if days else None
    with _database(data, database_url) as conn:
        accounts.add_token(conn, public, name, secret, _rights(role, district, ""), ends, _by(), now)
    until = f", until {ends:%Y-%m-%d}" if ends else ""
    typer.echo(f"{name} has the role {role}{_where(district)}{until}. Its key, shown this once:", err=True)
    typer.echo(shown)


@tokens_app.command("revoke")
def revoke(name: Name, data: Data = None, database_url: DatabaseUrl = None) -> None:
    """Make a key no longer good, at once."""
    from city.clock import SystemClock
    from store import accounts

    with _database(data, database_url) as conn:
        accounts.revoke(conn, name, _by(), SystemClock().now())
    typer.echo(f"{name} is no longer good")


@tokens_app.command("list")
def list_tokens(data: Data = None, database_url: DatabaseUrl = None) -> None:
    """List the keys: name, role, districts, when each was last used, and until when it is good."""
    from store import accounts

    with _database(data, database_url) as conn:
        for row in accounts.tokens(conn):
            until = "revoked" if row["revoked_at"] else _day(row["expires_at"])
            last = _day(row["last_used"])
            typer.echo(
                "\t".join((row["name"], row["role"], _named(row["districts"]), f"used {last}", f"until {until}"))
            )


def _rights(role: str, districts: list[str] | None, person: str) -> Rights:
    from store.accounts import Rights

    return Rights(role, districts or None, person)


def _tell_unknown(conn: Connection, person: str) -> None:
    """Say that nobody of the city folder in force has this id; the folder may still come."""
    from city.errors import InputError
    from rules.check import load_files
    from store import bundle

    current = bundle.current(conn) if person else None
    if current is None:
        return
    with suppress(InputError):  # a folder that an older version took is no reason to refuse an account
        people = load_files(current[1]).escalation.people
        if person not in people:
            known = ", ".join(sorted(people)) or "writing it first"
            typer.echo(f"--person: nobody of escalation.yaml in force, got {person}, try {known}", err=True)


def _by() -> Deed:
    from store.audit import Deed

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        name = "unknown"
    return Deed(f"{name} (command line)", "", role="admin", how="cli")


def _password(name: str, file: Path | None) -> str:
    """The new password: from a file, from standard input, or typed twice; never from the command line."""
    from city.errors import InputError
    from lifeline.http import passwords

    if file is None and sys.stdin.isatty():
        given = getpass.getpass(f"Password of {name}: ")
        if getpass.getpass("Again: ") != given:
            raise InputError("password: the two are not the same, try again")
    elif file is None or str(file) == "-":
        given = sys.stdin.readline().rstrip("\r\n")
    else:
        try:
            given = (file.read_text(encoding="utf-8").splitlines() or [""])[0]
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"--password-file: {file} cannot be read: {error}, try another file") from error
    passwords.check(given, name)
    return given


@contextmanager
def _database(data: Data, database_url: DatabaseUrl) -> Iterator[Connection]:
    from lifeline import custody, endpoints, settings
    from store.connection import connect
    from store.migrate import migrate

    found = endpoints.with_running(settings.load(data=data, database_url=database_url))
    new = found.database_url is None and not (found.data / "postgres" / "data").is_dir()
    with (custody.embedded if new else custody.database_of)(found) as dsn:
        migrate(dsn)  # there may be no city on it yet: accounts come first where others shall reach it
        with connect(dsn, autocommit=True, application_name="lifeline accounts") as conn:
            yield conn


def _named(districts: Sequence[str] | None) -> str:
    return "all districts" if districts is None else ", ".join(districts)


def _where(districts: list[str] | None) -> str:
    return f" in {', '.join(districts)}" if districts else ""


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "never"
