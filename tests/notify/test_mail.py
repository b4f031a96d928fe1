"""The e-mail channel against a real SMTP server."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from socket import socket
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from city.clock import ManualClock
from city.levels import Level
from rules.notify.channels import send
from rules.notify.letter import Answer, GiveUp, Letter, Retry, Sent, Tools
from rules.notify.mail import judge
from tests.notify.wires import talking
from tests.running import PATIENCE_S, free_port

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
LETTER = Letter(
    "key-1",
    {"email": "li@example.org", "name": "李娜"},
    "红色预警：积水\r\nBcc: evil@example.org",
    "正文 text",
    "<p>正文 text</p>",
    b"{}",
    "zh",
    Level.RED,
    NOW,
)
PASSWORD = {"password_env": "MAIL_PASSWORD"}


class Box:
    """Keeps what it is given, or refuses as told."""

    def __init__(self, rcpt: str = "250 OK", data: str = "250 OK") -> None:
        self.rcpt, self.data = rcpt, data
        self.messages = list[EmailMessage]()
        self.secure = list[bool]()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.rcpt.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.secure.append(session.ssl is not None)
        return self.data


@contextmanager
def server(box: Box, **options: object) -> Iterator[int]:
    port = free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=PATIENCE_S, **dict[str, Any](options))
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


@pytest.fixture
def tools() -> Iterator[Tools]:
    with httpx.Client() as http:
        yield Tools(http, ManualClock(NOW), {"MAIL_PASSWORD": "right"}, timeout_s=PATIENCE_S)


def deliver(port: int, tools: Tools, **settings: object) -> Answer:
    return deliver_it(LETTER, port, tools, **settings)


def deliver_it(letter: Letter, port: int, tools: Tools, **settings: object) -> Answer:
    given = {"type": "smtp", "host": "127.0.0.1", "port": port, "from": "lifeline@city.example", **settings}
    return send(letter, given, tools)


def test_a_message_arrives_in_both_forms_and_with_the_notices_key(tools: Tools) -> None:
    box = Box()
    with server(box) as port:
        assert isinstance(deliver(port, tools), Sent)
    [message] = box.messages
    assert message["Message-ID"] == "<key-1@city.example>"
    assert message["Subject"] == "红色预警：积水 Bcc: evil@example.org"  # one line: no header can be smuggled in
    assert message["Bcc"] is None
    assert message["X-Priority"] == "1"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert "正文 text" in plain.get_content()
    assert html is not None
    assert "<p>正文" in html.get_content()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (250, Sent), (251, Sent),
        (421, Retry), (450, Retry), (451, Retry), (452, Retry), (454, Retry),
        (500, GiveUp), (530, GiveUp), (535, GiveUp), (550, GiveUp), (552, GiveUp), (554, GiveUp),
    ],
)  # fmt: skip
def test_the_table_of_statuses(code: int, expected: type[Answer]) -> None:
    assert isinstance(judge(code, b"said"), expected)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(rcpt="550 no such user"), GiveUp),
        (Box(rcpt="450 mailbox busy"), Retry),
        (Box(data="554 looks like spam"), GiveUp),
        (Box(data="451 try later"), Retry),
    ],
)
def test_refusals_at_the_recipient_and_at_the_data(box: Box, expected: type[Answer], tools: Tools) -> None:
    with server(box) as port:
        assert isinstance(deliver(port, tools), expected)


def test_the_picture_stands_in_the_page(tools: Tools) -> None:
    box = Box()
    shown = replace(LETTER, html='<img src="cid:picture" alt="24 h">', picture=b"\x89PNG picture")
    with server(box) as port:
        assert isinstance(deliver_it(shown, port, tools), Sent)
    [message] = box.messages
    [picture] = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert picture.get_content() == b"\x89PNG picture"
    assert picture.get_content_disposition() == "inline"
    page = message.get_body(("html",))
    assert page is not None
    assert f'src="cid:{picture["Content-ID"].strip("<>")}"' in page.get_content()
    plain = message.get_body(("plain",))
    assert plain is not None  # for whoever reads no HTML


def test_greylisting_is_met_with_patience(tools: Tools) -> None:
    box = Box(rcpt="450 4.2.0 greylisted, try again in 60 seconds")
    with server(box) as port:
        first = deliver(port, tools)
        box.rcpt = "250 OK"
        assert isinstance(deliver(port, tools), Sent)
    assert isinstance(first, Retry)
    assert "greylisted" in first.reason
    assert [message["Message-ID"] for message in box.messages] == ["<key-1@city.example>"]


def test_a_line_that_breaks_in_the_middle_of_the_message_is_tried_again(tools: Tools) -> None:
    def hang_up_after_data(call: socket) -> None:
        call.sendall(b"220 hello\r\n")
        while (heard := call.recv(1024)) and not heard.startswith(b"data"):
            call.sendall(b"250 OK\r\n")
        call.sendall(b"354 go on\r\n")
        call.recv(10)

    with talking(hang_up_after_data) as port:
        assert isinstance(deliver(port, tools), Retry)


def test_whoever_is_not_let_in_knows_that_the_channel_is_broken() -> None:
    assert judge(535, b"no") == GiveUp("SMTP 535 no", broken=True)
    assert judge(550, b"no") == GiveUp("SMTP 550 no")


def test_nobody_listening_and_nobody_speaking_are_tried_again(tools: Tools) -> None:
    with socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert isinstance(deliver(bound.getsockname()[1], tools), Retry)
        bound.listen()  # takes the call and never says a word
        hurried = Tools(tools.http, tools.wall, tools.environ, timeout_s=0.2)
        assert isinstance(deliver(bound.getsockname()[1], hurried), Retry)


def test_tls_is_used_when_offered_and_the_password_goes_only_inside_it(tools: Tools, tmp_path: Path) -> None:
    context, authority = certificate(tmp_path)

    def check(mail: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
        return AuthResult(success=data.password == b"right", handled=data.password == b"right")

    box = Box()
    with server(box, tls_context=context, authenticator=check, auth_require_tls=True) as port:
        settings = {"ca_file": str(authority), "password_env": "MAIL_PASSWORD", "user": "lifeline", "host": "localhost"}
        assert isinstance(deliver(port, tools, **settings), Sent)
        stranger = deliver(port, tools)
        wrong = Tools(tools.http, tools.wall, {"MAIL_PASSWORD": "wrong"}, timeout_s=PATIENCE_S)
        refused = deliver(port, wrong, **settings)
    assert box.secure == [True]
    assert isinstance(stranger, GiveUp)
    assert "certificate" in stranger.reason
    assert isinstance(refused, GiveUp)
    assert "535" in refused.reason


def test_what_cannot_be_had_is_given_up_and_named(tools: Tools) -> None:
    with server(Box()) as port:
        no_tls = deliver(port, tools, tls="starttls")
        no_login = deliver(port, tools, **PASSWORD)
    no_secret = deliver(1, tools, **{"password_env": "NOT_SET"})
    no_host = deliver(1, tools, host="")
    for given, word in ((no_tls, "STARTTLS"), (no_login, "AUTH"), (no_secret, "NOT_SET"), (no_host, "host")):
        assert isinstance(given, GiveUp)
        assert word in given.reason


def certificate(folder: Path) -> tuple[SSLContext, Path]:
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost"]
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - fixed words and a temporary folder
    except FileNotFoundError:
        pytest.skip("openssl is not installed: cannot make a certificate for the mail server")
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert
