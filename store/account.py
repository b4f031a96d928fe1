"""Running the embedded server's programs as an account that may run them: PostgreSQL refuses root."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from city.errors import InputError

# Become the account (root only), ask the kernel for SIGINT (PostgreSQL's fast shutdown) when the owner dies, then turn
# into the program. A program of its own, because Python code between fork and exec is not safe in threaded processes.
_BECOME = """
import ctypes, os, signal, sys
uid, gid, owner = map(int, sys.argv[1:4])
if uid >= 0:
    os.setgroups([]); os.setgid(gid); os.setuid(uid)
if owner and sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGINT, 0, 0, 0)
    if os.getppid() != owner:
        sys.exit("the owner died while the server was starting")
os.execv(sys.argv[4], sys.argv[4:])
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An account as numbers; `uid` -1 means: whoever we are."""

    name: str = ""
    uid: int = -1
    gid: int = -1

    @property
    def other(self) -> bool:
        """Whether it is somebody else than we are."""
        return self.uid >= 0

    def own(self, path: Path) -> None:
        """Give one file or folder (not what is in it) to the account."""
        if self.other:
            os.chown(path, self.uid, self.gid)

    def may(self, test: str, path: Path) -> bool:
        """Whether the account passes the shell's `test -r|-x path`."""
        command = ["/bin/sh", "-c", f'test {test} "$1"', "sh", str(path)]
        uid, gid, groups = (self.uid, self.gid, list[int]()) if self.other else (None, None, None)
        tried = subprocess.run(  # noqa: S603 - fixed words
            command, check=False, cwd="/", user=uid, group=gid, extra_groups=groups
        )
        return tried.returncode == 0

    def command(self, *command: str, dies_with_us: bool = False) -> list[str]:
        """The command line that runs `command` as the account, and optionally ends it with this process."""
        owner = os.getpid() if dies_with_us else 0
        return [sys.executable, "-I", "-S", "-c", _BECOME, str(self.uid), str(self.gid), str(owner), *command]


def account_for(data: Path) -> Account:
    """Who shall run the server: we, or where we are root the data's owner, or `nobody` for new data."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return Account()
    import pwd  # not on Windows, where there is no root either

    found = pwd.getpwnam("nobody")
    if data.exists() and data.stat().st_uid != 0:
        try:
            found = pwd.getpwuid(data.stat().st_uid)
        except KeyError:
            return Account(f"uid {data.stat().st_uid}", data.stat().st_uid, data.stat().st_gid)
    return Account(found.pw_name, found.pw_uid, found.pw_gid)


def check_reach(account: Account, folder: Path) -> None:
    """Refuse a folder that the account cannot get to (InputError names the parent that is closed)."""
    for parent in [*reversed(folder.parents), folder] if account.other else []:
        if not account.may("-x", parent):
            raise InputError(
                f"{folder}: PostgreSQL does not run as root, and account '{account.name}', which runs it instead, "
                f"cannot enter {parent}; try a data folder elsewhere (--data /var/lib/lifeline), "
                f"'chmod o+x {parent}', or running lifeline as an ordinary user"
            )
