"""The answers above the crew page: what became of a tap, and what has changed since the notice was sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request

from city.levels import Level
from city.words import say
from lifeline.http import commands, photos
from lifeline.http.crewview import KINDS, WRITTEN, Seen, clock, gathered, kinds, risen, rows
from lifeline.http.data import Data, Row
from rules.inputs import CommandKind
from rules.notify.display import level_word, plain
from rules.notify.zone import Home


@dataclass(frozen=True, slots=True)
class Answer:
    """A sentence that stands out, what follows from it, and where to look again (empty: no need)."""

    title: str
    texts: tuple[str, ...] = ()
    again: str = ""


def instead(seen: Seen, kind: CommandKind, note: str) -> str:
    """Why there is nothing to record (`closed`, `again`, `done`, `needs`, `too_long`); empty when there is."""
    if seen.incident is None or seen.incident["closed_at"] is not None or seen.incident["stage"] == "false_alarm":
        return "closed"
    if kind in WRITTEN and not note:
        return "needs"
    if len(note) > commands.LONGEST_NOTE:
        return "too_long"
    if kind is CommandKind.ACKNOWLEDGE:
        # A colleague's acknowledgement does not take mine away: it is recorded too. My own, once, is enough.
        return "again" if seen.mine(kind) else ""
    if kind in kinds(seen) or kind in (CommandKind.NOTE, CommandKind.CANNOT_GO):
        return ""
    return "again" if seen.latest(kind, seen.claims.person) else "done" if seen.latest(kind) else ""


def after_tap(data: Data, request: Request, seen: Seen) -> list[str]:
    """What the address says of a tap just made: keys for `answers`."""
    asked = request.query_params
    kind, said, seq = asked.get("kind", ""), asked.get("said", ""), asked.get("seq", "")
    if kind not in set(KINDS):
        return []
    if seq.isascii() and seq.isdecimal() and len(seq) < 19:
        incident = asked.get("of", "") or (seen.incident or {}).get("incident", "")
        if seen.incident is None and incident not in gathered(seen.notice):
            return []
        return [f"{commands.outcome(data, incident, int(seq)).state}:{kind}:{seq}"]
    return [f"{said}:{kind}"] if said in ("closed", "again", "done") else []


@dataclass(frozen=True, slots=True)
class Here:
    """Where and when a page is read: the city, the language, the city's time, and the page's own address."""

    home: Home
    language: str
    now: datetime
    address: str

    def at(self, when: datetime) -> str:
        """A time, short."""
        return clock(when, self.home, self.now)


def answers(seen: Seen, said: list[str], here: Here) -> tuple[list[Answer], list[Answer]]:
    """What to say above the page (what became of a tap, and that it is over), and what the notice could not know.

    Parameters
    ----------
    said
        What became of a tap: `again:dispatch`, `waiting:report:17`, `photo_large`.
    """
    found = [answer for key in said if (answer := _of_tap(seen, key, here)) is not None]
    return found + _ended(seen, said, here), _changed(seen, said, here)


def _of_tap(seen: Seen, key: str, here: Here) -> Answer | None:
    language = here.language
    state, _, rest = key.partition(":")
    kind, _, seq = rest.partition(":")
    mine = seen.latest(CommandKind(kind), seen.claims.person) if kind else None
    tap = say(f"crew.tap_{kind}", language) if kind else ""
    match state:
        case "done" if seq:
            when = here.at(mine["time"]) if mine else ""
            return Answer(_without(say("crew.recorded", language, what=tap, when=when)), (_next(kind, language),))
        case "done":
            other = seen.latest(CommandKind(kind))
            return Answer(_line("done", other, here, tap), (_t("again_text", language), _next(kind, language)))
        case "again":
            return Answer(_line("again", mine, here, tap), (_t("again_text", language), _next(kind, language)))
        case "waiting":
            return Answer(say("crew.waiting", language, what=tap), (_t("waiting_text", language),), here.address)
        case "closed" if seen.incident is None:
            return Answer(_t("nothing_recorded", language))
        case "refused":
            stage = say(f"page.stage_{seen.incident['stage']}", language) if seen.incident else ""
            return Answer(say("crew.refused", language, what=tap), (say("crew.refused_text", language, stage=stage),))
        case "needs":
            return Answer(_t(f"needs_{kind}", language))
        case "too_long":
            return Answer(say("crew.too_long", language, n=commands.LONGEST_NOTE))
        case "old_form":
            return Answer(_t("old_form", language), (_t("old_form_text", language),))
        case "photo_large" | "photo_unreadable" | "photo_enough" | "photo_many":
            said = say(f"crew.{state}", language, n=photos.MOST_PHOTOS, mb=photos.LONGEST_PHOTO // 2**20)
            return Answer(said, () if state == "photo_enough" else (_t("photos_again", language),))
    return None


def _ended(seen: Seen, said: list[str], here: Here) -> list[Answer]:
    incident, language = seen.incident, here.language
    if incident is None:
        return []
    lost = (_t("nothing_recorded", language),) if any(key.startswith("closed:") for key in said) else ()
    if incident["closed_at"] is not None:
        title = say("crew.closed", language, when=here.at(incident["closed_at"]))
        return [Answer(title, (*lost, _t("closed_text", language)))]
    if incident["stage"] == "false_alarm":
        judged = seen.latest(CommandKind.FALSE_ALARM)
        title = say("crew.false_alarm", language, when=here.at(judged["time"]) if judged else "–")
        return [Answer(title, (*lost, _t("false_alarm_text", language)))]
    return []


def _changed(seen: Seen, said: list[str], here: Here) -> list[Answer]:
    incident, language = seen.incident, here.language
    if incident is None or incident["closed_at"] is not None or incident["stage"] == "false_alarm":
        return []
    found = []
    if incident["level"] == "none" and Level(seen.notice["level"]) is not Level.NONE:
        found.append(Answer(_t("cleared", language), (_t("cleared_text", language),)))
    if (levels := risen(seen)) is not None:
        was, now = levels
        key = "risen" if now > was else "fallen"
        found.append(Answer(say(f"crew.{key}", language, was=level_word(was, language), now=level_word(now, language))))
    first = seen.latest(CommandKind.ACKNOWLEDGE)
    waits = incident["acknowledged"] and CommandKind.ACKNOWLEDGE in kinds(seen)
    if waits and first is not None and first["actor"] != seen.claims.person and not said:
        found.append(Answer(_line("beside", first, here, ""), (_t("beside_text", language),)))
    return found


def digest(data: Data, seen: Seen, language: str) -> dict[str, Any]:
    """What the template needs to know of a notice about several incidents, or about none."""
    names = gathered(seen.notice)
    found = rows(data, "some_incidents", incidents=names, person=seen.claims.person) if names else []
    for row in found:
        ended = row["closed_at"] is not None or row["stage"] == "false_alarm"
        row["can_acknowledge"] = not ended and not (row["acknowledged"] and row["mine"])
    to = seen.content.get("to")
    return {
        "incidents": found,
        "subject": plain(seen.content.get("subject"), language) or "Lifeline",
        "text": "" if found else plain(seen.content.get("text"), language),
        "me": (to.get("name") if isinstance(to, dict) else "") or seen.claims.person,
    }


def _line(key: str, row: Row | None, here: Here, tap: str) -> str:
    """`again`, `done` or `beside`, with who and when where that is known."""
    language = here.language
    if row is None:
        return _without(say(f"crew.{key}", language, what=tap, when=""))
    who = row["name"] or say("crew.somebody", language)
    what = tap if key == "again" else say(f"crew.did_{row['kind']}", language, who=who)
    return say(f"crew.{key}", language, what=what, when=here.at(row["time"]))


def _without(sentence: str) -> str:
    """A sentence whose last place stayed empty."""
    return sentence.replace(", .", ".").replace("，。", "。")


def _next(kind: str, language: str) -> str:
    return _t(f"next_{kind}", language)


def _t(key: str, language: str) -> str:
    return say(f"crew.{key}", language)
