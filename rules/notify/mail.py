"""E-mail channel (SMTP).

Settings: `host`, `port` (587), `from`, `user` (default `from`), `password_env`, `tls` (`auto`: STARTTLS when the server
offers it; `starttls`: or not at all; `ssl`: TLS from the first byte), `ca_file` (to trust a city's own authority).
A password is never sent in the clear: without TLS it is refused unless the server is this machine.

=================================== ========
answer of the server                ours
=================================== ========
2xx                                 sent
4xx, no answer, connection dropped  retry
5xx, a certificate we do not trust  give up
=================================== ========
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Mapping
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from city.levels import Level
from rules.notify.access import MissingSecret, distrusted, secret, trust
from rules.notify.letter import Answer, GiveUp, Letter, NoAddress, Retry, Sent, Tools
from rules.reasons import because

_NO_ADDRESS = re.compile(r"[\s,;<>]|=\?")
_HERE = ("localhost", "127.0.0.1", "::1")
_PICTURE = "picture@lifeline"
_NOT_LET_IN = (530, 534, 535, 538)  # RFC 4954: authentication is wanted, too weak, refused


def send(letter: Letter, settings: Mapping[str, object], tools: Tools) -> Answer:
    """Deliver one letter."""
    sender, host = str(settings.get("from", "")), str(settings.get("host", ""))
    recipient = letter.to.get("email", "")
    if not (sender and host and recipient):
        missing = [name for name, it in (("from", sender), ("host", host), ("email", recipient)) if not it]
        why = f"e-mail: {' and '.join(missing)} not given"
        return NoAddress(why) if missing == ["email"] else GiveUp(why, broken=True)
    try:
        message = compose(letter, sender, recipient)
        password, context = secret(settings, "password_env", tools), trust(settings)
    except MissingSecret as error:
        return GiveUp(str(error), broken=True)
    except ValueError as error:  # the address parser's words
        return GiveUp(f"e-mail address {recipient!r} or {sender!r}: {error}")
    try:
        return _deliver(message, settings, password, context, tools.timeout_s)
    except smtplib.SMTPRecipientsRefused as error:
        return judge(*error.recipients[recipient])
    except smtplib.SMTPResponseException as error:
        return judge(error.smtp_code, error.smtp_error)
    except smtplib.SMTPNotSupportedError as error:
        return GiveUp(f"{host}: {error}", broken=True)
    except (OSError, smtplib.SMTPException) as error:
        if why := distrusted(error):
            return GiveUp(f"{host}: {why}", broken=True)
        return Retry(f"{type(error).__name__}: {error}".rstrip(": "))


def _deliver(
    message: EmailMessage, settings: Mapping[str, object], password: str, context: ssl.SSLContext, timeout_s: float
) -> Answer:
    host, port, tls = str(settings["host"]), int(str(settings.get("port", 587))), str(settings.get("tls", "auto"))
    server: smtplib.SMTP = (
        smtplib.SMTP_SSL(host, port, timeout=timeout_s, context=context)
        if tls == "ssl"
        else smtplib.SMTP(host, port, timeout=timeout_s)
    )
    with server:
        server.ehlo_or_helo_if_needed()
        safe = tls == "ssl"
        if not safe and (tls == "starttls" or server.has_extn("starttls")):
            server.starttls(context=context)
            server.ehlo()
            safe = True
        if password:
            if not safe and host not in _HERE:
                return GiveUp(f"{host} offers no TLS and a password is set: it would travel in the clear", broken=True)
            server.login(str(settings.get("user") or settings["from"]), password)
        server.send_message(message)
    return Sent(because("mail_taken"))


def judge(code: int, text: bytes | str) -> Answer:
    """Our answer to an SMTP status."""
    said = f"SMTP {code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}".strip()[:300]
    if 200 <= code < 300:
        return Sent(said)
    return GiveUp(said, broken=code in _NOT_LET_IN) if code >= 500 else Retry(said)


def compose(letter: Letter, sender: str, recipient: str) -> EmailMessage:
    """The message; its Message-ID is the notice's key, so that repeats fall together in the mail box."""
    message = EmailMessage()
    message["From"] = _line(sender)
    message["To"] = Address(display_name=_line(letter.to.get("name", "")), addr_spec=_address(recipient))
    message["Subject"] = _line(letter.subject)
    message["Date"] = format_datetime(letter.created_at)
    message["Message-ID"] = f"<{letter.key}@{sender.rpartition('@')[2].rstrip('> ') or 'lifeline.invalid'}>"
    message["Auto-Submitted"] = "auto-generated"
    if letter.trace:
        message["Lifeline-Trace"] = letter.trace
    message["Content-Language"] = letter.language
    if letter.level is Level.RED:
        message["Importance"] = "high"
        message["X-Priority"] = "1"
    message.set_content(letter.text)
    message.add_alternative(letter.html.replace("cid:picture", f"cid:{_PICTURE}"), subtype="html")
    if letter.picture:
        page = message.get_payload(1)
        if isinstance(page, EmailMessage):
            page.add_related(
                letter.picture, "image", "png", cid=f"<{_PICTURE}>", filename="24h.png", disposition="inline"
            )
    return message


def _line(text: str) -> str:
    """A text on one line of a header. The mail library would decode an encoded word in it, line ends within and all."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split()).replace("=?", "= ?")


def _address(text: str) -> str:
    """An address and no more (ValueError otherwise): not two of them, nor the beginning of another header."""
    if not text.isprintable() or _NO_ADDRESS.search(text):
        raise ValueError("has what no address has")
    return text
