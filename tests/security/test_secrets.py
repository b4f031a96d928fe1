"""What is secret stays in its file; and the page about all this says what is true."""

from __future__ import annotations

import logging
import os
import re
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from psycopg import conninfo, sql
from typer.main import get_command

from lifeline import settings
from lifeline.cli import app, run_command
from lifeline.http.data import Data
from rules.notify.links import Claims, Refusal, sign, verify
from store.connection import connect
from tests.http.people import Serve, account, csrf, sign_in, token

if TYPE_CHECKING:
    from tests.http.conftest import World

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "deploy" / "SECURITY.md"


def test_the_links_secret_is_its_owners_and_a_new_one_ends_every_link(tmp_path: Path) -> None:
    old_mask = os.umask(0)  # however careless the shell is
    try:
        where = settings.Settings(data=tmp_path / "data")
        settings.prepare_data(where)
        first = settings.secret(where)
    finally:
        os.umask(old_mask)
    kept = where.data / "secret"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(where.data.stat().st_mode) in (0o700, 0o711)
    assert stat.S_IMODE((where.data / "log").stat().st_mode) == 0o700
    assert len(first) == 32
    assert settings.secret(where) == first
    link = sign(first, "a1", "li", "I-7", 2 * 10**15)
    assert isinstance(verify(first, link, 0), Claims)
    kept.rename(where.data / "secret.old")  # what the page says
    second = settings.secret(where)
    assert second != first
    assert verify(second, link, 0) is Refusal.FORGED
    assert first.hex() not in repr(where)


def test_no_running_program_shows_a_password_in_its_arguments(postgres_dsn: str, broker: str) -> None:
    """Any user of the machine may read another's arguments; those of our own servers name no secret."""
    known = [str(conninfo.conninfo_to_dict(postgres_dsn)["password"]), broker.split("@")[0].split(":")[-1]]
    seen = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes()
        except OSError:
            continue
        seen += b"postgres" in arguments or b"mosquitto" in arguments
        assert not [word for word in known if word.encode() in arguments], process
    assert all(len(word) > 8 for word in known)
    assert seen


def test_no_page_or_metric_says_what_is_secret(
    database: str, world: World, serve: Serve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.incident()
    account(world, "li", "admin")
    key = token(world, "wall", "admin")
    shown = key["Authorization"].split("_", 2)[2]
    password = str(conninfo.conninfo_to_dict(database)["password"])
    hashes = [row[0] for row in world.conn.execute("SELECT password FROM lifeline.accounts").fetchall()]
    with caplog.at_level(logging.DEBUG), serve() as client:
        assert sign_in(client, "li").status_code == 303
        cookie, word = client.cookies["lifeline_session"], csrf(client)
        paths = ("/metrics", "/health", "/api/v1/health", "/api/v1/accounts", "/api/v1/tokens", "/api/v1/audit",
                 "/api/v1/openapi.json", "/api/v1/me", "/account", "/readyz", "/none")  # fmt: skip
        said = {path: client.get(path, headers=key if path.startswith("/api") else {}).text for path in paths}

        def lost(*_: object, **__: object) -> None:
            raise RuntimeError(f"at {database} with {shown}")

        monkeypatch.setattr(Data, "reading", lost)
        broken = [client.get(path) for path in ("/api/v1/shelves", "/", "/metrics")]
    for path, text in said.items():
        found = [word_ for word_ in (cookie, shown, password, "0123456789abcdef", *hashes) if word_ in text]
        assert not found, path
        assert word not in text or "<form" in text, path
    assert {answer.status_code for answer in broken} == {500}
    for answer in broken:
        assert not re.search(r"RuntimeError|Traceback|File \"|password", answer.text), answer.text[:500]
        assert shown not in answer.text
        assert answer.headers["X-Request-ID"] in answer.text
        assert answer.headers["Content-Security-Policy"]
    requests = [record.getMessage() for record in caplog.records if record.name.startswith("lifeline")]
    assert requests
    assert not [line for line in requests if cookie in line or word in line or hashes[0] in line]


def commands(group: Any, words: tuple[str, ...] = ()) -> dict[str, Any]:  # noqa: ANN401 - typer's own click
    """Every command by its words."""
    if inside := getattr(group, "commands", None):
        found = [commands(inner, (*words, name)) for name, inner in inside.items()]
        return {key: value for one in found for key, value in one.items()}
    return {" ".join(words): group}


def test_the_page_names_tests_files_and_commands_that_are_there() -> None:
    text, known = PAGE.read_text(), commands(get_command(app))
    tests = set(re.findall(r"`(tests/[\w/]+\.py)`", text))
    assert len(tests) >= 10
    assert not [name for name in tests if not (ROOT / name).is_file()]
    assert not [
        name for name in tests if not re.search(r"^(async )?def test_", (ROOT / name).read_text(), re.MULTILINE)
    ]
    defences = text.partition("| against | by | shown in |")[2].partition("\n\n")[0].splitlines()[2:]
    assert len(defences) > 15
    assert not [row for row in defences if not tests & set(re.findall(r"`([^`]+)`", row.split("|")[3]))]
    assert not [name for name in re.findall(r"\]\(([^)h#][^)]*)\)", text) if not (PAGE.parent / name).exists()]
    lines = re.findall(r"^lifeline (.*)$|`lifeline ([a-z][^`]*)`", text, re.MULTILINE)
    assert len(lines) > 12
    for line in (fenced or inline for fenced, inline in lines):
        if line.startswith("-"):
            continue
        command = next((name for name in sorted(known, key=len, reverse=True) if f"{line} ".startswith(f"{name} ")), "")
        if line == "run":
            continue
        assert command, line
        options = {option for parameter in known[command].params for option in parameter.opts}
        for flag in re.findall(r"--[a-z-]+", line):
            assert flag in options, (line, flag)
    for room in (
        "test_roads",
        "test_keys",
        "test_database",
        "test_bombs",
        "test_injection",
        "test_patience",
        "test_secrets",
    ):
        assert f"tests/security/{room}.py" in text, room


def test_keys_are_changed_as_the_page_says(
    world: World, serve: Serve, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines of "Change the keys" that need a database; the broker's and the certificates' are in tests/deploy."""
    account(world, "li.na")
    world.run("INSERT INTO lifeline.districts VALUES ('riverside', '{}')")
    old, login = token(world, "wall", "viewer"), f"t_{secrets.token_hex(4)}"
    (tmp_path / "FILE").write_text("four wet pumps\n")

    def shell(line: str) -> str:
        assert line.replace(login, "grafana").replace(str(tmp_path / "FILE"), "FILE") in PAGE.read_text()
        given = [*line.removeprefix("lifeline ").split(), "--database-url", database, "--data", str(tmp_path)]
        assert run_command(given) == 0, capsys.readouterr().err
        return capsys.readouterr().out.strip()

    with serve() as client:
        new = shell("lifeline tokens create wall-2 --role viewer --days 90").split()[-1]
        assert client.get("/api/v1/me", headers={"Authorization": f"Bearer {new}"}).status_code == 200
        assert client.get("/api/v1/me", headers=old).status_code == 200
        shell("lifeline tokens revoke wall")
        assert client.get("/api/v1/me", headers=old).status_code == 401
        assert sign_in(client, "li.na").status_code == 303
        shell(f"lifeline accounts password li.na --password-file {tmp_path / 'FILE'}")
        assert client.get("/api/v1/me").status_code == 401
        client.cookies.clear()
        assert sign_in(client, "li.na").status_code == 401
        assert sign_in(client, "li.na", "four wet pumps").status_code == 303
    try:
        first = shell(f"lifeline store grant {login} --read --district riverside")
        second = shell(f"lifeline store grant {login} --read --district riverside")
        assert first != second
        connect(second).close()
        with pytest.raises(Exception, match="cannot connect"):
            connect(first)
    finally:
        world.conn.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(sql.Identifier(login)))


def test_the_server_answers_nothing_to_an_error_but_its_number(client: httpx.Client) -> None:
    for path in ("/api/v1/incidents/none", "/api/v1/incidents?limit=x", "/api/v1/none"):
        body = client.get(path).json()
        assert set(body) <= {"type", "title", "status", "detail"}, body
