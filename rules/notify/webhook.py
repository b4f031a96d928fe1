"""Webhook channel: POST of the JSON body, signed.

Settings: `secret_env` (variable holding the signing secret; without it the body goes unsigned), `ca_file` (to trust a
city's own authority), `url` (instead of the person's own `webhook` address). Headers: `Idempotency-Key`, `traceparent`
(W3C Trace Context: the trace of the readings that led to it), and
`Lifeline-Signature: t=<unix s>,v1=<hex>` where v1 is HMAC-SHA256 over `<t>.<body>`.

============================== =============================================
answer of the endpoint         ours
============================== =============================================
2xx                            sent
408, 429, 5xx, no answer, 1xx  retry (after `Retry-After`, if it says so)
3xx, any other 4xx             give up
a certificate we do not trust  give up
============================== =============================================
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from rules.notify.access import MissingSecret, distrusted, secret, trust
from rules.notify.letter import Answer, GiveUp, Letter, NoAddress, Retry, Sent, Tools
from rules.notify.weblines import web_client
from rules.reasons import because

SIGNATURE = "Lifeline-Signature"
_SHORT_BODY = 64 * 1024


def send(letter: Letter, settings: Mapping[str, object], tools: Tools) -> Answer:
    """Deliver one letter."""
    url = str(settings.get("url") or letter.to.get("webhook", ""))
    if not url.startswith(("https://", "http://")):
        return NoAddress(f"no webhook address: {url!r} is not http(s), give the person or the channel one")
    try:
        key = secret(settings, "secret_env", tools)
        with _client(settings, tools) as http:
            return _post(http, url, letter, key, tools)
    except MissingSecret as error:
        return GiveUp(str(error), broken=True)


def _client(settings: Mapping[str, object], tools: Tools) -> AbstractContextManager[httpx.Client]:
    """The shared client, or one of its own for a channel with its own authority."""
    if not settings.get("ca_file"):
        return nullcontext(tools.http)
    return web_client(trusted=trust(settings))


def _post(http: httpx.Client, url: str, letter: Letter, key: str, tools: Tools) -> Answer:
    headers = {"Content-Type": "application/json; charset=utf-8", "Idempotency-Key": letter.key}
    if letter.traceparent:
        headers["traceparent"] = letter.traceparent
    if key:
        headers[SIGNATURE] = signature(key.encode(), tools.wall.now_us() // 1_000_000, letter.body)
    try:
        # Streamed: the answer's status decides; a body that never ends is nobody's business.
        with http.stream(
            "POST", url, content=letter.body, headers=headers, timeout=tools.timeout_s, follow_redirects=False
        ) as response:
            answer = judge(response.status_code, response.headers, tools.wall.now())
            _hear_out(response)
            return answer
    except httpx.InvalidURL as error:
        return GiveUp(f"webhook address {url!r}: {error}")
    except httpx.HTTPError as error:
        if why := distrusted(error):
            return GiveUp(f"{httpx.URL(url).host}: {why}")
        return Retry(f"{type(error).__name__}: {error}".rstrip(": "))


def _hear_out(response: httpx.Response) -> None:
    """Take a short body, so that the connection can serve again."""
    length = response.headers.get("content-length", "0" if response.status_code == 204 else "")
    if length.isdecimal() and int(length) <= _SHORT_BODY:
        with suppress(httpx.HTTPError):
            response.read()


def signature(key: bytes, unix_s: int, body: bytes) -> str:
    """Value of the signature header for a body sent at `unix_s` (seconds since 1970)."""
    return f"t={unix_s},v1={hmac.digest(key, b'%d.' % unix_s + body, 'sha256').hex()}"


def judge(status: int, headers: Mapping[str, str], now: datetime) -> Answer:
    """Our answer to an HTTP status; `now` turns a `Retry-After` date into seconds."""
    if 200 <= status < 300:
        return Sent(because("http", status=status))
    if status in (408, 429) or status >= 500 or status < 200:
        return Retry(because("http", status=status), retry_after_s(headers.get("retry-after", ""), now))
    if status < 400:
        return GiveUp(because("http_moved", status=status, address=headers.get("location", "nowhere")))
    return GiveUp(because("http", status=status), broken=status in (401, 403))


def retry_after_s(text: str, now: datetime) -> float | None:
    """Seconds a `Retry-After` header asks for (a number or a date); None when it says nothing usable."""
    if text.strip().isdecimal():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())
