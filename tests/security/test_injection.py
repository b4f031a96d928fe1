"""What people and machines write is shown, kept and sent as text: never read as SQL, HTML, a header or a log line."""

from __future__ import annotations

import json
import logging
import re
from base64 import urlsafe_b64encode
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import httpx
import pytest
from psycopg.types.json import Jsonb

from city.clock import SystemClock
from city.levels import Level
from lifeline import logs
from rules.notify import mail
from rules.notify.letter import Letter
from tests.http.browser import chromium
from tests.http.people import Serve, token
from tests.http.test_guard import routes
from tests.running import eventually

if TYPE_CHECKING:
    from tests.http.conftest import World

SLEEP_S = 30
# Each would show more than was asked, fail, or take half a minute, were it ever read as SQL.
SQL = (
    "'", "\"", "' OR '1'='1", "'; SELECT pg_sleep(30); --", "' || pg_sleep(30) || '", "1); SELECT pg_sleep(30); --",
    "$$; SELECT pg_sleep(30); $$", "\\'; SELECT pg_sleep(30); --", "%(limit)s", "%s%n%%", "{limit}",
    "x' UNION SELECT 1 --",
    "\ufeff' OR 1=1", "\u02bc OR 1=1",
)  # fmt: skip
TOLD = re.compile(r"psycopg|syntax error|pg_catalog|relation |lifeline\.(?!css)")  # what no answer says
HTML = (
    "<script>window.ran=1</script>", "<img src=x onerror=window.ran=1>", "\"'><svg onload=window.ran=1>",
    "javascript:window.ran=1", "</title></textarea></script><script>window.ran=1</script>",
    "<style>*{display:none}</style>", "{{7*7}}${7*7}<%= 7*7 %>{% raw %}", "<base href=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example'>", "<iframe srcdoc='<script>parent.ran=1</script>'>",
    "\u202e<b>\u2066<!--", "<form action=//evil.example><button>OK",
)  # fmt: skip


def test_no_parameter_of_any_route_is_read_as_sql(database: str, districts: World, serve: Serve) -> None:
    """Each query parameter of each route in turn; bodies, headers and forms get them all, paths are in test_roads."""
    key = token(districts, "boss", "admin")
    rows = "SELECT (SELECT count(*) FROM lifeline.journal), (SELECT count(*) FROM lifeline.accounts)"
    before, asked = districts.conn.execute(rows).fetchone(), 0
    with serve() as client:
        for path, route, _ in routes(database):
            texts = [field for field in route.dependant.query_params if "str" in str(field.field_info.annotation)]
            names = [field.alias for field in texts]  # numbers and times are refused before anything reads them
            if "GET" not in (route.methods or ()) or not names or path == "/events":
                continue
            address = re.sub(r"{\w+}", "ieigen", path)
            for name in names:
                payload = SQL[asked % len(SQL)]  # one each, all of them many times
                asked += 1
                answer = client.get(address, params={name: payload}, headers=key)
                assert answer.status_code in (200, 303, 404, 422), (path, name, payload, answer.status_code)
                assert answer.elapsed.total_seconds() < SLEEP_S, (path, name, payload)
                assert not TOLD.search(answer.text), (path, name, payload)
        for payload in SQL[::3]:
            command = {"kind": "note", "note": payload}
            headers = {**key, "If-Match": "*", "User-Agent": payload.encode(), "Accept-Language": payload.encode()}
            answer = client.post("/api/v1/incidents/ieigen/commands", json=command, headers=headers)
            assert answer.status_code == 202, (payload, answer.text)
            assert answer.elapsed.total_seconds() < SLEEP_S
            for given in (
                {"kind": payload, "note": "x"},
                {"kind": "note", "note": "x", payload: 1},
                [payload],
                payload,
            ):
                answer = client.post("/api/v1/incidents/ieigen/commands", json=given, headers={**key, "If-Match": "*"})
                assert answer.status_code == 422, given
            wrong = client.post("/login", data={"name": payload, "password": payload, "next": payload})
            assert wrong.status_code in (401, 429)
            districts.run("DELETE FROM lifeline.sessions")
    notes = [command["note"] for command in districts.commands()]
    assert notes == [payload.strip() for payload in SQL[::3]]
    assert asked > 50
    after = districts.conn.execute(rows).fetchone()
    assert before is not None
    assert after == (before[0] + len(SQL[::3]), before[1])


BODIES = (
    (b"[" * 30_000, 400),
    (b'{"kind":' * 8_000, 400),
    (b'{"kind":"note","note":"\\ud800"}', 422),
    (b'{"kind":"note","note":"a\\u0000b"}', 422),
    (b'{"kind":"note","note":' + b"9" * 60_000 + b"}", 400),
    (b'{"kind":"note","note":1e999999}', 422),
    (b'{"kind":"close","note":"x","kind":"note"}', 202),  # the last one counts, for the engine too
    (b"\xff\xfe{}", 422),
    (b"", 422),
    (b"{", 422),
    (b"null", 422),
)


def test_a_body_is_json_of_the_right_shape_or_it_is_refused(client: httpx.Client, world: World) -> None:
    world.incident()
    headers = {"If-Match": "*", "Content-Type": "application/json"}
    for body, status in BODIES:
        answer = client.post("/api/v1/incidents/I-7/commands", content=body, headers=headers)
        assert answer.status_code == status, (body[:40], answer.text[:300])
        assert len(answer.content) < 4000
    lone = urlsafe_b64encode(b'["api_incidents",["\\ud800"]]').decode()
    for cursor in ("W10", "bnVsbA", lone, "W1tbW1tb" * 100, "=", "WyJhcGlfaW5jaWRlbnRzIixbXV0", "\u6c34"):
        found = client.get("/api/v1/incidents", params={"after": cursor})
        assert found.status_code in (200, 422), (cursor, found.text)
    assert len(world.commands()) == 1


def hostile(world: World) -> None:
    """Names, notes, answers and reasons that want to be more than text, in every table that pages show."""
    text = "".join(HTML)
    world.incident(title=Jsonb({"en": text, "zh": text}))
    for number, payload in enumerate(HTML):
        world.event("I-7", "note", payload[:80], payload, event=f"e{number}")
        world.notice(f"{number:08x}", answer=payload, via=payload, target=payload, state="failed")
    words = ("what", "where", "district", "sensor", "unit", "threshold", "guidance")
    facts = dict.fromkeys(words, text) | {
        "told": [text],
        "value": 1,
        "lon": 1,
        "lat": 1,
        "since": world.now.isoformat(),
    }
    content = {"subject": text, "text": text, "language": "en", "facts": facts, "to": {"name": text}}
    world.notice(content=Jsonb(content))
    world.run("UPDATE lifeline.sites SET name = %s", Jsonb({"en": text, "zh": text}))
    world.run("UPDATE lifeline.districts SET name = %s", Jsonb({"en": text, "zh": text}))
    world.run("UPDATE lifeline.gateways SET name = %s", text)
    world.run("UPDATE lifeline.sensors SET unit = %s, domain = %s", text, text)
    world.run("UPDATE lifeline.alarms SET title = %s, hold_reason = %s", Jsonb({"en": text, "zh": text}), text)
    evidence = Jsonb([{"sensor": text, "test": text}])
    world.run("UPDATE lifeline.alarm_events SET reason = %s, evidence = %s", text, evidence)
    rejected = "INSERT INTO lifeline.rejections (received_at, reason, gateway, sensor, detail)"
    world.run(f"{rejected} VALUES (now(), %s, %s, %s, %s)", *[text[:60]] * 3, text)
    world.run(
        "INSERT INTO lifeline.shelves VALUES ('sh1', 'shelved', 'r/wl-017', 'r', 'wl-017', 2, false, now(),"
        " now() + interval '1 h', %s, %s, 'page')",
        *(text[:80], text),
    )
    world.run("INSERT INTO lifeline.health VALUES (%s, 1, %s, 'fault', now(), %s)", text[:60], text[:9], text)


# What ran, where we are, which scripts there are, what no page of ours has, and what leads to somewhere else.
ELSEWHERE = r"/^(\/(?!\/)|\?|#|geo:|data:image|https?:\/\/(www\.)?openstreetmap\.org\/|$)/"
LOOK = f"""[window.ran, location.host,
  [...document.querySelectorAll('script')].map(s => s.getAttribute('src') || 'inline'),
  document.querySelectorAll('iframe, object, embed, base, style, [style], [onerror], [onload]').length,
  [...document.querySelectorAll('a, form, img')]
    .map(e => e.getAttribute('href') || e.getAttribute('action') || e.getAttribute('src') || '')
    .filter(a => !{ELSEWHERE}.test(a))]"""
# Had something come through, the policy would have stopped it.
PUT_IN = """(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 2';
  document.body.append(s); const i = document.createElement('img'); i.setAttribute('onerror', 'window.ran = 3');
  i.src = '/none'; document.body.append(i); return window.ran || 0; })()"""
PAGES = (
    "/", "/incidents/I-7", "/sensors", "/sensors/wl-017", "/gateways", "/gateways/gw-1", "/rejections", "/notices",
    "/shelves", "/maintenance", "/health", "/floods", "/rosters", "/statistics", "/cap", "/incidents/I-7/cap",
)  # fmt: skip


@pytest.mark.browser
def test_a_real_browser_runs_nothing_that_somebody_wrote(
    client: httpx.Client, world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    hostile(world)
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        browser.size(1200, 900)
        for page in (*PAGES, f"/n/{world.token()}", "/login", "/none?x=<script>window.ran=1</script>"):
            browser.open(f"{client.base_url}{page}")
            seen = browser.ask(LOOK)
            ran, host, scripts, odd, leads = seen
            assert ran is None, page
            assert host == f"{client.base_url.host}:{client.base_url.port}", page
            assert all(one.startswith("/static/") for one in scripts), (page, scripts)
            assert odd == 0, page
            assert leads == [], (page, leads)
            violations = [event for event in browser.events if "Content Security Policy" in json.dumps(event)]
            assert violations == [], (page, violations)
        assert browser.ask(PUT_IN) == 0
        browser.wait("document.images.length && [...document.images].every(i => i.complete)")
        assert browser.ask("window.ran || 0") == 0


LINES = (
    "a\r\nBcc: all@evil.example", "a\nX-Evil: 1", "a\r\n\r\n<html>", "a\rb", "a\u2028b\u0085c", "a\0b",
    "=?utf-8?q?x=0AX-Evil:1?=", "=?utf-8?b?eApYLUV2aWw6IDEK?=",
)  # fmt: skip


def letter(**changes: object) -> Letter:
    fields: dict[str, object] = {
        "key": "a1b2", "to": {"name": "Li", "email": "li@city.example"}, "subject": "s", "text": "t",
        "html": "<p>t</p>",
        "short": "s", "body": b"{}", "level": Level.RED, "language": "en", "created_at": SystemClock().now(),
    }  # fmt: skip
    return Letter(**fields | changes)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize("line", LINES)
def test_a_mail_has_the_headers_that_we_gave_it(line: str) -> None:
    plain = mail.compose(letter(), "alarms@city.example", "li@city.example")
    given = letter(subject=line, to={"name": line, "email": "li@city.example"})
    message = mail.compose(given, "alarms@city.example", "li@city.example")
    read = message_from_bytes(message.as_bytes(policy=policy.SMTP), policy=policy.default)
    assert sorted(read.keys()) == sorted(plain.keys())
    assert read["To"].addresses[0].addr_spec == "li@city.example"
    assert len(read["To"].addresses) == 1
    for address in (f"li@city.example{line}", f"li@city.example, x@evil.example{line}"):
        with pytest.raises(ValueError):  # noqa: PT011 - the address parser's and the header's own words
            mail.compose(letter(), "alarms@city.example", address)


def test_what_somebody_sends_makes_no_line_of_its_own_in_the_log(
    client: httpx.Client, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.incident()
    fake = "2026-01-01T00:00:00Z ERROR audit_broken everything is lost"
    with caplog.at_level(logging.DEBUG, logger="lifeline"):
        for path in (f"/none%0a{fake}", f"/none%0d%0a{fake}", f"/none%1b[31m{fake}", f"/none%e2%80%a8{fake}"):
            client.get(path.replace(" ", "%20"))
        client.post("/login", data={"name": f"li\n{fake}", "password": f"x\n{fake}"})
        eventually(lambda: len(caplog.records) >= 5)
    for as_json in (True, False):
        lines = logs.Lines(as_json=as_json, hide=())
        for record in caplog.records:
            assert not re.search(r"[\r\n\x1b\u2028\x85]", lines.format(record).rstrip("\n")), record.getMessage()
