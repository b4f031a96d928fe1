"""From a notice to a letter: in full for e-mails, in brief for text messages, as JSON for machines.

A notice is never held back because its words fail: then it goes out as plain facts (`fallback_text`).
"""

from __future__ import annotations

import logging
from html import escape
from zoneinfo import ZoneInfo

import msgspec

from city.words import say
from rules.notify.brief import LONGEST, brief, clip
from rules.notify.display import language_of, utc
from rules.notify.letter import Letter
from rules.notify.outbox import Notice
from rules.notify.policy import short_code
from rules.notify.wording import Line, Links, Words, compose, mapping

_log = logging.getLogger(__name__)


def render(notice: Notice, links: Links, zone: ZoneInfo, picture: bytes = b"") -> Letter:
    """The letter for a notice; `zone` is the city's, `picture` the PNG that its HTML shows."""
    language = language_of(notice.content.get("language", "en"))
    code = short_code(str(notice.content.get("root", notice.notice)))
    try:
        words = compose(notice, language, zone, links, code)
        subject, text = words.subject, "\n".join(_text_line(line, language) for line in words.lines)
        short = brief(notice, subject, language, zone, links.page, code)
        page = _html(words, links, say("notice.picture", language) if picture else "")
    except Exception:  # noqa: BLE001 - whatever is wrong with the facts, the warning goes out
        _log.exception("words_failed notice=%s", notice.notice, extra={"action": "words_failed"})
        subject, text = fallback_text(notice, links.page, code)
        short = f"{clip(subject, LONGEST - len(code) - 1)} {code}"
        page, picture = f"<pre>{escape(text)}</pre>", b""
    return Letter(
        key=notice.notice,
        to={str(key): str(value) for key, value in mapping(notice.content.get("to")).items() if value},
        subject=subject,
        text=text,
        html=page,
        body=_body(notice, language, {"subject": subject, "text": text, "short": short}, links, code),
        language=language,
        level=notice.level,
        created_at=notice.created_at,
        short=short,
        person=notice.target,
        picture=picture,
        trace=notice.trace,
    )


def fallback_text(notice: Notice, link: str, code: str) -> tuple[str, str]:
    """Subject and text when the words failed: what the notice holds, as it stands."""
    subject = f"{notice.level.word.upper()} {notice.kind} {notice.content.get('subject') or notice.incident}"
    if notice.drill:
        subject = f"EXERCISE 演习 {subject}"
    facts = msgspec.json.format(msgspec.json.encode(notice.content.get("facts"), enc_hook=str), indent=1).decode()
    return " ".join(subject.split()), f"{subject}\n{notice.content.get('text') or ''}\n{facts}\n{link}\n{code}"


def _body(notice: Notice, language: str, words: dict[str, str], links: Links, code: str) -> bytes:
    content = {
        "notice": notice.notice,
        "incident": notice.incident,
        "kind": notice.kind,
        "level": notice.level.word,
        "exercise": notice.drill,
        "late": notice.late,
        "created_at": utc(notice.created_at),
        "language": language,
        **words,
        "link": links.page,
        "map": links.map,
        "code": code,
        "root": notice.content.get("root", notice.notice),
        "to": notice.target,
        "facts": notice.content.get("facts"),
    }
    if "raised" in notice.content:
        content["raised"] = notice.content["raised"]
    return msgspec.json.encode(content, enc_hook=str)


def _text_line(line: Line, language: str) -> str:
    return say("notice.line", language, label=line[0], text=line[1]) if line[0] else line[1]


def _html(words: Words, links: Links, picture: str) -> str:
    """The same lines as simple HTML; `picture`: what it is called (empty: there is none)."""
    rows = []
    for label, text in words.lines[1:]:
        shown = escape(text)
        if text in (links.page, links.map):
            shown = f'<a href="{escape(text)}">{shown}</a>'
        elif " geo:" in text:
            place, geo = text.split(" geo:", 1)
            shown = f'<a href="geo:{escape(geo)}">{escape(place)}</a>'
        rows.append(f"<p>{f'<b>{escape(label)}</b>: ' if label else ''}{shown}</p>")
    if picture:
        rows.append(f'<p><img src="cid:picture" alt="{escape(picture)}" width="640" height="320"></p>')
    return f"<!doctype html><html><body><h2>{escape(words.subject)}</h2>{''.join(rows)}</body></html>"
