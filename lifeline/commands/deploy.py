"""`lifeline deploy`: a whole deployment's folder, its certificates and its broker's rules; and `lifeline alive`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from lifeline.commands.options import City, Data, DatabaseUrl

app = typer.Typer(help="A deployment: its folder, certificates, and the broker's rules.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The deployment's folder.", show_default=False)]
AuthorityKey = Annotated[
    Path | None,
    typer.Option(
        "--authority", help="The authority's key, where it is kept elsewhere.", dir_okay=False, show_default=False
    ),
]
_RELOAD = "docker compose kill -s HUP {} # in {}, to take it over without a pause"


@app.command("init")
def init(
    folder: Folder,
    city: Annotated[Path, typer.Option(help="City folder.", file_okay=False, show_default=False)],
    host: Annotated[
        list[str] | None,
        typer.Option(help="Name or address of this machine for gateways (may be said again).", show_default=False),
    ] = None,
    public_url: Annotated[str, typer.Option(help="How browsers reach the operations page.")] = "http://127.0.0.1:8080",
    grafana_url: Annotated[str, typer.Option(help="How browsers reach Grafana.")] = "http://127.0.0.1:3000",
    mqtt_listen: Annotated[str, typer.Option(help="Where the broker listens.")] = "127.0.0.1:8883",
    http_listen: Annotated[str, typer.Option(help="Where the operations page listens.")] = "127.0.0.1:8080",
    grafana_listen: Annotated[str, typer.Option(help="Where Grafana listens.")] = "127.0.0.1:3000",
    client_certificates: Annotated[
        bool, typer.Option("--client-certificates", help="Know gateways by certificates instead of passwords.")
    ] = False,
    sparkplug: Annotated[
        list[str] | None,
        typer.Option(help="A gateway that is a Sparkplug edge node (may be said again).", show_default=False),
    ] = None,
    image: Annotated[str, typer.Option(help="Lifeline's image.", show_default="urban-lifeline:VERSION")] = "",
) -> None:
    """Write everything a deployment needs: .env, compose.yaml, secrets, certificates, the broker's files, Grafana's."""
    from city.clock import SystemClock
    from lifeline.deployment import create
    from lifeline.deployment.layout import unreadable
    from lifeline.deployment.plan import Plan

    plan = Plan(
        city=city.absolute(), hosts=tuple(host or ("localhost",)), public_url=public_url, grafana_url=grafana_url,
        mqtt_listen=mqtt_listen, http_listen=http_listen, grafana_listen=grafana_listen,
        client_certificates=client_certificates, sparkplug=tuple(sparkplug or ()), image=image,
    )  # fmt: skip
    create.create(folder, plan, SystemClock().now())
    typer.echo(create.next_steps(folder.absolute(), plan, closed=unreadable(folder.absolute())))
    if problem := create.city_problem(plan.city):
        typer.echo(f"warning: Lifeline's account cannot read the city folder: {problem}", err=True)


@app.command("acl")
def acl(
    folder: Folder,
    renew: Annotated[
        list[str] | None,
        typer.Option(help="Give this user new credentials (may be said again).", show_default=False),
    ] = None,
    authority: AuthorityKey = None,
) -> None:
    """Write the broker's users and access list anew from the city folder, and say what changed."""
    from city.clock import SystemClock
    from lifeline.deployment import create, credentials
    from lifeline.deployment.plan import Plan

    plan = Plan.read(folder)
    key = authority or folder / create.AUTHORITY_KEY
    signer = create.authority_of(folder, key) if plan.client_certificates and key.exists() else None
    changed = credentials.renew(folder.absolute(), plan, signer, SystemClock().now(), renew or ())
    if not changed:
        typer.echo("nothing has changed")
        return
    typer.echo("\n".join(changed))
    typer.echo(_RELOAD.format("broker", folder.absolute()))
    if any(line.endswith(("lifeline-recorder", "lifeline-tools")) for line in changed):
        typer.echo("docker compose restart recorder # it has another password")


@app.command("certificates")
def certificates(
    folder: Folder,
    authority: AuthorityKey = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those of servers that are good for long (after a new host).")
    ] = False,
    revoke: Annotated[
        list[str] | None,
        typer.Option(
            help="Shut this gateway or source out: its certificate no longer counts (may be said again).",
            show_default=False,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say how long they last; exit code 1 when one ends soon.")
    ] = False,
) -> None:
    """Renew certificates that end within 45 days, signed by the deployment's own authority; or revoke a gateway's."""
    from city.clock import SystemClock
    from lifeline.deployment import create, credentials
    from lifeline.deployment.plan import Plan

    now, folder = SystemClock().now(), folder.absolute()
    if check:
        found = create.lasting(folder, now)
        typer.echo("\n".join(f"{name}: {days} days{', renew it' if due else ''}" for name, days, due in found))
        raise typer.Exit(int(any(due for *_, due in found)))
    if revoke:
        plan = Plan.read(folder)
        struck = credentials.revoke(folder, plan, create.authority_of(folder, authority), now, revoke)
        typer.echo("\n".join(f"revoked: {name}" for name in struck))
        typer.echo(_RELOAD.format("broker", folder))
        again = " ".join(f"--renew {name}" for name in struck)
        typer.echo(f"lifeline deploy acl {folder} {again} # lets in again, with another certificate")
        return
    renewed = create.certificates(folder, now, authority, everything=everything)
    typer.echo("\n".join(f"renewed: {name}" for name in renewed) or "none ends soon")
    for line in _taken_over(folder, renewed):
        typer.echo(line)


def _taken_over(folder: Path, renewed: list[str]) -> Iterator[str]:
    """What brings renewed certificates into use."""
    from lifeline.deployment.brokerfiles import OWN
    from lifeline.deployment.create import SERVERS
    from lifeline.deployment.layout import RECORDER

    if servers := [name for name in renewed if name in SERVERS]:
        yield _RELOAD.format(" ".join(servers), folder)
    if RECORDER in renewed:
        yield "docker compose restart recorder # it has another certificate"
    if gateways := [name for name in renewed if name not in (*SERVERS, *OWN)]:
        yield f"hand over again from {folder / 'gateways'}, before the old ones end: {', '.join(gateways)}"


@app.command("own")
def own(folder: Folder) -> None:
    """Give each secret to the account whose service reads it (as root)."""
    from lifeline.deployment.layout import own as give
    from lifeline.deployment.plan import Plan

    Plan.read(folder)
    for name, account in give(folder.absolute()):
        typer.echo(f"{account}: {name}")


@app.command("database")
def database(
    secrets: Annotated[Path, typer.Option(help="Folder of the secrets.", file_okay=False)] = Path("/run/secrets"),
    data: Data = None,
    city: City = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Migrate, put the city folder in force, make the services' log-ins and the first account; safe to repeat."""
    from city.clock import SystemClock
    from lifeline import settings
    from lifeline.deployment.database import prepare

    found = settings.load(data=data, city=city, database_url=database_url)
    typer.echo("\n".join(prepare(found, secrets, SystemClock().now())) or "nothing to do")


@app.command("sbom")
def sbom(
    lock: Annotated[
        Path,
        typer.Argument(metavar="LOCK", help="The lock file it is installed by: requirements.lock.", dir_okay=False),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write it here instead of to the screen.", dir_okay=False, show_default=False)
    ] = None,
) -> None:
    """Write the software bill of materials (CycloneDX): versions, checksums, licences, and who needs whom."""
    import os
    from importlib import metadata

    from city.errors import InputError
    from lifeline.deployment import sbom as bills

    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if epoch and not epoch.isdigit():
        raise InputError(f"SOURCE_DATE_EPOCH: not whole seconds since 1970, got {epoch!r}, try leaving it out")
    pinned = bills.read_lock(lock)
    try:
        version = metadata.version("urban-lifeline")
    except metadata.PackageNotFoundError:
        version = ""
    text = bills.bill(pinned, version, int(epoch) if epoch else None)
    if out is None:
        typer.echo(text, nl=False)
        return
    out.write_text(text, encoding="utf-8")
    typer.echo(f"{out}: {len(pinned)} packages")


def alive(
    role: Annotated[
        str, typer.Argument(envvar="LIFELINE_ROLE", help="recorder, watcher, notifier, api or keeper.")
    ] = "api",
) -> None:
    """Say whether a role works here: exit code 0 when it does, for health checks."""
    from lifeline import endpoints, settings
    from lifeline.readiness import sign_of_life

    typer.echo(sign_of_life(role, endpoints.with_running(settings.load())))
