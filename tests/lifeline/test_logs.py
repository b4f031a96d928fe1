"""Logs: every event has its sentence, no line can be forged, no secret is in them."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from city.clock import SystemClock
from city.errors import InputError
from lifeline import logs
from lifeline.cityfolder import read_checked
from lifeline.display import harmless, readable
from lifeline.logevents import EVENTS
from lifeline.ports import kept_port
from lifeline.story import Story, write_city
from store import bundle
from store.connection import connect
from tests.running import PATIENCE_S, eventually

ROOT = Path(__file__).parents[2]
EVIL = 'a\n2026-01-01T00:00:00Z ERROR rules.watcher: forged\r\x1b[2J\x1b[31m\x00\x85\u2028{"action": "x"}\u202e\ud800'


def actions() -> Iterator[tuple[str, ast.expr]]:
    """The `action` of every log call in the source, with the file it is in."""
    for room in logs.OWN:
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for extra in _extras(ast.parse(text)) if '"action"' in text else ():
                for key, value in zip(extra.keys, extra.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == "action":
                        yield str(path.relative_to(ROOT)), value


def _extras(tree: ast.AST) -> Iterator[ast.Dict]:
    """Dicts given as `extra=`, and those a name `extra` stands for."""
    for node in ast.walk(tree):
        meant = node.value if isinstance(node, ast.keyword) and node.arg == "extra" else None
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "extra":
            meant = node.value
        if isinstance(meant, ast.Dict):
            yield meant


def _pattern(value: ast.expr) -> str | None:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return re.escape(value.value)
    if isinstance(value, ast.JoinedStr):
        return "".join(
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+" for part in value.values
        )
    return None


def test_every_event_has_a_sentence_and_every_sentence_an_event() -> None:
    used: set[str] = set()
    for file, value in actions():
        pattern = _pattern(value)
        assert pattern, f"{file}: {ast.unparse(value)} is no literal"
        meant = {name for name in EVENTS if re.fullmatch(pattern, name)}
        assert meant, f"{file}: {ast.unparse(value)} is not in lifeline/logevents.py"
        used |= meant
    assert not set(EVENTS) - used, "sentences without an event"
    for name, sentence in EVENTS.items():
        assert re.fullmatch(r"[a-z0-9_.]+", name)
        assert sentence.endswith("."), name


def written(as_json: bool, hide: tuple[str, ...] = (), message: str = "topic %s", **extra: object) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Lines(as_json=as_json, hide=hide))
    log = logging.Logger("rules.watcher")
    log.addHandler(handler)
    error = ValueError(EVIL)
    log.error(message, EVIL, exc_info=error, extra={"action": "request", "topic": EVIL, **extra})
    return stream.getvalue()


def test_nothing_from_outside_makes_a_line_of_json() -> None:
    line = written(as_json=True)
    assert line.count("\n") == 1
    assert harmless(line[:-1]) == line[:-1]
    said = json.loads(line)
    assert said["action"] == "request"
    assert said["message"] == f"topic {EVIL}"
    assert said["topic"] == EVIL
    assert "ValueError" in said["error"]


def test_what_follows_in_text_cannot_be_taken_for_a_line() -> None:
    first, *rest = written(as_json=False).splitlines()
    assert " ERROR rules.watcher: topic a" in first
    assert rest
    assert all(line.startswith(logs.MORE) for line in rest)
    assert all(harmless(line) == line for line in (first, *rest))


def test_a_request_id_cannot_forge_either() -> None:
    token = logs.request.set(EVIL)
    try:
        assert written(as_json=True).count("\n") == 1
        assert all(line.startswith(logs.MORE) for line in written(as_json=False).splitlines()[1:])
    finally:
        logs.request.reset(token)


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_are_taken_out_wherever_they_stand(as_json: bool) -> None:
    environment = {
        "LIFELINE_DATABASE_URL": "postgresql://u:pg%2Fsecret1@h/db",
        "LIFELINE_MQTT_URL": "mqtt://u:mqttsecret2@h",
        "LIFELINE_WEBHOOK_SECRET": "hooksecret3",
        "DUTY_HEARTBEAT_URL": "https://alive.example/0123456789abcdef0123",
        "PGPASSWORD": "pgsecret4",
        "OTHER": "harmless-word",
    }
    hide = logs.secrets_of(environment)
    secrets = ("pg%2Fsecret1", "pg/secret1", "mqttsecret2", "hooksecret3", "0123456789abcdef0123", "pgsecret4")
    text = written(
        as_json,
        hide,
        message="|".join(("%s", *secrets, "harmless-word")).replace("%2F", "%%2F"),
        detail=" ".join(secrets),
    )
    assert not [secret for secret in secrets if secret in text]
    assert "harmless-word" in text


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("SMS_KEY", True), ("SMS_API_KEY", True), ("APIKEY", True), ("sms_key_2", True), ("KEY", True),
        ("BOT_TOKEN", True), ("SECRET_OF_SMS", True), ("PGPASSWORD", True), ("SMTP_PASSWD", True), ("X_DSN", True),
        ("KEYS", False), ("KEY_COLUMN", False), ("MONKEY", False), ("KEYBOARD_LAYOUT", False), ("TOKENS", False),
        ("TOKEN_DAYS", False), ("SECRETARY", False), ("CURL_HOME", False), ("PASSWORDLESS", False),
    ],
)  # fmt: skip
def test_a_variable_is_secret_by_a_word_of_its_name(name: str, secret: bool) -> None:
    value = "value-of-it"
    assert (logs.secrets_of({name: value}) == (value,)) is secret


def test_a_secret_in_a_file_is_known_too(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://u:filed-secret@h/db\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    given = {"LIFELINE_DATABASE_URL_FILE": str(tmp_path / "url"), "A_KEY_FILE": str(tmp_path / "none")}
    assert logs.secrets_of(given | {"B_KEY_FILE": str(tmp_path / "binary")}) == ("filed-secret",)
    assert logs.secrets_of({"COLUMNS_FILE": str(tmp_path / "url"), "LIFELINE_MQTT_KEY": "/etc/client.key"}) == ()


def test_secrets_nobody_told_of_are_known_by_their_shape() -> None:
    shapes = (
        "postgresql://u:S3cretPw@h/db", "host=h password='S3cretPw' dbname=x", "Authorization: Bearer S3cretPw12",
        "Set-Cookie: lifeline=S3cretPw; Path=/", "GET /n/S3cretPwS3cretPw.x-y HTTP/1.1",
        "POST https://chat.example/send?access_token=S3cretPw&x=1", "https://chat.example/?sign=S3cretPw",
    )  # fmt: skip
    text = written(as_json=True, message="; ".join(("%s", *shapes)))
    assert "S3cretPw" not in text


def test_a_line_of_a_file_is_read_by_people_too() -> None:
    assert readable(written(as_json=True).strip()).count("ERROR rules.watcher: topic a") == 1
    assert readable("Traceback") == "Traceback"


@pytest.mark.parametrize(("name", "value"), [("LIFELINE_LOG_FORMAT", "xml"), ("LIFELINE_LOG_LEVEL", "LOUD")])
def test_a_wrong_setting_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=name):
        logs.log_to(None)


SECRETS = {
    "dead": "deadDatabasePw1", "mqtt": "mqttUserPw2", "hook": "hookSecret3xx", "beat": "heartbeat4key0123456789",
    "login": "wrongLoginPw5", "mine": "My-own-Pw6-long", "cookie": "cookie7value-0123456789",
}  # fmt: skip


def test_roles_at_debug_level_tell_no_secret(database: str, tmp_path: Path) -> None:
    write_city(tmp_path, Story(7, 0), "http://127.0.0.1:1/crew")
    escalation = tmp_path / "city" / "escalation.yaml"
    escalation.write_text(escalation.read_text(encoding="utf-8") + "heartbeat: {url_env: CITY_BEAT_URL}\n")
    files, checked = read_checked(tmp_path / "city")
    with connect(database) as conn:
        bundle.apply(conn, files, checked.city, SystemClock().now())
    port = kept_port(tmp_path / "port")
    dead = f"postgresql://u:{SECRETS['dead']}@127.0.0.1:1/x"
    settings = {
        **os.environ, "LIFELINE_DATABASE_URL": database, "LIFELINE_DATA": str(tmp_path / "data"),
        "LIFELINE_MQTT_URL": f"mqtt://u:{SECRETS['mqtt']}@127.0.0.1:1", "LIFELINE_HTTP": f"127.0.0.1:{port}",
        "LIFELINE_WEBHOOK_SECRET": SECRETS["hook"], "CITY_BEAT_URL": f"http://127.0.0.1:1/{SECRETS['beat']}",
        "LIFELINE_LOG_LEVEL": "DEBUG",
    }  # fmt: skip
    told: dict[str, Path] = {}
    with ExitStack() as stack:
        for role in ("recorder", "notifier", "api", "keeper"):
            told[role] = tmp_path / f"{role}.txt"
            out = stack.enter_context(told[role].open("wb"))
            mine = {**settings, **({"LIFELINE_DATABASE_URL": dead} if role == "keeper" else {})}
            command = [sys.executable, "-m", "lifeline", "run", "--role", role]
            process = subprocess.Popen(command, env=mine, stdout=out, stderr=out, cwd=ROOT)  # noqa: S603 - ours
            stack.callback(process.wait, PATIENCE_S)
            stack.callback(process.send_signal, signal.SIGTERM)
        _use(f"http://127.0.0.1:{port}")
        for role, word in (("recorder", "broker_lost"), ("notifier", "heartbeat_silent"), ("keeper", SECRETS["dead"])):
            _until(told[role], word if role != "keeper" else "127.0.0.1:1")
    whole = {role: path.read_text(encoding="utf-8") for role, path in told.items()}
    assert "login_failed" in whole["api"]
    for role, text in whole.items():
        assert not [name for name, secret in SECRETS.items() if secret in text], role
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        assert lines, role
        assert {line["action"] for line in lines} - {""} <= set(EVENTS), role


def _use(url: str) -> None:
    """What people and programs do with secrets: a wrong password, a made-up token, cookie and link."""
    with httpx.Client(base_url=url, timeout=60) as client:

        def answers() -> bool:
            with suppress(httpx.TransportError):
                return client.get("/healthz").status_code > 0
            return False

        eventually(answers)
        form = {"name": "li", "password": SECRETS["login"], "next": "/"}
        client.post("/login", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        headers = {"Authorization": f"Bearer {SECRETS['mine']}", "Cookie": f"lifeline_session={SECRETS['cookie']}"}
        client.get(f"/api/v1/incidents?token={SECRETS['mine']}", headers=headers)
        client.get(f"/n/{SECRETS['cookie']}")


def _until(path: Path, word: str) -> None:
    def said() -> str:
        return path.read_text(encoding="utf-8", errors="replace")

    eventually(lambda: word in said(), lambda: f"{path.name}: never said {word}\n{said()[-2000:]}")
