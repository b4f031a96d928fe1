"""The `lifeline` command: its commands, and how errors become messages and exit codes.

Exit codes: 0 fine, 1 what the user gave is wrong, 2 something outside failed, 130 interrupted.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException

from city.errors import LifelineError, OutsideError
from lifeline.commands import (
    access,
    accounts,
    audit,
    bench,
    city,
    dashboards,
    demo,
    deploy,
    detectors,
    drill,
    gateway,
    inspect,
    mapping,
    quarantine,
    replay,
    rosters,
    rules,
    run,
    sight,
    store,
)

app = typer.Typer(
    name="lifeline",
    help="Watches a city's lifelines (gas, drainage, bridges, ground) and turns early signs into acknowledged action.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.demo)
app.command("run")(run.run)
app.command("doctor")(inspect.doctor)
app.command("status")(sight.status)
app.command("trace")(sight.trace)
app.command("check")(city.check)
app.command("init")(city.init)
app.command("rosters")(rosters.rosters)
app.command("replay")(replay.replay)
app.command("simulate")(run.simulate)
app.command("migrate")(inspect.migrate)
app.command("backup")(store.backup)
app.command("restore")(store.restore)
app.command("export")(store.export)
app.command("alive")(deploy.alive)
app.add_typer(deploy.app, name="deploy")
app.add_typer(dashboards.app, name="dashboards")
store.app.command("upgrade-tier")(access.upgrade_tier)
store.app.command("grant")(access.grant)
store.app.command("revoke")(access.revoke)
store.app.command("logins")(access.logins)
app.add_typer(store.app, name="store")
app.add_typer(accounts.app, name="accounts")
app.add_typer(accounts.tokens_app, name="tokens")
app.add_typer(audit.app, name="audit")
app.add_typer(bench.app, name="bench")
app.add_typer(detectors.app, name="detectors")
app.add_typer(drill.app, name="drill")
app.add_typer(rules.app, name="rules")
app.add_typer(gateway.app, name="gateway")
app.add_typer(mapping.app, name="mapping")
app.add_typer(quarantine.app, name="quarantine")
app.command("version")(inspect.version)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    sys.exit(run_command(sys.argv[1:] if arguments is None else list(arguments)))


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code. Messages of errors go to standard error."""
    try:
        outcome = app(list(arguments), prog_name="lifeline", standalone_mode=False)
    except LifelineError as error:
        typer.echo(str(error), err=True)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except TyperException as error:  # a wrong flag or argument
        if not str(error):  # no command: the help was shown
            return 1
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "lifeline"
        typer.echo(f"{where}: {error.format_message().rstrip('.')}, try {where} --help", err=True)
        return 1
    except Exception:
        logging.getLogger(__name__).exception("failed unexpectedly", extra={"action": "cli.failed"})
        return OutsideError.exit_code
    return outcome if isinstance(outcome, int) else 0
