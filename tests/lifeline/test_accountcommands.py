"""`lifeline accounts`, `tokens` and `audit` as people type them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from city.clock import SystemClock
from lifeline.cli import run_command
from lifeline.http import passwords
from rules.watcher import apply_folder
from store.connection import connect
from tests.rules.small_city import FILES
from tests.rules.test_watcher import write

PASSWORD = "three dry pumps"  # noqa: S105 - a test's own


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost little."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Shell:
    """Runs commands against one database."""

    def __init__(self, database: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._database, self._folder, self._capsys = database, folder, capsys

    def __call__(self, line: str, code: int = 0) -> str:
        """What a command says; it must end with `code`."""
        ended = run_command([*line.split(), "--database-url", self._database, "--data", str(self._folder)])
        said = self._capsys.readouterr()
        assert ended == code, said.err
        return said.out + said.err


@pytest.fixture
def shell(database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(database, tmp_path, capsys)


def test_what_a_change_leaves_out_stays(shell: Shell, database: str, tmp_path: Path) -> None:
    file, folder = tmp_path / "password", write(tmp_path / "city", dict(FILES))
    file.write_text(f"{PASSWORD}\n")
    with connect(database) as conn:
        apply_folder(conn, folder, SystemClock())
        [district] = conn.execute("SELECT min(district) FROM city.districts").fetchone() or ("",)
    shell(f"accounts add root --role admin --password-file {file}")
    said = shell(f"accounts add li --role operator --district {district} --person lii --password-file {file}")
    assert "nobody of escalation.yaml in force, got lii, try " in said
    assert f"li is viewer in {district}, as lii" in shell("accounts role li --role viewer")
    known = said.split("try ")[1].split(", ")[0].split()[0]
    assert "nobody" not in shell(f"accounts role li --person {known}")
    assert f"li\tviewer\t{district}\t{known}\tok" in shell("accounts list")
    assert f'"person": "{known}"' in shell("audit list")
    assert "li is viewer in all districts" in shell("accounts role li --all-districts")
    assert "say one of" in shell("accounts role li", 1)
    assert "say one of" in shell(f"accounts role li --all-districts --district {district}", 1)
    shell(f"accounts role li --district {district}")
    assert f"li is admin in all districts, as {known}" in shell("accounts role li --role admin")
    assert "there is none of that name" in shell("accounts role wu --role admin", 1)


def test_accounts_are_made_changed_and_shut_out(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    add = f"--password-file {file}"
    assert "must be an administrator" in shell(f"accounts add li --role operator {add}", 1)
    assert "may sign in as admin" in shell(f"accounts add root --role admin {add}")
    monkeypatch.setattr("sys.stdin", io.StringIO("four wet boots!\n"))
    assert "may sign in as operator" in shell("accounts add li --role operator --person li")
    assert "is there already" in shell(f"accounts add li --role operator {add}", 1)
    assert "not a name" in shell(f"accounts add Li,Na --role operator {add}", 1)
    assert "try viewer, operator, engineer, admin" in shell(f"accounts add x --role king {add}", 1)
    assert "not in the city, got moon" in shell(f"accounts add x --role viewer --district moon {add}", 1)
    file.write_text("short\n")
    assert "12 to 200 characters" in shell(f"accounts password li {add}", 1)
    assert "another file" in shell(f"accounts password li --password-file {tmp_path / 'none'}", 1)
    assert "is the last administrator" in shell("accounts disable root", 1)
    assert "is the last administrator" in shell("accounts role root --role viewer", 1)
    assert "li is viewer in all districts, as li" in shell("accounts role li --role viewer"), "what is left out stays"
    shell("accounts disable li")
    assert shell("accounts list").splitlines() == [
        "li\tviewer\tall districts\tli\tdisabled", "root\tadmin\tall districts\t-\tok",
    ]  # fmt: skip
    shell("accounts enable li")
    shell("accounts unlock li")
    assert "there is none of that name" in shell("accounts unlock nobody", 1)
    done = [line.split("\t")[4] for line in shell("audit list").splitlines()]
    assert done == [
        "account.unlock", "account.enable", "account.disable", "account.role", "account.add", "account.add",
    ]  # fmt: skip


def test_a_key_is_shown_once_and_revoked_by_its_name(shell: Shell) -> None:
    said = shell("tokens create wall --role viewer --days 30")
    key = next(line for line in said.splitlines() if line.startswith("lifeline_"))
    assert "is there already" in shell("tokens create wall --role viewer", 1)
    assert key not in shell("tokens list")
    assert key.split("_", 2)[2] not in shell("audit list")
    shell("tokens revoke wall")
    assert "revoked" in shell("tokens list")
    assert "there is none that is good" in shell("tokens revoke wall", 1)
    shell("tokens create wall --role viewer")


def test_a_row_that_was_edited_is_named(shell: Shell, database: str) -> None:
    for name in ("a", "b", "c"):
        shell(f"tokens create {name} --role viewer")
    head = shell("audit head").strip()
    said = shell(f"audit verify --anchor {head}")
    assert said.startswith("3 rows, none edited, missing or inserted, 1 anchor fit")
    assert "keep heads elsewhere" in shell("audit verify")
    assert "try what `lifeline audit head` says" in shell("audit verify --anchor 3:x", 1)
    with connect(database, autocommit=True) as conn:  # as the server's administrator, who alone can
        conn.execute("ALTER TABLE lifeline.audit DISABLE TRIGGER append_only")
        conn.execute("DELETE FROM lifeline.audit WHERE seq = 3")
    assert "row 3: the end is cut off" in shell(f"audit verify --anchor {head}", 1)
    with connect(database, autocommit=True) as conn:
        conn.execute("UPDATE lifeline.audit SET target = 'x' WHERE seq = 2")
    assert "row 2: edited" in shell("audit verify", 1)
    assert shell("audit list --actor nobody") == ""
    assert "not a time with its offset" in shell("audit list --since today", 1)
